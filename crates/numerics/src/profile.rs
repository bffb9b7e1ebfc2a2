//! Profile likelihood (ML) of standard deviations, correlations, σ and fixed effects, by warm-started
//! constrained searches with exact gradients; everything from the cross-products.
//!
//! A constraint is linear where the constrained column comes first in its block's Λ: with that
//! order, its standard deviation is σ Λ₁₁; with two columns first, Λ₂ = r (ρ, √(1-ρ²)) holds their
//! correlation at ρ. A fixed effect is held by taking its column off X and β_j x_j off y.

use std::sync::Arc;

use crate::crossproducts::{CrossProducts, Factor};
use crate::dense;
use crate::error::NumericsError;
use crate::fit::Fit;
use crate::optimise::{bfgs, hessian, Objective, Point};
use crate::profiled::Profiled;

/// Free diagonal entries nearer to zero than this start a search away from the saddle at zero.
const OFF_THE_SADDLE: f64 = 0.05;

/// What is held at a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// Standard deviation of a column of a factor (caller's order).
    Sd(usize, usize),
    /// Correlation of two columns of one covariance block of a factor.
    Correlation(usize, usize, usize),
    /// Residual standard deviation.
    Sigma,
    /// A fixed effect, by its place among the kept columns.
    Fixed(usize),
}

/// A constrained optimum.
#[derive(Debug, Clone)]
pub struct Held {
    /// Value of the parameter.
    pub value: f64,
    /// Signed root of the difference in deviance.
    pub zeta: f64,
    /// σ there.
    pub sigma: f64,
    /// β there, raw scale.
    pub beta: Vec<f64>,
    /// Λ of each factor, caller's order, raw scale.
    pub lambdas: Vec<Vec<f64>>,
    /// Where the search ended, to start the next.
    x: Vec<f64>,
}

/// One side of a profile, going out from the estimate.
#[derive(Debug, Clone)]
pub struct Side {
    /// The optima at the ζ asked for, as far as the parameter's range goes.
    pub points: Vec<Held>,
    /// The optimum at the end of the range, where that was reached before the last ζ.
    pub bound: Option<Held>,
}

/// Scale of the raw rows of Λ, in units of one working column.
fn row_scales(cp: &CrossProducts, factor: usize) -> Vec<f64> {
    let k = cp.factors[factor].k;
    cp.basis.z[factor].chunks_exact(k).map(|row| row.iter().map(|v| v * v).sum::<f64>().sqrt()).collect()
}

/// How a search vector becomes the raw Λ of each factor.
struct Layout {
    /// Internal factor of the constraint, and its columns in their new order.
    held: Option<(usize, Vec<usize>)>,
    /// `(factor, row, column)` of the entries that are searched over, in the new order.
    free: Vec<(usize, usize, usize)>,
    /// Per factor, scale of each row in the new order.
    scale: Vec<Vec<f64>>,
}

impl Layout {
    fn new(cp: &CrossProducts, parameter: Parameter) -> Result<Self, NumericsError> {
        let bad = NumericsError::Mismatch("the profiled parameter");
        let place = |caller: usize| cp.order.iter().position(|&o| o == caller).ok_or(bad.clone());
        let first: Option<(usize, Vec<usize>)> = match parameter {
            Parameter::Sd(f, a) => Some((place(f)?, vec![a])),
            Parameter::Correlation(f, a, b) => Some((place(f)?, vec![a, b])),
            Parameter::Sigma | Parameter::Fixed(_) => None,
        };
        let skip = match parameter {
            Parameter::Sd(..) => 1,
            Parameter::Correlation(..) => 3,
            _ => 0,
        };
        let mut held = None;
        let mut free = Vec::new();
        let mut scale: Vec<Vec<f64>> = (0..cp.factors.len()).map(|i| row_scales(cp, i)).collect();
        for (i, f) in cp.factors.iter().enumerate() {
            let mut order: Vec<usize> = (0..f.k).collect();
            let mut entries = f.free_entries();
            if let Some((_, front)) = first.as_ref().filter(|h| h.0 == i) {
                let (start, size) = block_of(f, front).ok_or(bad.clone())?;
                let rest = (start..start + size).filter(|c| !front.contains(c));
                let new: Vec<usize> = front.iter().copied().chain(rest).collect();
                order[start..start + size].copy_from_slice(&new);
                let fixed = [(start, start), (start + 1, start), (start + 1, start + 1)];
                entries.retain(|e| !fixed[..skip].contains(e));
                scale[i] = order.iter().map(|&c| scale[i][c]).collect();
                held = Some((i, order));
            }
            free.extend(entries.into_iter().map(|(a, b)| (i, a, b)));
        }
        Ok(Layout { held, free, scale })
    }

