//! Between the free entries of Λ, the working Λ of each factor, and lme4's raw Λ.

use crate::crossproducts::{CrossProducts, Factor};
use crate::dense;
use crate::error::NumericsError;

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
    cp.basis.z.iter().zip(&cp.factors).map(|(t, f)| dense::inverse(t, f.k)).collect()
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
            Ok(dense::product(b, l, (f.k, f.k, f.k)))
        })
        .collect()
}

/// Working Λ (lower-triangular) from raw ones in the caller's order.
pub(crate) fn working_lambda(cp: &CrossProducts, raw: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, NumericsError> {
    let square = untriangular(cp, &inverse_basis(cp)?, raw)?;
    Ok(square.iter().zip(&cp.factors).map(|(l, f)| dense::lower_factor_of_gram(l, f.k, f.k)).collect())
}
