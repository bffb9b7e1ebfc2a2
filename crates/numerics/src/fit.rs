//! From cross-products to the optimum: starting values, search, escape from saddles, and what is
//! read off the factor there.

use std::sync::Arc;

use crate::crossproducts::CrossProducts;
use crate::dense;
use crate::error::NumericsError;
use crate::optimise::{bfgs, hessian, polish, Objective, Point};
use crate::profiled::Profiled;

/// Singular values of a whitened Λ below this are called zero: standard deviations relative to
/// the residual's, per unit of a standardised column. lme4's `isSingular` uses the same number.
pub const SINGULAR_TOLERANCE: f64 = 1e-4;

/// How the search went.
#[derive(Debug, Clone, Default)]
pub struct Convergence {
    /// Norm of the exact gradient at the end, divided by `1 + |criterion|`.
    pub gradient_norm: f64,
    /// Smallest eigenvalue of the Hessian in the working parameters, and the largest.
    pub eigenvalues: (f64, f64),
    /// Evaluations of criterion and gradient.
    pub evaluations: usize,
}

/// A fitted model: the factor at the optimum and how it was found.
#[derive(Debug, Clone)]
pub struct Fit {
    /// The data.
    pub cp: Arc<CrossProducts>,
    /// The factor and solutions at the optimum.
    pub state: Profiled,
    /// How the search went.
    pub convergence: Convergence,
    /// Hessian of the criterion in the free entries of the working Λ.
    pub hessian: Vec<f64>,
    /// Per factor (internal order), orthonormal directions (rows, working basis) without variance.
    pub null_directions: Vec<Vec<Vec<f64>>>,
}

struct Search<'a> {
    cp: &'a CrossProducts,
    state: Profiled,
    gradient: Vec<Vec<f64>>,
    evaluations: usize,
}

impl Search<'_> {
    fn lambda(&self, x: &[f64]) -> Vec<Vec<f64>> {
        lambda_from(self.cp, x)
    }
}

/// Λ matrices from their free entries, factor by factor.
fn lambda_from(cp: &CrossProducts, x: &[f64]) -> Vec<Vec<f64>> {
    let mut next = x.iter();
    cp.factors
        .iter()
        .map(|f| {
            let mut lam = vec![0.0; f.k * f.k];
            for (i, j) in f.free_entries() {
                lam[i * f.k + j] = next.next().copied().unwrap_or(0.0);
            }
            lam
        })
        .collect()
}

fn free_from(cp: &CrossProducts, lam: &[Vec<f64>]) -> Vec<f64> {
    let entry = |(f, l): (&crate::Factor, &Vec<f64>)| -> Vec<f64> {
        f.free_entries().into_iter().map(|(i, j)| l[i * f.k + j]).collect()
    };
    cp.factors.iter().zip(lam).flat_map(entry).collect()
}

impl Objective for Search<'_> {
    fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
        self.evaluations += 1;
        let lam = self.lambda(x);
        let f = self.state.evaluate(self.cp, &lam).ok()?;
        self.gradient = self.state.gradient(self.cp);
        Some((f, free_from(self.cp, &self.gradient)))
    }

    fn approximate_hessian(&self) -> Option<Vec<f64>> {
        let size = self.cp.q() * self.cp.n_theta();
        (size < 40_000_000).then(|| self.state.average_information(self.cp, &self.gradient))
    }
}

impl Fit {
    /// Maximise the (restricted) likelihood. `start`: raw Λ of each factor in the caller's order.
    pub fn optimise(cp: Arc<CrossProducts>, reml: bool, start: Option<&[Vec<f64>]>) -> Result<Self, NumericsError> {
        let state = Profiled::new(&cp, reml)?;
        let mut search = Search { cp: &cp, state, gradient: Vec::new(), evaluations: 0 };
        let x = match start {
            Some(raw) => free_from(&cp, &working_lambda(&cp, raw)?),
            None => starting_values(&cp),
        };
        let (point, h) = descend(&mut search, x)?;
        let mut best = (point, h);
        if start.is_none() && cp.n_theta() > 1 {
            best = second_look(&mut search, best);
        }
        let (point, h) = settle(&mut search, best);
        finish(search, &point, h, cp.clone())
    }

