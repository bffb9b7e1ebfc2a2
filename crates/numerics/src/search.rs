//! The search for the optimum: starting values, descent, escape from saddles, a second look.

use std::sync::Arc;

use crate::boundary::{leave_boundary, null_directions};
use crate::crossproducts::CrossProducts;
use crate::curvature;
use crate::dense;
use crate::error::NumericsError;
use crate::fit::{Convergence, Fit, SINGULAR_TOLERANCE};
use crate::optimise::{bfgs, hessian, newton, polish, Objective, Point};
use crate::parameters::{free_from, lambda_from, working_lambda};
use crate::profiled::Profiled;

/// The criterion as the optimiser sees it, with the state at the point evaluated last.
pub(crate) struct Search<'a> {
    pub(crate) cp: &'a CrossProducts,
    pub(crate) state: Profiled,
    pub(crate) evaluations: usize,
    gradient: Vec<Vec<f64>>,
    last: Vec<f64>,
    exact: bool,
}

impl<'a> Search<'a> {
    pub(crate) fn new(cp: &'a CrossProducts, reml: bool) -> Result<Self, NumericsError> {
        let state = Profiled::new(cp, reml)?;
        Ok(Search {
            cp,
            state,
            evaluations: 0,
            gradient: Vec::new(),
            last: Vec::new(),
            exact: curvature::affordable(cp),
        })
    }

    pub(crate) fn lambda(&self, x: &[f64]) -> Vec<Vec<f64>> {
        lambda_from(self.cp, x)
    }

    /// The state at a point: a line search may have looked beyond the one that it chose.
    fn visit(&mut self, x: &[f64]) -> Option<()> {
        if self.last != x {
            self.evaluate(x)?;
        }
        Some(())
    }

    /// The Hessian, exact or by differences.
    fn hessian(&mut self, at: &Point) -> Option<Vec<f64>> {
        let forward = dear(self.cp);
        self.exact_hessian(at).or_else(|| hessian(self, at, forward))
    }
}

impl Objective for Search<'_> {
    fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
        self.evaluations += 1;
        self.last.clear();
        let lam = self.lambda(x);
        let f = self.state.evaluate(self.cp, &lam).ok()?;
        self.gradient = self.state.gradient(self.cp);
        self.last.extend_from_slice(x);
        Some((f, free_from(self.cp, &self.gradient)))
    }

    fn approximate_hessian(&mut self, at: &Point) -> Option<Vec<f64>> {
        self.visit(&at.x)?;
        let size = self.cp.q() * self.cp.n_theta();
        (size < 40_000_000).then(|| self.state.average_information(self.cp, &self.gradient))
    }

    fn exact_hessian(&mut self, at: &Point) -> Option<Vec<f64>> {
        if !self.exact {
            return None;
        }
        self.visit(&at.x)?;
        let directions = curvature::free_directions(self.cp);
        Some(curvature::hessian(self.cp, &self.state, &directions))
    }
}

