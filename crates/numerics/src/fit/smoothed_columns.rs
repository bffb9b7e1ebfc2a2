//! What the marginal model makes of each fixed-effect column (for the exact formulas of deletion at fixed variance
//! parameters).

use crate::error::NumericsError;
use crate::fit::model::Fit;
use crate::linalg::{large, small};

impl Fit {
    /// Coefficients that smooth each column of X as the model smooths the response: per factor
    /// (caller's order) `levels x k x p` with `V⁻¹ x_j σ² = W (x_j - Z c_j)`, raw columns.
    pub fn smoothed_columns(&self) -> Result<Vec<Vec<f64>>, NumericsError> {
        let (cp, c, p) = (&self.cp, self.cp.c(), self.cp.p);
        let back = large::inverse(&cp.basis.x, p)?;
        let mut out = vec![Vec::new(); cp.factors.len()];
        for (i, f) in cp.factors.iter().enumerate() {
            let k = f.k;
            let map = cp.passage().effects(i, &self.state.blocked.lam);
            let mut all = Vec::with_capacity(f.levels * k * p);
            for level in 0..f.levels {
                let rows = (f.offset + level * k..f.offset + (level + 1) * k).flat_map(|r| r * c..r * c + p);
                let own: Vec<f64> = rows.map(|e| self.state.f[e]).collect();
                let raw = small::product(&own, &back, (k, p, p));
                all.extend(small::product(&map, &raw, (k, k, p)));
            }
            out[cp.order[i]] = all;
        }
        Ok(out)
    }
}
