//! From rows to cross-products, in one accumulation after two cheap passes for the basis.

use rayon::prelude::*;

use crate::basis::{centre_block, moments, power_of_two_inverse, whitener, Affine, Basis};
use crate::crossproducts::{Column, CrossProducts, Factor, FactorInput, Input, Lead, Pair};
use crate::dense;
use crate::error::NumericsError;
use crate::levels::rows_by_level;

const CHUNK: usize = 512;
/// R's tolerance of `qr` in `lm` and `lme4`: a column whose residual on the earlier ones is
/// this much shorter than itself is aliased.
const ALIAS_TOLERANCE: f64 = 1e-7;

/// A column and how it becomes a working column.
#[derive(Clone, Copy)]
struct Working<'a> {
    column: Column<'a>,
    affine: Affine,
}

impl Working<'_> {
    #[inline]
    fn at(&self, i: usize) -> f64 {
        (self.column.at(i) - self.affine.mean) * self.affine.scale
    }

    fn fill(&self, start: usize, out: &mut [f64]) {
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
struct FixedPart<'a> {
    x: Vec<Working<'a>>,
    y: Working<'a>,
    beta0: Vec<f64>,
}

impl FixedPart<'_> {
    fn fill(&self, start: usize, rows: usize, out: &mut [f64]) {
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

impl CrossProducts {
    /// Cross-products of a model's rows.
    ///
    /// Columns of X that are linear combinations of earlier ones are left out (`basis.kept`).
    pub fn build(input: &Input) -> Result<Self, NumericsError> {
        check_lengths(input)?;
        let n = input.y.len();
        let mut order: Vec<usize> = (0..input.factors.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(input.factors[i].levels * input.factors[i].columns.len()));

        let (fixed, mut basis, xx) = fixed_part(input)?;
        let p = fixed.x.len();
        let mut factors: Vec<Factor> = Vec::new();
        let mut z: Vec<Vec<Working>> = Vec::new();
        let mut offset = 0;
        for &i in &order {
            let (work, t) = random_columns(&input.factors[i], n);
            let f = &input.factors[i];
            let k = f.columns.len();
            factors.push(Factor { levels: f.levels, k, blocks: f.blocks.clone(), offset });
            offset += f.levels * k;
            z.push(work);
            basis.z.push(t);
        }
        let sum_log_weights = input.weights.map_or(0.0, |w| w.iter().map(|v| v.ln()).sum());
        let codes: Vec<&[u32]> = order.iter().map(|&i| input.factors[i].codes).collect();
        let mut cp = CrossProducts {
            n,
            sum_log_weights,
            order,
            p,
            zz: Vec::new(),
            zx: Vec::with_capacity(offset * (p + 1)),
            lead: Lead { ptr: vec![0; factors.first().map_or(0, |f| f.levels) + 1], ..Lead::default() },
            pairs: Vec::new(),
            xx,
            basis,
            factors,
        };
        let own: Vec<(Vec<f64>, Vec<f64>)> = (0..z.len())
            .into_par_iter()
            .map(|i| own_products(&z[i], codes[i], cp.factors[i].levels, &fixed, input.weights))
            .collect();
        for (zz, zx) in own {
            cp.zz.push(zz);
            cp.zx.extend_from_slice(&zx);
        }
        if z.len() > 1 {
            let m = z.len();
            let jobs: Vec<(usize, usize)> = (0..m).flat_map(|i| (i + 1..m).map(move |j| (i, j))).collect();
            let mut met: Vec<Pair> = jobs
                .into_par_iter()
                .map(|(i, j)| {
                    let levels = (cp.factors[i].levels, cp.factors[j].levels);
                    let (levels, vals) = meeting((&z[i], codes[i]), (&z[j], codes[j]), levels, input.weights);
                    Pair { first: i, second: j, levels, vals }
                })
                .collect();
            let lead: Vec<Pair> = met.drain(..m - 1).collect();
            cp.lead = join_lead(&cp.factors, lead);
            cp.pairs = met;
        }
        cp.orthonormalise();
        Ok(cp)
    }

    /// Give the columns of X, and of each covariance block, Gram matrix n·I where they allow it.
    fn orthonormalise(&mut self) {
        let n = self.n as f64;
        let c = self.c();
        let mut changes = Vec::with_capacity(self.factors.len());
        for (f, zz) in self.factors.iter().zip(&self.zz) {
            let k = f.k;
            let mut gram = vec![0.0; k * k];
            for block in zz.chunks_exact(k * k) {
                gram.iter_mut().zip(block).for_each(|(g, b)| *g += b);
            }
            let mut t = dense::identity(k);
            let mut s = 0;
            for &size in &f.blocks {
                let sub: Vec<f64> = (0..size * size).map(|e| gram[(s + e / size) * k + s + e % size]).collect();
                let w = whitener(&sub, size, n).unwrap_or_else(|| diagonal_scale(&sub, size, n));
                for e in 0..size * size {
                    t[(s + e / size) * k + s + e % size] = w[e];
                }
                s += size;
            }
            changes.push(t);
        }
        let mut xy = dense::identity(c);
        let gram: Vec<f64> = (0..self.p * self.p).map(|e| self.xx[(e / self.p) * c + e % self.p]).collect();
        if let Some(w) = whitener(&gram, self.p, n) {
            for i in 0..self.p {
                for j in 0..self.p {
                    xy[i * c + j] = w[i * self.p + j];
                }
            }
            self.basis.x = dense::product(&self.basis.x, &w, (self.p, self.p, self.p));
        }
        self.congruence(&changes, &xy);
    }
}

fn diagonal_scale(gram: &[f64], k: usize, n: f64) -> Vec<f64> {
    let mut t = dense::identity(k);
    for j in 0..k {
        let g = gram[j * k + j] / n;
        t[j * k + j] = if g > 0.0 { 1.0 / g.sqrt() } else { 1.0 };
    }
    t
}

fn check_lengths(input: &Input) -> Result<(), NumericsError> {
    let n = input.y.len();
    let check = |what, found| if found == n { Ok(()) } else { Err(NumericsError::Length { what, found, expected: n }) };
    if n > u32::MAX as usize {
        return Err(NumericsError::Length { what: "rows", found: n, expected: u32::MAX as usize });
    }
    if input.y.iter().any(|v| !v.is_finite()) {
        return Err(NumericsError::NonFinite("the response"));
    }
    if let Some(w) = input.weights {
        check("weights", w.len())?;
    }
    let columns = input.x.iter().chain(input.factors.iter().flat_map(|f| &f.columns));
    for col in columns {
        if let Column::Values(v) = col {
            check("column", v.len())?;
        }
    }
    for f in &input.factors {
        check("codes", f.codes.len())?;
        if f.codes.iter().any(|&c| c as usize >= f.levels) {
            return Err(NumericsError::Mismatch("level codes"));
        }
    }
    Ok(())
}

fn random_columns<'a>(f: &FactorInput<'a>, n: usize) -> (Vec<Working<'a>>, Vec<f64>) {
    let k = f.columns.len();
    let mut t = vec![0.0; k * k];
    let mut work = Vec::with_capacity(k);
    let mut s = 0;
    for &size in &f.blocks {
        let stats: Vec<_> = f.columns[s..s + size].iter().map(|c| moments(c, n)).collect();
        let (affine, block, _) = centre_block(&stats, n);
        for e in 0..size * size {
            t[(s + e / size) * k + s + e % size] = block[e];
        }
        work.extend(affine.iter().zip(&f.columns[s..]).map(|(&affine, &column)| Working { column, affine }));
        s += size;
    }
    (work, t)
}

