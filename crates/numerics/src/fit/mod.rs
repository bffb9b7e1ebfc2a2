//! A fitted model: found from several starts, read at the optimum, stated row by row.

mod model;
mod optimise;
mod rows;
mod smoothed_columns;

pub use self::model::{Convergence, Fit};
pub use self::rows::Rows;
