//! A square root of XᵀWX on the raw scale, for hypotheses about the fixed effects.

use crate::error::NumericsError;
use crate::linalg::{large, small};
use crate::products::crossproducts::CrossProducts;

impl CrossProducts {
    /// `S` with `SᵀS = XᵀWX` for the raw columns kept, `p x p`: never squares a condition number.
    pub fn fixed_root(&self) -> Result<Vec<f64>, NumericsError> {
        let (p, c) = (self.p, self.c());
        let mut l: Vec<f64> = (0..p * p).map(|e| self.xx[(e / p) * c + e % p]).collect();
        large::cholesky(&mut l, p)?;
        for i in 0..p {
            (i + 1..p).for_each(|j| l[i * p + j] = 0.0);
        }
        // A raw row times the basis is a working row.
        let back = large::inverse(&self.basis.x, p)?;
        Ok(large::product(&small::transpose(&l, p, p), &back, (p, p, p)))
    }
}
