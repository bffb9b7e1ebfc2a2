//! The fixed part: columns in working form (centred, scaled by powers of two), which of them are
//! independent, and a first fit that is taken off the response before products are formed.

use rayon::prelude::*;

use crate::error::NumericsError;
use crate::interrupt::{self, Stop};
use crate::linalg::{large, small};
use crate::products::basis::{centre_block, moments, power_of_two_inverse, uncentred_scale, Affine, Basis, Moments};
use crate::products::crossproducts::{Column, Input};
use crate::products::sparse_columns::SparseColumns;

/// Rows that are put into working form at a time.
pub(crate) const CHUNK: usize = 512;
/// R's tolerance of `qr` in `lm` and `lme4`: a column whose residual on the earlier ones is
/// this much shorter than itself is aliased.
const ALIAS_TOLERANCE: f64 = 1e-7;

/// A column and how it becomes a working column.
#[derive(Clone, Copy)]
pub(crate) struct Working<'a> {
    pub(crate) column: Column<'a>,
    pub(crate) affine: Affine,
}

impl Working<'_> {
    #[inline]
    pub(crate) fn at(&self, i: usize) -> f64 {
        (self.column.at(i) - self.affine.mean) * self.affine.scale
    }

    /// The working value of a raw zero, with the sign turned.
    pub(crate) fn centre(&self) -> f64 {
        self.affine.scale * self.affine.mean
    }

    pub(crate) fn fill(&self, start: usize, out: &mut [f64]) {
        let Affine { mean, scale } = self.affine;
        match self.column {
            Column::Constant(c) => out.fill((c - mean) * scale),
            Column::Values(v) => {
                for (o, x) in out.iter_mut().zip(&v[start..]) {
                    *o = (x - mean) * scale;
                }
            }
        }
    }
}

/// The fixed part and the response in working form: y has the fit of `beta0` taken off.
pub(crate) struct FixedPart<'a> {
    pub(crate) x: Vec<Working<'a>>,
    y: Working<'a>,
    beta0: Vec<f64>,
    /// The columns taken apart where many of them are mostly zero.
    pub(crate) split: Option<SparseColumns>,
}

impl<'a> FixedPart<'a> {
    fn new(x: Vec<Working<'a>>, y: Working<'a>, beta0: Vec<f64>, n: usize) -> Self {
        let split = SparseColumns::of(&x, n);
        FixedPart { x, y, beta0, split }
    }

    /// The columns kept, with the first fit.
    fn keep(mut self, kept: &[usize], beta0: Vec<f64>, n: usize) -> Self {
        if kept.len() == self.x.len() {
            self.beta0 = beta0;
            return self;
        }
        let columns = kept.iter().map(|&j| self.x[j]).collect();
        FixedPart::new(columns, self.y, beta0, n)
    }

    /// y in working form.
    pub(crate) fn response(&self, n: usize) -> Vec<f64> {
        let mut y = vec![0.0; n];
        self.y.fill(0, &mut y);
        let mut column = vec![0.0; CHUNK];
        let mut take = |j: usize| {
            let b = self.beta0[j];
            if b != 0.0 {
                for (part, start) in y.chunks_mut(CHUNK).zip((0..).step_by(CHUNK)) {
                    self.x[j].fill(start, &mut column[..part.len()]);
                    part.iter_mut().zip(&column).for_each(|(t, x)| *t -= b * x);
                }
            }
        };
        let Some(split) = &self.split else {
            (0..self.x.len()).for_each(take);
            return y;
        };
        split.dense.iter().for_each(|&j| take(j));
        let slope: Vec<f64> = split.sparse.iter().map(|&j| self.beta0[j]).collect();
        let centre: f64 = split.sparse.iter().zip(&slope).map(|(&j, b)| b * self.x[j].centre()).sum();
        for (i, t) in y.iter_mut().enumerate() {
            *t += centre - split.row(i).iter().map(|&(s, v)| slope[s as usize] * v).sum::<f64>();
        }
        y
    }

