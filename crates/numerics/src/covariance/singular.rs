//! Covariances without full rank: which directions have no variance, and factors that bear it.

use crate::covariance::coordinates::Working;
use crate::covariance::factor::Factor;

/// Singular values of a whitened Λ below this are called zero: standard deviations relative to
/// the residual's, per unit of a standardised column. lme4's `isSingular` uses the same number.
pub const SINGULAR_TOLERANCE: f64 = 1e-4;

/// Directions of each factor without variance, as rows over all k columns.
pub(crate) fn null_directions(factors: &[Factor], lam: &Working) -> Vec<Vec<Vec<f64>>> {
    let one = |(f, l): (&Factor, &Vec<f64>)| {
        let mut out = Vec::new();
        for (columns, structure) in f.structures() {
            for direction in structure.null_directions(&f.block(l, &columns), SINGULAR_TOLERANCE) {
                let mut row = vec![0.0; f.k];
                row[columns.clone()].copy_from_slice(&direction);
                out.push(row);
            }
        }
        out
    };
    factors.iter().zip(lam).map(one).collect()
}

/// Smallest absolute diagonal entry of lower triangular Λ, at most 1: zero where they are singular.
pub(crate) fn smallest_pivot(factors: &[Factor], lam: &Working) -> f64 {
    let pivots = factors.iter().zip(lam).flat_map(|(f, l)| l.iter().step_by(f.k + 1));
    pivots.fold(1.0, |s, v| s.min(v.abs()))
}

/// Lower factor of a covariance that rounding may have made singular: a zero pivot has a zero column.
pub(crate) fn semidefinite_factor(a: &[f64], k: usize) -> Vec<f64> {
    let mut l = vec![0.0; k * k];
    for j in 0..k {
        let pivot = a[j * k + j] - l[j * k..j * k + j].iter().map(|v| v * v).sum::<f64>();
        let d = pivot.max(0.0).sqrt();
        l[j * k + j] = d;
        for i in j + 1..k {
            if d > 1e-12 * a[j * k + j].sqrt() {
                let known: f64 = (0..j).map(|t| l[i * k + t] * l[j * k + t]).sum();
                l[i * k + j] = (a[i * k + j] - known) / d;
            }
        }
    }
    l
}
