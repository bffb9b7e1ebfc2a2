//! Responses drawn from a model and fitted again: parametric bootstrap, power.

mod bootstrap;
mod power;
mod refit;

pub use self::bootstrap::{Law, RandomPart, Refits, Refitted};
pub use self::power::TestParts;
