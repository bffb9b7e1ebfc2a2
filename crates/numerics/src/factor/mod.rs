//! The factor of Ω = ΛᵀAΛ + I: blocked Cholesky, what is left after the first grouping factor, the selected inverse.

pub mod blocked;
pub mod inverse;
pub mod rest;
