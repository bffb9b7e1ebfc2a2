//! `K_rs = tr(C B_r C B_s)` and `tr(C B_r)` with `C = Zᵀ H⁻¹ Z`, for Kenward and Roger's expected
//! information (theory.md §3), without a q x q array.
//!
//! With the first factor eliminated, H₀ = I + Z₀Σ₀Z₀ᵀ, and D = Z₀ᵀH₀⁻¹Z₀ (block-diagonal),
//! N = Z₀ᵀH₀⁻¹Z₁ (as sparse as the data), T = Z₁ᵀH₀⁻¹Z₁, G = Λ₁(I + Λ₁ᵀTΛ₁)⁻¹Λ₁ᵀ, X = I - GT:
//!     C₀₀ = D - NGNᵀ,   C₀₁ = NX,   C₁₁ = TX,
//! so that only matrices of the later factors' order are ever full, and these only within a
//! connected component of the design.

use rayon::prelude::*;

use crate::covariance::{Factor, Working};
use crate::error::NumericsError;
use crate::interrupt::{self, Stop};
use crate::linalg::small;
use crate::linalg::square::{invert_positive, multiply_add, product_trace, symmetrise};
use crate::products::CrossProducts;
use crate::products::{components, Component};

const COMPONENTS_PER_TASK: usize = 256;
const LEVELS_PER_TASK: usize = 2048;
const MEMORY_LIMIT: f64 = 16.0 * 1024.0 * 1024.0 * 1024.0;

/// Traces over the covariance parameters: the patterns B of each factor's Σ, in the order of
/// [`Factor::patterns`], factor by factor.
#[derive(Debug, Clone)]
pub struct VarianceTraces {
    /// `tr(C B_r C B_s)`, `m x m`.
    pub pairs: Vec<f64>,
    /// `tr(C B_r)`, m.
    pub single: Vec<f64>,
}

impl VarianceTraces {
    fn zero(m: usize) -> Self {
        VarianceTraces { pairs: vec![0.0; m * m], single: vec![0.0; m] }
    }

    fn add(&mut self, other: &Self) {
        self.pairs.iter_mut().zip(&other.pairs).for_each(|(a, b)| *a += b);
        self.single.iter_mut().zip(&other.single).for_each(|(a, b)| *a += b);
    }
}

/// The ones of a symmetric pattern `B`.
type Pattern = [(usize, usize)];

/// `tr(U B_r V B_s)` for blocks `Uᵀ` and `V`, both `k_r x k_s`.
fn pair_trace(ut: &[f64], v: &[f64], ks: usize, r: &Pattern, s: &Pattern) -> f64 {
    let mut sum = 0.0;
    for &(a, b) in r {
        for &(c, d) in s {
            sum += ut[a * ks + d] * v[b * ks + c];
        }
    }
    sum
}

fn single_trace(u: &[f64], k: usize, r: &Pattern) -> f64 {
    r.iter().map(|(a, b)| u[b * k + a]).sum()
}

struct TracedModel<'a> {
    cp: &'a CrossProducts,
    sigma: Vec<Vec<f64>>,
    lam: &'a Working,
    /// Patterns of each factor and the index of its first parameter.
    patterns: Vec<Vec<Vec<(usize, usize)>>>,
    start: Vec<usize>,
    m: usize,
    owner: Vec<u16>,
}

/// One level of the first factor after elimination.
struct Level<'a> {
    d: Vec<f64>,
    n: Vec<f64>,
    cols: &'a [u32],
}

