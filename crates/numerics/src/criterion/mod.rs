//! What is minimised: the profiled deviance with its exact gradient and Hessian.

pub mod curvature;
pub(crate) mod objective;
pub mod profiled;
