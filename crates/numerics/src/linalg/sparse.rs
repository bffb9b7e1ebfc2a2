//! Sparse Cholesky of the later factors' Schur complement, for nested and thinly crossed designs:
//! AMD ordering (faer), up-looking numeric phase (Davis 2006, ch. 4) and the selected inverse on
//! the factor's pattern (Takahashi, Fagan & Chen 1973).

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::sparse::linalg::amd;
use faer::sparse::SymbolicSparseColMatRef;

use crate::error::NumericsError;
use crate::interrupt::{self, Stop};

/// A symmetric matrix on a fixed pattern, its factor and its selected inverse.
#[derive(Debug, Clone)]
pub struct SparseFactor {
    n: usize,
    /// Position of each original index after ordering.
    place: Vec<u32>,
    /// Lower triangle by columns (rows ascending, diagonal first): pattern of the factor.
    ptr: Vec<usize>,
    rows: Vec<u32>,
    /// The matrix, later its factor.
    vals: Vec<f64>,
    inv: Vec<f64>,
    /// Row patterns of L: for row i the columns j < i, with their slots.
    row_ptr: Vec<usize>,
    row_cols: Vec<u32>,
    row_slots: Vec<usize>,
}

/// Non-zeros of the factor under an AMD ordering, with what is needed to build it.
pub struct Symbolic {
    place: Vec<u32>,
    columns: Vec<Vec<u32>>,
    /// Stored entries of L.
    pub nnz: usize,
}

/// Order and factor symbolically; gives up (`None`) once the factor has more than `limit` entries.
pub fn analyse(n: usize, lower: &[(u32, u32)], limit: usize) -> Result<Option<Symbolic>, NumericsError> {
    interrupt::check()?;
    // Upper triangle by columns, which is the same as the lower by rows: entries (i, j), i > j.
    let mut col_ptr = vec![0usize; n + 1];
    for &(i, _) in lower {
        col_ptr[i as usize + 1] += 1;
    }
    for i in 0..n {
        col_ptr[i + 1] += col_ptr[i];
    }
    let mut next = col_ptr.clone();
    let mut row_idx = vec![0usize; lower.len()];
    for &(i, j) in lower {
        row_idx[next[i as usize]] = j as usize;
        next[i as usize] += 1;
    }
    for i in 0..n {
        row_idx[col_ptr[i]..col_ptr[i + 1]].sort_unstable();
    }
    let place = interrupt::apart(move || ordering(n, &col_ptr, &row_idx))??;
    let mut columns: Vec<Vec<u32>> = vec![Vec::new(); n];
    for &(i, j) in lower {
        let (a, b) = (place[i as usize], place[j as usize]);
        columns[a.min(b)].push(a.max(b) as u32);
    }
    // Column j of L: its own entries and those of its children in the elimination tree.
    let mut children: Vec<Vec<u32>> = vec![Vec::new(); n];
    let mut nnz = n;
    let stop = Stop::current();
    for j in 0..n {
        stop.check()?;
        let mut col = std::mem::take(&mut columns[j]);
        for &child in &children[j] {
            col.extend(columns[child as usize].iter().filter(|&&r| r as usize != j));
        }
        col.sort_unstable();
        col.dedup();
        nnz += col.len();
        if nnz > limit {
            return Ok(None);
        }
        if let Some(&parent) = col.first() {
            children[parent as usize].push(j as u32);
        }
        columns[j] = col;
    }
    let place = place.iter().map(|&v| v as u32).collect();
    Ok(Some(Symbolic { place, columns, nnz }))
}

/// Each index's place under an approximate minimum degree ordering.
fn ordering(n: usize, col_ptr: &[usize], row_idx: &[usize]) -> Result<Vec<usize>, NumericsError> {
    let pattern = SymbolicSparseColMatRef::new_checked(n, n, col_ptr, None, row_idx);
    let (mut perm, mut place) = (vec![0usize; n], vec![0usize; n]);
    let mut memory = MemBuffer::new(amd::order_maybe_unsorted_scratch::<usize>(n, row_idx.len()));
    let stack = MemStack::new(&mut memory);
    amd::order_maybe_unsorted(&mut perm, &mut place, pattern, amd::Control::default(), stack)
        .map_err(|e| NumericsError::State(format!("{e:?}")))?;
    Ok(place)
}

impl SparseFactor {
    /// Bytes of the factor's entries.
    #[must_use]
    pub fn bytes(&self) -> usize {
        8 * self.vals.len()
    }

