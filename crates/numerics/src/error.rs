//! What can go wrong below the names: typed, so that the callers can word it with theirs.

use thiserror::Error;

/// An error of the numerical core.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum NumericsError {
    /// Arrays whose lengths contradict each other.
    #[error("array of length {found} where {expected} was needed ({what})")]
    Length {
        /// Which array.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length needed.
        expected: usize,
    },
    /// A value that is NaN or infinite.
    #[error("non-finite value in {0}")]
    NonFinite(&'static str),
    /// The response is fitted exactly, so that there is no residual variance.
    #[error("no residual variance: the fixed effects reproduce the response exactly")]
    NoResidual,
    /// A factorisation met a pivot that is not positive.
    #[error("matrix not positive definite at row {0}")]
    NotPositive(usize),
    /// The factor would not fit into memory.
    #[error("the factor of the random effects needs {needed_gib:.1} GiB, more than the limit of {limit_gib:.1} GiB")]
    Memory {
        /// Estimated size.
        needed_gib: f64,
        /// The limit in force.
        limit_gib: f64,
    },
    /// Stored bytes that are not a state of this version.
    #[error("stored state unreadable: {0}")]
    State(String),
    /// Cross-products of different models cannot be merged.
    #[error("cross-products differ in {0}")]
    Mismatch(&'static str),
    /// A search that made all the evaluations that it may.
    #[error("no optimum within {0} evaluations of the criterion")]
    Unfinished(usize),
    /// The caller asked for a stop.
    #[error("interrupted")]
    Interrupted,
    /// A chain could not be run.
    #[error("the sampler failed in {0}")]
    Sampler(String),
}