/// The traces at Λ.
pub fn variance_traces(cp: &CrossProducts, lam: &Working) -> Result<VarianceTraces, NumericsError> {
    let sigma = cp
        .factors
        .iter()
        .zip(lam)
        .map(|(f, l)| {
            let mut s = vec![0.0; f.k * f.k];
            small::gemm_nt(&mut s, l, l, (f.k, f.k, f.k), 1.0);
            s
        })
        .collect();
    let patterns: Vec<Vec<Vec<(usize, usize)>>> = cp.factors.iter().map(Factor::patterns).collect();
    let mut start = vec![0];
    patterns.iter().for_each(|e| start.push(start[start.len() - 1] + e.len()));
    let m = start[patterns.len()];
    let model = TracedModel { cp, sigma, lam, patterns, start, m, owner: cp.rest_owner() };
    let parts = components(cp);
    let widest = parts.iter().map(|c| c.rest.len()).max().unwrap_or(0) as f64;
    let bytes = 8.0 * (model.patterns.first().map_or(0, Vec::len) as f64 + 6.0) * widest * widest;
    if bytes > MEMORY_LIMIT {
        let gib = 1024f64.powi(3);
        return Err(NumericsError::Memory { needed_gib: bytes / gib, limit_gib: MEMORY_LIMIT / gib });
    }
    let stop = Stop::current();
    let sums: Result<Vec<VarianceTraces>, NumericsError> = parts
        .par_chunks(COMPONENTS_PER_TASK)
        .map(|chunk| {
            stop.check()?;
            let mut total = VarianceTraces::zero(m);
            let mut place = vec![0u32; if chunk.iter().all(|c| c.rest.is_empty()) { 0 } else { cp.q_rest() }];
            for c in chunk {
                let one = || if c.rest.is_empty() { model.alone(c) } else { model.connected(c, &mut place) };
                total.add(&stop.within(one)?);
            }
            Ok(total)
        })
        .collect();
    let mut total = VarianceTraces::zero(m);
    sums?.iter().for_each(|s| total.add(s));
    for r in 0..m {
        for s in 0..r {
            total.pairs[r * m + s] = total.pairs[s * m + r];
        }
    }
    Ok(total)
}

