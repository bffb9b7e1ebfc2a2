//! Correlations of a block as functions of unconstrained numbers, for posteriors: canonical partial
//! correlations tanh(y), row by row below the diagonal (Lewandowski, Kurowicka & Joe 2009).

use crate::linalg::gamma::ln_gamma;

/// The correlation matrix of one block of random effects. All matrices are row-major.
pub trait Correlations {
    /// Number of free correlations, and of unconstrained numbers y that stand for them.
    fn correlations(&self) -> usize;

    /// The lower triangular L with LLᵀ the correlation matrix.
    fn correlation_factor(&self, y: &[f64]) -> Vec<f64>;

    /// Add the derivative in y, from that in every entry of L.
    fn correlation_pull_back(&self, y: &[f64], l: &[f64], d_l: &[f64], out: &mut [f64]);

    /// Log-density of y under the prior with the concentration η, its Jacobian included; the derivative in y
    /// is added to `out`.
    fn correlation_prior(&self, y: &[f64], eta: f64, out: &mut [f64]) -> f64;

    /// The free correlations of L, as they are reported.
    fn reported_correlations(&self, l: &[f64]) -> Vec<f64>;

    /// The correlation matrix with the reported correlations.
    fn correlation_matrix(&self, reported: &[f64]) -> Vec<f64>;

    /// y near a lower triangular Λ whose rows have these norms, away from correlations of ±1.
    fn near_correlations(&self, lam: &[f64], norms: &[f64]) -> Vec<f64>;
}

/// Pairs of columns below the diagonal, row by row.
pub(crate) fn pairs(k: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..k).flat_map(|i| (0..i).map(move |j| (i, j)))
}

/// Cholesky factor (row-major `k x k`) of the correlation matrix with canonical partial
/// correlations tanh(y); y row by row below the diagonal (Lewandowski, Kurowicka & Joe 2009).
pub fn correlation_factor(y: &[f64], k: usize, l: &mut [f64]) {
    l[..k * k].fill(0.0);
    let mut at = 0;
    for i in 0..k {
        let mut left = 1.0;
        for j in 0..i {
            l[i * k + j] = left * y[at].tanh();
            left /= y[at].cosh();
            at += 1;
        }
        l[i * k + i] = left;
    }
}

/// Derivative in y of a function with derivative `dl` in the entries of `correlation_factor`.
pub(crate) fn correlation_pullback(y: &[f64], k: usize, l: &[f64], dl: &[f64], out: &mut [f64]) {
    let mut at = 0;
    for i in 0..k {
        let mut left = 1.0;
        for j in 0..i {
            let (z, sech) = (y[at].tanh(), 1.0 / y[at].cosh());
            let later: f64 = (j + 1..=i).map(|m| dl[i * k + m] * l[i * k + m]).sum();
            out[at] += dl[i * k + j] * left * sech * sech - z * later;
            left *= sech;
            at += 1;
        }
    }
}

/// Log-density of y under LKJ(η) on the correlation matrix, the Jacobian of y included, and the
/// derivative in y added to `out`: the partial correlation of column j is Beta on (-1, 1).
pub fn lkj(y: &[f64], k: usize, eta: f64, out: &mut [f64]) -> f64 {
    let mut value = 0.0;
    let mut at = 0;
    for i in 0..k {
        for j in 0..i {
            let b = eta + 0.5 * (k - 2 - j) as f64;
            let a = y[at].abs();
            let log_sech2 = -2.0 * (a + (-2.0 * a).exp().ln_1p() - std::f64::consts::LN_2);
            let log_norm = (2.0 * b - 1.0) * std::f64::consts::LN_2 + 2.0 * ln_gamma(b) - ln_gamma(2.0 * b);
            value += b * log_sech2 - log_norm;
            out[at] -= 2.0 * b * y[at].tanh();
            at += 1;
        }
    }
    value
}

/// y of the correlations of a lower triangular Λ whose rows have these norms, kept within ±0.9 each.
pub(crate) fn near_partial_correlations(lam: &[f64], norms: &[f64]) -> Vec<f64> {
    let k = norms.len();
    let mut out = Vec::with_capacity(k * (k.max(1) - 1) / 2);
    for (row, norm) in lam.chunks_exact(k).zip(norms).enumerate().map(|(i, (row, norm))| (&row[..i], *norm)) {
        let mut left = 1.0f64;
        for v in row {
            let share = if norm > 0.0 { v / norm } else { 0.0 };
            let z = (share / left.max(1e-6)).clamp(-0.9, 0.9);
            left *= (1.0 - z * z).sqrt();
            out.push(z.atanh());
        }
    }
    out
}
