//! Covariances of random effects: the parameters of their blocks, and the passage between raw and working bases.

pub(crate) mod parameters;
