//! The numbers inside partialpool: cross-products, the profiled likelihood with its exact
//! gradient, and what follows from the factor at the optimum. Knows nothing of Python or names.

pub mod basis;
pub mod blocked;
pub mod bootstrap;
pub mod build;
pub mod constrained;
pub mod crossproducts;
pub mod dense;
pub mod error;
pub mod exact_test;
pub mod fit;
pub mod inverse;
pub mod levels;
pub mod merge;
pub mod optimise;
pub mod profile;
pub mod profiled;
pub mod rest;
pub mod rows;
pub mod sparse;

pub use crossproducts::{Column, CrossProducts, Factor, FactorInput, Input};
pub use error::NumericsError;
pub use fit::Fit;
