//! Blocked Cholesky factor of Ω = ΛᵀAΛ + I: the first grouping factor is block-diagonal and
//! eliminated level by level, what is left goes to `rest.rs` (Bates et al. 2015; MixedModels.jl).

use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use crate::covariance::{identity, Working};
use crate::error::NumericsError;
use crate::factor::rest::Rest;
use crate::interrupt::Stop;
use crate::linalg::small;
use crate::linalg::tasks::product;
use crate::products::CrossProducts;

/// Levels a task: fixed, so that sums are the same for any number of threads.
pub(crate) const LEVELS_PER_TASK: usize = 2048;

/// The factor at one value of Λ.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// Λ of each factor, `k x k` row-major (any square matrix, triangular at the optimum).
    pub lam: Working,
    /// Cholesky factors of the first factor's diagonal blocks.
    pub l0: Vec<f64>,
    /// `L₀⁻¹ Ω₀ⱼ`, laid out as the cross-products' `lead`.
    pub c: Vec<f64>,
    /// Factor of the Schur complement.
    pub rest: Rest,
    /// log|Ω|.
    pub logdet: f64,
    owner: Vec<u16>,
}

impl Blocked {
    /// Storage for a design.
    pub fn new(cp: &CrossProducts) -> Result<Self, NumericsError> {
        Ok(Blocked {
            lam: identity(&cp.factors),
            l0: vec![0.0; cp.zz.first().map_or(0, Vec::len)],
            c: vec![0.0; cp.lead.vals.len()],
            rest: Rest::choose(cp)?,
            logdet: 0.0,
            owner: cp.rest_owner(),
        })
    }

    /// Factor at Λ.
    pub fn factor(&mut self, cp: &CrossProducts, lam: &Working) -> Result<(), NumericsError> {
        self.lam.clone_from_slice(lam);
        self.logdet = self.factor_lead(cp)?;
        if cp.factors.len() > 1 {
            self.assemble(cp);
            self.logdet += self.rest.factor()?;
        }
        if self.logdet.is_finite() {
            Ok(())
        } else {
            Err(NumericsError::NotPositive(0))
        }
    }

    fn factor_lead(&mut self, cp: &CrossProducts) -> Result<f64, NumericsError> {
        let (f, lead) = (&cp.factors[0], &cp.lead);
        let k = f.k;
        let (lam, owner) = (&self.lam, &self.owner);
        let one = |first: usize, l0: &mut [f64], c: &mut [f64]| -> Result<f64, NumericsError> {
            let mut half = vec![0.0; k * k];
            let mut cross: Vec<f64> = Vec::new();
            let mut logdet = 0.0;
            let base = k * lead.ptr[first];
            for (t, block) in l0.chunks_exact_mut(k * k).enumerate() {
                let l = first + t;
                half.fill(0.0);
                small::gemm(&mut half, &cp.zz[0][l * k * k..(l + 1) * k * k], &lam[0], (k, k, k), 1.0);
                block.fill(0.0);
                small::gemm_tn(block, &lam[0], &half, (k, k, k), 1.0);
                (0..k).for_each(|i| block[i * k + i] += 1.0);
                small::cholesky(block, k)?;
                logdet += (0..k).map(|i| block[i * k + i]).product::<f64>().ln();
                let span = lead.span(l, k);
                if !span.is_empty() {
                    let w = span.len() / k;
                    cross.clear();
                    cross.resize(span.len(), 0.0);
                    scale_columns(cp, lam, owner, l, &mut cross);
                    let out = &mut c[span.start - base..span.end - base];
                    out.fill(0.0);
                    small::gemm_tn(out, &lam[0], &cross, (k, k, w), 1.0);
                    small::solve_lower(block, k, out, w);
                }
            }
            Ok(2.0 * logdet)
        };
        if f.levels <= LEVELS_PER_TASK {
            return one(0, &mut self.l0, &mut self.c);
        }
        let mut tasks = Vec::new();
        let mut c_rest: &mut [f64] = &mut self.c;
        for (t, l0) in self.l0.chunks_mut(LEVELS_PER_TASK * k * k).enumerate() {
            let first = t * LEVELS_PER_TASK;
            let last = (first + LEVELS_PER_TASK).min(f.levels);
            let (mine, other) = c_rest.split_at_mut(k * (lead.ptr[last] - lead.ptr[first]));
            c_rest = other;
            tasks.push((first, l0, mine));
        }
        let parts: Result<Vec<f64>, _> = tasks.into_par_iter().map(|(first, l0, c)| one(first, l0, c)).collect();
        Ok(parts?.iter().sum())
    }

