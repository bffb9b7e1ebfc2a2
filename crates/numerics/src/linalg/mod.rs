//! Dense and sparse kernels: small blocks, square matrices, coarse tasks of large ones, the packed factor with its inverse, sparse Cholesky.

pub mod packed;
pub(crate) mod packed_inverse;
pub mod small;
pub mod sparse;
pub(crate) mod square;
pub(crate) mod tasks;
