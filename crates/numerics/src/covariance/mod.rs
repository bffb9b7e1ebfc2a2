//! Covariances of random effects: structures with their parameters, and the passage between raw and working bases.

mod block;
#[cfg(test)]
mod contract;
mod coordinates;
mod correlations;
mod diagonal;
mod factor;
mod parameters;
mod singular;
mod structure;
mod unstructured;

pub use self::block::Block;
pub(crate) use self::coordinates::Inverse;
pub use self::coordinates::{Matrices, Passage, Raw, Working};
pub use self::correlations::{correlation_factor, lkj, Correlations};
pub use self::factor::Factor;
pub(crate) use self::parameters::{
    add_bend, canonical, identity, lambda_from, nonzero, pull_back, scale_parameters, start, theta_of,
};
pub use self::parameters::{directions, Direction};
pub use self::singular::SINGULAR_TOLERANCE;
pub(crate) use self::singular::{null_directions, semidefinite_factor, smallest_pivot};
pub use self::structure::{BasisChanges, Structure};
pub(crate) use self::unstructured::whitener;