/// Basis, rank and first fit of the fixed part; also [X y]ᵀW[X y] with that fit taken off.
fn fixed_part<'a>(input: &Input<'a>) -> Result<(FixedPart<'a>, Basis, Vec<f64>), NumericsError> {
    let n = input.y.len();
    let stats: Vec<_> = input.x.iter().map(|c| moments(c, n)).collect();
    let y_stats = moments(&Column::Values(input.y), n);
    let (affine, t, constant) = centre_block(&stats, n);
    let p_all = stats.len();
    let y_mean = if constant.is_some() { y_stats.mean } else { 0.0 };
    let y_spread = if constant.is_some() { 1.0 / y_stats.scale } else { (y_stats.norm2 / n as f64).sqrt() };
    let y_scale = power_of_two_inverse(y_spread);
    let y = Working { column: Column::Values(input.y), affine: Affine { mean: y_mean, scale: y_scale } };
    let all: Vec<Working> = input.x.iter().zip(&affine).map(|(&column, &affine)| Working { column, affine }).collect();
    let mut fixed = FixedPart { x: all, y, beta0: vec![0.0; p_all] };
    let first = fixed_products(&fixed, n, input.weights);
    let kept = independent_columns(&first, &stats, p_all, n);
    let p = kept.len();

    let pick = |m: &[f64], size: usize| -> Vec<f64> {
        kept.iter().flat_map(|&i| kept.iter().map(move |&j| (i, j))).map(|(i, j)| m[i * size + j]).collect()
    };
    let mut gram = pick(&first, p_all + 1);
    let mut beta0: Vec<f64> = kept.iter().map(|&i| first[i * (p_all + 1) + p_all]).collect();
    if dense::cholesky(&mut gram, p).is_ok() {
        dense::solve_lower(&gram, p, &mut beta0, 1);
        dense::solve_lower_transposed(&gram, p, &mut beta0, 1);
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
    if let Some(c) = at {
        shift[c] += y_mean / value;
    }
    fixed.x = kept.iter().map(|&j| fixed.x[j]).collect();
    fixed.beta0 = beta0;
    let xx = fixed_products(&fixed, n, input.weights);
    let rss = xx[(p + 1) * (p + 1) - 1];
    // Rounding in y - mean - x b is about ε times the sizes of these; below that there is only noise.
    let total = first[(p_all + 1) * (p_all + 1) - 1];
    let noise = (1e-15 * y_mean.abs() * y_scale).powi(2) * n as f64;
    if !(rss > (1e-26 * total).max(noise)) || n <= p {
        return Err(NumericsError::NoResidual);
    }
    let constant = at.map(|c| (c, value));
    let basis = Basis { z: Vec::new(), kept, x: x_basis, shift, y_scale, constant };
    Ok((fixed, basis, xx))
}

/// Columns that are no combination of earlier ones, by Cholesky without pivoting.
fn independent_columns(products: &[f64], stats: &[crate::basis::Moments], p: usize, n: usize) -> Vec<usize> {
    let c = p + 1;
    let mut kept: Vec<usize> = Vec::new();
    let mut rows: Vec<Vec<f64>> = Vec::new();
    // A constant is first in the elimination even where it is not the first column: every
    // other column was centred by it.
    let constant = stats.iter().position(|m| m.constant.is_some());
    let sequence = constant.into_iter().chain((0..p).filter(|&j| Some(j) != constant));
    for j in sequence {
        let mut row: Vec<f64> = Vec::with_capacity(kept.len() + 1);
        for (t, &i) in kept.iter().enumerate() {
            let dot: f64 = (0..t).map(|s| row[s] * rows[t][s]).sum();
            row.push((products[j * c + i] - dot) / rows[t][t]);
        }
        let own = products[j * c + j];
        let left = own - row.iter().map(|v| v * v).sum::<f64>();
        let centred = constant.is_some_and(|k| k != j);
        let scale = if centred { stats[j].scale } else { crate::basis::uncentred_scale(&stats[j], n) };
        let raw_norm2 = stats[j].norm2 * scale * scale;
        if left > ALIAS_TOLERANCE.powi(2) * raw_norm2 && left > 1e-12 * own {
            row.push(left.sqrt());
            rows.push(row);
            kept.push(j);
        }
    }
    kept.sort_unstable();
    kept
}

/// [X y]ᵀW[X y] by sums over chunks, added pairwise: the same for any number of threads.
fn fixed_products(fixed: &FixedPart, n: usize, weights: Option<&[f64]>) -> Vec<f64> {
    const SPAN: usize = 64 * CHUNK;
    let c = fixed.x.len() + 1;
    let mut parts: Vec<Vec<f64>> = (0..n.div_ceil(SPAN).max(1))
        .into_par_iter()
        .map(|s| {
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
            sum
        })
        .collect();
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
    sum
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

/// Diagonal blocks of ZᵀWZ and the rows ZᵀW[X y] of one factor.
fn own_products(
    z: &[Working],
    codes: &[u32],
    levels: usize,
    fixed: &FixedPart,
    weights: Option<&[f64]>,
) -> (Vec<f64>, Vec<f64>) {
    let (k, c, n) = (z.len(), fixed.x.len() + 1, codes.len());
    let mut zz = vec![0.0; levels * k * k];
    let mut zx = vec![0.0; levels * k * c];
    let mut zb = vec![0.0; k * CHUNK];
    let mut xb = vec![0.0; c * CHUNK];
    for start in (0..n).step_by(CHUNK) {
        let rows = CHUNK.min(n - start);
        for (j, col) in z.iter().enumerate() {
            col.fill(start, &mut zb[j * CHUNK..j * CHUNK + rows]);
        }
        fixed.fill(start, rows, &mut xb);
        for r in 0..rows {
            let l = codes[start + r] as usize;
            let w = weights.map_or(1.0, |w| w[start + r]);
            let own = &mut zz[l * k * k..(l + 1) * k * k];
            let cross = &mut zx[l * k * c..(l + 1) * k * c];
            for a in 0..k {
                let za = w * zb[a * CHUNK + r];
                for (b, o) in own[a * k..=a * k + a].iter_mut().enumerate() {
                    *o += za * zb[b * CHUNK + r];
                }
                for (b, o) in cross[a * c..(a + 1) * c].iter_mut().enumerate() {
                    *o += za * xb[b * CHUNK + r];
                }
            }
        }
    }
    for block in zz.chunks_exact_mut(k * k) {
        for a in 0..k {
            for b in 0..a {
                block[b * k + a] = block[a * k + b];
            }
        }
    }
    (zz, zx)
}

type Side<'w, 'a> = (&'w [Working<'a>], &'w [u32]);

/// The levels of two factors that meet, sorted, and the blocks of their products.
fn meeting(
    (zf, cf): Side,
    (zg, cg): Side,
    (qf, qg): (usize, usize),
    weights: Option<&[f64]>,
) -> (Vec<(u32, u32)>, Vec<f64>) {
    let (kf, kg) = (zf.len(), zg.len());
    let (rows, start) = rows_by_level(cf, qf);
    let mut slot = vec![u32::MAX; qg];
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    let mut vals: Vec<f64> = Vec::new();
    let mut met: Vec<u32> = Vec::new();
    let (mut zl, mut zm) = (vec![0.0; kf], vec![0.0; kg]);
    for l in 0..qf {
        let mine = &rows[start[l]..start[l + 1]];
        met.clear();
        for &r in mine {
            let m = cg[r as usize];
            if slot[m as usize] == u32::MAX {
                slot[m as usize] = 0;
                met.push(m);
            }
        }
        met.sort_unstable();
        let base = vals.len();
        for (t, &m) in met.iter().enumerate() {
            slot[m as usize] = t as u32;
            pairs.push((l as u32, m));
        }
        vals.resize(base + met.len() * kf * kg, 0.0);
        for &r in mine {
            let i = r as usize;
            let w = weights.map_or(1.0, |w| w[i]);
            zl.iter_mut().zip(zf).for_each(|(v, c)| *v = w * c.at(i));
            zm.iter_mut().zip(zg).for_each(|(v, c)| *v = c.at(i));
            let at = base + slot[cg[i] as usize] as usize * kf * kg;
            for (a, &x) in zl.iter().enumerate() {
                for (o, y) in vals[at + a * kg..at + (a + 1) * kg].iter_mut().zip(&zm) {
                    *o += x * y;
                }
            }
        }
        for &m in &met {
            slot[m as usize] = u32::MAX;
        }
    }
    (pairs, vals)
}

/// The first factor's blocks with each later factor, side by side for each of its levels.
pub(crate) fn join_lead(factors: &[Factor], met: Vec<Pair>) -> Lead {
    let (q, k) = (factors[0].levels, factors[0].k);
    let rest: usize = factors[1..].iter().map(|f| f.levels * f.k).sum();
    let mut ptr = vec![0usize; q + 1];
    for pair in &met {
        let kg = factors[pair.second].k;
        for &(l, _) in &pair.levels {
            ptr[l as usize + 1] += kg;
        }
    }
    for l in 0..q {
        ptr[l + 1] += ptr[l];
    }
    // A nearly complete pattern is stored as a complete one: dense kernels then serve it.
    let full = ptr[q] * 5 >= 2 * q * rest;
    if full {
        (0..=q).for_each(|l| ptr[l] = l * rest);
    }
    let mut cols = vec![0u32; ptr[q]];
    let mut vals = vec![0.0; k * ptr[q]];
    let mut filled = vec![0usize; q];
    if full {
        cols.chunks_exact_mut(rest).for_each(|row| row.iter_mut().enumerate().for_each(|(j, c)| *c = j as u32));
    }
    for pair in &met {
        let g = &factors[pair.second];
        let first = g.offset - factors[1].offset;
        for (&(l, m), block) in pair.levels.iter().zip(pair.vals.chunks_exact(k * g.k)) {
            let l = l as usize;
            let w = ptr[l + 1] - ptr[l];
            let col = first + m as usize * g.k;
            let at = if full { col } else { filled[l] };
            for b in 0..g.k {
                cols[ptr[l] + at + b] = (col + b) as u32;
                for a in 0..k {
                    vals[k * ptr[l] + a * w + at + b] = block[a * g.k + b];
                }
            }
            filled[l] += g.k;
        }
    }
    Lead { ptr, cols, vals, full }
}
