//! The working basis: columns centred, scaled and orthonormalised, so that means of 10¹² and
//! scales of 10⁻³ cost no digits; the result is mapped back exactly (theory.md §1).
//!
//! A raw row `z` becomes `z T`; coefficients in the working basis become raw by `b = T b_w`.

use serde::{Deserialize, Serialize};

use crate::covariance::BasisChanges;
pub(crate) use crate::linalg::small::power_of_two_inverse;
use crate::linalg::{large, small};
use crate::products::crossproducts::{Column, CrossProducts};

/// Linear maps from raw to working columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Basis {
    /// Per factor (internal order), `k x k`: working row = raw row · T.
    pub z: Vec<Vec<f64>>,
    /// Indices of the fixed-effect columns kept, ascending.
    pub kept: Vec<usize>,
    /// `p x p` for the kept columns.
    pub x: Vec<f64>,
    /// Raw coefficients of the shift taken off y (`y_w = s (y - x shift)`).
    pub shift: Vec<f64>,
    /// What rounding took off `shift`: parts with a mean of 10¹² differ in digits that one double
    /// does not hold.
    pub shift_low: Vec<f64>,
    /// Scale of y, a power of two.
    pub y_scale: f64,
    /// Index among the kept columns of a constant column, and its value.
    pub constant: Option<(usize, f64)>,
}

impl Basis {
    /// Raw coefficients of the fixed effects from working ones.
    #[must_use]
    pub fn raw_beta(&self, working: &[f64]) -> Vec<f64> {
        let p = working.len();
        (0..p)
            .map(|i| {
                let b: f64 = (0..p).map(|j| self.x[i * p + j] * working[j]).sum();
                self.shift[i] + (self.shift_low[i] + b / self.y_scale)
            })
            .collect()
    }
}

/// Mean and power-of-two scale of a column; `constant` if all its values are the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub mean: f64,
    pub scale: f64,
    /// Root mean square.
    pub rms: f64,
    pub constant: Option<f64>,
}

pub(crate) fn moments(col: &Column) -> Moments {
    match col {
        Column::Constant(c) => {
            Moments { mean: *c, scale: power_of_two_inverse(c.abs()), rms: c.abs(), constant: Some(*c) }
        }
        Column::Values(v) => {
            let plain = scaled_moments(v, 1.0);
            // Squares that leave the range of doubles, or come near its lower end, are formed again of
            // values near one.
            let ordinary = SQUARES.contains(&plain.1.spread) && SQUARES.contains(&plain.1.rms);
            let (same, Spread { mean, spread, rms }) = if ordinary || v.iter().all(|x| *x == 0.0) {
                plain
            } else {
                let size = v.iter().fold(0.0f64, |s, x| s.max(x.abs()));
                let unit = power_of_two_inverse(size);
                let (same, s) = scaled_moments(v, unit);
                (same, Spread { mean: s.mean / unit, spread: s.spread / unit, rms: s.rms / unit })
            };
            let first = v.first().copied().unwrap_or(0.0);
            let constant = (same && first != 0.0).then_some(first);
            let spread = if constant.is_some() { first.abs() } else { spread.max(f64::EPSILON * mean.abs()) };
            Moments { mean, scale: power_of_two_inverse(spread), rms, constant }
        }
    }
}

/// Sizes whose squares, and sums of many of them, are far from the ends of the range of doubles.
const SQUARES: std::ops::Range<f64> = 1e-120..1e120;

/// Mean, standard deviation and root mean square of values.
struct Spread {
    mean: f64,
    spread: f64,
    rms: f64,
}

/// Of the values times `unit`; also whether they are all the same.
fn scaled_moments(v: &[f64], unit: f64) -> (bool, Spread) {
    let first = unit * v.first().copied().unwrap_or(0.0);
    let (mut sum, mut sq, mut same) = (0.0, 0.0, true);
    for &x in v {
        let d = unit * x - first;
        same &= d == 0.0;
        sum += d;
        sq += d * d;
    }
    let count = (v.len() as f64).max(1.0);
    let shift = sum / count;
    let mean = first + shift;
    let var = (sq / count - shift * shift).max(0.0);
    (same, Spread { mean, spread: var.sqrt(), rms: (var + mean * mean).sqrt() })
}

/// Root-mean-square scale for columns that may not be centred.
pub(crate) fn uncentred_scale(m: &Moments) -> f64 {
    power_of_two_inverse(m.rms)
}

/// The power of two that takes the square root of typical prior weights near one: columns and
/// response times it have weighted products near n, whatever the weights' unit.
pub(crate) fn weight_scale(weights: Option<&[f64]>) -> f64 {
    let Some(w) = weights else { return 1.0 };
    let largest = w.iter().fold(0.0f64, |s, v| s.max(*v));
    let mean = w.iter().map(|v| v / largest).sum::<f64>() / (w.len() as f64).max(1.0);
    power_of_two_inverse(mean.sqrt() * largest.sqrt())
}

/// How one working column is made from raw ones: `(raw - mean) · scale`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Affine {
    pub mean: f64,
    pub scale: f64,
}

