//! Between the free entries of Λ, the working Λ of each factor, and lme4's raw Λ.

use crate::error::NumericsError;
use crate::linalg::small;
use crate::products::crossproducts::{CrossProducts, Factor};

/// Λ matrices from their free entries, factor by factor.
pub(crate) fn lambda_from(cp: &CrossProducts, x: &[f64]) -> Vec<Vec<f64>> {
    let mut next = x.iter();
    cp.factors
        .iter()
        .map(|f| {
            let mut lam = vec![0.0; f.k * f.k];
            for (i, j) in f.free_entries() {
                lam[i * f.k + j] = next.next().copied().unwrap_or(0.0);
            }
            lam
        })
        .collect()
}

pub(crate) fn free_from(cp: &CrossProducts, lam: &[Vec<f64>]) -> Vec<f64> {
    let entry = |(f, l): (&Factor, &Vec<f64>)| -> Vec<f64> {
        f.free_entries().into_iter().map(|(i, j)| l[i * f.k + j]).collect()
    };
    cp.factors.iter().zip(lam).flat_map(entry).collect()
}

pub(crate) fn inverse_basis(cp: &CrossProducts) -> Result<Vec<Vec<f64>>, NumericsError> {
    cp.basis.z.iter().zip(&cp.factors).map(|(t, f)| small::inverse(t, f.k)).collect()
}

/// T⁻¹Λ for raw Λ in the caller's order: square, not triangular.
pub(crate) fn untriangular(
    cp: &CrossProducts,
    back: &[Vec<f64>],
    raw: &[Vec<f64>],
) -> Result<Vec<Vec<f64>>, NumericsError> {
    cp.factors
        .iter()
        .zip(&cp.order)
        .zip(back)
        .map(|((f, &i), b)| {
            let l = raw.get(i).filter(|l| l.len() == f.k * f.k).ok_or(NumericsError::Mismatch("starting values"))?;
            Ok(small::product(b, l, (f.k, f.k, f.k)))
        })
        .collect()
}

/// Working Λ (lower-triangular) from raw ones in the caller's order.
pub(crate) fn working_lambda(cp: &CrossProducts, raw: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, NumericsError> {
    let square = untriangular(cp, &inverse_basis(cp)?, raw)?;
    Ok(square.iter().zip(&cp.factors).map(|(l, f)| small::lower_factor_of_gram(l, f.k, f.k)).collect())
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