    /// Storage for a pattern.
    #[must_use]
    pub fn new(symbolic: Symbolic) -> Self {
        let n = symbolic.columns.len();
        let mut ptr = Vec::with_capacity(n + 1);
        let mut rows = Vec::with_capacity(symbolic.nnz);
        let mut row_ptr = vec![0usize; n + 1];
        ptr.push(0);
        for (j, col) in symbolic.columns.iter().enumerate() {
            rows.push(j as u32);
            rows.extend_from_slice(col);
            for &i in col {
                row_ptr[i as usize + 1] += 1;
            }
            ptr.push(rows.len());
        }
        for i in 0..n {
            row_ptr[i + 1] += row_ptr[i];
        }
        let mut next = row_ptr.clone();
        let mut row_cols = vec![0u32; row_ptr[n]];
        let mut row_slots = vec![0usize; row_ptr[n]];
        for j in 0..n {
            for (slot, &row) in rows.iter().enumerate().take(ptr[j + 1]).skip(ptr[j] + 1) {
                let i = row as usize;
                row_cols[next[i]] = j as u32;
                row_slots[next[i]] = slot;
                next[i] += 1;
            }
        }
        let nnz = rows.len();
        SparseFactor {
            n,
            place: symbolic.place,
            ptr,
            rows,
            vals: vec![0.0; nnz],
            inv: Vec::new(),
            row_ptr,
            row_cols,
            row_slots,
        }
    }

    /// All entries to zero, the diagonal to one.
    pub fn reset(&mut self) {
        self.vals.fill(0.0);
        for j in 0..self.n {
            self.vals[self.ptr[j]] = 1.0;
        }
    }

    fn slot(&self, i: usize, j: usize) -> Option<usize> {
        let (a, b) = (self.place[i], self.place[j]);
        let (row, col) = (a.max(b), a.min(b) as usize);
        let range = self.ptr[col]..self.ptr[col + 1];
        self.rows[range.clone()].binary_search(&row).ok().map(|t| range.start + t)
    }

    /// Add to the entry of original indices `(i, j)`; once for each unordered pair.
    pub fn add(&mut self, i: usize, j: usize, value: f64) {
        if let Some(slot) = self.slot(i, j) {
            self.vals[slot] += value;
        }
    }

    /// Entry `(i, j)` of the selected inverse (zero outside the pattern).
    #[must_use]
    pub fn inverse_at(&self, i: usize, j: usize) -> f64 {
        self.inverse_known(i, j).unwrap_or(0.0)
    }

    /// Entry of the inverse, `None` off the pattern of the factor.
    #[must_use]
    pub fn inverse_known(&self, i: usize, j: usize) -> Option<f64> {
        self.slot(i, j).map(|s| self.inv[s])
    }

    /// Factor in place (row by row); returns the log-determinant of the matrix.
    pub fn factor(&mut self) -> Result<f64, NumericsError> {
        let mut work = vec![0.0; self.n];
        let mut logdet = 0.0;
        let stop = Stop::current();
        for i in 0..self.n {
            stop.check()?;
            // Row i of A sits in the slots of row i of L.
            let span = self.row_ptr[i]..self.row_ptr[i + 1];
            for t in span.clone() {
                work[self.row_cols[t] as usize] = self.vals[self.row_slots[t]];
            }
            let mut d = self.vals[self.ptr[i]];
            for t in span.clone() {
                let j = self.row_cols[t] as usize;
                let l = work[j] / self.vals[self.ptr[j]];
                work[j] = 0.0;
                d -= l * l;
                // Later columns of row i: subtract l * L[r, j] for r < i in column j.
                for s in self.ptr[j] + 1..self.row_slots[t] {
                    work[self.rows[s] as usize] -= l * self.vals[s];
                }
                self.vals[self.row_slots[t]] = l;
            }
            if !(d > 0.0 && d.is_finite()) {
                return Err(NumericsError::NotPositive(i));
            }
            self.vals[self.ptr[i]] = d.sqrt();
            logdet += d.ln();
        }
        Ok(logdet)
    }

    /// `b ← L⁻¹ P b` for a row-major `n x c` matrix (rows in the order of elimination after).
    pub fn solve_lower(&self, b: &mut [f64], c: usize) {
        self.permute(b, c, true);
        for j in 0..self.n {
            let (head, tail) = b.split_at_mut((j + 1) * c);
            let row = &mut head[j * c..];
            let inv = 1.0 / self.vals[self.ptr[j]];
            row.iter_mut().for_each(|v| *v *= inv);
            for s in self.ptr[j] + 1..self.ptr[j + 1] {
                let at = (self.rows[s] as usize - j - 1) * c;
                for (t, v) in tail[at..at + c].iter_mut().zip(row.iter()) {
                    *t -= self.vals[s] * v;
                }
            }
        }
    }