    /// Rows of a `k x k` matrix of factor `i` between the new and the model's own order.
    fn reorder(&self, i: usize, m: &[f64], back: bool) -> Vec<f64> {
        let Some((_, order)) = self.held.as_ref().filter(|h| h.0 == i) else { return m.to_vec() };
        let k = order.len();
        let mut out = vec![0.0; m.len()];
        for (new, &own) in order.iter().enumerate() {
            let (to, from) = if back { (own, new) } else { (new, own) };
            out[to * k..(to + 1) * k].copy_from_slice(&m[from * k..(from + 1) * k]);
        }
        out
    }
}

/// Start and size of the covariance block that holds all the columns.
fn block_of(f: &Factor, columns: &[usize]) -> Option<(usize, usize)> {
    let mut start = 0;
    for &size in &f.blocks {
        if columns.iter().all(|c| (start..start + size).contains(c)) {
            return Some((start, size));
        }
        start += size;
    }
    None
}

/// The ML criterion with one parameter held, as a function of what is left.
struct Constrained {
    cp: Arc<CrossProducts>,
    state: Profiled,
    back: Vec<Vec<f64>>,
    layout: Layout,
    parameter: Parameter,
    start: usize,
    value: f64,
    sigma_hat: f64,
    curvature: Option<Vec<f64>>,
}

impl Constrained {
    fn new(fit: &Fit, parameter: Parameter) -> Result<Self, NumericsError> {
        let layout = Layout::new(&fit.cp, parameter)?;
        let back = fit.cp.basis.z.iter().zip(&fit.cp.factors).map(|(t, f)| dense::inverse(t, f.k));
        let start = match (parameter, &layout.held) {
            (Parameter::Sd(_, a) | Parameter::Correlation(_, a, _), Some((i, _))) => {
                block_of(&fit.cp.factors[*i], &[a]).map_or(0, |b| b.0)
            }
            _ => 0,
        };
        Ok(Constrained {
            back: back.collect::<Result<_, _>>()?,
            state: Profiled::new(&fit.cp, false)?,
            cp: fit.cp.clone(),
            layout,
            parameter,
            start,
            value: f64::NAN,
            sigma_hat: fit.sigma(),
            curvature: None,
        })
    }

    /// σ at a search vector, where the constraint ties it; else it is profiled out.
    fn sigma(&self, x: &[f64]) -> Option<f64> {
        match self.parameter {
            Parameter::Sd(..) => Some(self.sigma_hat * x[0].exp()),
            Parameter::Sigma => Some(self.value),
            _ => None,
        }
    }

    /// Search variables before those of the layout.
    fn leading(&self) -> usize {
        match self.parameter {
            Parameter::Sd(..) => 1,
            Parameter::Correlation(..) => 2,
            _ => 0,
        }
    }

    /// Λ of each factor (internal order), raw scale, the held block in its new order.
    fn ordered_lambda(&self, x: &[f64]) -> Vec<Vec<f64>> {
        let mut out: Vec<Vec<f64>> = self.cp.factors.iter().map(|f| vec![0.0; f.k * f.k]).collect();
        for (&(i, a, b), v) in self.layout.free.iter().zip(&x[self.leading()..]) {
            out[i][a * self.cp.factors[i].k + b] = v * self.layout.scale[i][a];
        }
        if let Some((i, _)) = self.layout.held {
            let (k, s) = (self.cp.factors[i].k, self.start);
            match self.sigma(x) {
                Some(sigma) => out[i][s * k + s] = self.value / sigma,
                None => {
                    let r = x[1] * x[1] * self.layout.scale[i][s + 1];
                    out[i][s * k + s] = x[0] * x[0] * self.layout.scale[i][s];
                    out[i][(s + 1) * k + s] = r * self.value;
                    out[i][(s + 1) * k + s + 1] = r * (1.0 - self.value * self.value).max(0.0).sqrt();
                }
            }
        }
        out
    }

