//! Inverse of a large symmetric matrix from its Cholesky factor, in place but for one panel:
//! LAPACK's `potri` by blocks.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, Mat, MatMut, Par};

use crate::linalg::small;

const PANEL: usize = 128;

/// `L` to the lower triangle of `(L Lᵀ)⁻¹`. What stands above the diagonal is not touched.
pub(crate) fn invert(mut a: MatMut<'_, f64>, par: Par) {
    let n = a.nrows();
    let starts: Vec<usize> = (0..n).step_by(PANEL).collect();
    for &j in starts.iter().rev() {
        invert_panel(a.rb_mut(), j, par);
    }
    for &i in &starts {
        square_panel(a.rb_mut(), i, par);
    }
}

/// Columns `j..` of L⁻¹, those to the right being done.
fn invert_panel(a: MatMut<'_, f64>, j: usize, par: Par) {
    let n = a.nrows();
    let width = PANEL.min(n - j);
    let (_, _, _, tail) = a.split_at_mut(j, j);
    let (mut diagonal, _, mut left, right) = tail.split_at_mut(width, width);
    let corner = inverse_of_lower(&lower_part(diagonal.rb()));
    if n - j > width {
        let copy = left.to_owned();
        triangular_matmul(
            left.rb_mut(),
            BlockStructure::Rectangular,
            Accum::Replace,
            right.rb(),
            BlockStructure::TriangularLower,
            copy.as_ref(),
            BlockStructure::Rectangular,
            -1.0,
            par,
        );
        let copy = left.to_owned();
        matmul(left, Accum::Replace, copy.as_ref(), corner.as_ref(), 1.0, par);
    }
    put_lower(diagonal.rb_mut(), &corner);
}

/// Rows `i..` of L⁻ᵀL⁻¹, those above being done.
fn square_panel(a: MatMut<'_, f64>, i: usize, par: Par) {
    let n = a.nrows();
    let width = PANEL.min(n - i);
    let (_, _, mut rows, below) = a.split_at_mut(i, i);
    let (mut left, lower_left) = rows.rb_mut().split_at_row_mut(width);
    let (mut diagonal, _, lower, _) = below.split_at_mut(width, width);
    let corner = lower_part(diagonal.rb());
    let copy = left.to_owned();
    matmul(left.rb_mut(), Accum::Replace, corner.transpose(), copy.as_ref(), 1.0, par);
    let mut square = Mat::zeros(width, width);
    matmul(square.as_mut(), Accum::Replace, corner.transpose(), corner.as_ref(), 1.0, par);
    if n - i > width {
        matmul(left, Accum::Add, lower.rb().transpose(), lower_left.rb(), 1.0, par);
        matmul(square.as_mut(), Accum::Add, lower.rb().transpose(), lower.rb(), 1.0, par);
    }
    put_lower(diagonal.rb_mut(), &square);
}

fn lower_part(a: faer::MatRef<'_, f64>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |r, c| if r >= c { a[(r, c)] } else { 0.0 })
}

fn put_lower(mut to: MatMut<'_, f64>, from: &Mat<f64>) {
    for c in 0..from.ncols() {
        for r in c..from.nrows() {
            to[(r, c)] = from[(r, c)];
        }
    }
}

fn inverse_of_lower(l: &Mat<f64>) -> Mat<f64> {
    let n = l.nrows();
    let block: Vec<f64> = (0..n * n).map(|e| l[(e / n, e % n)]).collect();
    let mut out = small::identity(n);
    small::solve_lower(&block, n, &mut out, n);
    Mat::from_fn(n, n, |r, c| out[r * n + c])
}
