//! The numbers inside partialpool: cross-products, the profiled likelihood with its exact
//! gradient, and what follows from the factor at the optimum. Knows nothing of Python or names.

pub mod basis;
pub mod blocked;
mod boundary;
pub mod build;
pub mod collapsed;
pub mod crossproducts;
pub mod curvature;
pub mod dense;
mod dense_inverse;
pub mod error;
pub mod fit;
mod fixed_part;
pub mod inverse;
pub mod levels;
pub mod log_posterior;
mod meetings;
pub mod merge;
mod objective;
pub mod optimise;
mod parameters;
pub mod priors;
pub mod profiled;
mod random_draws;
pub mod rest;
pub mod rows;
pub mod sampling;
mod satterthwaite;
mod search;
pub mod sparse;
mod starts;
mod transform;
pub mod warm_start;

pub use crossproducts::{Column, CrossProducts, Factor, FactorInput, Input};
pub use error::NumericsError;
pub use fit::Fit;