    /// A fit at given parameters, without a search (reading a stored fit).
    pub fn at(
        cp: Arc<CrossProducts>,
        reml: bool,
        raw: &[Vec<f64>],
        c: Convergence,
        h: Vec<f64>,
    ) -> Result<Self, NumericsError> {
        let lam = working_lambda(&cp, raw)?;
        let mut state = Profiled::new(&cp, reml)?;
        state.evaluate(&cp, &lam)?;
        state.back_substitute(&cp);
        let null_directions = null_directions(&cp, &lam);
        Ok(Fit { cp, state, convergence: c, hessian: h, null_directions })
    }

    /// Criterion at raw Λ (caller's order) and its exact gradient in every entry of each.
    pub fn evaluate_raw(
        cp: &CrossProducts,
        reml: bool,
        raw: &[Vec<f64>],
    ) -> Result<(f64, Vec<Vec<f64>>), NumericsError> {
        let mut state = Profiled::new(cp, reml)?;
        let back = inverse_basis(cp)?;
        let lam = untriangular(cp, &back, raw)?;
        let criterion = state.evaluate(cp, &lam)?;
        let working = state.gradient(cp);
        let mut out = vec![Vec::new(); back.len()];
        for (i, f) in cp.factors.iter().enumerate() {
            let mut g = vec![0.0; f.k * f.k];
            dense::gemm_tn(&mut g, &back[i], &working[i], (f.k, f.k, f.k), 1.0);
            out[cp.order[i]] = g;
        }
        Ok((criterion, out))
    }

    /// Λ on the raw scale (lower-triangular, non-negative diagonal), caller's order of factors.
    #[must_use]
    pub fn raw_lambda(&self) -> Vec<Vec<f64>> {
        let mut out = vec![Vec::new(); self.cp.factors.len()];
        for (i, f) in self.cp.factors.iter().enumerate() {
            let raw = dense::product(&self.cp.basis.z[i], &self.state.blocked.lam[i], (f.k, f.k, f.k));
            out[self.cp.order[i]] = dense::lower_factor_of_gram(&raw, f.k, f.k);
        }
        out
    }

