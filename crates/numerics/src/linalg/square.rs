//! Square matrices of any order, row-major: plain loops where they are small, else faer's kernels.

use faer::{Accum, MatMut, MatRef};

use crate::error::NumericsError;
use crate::linalg::tasks::{cholesky, product};
use crate::linalg::{packed_inverse, small};

/// Below this order plain loops are faster than faer's kernels.
const SMALL: usize = 24;

/// `out + s a b` for row-major `n x n` matrices.
pub(crate) fn multiply_add(out: &mut [f64], a: &[f64], b: &[f64], n: usize, s: f64) {
    if n < SMALL {
        small::gemm(out, a, b, (n, n, n), s);
        return;
    }
    product(
        MatMut::from_row_major_slice_mut(out, n, n),
        Accum::Add,
        MatRef::from_row_major_slice(a, n, n),
        MatRef::from_row_major_slice(b, n, n),
        s,
    );
}

/// Inverse of a symmetric positive definite matrix, in place.
pub(crate) fn invert_positive(m: &mut [f64], n: usize) -> Result<(), NumericsError> {
    if n < SMALL {
        let mut inv = small::identity(n);
        small::cholesky(m, n)?;
        small::solve_lower(m, n, &mut inv, n);
        m.fill(0.0);
        small::gemm_tn(m, &inv, &inv, (n, n, n), 1.0);
        return Ok(());
    }
    cholesky(MatMut::from_column_major_slice_mut(m, n, n))?;
    packed_inverse::invert(MatMut::from_column_major_slice_mut(m, n, n));
    for j in 0..n {
        for i in 0..j {
            m[j * n + i] = m[i * n + j];
        }
    }
    Ok(())
}

/// The symmetric part, in place.
pub(crate) fn symmetrise(m: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..i {
            let v = 0.5 * (m[i * n + j] + m[j * n + i]);
            m[i * n + j] = v;
            m[j * n + i] = v;
        }
    }
}

/// `tr(a b)`.
pub(crate) fn product_trace(a: &[f64], b: &[f64], n: usize) -> f64 {
    (0..n).map(|i| (0..n).map(|j| a[i * n + j] * b[j * n + i]).sum::<f64>()).sum()
}
