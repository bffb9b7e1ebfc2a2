//! Covariances of random effects: the parameters of their blocks, and the passage between raw and working bases.

mod factor;
mod parameters;
mod singular;
mod structure;
mod unstructured;

pub use self::factor::Factor;
pub use self::parameters::Passage;
pub(crate) use self::parameters::{lambda_from, pull_back, theta_of};
pub use self::singular::SINGULAR_TOLERANCE;
pub(crate) use self::singular::{null_directions, semidefinite_factor};
pub use self::structure::Structure;
pub(crate) use self::unstructured::whitener;
