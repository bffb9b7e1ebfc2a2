//! The numbers inside partialpool: cross-products, the profiled likelihood with its exact
//! gradient, and what follows from the factor at the optimum. Knows nothing of Python or names.

pub mod basis;
pub mod blocked;
pub mod bootstrap;
mod boundary;
pub mod build;
pub mod components;
pub mod constrained;
pub mod crossproducts;
pub mod curvature;
mod curvature_crossed;
pub mod dense;
pub mod dense_factor;
mod dense_inverse;
pub mod error;
pub mod exact_test;
pub mod fit;
mod fixed_part;
pub mod fixed_root;
pub mod influence;
pub mod inverse;
pub mod kenward_roger;
pub mod levels;
mod meetings;
pub mod merge;
mod objective;
pub mod optimise;
mod parameters;
pub mod profile;
pub mod profiled;
pub mod rest;
pub mod rows;
mod satterthwaite;
mod search;
pub mod sparse;
mod square;
mod starts;
pub mod variance_traces;

pub use crossproducts::{Column, CrossProducts, Factor, FactorInput, Input};
pub use error::NumericsError;
pub use fit::Fit;
