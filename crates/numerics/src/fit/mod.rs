//! A fitted model.

pub mod model;