impl TracedModel<'_> {
    /// D and N of a level: with Y = (I + AΣ₀)⁻¹, D = YA and N = YS.
    fn level(&self, l: usize) -> Result<Level<'_>, NumericsError> {
        let k = self.cp.factors[0].k;
        let a = &self.cp.zz[0][l * k * k..(l + 1) * k * k];
        let mut y = small::product(a, &self.sigma[0], (k, k, k));
        (0..k).for_each(|i| y[i * k + i] += 1.0);
        let y = small::inverse(&y, k)?;
        let d = small::product(&y, a, (k, k, k));
        let d = (0..k * k).map(|e| 0.5 * (d[e] + d[(e % k) * k + e / k])).collect();
        let cols = self.cp.lead.columns(l);
        let n = small::product(&y, &self.cp.lead.vals[self.cp.lead.span(l, k)], (k, k, cols.len()));
        Ok(Level { d, n, cols })
    }

    /// Levels of the first factor that meet no other: C is D.
    fn alone(&self, c: &Component) -> Result<VarianceTraces, NumericsError> {
        let k = self.cp.factors[0].k;
        let parts: Result<Vec<VarianceTraces>, NumericsError> = c
            .lead
            .par_chunks(LEVELS_PER_TASK)
            .map(|levels| {
                let mut out = VarianceTraces::zero(self.m);
                for &l in levels {
                    let level = self.level(l as usize)?;
                    self.add_lead(&mut out, &level.d, &vec![0.0; k * k]);
                }
                Ok(out)
            })
            .collect();
        let mut total = VarianceTraces::zero(self.m);
        parts?.iter().for_each(|p| total.add(p));
        Ok(total)
    }

    /// What a level adds with C = D - W, but for the products of W with W.
    fn add_lead(&self, out: &mut VarianceTraces, d: &[f64], w: &[f64]) {
        let k = self.cp.factors[0].k;
        for (i, r) in self.patterns[0].iter().enumerate() {
            out.single[i] += single_trace(d, k, r) - single_trace(w, k, r);
            for (j, s) in self.patterns[0].iter().enumerate().skip(i) {
                let both = pair_trace(d, w, k, r, s) + pair_trace(w, d, k, r, s);
                out.pairs[i * self.m + j] += pair_trace(d, d, k, r, s) - both;
            }
        }
    }

    /// Blocks (local start, factor) of a component's later levels.
    fn blocks(&self, c: &Component) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < c.rest.len() {
            let g = self.owner[c.rest[at] as usize] as usize;
            out.push((at, g));
            at += self.cp.factors[g].k;
        }
        out
    }

    /// A component with later factors.
    fn connected(&self, c: &Component, place: &mut [u32]) -> Result<VarianceTraces, NumericsError> {
        let (cp, m, n) = (self.cp, self.m, c.rest.len());
        let k = cp.factors[0].k;
        let m0 = self.patterns[0].len();
        c.rest.iter().enumerate().for_each(|(i, &j)| place[j as usize] = i as u32);
        let blocks = self.blocks(c);
        let levels = c.lead.iter().map(|&l| self.level(l as usize)).collect::<Result<Vec<_>, _>>()?;
        let t = self.rest_products(c, &levels, &blocks, place);
        let g = self.inner_inverse(&t, &blocks, n)?;
        // X = I - GT
        let mut x = small::identity(n);
        multiply_add(&mut x, &g, &t, n, -1.0);
        interrupt::check()?;
        let mut out = VarianceTraces::zero(m);
        for level in &levels {
            let w = within_level(level, &g, n, k, place);
            self.add_lead(&mut out, &level.d, &w);
        }
        let mut gr: Vec<Vec<f64>> = Vec::with_capacity(m0);
        for (i, r) in self.patterns[0].iter().enumerate() {
            interrupt::check()?;
            let lead = lead_gram(&levels, r, n, place);
            let mut product = vec![0.0; n * n];
            multiply_add(&mut product, &lead, &x, n, 1.0);
            self.add_cross(&mut out, i, &x, &product, &blocks, n);
            product.fill(0.0);
            multiply_add(&mut product, &g, &lead, n, 1.0);
            gr.push(product);
        }
        for i in 0..m0 {
            for j in i..m0 {
                out.pairs[i * m + j] += product_trace(&gr[i], &gr[j], n);
            }
        }
        drop(gr);
        let mut c11 = vec![0.0; n * n];
        multiply_add(&mut c11, &t, &x, n, 1.0);
        self.add_rest(&mut out, &c11, &blocks, n);
        Ok(out)
    }

    /// T = Z₁ᵀZ₁ - Σ_l S_lᵀΣ₀N_l.
    fn rest_products(&self, c: &Component, levels: &[Level], blocks: &[(usize, usize)], place: &[u32]) -> Vec<f64> {
        let (cp, n, k) = (self.cp, c.rest.len(), self.cp.factors[0].k);
        let first = cp.q_lead();
        let mut t = vec![0.0; n * n];
        for &(at, g) in blocks {
            let f = &cp.factors[g];
            let level = (c.rest[at] as usize - (f.offset - first)) / f.k;
            for (a, row) in cp.zz[g][level * f.k * f.k..(level + 1) * f.k * f.k].chunks_exact(f.k).enumerate() {
                t[(at + a) * n + at..(at + a) * n + at + f.k].copy_from_slice(row);
            }
        }
        for &(i, at) in &c.pairs {
            let pair = &cp.pairs[i as usize];
            let (f, g) = (&cp.factors[pair.first], &cp.factors[pair.second]);
            let (l, h) = pair.levels[at as usize];
            let i = place[f.offset - first + l as usize * f.k] as usize;
            let j = place[g.offset - first + h as usize * g.k] as usize;
            let size = f.k * g.k;
            for (e, v) in pair.vals[at as usize * size..(at as usize + 1) * size].iter().enumerate() {
                t[(i + e / g.k) * n + j + e % g.k] = *v;
                t[(j + e % g.k) * n + i + e / g.k] = *v;
            }
        }
        for (&l, level) in c.lead.iter().zip(levels) {
            let w = level.cols.len();
            let s = &cp.lead.vals[cp.lead.span(l as usize, k)];
            let sn = small::product(&self.sigma[0], &level.n, (k, k, w));
            for a in 0..k {
                for (ci, si) in level.cols.iter().zip(&s[a * w..]) {
                    let row = &mut t[place[*ci as usize] as usize * n..][..n];
                    for (cj, v) in level.cols.iter().zip(&sn[a * w..]) {
                        row[place[*cj as usize] as usize] -= si * v;
                    }
                }
            }
        }
        symmetrise(&mut t, n);
        t
    }

    /// G = Λ₁(I + Λ₁ᵀTΛ₁)⁻¹Λ₁ᵀ.
    fn inner_inverse(&self, t: &[f64], blocks: &[(usize, usize)], n: usize) -> Result<Vec<f64>, NumericsError> {
        let mut g = self.sandwich(t, blocks, n, true);
        (0..n).for_each(|i| g[i * n + i] += 1.0);
        invert_positive(&mut g, n)?;
        Ok(self.sandwich(&g, blocks, n, false))
    }

    /// `Λᵀ m Λ` (transposed) or `Λ m Λᵀ`.
    fn sandwich(&self, m: &[f64], blocks: &[(usize, usize)], n: usize, transposed: bool) -> Vec<f64> {
        let mut out = vec![0.0; n * n];
        for &(i, g) in blocks {
            let kg = self.cp.factors[g].k;
            let left = if transposed { small::transpose(&self.lam[g], kg, kg) } else { self.lam[g].clone() };
            for &(j, h) in blocks {
                let kh = self.cp.factors[h].k;
                for a in 0..kg {
                    for b in 0..kh {
                        let mut sum = 0.0;
                        for c in 0..kg {
                            for d in 0..kh {
                                let right = if transposed { self.lam[h][d * kh + b] } else { self.lam[h][b * kh + d] };
                                sum += left[a * kg + c] * m[(i + c) * n + j + d] * right;
                            }
                        }
                        out[(i + a) * n + j + b] = sum;
                    }
                }
            }
        }
        symmetrise(&mut out, n);
        out
    }

    /// `tr(C₁₀ B_r C₀₁ B_s)` for parameter `i` of the first factor; `rx` is NᵀB_rN X.
    fn add_cross(
        &self,
        out: &mut VarianceTraces,
        i: usize,
        x: &[f64],
        rx: &[f64],
        blocks: &[(usize, usize)],
        n: usize,
    ) {
        for &(at, g) in blocks {
            let kg = self.cp.factors[g].k;
            let mut h = vec![0.0; kg * kg];
            for t in 0..n {
                let (left, right) = (&x[t * n + at..t * n + at + kg], &rx[t * n + at..t * n + at + kg]);
                for (e, v) in h.iter_mut().enumerate() {
                    *v += left[e / kg] * right[e % kg];
                }
            }
            for (j, s) in self.patterns[g].iter().enumerate() {
                out.pairs[i * self.m + self.start[g] + j] += single_trace(&h, kg, s);
            }
        }
    }

    fn add_rest(&self, out: &mut VarianceTraces, c: &[f64], blocks: &[(usize, usize)], n: usize) {
        let mut block = Vec::new();
        for &(i, g) in blocks {
            let kg = self.cp.factors[g].k;
            for &(j, h) in blocks.iter().filter(|b| b.1 >= g) {
                let kh = self.cp.factors[h].k;
                block.clear();
                (0..kg).for_each(|a| block.extend_from_slice(&c[(i + a) * n + j..(i + a) * n + j + kh]));
                for (u, r) in self.patterns[g].iter().enumerate() {
                    if i == j {
                        out.single[self.start[g] + u] += single_trace(&block, kg, r);
                    }
                    let skip = if g == h { u } else { 0 };
                    for (v, s) in self.patterns[h].iter().enumerate().skip(skip) {
                        let at = (self.start[g] + u) * self.m + self.start[h] + v;
                        out.pairs[at] += pair_trace(&block, &block, kh, r, s);
                    }
                }
            }
        }
    }
}

