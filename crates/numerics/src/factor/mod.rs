//! The factor of Ω = ΛᵀAΛ + I: blocked Cholesky, what is left after the first grouping factor, the selected inverse.

mod blocked;
mod inverse;
mod rest;

pub use self::blocked::{apply_lambda, multiply, Blocked};
pub(crate) use self::blocked::{multiply_diagonal, multiply_pairs, LEVELS_PER_TASK};
pub use self::inverse::LeadInverse;
pub use self::rest::Rest;
