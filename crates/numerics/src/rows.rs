//! What is stated a row: fitted values, leverages, prediction variances. Linear in the rows,
//! nothing n x n.

use crate::blocked::Blocked;
use crate::crossproducts::{Column, CrossProducts};
use crate::dense;
use crate::fit::Fit;
use crate::inverse::LeadInverse;

/// Rows at which to predict: the model's columns again, with `None` for levels never seen.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    /// Number of rows.
    pub n: usize,
    /// Fixed-effect columns, those kept only.
    pub x: Vec<Column<'a>>,
    /// Per factor (caller's order): columns, and the level of each row or -1.
    pub factors: Vec<(Vec<Column<'a>>, &'a [i64])>,
}

impl Fit {
    /// Xβ plus, for the factors marked, Zb.
    #[must_use]
    pub fn linear_predictor(&self, rows: &Rows, beta: &[f64], b: &[Vec<f64>], with: &[bool]) -> Vec<f64> {
        let mut out = vec![0.0; rows.n];
        for (col, &v) in rows.x.iter().zip(beta) {
            match col {
                Column::Constant(c) => out.iter_mut().for_each(|o| *o += c * v),
                Column::Values(x) => out.iter_mut().zip(*x).for_each(|(o, x)| *o += x * v),
            }
        }
        for (((columns, codes), b), _) in rows.factors.iter().zip(b).zip(with).filter(|(_, &w)| w) {
            let k = columns.len();
            for (j, col) in columns.iter().enumerate() {
                for (i, (o, &code)) in out.iter_mut().zip(*codes).enumerate() {
                    if code >= 0 {
                        *o += col.at(i) * b[code as usize * k + j];
                    }
                }
            }
        }
        out
    }

    /// Diagonal of the hat matrix (weights included: the caller passes the weights' values).
    #[must_use]
    pub fn leverages(&mut self, rows: &Rows, weights: Option<&[f64]>) -> Vec<f64> {
        let cp = self.cp.clone();
        let lead = self.state.blocked.selected_inverse(&cp);
        let this = &*self;
        let mut parts = Vec::new();
        (0..rows.n)
            .map(|i| {
                let x = this.working_x(rows, i);
                this.working_z(rows, i, &mut parts);
                let h = quadratic(&cp, &this.state.blocked, &lead, &parts);
                // Φ-part: x - Fᵀz in the metric of Φ.
                let (c, p) = (cp.c(), cp.p);
                let mut d = x;
                for (f, level, z) in &parts {
                    for (t, zt) in z.iter().enumerate() {
                        let row = (cp.factors[*f].offset + level * cp.factors[*f].k + t) * c;
                        (0..p).for_each(|j| d[j] -= zt * this.state.f[row + j]);
                    }
                }
                let fixed = quadratic_form(&this.state.phi, &d, p);
                (h + fixed) * weights.map_or(1.0, |w| w[i])
            })
            .collect()
    }

    fn working_x(&self, rows: &Rows, i: usize) -> Vec<f64> {
        let p = self.cp.p;
        let raw: Vec<f64> = rows.x.iter().map(|c| c.at(i)).collect();
        dense::product(&raw, &self.cp.basis.x, (1, p, p))
    }

    /// `(factor, level, Λᵀz)` of a row for the levels known.
    fn working_z(&self, rows: &Rows, i: usize, out: &mut Vec<(usize, usize, Vec<f64>)>) {
        out.clear();
        for (f, &caller) in self.cp.order.iter().enumerate() {
            let (columns, codes) = &rows.factors[caller];
            if codes[i] >= 0 {
                let z = self.scaled_row(f, columns, i);
                out.push((f, codes[i] as usize, z));
            }
        }
    }

    fn scaled_row(&self, factor: usize, columns: &[Column], i: usize) -> Vec<f64> {
        let k = columns.len();
        let raw: Vec<f64> = columns.iter().map(|c| c.at(i)).collect();
        let w = dense::product(&raw, &self.cp.basis.z[factor], (1, k, k));
        dense::product(&w, &self.state.blocked.lam[factor], (1, k, k))
    }

    /// Variance of `x β̂ + z b̃ - z b` over σ², a row; levels never seen add `|Λᵀz|²` if `unknown`.
    /// With `with[f]` false the factor's random effects are left out of the target.
    #[must_use]
    pub fn prediction_variances(&self, rows: &Rows, with: &[bool], unknown: bool) -> Vec<f64> {
        let cp = &self.cp;
        let (q, p) = (cp.q(), cp.p);
        let mut t = vec![0.0; q];
        (0..rows.n)
            .map(|i| {
                t.fill(0.0);
                let mut extra = 0.0;
                let x = self.working_x(rows, i);
                let mut d = x;
                for (f, &caller) in cp.order.iter().enumerate().filter(|(_, &caller)| with[caller]) {
                    let (columns, codes) = &rows.factors[caller];
                    let z = self.scaled_row(f, columns, i);
                    if codes[i] < 0 {
                        if unknown {
                            extra += z.iter().map(|v| v * v).sum::<f64>();
                        }
                        continue;
                    }
                    let first = cp.factors[f].offset + codes[i] as usize * cp.factors[f].k;
                    for (j, v) in z.iter().enumerate() {
                        t[first + j] += v;
                        let row = (first + j) * cp.c();
                        (0..p).for_each(|s| d[s] -= v * self.state.f[row + s]);
                    }
                }
                self.state.blocked.forward(cp, &mut t, 1);
                extra + t.iter().map(|v| v * v).sum::<f64>() + quadratic_form(&self.state.phi, &d, p)
            })
            .collect()
    }
}

fn quadratic_form(m: &[f64], v: &[f64], n: usize) -> f64 {
    (0..n).map(|i| v[i] * (0..n).map(|j| m[i * n + j] * v[j]).sum::<f64>()).sum()
}

/// tᵀ Ω⁻¹ t for a row's few non-zeros, all pairs of which lie on the pattern.
fn quadratic(cp: &CrossProducts, blocked: &Blocked, lead: &LeadInverse, parts: &[(usize, usize, Vec<f64>)]) -> f64 {
    let first = cp.q_lead();
    let mut sum = 0.0;
    for (a, (f, l, z)) in parts.iter().enumerate() {
        for (g, m, y) in &parts[a..] {
            let k = z.len();
            let twice = if g == f { 1.0 } else { 2.0 };
            if *f == 0 && *g == 0 {
                sum += quadratic_form(&lead.own[l * k * k..(l + 1) * k * k], z, k);
            } else if *f == 0 {
                let cols = cp.lead.columns(*l);
                let w = cols.len();
                let to = (cp.factors[*g].offset - first + m * y.len()) as u32;
                if let Ok(at) = cols.binary_search(&to) {
                    let block = &lead.cross[cp.lead.span(*l, k)];
                    for (i, zi) in z.iter().enumerate() {
                        for (j, yj) in y.iter().enumerate() {
                            sum += twice * zi * yj * block[i * w + at + j];
                        }
                    }
                }
            } else {
                let row = cp.factors[*f].offset - first + l * k;
                let col = cp.factors[*g].offset - first + m * y.len();
                for (i, zi) in z.iter().enumerate() {
                    for (j, yj) in y.iter().enumerate() {
                        sum += twice * zi * yj * blocked.rest.inverse_at(row + i, col + j);
                    }
                }
            }
        }
    }
    sum
}
