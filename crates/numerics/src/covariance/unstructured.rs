//! `us`: any covariance matrix, by its lower triangular factor (lme4's θ).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::covariance::correlations::{
    correlation_factor, correlation_pullback, lkj, near_partial_correlations, pairs, Correlations,
};
use crate::covariance::structure::{BasisChanges, Structure};
use crate::linalg::{large, small};

/// An unstructured block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unstructured {
    /// Columns of the block.
    pub size: usize,
}

impl Structure for Unstructured {
    fn size(&self) -> usize {
        self.size
    }

    fn basis_changes(&self) -> BasisChanges {
        BasisChanges::Any
    }

    /// All columns.
    fn exchangeable(&self) -> Vec<Range<usize>> {
        std::iter::once(0..self.size).collect()
    }

    fn parameters(&self) -> usize {
        self.size * (self.size + 1) / 2
    }

    /// The lower triangle, column by column.
    fn entries(&self) -> Vec<(usize, usize)> {
        self.lower().collect()
    }

    /// One entry of the lower triangle and its mirror image.
    fn patterns(&self) -> Vec<Vec<(usize, usize)>> {
        let mirrored = |(i, j)| if i == j { vec![(i, j)] } else { vec![(i, j), (j, i)] };
        self.lower().map(mirrored).collect()
    }

    fn factor(&self, theta: &[f64]) -> Vec<f64> {
        let mut lam = vec![0.0; self.size * self.size];
        for ((i, j), v) in self.lower().zip(theta) {
            lam[i * self.size + j] = *v;
        }
        lam
    }

    fn theta(&self, lam: &[f64]) -> Vec<f64> {
        self.lower().map(|(i, j)| lam[i * self.size + j]).collect()
    }

    /// One entry each.
    fn directions(&self, _: &[f64]) -> Vec<Vec<f64>> {
        let one = |(i, j)| {
            let mut d = vec![0.0; self.size * self.size];
            d[i * self.size + j] = 1.0;
            d
        };
        self.lower().map(one).collect()
    }

    /// The entries of Λ are the parameters.
    fn pull_back(&self, _: &[f64], d_lam: &[f64]) -> Vec<f64> {
        self.theta(d_lam)
    }

    fn bend(&self, _: &[f64], _: &[f64]) -> Option<Vec<f64>> {
        None
    }

    /// Triangular, no negative diagonal.
    fn canonical(&self, lam: &[f64]) -> Vec<f64> {
        small::lower_factor_of_gram(lam, self.size, self.size)
    }

    fn nearest(&self, sigma: &[f64]) -> Vec<f64> {
        sigma.to_vec()
    }

    /// Any change of basis is allowed: n·I itself, unless the columns are (nearly) dependent.
    fn whitening(&self, gram: &[f64], n: f64) -> Vec<f64> {
        whitener(gram, self.size, n).unwrap_or_else(|| diagonal_scale(gram, self.size, n))
    }

    fn start(&self, size: f64, lean: f64) -> Vec<f64> {
        let theta: Vec<f64> = self.lower().map(|(i, j)| if i == j { size } else { size * lean }).collect();
        self.factor(&theta)
    }

    /// Eigenvectors of ΛΛᵀ.
    fn null_directions(&self, lam: &[f64], tolerance: f64) -> Vec<Vec<f64>> {
        let size = self.size;
        let (values, vectors) = self.eigen(lam);
        let null = values.iter().enumerate().filter(|(_, v)| v.max(0.0).sqrt() < tolerance);
        null.map(|(j, _)| (0..size).map(|i| vectors[i * size + j]).collect()).collect()
    }

    fn without_noise(&self, lam: &[f64], tolerance: f64) -> Vec<f64> {
        let size = self.size;
        let (values, vectors) = self.eigen(lam);
        let tiny = |v: f64| v.max(0.0).sqrt() < tolerance;
        if !values.iter().any(|v| tiny(*v) && *v != 0.0) {
            return lam.to_vec();
        }
        let mut root = vec![0.0; size * size];
        for (j, v) in values.iter().enumerate().filter(|(_, v)| !tiny(**v)) {
            (0..size).for_each(|i| root[i * size + j] = v.sqrt() * vectors[i * size + j]);
        }
        self.canonical(&root)
    }

    fn is_narrow(&self, lam: &[f64], share: f64) -> bool {
        if self.size == 1 {
            return false;
        }
        let (values, _) = self.eigen(lam);
        let (low, high) = (values[0].max(0.0).sqrt(), values[self.size - 1].max(0.0).sqrt());
        low < share * high.max(1.0)
    }

    /// The eigenvectors of ΛΛᵀ, largest first.
    fn frame(&self, lam: &[f64]) -> Vec<f64> {
        let size = self.size;
        let (_, vectors) = self.eigen(lam);
        (0..size * size).map(|e| vectors[e / size * size + size - 1 - e % size]).collect()
    }
}

impl Unstructured {
    /// The lower triangle, column by column.
    fn lower(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.size).flat_map(move |j| (j..self.size).map(move |i| (i, j)))
    }

    fn eigen(&self, lam: &[f64]) -> (Vec<f64>, Vec<f64>) {
        small::symmetric_eigen(&small::gram(lam, self.size), self.size)
    }
}

impl Correlations for Unstructured {
    fn correlations(&self) -> usize {
        self.size * (self.size - 1) / 2
    }

    fn correlation_factor(&self, y: &[f64]) -> Vec<f64> {
        let mut l = vec![0.0; self.size * self.size];
        correlation_factor(y, self.size, &mut l);
        l
    }

    fn correlation_pull_back(&self, y: &[f64], l: &[f64], d_l: &[f64], out: &mut [f64]) {
        correlation_pullback(y, self.size, l, d_l, out);
    }

    /// LKJ(η).
    fn correlation_prior(&self, y: &[f64], eta: f64, out: &mut [f64]) -> f64 {
        lkj(y, self.size, eta, out)
    }

    /// Row by row below the diagonal.
    fn reported_correlations(&self, l: &[f64]) -> Vec<f64> {
        let k = self.size;
        let one = |(i, j)| (0..=j).map(|t| l[i * k + t] * l[j * k + t]).sum::<f64>().clamp(-1.0, 1.0);
        pairs(k).map(one).collect()
    }

    fn correlation_matrix(&self, reported: &[f64]) -> Vec<f64> {
        let k = self.size;
        let mut out = small::identity(k);
        for ((i, j), r) in pairs(k).zip(reported) {
            out[i * k + j] = *r;
            out[j * k + i] = *r;
        }
        out
    }

    fn near_correlations(&self, lam: &[f64], norms: &[f64]) -> Vec<f64> {
        near_partial_correlations(lam, norms)
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
