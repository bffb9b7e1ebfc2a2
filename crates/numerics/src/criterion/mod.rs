//! What is minimised: the contract that a search knows, and the profiled deviance with its exact derivatives.

pub mod curvature;
mod profiled;
mod profiled_criterion;
mod starts;

pub use self::profiled::Profiled;
pub(crate) use self::profiled_criterion::ProfiledCriterion;

use crate::covariance::{Direction, Factor, Working};
use crate::error::NumericsError;

/// A function of the relative covariance factors Λ, one a grouping factor, that a search minimises. It holds its
/// state at the Λ evaluated last; gradient, Hessians and rounding are those of that state.
pub trait Criterion {
    /// The grouping factors, with the structures of their covariance.
    fn factors(&self) -> &[Factor];

    /// Evaluate at Λ (square, `k x k` each, not necessarily triangular).
    fn evaluate(&mut self, lam: &Working) -> Result<f64, NumericsError>;

    /// The value at the state.
    fn value(&self) -> f64;

    /// Derivative in every entry of each Λ. Called after each evaluation whose derivatives are wanted, and before
    /// a Hessian.
    fn gradient(&mut self) -> Working;

    /// A Hessian in directions of Λ that is positive where the exact one need not be, given the gradient;
    /// `None` where it would cost too much.
    fn approximate_hessian(&self, gradient: &Working, directions: &[Direction]) -> Option<Vec<f64>>;

    /// Whether the exact Hessian costs less than differences of the gradient would.
    fn has_cheap_hessian(&self) -> bool;

    /// The exact Hessian in directions of Λ: those of θ as the search's frame has them.
    fn hessian(&self, directions: &[Direction]) -> Vec<f64>;

    /// How far rounding alone may move the value at the state.
    fn rounding(&self) -> f64;

    /// Whether an evaluation takes long, so that a search should spend fewer.
    fn is_expensive(&self) -> bool;

    /// Λ to start from.
    fn start(&self) -> Working;

    /// Λ that belong to another minimum that these data may have.
    fn other_start(&self) -> Option<Working>;

    /// Free parameters.
    fn parameters(&self) -> usize {
        self.factors().iter().map(Factor::parameters).sum()
    }
}
