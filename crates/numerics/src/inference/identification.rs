//! Covariance parameters that the data do not determine, whatever the response.
//!
//! The restricted likelihood sees V = σ²I + Σ_r γ_r Z B_r Zᵀ through MVM only, M = I - X(XᵀX)⁻¹Xᵀ.
//! Along a direction c with S_c = Σ_r c_r M Z B_r Zᵀ M + c_e M = 0 it is constant everywhere, which is
//! a property of the design: neither a flat optimum nor a variance of zero is such a direction.
//!
//! S_c maps into the span of MZ, so that S_c = 0 if and only if ZᵀM S_c M Z a = 0 for random a: with
//! N = ZᵀMZ these are the vectors N B_r N a (and N N a for σ²), a few products with the blocks of ZᵀZ.
//! Levels are weighted by their own size, so that one large group does not hide the others.

use crate::covariance::{semidefinite_factor, Factor, Raw, Working};
use crate::criterion::Profiled;
use crate::error::NumericsError;
use crate::factor::multiply;
use crate::linalg::{large, small};
use crate::products::CrossProducts;

/// A combination of the parameters with singular value below this, over what each level adds by
/// itself, is none: rounding leaves 1e-14, one differing row among 10⁶ levels 1e-3.
const TOLERANCE: f64 = 1e-9;
/// How much the criterion may differ, over the rows and itself, between two points that are one.
const SAME: f64 = 1e-9;
/// Sums into which the products are gathered, with random signs: many more than parameters.
const SUMS: usize = 1024;

/// A direction along which the restricted likelihood is constant.
#[derive(Debug, Clone)]
pub struct Undetermined {
    /// Coefficients of the patterns of each factor's Σ in the working basis, then of σ².
    pub working: Vec<f64>,
    /// The same as a direction of each raw Σ.
    pub raw: Raw,
}

/// Pseudo-random signs and places, the same on every machine (splitmix64).
struct Hash(u64);

impl Hash {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform on -1 … 1, away from zero.
    fn weight(&mut self) -> f64 {
        let r = self.next();
        let size = 0.5 + 0.5 * ((r >> 11) as f64 / (1u64 << 53) as f64);
        if r & 1 == 0 {
            size
        } else {
            -size
        }
    }
}

struct Projected<'a> {
    cp: &'a CrossProducts,
    /// ZᵀX, `q x p`, and (XᵀX)⁻¹ by its Cholesky factor.
    zx: Vec<f64>,
    root: Vec<f64>,
    /// For each random effect, the largest entry of its level's block of ZᵀZ.
    size: Vec<f64>,
    probes: usize,
}

impl<'a> Projected<'a> {
    fn new(cp: &'a CrossProducts) -> Result<Self, NumericsError> {
        let (p, c) = (cp.p, cp.c());
        let zx = cp.zx.chunks_exact(c).flat_map(|row| &row[..p]).copied().collect();
        let mut root: Vec<f64> = (0..p).flat_map(|i| cp.xx[i * c..i * c + p].iter().copied()).collect();
        large::cholesky(&mut root, p)?;
        let mut size = Vec::with_capacity(cp.q());
        for (f, zz) in cp.factors.iter().zip(&cp.zz) {
            for block in zz.chunks_exact(f.k * f.k) {
                let largest = (0..f.k).map(|a| block[a * f.k + a]).fold(0.0, f64::max);
                size.extend(std::iter::repeat_n(largest, f.k));
            }
        }
        // Each level shows a block in as many directions as there are probes.
        let probes = 2 + cp.factors.iter().map(|f| (2 * f.k).div_ceil(f.levels.max(1))).max().unwrap_or(0);
        Ok(Projected { cp, zx, root, size, probes })
    }

    /// N m = ZᵀZ m - ZᵀX (XᵀX)⁻¹ XᵀZ m.
    fn times(&self, m: &[f64]) -> Vec<f64> {
        let (p, q, h) = (self.cp.p, self.cp.q(), self.probes);
        let mut out = multiply(self.cp, m, h);
        if p > 0 {
            let mut x = vec![0.0; p * h];
            small::gemm_tn(&mut x, &self.zx, m, (p, q, h), 1.0);
            large::solve_lower(&self.root, p, &mut x, h);
            small::solve_lower_transposed(&self.root, p, &mut x, h);
            small::gemm(&mut out, &self.zx, &x, (q, p, h), -1.0);
        }
        out
    }

