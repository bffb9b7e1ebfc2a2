//! Minimising the criterion: BFGS from an average-information start, then Newton steps with a
//! Hessian from differences of the exact gradient, until the gradient is rounding noise.

use crate::dense;

/// Value and gradient at a point; `None` where it cannot be evaluated.
pub trait Objective {
    /// Evaluate.
    fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)>;
    /// An approximate Hessian at the point evaluated last.
    fn approximate_hessian(&self) -> Option<Vec<f64>>;
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

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Inverse of a symmetric matrix with its eigenvalues pushed to at least `floor · max|λ|`.
#[must_use]
pub fn positive_inverse(h: &[f64], m: usize, floor: f64) -> Vec<f64> {
    let (values, vectors) = dense::symmetric_eigen(h, m);
    let top = values.iter().fold(0.0f64, |s, v| s.max(v.abs())).max(1e-300);
    let mut out = vec![0.0; m * m];
    for (k, v) in values.iter().enumerate() {
        let d = 1.0 / v.abs().max(floor * top);
        for i in 0..m {
            let f = d * vectors[i * m + k];
            for j in 0..m {
                out[i * m + j] += f * vectors[j * m + k];
            }
        }
    }
    out
}

/// A step along `d` that decreases the criterion enough (Armijo) and, where cheap, gains from
/// going further (weak curvature condition).
fn line_search(objective: &mut dyn Objective, at: &Point, d: &[f64]) -> Option<Point> {
    let slope = dot(&at.g, d);
    let step = |t: f64| -> Vec<f64> { at.x.iter().zip(d).map(|(x, d)| x + t * d).collect() };
    let mut t = 1.0;
    let mut best: Option<Point> = None;
    for _ in 0..30 {
        let x = step(t);
        let trial = objective.evaluate(&x).filter(|(f, _)| f.is_finite());
        match trial {
            Some((f, g)) if f <= at.f + 1e-4 * t * slope => {
                let new = dot(&g, d);
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

/// BFGS until the predicted decrease is below `tolerance`. The approximate Hessian is asked
/// for at each of the first points, then secant updates take over.
pub fn bfgs(objective: &mut dyn Objective, start: Point, tolerance: f64, refresh: usize) -> Point {
    let m = start.x.len();
    let mut at = start;
    let mut inverse = vec![0.0; m * m];
    let fresh = |objective: &dyn Objective, inverse: &mut Vec<f64>, at: &Point| {
        *inverse = match objective.approximate_hessian().filter(|h| h.iter().all(|v| v.is_finite())) {
            Some(h) => positive_inverse(&h, m, 1e-6),
            None => {
                let scale = 1.0 / dot(&at.g, &at.g).sqrt().max(1.0);
                dense::identity(m).iter().map(|v| v * scale).collect()
            }
        };
    };
    fresh(objective, &mut inverse, &at);
    let mut stalled = false;
    for iteration in 1..=(60 + 20 * m) {
        let mut d: Vec<f64> = (0..m).map(|i| -dot(&inverse[i * m..(i + 1) * m], &at.g)).collect();
        let decrease = -dot(&at.g, &d);
        if !(decrease > tolerance) {
            break;
        }
        let size = at.x.iter().fold(1.0f64, |s, v| s.max(v.abs()));
        let longest = d.iter().fold(0.0f64, |s, v| s.max(v.abs()));
        if longest > 2.0 * size {
            d.iter_mut().for_each(|v| *v *= 2.0 * size / longest);
        }
        let Some(next) = line_search(objective, &at, &d) else {
            if stalled {
                break;
            }
            stalled = true;
            let scale = 0.1 / dot(&at.g, &at.g).sqrt().max(1e-8);
            inverse = dense::identity(m).iter().map(|v| v * scale).collect();
            continue;
        };
        stalled = false;
        let s: Vec<f64> = next.x.iter().zip(&at.x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = next.g.iter().zip(&at.g).map(|(a, b)| a - b).collect();
        at = next;
        if iteration <= refresh {
            // The line search may have looked beyond the point that it chose.
            if objective.evaluate(&at.x).is_some() {
                fresh(objective, &mut inverse, &at);
            }
        } else {
            update(&mut inverse, &s, &y);
        }
    }
    at
}

fn update(inverse: &mut [f64], s: &[f64], y: &[f64]) {
    let m = s.len();
    let sy = dot(s, y);
    if sy <= 1e-10 * (dot(s, s) * dot(y, y)).sqrt() {
        return;
    }
    let hy: Vec<f64> = (0..m).map(|i| dot(&inverse[i * m..(i + 1) * m], y)).collect();
    let factor = (1.0 + dot(y, &hy) / sy) / sy;
    for i in 0..m {
        for j in 0..m {
            inverse[i * m + j] += factor * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / sy;
        }
    }
}

/// Hessian by differences of the exact gradient: central, or forward where evaluations are dear.
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

/// Newton steps with a fixed Hessian's pseudo-inverse while they shrink the gradient.
pub fn polish(objective: &mut dyn Objective, mut at: Point, h: &[f64], steps: usize) -> Point {
    let m = at.x.len();
    let (values, vectors) = dense::symmetric_eigen(h, m);
    let top = values.iter().fold(0.0f64, |s, v| s.max(v.abs()));
    for _ in 0..steps {
        let mut d = vec![0.0; m];
        for (k, v) in values.iter().enumerate().filter(|(_, v)| **v > 1e-9 * top) {
            let along: f64 = (0..m).map(|i| vectors[i * m + k] * at.g[i]).sum::<f64>() / v;
            (0..m).for_each(|i| d[i] -= along * vectors[i * m + k]);
        }
        let length = d.iter().fold(0.0f64, |s, v| s.max(v.abs()));
        let size = at.x.iter().fold(1e-3f64, |s, v| s.max(v.abs()));
        if length < 2e-14 * size || length > 0.5 * size.max(1.0) {
            break;
        }
        let x: Vec<f64> = at.x.iter().zip(&d).map(|(a, b)| a + b).collect();
        let Some((f, g)) = objective.evaluate(&x) else { break };
        let (old, new) = (dot(&at.g, &at.g), dot(&g, &g));
        if !(new < old) || f > at.f + 1e-9 * (1.0 + at.f.abs()) {
            break;
        }
        at = Point { x, f, g };
    }
    at
}
