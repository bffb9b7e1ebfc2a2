//! The search for the optimum: starts, descent, escape from saddles and boundaries.

pub(crate) mod boundary;
pub(crate) mod global;
pub mod optimise;
pub(crate) mod starts;
