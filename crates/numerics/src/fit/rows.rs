//! What is stated a row: fitted values, leverages, prediction variances. Linear in the rows,
//! nothing n x n.

use crate::factor::Blocked;
use crate::factor::LeadInverse;
use crate::fit::model::Fit;
use crate::interrupt::Stop;
use crate::linalg::small;
use crate::products::{Column, CrossProducts};

/// Code of a level never seen.
pub const UNSEEN: u32 = u32::MAX;

/// Rows at which to predict: the model's columns again, with `UNSEEN` for levels never seen.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    /// Number of rows.
    pub n: usize,
    /// Fixed-effect columns, those kept only.
    pub x: Vec<Column<'a>>,
    /// Per factor (caller's order): columns, and the level of each row or `UNSEEN`.
    pub factors: Vec<(Vec<Column<'a>>, &'a [u32])>,
}

/// What a row has of the random effects: factor, level, Λᵀz.
type Part = (usize, usize, Vec<f64>);

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
                    if code != UNSEEN {
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
        let every = vec![true; rows.factors.len()];
        let mut out = self.prediction_variances(rows, &every, false);
        if let Some(w) = weights {
            out.iter_mut().zip(w).for_each(|(h, w)| *h *= w);
        }
        out
    }

    /// Variance of `x β̂ + z b̃ - z b` over σ², a row; levels never seen add `|Λᵀz|²` if `unknown`.
    /// With `with[f]` false the factor's random effects are left out of the target.
    #[must_use]
    pub fn prediction_variances(&mut self, rows: &Rows, with: &[bool], unknown: bool) -> Vec<f64> {
        let cp = self.cp.clone();
        let rest = cp.q_rest();
        // Few rows: a solve each. Many: the inverse on the pattern once, then a few products each.
        let lead = (rows.n >= rest).then(|| self.state.blocked.selected_inverse(&cp));
        let (blocked, state) = (&self.state.blocked, &self.state);
        let mut solve = vec![0.0; rest];
        let mut parts = Vec::new();
        let stop = Stop::current();
        (0..rows.n)
            .take_while(|_| !stop.requested())
            .map(|i| {
                let extra = self.working_z(rows, i, with, &mut parts);
                let known = lead.as_ref().and_then(|lead| quadratic(&cp, blocked, lead, &parts));
                let random = known.unwrap_or_else(|| solved(&cp, blocked, &parts, &mut solve));
                // Φ-part: x - Fᵀz in the metric of Φ.
                let (c, p) = (cp.c(), cp.p);
                let mut d = self.working_x(rows, i);
                for (f, level, z) in &parts {
                    for (t, zt) in z.iter().enumerate() {
                        let row = (cp.factors[*f].offset + level * cp.factors[*f].k + t) * c;
                        (0..p).for_each(|j| d[j] -= zt * state.f[row + j]);
                    }
                }
                random + quadratic_form(&state.phi, &d, p) + if unknown { extra } else { 0.0 }
            })
            .collect()
    }

    fn working_x(&self, rows: &Rows, i: usize) -> Vec<f64> {
        let p = self.cp.p;
        let raw: Vec<f64> = rows.x.iter().map(|c| c.at(i)).collect();
        small::product(&raw, &self.cp.basis.x, (1, p, p))
    }

    /// The row's parts for the levels known of the factors wanted; returns Σ|Λᵀz|² of the others.
    fn working_z(&self, rows: &Rows, i: usize, with: &[bool], out: &mut Vec<Part>) -> f64 {
        out.clear();
        let mut unseen = 0.0;
        for (f, &caller) in self.cp.order.iter().enumerate().filter(|(_, &caller)| with[caller]) {
            let (columns, codes) = &rows.factors[caller];
            let z = self.scaled_row(f, columns, i);
            if codes[i] == UNSEEN {
                unseen += z.iter().map(|v| v * v).sum::<f64>();
            } else {
                out.push((f, codes[i] as usize, z));
            }
        }
        unseen
    }

    fn scaled_row(&self, factor: usize, columns: &[Column], i: usize) -> Vec<f64> {
        let k = columns.len();
        let raw: Vec<f64> = columns.iter().map(|c| c.at(i)).collect();
        let w = small::product(&raw, &self.cp.basis.z[factor], (1, k, k));
        small::product(&w, &self.state.blocked.lam[factor], (1, k, k))
    }
}

/// tᵀ Ω⁻¹ t for a row's few non-zeros, by a solve with the levels that they touch.
fn solved(cp: &CrossProducts, blocked: &Blocked, parts: &[Part], rest: &mut [f64]) -> f64 {
    rest.fill(0.0);
    let mut sum = 0.0;
    for (f, level, z) in parts {
        if *f == 0 {
            let mut own = z.clone();
            blocked.forward_level(cp, *level, &mut own, rest, 1);
            sum += own.iter().map(|v| v * v).sum::<f64>();
        } else {
            let first = cp.factors[*f].offset - cp.q_lead() + level * z.len();
            rest[first..].iter_mut().zip(z).for_each(|(r, v)| *r += v);
        }
    }
    if rest.iter().any(|v| *v != 0.0) {
        blocked.rest.solve_lower(rest, 1);
    }
    sum + rest.iter().map(|v| v * v).sum::<f64>()
}

fn quadratic_form(m: &[f64], v: &[f64], n: usize) -> f64 {
    (0..n).map(|i| v[i] * (0..n).map(|j| m[i * n + j] * v[j]).sum::<f64>()).sum()
}

/// tᵀ Ω⁻¹ t for a row's few non-zeros; `None` if a pair of its levels is not on the pattern (was
/// never met by a row of the fit).
fn quadratic(cp: &CrossProducts, blocked: &Blocked, lead: &LeadInverse, parts: &[Part]) -> Option<f64> {
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
                let at = cols.binary_search(&to).ok()?;
                let block = &lead.cross[cp.lead.span(*l, k)];
                for (i, zi) in z.iter().enumerate() {
                    for (j, yj) in y.iter().enumerate() {
                        sum += twice * zi * yj * block[i * w + at + j];
                    }
                }
            } else {
                let row = cp.factors[*f].offset - first + l * k;
                let col = cp.factors[*g].offset - first + m * y.len();
                for (i, zi) in z.iter().enumerate() {
                    for (j, yj) in y.iter().enumerate() {
                        sum += twice * zi * yj * blocked.rest.inverse_known(row + i, col + j)?;
                    }
                }
            }
        }
    }
    Some(sum)
}
