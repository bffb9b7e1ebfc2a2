//! A fitted model.

pub mod fit;
