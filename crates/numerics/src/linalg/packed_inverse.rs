//! Inverse of a large symmetric matrix from its Cholesky factor, in place but for one panel:
//! LAPACK's `potri` by blocks.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::prelude::{IntoConst, Reborrow, ReborrowMut};
use faer::{Accum, Mat, MatMut, Par};

use crate::interrupt;
use crate::linalg::small;
use crate::linalg::tasks::{column_groups, each, row_groups, PANEL};

/// `L` to the lower triangle of `(L Lᵀ)⁻¹`. What stands above the diagonal is not touched. Left half
/// done if the work is interrupted.
pub(crate) fn invert(mut a: MatMut<'_, f64>) {
    let n = a.nrows();
    let starts: Vec<usize> = (0..n).step_by(PANEL).collect();
    for &j in starts.iter().rev() {
        if interrupt::check().is_ok() {
            invert_panel(a.rb_mut(), j);
        }
    }
    for &i in &starts {
        if interrupt::check().is_ok() {
            square_panel(a.rb_mut(), i);
        }
    }
}

/// Columns `j..` of L⁻¹, those to the right being done.
fn invert_panel(a: MatMut<'_, f64>, j: usize) {
    let n = a.nrows();
    let width = PANEL.min(n - j);
    let (_, _, _, tail) = a.split_at_mut(j, j);
    let (mut diagonal, _, left, right) = tail.split_at_mut(width, width);
    let corner = inverse_of_lower(&lower_part(diagonal.rb()));
    let (right, copy) = (right.into_const(), left.rb().to_owned());
    each(row_groups(left, PANEL), |(from, rows)| {
        let height = rows.nrows();
        let mut part = Mat::zeros(height, width);
        triangular_matmul(
            part.as_mut(),
            BlockStructure::Rectangular,
            Accum::Replace,
            right.submatrix(from, from, height, height),
            BlockStructure::TriangularLower,
            copy.as_ref().subrows(from, height),
            BlockStructure::Rectangular,
            -1.0,
            Par::Seq,
        );
        let before = (right.submatrix(from, 0, height, from), copy.as_ref().subrows(0, from));
        matmul(part.as_mut(), Accum::Add, before.0, before.1, -1.0, Par::Seq);
        matmul(rows, Accum::Replace, part.as_ref(), corner.as_ref(), 1.0, Par::Seq);
        Ok(())
    })
    .ok();
    put_lower(diagonal.rb_mut(), &corner);
}

/// Rows `i..` of L⁻ᵀL⁻¹, those above being done.
fn square_panel(a: MatMut<'_, f64>, i: usize) {
    let n = a.nrows();
    let width = PANEL.min(n - i);
    let (_, _, rows, below) = a.split_at_mut(i, i);
    let (left, lower_left) = rows.split_at_row_mut(width);
    let (mut diagonal, _, lower, _) = below.split_at_mut(width, width);
    let corner = lower_part(diagonal.rb());
    let (lower, lower_left) = (lower.into_const(), lower_left.into_const());
    let mut square = Mat::zeros(width, width);
    // The diagonal block's part is one more task beside those of the columns to its left.
    let mut groups: Vec<(Option<usize>, MatMut<'_, f64>)> = vec![(None, square.as_mut())];
    groups.extend(column_groups(left, PANEL).into_iter().map(|(from, group)| (Some(from), group)));
    each(groups, |(from, mut group)| {
        let (own, under) = match from {
            None => (corner.clone(), lower),
            Some(from) => (group.rb().to_owned(), lower_left.subcols(from, group.ncols())),
        };
        matmul(group.rb_mut(), Accum::Replace, corner.transpose(), own.as_ref(), 1.0, Par::Seq);
        matmul(group, Accum::Add, lower.transpose(), under, 1.0, Par::Seq);
        Ok(())
    })
    .ok();
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
