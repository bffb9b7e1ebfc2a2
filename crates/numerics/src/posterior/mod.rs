//! The posterior: priors, log-posteriors with their gradients, NUTS.

pub mod collapsed;
pub mod cost;
pub(crate) mod draws;
pub mod given_effects;
pub mod joint;
pub mod levelwise;
pub mod log_posterior;
pub mod priors;
pub mod sampling;
pub mod slow_directions;
pub(crate) mod transform;
pub mod warm_start;