    pub(crate) fn fill(&self, start: usize, rows: usize, out: &mut [f64]) {
        let p = self.x.len();
        for (j, col) in self.x.iter().enumerate() {
            col.fill(start, &mut out[j * CHUNK..j * CHUNK + rows]);
        }
        let (xs, y) = out.split_at_mut(p * CHUNK);
        self.y.fill(start, &mut y[..rows]);
        for (j, b) in self.beta0.iter().enumerate() {
            for (t, x) in y[..rows].iter_mut().zip(&xs[j * CHUNK..]) {
                *t -= b * x;
            }
        }
    }
}

/// Basis, rank and first fit of the fixed part; also [X y]ᵀW[X y] with that fit taken off.
/// `unit` is that of the weights.
pub(crate) fn fixed_part<'a>(input: &Input<'a>, unit: f64) -> Result<(FixedPart<'a>, Basis, Vec<f64>), NumericsError> {
    let n = input.y.len();
    let stats: Vec<_> = input.x.iter().map(|c| moments(c)).collect();
    let y_stats = moments(&Column::Values(input.y));
    let (affine, t, constant) = centre_block(&stats, unit);
    let p_all = stats.len();
    let y_mean = if constant.is_some() { y_stats.mean } else { 0.0 };
    let y_spread = if constant.is_some() { 1.0 / y_stats.scale } else { y_stats.rms };
    let y_scale = unit * power_of_two_inverse(y_spread);
    let y = Working { column: Column::Values(input.y), affine: Affine { mean: y_mean, scale: y_scale } };
    let all: Vec<Working> = input.x.iter().zip(&affine).map(|(&column, &affine)| Working { column, affine }).collect();
    let fixed = FixedPart::new(all, y, vec![0.0; p_all], n);
    let first = fixed_products(&fixed, n, input.weights)?;
    let kept = independent_columns(&first, &stats, p_all, n as f64);
    let p = kept.len();

    let pick = |m: &[f64], size: usize| -> Vec<f64> {
        kept.iter().flat_map(|&i| kept.iter().map(move |&j| (i, j))).map(|(i, j)| m[i * size + j]).collect()
    };
    let mut gram = pick(&first, p_all + 1);
    let mut beta0: Vec<f64> = kept.iter().map(|&i| first[i * (p_all + 1) + p_all]).collect();
    if large::cholesky(&mut gram, p).is_ok() {
        small::solve_lower(&gram, p, &mut beta0, 1);
        small::solve_lower_transposed(&gram, p, &mut beta0, 1);
    } else {
        beta0.fill(0.0);
    }
    let x_basis = pick(&t, p_all);
    let at = constant.and_then(|c| kept.iter().position(|&j| j == c));
    let value = constant.and_then(|c| stats[c].constant).unwrap_or(1.0);
    let mut shift = vec![0.0; p];
    for i in 0..p {
        shift[i] = (0..p).map(|j| x_basis[i * p + j] * beta0[j]).sum::<f64>() / y_scale;
    }
    let mut shift_low = vec![0.0; p];
    if let Some(c) = at {
        let high = y_mean / value;
        let rest = shift[c] + (-high).mul_add(value, y_mean) / value;
        shift[c] = high + rest;
        shift_low[c] = rest - (shift[c] - high);
    }
    let fixed = fixed.keep(&kept, beta0, n);
    let xx = fixed_products(&fixed, n, input.weights)?;
    let rss = xx[(p + 1) * (p + 1) - 1];
    // Rounding in y - mean - x b is about ε times the sizes of these; below that there is only noise.
    let total = first[(p_all + 1) * (p_all + 1) - 1];
    let noise = (1e-15 * y_mean.abs() * y_scale / unit).powi(2) * n as f64;
    if rss.is_nan() || rss <= (1e-26 * total).max(noise) || n <= p {
        return Err(NumericsError::NoResidual);
    }
    let constant = at.map(|c| (c, value));
    let basis = Basis { z: Vec::new(), kept, x: x_basis, shift, shift_low, y_scale, constant };
    Ok((fixed, basis, xx))
}