    /// Schur complement of the first factor.
    fn assemble(&mut self, cp: &CrossProducts) {
        self.rest.reset();
        let first = cp.q_lead();
        for (g, f) in cp.factors.iter().enumerate().skip(1) {
            let k = f.k;
            let mut block = vec![0.0; k * k];
            for (level, zz) in cp.zz[g].chunks_exact(k * k).enumerate() {
                let half = small::product(zz, &self.lam[g], (k, k, k));
                block.fill(0.0);
                small::gemm_tn(&mut block, &self.lam[g], &half, (k, k, k), 1.0);
                let at = f.offset - first + level * k;
                for i in 0..k {
                    (0..=i).for_each(|j| self.rest.add(at + i, at + j, block[i * k + j]));
                }
            }
        }
        for pair in &cp.pairs {
            let (f, g) = (&cp.factors[pair.first], &cp.factors[pair.second]);
            for (&(l, m), zz) in pair.levels.iter().zip(pair.vals.chunks_exact(f.k * g.k)) {
                let half = small::product(zz, &self.lam[pair.second], (f.k, g.k, g.k));
                let mut block = vec![0.0; f.k * g.k];
                small::gemm_tn(&mut block, &self.lam[pair.first], &half, (f.k, f.k, g.k), 1.0);
                let (col, row) = (f.offset - first + l as usize * f.k, g.offset - first + m as usize * g.k);
                for a in 0..f.k {
                    (0..g.k).for_each(|b| self.rest.add(row + b, col + a, block[a * g.k + b]));
                }
            }
        }
        self.subtract_lead(cp);
    }

    fn subtract_lead(&mut self, cp: &CrossProducts) {
        let (k, lead) = (cp.factors[0].k, &cp.lead);
        let levels = cp.factors[0].levels;
        let c = &self.c;
        if let Rest::Dense(factor) = &mut self.rest {
            if lead.full {
                factor.subtract_gram(c, levels * k);
                return;
            }
            let stop = Stop::current();
            factor.update_columns(|first, columns| {
                let (low, high) = (first as u32, (first + columns.len()) as u32);
                for level in (0..levels).take_while(|_| !stop.requested()) {
                    let cols = lead.columns(level);
                    let block = &c[lead.span(level, k)];
                    let from = cols.partition_point(|&j| j < low);
                    let to = cols.partition_point(|&j| j < high);
                    for a in from..to {
                        let column = &mut columns[cols[a] as usize - first];
                        for row in block.chunks_exact(cols.len()) {
                            let v = row[a];
                            for (&i, x) in cols[a..].iter().zip(&row[a..]) {
                                column[i as usize] -= v * x;
                            }
                        }
                    }
                }
            });
            return;
        }
        for level in 0..levels {
            let cols = lead.columns(level);
            let w = cols.len();
            let block = &c[lead.span(level, k)];
            for a in 0..w {
                for b in a..w {
                    let s: f64 = block.chunks_exact(w).map(|row| row[a] * row[b]).sum();
                    self.rest.add(cols[b] as usize, cols[a] as usize, -s);
                }
            }
        }
    }

