//! Minimising the criterion: Newton's method where the exact Hessian is cheap, else BFGS from an
//! average-information start and a Hessian from differences of the exact gradient; last steps go
//! on until the gradient is rounding noise.

use crate::linalg::small;

/// Value and gradient at a point; `None` where it cannot be evaluated.
pub trait Objective {
    /// Evaluate.
    fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)>;
    /// An approximate Hessian, positive where the exact one need not be.
    fn approximate_hessian(&mut self, at: &Point) -> Option<Vec<f64>>;
    /// The exact Hessian, where it is cheap.
    fn exact_hessian(&mut self, at: &Point) -> Option<Vec<f64>>;
    /// How far rounding alone may move the value at the point evaluated last, `f` there.
    fn rounding(&self, f: f64) -> f64;
    /// Whether the search has made all the evaluations that it may.
    fn spent(&self) -> bool;
}

/// Where a search ended.
#[derive(Debug, Clone)]
pub struct Point {
    /// Parameters.
    pub x: Vec<f64>,
    /// Criterion.
    pub f: f64,
    /// Exact gradient.
    pub g: Vec<f64>,
}

/// Inverse of a symmetric matrix with its eigenvalues made positive and at least `floor · max|λ|`,
/// in parameters of the sizes given.
#[must_use]
pub fn positive_inverse(h: &[f64], size: &[f64], floor: f64) -> Vec<f64> {
    let m = size.len();
    let (values, vectors) = scaled_eigen(h, size);
    let top = values.iter().fold(0.0f64, |s, v| s.max(v.abs())).max(1e-300);
    let mut out = vec![0.0; m * m];
    for (k, v) in values.iter().enumerate() {
        let d = 1.0 / v.abs().max(floor * top);
        for i in 0..m {
            let f = d * vectors[i * m + k] * size[i];
            for j in 0..m {
                out[i * m + j] += f * vectors[j * m + k] * size[j];
            }
        }
    }
    out
}

/// Eigenvalues and -vectors of a Hessian in parameters of the sizes given.
pub fn scaled_eigen(h: &[f64], size: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let m = size.len();
    let scaled: Vec<f64> = (0..m * m).map(|e| h[e] * size[e / m] * size[e % m]).collect();
    small::symmetric_eigen(&scaled, m)
}

/// What counts as one unit of each parameter: its own size where that is above one, the order of
/// everything in a whitened basis. Where the residual is tiny beside the rest, Λ is large.
pub fn units(x: &[f64]) -> Vec<f64> {
    x.iter().map(|v| v.abs().max(1.0)).collect()
}

/// A multiple of the identity, in those units, that makes a steepest-descent step of that length.
fn descent_inverse(at: &Point, length: f64) -> Vec<f64> {
    let (m, unit) = (at.x.len(), units(&at.x));
    let steep = at.g.iter().zip(&unit).map(|(g, u)| (g * u).powi(2)).sum::<f64>().sqrt();
    let mut out = vec![0.0; m * m];
    (0..m).for_each(|i| out[i * m + i] = length * unit[i] * unit[i] / steep.max(1e-8));
    out
}

/// A step along `d` that decreases the criterion enough (Armijo) and, where cheap, gains from
/// going further (weak curvature condition). Steps whose gain would drown in the criterion's rounding
/// are not tried: some such step would always seem to gain, and a search would never end.
fn line_search(objective: &mut dyn Objective, at: &Point, d: &[f64]) -> Option<Point> {
    let slope = small::dot(&at.g, d);
    let step = |t: f64| -> Vec<f64> { at.x.iter().zip(d).map(|(x, d)| x + t * d).collect() };
    let mut t = 1.0;
    let mut best: Option<Point> = None;
    let least = objective.rounding(at.f);
    for _ in 0..30 {
        if best.is_none() && -t * slope < least {
            return None;
        }
        let x = step(t);
        let trial = objective.evaluate(&x).filter(|(f, _)| f.is_finite());
        match trial {
            Some((f, g)) if f <= at.f + 1e-4 * t * slope => {
                let new = small::dot(&g, d);
                let better = best.as_ref().is_none_or(|b| f < b.f);
                if better {
                    best = Some(Point { x, f, g });
                }
                if !better || new > 0.5 * slope || t > 50.0 {
                    return best;
                }
                // Still steeply downhill: go on by the secant, at most five times as far.
                let grow = if new > slope { slope / (slope - new) } else { 5.0 };
                t *= grow.clamp(1.5, 5.0);
            }
            _ if best.is_some() => return best,
            Some((f, _)) => {
                let shrink = -0.5 * t * slope / (f - at.f - t * slope);
                t *= if shrink.is_finite() { shrink.clamp(0.1, 0.5) } else { 0.3 };
            }
            None => t *= 0.25,
        }
    }
    best
}

