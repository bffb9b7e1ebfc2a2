//! `diag` (`||`): independent random effects, each with a standard deviation of its own.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::covariance::correlations::Correlations;
use crate::covariance::structure::{BasisChanges, Structure};
use crate::covariance::unstructured::Unstructured;
use crate::linalg::small;

/// One column by itself.
const ALONE: Unstructured = Unstructured { size: 1 };

/// A diagonal block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagonal {
    /// Columns of the block.
    pub size: usize,
}

impl Diagonal {
    fn diagonal(&self, values: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut out = vec![0.0; self.size * self.size];
        values.into_iter().enumerate().for_each(|(j, v)| out[j * self.size + j] = v);
        out
    }

    fn values<'a>(&self, m: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        m.iter().step_by(self.size + 1).copied()
    }

    /// What `one` makes of each column by itself.
    fn each(&self, m: &[f64], one: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
        self.diagonal(self.values(m).flat_map(|v| one(&[v])))
    }
}

impl Structure for Diagonal {
    fn size(&self) -> usize {
        self.size
    }

    fn basis_changes(&self) -> BasisChanges {
        BasisChanges::Diagonal
    }

    /// Each column alone.
    fn exchangeable(&self) -> Vec<Range<usize>> {
        (0..self.size).map(|j| j..j + 1).collect()
    }

    fn parameters(&self) -> usize {
        self.size
    }

    fn entries(&self) -> Vec<(usize, usize)> {
        (0..self.size).map(|j| (j, j)).collect()
    }

    fn patterns(&self) -> Vec<Vec<(usize, usize)>> {
        (0..self.size).map(|j| vec![(j, j)]).collect()
    }

    fn factor(&self, theta: &[f64]) -> Vec<f64> {
        self.diagonal(theta.iter().copied())
    }

    fn theta(&self, lam: &[f64]) -> Vec<f64> {
        self.values(lam).collect()
    }

    fn directions(&self, _: &[f64]) -> Vec<Vec<f64>> {
        let one = |j: usize| self.diagonal((0..self.size).map(|i| f64::from(u8::from(i == j))));
        (0..self.size).map(one).collect()
    }

    /// The diagonal of Λ is the parameters.
    fn pull_back(&self, _: &[f64], d_lam: &[f64]) -> Vec<f64> {
        self.theta(d_lam)
    }

    fn bend(&self, _: &[f64], _: &[f64]) -> Option<Vec<f64>> {
        None
    }

    /// No negative diagonal.
    fn canonical(&self, lam: &[f64]) -> Vec<f64> {
        self.each(lam, |v| ALONE.canonical(v))
    }

    fn nearest(&self, sigma: &[f64]) -> Vec<f64> {
        self.diagonal(self.values(sigma))
    }

    /// Each column to length √n.
    fn whitening(&self, gram: &[f64], n: f64) -> Vec<f64> {
        self.each(gram, |g| ALONE.whitening(g, n))
    }

    fn start(&self, size: f64, _: f64) -> Vec<f64> {
        self.diagonal(std::iter::repeat_n(size, self.size))
    }

    /// Columns.
    fn null_directions(&self, lam: &[f64], tolerance: f64) -> Vec<Vec<f64>> {
        let null = self.values(lam).enumerate().filter(|(_, v)| !ALONE.null_directions(&[*v], tolerance).is_empty());
        null.map(|(j, _)| (0..self.size).map(|i| f64::from(u8::from(i == j))).collect()).collect()
    }

    fn without_noise(&self, lam: &[f64], tolerance: f64) -> Vec<f64> {
        self.each(lam, |v| ALONE.without_noise(v, tolerance))
    }

    /// Never: independent columns make no valleys that bend.
    fn is_narrow(&self, _: &[f64], _: f64) -> bool {
        false
    }

    /// The columns themselves.
    fn frame(&self, _: &[f64]) -> Vec<f64> {
        small::identity(self.size)
    }
}

/// There are none.
impl Correlations for Diagonal {
    fn correlations(&self) -> usize {
        0
    }

    fn correlation_factor(&self, _: &[f64]) -> Vec<f64> {
        small::identity(self.size)
    }

    fn correlation_pull_back(&self, _: &[f64], _: &[f64], _: &[f64], _: &mut [f64]) {}

    fn correlation_prior(&self, _: &[f64], _: f64, _: &mut [f64]) -> f64 {
        0.0
    }

    fn reported_correlations(&self, _: &[f64]) -> Vec<f64> {
        Vec::new()
    }

    fn correlation_matrix(&self, _: &[f64]) -> Vec<f64> {
        small::identity(self.size)
    }

    fn near_correlations(&self, _: &[f64], _: &[f64]) -> Vec<f64> {
        Vec::new()
    }
}
