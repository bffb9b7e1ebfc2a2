//! From rows to cross-products, in one accumulation after two cheap passes for the basis.

use rayon::prelude::*;

use crate::covariance::{whitener, Factor};
use crate::error::NumericsError;
use crate::interrupt::{self, Stop};
use crate::linalg::{large, small};
use crate::products::basis::{moments, weight_scale, working_columns};
use crate::products::co_occurrence::{join_lead, meeting};
use crate::products::crossproducts::{Column, CrossProducts, FactorInput, Input, Lead, Pair};
use crate::products::fixed_part::{fixed_part, FixedPart, Working, CHUNK};
use crate::products::sparse_columns::SparseColumns;

impl CrossProducts {
    /// Cross-products of a model's rows.
    ///
    /// Columns of X that are linear combinations of earlier ones are left out (`basis.kept`).
    pub fn build(input: &Input) -> Result<Self, NumericsError> {
        check_lengths(input)?;
        let n = input.y.len();
        let mut order: Vec<usize> = (0..input.factors.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(input.factors[i].levels * input.factors[i].columns.len()));

        let unit = weight_scale(input.weights);
        let (fixed, mut basis, xx) = fixed_part(input, unit)?;
        let p = fixed.x.len();
        let mut factors: Vec<Factor> = Vec::new();
        let mut z: Vec<Vec<Working>> = Vec::new();
        let mut offset = 0;
        for &i in &order {
            let (work, t) = random_columns(&input.factors[i], unit);
            let f = &input.factors[i];
            factors.push(Factor::new(f.levels, f.blocks.clone(), offset));
            offset += f.levels * f.columns.len();
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
        interrupt::check()?;
        let stop = Stop::current();
        let own: Vec<(Vec<f64>, Vec<f64>)> = (0..z.len())
            .into_par_iter()
            .map(|i| stop.within(|| own_products(&z[i], codes[i], cp.factors[i].levels, &fixed, input.weights)))
            .collect();
        interrupt::check()?;
        for (zz, zx) in own {
            cp.zz.push(zz);
            cp.zx.extend_from_slice(&zx);
        }
        if z.len() > 1 {
            let m = z.len();
            let jobs: Vec<(usize, usize)> = (0..m).flat_map(|i| (i + 1..m).map(move |j| (i, j))).collect();
            let met: Result<Vec<Pair>, NumericsError> = jobs
                .into_par_iter()
                .map(|(i, j)| {
                    let levels = (cp.factors[i].levels, cp.factors[j].levels);
                    let sides = ((&*z[i], codes[i]), (&*z[j], codes[j]));
                    let met = meeting(sides.0, sides.1, levels, input.weights, &stop)?;
                    Ok(Pair { first: i, second: j, levels: met.levels, vals: met.vals })
                })
                .collect();
            let mut met = met?;
            let lead: Vec<Pair> = met.drain(..m - 1).collect();
            cp.lead = join_lead(&cp.factors, lead);
            cp.pairs = met;
        }
        interrupt::check()?;
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
            changes.push(f.blockwise(&gram, |block, structure| structure.whitening(block, n)));
        }
        let mut xy = small::identity(c);
        let gram: Vec<f64> = (0..self.p * self.p).map(|e| self.xx[(e / self.p) * c + e % self.p]).collect();
        if let Some(w) = whitener(&gram, self.p, n) {
            for i in 0..self.p {
                for j in 0..self.p {
                    xy[i * c + j] = w[i * self.p + j];
                }
            }
            // Few of the first factor's entries are not zero, which the small kernel makes use of.
            self.basis.x = small::product(&self.basis.x, &w, (self.p, self.p, self.p));
            if self.p >= large::LARGE {
                self.random_congruence(&changes, &xy);
                self.whiten(&w);
                return;
            }
        }
        self.congruence(&changes, &xy);
    }
}

