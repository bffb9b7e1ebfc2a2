//! Large dense work in coarse tasks: faer's kernels run on one thread each, and rayon shares out the tasks.
//!
//! faer's own parallel kernels meet at barriers where they spin: with another process on the cores two
//! threads took longer than one. Who waits here sleeps. Tasks depend on the sizes alone, so that sums are
//! the same for any number of threads.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::prelude::{IntoConst, Reborrow, ReborrowMut};
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::error::NumericsError;
use crate::interrupt::Stop;

/// Order up to which a Cholesky factor is made in one piece.
const ONE_PIECE: usize = 384;
/// Columns of a panel, and of a task.
pub(crate) const PANEL: usize = 128;
/// Multiplications that are worth a task.
const WORTH: usize = 2_000_000;

/// Pieces of `0..n`, `width` long but for the last.
pub(crate) fn pieces(n: usize, width: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).step_by(width.max(1)).map(move |from| (from, (from + width).min(n)))
}

/// Do each task, on any thread.
pub(crate) fn each<T: Send>(
    tasks: Vec<T>,
    run: impl Fn(T) -> Result<(), NumericsError> + Sync,
) -> Result<(), NumericsError> {
    let stop = Stop::current();
    if tasks.len() == 1 {
        return tasks.into_iter().try_for_each(run);
    }
    tasks.into_par_iter().with_max_len(1).try_for_each(|task| {
        stop.check()?;
        run(task)
    })
}

/// Columns of a matrix in groups, each with the number of its first.
pub(crate) fn column_groups(mut m: MatMut<'_, f64>, width: usize) -> Vec<(usize, MatMut<'_, f64>)> {
    let mut out = Vec::new();
    for (from, to) in pieces(m.ncols(), width) {
        let (group, rest) = m.split_at_col_mut(to - from);
        out.push((from, group));
        m = rest;
    }
    out
}

/// Rows of a matrix in groups, each with the number of its first.
pub(crate) fn row_groups(m: MatMut<'_, f64>, width: usize) -> Vec<(usize, MatMut<'_, f64>)> {
    let turned = column_groups(m.transpose_mut(), width);
    turned.into_iter().map(|(from, group)| (from, group.transpose_mut())).collect()
}

/// `out = s a b`, or added to it. Left undone in part if the work is interrupted.
pub(crate) fn product(out: MatMut<'_, f64>, accumulate: Accum, a: MatRef<'_, f64>, b: MatRef<'_, f64>, s: f64) {
    let (m, n, k) = (out.nrows(), out.ncols(), a.ncols());
    let tasks = (m * n * k / WORTH).clamp(1, 32);
    let rows = m >= n;
    let width = m.max(n).div_ceil(tasks).max(1);
    let groups = if rows { row_groups(out, width) } else { column_groups(out, width) };
    let one = |(from, group): (usize, MatMut<'_, f64>)| {
        if rows {
            let a = a.subrows(from, group.nrows());
            matmul(group, accumulate, a, b, s, Par::Seq);
        } else {
            let b = b.subcols(from, group.ncols());
            matmul(group, accumulate, a, b, s, Par::Seq);
        }
        Ok(())
    };
    each(groups, one).ok();
}

/// `out += s a aᵀ` on and below the diagonal. Left undone in part if the work is interrupted.
pub(crate) fn add_gram(out: MatMut<'_, f64>, a: MatRef<'_, f64>, s: f64) {
    add_lower(out, a, a, s);
}

/// `out += s a bᵀ` on and below the diagonal. Left undone in part if the work is interrupted.
pub(crate) fn add_lower(out: MatMut<'_, f64>, a: MatRef<'_, f64>, b: MatRef<'_, f64>, s: f64) {
    let n = out.ncols();
    let tasks = (n * n * a.ncols() / (2 * WORTH)).clamp(1, 64);
    let groups = column_groups(out, n.div_ceil(tasks).max(1));
    each(groups, |(from, group)| {
        add_lower_columns(group, from, a, b, s);
        Ok(())
    })
    .ok();
}

/// Columns `from..` of `out += s a bᵀ`, on and below the diagonal.
fn add_lower_columns(columns: MatMut<'_, f64>, from: usize, a: MatRef<'_, f64>, b: MatRef<'_, f64>, s: f64) {
    let width = columns.ncols();
    let (own, turned) = (a.subrows(from, width), b.subrows(from, width).transpose());
    let (_, below) = columns.split_at_row_mut(from);
    let (diagonal, below) = below.split_at_row_mut(width);
    triangular_matmul(
        diagonal,
        BlockStructure::TriangularLower,
        Accum::Add,
        own,
        BlockStructure::Rectangular,
        turned,
        BlockStructure::Rectangular,
        s,
        Par::Seq,
    );
    let lower = a.subrows(from + width, below.nrows());
    matmul(below, Accum::Add, lower, turned, s, Par::Seq);
}

/// Cholesky factor in place of the lower triangle, by panels. A panel's columns are factored by the task
/// that updates them last, while the others update what stands to the right.
pub(crate) fn cholesky(mut a: MatMut<'_, f64>) -> Result<(), NumericsError> {
    let n = a.nrows();
    if n <= ONE_PIECE {
        return factor(a);
    }
    factor_panel(a.rb_mut().subcols_mut(0, PANEL))?;
    let mut done = 0;
    while done + PANEL < n {
        let (_, _, _, tail) = a.rb_mut().split_at_mut(done, done);
        let (left, right) = tail.split_at_col_mut(PANEL);
        let l = left.into_const().split_at_row(PANEL).1;
        let groups = column_groups(right.split_at_row_mut(PANEL).1, PANEL);
        each(groups, |(from, mut columns)| {
            add_lower_columns(columns.rb_mut(), from, l, l, -1.0);
            if from == 0 {
                factor_panel(columns)?;
            }
            Ok(())
        })?;
        done += PANEL;
    }
    Ok(())
}

/// The diagonal block of a panel's columns, and what stands below.
fn factor_panel(columns: MatMut<'_, f64>) -> Result<(), NumericsError> {
    let width = columns.ncols();
    let (mut diagonal, below) = columns.split_at_row_mut(width);
    factor(diagonal.rb_mut())?;
    solve_lower_triangular_in_place(diagonal.rb(), below.transpose_mut(), Par::Seq);
    Ok(())
}

fn factor(a: MatMut<'_, f64>) -> Result<(), NumericsError> {
    let scratch = llt::factor::cholesky_in_place_scratch::<f64>(a.nrows(), Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    llt::factor::cholesky_in_place(a, Default::default(), Par::Seq, stack, Default::default())
        .map(|_| ())
        .map_err(|_| NumericsError::NotPositive(0))
}

/// Solve in place for groups of the right-hand sides' columns.
pub(crate) fn solve(n: usize, b: MatMut<'_, f64>, half: impl Fn(MatMut<'_, f64>) + Sync) {
    let c = b.ncols();
    let tasks = (n * n * c / (2 * WORTH)).clamp(1, 32).min(c.div_ceil(16).max(1));
    each(column_groups(b, c.div_ceil(tasks).max(1)), |(_, group)| {
        half(group);
        Ok(())
    })
    .ok();
}
