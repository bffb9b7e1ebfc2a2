//! `us`: any covariance matrix, by its lower triangular factor (lme4's θ). A block of one column is `diag`'s.

use crate::covariance::structure::Structure;
use crate::linalg::{large, small};

/// An unstructured block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unstructured {
    /// Columns of the block.
    pub size: usize,
}

impl Structure for Unstructured {
    fn size(&self) -> usize {
        self.size
    }

    /// The lower triangle, column by column.
    fn entries(&self) -> Vec<(usize, usize)> {
        (0..self.size).flat_map(|j| (j..self.size).map(move |i| (i, j))).collect()
    }

    fn parameters(&self) -> usize {
        self.size * (self.size + 1) / 2
    }

    fn factor(&self, theta: &[f64]) -> Vec<f64> {
        let mut lam = vec![0.0; self.size * self.size];
        for ((i, j), v) in self.entries().into_iter().zip(theta) {
            lam[i * self.size + j] = *v;
        }
        lam
    }

    fn theta(&self, lam: &[f64]) -> Vec<f64> {
        self.entries().into_iter().map(|(i, j)| lam[i * self.size + j]).collect()
    }

    /// The entries of Λ are the parameters.
    fn pull_back(&self, d_lam: &[f64]) -> Vec<f64> {
        self.theta(d_lam)
    }

    fn with_gram(&self, root: &[f64], width: usize) -> Vec<f64> {
        small::lower_factor_of_gram(root, self.size, width)
    }

    /// Any change of basis is allowed: n·I itself, unless the columns are (nearly) dependent.
    fn whitening(&self, gram: &[f64], n: f64) -> Vec<f64> {
        whitener(gram, self.size, n).unwrap_or_else(|| diagonal_scale(gram, self.size, n))
    }

    fn start(&self, size: f64, lean: f64) -> Vec<f64> {
        let theta: Vec<f64> =
            self.entries().into_iter().map(|(i, j)| if i == j { size } else { size * lean }).collect();
        self.factor(&theta)
    }

    /// Eigenvectors of ΛΛᵀ.
    fn null_directions(&self, lam: &[f64], tolerance: f64) -> Vec<Vec<f64>> {
        let size = self.size;
        let (values, vectors) = small::symmetric_eigen(&small::gram(lam, size), size);
        let null = values.iter().enumerate().filter(|(_, v)| v.max(0.0).sqrt() < tolerance);
        null.map(|(j, _)| (0..size).map(|i| vectors[i * size + j]).collect()).collect()
    }
}

/// `M` with `G = MᵀM` upper triangular inverted: columns times it have Gram matrix n·I. `None`
/// where the columns are (nearly) dependent.
pub(crate) fn whitener(gram: &[f64], k: usize, n: f64) -> Option<Vec<f64>> {
    let mut l: Vec<f64> = gram.iter().map(|g| g / n).collect();
    let before: Vec<f64> = (0..k).map(|i| l[i * k + i]).collect();
    large::cholesky(&mut l, k).ok()?;
    for i in 0..k {
        if l[i * k + i].powi(2) < 1e-9 * before[i] {
            return None;
        }
        for j in i + 1..k {
            l[i * k + j] = 0.0;
        }
    }
    // T = L⁻ᵀ
    Some(small::transpose(&large::lower_inverse(&l, k), k, k))
}

fn diagonal_scale(gram: &[f64], k: usize, n: f64) -> Vec<f64> {
    let mut t = small::identity(k);
    for j in 0..k {
        let g = gram[j * k + j] / n;
        t[j * k + j] = if g > 0.0 { 1.0 / g.sqrt() } else { 1.0 };
    }
    t
}
