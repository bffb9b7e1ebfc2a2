//! The numbers inside partialpool: cross-products, the profiled likelihood with its exact
//! gradient, and what follows from the factor at the optimum. Knows nothing of Python or names.

pub mod covariance;
pub mod criterion;
pub mod error;
pub mod factor;
pub mod fit;
pub mod inference;
pub mod interrupt;
pub mod linalg;
pub mod posterior;
pub mod products;
pub mod search;
pub mod simulation;

pub use covariance::Factor;
pub use error::NumericsError;
pub use fit::Fit;
pub use products::{Column, CrossProducts, FactorInput, Input};
