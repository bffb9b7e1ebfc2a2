//! Columns of X that are mostly zero, as the indicators of a factor's levels are: products of p of
//! them cost the non-zeros of each row, not p². Centring is done on the sums, which cancels no
//! digits where most of a column is zero.

use crate::products::crossproducts::Column;
use crate::products::fixed_part::{Working, CHUNK};

/// Fewer columns than this are multiplied as they are.
const WORTH_IT: usize = 64;
/// A column is sparse if at most this share of it is not zero.
const SHARE: usize = 16;

/// Which columns are sparse, and their non-zero values by row, scaled but not centred: of ordinary size
/// whatever the unit of a column.
pub(crate) struct SparseColumns {
    /// Indices of the sparse columns, ascending.
    pub(crate) sparse: Vec<usize>,
    /// Indices of the other columns, ascending.
    pub(crate) dense: Vec<usize>,
    start: Vec<usize>,
    /// Place in `sparse`, and value.
    entries: Vec<(u32, f64)>,
}

impl SparseColumns {
    /// The columns taken apart, if enough of them are sparse.
    pub(crate) fn of(x: &[Working], n: usize) -> Option<Self> {
        if x.len() < WORTH_IT {
            return None;
        }
        // Row and value of each non-zero, or nothing for a dense column, in one pass.
        let found: Vec<Option<Vec<(u32, f64)>>> = x.iter().map(|w| non_zeros(w.column, n / SHARE)).collect();
        let (sparse, dense): (Vec<usize>, Vec<usize>) = (0..x.len()).partition(|&j| found[j].is_some());
        if sparse.len() < WORTH_IT {
            return None;
        }
        let mut start = vec![0usize; n + 1];
        for (i, _) in found.iter().flatten().flatten() {
            start[*i as usize + 1] += 1;
        }
        for i in 0..n {
            start[i + 1] += start[i];
        }
        let mut next = start.clone();
        let mut entries = vec![(0u32, 0.0); start[n]];
        for (s, &j) in sparse.iter().enumerate() {
            let scale = x[j].affine.scale;
            for &(i, v) in found[j].iter().flatten() {
                entries[next[i as usize]] = (s as u32, scale * v);
                next[i as usize] += 1;
            }
        }
        Some(SparseColumns { sparse, dense, start, entries })
    }

    /// The non-zeros of a row, in the order of the columns.
    pub(crate) fn row(&self, i: usize) -> &[(u32, f64)] {
        &self.entries[self.start[i]..self.start[i + 1]]
    }

    /// [X y]ᵀW[X y], `y` being given by rows in working form.
    pub(crate) fn products(&self, x: &[Working], y: &[f64], weights: Option<&[f64]>) -> Vec<f64> {
        let (n, c, m) = (y.len(), x.len() + 1, self.dense.len() + 1);
        let mut out = vec![0.0; c * c];
        let mut cross = vec![0.0; self.sparse.len() * m];
        let mut own = vec![0.0; m * m];
        let (mut totals, mut sums) = (vec![0.0; m], vec![0.0; self.sparse.len()]);
        let mut weight = 0.0;
        // Rows of the dense columns and y, so that a row's values stand side by side.
        let (mut column, mut block, mut left) = (vec![0.0; CHUNK], vec![0.0; m * CHUNK], vec![0.0; m * CHUNK]);
        for first in (0..n).step_by(CHUNK) {
            let rows = CHUNK.min(n - first);
            for (d, &j) in self.dense.iter().enumerate() {
                x[j].fill(first, &mut column[..rows]);
                column[..rows].iter().enumerate().for_each(|(r, v)| block[r * m + d] = *v);
            }
            y[first..first + rows].iter().enumerate().for_each(|(r, v)| block[r * m + m - 1] = *v);
            for r in 0..rows {
                let w = weights.map_or(1.0, |w| w[first + r]);
                weight += w;
                let dense = &mut left[r * m..(r + 1) * m];
                dense.iter_mut().zip(&block[r * m..]).for_each(|(l, v)| *l = w * v);
                totals.iter_mut().zip(dense.iter()).for_each(|(t, v)| *t += v);
                let row = self.row(first + r);
                for (a, &(s, v)) in row.iter().enumerate() {
                    let s = s as usize;
                    sums[s] += w * v;
                    cross[s * m..(s + 1) * m].iter_mut().zip(dense.iter()).for_each(|(t, d)| *t += v * d);
                    let to = self.sparse[s] * c;
                    row[..=a].iter().for_each(|&(t, u)| out[to + self.sparse[t as usize]] += w * v * u);
                }
            }
            crate::linalg::large::add_lower_tn(&mut own, (&left, rows, m, m), (&block, rows, m, m), 1.0);
        }
        for (s, &i) in self.sparse.iter().enumerate() {
            let a = x[i].centre();
            for (t, &j) in self.sparse[..=s].iter().enumerate() {
                let b = x[j].centre();
                out[i * c + j] -= b * sums[s] + a * (sums[t] - b * weight);
                out[j * c + i] = out[i * c + j];
            }
            for d in 0..m {
                let j = self.dense.get(d).copied().unwrap_or(c - 1);
                out[i * c + j] = cross[s * m + d] - a * totals[d];
                out[j * c + i] = out[i * c + j];
            }
        }
        for d in 0..m {
            let i = self.dense.get(d).copied().unwrap_or(c - 1);
            for e in 0..=d {
                let j = self.dense.get(e).copied().unwrap_or(c - 1);
                out[i * c + j] = own[d * m + e];
                out[j * c + i] = own[d * m + e];
            }
        }
        out
    }
}

/// Row and value of each non-zero of a column that has at most so many.
fn non_zeros(column: Column, most: usize) -> Option<Vec<(u32, f64)>> {
    let Column::Values(values) = column else { return None };
    let mut out = Vec::new();
    for (start, part) in (0..).step_by(64).zip(values.chunks(64)) {
        if part.iter().any(|v| *v != 0.0) {
            let here = part.iter().enumerate().filter(|(_, v)| **v != 0.0);
            out.extend(here.map(|(i, v)| ((start + i) as u32, *v)));
            if out.len() > most {
                return None;
            }
        }
    }
    Some(out)
}