    fn raw_lambda(&self, x: &[f64]) -> Vec<Vec<f64>> {
        self.ordered_lambda(x).iter().enumerate().map(|(i, l)| self.layout.reorder(i, l, true)).collect()
    }

    /// The search vector that stands for a fit's own parameters (those that the constraint leaves).
    fn vector(&self, raw: &[Vec<f64>], sigma: f64) -> Vec<f64> {
        let mut x = Vec::new();
        let mut ordered = Vec::new();
        for (i, f) in self.cp.factors.iter().enumerate() {
            let rows = self.layout.reorder(i, &raw[i], false);
            ordered.push(dense::lower_factor_of_gram(&rows, f.k, f.k));
        }
        match (self.parameter, &self.layout.held) {
            (Parameter::Sd(..), _) => x.push((sigma / self.sigma_hat).ln()),
            (Parameter::Correlation(..), Some((i, _))) => {
                let (k, s) = (self.cp.factors[*i].k, self.start);
                let scale = &self.layout.scale[*i];
                x.push((ordered[*i][s * k + s] / scale[s]).sqrt());
                let row = &ordered[*i][(s + 1) * k + s..(s + 1) * k + s + 2];
                x.push((row[0].hypot(row[1]) / scale[s + 1]).sqrt());
            }
            _ => {}
        }
        let entry =
            |&(i, a, b): &(usize, usize, usize)| ordered[i][a * self.cp.factors[i].k + b] / self.layout.scale[i][a];
        x.extend(self.layout.free.iter().map(entry));
        x
    }

    /// Off the saddles: searches never start with a free standard deviation of zero.
    fn nudge(&self, x: &mut [f64]) {
        let lead = self.leading();
        if let Parameter::Correlation(..) = self.parameter {
            x[..2].iter_mut().for_each(|v| *v = if v.abs() < 0.2 { 0.2 } else { *v });
        }
        for (v, &(_, a, b)) in x[lead..].iter_mut().zip(&self.layout.free) {
            if a == b && v.abs() < OFF_THE_SADDLE {
                *v = OFF_THE_SADDLE;
            }
        }
    }

    fn minimise(&mut self, mut x: Vec<f64>) -> Result<Point, NumericsError> {
        self.nudge(&mut x);
        let (f, g) = self.evaluate(&x).ok_or(NumericsError::NotPositive(0))?;
        let point = bfgs(self, Point { x, f, g }, 1e-10, 0);
        if self.curvature.is_none() && !point.x.is_empty() {
            self.curvature = hessian(self, &point, true);
        }
        Ok(point)
    }
}

impl Objective for Constrained {
    fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
        let raw = self.raw_lambda(x);
        let square = |((b, l), f): ((&Vec<f64>, &Vec<f64>), &Factor)| dense::product(b, l, (f.k, f.k, f.k));
        let lam: Vec<Vec<f64>> = self.back.iter().zip(&raw).zip(&self.cp.factors).map(square).collect();
        let cp = self.cp.clone();
        let mut value = self.state.evaluate(&cp, &lam).ok()?;
        let mut slope = self.state.gradient(&cp);
        let sigma = self.sigma(x);
        let n = cp.n as f64;
        let mut ratio = 1.0;
        if let Some(sigma) = sigma {
            ratio = self.state.r2 / (cp.basis.y_scale * sigma).powi(2) / n;
            value += n * (ratio - 1.0 - ratio.ln());
            let weight = (1.0 - 1.0 / ratio) / (cp.basis.y_scale * sigma).powi(2);
            for (s, r) in slope.iter_mut().flatten().zip(self.state.r2_gradient(&cp).iter().flatten()) {
                *s += weight * r;
            }
        }
        let mut ordered = Vec::with_capacity(slope.len());
        for (i, f) in cp.factors.iter().enumerate() {
            let mut chained = vec![0.0; f.k * f.k];
            dense::gemm_tn(&mut chained, &self.back[i], &slope[i], (f.k, f.k, f.k), 1.0);
            ordered.push(self.layout.reorder(i, &chained, false));
        }
        let mut g = Vec::with_capacity(x.len());
        if let Some((i, _)) = self.layout.held {
            let (k, s) = (cp.factors[i].k, self.start);
            match sigma {
                Some(sigma) => g.push(-2.0 * n * (ratio - 1.0) - ordered[i][s * k + s] * self.value / sigma),
                None => {
                    let (rho, scale) = (self.value, &self.layout.scale[i]);
                    let second = ordered[i][(s + 1) * k + s] * rho
                        + ordered[i][(s + 1) * k + s + 1] * (1.0 - rho * rho).max(0.0).sqrt();
                    g.push(2.0 * x[0] * scale[s] * ordered[i][s * k + s]);
                    g.push(2.0 * x[1] * scale[s + 1] * second);
                }
            }
        }
        g.extend(
            self.layout.free.iter().map(|&(i, a, b)| ordered[i][a * cp.factors[i].k + b] * self.layout.scale[i][a]),
        );
        value.is_finite().then_some((value, g))
    }

    fn approximate_hessian(&self) -> Option<Vec<f64>> {
        self.curvature.clone()
    }
}