    /// `b ← L⁻¹ b` for a row-major `q x c` matrix.
    pub fn forward(&self, cp: &CrossProducts, b: &mut [f64], c: usize) {
        let k = cp.factors[0].k;
        let (top, rest) = b.split_at_mut(cp.q_lead() * c);
        if large_and_full(cp, c) {
            for (l, part) in top.chunks_exact_mut(k * c).enumerate() {
                small::solve_lower(&self.l0[l * k * k..(l + 1) * k * k], k, part, c);
            }
            add_product(rest, (&self.c, true), top, (cp.q_rest(), cp.q_lead(), c), -1.0);
            self.rest.solve_lower(rest, c);
            return;
        }
        for (l, part) in top.chunks_exact_mut(k * c).enumerate() {
            self.forward_level(cp, l, part, rest, c);
        }
        self.rest.solve_lower(rest, c);
    }

    /// The step of `forward` for one level of the leading factor: `part` its k rows, `rest` what
    /// is left to the other factors.
    pub fn forward_level(&self, cp: &CrossProducts, l: usize, part: &mut [f64], rest: &mut [f64], c: usize) {
        let (k, lead) = (cp.factors[0].k, &cp.lead);
        small::solve_lower(&self.l0[l * k * k..(l + 1) * k * k], k, part, c);
        let cols = lead.columns(l);
        for (values, row) in self.c[lead.span(l, k)].chunks(cols.len().max(1)).zip(part.chunks_exact(c)) {
            for (&j, v) in cols.iter().zip(values) {
                let to = &mut rest[j as usize * c..(j as usize + 1) * c];
                to.iter_mut().zip(row).for_each(|(t, r)| *t -= v * r);
            }
        }
    }

    /// `b ← L⁻ᵀ b`.
    pub fn backward(&self, cp: &CrossProducts, b: &mut [f64], c: usize) {
        let (f, lead) = (&cp.factors[0], &cp.lead);
        let k = f.k;
        let (top, rest) = b.split_at_mut(cp.q_lead() * c);
        self.rest.solve_upper(rest, c);
        for (l, part) in top.chunks_exact_mut(k * c).enumerate() {
            let cols = lead.columns(l);
            for (values, row) in self.c[lead.span(l, k)].chunks(cols.len().max(1)).zip(part.chunks_exact_mut(c)) {
                for (&j, v) in cols.iter().zip(values) {
                    let from = &rest[j as usize * c..(j as usize + 1) * c];
                    row.iter_mut().zip(from).for_each(|(r, x)| *r -= v * x);
                }
            }
            small::solve_lower_transposed(&self.l0[l * k * k..(l + 1) * k * k], k, part, c);
        }
    }
}

/// `A₀ⱼ Λⱼ` for level `l` of the first factor (`k x width`).
pub(crate) fn scale_columns(cp: &CrossProducts, lam: &Working, owner: &[u16], l: usize, out: &mut [f64]) {
    let (k, lead) = (cp.factors[0].k, &cp.lead);
    let cols = lead.columns(l);
    let w = cols.len();
    let values = &lead.vals[lead.span(l, k)];
    let mut j = 0;
    while j < w {
        let g = owner[cols[j] as usize] as usize;
        let kg = cp.factors[g].k;
        if kg == 1 {
            for row in 0..k {
                out[row * w + j] = values[row * w + j] * lam[g][0];
            }
        } else {
            for row in 0..k {
                let from = &values[row * w + j..row * w + j + kg];
                small::gemm(&mut out[row * w + j..row * w + j + kg], from, &lam[g], (1, kg, kg), 1.0);
            }
        }
        j += kg;
    }
}

/// The lead block is one dense matrix, and large enough for a library's product.
fn large_and_full(cp: &CrossProducts, c: usize) -> bool {
    cp.lead.full && cp.lead.vals.len() * c > 100_000
}

/// `out += s · a b` (or `aᵀ b`) for row-major matrices, `m x k` times `k x n`.
fn add_product(out: &mut [f64], (a, transposed): (&[f64], bool), b: &[f64], (m, k, n): (usize, usize, usize), s: f64) {
    let a = if transposed {
        MatRef::from_row_major_slice(a, k, m).transpose()
    } else {
        MatRef::from_row_major_slice(a, m, k)
    };
    let out = MatMut::from_row_major_slice_mut(out, m, n);
    product(out, Accum::Add, a, MatRef::from_row_major_slice(b, k, n), s);
}

