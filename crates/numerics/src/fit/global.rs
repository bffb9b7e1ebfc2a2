//! The search for the optimum: descent, escape from saddles and boundaries, a second look.

use std::sync::{Arc, OnceLock};

use crate::covariance::parameters::working_lambda;
use crate::error::NumericsError;
use crate::fit::model::{Convergence, Fit};
use crate::linalg::small;
use crate::products::crossproducts::CrossProducts;
use crate::search::boundary::{leave_boundary, null_directions, SINGULAR_TOLERANCE};
use crate::search::objective::Search;
use crate::search::optimise::{bfgs, newton, polish, scaled_eigen, units, Objective, Point};
use crate::search::starts::{collinear_blocks, leaning, starting_values};

/// First steps made with average information: it is positive where the exact Hessian need not be.
const EARLY: usize = 3;
/// Decrease of the criterion that is still worth a step before the last ones.
const TOLERANCE: f64 = 1e-9;

/// Evaluations that a fit may make, its last look at the point found apart: several times what hard
/// problems need.
fn most_evaluations(search: &Search) -> usize {
    let m = search.cp.n_theta();
    if search.dear() {
        400 + 40 * m
    } else {
        1000 + 50 * m
    }
}

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
        search.limit = most_evaluations(&search);
        let lam = match start {
            Some(raw) => working_lambda(&cp, raw)?,
            None => starting_values(&cp),
        };
        // A given start is near the optimum: the exact Hessian serves from the first step.
        let early = if start.is_none() { EARLY } else { 0 };
        let mut best = descend(&mut search, &lam, early)?;
        if start.is_none() {
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
        // Where evaluations are dear, the last steps with a Hessian are the better bargain.
        None => {
            let tolerance = if search.dear() { 10.0 * TOLERANCE } else { TOLERANCE };
            (bfgs(search, from, tolerance, early), true)
        }
    }
}

/// Steps relative to the point below which the last ones end: rounding where they are cheap.
fn smallest_step(search: &Search) -> f64 {
    if search.dear() {
        1e-9
    } else {
        0.0
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
        for _ in 0..40 {
            if search.spent() {
                break;
            }
            // Valleys bend where Σ is nearly singular: a new frame every few steps straightens them.
            let narrow = search.nearly_singular(&point.x);
            if narrow {
                point = search.reframe(&point).ok_or(FAILED)?;
            } else if done {
                break;
            }
            let before = point.f;
            (point, done) = minimise(search, point, 0, if narrow { 6 } else { 60 });
            if done || before - point.f < TOLERANCE * (1.0 + before.abs()) {
                break;
            }
        }
        if search.spent() {
            break;
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
                let smallest = smallest_step(search);
                point = polish(search, point, &h, 4, smallest);
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
    let unit = units(&at.x);
    let (values, vectors) = scaled_eigen(h, &unit);
    let top = values.iter().fold(0.0f64, |s, v| s.max(v.abs()));
    if values.first().is_none_or(|v| *v >= -1e-5 * top) {
        return None;
    }
    let mut best: Option<Point> = None;
    for t in [0.5, 0.1, 0.02, -0.5, -0.1, -0.02] {
        let x: Vec<f64> = (0..m).map(|i| at.x[i] + t * unit[i] * vectors[i * m]).collect();
        if let Some((f, g)) = search.evaluate(&x) {
            if f < at.f - search.rounding(f).max(1e-9) && best.as_ref().is_none_or(|b| f < b.f) {
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
    let mut starts = far_below(search, &best);
    if singular || few {
        starts.extend([0.3, 3.0, 100.0].map(|size| leaning(cp, 0.0, size)));
        if cp.n_theta() <= 12 && cp.factors.iter().any(|f| f.blocks.iter().any(|b| *b > 1)) {
            starts.extend([(1.0, 1.0), (-1.0, 1.0), (1.0, 30.0), (-1.0, 30.0)].map(|(l, s)| leaning(cp, l, s)));
        }
    }
    if let Some(joint) = collinear_blocks(cp) {
        starts.extend([1.0, 10.0].map(|size| scaled(&joint, size)));
    }
    let mut best = best;
    for lam in starts {
        if search.spent() {
            break;
        }
        if let Ok(found) = descend(search, &lam, EARLY) {
            if found.f < best.f - search.rounding(best.f).max(1e-8) {
                best = found;
            }
        }
    }
    best
}

/// Points far out along one factor's Λ where the criterion is lower than at the minimum found: where
/// the residual is tiny beside the random effects, another minimum may lie there.
fn far_below(search: &mut Search, best: &Found) -> Vec<Vec<Vec<f64>>> {
    let mut out = Vec::new();
    for i in 0..best.lam.len() {
        let size = best.lam[i].iter().fold(0.0f64, |s, v| s.max(v.abs()));
        for far in [30.0, 1000.0] {
            let mut lam = best.lam.clone();
            if size > 0.03 {
                lam[i].iter_mut().for_each(|v| *v *= far);
            } else {
                lam[i] = small::identity(search.cp.factors[i].k).iter().map(|v| v * far).collect();
            }
            if search.value_at(&lam).is_some_and(|f| f < best.f - 1e-6) {
                out.push(lam);
            }
        }
    }
    out
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
                at = polish(search, at, &h, 6, 0.0);
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
    Ok((polish(search, point, &h, 1, 0.0), h))
}

/// A block with the directions taken off whose standard deviation is zero but for rounding.
fn snap(block: &[f64], size: usize) -> Vec<f64> {
    let (values, vectors) = small::symmetric_eigen(&small::gram(block, size), size);
    let tiny = |v: f64| v.max(0.0).sqrt() < 0.1 * SINGULAR_TOLERANCE;
    if !values.iter().any(|v| tiny(*v) && *v != 0.0) {
        return block.to_vec();
    }
    let mut root = vec![0.0; size * size];
    for (j, v) in values.iter().enumerate().filter(|(_, v)| !tiny(**v)) {
        (0..size).for_each(|i| root[i * size + j] = v.sqrt() * vectors[i * size + j]);
    }
    small::lower_factor_of_gram(&root, size, size)
}

fn finish(mut search: Search, point: &Point, h: Vec<f64>, cp: Arc<CrossProducts>) -> Result<Fit, NumericsError> {
    let lam = search.lambda(&point.x);
    search.visit(&point.x).ok_or(NumericsError::NotPositive(0))?;
    let (values, _) = scaled_eigen(&h, &units(&point.x));
    let norm = point.g.iter().map(|v| v * v).sum::<f64>().sqrt() / search.state.magnitude(&cp);
    let convergence = Convergence {
        gradient_norm: norm,
        eigenvalues: (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0)),
        evaluations: search.evaluations,
    };
    let null_directions = null_directions(&cp, &lam);
    let Search { state, .. } = search;
    Ok(Fit { cp, state, convergence, hessian: h, null_directions, unscaled: OnceLock::new() })
}