/// Holding one fixed effect: a rotation of the working columns that gives it one of its own.
struct Rotation {
    reflect: Vec<f64>,
    length: f64,
    shift: f64,
}

impl Rotation {
    fn new(cp: &CrossProducts, j: usize) -> Self {
        let p = cp.p;
        let t = &cp.basis.x[j * p..(j + 1) * p];
        let length = t.iter().map(|v| v * v).sum::<f64>().sqrt();
        // Householder: H t = (length, 0, …, 0).
        let mut v: Vec<f64> = t.to_vec();
        v[0] += if v[0] >= 0.0 { length } else { -length };
        let vv: f64 = v.iter().map(|x| x * x).sum();
        let sign = if t[0] >= 0.0 { -1.0 } else { 1.0 };
        let mut reflect = dense::identity(p);
        for a in 0..p {
            for b in 0..p {
                reflect[a * p + b] -= 2.0 * v[a] * v[b] / vv;
            }
            // The first column's sign, so that t·H = (+length, 0, …).
            reflect[a * p] *= sign;
        }
        Rotation { reflect, length, shift: cp.basis.shift[j] }
    }

    /// First coefficient in the rotated basis when the raw one is `value`.
    fn first(&self, cp: &CrossProducts, value: f64) -> f64 {
        (value - self.shift) * cp.basis.y_scale / self.length
    }

    /// Cross-products without the column, its part taken off y.
    fn drop(&self, cp: &CrossProducts, value: f64) -> CrossProducts {
        let (p, c) = (cp.p, cp.c());
        let gamma = self.first(cp, value);
        let mut m = vec![0.0; c * p];
        for a in 0..p {
            m[a * p..a * p + p - 1].copy_from_slice(&self.reflect[a * p + 1..(a + 1) * p]);
            m[a * p + p - 1] = -gamma * self.reflect[a * p];
        }
        m[p * p + p - 1] = 1.0;
        let mut out = cp.clone();
        out.p = p - 1;
        out.zx = dense::product(&cp.zx, &m, (cp.q(), c, p));
        let half = dense::product(&cp.xx, &m, (c, c, p));
        out.xx = vec![0.0; p * p];
        dense::gemm_tn(&mut out.xx, &m, &half, (p, c, p), 1.0);
        out.basis.x = dense::identity(p - 1);
        out
    }

    /// Raw fixed effects from those of the smaller model.
    fn beta(&self, cp: &CrossProducts, value: f64, rest: &[f64]) -> Vec<f64> {
        let mut gamma = vec![self.first(cp, value)];
        gamma.extend_from_slice(rest);
        cp.basis.raw_beta(&dense::product(&self.reflect, &gamma, (cp.p, cp.p, 1)))
    }
}

/// The profile of one parameter of an ML fit.
pub struct Profiler {
    full: Arc<CrossProducts>,
    search: Constrained,
    rotation: Option<Rotation>,
    best: f64,
    estimate: f64,
    /// Step of the parameter that changes ζ by about one.
    unit: f64,
    start: Vec<f64>,
}