/// The level's own block of W = NGNᵀ.
fn within_level(level: &Level, g: &[f64], n: usize, k: usize, place: &[u32]) -> Vec<f64> {
    let w = level.cols.len();
    let mut half = vec![0.0; k * w];
    for (i, &ci) in level.cols.iter().enumerate() {
        let row = &g[place[ci as usize] as usize * n..][..n];
        for (j, &cj) in level.cols.iter().enumerate() {
            let v = row[place[cj as usize] as usize];
            (0..k).for_each(|a| half[a * w + j] += level.n[a * w + i] * v);
        }
    }
    let mut out = vec![0.0; k * k];
    small::gemm_nt(&mut out, &half, &level.n, (k, w, k), 1.0);
    out
}

/// NᵀB_rN.
fn lead_gram(levels: &[Level], r: &Pattern, n: usize, place: &[u32]) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for level in levels {
        let w = level.cols.len();
        for &(a, b) in r {
            for (ci, v) in level.cols.iter().zip(&level.n[a * w..]) {
                let row = &mut out[place[*ci as usize] as usize * n..][..n];
                for (cj, u) in level.cols.iter().zip(&level.n[b * w..]) {
                    row[place[*cj as usize] as usize] += v * u;
                }
            }
        }
    }
    out
}

#[cfg(test)]
#[path = "variance_traces_checks.rs"]
mod tests;
