//! Cross-products: from rows to the sufficient statistics of a linear mixed model, merged and thinned.

mod basis;
mod build;
mod check;
mod co_occurrence;
mod components;
mod crossproducts;
mod delete;
mod fixed_part;
mod fixed_root;
mod levels;
mod merge;
mod sparse_columns;

pub(crate) use self::basis::power_of_two_inverse;
pub use self::components::{components, Component};
pub use self::crossproducts::{Column, CrossProducts, FactorInput, Input};
pub use self::levels::encode;