impl Profiler {
    /// Of a parameter of a fit by maximum likelihood.
    pub fn new(fit: &Fit, parameter: Parameter) -> Result<Self, NumericsError> {
        if fit.state.reml {
            return Err(NumericsError::Mismatch("the criterion: profiles are of ML fits"));
        }
        let mut search = Constrained::new(fit, parameter)?;
        let by_caller = fit.raw_lambda();
        let raw: Vec<Vec<f64>> = fit.cp.order.iter().map(|&o| by_caller[o].clone()).collect();
        let sigma = fit.sigma();
        let start = search.vector(&raw, sigma);
        let mut rotation = None;
        let root_n = (fit.cp.n as f64).sqrt();
        let (estimate, unit) = match parameter {
            Parameter::Sigma => (sigma, sigma / root_n),
            Parameter::Fixed(j) => {
                if j >= fit.cp.p {
                    return Err(NumericsError::Mismatch("the profiled parameter"));
                }
                rotation = Some(Rotation::new(&fit.cp, j));
                let variance = fit.unscaled_covariance()[j * fit.cp.p + j];
                (fit.beta()[j], sigma * variance.sqrt())
            }
            Parameter::Sd(f, a) => {
                let k = (by_caller[f].len() as f64).sqrt() as usize;
                let sd = sigma * by_caller[f][a * k..(a + 1) * k].iter().map(|v| v * v).sum::<f64>().sqrt();
                let i = search.layout.held.as_ref().map_or(0, |h| h.0);
                let floor = 0.1 * sigma * search.layout.scale[i][search.start];
                let levels = (fit.cp.factors[i].levels as f64).sqrt();
                (sd, (sd / levels).max(floor))
            }
            Parameter::Correlation(f, a, b) => {
                let k = (by_caller[f].len() as f64).sqrt() as usize;
                let row = |r: usize| &by_caller[f][r * k..(r + 1) * k];
                let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(a, b)| a * b).sum::<f64>();
                let size = (dot(row(a), row(a)) * dot(row(b), row(b))).sqrt();
                let cor = if size > 0.0 { dot(row(a), row(b)) / size } else { 0.0 };
                (cor.clamp(-1.0, 1.0), 0.2)
            }
        };
        search.value = estimate;
        let best = fit.state.criterion;
        Ok(Profiler { full: fit.cp.clone(), search, rotation, best, estimate, unit, start })
    }

    fn range(&self) -> (f64, f64) {
        match self.search.parameter {
            Parameter::Sd(..) => (0.0, f64::INFINITY),
            Parameter::Correlation(..) => (-1.0, 1.0),
            // σ = 0 is never reached: the deviance grows without bound.
            Parameter::Sigma => (f64::MIN_POSITIVE, f64::INFINITY),
            Parameter::Fixed(_) => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }

    fn hold(&mut self, value: f64, start: &[f64]) -> Result<Held, NumericsError> {
        self.search.value = value;
        if let Some(r) = &self.rotation {
            self.search.cp = Arc::new(r.drop(&self.full, value));
        }
        let point = self.search.minimise(start.to_vec())?;
        // The derivatives' side products are those of the last point looked at: go back to the best.
        let raw = self.search.raw_lambda(&point.x);
        self.search.evaluate(&point.x).ok_or(NumericsError::NotPositive(0))?;
        let state = &self.search.state;
        let basis = &self.full.basis;
        let sigma = self.search.sigma(&point.x).unwrap_or((state.r2 / self.full.n as f64).sqrt() / basis.y_scale);
        let beta = match &self.rotation {
            Some(r) => r.beta(&self.full, value, &state.beta),
            None => basis.raw_beta(&state.beta),
        };
        let mut lambdas = vec![Vec::new(); raw.len()];
        for ((l, f), &to) in raw.iter().zip(&self.full.factors).zip(&self.full.order) {
            lambdas[to] = dense::lower_factor_of_gram(l, f.k, f.k);
        }
        let zeta = (value - self.estimate).signum() * (point.f - self.best).max(0.0).sqrt();
        Ok(Held { value, zeta, sigma, beta, lambdas, x: point.x })
    }

    /// Where |ζ| takes each of the values (ascending) on one side, each to within `tolerance`.
    pub fn side(&mut self, upper: bool, zetas: &[f64], tolerance: f64) -> Result<Side, NumericsError> {
        let (low, high) = self.range();
        let limit = if upper { high } else { low };
        let direction = if upper { 1.0 } else { -1.0 };
        let mut out = Side { points: Vec::new(), bound: None };
        if (limit - self.estimate) * direction <= 0.0 {
            let start = self.start.clone();
            out.bound = Some(self.hold(limit, &start)?);
            return Ok(out);
        }
        let at = Held {
            value: self.estimate,
            zeta: 0.0,
            sigma: f64::NAN,
            beta: Vec::new(),
            lambdas: Vec::new(),
            x: self.start.clone(),
        };
        let mut seen: Vec<Held> = vec![at];
        for &target in zetas {
            match self.reach(target, direction, limit, tolerance, &mut seen)? {
                Reached::Point(p) => out.points.push(p),
                Reached::Bound(p) => {
                    out.bound = Some(p);
                    break;
                }
            }
        }
        Ok(out)
    }

    fn reach(
        &mut self,
        target: f64,
        direction: f64,
        limit: f64,
        tolerance: f64,
        seen: &mut Vec<Held>,
    ) -> Result<Reached, NumericsError> {
        for _ in 0..60 {
            // Nearest optima on either side of the target, by how far out they are.
            let below = seen.iter().filter(|h| h.zeta.abs() < target).max_by(|a, b| far(a, direction, b));
            let above = seen.iter().filter(|h| h.zeta.abs() >= target).min_by(|a, b| far(a, direction, b));
            let Some(a) = below.cloned() else { break };
            let out_of_reach = a.value == limit;
            if out_of_reach {
                return Ok(Reached::Bound(a));
            }
            let next = match above {
                Some(b) => {
                    let share = (target - a.zeta.abs()) / (b.zeta.abs() - a.zeta.abs());
                    // Away from the ends, so that both sides of the bracket shrink.
                    a.value + share.clamp(0.02, 0.98) * (b.value - a.value)
                }
                None => {
                    let slope = seen
                        .iter()
                        .filter(|h| h.zeta.abs() < a.zeta.abs())
                        .max_by(|x, y| far(x, direction, y))
                        .map_or(self.unit, |h| (a.value - h.value).abs() / (a.zeta.abs() - h.zeta.abs()));
                    let step = (target - a.zeta.abs()).max(0.1) * slope.clamp(0.05 * self.unit, 20.0 * self.unit);
                    let next = a.value + direction * step;
                    if (next - limit) * direction >= 0.0 {
                        if limit.is_finite() && limit != f64::MIN_POSITIVE {
                            limit
                        } else {
                            0.5 * (a.value + limit)
                        }
                    } else {
                        next
                    }
                }
            };
            let start = extrapolate(seen, next);
            let found = self.hold(next, &start)?;
            let miss = (found.zeta.abs() - target).abs();
            let narrow = above_width(seen, &found, target) < 1e-12 * (1.0 + found.value.abs());
            seen.push(found.clone());
            if miss < tolerance || narrow {
                return Ok(Reached::Point(found));
            }
        }
        Err(NumericsError::NotPositive(0))
    }
}

