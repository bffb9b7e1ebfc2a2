//! The posterior: priors, log-posteriors with their gradients, NUTS.

mod collapsed;
mod cost;
mod draws;
mod given_effects;
mod joint;
mod levelwise;
mod log_posterior;
mod priors;
mod sampling;
mod slow_directions;
mod transform;
mod warm_start;

pub use self::collapsed::Collapsed;
pub use self::cost::SamplingCost;
pub use self::joint::Joint;
pub use self::log_posterior::{LogPosterior, Priors};
pub use self::priors::Prior;
pub use self::sampling::{sample, ChainDraws, CollapsedTarget, JointTarget, Plan, Progress};
pub use self::warm_start::WarmStart;