    /// `b ← Pᵀ L⁻ᵀ b`: the second half of a solve, rows back in their original order.
    pub fn solve_upper(&self, b: &mut [f64], c: usize) {
        for j in (0..self.n).rev() {
            let (head, tail) = b.split_at_mut((j + 1) * c);
            let row = &mut head[j * c..];
            for s in self.ptr[j] + 1..self.ptr[j + 1] {
                let at = (self.rows[s] as usize - j - 1) * c;
                for (v, t) in row.iter_mut().zip(&tail[at..at + c]) {
                    *v -= self.vals[s] * t;
                }
            }
            let inv = 1.0 / self.vals[self.ptr[j]];
            row.iter_mut().for_each(|v| *v *= inv);
        }
        self.permute(b, c, false);
    }

    fn permute(&self, b: &mut [f64], c: usize, forward: bool) {
        let old = b.to_vec();
        for (i, &to) in self.place.iter().enumerate() {
            let to = to as usize;
            let (src, dst) = if forward { (i, to) } else { (to, i) };
            b[dst * c..(dst + 1) * c].copy_from_slice(&old[src * c..(src + 1) * c]);
        }
    }

    /// Multiplications of a factorisation.
    #[must_use]
    pub fn operations(&self) -> f64 {
        self.ptr.windows(2).map(|w| ((w[1] - w[0]) as f64).powi(2)).sum()
    }

    /// Selected inverse on the pattern of L, last column first.
    pub fn invert(&mut self) {
        let mut inv = std::mem::take(&mut self.inv);
        inv.resize(self.vals.len(), 0.0);
        let stop = Stop::current();
        for j in (0..self.n).rev().take_while(|_| !stop.requested()) {
            let d = self.vals[self.ptr[j]];
            let below = self.ptr[j] + 1..self.ptr[j + 1];
            // inv[i, j] = -Σ_k inv[i, k] L[k, j] / d for i below the diagonal.
            for s in below.clone().rev() {
                let i = self.rows[s];
                let mut sum = 0.0;
                for t in below.clone() {
                    let k = self.rows[t];
                    let (row, col) = (i.max(k), i.min(k) as usize);
                    let range = self.ptr[col]..self.ptr[col + 1];
                    if let Ok(u) = self.rows[range.clone()].binary_search(&row) {
                        sum += inv[range.start + u] * self.vals[t];
                    }
                }
                inv[s] = -sum / d;
            }
            let sum: f64 = below.map(|s| inv[s] * self.vals[s]).sum();
            inv[self.ptr[j]] = (1.0 / d - sum) / d;
        }
        self.inv = inv;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::small;

    #[test]
    fn factor_solve_and_selected_inverse_agree_with_dense() {
        let n = 6;
        let lower = [(1u32, 0u32), (3, 1), (5, 3), (4, 2), (5, 0), (4, 0)];
        let mut a = small::identity(n);
        let symbolic = analyse(n, &lower, 1000).expect("orders").expect("small");
        let mut f = SparseFactor::new(symbolic);
        f.reset();
        for (t, &(i, j)) in lower.iter().enumerate() {
            let v = 0.1 + 0.05 * t as f64;
            a[i as usize * n + j as usize] = v;
            a[j as usize * n + i as usize] = v;
            f.add(i as usize, j as usize, v);
        }
        let logdet = f.factor().expect("positive");
        f.invert();
        let inv = small::inverse(&a, n).expect("regular");
        let mut l = a.clone();
        small::cholesky(&mut l, n).expect("positive");
        let want: f64 = (0..n).map(|i| 2.0 * l[i * n + i].ln()).sum();
        assert!((logdet - want).abs() < 1e-13);
        for &(i, j) in lower.iter().chain(&[(0, 0), (5, 5)]) {
            let (i, j) = (i as usize, j as usize);
            assert!((f.inverse_at(i, j) - inv[i * n + j]).abs() < 1e-13);
        }
        let mut b: Vec<f64> = (0..n).map(|i| i as f64 - 2.0).collect();
        let rhs = b.clone();
        f.solve_lower(&mut b, 1);
        f.solve_upper(&mut b, 1);
        let back = small::product(&a, &b, (n, n, 1));
        back.iter().zip(&rhs).for_each(|(x, y)| assert!((x - y).abs() < 1e-12));
    }
}