    /// Random a, each row over its level's size.
    fn probe(&self) -> Vec<f64> {
        let (h, mut hash) = (self.probes, Hash(1));
        let row = |d: &f64| -> Vec<f64> {
            let scale = if *d > 0.0 { 1.0 / d } else { 0.0 };
            (0..h).map(|_| scale * hash.weight()).collect()
        };
        self.size.iter().flat_map(row).collect()
    }

    /// Sums with random signs of the rows, each over its level's size, and over √levels; the rows themselves
    /// where they are few.
    fn gather(&self, m: &[f64], levels: usize) -> Vec<f64> {
        let (h, mut hash) = (self.probes, Hash(2));
        let few = self.size.len() <= SUMS;
        let mut out = vec![0.0; self.size.len().min(SUMS) * h];
        let scale = 1.0 / (levels.max(1) as f64).sqrt();
        for (i, (row, d)) in m.chunks_exact(h).zip(&self.size).enumerate() {
            let (w, at) = (scale * hash.weight(), (hash.next() >> 32) as usize % SUMS);
            let at = if few { i * h } else { at * h };
            let w = if *d > 0.0 { w / d } else { 0.0 };
            out[at..at + h].iter_mut().zip(row).for_each(|(o, v)| *o += w * v);
        }
        out
    }
}

/// Directions of (Σ, σ²) of which the restricted likelihood says nothing, and the root mean square
/// of each raw column of Z, caller's order of factors.
pub fn undetermined(cp: &CrossProducts) -> Result<(Vec<Undetermined>, Vec<Vec<f64>>), NumericsError> {
    let products = Projected::new(cp)?;
    let h = products.probes;
    let seen = products.times(&products.probe());
    let mut vectors = Vec::new();
    for f in &cp.factors {
        for pattern in f.patterns() {
            let mut b = vec![0.0; cp.q() * h];
            for level in 0..f.levels {
                for (i, j) in &pattern {
                    let (i, j) = ((f.offset + level * f.k + i) * h, (f.offset + level * f.k + j) * h);
                    b[i..i + h].copy_from_slice(&seen[j..j + h]);
                }
            }
            vectors.push(products.gather(&products.times(&b), f.levels));
        }
    }
    let mut found: Vec<Vec<f64>> = null_space(&vectors)
        .into_iter()
        .map(|mut c| {
            c.push(0.0);
            c
        })
        .collect();
    // σ² too, where random effects and fixed effects may fill the space of the rows.
    if cp.q() + cp.p >= cp.n {
        vectors.push(products.gather(&seen, cp.q()));
        let without = found.clone();
        found.extend(null_space(&vectors).into_iter().filter_map(|c| beyond(c, &without)));
    }
    let mut out = Vec::new();
    for c in found {
        if constant_along(cp, &c)? {
            out.push(Undetermined { raw: raw_matrices(cp, &c), working: c });
        }
    }
    Ok((out, raw_sizes(cp)?))
}