/// Both sides of a parameter's profile, at the values of |ζ| given for each.
pub fn sides(
    fit: &Fit,
    parameter: Parameter,
    lower: &[f64],
    upper: &[f64],
    tolerance: f64,
) -> Result<(Side, Side), NumericsError> {
    let side = |up: bool, zetas: &[f64]| Profiler::new(fit, parameter)?.side(up, zetas, tolerance);
    let (low, high) = rayon::join(|| side(false, lower), || side(true, upper));
    Ok((low?, high?))
}

enum Reached {
    Point(Held),
    Bound(Held),
}

fn far(a: &Held, direction: f64, b: &Held) -> std::cmp::Ordering {
    (a.value * direction).total_cmp(&(b.value * direction))
}

/// Width of the bracket that a new optimum leaves.
fn above_width(seen: &[Held], new: &Held, target: f64) -> f64 {
    let other = seen.iter().filter(|h| (h.zeta.abs() >= target) != (new.zeta.abs() >= target));
    other.map(|h| (h.value - new.value).abs()).fold(f64::INFINITY, f64::min)
}

/// A start from the two optima nearest in value, along the line through them.
fn extrapolate(seen: &[Held], value: f64) -> Vec<f64> {
    let mut near: Vec<&Held> = seen.iter().collect();
    near.sort_by(|a, b| (a.value - value).abs().total_cmp(&(b.value - value).abs()));
    let a = near[0];
    let Some(b) = near.get(1).filter(|b| b.value != a.value) else { return a.x.clone() };
    let t = ((value - a.value) / (a.value - b.value)).clamp(-3.0, 3.0);
    a.x.iter().zip(&b.x).map(|(a, b)| a + t * (a - b)).collect()
}
