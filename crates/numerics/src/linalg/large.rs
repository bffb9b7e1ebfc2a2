//! Row-major kernels of any size: plain loops while the work is small, else faer's blocked ones.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Accum, Mat, MatMut, MatRef, Par};

use crate::error::NumericsError;
use crate::linalg::{small, tasks};

/// Order from which faer's kernels are used.
pub(crate) const LARGE: usize = 64;

/// A row-major matrix inside a slice: `(values, rows, columns, stride)`.
pub(crate) type View<'a> = (&'a [f64], usize, usize, usize);

fn view((values, rows, columns, stride): View<'_>) -> MatRef<'_, f64> {
    if rows == 0 || columns == 0 {
        return MatRef::from_row_major_slice(&[], rows, columns);
    }
    let used = (rows - 1) * stride + columns;
    MatRef::from_row_major_slice_with_stride(&values[..used], rows, columns, stride)
}

/// Cholesky factor `a = L Lᵀ` in place (lower triangle; the upper is left as it was).
pub(crate) fn cholesky(a: &mut [f64], n: usize) -> Result<(), NumericsError> {
    if n < LARGE {
        return small::cholesky(a, n);
    }
    tasks::cholesky(MatMut::from_row_major_slice_mut(a, n, n))?;
    if (0..n).all(|i| a[i * n + i].is_finite()) {
        Ok(())
    } else {
        Err(NumericsError::NotPositive(0))
    }
}

/// `(L Lᵀ)⁻¹`, all of it, from the leading `n x n` part of a lower factor stored with a stride.
pub(crate) fn inverse_from_factor(l: &[f64], n: usize, stride: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    if n < LARGE {
        let factor: Vec<f64> = (0..n * n).map(|e| l[(e / n) * stride + e % n]).collect();
        let mut inv = small::identity(n);
        small::solve_lower(&factor, n, &mut inv, n);
        small::gemm_tn(&mut out, &inv, &inv, (n, n, n), 1.0);
        return out;
    }
    let mut memory = MemBuffer::new(llt::inverse::inverse_scratch::<f64>(n, Par::Seq));
    let lower = MatMut::from_row_major_slice_mut(&mut out, n, n);
    llt::inverse::inverse(lower, view((l, n, n, stride)), Par::Seq, MemStack::new(&mut memory));
    mirror(&mut out, n);
    out
}

/// `L⁻¹` of a lower factor, zeros above.
pub(crate) fn lower_inverse(l: &[f64], n: usize) -> Vec<f64> {
    if n < LARGE {
        let mut inv = small::identity(n);
        small::solve_lower(l, n, &mut inv, n);
        return inv;
    }
    let mut out = vec![0.0; n * n];
    let to = MatMut::from_row_major_slice_mut(&mut out, n, n);
    invert_lower_triangular(to, MatRef::from_row_major_slice(l, n, n), Par::Seq);
    out
}

/// `B ← L⁻¹ B` for a row-major `n x m` matrix.
pub(crate) fn solve_lower(l: &[f64], n: usize, b: &mut [f64], m: usize) {
    if n < LARGE {
        small::solve_lower(l, n, b, m);
        return;
    }
    let b = MatMut::from_row_major_slice_mut(b, n, m);
    solve_lower_triangular_in_place(MatRef::from_row_major_slice(l, n, n), b, Par::Seq);
}

/// The rows `m x k` of `B` become `B L⁻ᵀ`, with L the leading part of a factor stored with a stride.
pub(crate) fn solve_rows(l: &[f64], k: usize, stride: usize, b: &mut [f64], m: usize) {
    let rows = MatMut::from_row_major_slice_mut(b, m, k);
    solve_lower_triangular_in_place(view((l, k, k, stride)), rows.transpose_mut(), Par::Seq);
}

/// `a b` as a new row-major matrix.
pub(crate) fn product(a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize)) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    if k.min(n) < LARGE {
        small::gemm(&mut out, a, b, (m, k, n), 1.0);
    } else {
        multiply(&mut out, (a, m, k, k), (b, k, n, n));
    }
    out
}

/// `out = a b` for views, by faer whatever the size.
pub(crate) fn multiply(out: &mut [f64], a: View, b: View) {
    let to = MatMut::from_row_major_slice_mut(out, a.1, b.2);
    tasks::product(to, Accum::Replace, view(a), view(b), 1.0);
}