impl Fit {
    /// Maximise the (restricted) likelihood. `start`: raw Λ of each factor in the caller's order.
    pub fn optimise(cp: Arc<CrossProducts>, reml: bool, start: Option<&[Vec<f64>]>) -> Result<Self, NumericsError> {
        let mut search = Search::new(&cp, reml)?;
        let x = match start {
            Some(raw) => free_from(&cp, &working_lambda(&cp, raw)?),
            None => starting_values(&cp),
        };
        // A given start is near the optimum: the exact Hessian serves from the first step.
        let early = if start.is_none() { EARLY } else { 0 };
        let mut best = descend(&mut search, x, early)?;
        if start.is_none() && cp.n_theta() > 1 {
            best = second_look(&mut search, best);
        }
        let (point, h) = settle(&mut search, best);
        finish(search, &point, h, cp.clone())
    }
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

/// First steps made with average information: it is positive where the exact Hessian need not be.
const EARLY: usize = 3;

/// Newton or BFGS, whichever the model's size asks for.
fn minimise(search: &mut Search, from: Point, early: usize) -> Point {
    match newton(search, &from, 1e-9, early) {
        Some(point) => point,
        None => bfgs(search, from, 1e-9, early),
    }
}

/// Down, then out of any saddle, then the last steps.
fn descend(search: &mut Search, x: Vec<f64>, early: usize) -> Result<(Point, Vec<f64>), NumericsError> {
    let (f, g) = search.evaluate(&x).ok_or(NumericsError::NotPositive(0))?;
    let mut point = minimise(search, Point { x, f, g }, early);
    let m = point.x.len();
    let mut h = vec![0.0; m * m];
    for _ in 0..6 {
        if let Some(next) = leave_boundary(search, &point) {
            point = minimise(search, next, 0);
            continue;
        }
        h = search.hessian(&point).ok_or(NumericsError::NotPositive(0))?;
        match downhill_curvature(search, &point, &h) {
            Some(next) => point = minimise(search, next, 0),
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
    if values.first().is_none_or(|v| *v >= -1e-5 * top) {
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

/// A few more starts where a first search is known to miss: few levels, a boundary, or blocks
/// that are independent by the formula but nearly collinear in the data.
fn second_look(search: &mut Search, best: (Point, Vec<f64>)) -> (Point, Vec<f64>) {
    let cp = search.cp;
    let lam = search.lambda(&best.0.x);
    let singular = null_directions(cp, &lam).iter().any(|d| !d.is_empty());
    let few = cp.factors.iter().any(|f| f.levels < 4 * f.k + 4);
    let joint = collinear_blocks(cp);
    if dear(cp) || cp.n_theta() > 30 {
        return best;
    }
    let mut starts: Vec<Vec<f64>> = Vec::new();
    let scaled = |lam: &[Vec<f64>], size: f64| -> Vec<f64> {
        let lam: Vec<Vec<f64>> = lam.iter().map(|l| l.iter().map(|v| v * size).collect()).collect();
        free_from(cp, &lam)
    };
    if singular || few {
        let unit: Vec<Vec<f64>> = cp.factors.iter().map(|f| dense::identity(f.k)).collect();
        starts.extend([0.3, 3.0, 100.0].map(|size| scaled(&unit, size)));
    }
    if let Some(joint) = joint {
        starts.extend([1.0, 10.0].map(|size| scaled(&joint, size)));
    }
    let mut best = best;
    for x in starts {
        if let Ok(found) = descend(search, x, EARLY) {
            if found.0.f < best.0.f - 1e-8 {
                best = found;
            }
        }
    }
    best
}

/// Where the independent blocks of a factor are nearly collinear, as `1` and `x` with a mean far
/// from zero are in `(x || g)`: the Λ whose blocks are those of n (ZᵀZ)⁻¹. Two large variances
/// can then stand for the small one of a centred slope, behind a barrier from where both are zero.
fn collinear_blocks(cp: &CrossProducts) -> Option<Vec<Vec<f64>>> {
    let mut found = false;
    let mut out = Vec::with_capacity(cp.factors.len());
    for (f, zz) in cp.factors.iter().zip(&cp.zz) {
        let k = f.k;
        let mut lam = dense::identity(k);
        if f.blocks.len() > 1 {
            let mut gram = vec![0.0; k * k];
            for block in zz.chunks_exact(k * k) {
                gram.iter_mut().zip(block).for_each(|(g, b)| *g += b / cp.n as f64);
            }
            if let Ok(inverse) = dense::inverse(&gram, k) {
                let mut joint = vec![0.0; k * k];
                let mut start = 0;
                for &size in &f.blocks {
                    for i in start..start + size {
                        joint[i * k + start..i * k + start + size]
                            .copy_from_slice(&inverse[i * k + start..i * k + start + size]);
                    }
                    start += size;
                }
                if dense::cholesky(&mut joint, k).is_ok() && (0..k).any(|i| joint[i * k + i] > 3.0) {
                    for i in 0..k {
                        lam[i * k..=i * k + i].copy_from_slice(&joint[i * k..=i * k + i]);
                    }
                    found = true;
                }
            }
        }
        out.push(lam);
    }
    found.then_some(out)
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
        let fresh = search.hessian(&new).unwrap_or(h);
        return (new, fresh);
    }
    let m = flips.len();
    let sign = |i: usize| if flips[i] { -1.0 } else { 1.0 };
    let h = (0..m * m).map(|e| h[e] * sign(e / m) * sign(e % m)).collect();
    (new, h)
}

fn finish(mut search: Search, point: &Point, h: Vec<f64>, cp: Arc<CrossProducts>) -> Result<Fit, NumericsError> {
    let lam = search.lambda(&point.x);
    if search.last != point.x {
        search.state.evaluate(&cp, &lam)?;
        search.state.back_substitute(&cp);
    }
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