    /// Residual standard deviation, raw scale.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        (self.state.r2 / self.state.nu(&self.cp)).sqrt() / self.cp.basis.y_scale
    }

    /// Fixed effects (kept columns), raw scale.
    #[must_use]
    pub fn beta(&self) -> Vec<f64> {
        self.cp.basis.raw_beta(&self.state.beta)
    }

    /// Covariance of the fixed effects over σ², raw scale.
    #[must_use]
    pub fn unscaled_covariance(&self) -> Vec<f64> {
        self.raw_symmetric(&self.state.phi)
    }

    fn raw_symmetric(&self, m: &[f64]) -> Vec<f64> {
        let (p, t) = (self.cp.p, &self.cp.basis.x);
        let half = dense::product(t, m, (p, p, p));
        let mut out = vec![0.0; p * p];
        dense::gemm_nt(&mut out, &half, t, (p, p, p), 1.0);
        out
    }

    /// Conditional modes of the random effects per factor (caller's order), `levels x k`.
    #[must_use]
    pub fn random_effects(&self) -> Vec<Vec<f64>> {
        let (cp, c) = (&self.cp, self.cp.c());
        let mut out = vec![Vec::new(); cp.factors.len()];
        for (i, f) in cp.factors.iter().enumerate() {
            let map = dense::product(&cp.basis.z[i], &self.state.blocked.lam[i], (f.k, f.k, f.k));
            let rows = f.offset..f.offset + f.levels * f.k;
            let u: Vec<f64> = rows.map(|r| self.state.f[r * c + cp.p] / cp.basis.y_scale).collect();
            out[cp.order[i]] = u.chunks_exact(f.k).flat_map(|u| dense::product(&map, u, (f.k, f.k, 1))).collect();
        }
        out
    }

    /// Conditional covariances of the random effects given y, over σ²: per factor (caller's
    /// order) `levels x k x k`, fixed effects taken as known (lme4's `condVar`).
    #[must_use]
    pub fn conditional_covariances(&mut self) -> Vec<Vec<f64>> {
        let cp = self.cp.clone();
        let lead = self.state.blocked.selected_inverse(&cp);
        let mut out = vec![Vec::new(); cp.factors.len()];
        for (i, f) in cp.factors.iter().enumerate() {
            let k = f.k;
            let map = dense::product(&cp.basis.z[i], &self.state.blocked.lam[i], (k, k, k));
            let mut all = Vec::with_capacity(f.levels * k * k);
            for level in 0..f.levels {
                let block = self.state.blocked.diagonal_block(&cp, &lead, i, level);
                let half = dense::product(&map, &block, (k, k, k));
                let mut v = vec![0.0; k * k];
                dense::gemm_nt(&mut v, &half, &map, (k, k, k), 1.0);
                all.extend(v);
            }
            out[cp.order[i]] = all;
        }
        out
    }

    /// Whether any direction of the random effects has no variance.
    #[must_use]
    pub fn is_singular(&self) -> bool {
        self.null_directions.iter().any(|d| !d.is_empty())
    }

    /// What Satterthwaite's method needs: the Hessian of the deviance in (θ, σ) and the
    /// derivatives of Cov(β̂) in θ and σ, each `p x p` on the raw scale (Kuznetsova et al. 2017).
    ///
    /// θ are the working parameters, unless the fit is singular: there the result depends on the
    /// parametrisation, and lme4's raw θ is used, as lmerTest does.
    pub fn satterthwaite(&mut self) -> Result<(Vec<f64>, Vec<Vec<f64>>), NumericsError> {
        let cp = self.cp.clone();
        let m = cp.n_theta();
        let nu = self.state.nu(&cp);
        let sigma = self.sigma();
        let singular = self.is_singular();
        let base: Vec<Vec<f64>> = self.state.blocked.lam.clone();
        let (profile, to_working): (Vec<f64>, Vec<Vec<f64>>) = if singular {
            let raw = self.raw_lambda();
            (raw_hessian(&cp, &mut self.state, &raw)?, inverse_basis(&cp)?)
        } else {
            (self.hessian.clone(), cp.factors.iter().map(|f| dense::identity(f.k)).collect())
        };
        if singular {
            // T⁻¹Λ itself, not its triangular form: derivatives are taken in the raw entries.
            let lam = untriangular(&cp, &to_working, &self.raw_lambda())?;
            self.state.evaluate(&cp, &lam)?;
            self.state.back_substitute(&cp);
        }
        let r2 = self.state.r2;
        let mut slope = Vec::with_capacity(m);
        let mut jacobian = Vec::with_capacity(m + 1);
        let full = self.state.r2_gradient(&cp);
        for (i, f) in cp.factors.iter().enumerate() {
            let k = f.k;
            let mut chained = vec![0.0; k * k];
            dense::gemm_tn(&mut chained, &to_working[i], &full[i], (k, k, k), 1.0);
            let columns: Vec<Vec<Vec<f64>>> = (0..k)
                .map(|a| (0..k).map(|b| self.raw_symmetric(&self.state.phi_derivative(&cp, i, a, b))).collect())
                .collect();
            for (a, b) in f.free_entries() {
                slope.push(chained[a * k + b]);
                let mut d = vec![0.0; cp.p * cp.p];
                for (t, row) in columns.iter().enumerate() {
                    let w = sigma * sigma * to_working[i][t * k + a];
                    d.iter_mut().zip(&row[b]).for_each(|(d, v)| *d += w * v);
                }
                jacobian.push(d);
            }
        }
        jacobian.push(self.unscaled_covariance().iter().map(|v| 2.0 * sigma * v).collect());
        let size = m + 1;
        let mut h = vec![0.0; size * size];
        for r in 0..m {
            for s in 0..m {
                h[r * size + s] = profile[r * m + s] + nu * slope[r] * slope[s] / (r2 * r2);
            }
            // d²/dθdσ of r²/σ², with σ² = r²/ν.
            h[r * size + m] = -2.0 * nu * slope[r] / (r2 * sigma);
            h[m * size + r] = h[r * size + m];
        }
        h[size * size - 1] = 4.0 * nu / (sigma * sigma);
        if singular {
            self.state.evaluate(&cp, &base)?;
            self.state.back_substitute(&cp);
        }
        Ok((h, jacobian))
    }
}

