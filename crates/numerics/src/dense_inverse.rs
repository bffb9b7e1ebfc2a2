//! Inverse of a large symmetric matrix from its Cholesky factor, in place but for one panel:
//! LAPACK's `potri` by blocks, so that a dense block is held twice (factor, inverse), never thrice.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, MatMut, MatRef, Par};

use crate::dense;

const PANEL: usize = 128;

/// `(L Lᵀ)⁻¹`, both triangles, into `inv`; column-major, order `n`.
pub(crate) fn invert(l: &[f64], inv: &mut [f64], n: usize, par: Par) {
    inv.copy_from_slice(l);
    let mut panel = vec![0.0; n * PANEL.min(n)];
    let starts: Vec<usize> = (0..n).step_by(PANEL).collect();
    for &j in starts.iter().rev() {
        invert_panel(inv, n, j, &mut panel, par);
    }
    for &i in &starts {
        square_panel(inv, n, i, &mut panel, par);
    }
    for j in 0..n {
        for i in 0..j {
            inv[j * n + i] = inv[i * n + j];
        }
    }
}

/// Columns `j..` of L⁻¹, those to the right being done.
fn invert_panel(a: &mut [f64], n: usize, j: usize, panel: &mut [f64], par: Par) {
    let width = PANEL.min(n - j);
    let below = n - j - width;
    let corner = invert_corner(a, n, j, width);
    let (_, _, _, tail) = MatMut::from_column_major_slice_mut(a, n, n).split_at_mut(j, j);
    let (mut diagonal, _, mut left, right) = tail.split_at_mut(width, width);
    let corner = MatRef::from_row_major_slice(&corner, width, width);
    if below > 0 {
        let mut copy = MatMut::from_column_major_slice_mut(&mut panel[..below * width], below, width);
        copy.copy_from(&left);
        triangular_matmul(
            left.rb_mut(),
            BlockStructure::Rectangular,
            Accum::Replace,
            right.rb(),
            BlockStructure::TriangularLower,
            copy.rb(),
            BlockStructure::Rectangular,
            -1.0,
            par,
        );
        copy.copy_from(&left);
        matmul(left, Accum::Replace, copy.rb(), corner, 1.0, par);
    }
    for c in 0..width {
        for r in c..width {
            diagonal[(r, c)] = corner[(r, c)];
        }
    }
}

/// Row-major inverse of a lower-triangular diagonal block.
fn invert_corner(a: &[f64], n: usize, j: usize, width: usize) -> Vec<f64> {
    let block: Vec<f64> = (0..width * width)
        .map(|e| if e % width <= e / width { a[(j + e % width) * n + j + e / width] } else { 0.0 })
        .collect();
    let mut out = dense::identity(width);
    dense::solve_lower(&block, width, &mut out, width);
    out
}

/// Rows `i..` of L⁻ᵀL⁻¹ (lower triangle), those above being done.
fn square_panel(a: &mut [f64], n: usize, i: usize, panel: &mut [f64], par: Par) {
    let width = PANEL.min(n - i);
    let (top, bottom) = (i + width, n - i - width);
    let whole = MatMut::from_column_major_slice_mut(a, n, n);
    let (upper, _, lower, _) = whole.split_at_mut(top, top);
    let mut row = upper.submatrix_mut(i, 0, width, top);
    let mut copy = MatMut::from_column_major_slice_mut(&mut panel[..width * top], width, top);
    copy.copy_from(&row);
    // Above the diagonal of the corner stands what is no part of L⁻¹.
    for c in 0..width {
        for r in 0..c {
            copy[(r, i + c)] = 0.0;
        }
    }
    let corner = copy.rb().submatrix(0, i, width, width).to_owned();
    matmul(row.rb_mut(), Accum::Replace, corner.transpose(), copy.rb(), 1.0, par);
    if bottom > 0 {
        let below = lower.rb();
        matmul(row, Accum::Add, below.submatrix(0, i, bottom, width).transpose(), below, 1.0, par);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_times_the_matrix_is_the_identity() {
        for n in [1, 5, 128, 130, 300] {
            let entry = |i: usize, j: usize| {
                let near = 1.0 / (1.0 + i.abs_diff(j) as f64);
                near + if i == j { 2.0 } else { 0.0 }
            };
            let a: Vec<f64> = (0..n * n).map(|e| entry(e / n, e % n)).collect();
            let mut l = a.clone();
            assert!(dense::cholesky(&mut l, n).is_ok());
            let l = dense::transpose(&l, n, n);
            let mut inv = vec![0.0; n * n];
            invert(&l, &mut inv, n, Par::Seq);
            let product = dense::product(&a, &inv, (n, n, n));
            for (x, y) in product.iter().zip(dense::identity(n)) {
                assert!((x - y).abs() < 1e-12, "{n}: {x} {y}");
            }
        }
    }
}