impl CrossProducts {
    /// `xx` where `w` whitens the columns of X: n·I to rounding, so that nothing need be multiplied.
    fn whiten(&mut self, w: &[f64]) {
        let (p, c) = (self.p, self.c());
        let mut xy = vec![0.0; p];
        for (i, row) in w.chunks_exact(p).enumerate() {
            let v = self.xx[i * c + p];
            xy.iter_mut().zip(row).for_each(|(t, w)| *t += v * w);
        }
        let yy = self.xx[c * c - 1];
        self.xx.fill(0.0);
        for (j, v) in xy.into_iter().enumerate() {
            self.xx[j * c + j] = self.n as f64;
            self.xx[j * c + p] = v;
            self.xx[p * c + j] = v;
        }
        self.xx[c * c - 1] = yy;
    }
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

fn random_columns<'a>(f: &FactorInput<'a>, unit: f64) -> (Vec<Working<'a>>, Vec<f64>) {
    let k = f.columns.len();
    let mut t = vec![0.0; k * k];
    let mut work = Vec::with_capacity(k);
    let mut start = 0;
    for block in &f.blocks {
        let columns = start..start + block.size();
        let stats: Vec<_> = f.columns[columns.clone()].iter().map(moments).collect();
        let (affine, change) = working_columns(&stats, block.basis_changes(), unit);
        for (row, to) in change.chunks_exact(columns.len()).zip(columns.clone()) {
            t[to * k + columns.start..to * k + columns.end].copy_from_slice(row);
        }
        let own = affine.iter().zip(&f.columns[columns.clone()]);
        work.extend(own.map(|(&affine, &column)| Working { column, affine }));
        start = columns.end;
    }
    (work, t)
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
    if let Some(split) = &fixed.split {
        return sparse_own_products(z, codes, levels, (fixed, split), weights);
    }
    let mut zz = vec![0.0; levels * k * k];
    let mut zx = vec![0.0; levels * k * c];
    let mut zb = vec![0.0; k * CHUNK];
    let mut xb = vec![0.0; c * CHUNK];
    for start in (0..n).step_by(CHUNK).take_while(|_| interrupt::check().is_ok()) {
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
    symmetric_blocks(&mut zz, k);
    (zz, zx)
}

fn symmetric_blocks(zz: &mut [f64], k: usize) {
    for block in zz.chunks_exact_mut(k * k) {
        for a in 0..k {
            for b in 0..a {
                block[b * k + a] = block[a * k + b];
            }
        }
    }
}

/// [`own_products`] where many columns of X are mostly zero.
fn sparse_own_products(
    z: &[Working],
    codes: &[u32],
    levels: usize,
    (fixed, split): (&FixedPart, &SparseColumns),
    weights: Option<&[f64]>,
) -> (Vec<f64>, Vec<f64>) {
    let (k, c, n) = (z.len(), fixed.x.len() + 1, codes.len());
    let y = fixed.response(n);
    let mut zz = vec![0.0; levels * k * k];
    let mut zx = vec![0.0; levels * k * c];
    let mut totals = vec![0.0; levels * k];
    let mut zr = vec![0.0; k];
    for (i, &code) in codes.iter().enumerate() {
        if i % CHUNK == 0 && interrupt::check().is_err() {
            break;
        }
        let l = code as usize;
        let w = weights.map_or(1.0, |w| w[i]);
        zr.iter_mut().zip(z).for_each(|(v, column)| *v = column.at(i));
        for a in 0..k {
            let za = w * zr[a];
            zz[(l * k + a) * k..=(l * k + a) * k + a].iter_mut().zip(&zr).for_each(|(o, v)| *o += za * v);
            totals[l * k + a] += za;
            let to = &mut zx[(l * k + a) * c..(l * k + a + 1) * c];
            split.row(i).iter().for_each(|&(s, v)| to[split.sparse[s as usize]] += za * v);
            split.dense.iter().for_each(|&j| to[j] += za * fixed.x[j].at(i));
            to[c - 1] += za * y[i];
        }
    }
    for (row, total) in zx.chunks_exact_mut(c).zip(&totals) {
        for &j in &split.sparse {
            row[j] -= fixed.x[j].centre() * total;
        }
    }
    symmetric_blocks(&mut zz, k);
    (zz, zx)
}