/// Hessian of the criterion in lme4's raw θ, by central differences of the exact gradient.
fn raw_hessian(cp: &CrossProducts, state: &mut Profiled, raw: &[Vec<f64>]) -> Result<Vec<f64>, NumericsError> {
    struct Raw<'a> {
        cp: &'a CrossProducts,
        state: &'a mut Profiled,
        back: Vec<Vec<f64>>,
    }
    impl Objective for Raw<'_> {
        fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
            let raw = lambda_from(self.cp, x);
            let map = |((b, l), f): ((&Vec<f64>, &Vec<f64>), &crate::Factor)| dense::product(b, l, (f.k, f.k, f.k));
            let lam: Vec<Vec<f64>> = self.back.iter().zip(&raw).zip(&self.cp.factors).map(map).collect();
            let f = self.state.evaluate(self.cp, &lam).ok()?;
            let g = self.state.gradient(self.cp);
            let mut chained = Vec::new();
            for ((g, b), f) in g.iter().zip(&self.back).zip(&self.cp.factors) {
                let mut c = vec![0.0; f.k * f.k];
                dense::gemm_tn(&mut c, b, g, (f.k, f.k, f.k), 1.0);
                chained.push(c);
            }
            Some((f, free_from(self.cp, &chained)))
        }
        fn approximate_hessian(&self) -> Option<Vec<f64>> {
            None
        }
    }
    let internal: Vec<Vec<f64>> = cp.order.iter().map(|&i| raw[i].clone()).collect();
    let x = free_from(cp, &internal);
    // Steps in θ that mean the same in every column's units.
    let scale: Vec<f64> = cp
        .factors
        .iter()
        .zip(&cp.basis.z)
        .flat_map(|(f, t)| {
            f.free_entries().into_iter().map(move |(i, _)| (0..f.k).map(|j| t[i * f.k + j].powi(2)).sum::<f64>().sqrt())
        })
        .collect();
    let m = x.len();
    let mut objective = Raw { cp, state, back: inverse_basis(cp)? };
    let mut h = vec![0.0; m * m];
    for r in 0..m {
        let step = 2e-4 * x[r].abs().max(0.1 * scale[r]);
        let mut at = |d: f64| {
            let mut x = x.clone();
            x[r] += d;
            objective.evaluate(&x).map(|(_, g)| g).ok_or(NumericsError::NotPositive(r))
        };
        let (up, down) = (at(step)?, at(-step)?);
        for s in 0..m {
            let d = (up[s] - down[s]) / (2.0 * step);
            h[r * m + s] += 0.5 * d;
            h[s * m + r] += 0.5 * d;
        }
    }
    Ok(h)
}

fn inverse_basis(cp: &CrossProducts) -> Result<Vec<Vec<f64>>, NumericsError> {
    cp.basis.z.iter().zip(&cp.factors).map(|(t, f)| dense::inverse(t, f.k)).collect()
}