/// Columns that are no combination of earlier ones, by Cholesky without pivoting.
fn independent_columns(products: &[f64], stats: &[Moments], p: usize, n: f64) -> Vec<usize> {
    let c = p + 1;
    let mut kept: Vec<usize> = Vec::new();
    // The factor's rows, `p` apart; a block of columns is eliminated by all rows before it at once.
    let mut rows = vec![0.0; p * p];
    // A constant is first in the elimination even where it is not the first column: every
    // other column was centred by it.
    let constant = stats.iter().position(|m| m.constant.is_some());
    let sequence: Vec<usize> = constant.into_iter().chain((0..p).filter(|&j| Some(j) != constant)).collect();
    for block in sequence.chunks(large::LARGE) {
        let before = kept.len();
        let mut solved: Vec<f64> = block.iter().flat_map(|j| kept.iter().map(move |i| products[j * c + i])).collect();
        if before > 0 {
            large::solve_rows(&rows, before, p, &mut solved, block.len());
        }
        for (b, &j) in block.iter().enumerate() {
            let mut row = solved[b * before..(b + 1) * before].to_vec();
            for (t, &i) in kept.iter().enumerate().skip(before) {
                let earlier = &rows[t * p..t * p + t];
                row.push((products[j * c + i] - dot(&row, earlier)) / rows[t * p + t]);
            }
            let own = products[j * c + j];
            let left = own - dot(&row, &row);
            let centred = constant.is_some_and(|k| k != j);
            let scale = if centred { stats[j].scale } else { uncentred_scale(&stats[j]) };
            let raw_norm2 = n * (stats[j].rms * scale).powi(2);
            if left > ALIAS_TOLERANCE.powi(2) * raw_norm2 && left > 1e-12 * own {
                row.push(left.sqrt());
                rows[kept.len() * p..kept.len() * p + row.len()].copy_from_slice(&row);
                kept.push(j);
            }
        }
    }
    kept.sort_unstable();
    kept
}

/// [X y]ᵀW[X y] by sums over chunks, added pairwise: the same for any number of threads.
fn fixed_products(fixed: &FixedPart, n: usize, weights: Option<&[f64]>) -> Result<Vec<f64>, NumericsError> {
    const SPAN: usize = 64 * CHUNK;
    let c = fixed.x.len() + 1;
    if let Some(split) = &fixed.split {
        interrupt::check()?;
        return Ok(split.products(&fixed.x, &fixed.response(n), weights));
    }
    let stop = Stop::current();
    let parts: Result<Vec<Vec<f64>>, NumericsError> = (0..n.div_ceil(SPAN).max(1))
        .into_par_iter()
        .map(|s| {
            stop.check()?;
            let mut sum = vec![0.0; c * c];
            let mut buf = vec![0.0; c * CHUNK];
            let mut weighted = vec![0.0; CHUNK];
            let end = n.min((s + 1) * SPAN);
            for start in (s * SPAN..end).step_by(CHUNK) {
                let rows = CHUNK.min(end - start);
                fixed.fill(start, rows, &mut buf);
                for i in 0..c {
                    let col = &buf[i * CHUNK..i * CHUNK + rows];
                    let left: &[f64] = if let Some(w) = weights {
                        for r in 0..rows {
                            weighted[r] = col[r] * w[start + r];
                        }
                        &weighted[..rows]
                    } else {
                        col
                    };
                    for j in 0..=i {
                        sum[i * c + j] += dot(left, &buf[j * CHUNK..j * CHUNK + rows]);
                    }
                }
            }
            Ok(sum)
        })
        .collect();
    let mut parts = parts?;
    while parts.len() > 1 {
        let half = parts.len().div_ceil(2);
        for i in half..parts.len() {
            let (a, b) = parts.split_at_mut(half);
            a[i - half].iter_mut().zip(&b[i - half]).for_each(|(x, y)| *x += y);
        }
        parts.truncate(half);
    }
    let mut sum = parts.swap_remove(0);
    for i in 0..c {
        for j in 0..i {
            sum[j * c + i] = sum[i * c + j];
        }
    }
    Ok(sum)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut acc = [0.0; 4];
    let (ca, cb) = (a.chunks_exact(4), b.chunks_exact(4));
    let tail: f64 = ca.remainder().iter().zip(cb.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in ca.zip(cb) {
        for t in 0..4 {
            acc[t] += x[t] * y[t];
        }
    }
    (acc[0] + acc[2]) + (acc[1] + acc[3]) + tail
}
