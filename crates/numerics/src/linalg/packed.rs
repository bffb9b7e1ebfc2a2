//! A dense Cholesky factor and, beside it in the same square, the inverse of the matrix.
//!
//! Storage is column-major with one row more than the order: `L[i, j]` (i >= j) stands in row
//! `i + 1`, the inverse's entry `[i, j]` (i <= j) in row `i`. So the largest block of crossed
//! designs is held once.

use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::prelude::ReborrowMut;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::error::NumericsError;
use crate::interrupt::Stop;
use crate::linalg::packed_inverse;
use crate::linalg::small;
use crate::linalg::tasks::{self, PANEL};

/// Order up to which the own kernels are quicker than faer.
const SMALL: usize = 24;

/// The factor, and the inverse once asked for.
#[derive(Debug, Clone)]
pub struct DenseFactor {
    n: usize,
    square: Vec<f64>,
}

impl DenseFactor {
    /// Storage for a matrix of order `n`.
    #[must_use]
    pub fn new(n: usize) -> Self {
        DenseFactor { n, square: vec![0.0; n * (n + 1)] }
    }

    /// Bytes of the square.
    #[must_use]
    pub fn bytes(&self) -> usize {
        8 * self.square.len()
    }

    fn lower(&self) -> MatRef<'_, f64> {
        let (n, ld) = (self.n, self.n + 1);
        MatRef::from_column_major_slice_with_stride(&self.square[1..], n, n, ld)
    }

    fn lower_mut(&mut self) -> MatMut<'_, f64> {
        let (n, ld) = (self.n, self.n + 1);
        MatMut::from_column_major_slice_with_stride_mut(&mut self.square[1..], n, n, ld)
    }

    /// The identity, before anything is added. Left undone in part if the work is interrupted.
    pub fn reset(&mut self) {
        let stop = Stop::current();
        // New memory is slow to touch for the first time.
        self.square.par_chunks_mut(1 << 22).for_each(|part| {
            if !stop.requested() {
                part.fill(0.0);
            }
        });
        (0..self.n).for_each(|i| self.add(i, i, 1.0));
    }

    /// Add to entry `(i, j)`, `i >= j`.
    #[inline]
    pub fn add(&mut self, i: usize, j: usize, value: f64) {
        self.square[j * (self.n + 1) + i + 1] += value;
    }

    /// Subtract `CᵀC` for a complete row-major `m x n` matrix `C`.
    pub fn subtract_gram(&mut self, c: &[f64], m: usize) {
        let n = self.n;
        let ct = MatRef::from_column_major_slice(c, n, m);
        tasks::add_gram(self.lower_mut(), ct, -1.0);
    }

    /// Let `update` change groups of columns: it gets a group's first column and the columns, the
    /// entries on and below the diagonal of column `j` standing from its place `j` on.
    pub fn update_columns(&mut self, update: impl Fn(usize, &mut [&mut [f64]]) + Sync) {
        let ld = self.n + 1;
        let width = self.n.div_ceil(16).max(16);
        self.square.par_chunks_mut(ld * width).enumerate().for_each(|(t, chunk)| {
            let mut columns: Vec<&mut [f64]> = chunk.chunks_exact_mut(ld).map(|c| &mut c[1..]).collect();
            update(t * width, &mut columns);
        });
    }

    /// Factor in place; the log-determinant.
    pub fn factor(&mut self) -> Result<f64, NumericsError> {
        let n = self.n;
        if n <= SMALL {
            let mut a = vec![0.0; n * n];
            (0..n * n).filter(|e| e % n <= e / n).for_each(|e| a[e] = self.square[e % n * (n + 1) + e / n + 1]);
            small::cholesky(&mut a, n)?;
            (0..n * n).filter(|e| e % n <= e / n).for_each(|e| self.square[e % n * (n + 1) + e / n + 1] = a[e]);
        } else {
            tasks::cholesky(self.lower_mut())?;
        }
        let logdet = (0..n).map(|i| 2.0 * self.square[i * (n + 1) + i + 1].ln()).sum::<f64>();
        if logdet.is_finite() {
            Ok(logdet)
        } else {
            Err(NumericsError::NotPositive(0))
        }
    }

    /// First half of a solve on a row-major `n x c` matrix.
    pub fn solve_lower(&self, b: &mut [f64], c: usize) {
        let n = self.n;
        let l = self.lower();
        tasks::solve(n, MatMut::from_row_major_slice_mut(b, n, c), |part| {
            solve_lower_triangular_in_place(l, part, Par::Seq);
        });
    }

    /// Second half of a solve.
    pub fn solve_upper(&self, b: &mut [f64], c: usize) {
        let n = self.n;
        let l = self.lower().transpose();
        tasks::solve(n, MatMut::from_row_major_slice_mut(b, n, c), |part| {
            solve_upper_triangular_in_place(l, part, Par::Seq);
        });
    }

    /// Make the inverse.
    pub fn invert(&mut self) {
        let (n, ld) = (self.n, self.n + 1);
        for j in 0..n {
            for i in j..n {
                self.square[i * ld + j] = self.square[j * ld + i + 1];
            }
        }
        let upper = MatMut::from_column_major_slice_with_stride_mut(&mut self.square[..n * ld - 1], n, n, ld);
        packed_inverse::invert(upper.transpose_mut());
    }

    /// Entry of the inverse.
    #[inline]
    #[must_use]
    pub fn inverse_at(&self, i: usize, j: usize) -> f64 {
        let (low, high) = if i <= j { (i, j) } else { (j, i) };
        self.square[high * (self.n + 1) + low]
    }

    /// `e += c (Ω⁻¹)_JJ` for a row-major `rows x |J|` matrix and ascending columns J.
    pub fn gather(&self, columns: &[u32], c: &[f64], e: &mut [f64]) {
        let w = columns.len();
        for (a, &ja) in columns.iter().enumerate() {
            let column = &self.square[ja as usize * (self.n + 1)..][..self.n];
            for (row, values) in e.chunks_exact_mut(w).zip(c.chunks_exact(w)) {
                let own = values[a];
                let mut sum = own * column[ja as usize];
                for ((&j, v), to) in columns[..a].iter().zip(values).zip(row.iter_mut()) {
                    let inv = column[j as usize];
                    sum += v * inv;
                    *to += own * inv;
                }
                row[a] += sum;
            }
        }
    }

    /// `C Ω⁻¹` for a row-major `m x n` matrix.
    #[must_use]
    pub fn times_inverse(&self, c: &[f64], m: usize) -> Vec<f64> {
        let n = self.n;
        let mut e = vec![0.0; m * n];
        let upper = MatRef::from_column_major_slice_with_stride(&self.square[..n * (n + 1) - 1], n, n, n + 1);
        // Transposed throughout: Ω⁻¹ Cᵀ, the upper triangle and then the strictly lower one.
        let c = MatRef::from_column_major_slice(c, n, m);
        let groups = tasks::column_groups(MatMut::from_column_major_slice_mut(&mut e, n, m), PANEL);
        let one = |(from, mut group): (usize, MatMut<'_, f64>)| {
            let own = c.subcols(from, group.ncols());
            for (part, structure, accumulate) in [
                (upper, BlockStructure::TriangularUpper, Accum::Replace),
                (upper.transpose(), BlockStructure::StrictTriangularLower, Accum::Add),
            ] {
                triangular_matmul(
                    group.rb_mut(),
                    BlockStructure::Rectangular,
                    accumulate,
                    part,
                    structure,
                    own,
                    BlockStructure::Rectangular,
                    1.0,
                    Par::Seq,
                );
            }
            Ok(())
        };
        tasks::each(groups, one).ok();
        e
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factor_solutions_and_inverse_agree_with_the_small_kernels() {
        for n in [1, 5, 24, 25, 128, 130, 300] {
            let entry = |e: usize| {
                let near = 1.0 / (1.0 + (e / n).abs_diff(e % n) as f64);
                near + if e / n == e % n { 2.0 } else { 0.0 }
            };
            let a: Vec<f64> = (0..n * n).map(entry).collect();
            let mut f = DenseFactor::new(n);
            f.reset();
            for i in 0..n {
                (0..=i).for_each(|j| f.add(i, j, a[i * n + j] - if i == j { 1.0 } else { 0.0 }));
            }
            let mut l = a.clone();
            assert!(small::cholesky(&mut l, n).is_ok());
            let logdet: f64 = (0..n).map(|i| 2.0 * l[i * n + i].ln()).sum();
            assert!(f.factor().is_ok_and(|d| (d - logdet).abs() < 1e-9));
            f.invert();
            let mut solved = small::identity(n);
            f.solve_lower(&mut solved, n);
            f.solve_upper(&mut solved, n);
            for (e, v) in solved.iter().enumerate() {
                assert!((v - f.inverse_at(e / n, e % n)).abs() < 1e-12, "{n}: {e}");
            }
            for (x, y) in small::product(&a, &solved, (n, n, n)).iter().zip(small::identity(n)) {
                assert!((x - y).abs() < 1e-11, "{n}: {x} {y}");
            }
            let c: Vec<f64> = (0..3 * n).map(|e| (e * 7 % 11) as f64 - 5.0).collect();
            let want = small::product(&c, &solved, (3, n, n));
            let all: Vec<u32> = (0..n as u32).collect();
            let mut gathered = vec![0.0; 3 * n];
            f.gather(&all, &c, &mut gathered);
            for ((w, g), t) in want.iter().zip(&gathered).zip(f.times_inverse(&c, 3)) {
                assert!((w - g).abs() < 1e-10 && (w - t).abs() < 1e-10, "{n}");
            }
        }
    }
}
