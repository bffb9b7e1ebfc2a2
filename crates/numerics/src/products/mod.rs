//! Cross-products: from rows to the sufficient statistics of a linear mixed model, merged and thinned.

pub mod basis;
pub mod build;
pub(crate) mod check;
pub(crate) mod co_occurrence;
pub mod components;
pub mod crossproducts;
pub mod delete;
pub(crate) mod fixed_part;
pub mod fixed_root;
pub mod levels;
pub mod merge;
pub(crate) mod sparse_columns;