/// `out = a bᵀ` for views, by faer whatever the size.
pub(crate) fn multiply_nt(out: &mut [f64], a: View, b: View) {
    let to = MatMut::from_row_major_slice_mut(out, a.1, b.1);
    tasks::product(to, Accum::Replace, view(a), view(b).transpose(), 1.0);
}

/// `out = aᵀ b` for views, by faer whatever the size.
pub(crate) fn multiply_tn(out: &mut [f64], a: View, b: View) {
    let to = MatMut::from_row_major_slice_mut(out, a.2, b.2);
    tasks::product(to, Accum::Replace, view(a).transpose(), view(b), 1.0);
}

/// The lower triangle of `out += s aᵀ b`, `out` being `n x n`.
pub(crate) fn add_lower_tn(out: &mut [f64], a: View, b: View, s: f64) {
    let to = MatMut::from_row_major_slice_mut(out, a.2, a.2);
    tasks::add_lower(to, view(a).transpose(), view(b).transpose(), s);
}

/// The lower triangle of `out += s a bᵀ`, `out` being `n x n`.
pub(crate) fn add_lower_nt(out: &mut [f64], a: View, b: View, s: f64) {
    let to = MatMut::from_row_major_slice_mut(out, a.1, a.1);
    tasks::add_lower(to, view(a), view(b), s);
}

/// The lower triangle copied onto the upper, in squares that stay in the cache.
pub(crate) fn mirror(m: &mut [f64], n: usize) {
    for_each_below(n, |i, j| m[j * n + i] = m[i * n + j]);
}

/// Each place below the diagonal, square by square.
fn for_each_below(n: usize, mut visit: impl FnMut(usize, usize)) {
    const SIDE: usize = 32;
    for top in (0..n).step_by(SIDE) {
        for left in (0..=top).step_by(SIDE) {
            for i in top..(top + SIDE).min(n) {
                (left..(left + SIDE).min(i)).for_each(|j| visit(i, j));
            }
        }
    }
}

/// Inverse of a square matrix.
pub(crate) fn inverse(a: &[f64], n: usize) -> Result<Vec<f64>, NumericsError> {
    if n < LARGE {
        return small::inverse(a, n);
    }
    use faer::linalg::solvers::DenseSolveCore;
    let out = MatRef::from_row_major_slice(a, n, n).partial_piv_lu().inverse();
    let flat: Vec<f64> = (0..n * n).map(|e| out[(e / n, e % n)]).collect();
    if flat.iter().all(|v| v.is_finite()) {
        Ok(flat)
    } else {
        Err(NumericsError::NotPositive(0))
    }
}

/// log|det A| of any square matrix.
pub(crate) fn log_abs_det(a: &[f64], n: usize) -> f64 {
    if n < LARGE {
        return small::log_abs_det(a, n);
    }
    let mut m = Mat::from_fn(n, n, |i, j| a[i * n + j]);
    use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
    let mut memory = MemBuffer::new(lu_in_place_scratch::<usize, f64>(n, n, Par::Seq, Default::default()));
    let (mut forward, mut back) = (vec![0usize; n], vec![0usize; n]);
    lu_in_place(m.as_mut(), &mut forward, &mut back, Par::Seq, MemStack::new(&mut memory), Default::default());
    (0..n).map(|i| m[(i, i)].abs().ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_kernels_agree_with_the_small_ones() {
        for n in [5usize, 63, 64, 150] {
            let a: Vec<f64> = (0..n * n)
                .map(|e| 1.0 / (1.0 + (e / n).abs_diff(e % n) as f64) + if e / n == e % n { 2.0 } else { 0.0 })
                .collect();
            let (mut one, mut two) = (a.clone(), a.clone());
            small::cholesky(&mut one, n).expect("positive");
            cholesky(&mut two, n).expect("positive");
            let close = |x: &[f64], y: &[f64]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-11);
            assert!(close(&one, &two));
            let inverse = inverse_from_factor(&two, n, n);
            assert!(close(&product(&a, &inverse, (n, n, n)), &small::identity(n)));
            for i in 0..n {
                (i + 1..n).for_each(|j| two[i * n + j] = 0.0);
            }
            assert!(close(&product(&two, &lower_inverse(&two, n), (n, n, n)), &small::identity(n)));
            let half: f64 = (0..n).map(|i| two[i * n + i].ln()).sum();
            assert!((log_abs_det(&a, n) - 2.0 * half).abs() < 1e-10 * n as f64);
            let mut solved = two.clone();
            solve_lower(&two, n, &mut solved, n);
            assert!(close(&solved, &small::identity(n)));
        }
    }
}
