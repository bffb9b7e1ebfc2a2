//! The search for the optimum: the objective, starts, descent, what lies on a boundary.

pub(crate) mod boundary;
pub(crate) mod objective;
pub mod optimise;
pub(crate) mod starts;
