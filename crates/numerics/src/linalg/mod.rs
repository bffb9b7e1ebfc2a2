//! Dense and sparse kernels: small blocks, large ones, the gamma function, coarse tasks, square matrices, the packed factor with its inverse, sparse Cholesky.

pub mod gamma;
pub(crate) mod large;
pub mod packed;
pub(crate) mod packed_inverse;
pub mod small;
pub mod sparse;
pub(crate) mod square;
pub(crate) mod tasks;
