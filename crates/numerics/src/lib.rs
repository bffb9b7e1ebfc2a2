//! The numbers inside partialpool: cross-products, the profiled likelihood with its exact
//! gradient, and what follows from the factor at the optimum. Knows nothing of Python or names.

pub mod basis;
pub mod blocked;
mod boundary;
pub mod build;
pub mod crossproducts;
pub mod curvature;
pub mod dense;
mod dense_inverse;
pub mod error;
pub mod fit;
mod fixed_part;
pub mod influence;
pub mod inverse;
pub mod levels;
mod meetings;
pub mod merge;
pub mod optimise;
mod parameters;
pub mod profiled;
pub mod rest;
pub mod rows;
mod satterthwaite;
mod search;
pub mod sparse;

pub use crossproducts::{Column, CrossProducts, Factor, FactorInput, Input};
pub use error::NumericsError;
pub use fit::Fit;