/// T⁻¹Λ for raw Λ in the caller's order: square, not triangular.
fn untriangular(cp: &CrossProducts, back: &[Vec<f64>], raw: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, NumericsError> {
    cp.factors
        .iter()
        .zip(&cp.order)
        .zip(back)
        .map(|((f, &i), b)| {
            let l = raw.get(i).filter(|l| l.len() == f.k * f.k).ok_or(NumericsError::Mismatch("starting values"))?;
            Ok(dense::product(b, l, (f.k, f.k, f.k)))
        })
        .collect()
}

/// Working Λ (lower-triangular) from raw ones in the caller's order.
fn working_lambda(cp: &CrossProducts, raw: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, NumericsError> {
    let square = untriangular(cp, &inverse_basis(cp)?, raw)?;
    Ok(square.iter().zip(&cp.factors).map(|(l, f)| dense::lower_factor_of_gram(l, f.k, f.k)).collect())
}

/// Diagonal Λ from the spread of each column's per-level coefficients (moments, one factor and
/// column at a time, on y less its fixed part): right to a factor of two or so, and cheap.
fn starting_values(cp: &CrossProducts) -> Vec<f64> {
    let c = cp.c();
    let rss = cp.xx[c * c - 1];
    let mut lam = Vec::with_capacity(cp.factors.len());
    for (f, zz) in cp.factors.iter().zip(&cp.zz) {
        let k = f.k;
        let mut l = vec![0.0; k * k];
        for a in 0..k {
            let (mut explained, mut info, mut used) = (0.0, 0.0, 0.0);
            for level in 0..f.levels {
                let d = zz[level * k * k + a * k + a];
                if d > 0.0 {
                    let s = cp.zx[(f.offset + level * k + a) * c + cp.p];
                    explained += s * s / d;
                    info += d;
                    used += 1.0;
                }
            }
            let residual = ((rss - explained) / (cp.n as f64 - used).max(1.0)).max(1e-3 * rss / cp.n as f64);
            let ratio = ((explained / used.max(1.0) - residual) / residual) / (info / f64::max(used, 1.0)).max(1e-300);
            l[a * k + a] = ratio.max(0.0).sqrt().clamp(0.2, 30.0);
        }
        lam.push(l);
    }
    free_from(cp, &lam)
}

/// Gradient evaluations are dear: spend fewer on the Hessian.
fn dear(cp: &CrossProducts) -> bool {
    cp.q_rest() > 400
}

/// BFGS, then out of any saddle, then Newton.
fn descend(search: &mut Search, x: Vec<f64>) -> Result<(Point, Vec<f64>), NumericsError> {
    let (f, g) = search.evaluate(&x).ok_or(NumericsError::NotPositive(0))?;
    let mut point = bfgs(search, Point { x, f, g }, 1e-9, 3);
    let m = point.x.len();
    let mut h = vec![0.0; m * m];
    for _ in 0..6 {
        if let Some(next) = leave_boundary(search, &point) {
            point = bfgs(search, next, 1e-9, 0);
            continue;
        }
        let forward = dear(search.cp);
        h = hessian(search, &point, forward).ok_or(NumericsError::NotPositive(0))?;
        match downhill_curvature(search, &point, &h) {
            Some(next) => point = bfgs(search, next, 1e-9, 0),
            None => break,
        }
    }
    let point = polish(search, point, &h, 4);
    Ok((point, h))
}

/// A lower point along the Hessian's direction of negative curvature, if it has one.
fn downhill_curvature(search: &mut Search, at: &Point, h: &[f64]) -> Option<Point> {
    let m = at.x.len();
    let (values, vectors) = dense::symmetric_eigen(h, m);
    let top = values.iter().fold(0.0f64, |s, v| s.max(v.abs()));
    if !(values.first().is_some_and(|v| *v < -1e-5 * top)) {
        return None;
    }
    let mut best: Option<Point> = None;
    for t in [0.5, 0.1, 0.02, -0.5, -0.1, -0.02] {
        let x: Vec<f64> = (0..m).map(|i| at.x[i] + t * vectors[i * m]).collect();
        if let Some((f, g)) = search.evaluate(&x) {
            if f < at.f - 1e-9 && best.as_ref().is_none_or(|b| f < b.f) {
                best = Some(Point { x, f, g });
            }
        }
    }
    best
}

/// Directions of a block without variance: eigenvectors of ΛΛᵀ, as rows over all k columns.
fn null_directions(cp: &CrossProducts, lam: &[Vec<f64>]) -> Vec<Vec<Vec<f64>>> {
    cp.factors
        .iter()
        .zip(lam)
        .map(|(f, l)| {
            let mut out = Vec::new();
            let mut start = 0;
            for &size in &f.blocks {
                let sub: Vec<f64> = (0..size * size).map(|e| l[(start + e / size) * f.k + start + e % size]).collect();
                let mut gram = vec![0.0; size * size];
                dense::gemm_nt(&mut gram, &sub, &sub, (size, size, size), 1.0);
                let (values, vectors) = dense::symmetric_eigen(&gram, size);
                for (j, v) in values.iter().enumerate() {
                    if v.max(0.0).sqrt() < SINGULAR_TOLERANCE {
                        let mut row = vec![0.0; f.k];
                        (0..size).for_each(|i| row[start + i] = vectors[i * size + j]);
                        out.push(row);
                    }
                }
                start += size;
            }
            out
        })
        .collect()
}

/// At a singular point, the criterion's slope in Σ along each null direction v (an extra column
/// εv of Λ): if variance there would lower it, a point with some. θ = 0 is always stationary
/// in θ, so a zero gradient proves nothing (NUMERICS §2).
fn leave_boundary(search: &mut Search, at: &Point) -> Option<Point> {
    let lam = search.lambda(&at.x);
    let nulls = null_directions(search.cp, &lam);
    for (i, directions) in nulls.iter().enumerate() {
        if directions.is_empty() {
            continue;
        }
        let k = search.cp.factors[i].k;
        // M restricted to the null space, from the gradient at a rank-one addition.
        let d = directions.len();
        let mut m = vec![0.0; d * d];
        for (j, v) in directions.iter().enumerate() {
            let g = slope_with_column(search, &lam, i, v, 1e-3)?;
            for (t, u) in directions.iter().enumerate() {
                m[t * d + j] = (0..k).map(|a| u[a] * g[a]).sum::<f64>() / 2e-3;
            }
        }
        let (values, vectors) = dense::symmetric_eigen(&m, d);
        let Some(&lowest) = values.first().filter(|v| **v < -1e-7 * (1.0 + at.f.abs())) else { continue };
        let v: Vec<f64> = (0..k).map(|a| (0..d).map(|j| vectors[j * d] * directions[j][a]).sum()).collect();
        let mut best: Option<Point> = None;
        for size in [1.0, 0.3, 0.1, 0.03, 0.01, 1e-3] {
            let mut trial = lam.clone();
            trial[i] = add_direction(&lam[i], &v, size, k);
            let x = free_from(search.cp, &trial);
            if let Some((f, g)) = search.evaluate(&x) {
                if f < at.f - 1e-12 * lowest.abs() && best.as_ref().is_none_or(|b| f < b.f) {
                    best = Some(Point { x, f, g });
                }
            }
        }
        if best.as_ref().is_some_and(|b| b.f < at.f - 1e-9) {
            return best;
        }
    }
    None
}

/// The lower-triangular factor of ΛΛᵀ + size² v vᵀ.
fn add_direction(lam: &[f64], v: &[f64], size: f64, k: usize) -> Vec<f64> {
    let mut wide = vec![0.0; k * (k + 1)];
    for a in 0..k {
        wide[a * (k + 1)..a * (k + 1) + k].copy_from_slice(&lam[a * k..(a + 1) * k]);
        wide[a * (k + 1) + k] = size * v[a];
    }
    dense::lower_factor_of_gram(&wide, k, k + 1)
}

/// `2 M v ε`: the gradient of the criterion in the column `ε v` added to Λ.
fn slope_with_column(search: &mut Search, lam: &[Vec<f64>], i: usize, v: &[f64], eps: f64) -> Option<Vec<f64>> {
    let k = search.cp.factors[i].k;
    let mut trial = lam.to_vec();
    // Rotate Λ from the right so that its null column can hold the new direction: the gradient
    // in Σ is M, the gradient in the new factor L is 2 M L, hence M v from L's own inverse map.
    trial[i] = add_direction(&lam[i], v, eps, k);
    search.evaluations += 1;
    search.state.evaluate(search.cp, &trial).ok()?;
    let g = search.state.gradient(search.cp);
    // v = L w  ⇒  2 M v ε = (2 M L) w ε; w by least squares on the (nearly singular) L.
    let l = &trial[i];
    let w = solve_in_range(l, v, k);
    Some((0..k).map(|a| eps * (0..k).map(|b| g[i][a * k + b] * w[b]).sum::<f64>()).collect())
}

/// Minimum-norm solution of `l w = v` for `v` in the range of `l`.
fn solve_in_range(l: &[f64], v: &[f64], k: usize) -> Vec<f64> {
    let mut gram = vec![0.0; k * k];
    dense::gemm_nt(&mut gram, l, l, (k, k, k), 1.0);
    let (values, vectors) = dense::symmetric_eigen(&gram, k);
    let top = values.last().copied().unwrap_or(0.0);
    let mut y = vec![0.0; k];
    for (j, d) in values.iter().enumerate().filter(|(_, d)| **d > 1e-12 * top && **d > 1e-9) {
        let along: f64 = (0..k).map(|a| vectors[a * k + j] * v[a]).sum::<f64>() / d;
        (0..k).for_each(|a| y[a] += along * vectors[a * k + j]);
    }
    (0..k).map(|b| (0..k).map(|a| l[a * k + b] * y[a]).sum()).collect()
}

/// A few more starts where a first search is known to miss: small or boundary problems.
fn second_look(search: &mut Search, best: (Point, Vec<f64>)) -> (Point, Vec<f64>) {
    let lam = search.lambda(&best.0.x);
    let singular = null_directions(search.cp, &lam).iter().any(|d| !d.is_empty());
    let few = search.cp.factors.iter().any(|f| f.levels < 4 * f.k + 4);
    if !(singular || few) || dear(search.cp) {
        return best;
    }
    let mut best = best;
    let tries: &[f64] = if search.cp.n_theta() <= 30 { &[0.3, 3.0] } else { &[1.0] };
    for &size in tries {
        let start: Vec<Vec<f64>> =
            search.cp.factors.iter().map(|f| dense::identity(f.k).iter().map(|v| v * size).collect()).collect();
        let x = free_from(search.cp, &start);
        if let Ok(found) = descend(search, x) {
            if found.0.f < best.0.f - 1e-8 {
                best = found;
            }
        }
    }
    best
}

/// Canonical signs; standard deviations that are zero but for rounding become zero.
fn settle(search: &mut Search, best: (Point, Vec<f64>)) -> (Point, Vec<f64>) {
    let (point, h) = best;
    let lam = search.lambda(&point.x);
    let mut snapped: Vec<Vec<f64>> = Vec::with_capacity(lam.len());
    let mut changed = false;
    for (f, l) in search.cp.factors.iter().zip(&lam) {
        let k = f.k;
        let mut new = vec![0.0; k * k];
        let mut s = 0;
        for &size in &f.blocks {
            let sub: Vec<f64> = (0..size * size).map(|e| l[(s + e / size) * k + s + e % size]).collect();
            let mut gram = vec![0.0; size * size];
            dense::gemm_nt(&mut gram, &sub, &sub, (size, size, size), 1.0);
            let (values, vectors) = dense::symmetric_eigen(&gram, size);
            let tiny = values.iter().any(|v| v.max(0.0).sqrt() < 0.1 * SINGULAR_TOLERANCE && *v != 0.0);
            let root = if tiny {
                changed = true;
                let mut root = vec![0.0; size * size];
                for (j, v) in values.iter().enumerate() {
                    let d = v.max(0.0).sqrt();
                    let d = if d < 0.1 * SINGULAR_TOLERANCE { 0.0 } else { d };
                    (0..size).for_each(|i| root[i * size + j] = d * vectors[i * size + j]);
                }
                dense::lower_factor_of_gram(&root, size, size)
            } else {
                dense::lower_factor_of_gram(&sub, size, size)
            };
            for e in 0..size * size {
                new[(s + e / size) * k + s + e % size] = root[e];
            }
            s += size;
        }
        snapped.push(new);
    }
    let x = free_from(search.cp, &snapped);
    if x == point.x {
        return (point, h);
    }
    let flips: Vec<bool> = x.iter().zip(&point.x).map(|(a, b)| a.signum() != b.signum()).collect();
    let Some((f, g)) = search.evaluate(&x) else { return (point, h) };
    if f > point.f + 1e-9 * (1.0 + point.f.abs()) {
        return (point, h);
    }
    let new = Point { x, f, g };
    // Signs alone flip the Hessian's signs; anything else asks for a new one.
    if changed {
        let forward = dear(search.cp);
        let fresh = hessian(search, &new, forward).unwrap_or(h);
        return (new, fresh);
    }
    let m = flips.len();
    let sign = |i: usize| if flips[i] { -1.0 } else { 1.0 };
    let h = (0..m * m).map(|e| h[e] * sign(e / m) * sign(e % m)).collect();
    (new, h)
}

fn finish(mut search: Search, point: &Point, h: Vec<f64>, cp: Arc<CrossProducts>) -> Result<Fit, NumericsError> {
    let lam = search.lambda(&point.x);
    search.state.evaluate(&cp, &lam)?;
    search.state.back_substitute(&cp);
    let (values, _) = dense::symmetric_eigen(&h, point.x.len());
    let norm = point.g.iter().map(|v| v * v).sum::<f64>().sqrt() / (1.0 + point.f.abs());
    let convergence = Convergence {
        gradient_norm: norm,
        eigenvalues: (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0)),
        evaluations: search.evaluations,
    };
    let null_directions = null_directions(&cp, &lam);
    let Search { state, .. } = search;
    Ok(Fit { cp, state, convergence, hessian: h, null_directions })
}
