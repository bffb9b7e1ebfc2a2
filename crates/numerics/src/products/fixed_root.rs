//! A square root of XᵀWX on the raw scale, for hypotheses about the fixed effects.

use crate::error::NumericsError;
use crate::linalg::small;
use crate::products::crossproducts::CrossProducts;

impl CrossProducts {
    /// `S` with `SᵀS = XᵀWX` for the raw columns kept, `p x p`: never squares a condition number.
    pub fn fixed_root(&self) -> Result<Vec<f64>, NumericsError> {
        let (p, c) = (self.p, self.c());
        let mut l: Vec<f64> = (0..p * p).map(|e| self.xx[(e / p) * c + e % p]).collect();
        small::cholesky(&mut l, p)?;
        for i in 0..p {
            (i + 1..p).for_each(|j| l[i * p + j] = 0.0);
        }
        // A raw row times the basis is a working row.
        let back = small::inverse(&self.basis.x, p)?;
        let mut out = vec![0.0; p * p];
        small::gemm_tn(&mut out, &l, &back, (p, p, p), 1.0);
        Ok(out)
    }
}
