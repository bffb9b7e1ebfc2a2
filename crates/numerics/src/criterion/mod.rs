//! What is minimised: the profiled deviance with its exact gradient and Hessian.

pub mod curvature;
pub mod profiled;
