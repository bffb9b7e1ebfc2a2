//! Profile likelihood (ML) of standard deviations, correlations, σ and fixed effects, by warm-started
//! constrained searches (`constrained.rs`); everything from the cross-products.

use std::sync::Arc;

use crate::covariance::Raw;
use crate::error::NumericsError;
use crate::fit::Fit;
use crate::inference::constrained::{Constrained, Parameter};
use crate::interrupt::Stop;
use crate::linalg::small;
use crate::products::CrossProducts;
use crate::search::Objective;

/// A constrained optimum.
#[derive(Debug, Clone)]
pub struct ConstrainedOptimum {
    /// Value of the parameter.
    pub value: f64,
    /// Signed root of the difference in deviance.
    pub zeta: f64,
    /// σ there.
    pub sigma: f64,
    /// β there, raw scale.
    pub beta: Vec<f64>,
    /// Λ there, lower triangular.
    pub lambdas: Raw,
    /// Where the search ended, to start the next.
    x: Vec<f64>,
}

/// One side of a profile, going out from the estimate.
#[derive(Debug, Clone)]
pub struct Side {
    /// The optima at the ζ asked for, as far as the parameter's range goes.
    pub points: Vec<ConstrainedOptimum>,
    /// The optimum at the end of the range, where that was reached before the last ζ.
    pub bound: Option<ConstrainedOptimum>,
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
        let mut reflect = small::identity(p);
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
        out.zx = small::product(&cp.zx, &m, (cp.q(), c, p));
        let half = small::product(&cp.xx, &m, (c, c, p));
        out.xx = vec![0.0; p * p];
        small::gemm_tn(&mut out.xx, &m, &half, (p, c, p), 1.0);
        out.basis.x = small::identity(p - 1);
        out
    }

    /// Raw fixed effects from those of the smaller model.
    fn beta(&self, cp: &CrossProducts, value: f64, rest: &[f64]) -> Vec<f64> {
        let mut gamma = vec![self.first(cp, value)];
        gamma.extend_from_slice(rest);
        cp.basis.raw_beta(&small::product(&self.reflect, &gamma, (cp.p, cp.p, 1)))
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
    /// The profiler of a parameter of a fit by maximum likelihood.
    pub fn new(fit: &Fit, parameter: Parameter) -> Result<Self, NumericsError> {
        if fit.state.reml {
            return Err(NumericsError::Mismatch("the criterion: profiles are of ML fits"));
        }
        let mut search = Constrained::new(fit, parameter)?;
        let by_caller = fit.raw_lambda();
        let sigma = fit.sigma();
        let start = search.vector(&by_caller, sigma);
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
                let size = dot(row(a), row(a)).sqrt() * dot(row(b), row(b)).sqrt();
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

    fn hold(&mut self, value: f64, start: &[f64]) -> Result<ConstrainedOptimum, NumericsError> {
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
        let zeta = (value - self.estimate).signum() * (point.f - self.best).max(0.0).sqrt();
        Ok(ConstrainedOptimum { value, zeta, sigma, beta, lambdas: raw.lower(), x: point.x })
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
        let at = ConstrainedOptimum {
            value: self.estimate,
            zeta: 0.0,
            sigma: f64::NAN,
            beta: Vec::new(),
            lambdas: Raw::default(),
            x: self.start.clone(),
        };
        let mut seen: Vec<ConstrainedOptimum> = vec![at];
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
        seen: &mut Vec<ConstrainedOptimum>,
    ) -> Result<Reached, NumericsError> {
        let allowed = self.search.allow_more();
        for round in 1..=90 {
            if self.search.spent() {
                return Err(NumericsError::Unfinished(allowed));
            }
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
                    // Away from the ends, so that both sides of the bracket shrink; halved now and then,
                    // as a secant creeps where ζ bends.
                    let share = if round % 4 == 0 { 0.5 } else { share.clamp(0.02, 0.98) };
                    a.value + share * (b.value - a.value)
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
            let narrow = above_width(seen, &found, target) < 1e-12 * (self.unit + found.value.abs());
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
    let stop = Stop::current();
    let (low, high) = rayon::join(|| stop.within(|| side(false, lower)), || stop.within(|| side(true, upper)));
    Ok((low?, high?))
}

enum Reached {
    Point(ConstrainedOptimum),
    Bound(ConstrainedOptimum),
}

fn far(a: &ConstrainedOptimum, direction: f64, b: &ConstrainedOptimum) -> std::cmp::Ordering {
    (a.value * direction).total_cmp(&(b.value * direction))
}

/// Width of the bracket that a new optimum leaves.
fn above_width(seen: &[ConstrainedOptimum], new: &ConstrainedOptimum, target: f64) -> f64 {
    let other = seen.iter().filter(|h| (h.zeta.abs() >= target) != (new.zeta.abs() >= target));
    other.map(|h| (h.value - new.value).abs()).fold(f64::INFINITY, f64::min)
}

/// A start from the two optima nearest in value, along the line through them.
fn extrapolate(seen: &[ConstrainedOptimum], value: f64) -> Vec<f64> {
    let mut near: Vec<&ConstrainedOptimum> = seen.iter().collect();
    near.sort_by(|a, b| (a.value - value).abs().total_cmp(&(b.value - value).abs()));
    let a = near[0];
    let Some(b) = near.get(1).filter(|b| b.value != a.value) else { return a.x.clone() };
    let t = ((value - a.value) / (a.value - b.value)).clamp(-3.0, 3.0);
    a.x.iter().zip(&b.x).map(|(a, b)| a + t * (a - b)).collect()
}