/// `Λ m` (or `Λᵀ m`) for a row-major `q x c` matrix.
#[must_use]
pub fn apply_lambda(cp: &CrossProducts, lam: &Working, m: &[f64], c: usize, transposed: bool) -> Vec<f64> {
    let mut out = vec![0.0; m.len()];
    for (f, lam) in cp.factors.iter().zip(lam) {
        let rows = f.offset * c..(f.offset + f.levels * f.k) * c;
        let parts = out[rows.clone()].chunks_exact_mut(f.k * c).zip(m[rows].chunks_exact(f.k * c));
        for (to, from) in parts {
            if transposed {
                small::gemm_tn(to, lam, from, (f.k, f.k, c), 1.0);
            } else {
                small::gemm(to, lam, from, (f.k, f.k, c), 1.0);
            }
        }
    }
    out
}

/// Add to `out` the product of a factor's diagonal blocks with its rows of a `q x c` matrix.
pub(crate) fn multiply_diagonal(zz: &[f64], (k, c): (usize, usize), m: &[f64], out: &mut [f64]) {
    let parts = out.chunks_exact_mut(k * c).zip(m.chunks_exact(k * c));
    for ((to, from), block) in parts.zip(zz.chunks_exact(k * k)) {
        small::gemm(to, block, from, (k, k, c), 1.0);
    }
}

/// `ZᵀWZ m` for a row-major `q x c` matrix.
#[must_use]
pub fn multiply(cp: &CrossProducts, m: &[f64], c: usize) -> Vec<f64> {
    let mut out = vec![0.0; m.len()];
    for (f, zz) in cp.factors.iter().zip(&cp.zz) {
        let rows = f.offset * c..(f.offset + f.levels * f.k) * c;
        multiply_diagonal(zz, (f.k, c), &m[rows.clone()], &mut out[rows]);
    }
    let Some(f) = cp.factors.first() else { return out };
    let k = f.k;
    let first = cp.q_lead();
    let (top, rest) = out.split_at_mut(first * c);
    let (m_top, m_rest) = m.split_at(first * c);
    if large_and_full(cp, c) {
        let n = cp.q_rest();
        add_product(top, (&cp.lead.vals, false), m_rest, (first, n, c), 1.0);
        add_product(rest, (&cp.lead.vals, true), m_top, (n, first, c), 1.0);
    }
    let scattered = if large_and_full(cp, c) { 0 } else { f.levels };
    for l in 0..scattered {
        let cols = cp.lead.columns(l);
        let values = &cp.lead.vals[cp.lead.span(l, k)];
        for (a, row) in values.chunks(cols.len().max(1)).enumerate() {
            let at = (l * k + a) * c;
            for (&j, v) in cols.iter().zip(row) {
                let j = j as usize * c;
                for t in 0..c {
                    top[at + t] += v * m_rest[j + t];
                    rest[j + t] += v * m_top[at + t];
                }
            }
        }
    }
    multiply_pairs(cp, m_rest, rest, c);
    out
}

/// Add to `rest` what the pairs of later factors contribute to `ZᵀWZ m`, both without the first's rows.
pub(crate) fn multiply_pairs(cp: &CrossProducts, m_rest: &[f64], rest: &mut [f64], c: usize) {
    let first = cp.q_lead();
    for pair in &cp.pairs {
        let (f, g) = (&cp.factors[pair.first], &cp.factors[pair.second]);
        for (&(l, n), block) in pair.levels.iter().zip(pair.vals.chunks_exact(f.k * g.k)) {
            let (i, j) = ((f.offset - first + l as usize * f.k) * c, (g.offset - first + n as usize * g.k) * c);
            let (mi, mj) = (&m_rest[i..i + f.k * c], &m_rest[j..j + g.k * c]);
            small::gemm(&mut rest[i..i + f.k * c], block, mj, (f.k, g.k, c), 1.0);
            small::gemm_tn(&mut rest[j..j + g.k * c], block, mi, (g.k, f.k, c), 1.0);
        }
    }
}