/// A step along `d` that leaves less of the slope: what tells where the criterion's rounding is larger
/// than what there is to gain.
fn flatter(objective: &mut dyn Objective, at: &Point, d: &[f64]) -> Option<Point> {
    let slope = small::dot(&at.g, d).abs();
    for t in [1.0, 0.3, 0.1] {
        let x: Vec<f64> = at.x.iter().zip(d).map(|(x, d)| x + t * d).collect();
        let Some((f, g)) = objective.evaluate(&x) else { continue };
        if small::dot(&g, d).abs() < (1.0 - 0.5 * t) * slope && f <= at.f + 2.0 * objective.rounding(f) {
            return Some(Point { x, f, g });
        }
    }
    None
}

/// No step longer than twice the point, which is of order one in a whitened basis.
fn shorten(d: &mut [f64], x: &[f64]) {
    let size = x.iter().fold(1.0f64, |s, v| s.max(v.abs()));
    let longest = d.iter().fold(0.0f64, |s, v| s.max(v.abs()));
    if longest > 2.0 * size {
        d.iter_mut().for_each(|v| *v *= 2.0 * size / longest);
    }
}

/// Newton's method on the exact Hessian with the signs of negative eigenvalues turned, so that it
/// leaves saddles; the first `early` of the `steps` are made with the approximate Hessian. `None` where there is no
/// exact Hessian. Also whether the predicted decrease has become smaller than `tolerance`.
pub fn newton(
    objective: &mut dyn Objective,
    start: &Point,
    tolerance: f64,
    early: usize,
    steps: usize,
) -> Option<(Point, bool)> {
    let m = start.x.len();
    let mut at = start.clone();
    for iteration in 0..steps {
        if objective.spent() {
            return Some((at, true));
        }
        let approximate = if iteration < early { objective.approximate_hessian(&at) } else { None };
        let exact = approximate.is_none();
        let h = match approximate {
            Some(h) => h,
            None => objective.exact_hessian(&at)?,
        };
        if h.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let inverse = positive_inverse(&h, &units(&at.x), 1e-8);
        let mut d: Vec<f64> = (0..m).map(|i| -small::dot(&inverse[i * m..(i + 1) * m], &at.g)).collect();
        let decrease = -small::dot(&at.g, &d);
        if decrease.is_nan() || (decrease <= tolerance && exact) {
            return Some((at, true));
        }
        shorten(&mut d, &at.x);
        let next = if decrease > objective.rounding(at.f) {
            line_search(objective, &at, &d)
        } else {
            flatter(objective, &at, &d)
        };
        match next {
            Some(next) => at = next,
            None if exact => return Some((at, true)),
            None => {}
        }
    }
    Some((at, false))
}

