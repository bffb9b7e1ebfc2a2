//! The search for the optimum: descent, escape from saddles and boundaries, a second look.

use std::sync::Arc;

use crate::boundary::{leave_boundary, null_directions};
use crate::crossproducts::CrossProducts;
use crate::dense;
use crate::error::NumericsError;
use crate::fit::{Convergence, Fit, SINGULAR_TOLERANCE};
use crate::objective::Search;
use crate::optimise::{bfgs, newton, polish, Objective, Point};
use crate::parameters::working_lambda;
use crate::starts::{collinear_blocks, starting_values};

/// First steps made with average information: it is positive where the exact Hessian need not be.
const EARLY: usize = 3;
/// Decrease of the criterion that is still worth a step before the last ones.
const TOLERANCE: f64 = 1e-9;

/// A minimum found: Λ of each factor, the criterion, and the Hessian there if the frame was straight.
struct Found {
    lam: Vec<Vec<f64>>,
    f: f64,
    straight: Option<(Vec<f64>, Vec<f64>)>,
}

impl Fit {
    /// Maximise the (restricted) likelihood. `start`: raw Λ of each factor in the caller's order.
    pub fn optimise(cp: Arc<CrossProducts>, reml: bool, start: Option<&[Vec<f64>]>) -> Result<Self, NumericsError> {
        let mut search = Search::new(&cp, reml)?;
        let lam = match start {
            Some(raw) => working_lambda(&cp, raw)?,
            None => starting_values(&cp),
        };
        // A given start is near the optimum: the exact Hessian serves from the first step.
        let early = if start.is_none() { EARLY } else { 0 };
        let mut best = descend(&mut search, &lam, early)?;
        if start.is_none() && cp.n_theta() > 1 {
            best = second_look(&mut search, best);
        }
        let (point, h) = settle(&mut search, best)?;
        finish(search, &point, h, cp.clone())
    }
}

/// Newton or BFGS, whichever the model's size asks for.
fn minimise(search: &mut Search, from: Point, early: usize, steps: usize) -> (Point, bool) {
    match newton(search, &from, TOLERANCE, early, steps) {
        Some(end) => end,
        None => (bfgs(search, from, TOLERANCE, early), true),
    }
}

/// Down, then out of any saddle.
fn descend(search: &mut Search, lam: &[Vec<f64>], early: usize) -> Result<Found, NumericsError> {
    const FAILED: NumericsError = NumericsError::NotPositive(0);
    search.straighten();
    let x = search.coordinates(lam);
    let start = search.at(x).ok_or(FAILED)?;
    let (mut point, mut done) = minimise(search, start, early, 12);
    let mut straight = None;
    for _ in 0..8 {
        if search.nearly_singular(&point.x) {
            point = search.reframe(&point).ok_or(FAILED)?;
            done = false;
        }
        if !done {
            (point, _) = minimise(search, point, 0, 60);
        }
        if let Some(next) = leave_boundary(search, &point) {
            (point, done) = (next, false);
            continue;
        }
        let h = search.hessian(&point).ok_or(FAILED)?;
        match downhill_curvature(search, &point, &h) {
            Some(next) => (point, done) = (next, false),
            None => {
                let before = point.f;
                point = polish(search, point, &h, 4);
                // Where evaluations are dear, a Hessian from a step of rounding's size away will do.
                if search.is_straight() && search.dear() && (before - point.f).abs() < 1e-8 * (1.0 + before.abs()) {
                    straight = Some((point.x.clone(), h));
                }
                break;
            }
        }
    }
    Ok(Found { lam: search.lambda(&point.x), f: point.f, straight })
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
fn second_look(search: &mut Search, best: Found) -> Found {
    let cp = search.cp;
    let singular = null_directions(cp, &best.lam).iter().any(|d| !d.is_empty());
    let few = cp.factors.iter().any(|f| f.levels < 4 * f.k + 4);
    if search.dear() || cp.n_theta() > 30 {
        return best;
    }
    let scaled = |lam: &[Vec<f64>], size: f64| -> Vec<Vec<f64>> {
        lam.iter().map(|l| l.iter().map(|v| v * size).collect()).collect()
    };
    let mut starts: Vec<Vec<Vec<f64>>> = Vec::new();
    if singular || few {
        let unit: Vec<Vec<f64>> = cp.factors.iter().map(|f| dense::identity(f.k)).collect();
        starts.extend([0.3, 3.0, 100.0].map(|size| scaled(&unit, size)));
    }
    if let Some(joint) = collinear_blocks(cp) {
        starts.extend([1.0, 10.0].map(|size| scaled(&joint, size)));
    }
    let mut best = best;
    for lam in starts {
        if let Ok(found) = descend(search, &lam, EARLY) {
            if found.f < best.f - 1e-8 {
                best = found;
            }
        }
    }
    best
}

/// The minimum in lme4's form: triangular, no negative diagonal, standard deviations that are zero
/// but for rounding made zero; with its Hessian.
fn settle(search: &mut Search, best: Found) -> Result<(Point, Vec<f64>), NumericsError> {
    const FAILED: NumericsError = NumericsError::NotPositive(0);
    search.straighten();
    let mut lam = best.lam.clone();
    let snapped: Vec<Vec<f64>> = search.cp.factors.iter().zip(&lam).map(|(f, l)| f.blockwise(l, snap)).collect();
    if snapped != lam {
        let x = search.coordinates(&snapped);
        let at = search.at(x).ok_or(FAILED)?;
        if at.f <= best.f + 1e-7 * (1.0 + best.f.abs()) {
            // What was taken off moves the rest a little: a few steps in the frame of what is left.
            let mut at = search.reframe(&at).ok_or(FAILED)?;
            if let Some(h) = search.hessian(&at) {
                at = polish(search, at, &h, 6);
            }
            lam = search.lambda(&at.x);
            search.straighten();
        }
    }
    let x = search.coordinates(&lam);
    let point = search.at(x).ok_or(FAILED)?;
    if let Some((_, h)) = best.straight.filter(|(x, _)| *x == point.x) {
        return Ok((point, h));
    }
    let h = search.hessian(&point).ok_or(FAILED)?;
    // One more step where the change of form cost a digit.
    Ok((polish(search, point, &h, 1), h))
}

/// A block with the directions taken off whose standard deviation is zero but for rounding.
fn snap(block: &[f64], size: usize) -> Vec<f64> {
    let (values, vectors) = dense::symmetric_eigen(&dense::gram(block, size), size);
    let tiny = |v: f64| v.max(0.0).sqrt() < 0.1 * SINGULAR_TOLERANCE;
    if !values.iter().any(|v| tiny(*v) && *v != 0.0) {
        return block.to_vec();
    }
    let mut root = vec![0.0; size * size];
    for (j, v) in values.iter().enumerate().filter(|(_, v)| !tiny(**v)) {
        (0..size).for_each(|i| root[i * size + j] = v.sqrt() * vectors[i * size + j]);
    }
    dense::lower_factor_of_gram(&root, size, size)
}

fn finish(mut search: Search, point: &Point, h: Vec<f64>, cp: Arc<CrossProducts>) -> Result<Fit, NumericsError> {
    let lam = search.lambda(&point.x);
    search.visit(&point.x).ok_or(NumericsError::NotPositive(0))?;
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
