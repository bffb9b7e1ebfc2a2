//! The search for the minimum of any criterion: descent, escape from saddles and boundaries, a second look.

mod boundary;
mod global;
mod objective;
mod optimise;

pub(crate) use self::global::minimum;
pub use self::optimise::{bfgs, hessian, Objective, Point};
