//! A fitted model: found from several starts, read at the optimum, stated row by row.

pub(crate) mod global;
pub mod model;
pub mod rows;
pub mod smoothed_columns;
