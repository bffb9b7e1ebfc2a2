//! From rows to cross-products, in one accumulation after two cheap passes for the basis.

use rayon::prelude::*;

use crate::error::NumericsError;
use crate::linalg::small;
use crate::products::basis::{centre_block, moments, weight_scale, whitener};
use crate::products::co_occurrence::{join_lead, meeting};
use crate::products::crossproducts::{Column, CrossProducts, Factor, FactorInput, Input, Lead, Pair};
use crate::products::fixed_part::{fixed_part, FixedPart, Working, CHUNK};

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
            let mut t = small::identity(k);
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
        let mut xy = small::identity(c);
        let gram: Vec<f64> = (0..self.p * self.p).map(|e| self.xx[(e / self.p) * c + e % self.p]).collect();
        if let Some(w) = whitener(&gram, self.p, n) {
            for i in 0..self.p {
                for j in 0..self.p {
                    xy[i * c + j] = w[i * self.p + j];
                }
            }
            self.basis.x = small::product(&self.basis.x, &w, (self.p, self.p, self.p));
        }
        self.congruence(&changes, &xy);
    }
}

fn diagonal_scale(gram: &[f64], k: usize, n: f64) -> Vec<f64> {
    let mut t = small::identity(k);
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

fn random_columns<'a>(f: &FactorInput<'a>, unit: f64) -> (Vec<Working<'a>>, Vec<f64>) {
    let k = f.columns.len();
    let mut t = vec![0.0; k * k];
    let mut work = Vec::with_capacity(k);
    let mut s = 0;
    for &size in &f.blocks {
        let stats: Vec<_> = f.columns[s..s + size].iter().map(|c| moments(c)).collect();
        let (affine, block, _) = centre_block(&stats, unit);
        for e in 0..size * size {
            t[(s + e / size) * k + s + e % size] = block[e];
        }
        work.extend(affine.iter().zip(&f.columns[s..]).map(|(&affine, &column)| Working { column, affine }));
        s += size;
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