/// The vectors' coefficients that give zero, orthonormal.
///
/// Orthogonalised first, then by one-sided Jacobi rotations: singular values are not squared, so that
/// nearly collinear columns do not blur the direction.
fn null_space(vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let m = vectors.len();
    let mut columns = triangle(vectors);
    let mut turned: Vec<Vec<f64>> = (0..m).map(|i| (0..m).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..60 {
        let mut done = true;
        for i in 0..m {
            for j in i + 1..m {
                let (a, b, c) = (
                    small::dot(&columns[i], &columns[i]),
                    small::dot(&columns[j], &columns[j]),
                    small::dot(&columns[i], &columns[j]),
                );
                if c.abs() <= 1e-15 * (a * b).sqrt() {
                    continue;
                }
                done = false;
                let tau = (b - a) / (2.0 * c);
                let t = if tau >= 0.0 { 1.0 } else { -1.0 } / (tau.abs() + (1.0 + tau * tau).sqrt());
                let cosine = 1.0 / (1.0 + t * t).sqrt();
                rotate(&mut columns, (i, j), cosine, t * cosine);
                rotate(&mut turned, (i, j), cosine, t * cosine);
            }
        }
        if done {
            break;
        }
    }
    let sizes: Vec<f64> = columns.iter().map(|c| small::dot(c, c).sqrt()).collect();
    let largest = sizes.iter().fold(1.0f64, |s, v| s.max(*v));
    turned.into_iter().zip(sizes).filter(|(_, s)| *s < TOLERANCE * largest).map(|(t, _)| t).collect()
}

/// Vectors of m coordinates with the same inner products: the R of their QR decomposition.
fn triangle(vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let m = vectors.len();
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(m);
    let mut out = Vec::with_capacity(m);
    for v in vectors {
        let (mut rest, mut r) = (v.clone(), vec![0.0; m]);
        for _ in 0..2 {
            for (q, r) in basis.iter().zip(&mut r) {
                let along = small::dot(q, &rest);
                *r += along;
                rest.iter_mut().zip(q).for_each(|(x, q)| *x -= along * q);
            }
        }
        let size = small::dot(&rest, &rest).sqrt();
        r[basis.len()] = size;
        if size > 0.0 {
            rest.iter_mut().for_each(|x| *x /= size);
        }
        basis.push(rest);
        out.push(r);
    }
    out
}

/// Turn two of the vectors in their plane.
fn rotate(vectors: &mut [Vec<f64>], (i, j): (usize, usize), cosine: f64, sine: f64) {
    let (head, tail) = vectors.split_at_mut(j);
    for (a, b) in head[i].iter_mut().zip(&mut tail[0]) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

/// What a direction has beyond those that leave σ² alone; None if that is nothing.
fn beyond(mut c: Vec<f64>, without: &[Vec<f64>]) -> Option<Vec<f64>> {
    for d in without {
        let along: f64 = c.iter().zip(d).map(|(a, b)| a * b).sum();
        c.iter_mut().zip(d).for_each(|(a, b)| *a -= along * b);
    }
    let residual = c[c.len() - 1];
    let norm = c.iter().map(|v| v * v).sum::<f64>().sqrt();
    (residual.abs() > 1e-4).then(|| c.iter().map(|v| v / norm).collect())
}

/// Whether the restricted likelihood is the same at two points far apart along a direction.
fn constant_along(cp: &CrossProducts, c: &[f64]) -> Result<bool, NumericsError> {
    let mut state = Profiled::new(cp, true)?;
    let largest = c.iter().fold(0.0f64, |s, v| s.max(v.abs()));
    let widest = cp.factors.iter().map(|f| f.k).max().unwrap_or(1) as f64;
    let mut at = |step: f64| -> Result<f64, NumericsError> {
        let mut entries = c.iter();
        let residual = 1.0 + step * c[c.len() - 1];
        let lam: Working = cp
            .factors
            .iter()
            .map(|f| {
                let mut sigma = small::identity(f.k);
                for pattern in f.patterns() {
                    let v = step * entries.next().copied().unwrap_or(0.0);
                    pattern.iter().for_each(|(i, j)| sigma[i * f.k + j] += v);
                }
                sigma.iter_mut().for_each(|v| *v /= residual);
                f.blockwise(&sigma, |block, s| semidefinite_factor(block, s.size()))
            })
            .collect();
        state.evaluate(cp, &lam)
    };
    let step = 0.5 / (largest * widest);
    let (low, middle, high) = (at(-step)?, at(0.0)?, at(step)?);
    let allowed = SAME * (cp.n as f64 + middle.abs());
    Ok((low - middle).abs() <= allowed && (high - middle).abs() <= allowed)
}

/// The raw Σ of a direction.
fn raw_matrices(cp: &CrossProducts, c: &[f64]) -> Raw {
    let mut entries = c.iter();
    let one = |f: &Factor| {
        let mut sigma = vec![0.0; f.k * f.k];
        for pattern in f.patterns() {
            let v = entries.next().copied().unwrap_or(0.0);
            pattern.iter().for_each(|(a, b)| sigma[a * f.k + b] = v);
        }
        sigma
    };
    cp.passage().raw_covariance(&cp.factors.iter().map(one).collect())
}

/// Root mean square of each raw column, from ZᵀZ in the working basis.
fn raw_sizes(cp: &CrossProducts) -> Result<Vec<Vec<f64>>, NumericsError> {
    let mut out = vec![Vec::new(); cp.factors.len()];
    for (i, f) in cp.factors.iter().enumerate() {
        let k = f.k;
        let mut gram = vec![0.0; k * k];
        for block in cp.zz[i].chunks_exact(k * k) {
            gram.iter_mut().zip(block).for_each(|(g, b)| *g += b / cp.n as f64);
        }
        let back = small::inverse(&cp.basis.z[i], k)?;
        let half = small::product(&gram, &back, (k, k, k));
        let size = |a: usize| {
            let largest = (0..k).fold(0.0f64, |s, b| s.max(back[b * k + a].abs()));
            // No square of a column's own unit.
            let unit = small::power_of_two_inverse(largest);
            let square: f64 = (0..k).map(|b| unit * back[b * k + a] * (unit * half[b * k + a])).sum();
            square.max(0.0).sqrt() / unit
        };
        out[cp.order[i]] = (0..k).map(size).collect();
    }
    Ok(out)
}