/// BFGS until the predicted decrease is below `tolerance`, or below the criterion's rounding, where no
/// line search could tell a decrease. The approximate Hessian is asked for at each of the first points,
/// then secant updates take over.
pub fn bfgs(objective: &mut dyn Objective, start: Point, tolerance: f64, refresh: usize) -> Point {
    let m = start.x.len();
    let mut at = start;
    let mut inverse = vec![0.0; m * m];
    let fresh = |objective: &mut dyn Objective, inverse: &mut Vec<f64>, at: &Point| {
        *inverse = match objective.approximate_hessian(at).filter(|h| h.iter().all(|v| v.is_finite())) {
            Some(h) => positive_inverse(&h, &units(&at.x), 1e-6),
            None => descent_inverse(at, 1.0),
        };
    };
    fresh(objective, &mut inverse, &at);
    let mut stalled = false;
    for iteration in 1..=(60 + 20 * m) {
        let mut d: Vec<f64> = (0..m).map(|i| -small::dot(&inverse[i * m..(i + 1) * m], &at.g)).collect();
        let decrease = -small::dot(&at.g, &d);
        if decrease.is_nan() || decrease <= tolerance.max(objective.rounding(at.f)) || objective.spent() {
            break;
        }
        shorten(&mut d, &at.x);
        let Some(next) = line_search(objective, &at, &d) else {
            if stalled {
                break;
            }
            stalled = true;
            inverse = descent_inverse(&at, 0.1);
            continue;
        };
        stalled = false;
        let s: Vec<f64> = next.x.iter().zip(&at.x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = next.g.iter().zip(&at.g).map(|(a, b)| a - b).collect();
        at = next;
        if iteration <= refresh {
            fresh(objective, &mut inverse, &at);
        } else {
            update(&mut inverse, &s, &y);
        }
    }
    at
}

fn update(inverse: &mut [f64], s: &[f64], y: &[f64]) {
    let m = s.len();
    let sy = small::dot(s, y);
    if sy <= 1e-10 * (small::dot(s, s) * small::dot(y, y)).sqrt() {
        return;
    }
    let hy: Vec<f64> = (0..m).map(|i| small::dot(&inverse[i * m..(i + 1) * m], y)).collect();
    let factor = (1.0 + small::dot(y, &hy) / sy) / sy;
    for i in 0..m {
        for j in 0..m {
            inverse[i * m + j] += factor * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / sy;
        }
    }
}

/// Hessian by differences of the exact gradient: central, or forward where evaluations are expensive.
pub fn hessian(objective: &mut dyn Objective, at: &Point, forward: bool) -> Option<Vec<f64>> {
    let m = at.x.len();
    let mut h = vec![0.0; m * m];
    for r in 0..m {
        let step = if forward { 1e-5 } else { 2e-4 } * at.x[r].abs().max(0.1);
        let mut gradient = |d: f64| {
            let mut x = at.x.clone();
            x[r] += d;
            objective.evaluate(&x).map(|(_, g)| g)
        };
        let up = gradient(step)?;
        let down = if forward { at.g.clone() } else { gradient(-step)? };
        let width = if forward { step } else { 2.0 * step };
        for s in 0..m {
            h[r * m + s] = (up[s] - down[s]) / width;
        }
    }
    for r in 0..m {
        for s in 0..r {
            let mean = 0.5 * (h[r * m + s] + h[s * m + r]);
            h[r * m + s] = mean;
            h[s * m + r] = mean;
        }
    }
    Some(h)
}

/// Newton steps with a fixed Hessian's pseudo-inverse while they shrink the gradient and are longer
/// than `smallest`, relative to the point.
pub fn polish(objective: &mut dyn Objective, mut at: Point, h: &[f64], steps: usize, smallest: f64) -> Point {
    let m = at.x.len();
    let unit = units(&at.x);
    let (values, vectors) = scaled_eigen(h, &unit);
    let top = values.iter().fold(0.0f64, |s, v| s.max(v.abs()));
    for _ in 0..steps {
        let mut d = vec![0.0; m];
        for (k, v) in values.iter().enumerate().filter(|(_, v)| **v > 1e-9 * top) {
            let along: f64 = (0..m).map(|i| vectors[i * m + k] * at.g[i] * unit[i]).sum::<f64>() / v;
            (0..m).for_each(|i| d[i] -= along * vectors[i * m + k] * unit[i]);
        }
        let length = d.iter().fold(0.0f64, |s, v| s.max(v.abs()));
        let size = at.x.iter().fold(1e-3f64, |s, v| s.max(v.abs()));
        if length < smallest.max(2e-14) * size || length > 0.5 * size.max(1.0) {
            break;
        }
        let x: Vec<f64> = at.x.iter().zip(&d).map(|(a, b)| a + b).collect();
        let Some((f, g)) = objective.evaluate(&x) else { break };
        let (old, new) = (small::dot(&at.g, &at.g), small::dot(&g, &g));
        // A step that takes nearly all of the gradient leads to the minimum, whatever rounding makes of the value.
        let nearly_all = new < 1e-4 * old;
        let slack = if nearly_all { 1e-6 } else { 1e-9 } * (1.0 + at.f.abs());
        let slack = slack.max(2.0 * objective.rounding(f));
        if new.is_nan() || new >= old || f > at.f + slack {
            break;
        }
        at = Point { x, f, g };
    }
    at
}