/// Centred and scaled columns of one block, and the matrix that does the same (row · T); `unit` is
/// that of the weights.
pub(crate) fn centre_block(cols: &[Moments], unit: f64) -> (Vec<Affine>, Vec<f64>, Option<usize>) {
    let k = cols.len();
    let constant = cols.iter().position(|m| m.constant.is_some());
    let mut t = vec![0.0; k * k];
    let affine = (0..k)
        .map(|j| {
            let scale = unit
                * match constant {
                    Some(_) => cols[j].scale,
                    None => uncentred_scale(&cols[j]),
                };
            t[j * k + j] = scale;
            let mut mean = 0.0;
            if let Some(c) = constant.filter(|&c| c != j) {
                mean = cols[j].mean;
                t[c * k + j] = -mean * scale / cols[c].constant.unwrap_or(1.0);
            }
            Affine { mean, scale }
        })
        .collect();
    (affine, t, constant)
}

/// Columns of a block of random effects, centred and scaled as far as the structure of its covariance allows,
/// and the matrix that does the same.
pub(crate) fn working_columns(cols: &[Moments], allowed: BasisChanges, unit: f64) -> (Vec<Affine>, Vec<f64>) {
    let k = cols.len();
    let mut t = vec![0.0; k * k];
    let mut affine = Vec::with_capacity(k);
    match allowed {
        BasisChanges::Any => (affine, t, _) = centre_block(cols, unit),
        BasisChanges::Diagonal => {
            for (j, col) in cols.iter().enumerate() {
                let (own, change, _) = centre_block(std::slice::from_ref(col), unit);
                affine.extend(own);
                t[j * k + j] = change[0];
            }
        }
        BasisChanges::Scalar => {
            let largest = cols.iter().fold(0.0f64, |s, m| s.max(m.rms));
            let scale = unit * power_of_two_inverse(largest);
            affine.resize(k, Affine { mean: 0.0, scale });
            (0..k).for_each(|j| t[j * k + j] = scale);
        }
    }
    (affine, t)
}

impl CrossProducts {
    /// Change of basis: random columns of factor `i` by `z[i]` (k x k), [X y] by `xy`
    /// ((p+1)²), each as working row · matrix.
    pub(crate) fn congruence(&mut self, z: &[Vec<f64>], xy: &[f64]) {
        let c = self.c();
        self.random_congruence(z, xy);
        let half = large::product(&self.xx, xy, (c, c, c));
        self.xx = large::product(&small::transpose(xy, c, c), &half, (c, c, c));
    }

    /// What [`CrossProducts::congruence`] does to all but `xx`.
    pub(crate) fn random_congruence(&mut self, z: &[Vec<f64>], xy: &[f64]) {
        let c = self.c();
        for (i, f) in self.factors.iter().enumerate() {
            let (k, t) = (f.k, &z[i]);
            for block in self.zz[i].chunks_exact_mut(k * k) {
                let half = small::product(block, t, (k, k, k));
                block.fill(0.0);
                small::gemm_tn(block, t, &half, (k, k, k), 1.0);
            }
            let rows = f.offset * c..(f.offset + f.levels * k) * c;
            let turned = large::product(&self.zx[rows.clone()], xy, (f.levels * k, c, c));
            for (block, half) in self.zx[rows].chunks_exact_mut(k * c).zip(turned.chunks_exact(k * c)) {
                block.fill(0.0);
                small::gemm_tn(block, t, half, (k, k, c), 1.0);
            }
        }
        if self.factors.len() > 1 {
            self.lead_congruence(z);
        }
        for pair in &mut self.pairs {
            let (kf, kg) = (self.factors[pair.first].k, self.factors[pair.second].k);
            for block in pair.vals.chunks_exact_mut(kf * kg) {
                let half = small::product(block, &z[pair.second], (kf, kg, kg));
                block.fill(0.0);
                small::gemm_tn(block, &z[pair.first], &half, (kf, kf, kg), 1.0);
            }
        }
        for (t, change) in self.basis.z.iter_mut().zip(z) {
            let k = (t.len() as f64).sqrt() as usize;
            *t = small::product(t, change, (k, k, k));
        }
    }

    fn lead_congruence(&mut self, z: &[Vec<f64>]) {
        let owner = self.rest_owner();
        let k = self.factors[0].k;
        for l in 0..self.factors[0].levels {
            let span = self.lead.span(l, k);
            let w = span.len() / k;
            let block = &mut self.lead.vals[span];
            let cols = &self.lead.cols[self.lead.ptr[l]..self.lead.ptr[l + 1]];
            let mut j = 0;
            while j < w {
                let g = owner[cols[j] as usize] as usize;
                let kg = self.factors[g].k;
                for row in 0..k {
                    let part = &mut block[row * w + j..row * w + j + kg];
                    let new = small::product(part, &z[g], (1, kg, kg));
                    part.copy_from_slice(&new);
                }
                j += kg;
            }
            let old = block.to_vec();
            block.fill(0.0);
            small::gemm_tn(block, &z[0], &old, (k, k, w), 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_scaled_as_far_as_a_structure_allows() {
        let (one, x) = (Column::Constant(4.0), [10.0, 12.0, 11.0, 13.0]);
        let stats = [moments(&one), moments(&Column::Values(&x))];
        let any = working_columns(&stats, BasisChanges::Any, 1.0).1;
        assert!(any[1] != 0.0 && any[0] != any[3], "centred: {any:?}");
        let (affine, diagonal) = working_columns(&stats, BasisChanges::Diagonal, 1.0);
        assert!(diagonal[1] == 0.0 && diagonal[2] == 0.0 && diagonal[0] != diagonal[3], "{diagonal:?}");
        assert!(affine.iter().all(|a| a.mean == 0.0));
        let scalar = working_columns(&stats, BasisChanges::Scalar, 1.0).1;
        assert!(scalar[1] == 0.0 && scalar[2] == 0.0 && scalar[0] == scalar[3], "{scalar:?}");
    }
}
