//! Responses drawn from a model and fitted again: parametric bootstrap, power.

pub mod bootstrap;
pub mod power;
pub(crate) mod refit;
