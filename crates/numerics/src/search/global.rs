//! The search for the optimum: descent, escape from saddles and boundaries, a second look.

use crate::covariance::{null_directions, start, Factor, Working, SINGULAR_TOLERANCE};
use crate::criterion::Criterion;
use crate::error::NumericsError;
use crate::linalg::small;
use crate::search::boundary::leave_boundary;
use crate::search::objective::Search;
use crate::search::optimise::{bfgs, newton, polish, scaled_eigen, units, Objective, Point};

/// First steps made with average information: it is positive where the exact Hessian need not be.
const EARLY: usize = 3;
/// Standard deviations below this are zero but for rounding.
const NOISE: f64 = 0.1 * SINGULAR_TOLERANCE;
/// Decrease of the criterion that is still worth a step before the last ones.
const TOLERANCE: f64 = 1e-9;

/// Evaluations that a fit may make, its last look at the point found apart: several times what hard
/// problems need.
fn most_evaluations(criterion: &impl Criterion) -> usize {
    let m = criterion.parameters();
    if criterion.is_expensive() {
        400 + 40 * m
    } else {
        1000 + 50 * m
    }
}

/// A minimum found: Λ of each factor, the criterion, and the Hessian there if the frame was straight.
struct Found {
    lam: Working,
    f: f64,
    straight: Option<(Vec<f64>, Vec<f64>)>,
}

/// Where a search ended; the criterion's state is there.
pub(crate) struct Minimum<C> {
    pub(crate) criterion: C,
    /// Λ of each factor, lower-triangular.
    pub(crate) lam: Working,
    /// Norm of the gradient.
    pub(crate) gradient_norm: f64,
    /// Hessian in the parameters.
    pub(crate) hessian: Vec<f64>,
    /// Its smallest eigenvalue and the largest, in parameters of unit size.
    pub(crate) eigenvalues: (f64, f64),
    /// Evaluations made.
    pub(crate) evaluations: usize,
}

/// Minimise a criterion, from a Λ near the minimum if there is one.
pub(crate) fn minimum<C: Criterion>(criterion: C, near: Option<&Working>) -> Result<Minimum<C>, NumericsError> {
    let limit = most_evaluations(&criterion);
    let mut search = Search::new(criterion, limit);
    let best = match near {
        // The exact Hessian serves from the first step.
        Some(lam) => descend(&mut search, lam, 0)?,
        None => {
            let lam = search.criterion.start();
            let first = descend(&mut search, &lam, EARLY)?;
            second_look(&mut search, first)
        }
    };
    let (point, hessian) = settle(&mut search, best)?;
    let lam = search.lambda(&point.x);
    search.visit(&point.x).ok_or(NumericsError::NotPositive(0))?;
    let (values, _) = scaled_eigen(&hessian, &units(&point.x));
    let eigenvalues = (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0));
    let gradient_norm = point.g.iter().map(|v| v * v).sum::<f64>().sqrt();
    let Search { criterion, evaluations, .. } = search;
    Ok(Minimum { criterion, lam, gradient_norm, hessian, eigenvalues, evaluations })
}

/// Newton or BFGS, whichever the model's size asks for.
fn minimise<C: Criterion>(search: &mut Search<C>, from: Point, early: usize, steps: usize) -> (Point, bool) {
    match newton(search, &from, TOLERANCE, early, steps) {
        Some(end) => end,
        // Where evaluations are expensive, the last steps with a Hessian are the better bargain.
        None => {
            let tolerance = if search.criterion.is_expensive() { 10.0 * TOLERANCE } else { TOLERANCE };
            (bfgs(search, from, tolerance, early), true)
        }
    }
}

/// Steps relative to the point below which the last ones end: rounding where they are cheap.
fn smallest_step<C: Criterion>(search: &Search<C>) -> f64 {
    if search.criterion.is_expensive() {
        1e-9
    } else {
        0.0
    }
}

/// Down, then out of any saddle.
fn descend<C: Criterion>(search: &mut Search<C>, lam: &Working, early: usize) -> Result<Found, NumericsError> {
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
                // Where evaluations are expensive, a Hessian from a step of rounding's size away will do.
                if search.is_straight()
                    && search.criterion.is_expensive()
                    && (before - point.f).abs() < 1e-8 * (1.0 + before.abs())
                {
                    straight = Some((point.x.clone(), h));
                }
                break;
            }
        }
    }
    Ok(Found { lam: search.lambda(&point.x), f: point.f, straight })
}

/// A lower point along the Hessian's direction of negative curvature, if it has one.
fn downhill_curvature<C: Criterion>(search: &mut Search<C>, at: &Point, h: &[f64]) -> Option<Point> {
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
fn second_look<C: Criterion>(search: &mut Search<C>, best: Found) -> Found {
    let factors = search.criterion.factors();
    let singular = null_directions(factors, &best.lam).iter().any(|d| !d.is_empty());
    let few = factors.iter().any(|f| f.levels < 4 * f.k + 4);
    if search.criterion.is_expensive() || search.criterion.parameters() > 30 {
        return best;
    }
    let scaled =
        |lam: &Working, size: f64| -> Working { lam.iter().map(|l| l.iter().map(|v| v * size).collect()).collect() };
    let mut starts = far_below(search, &best);
    let factors = search.criterion.factors();
    if singular || few {
        starts.extend([0.3, 3.0, 100.0].map(|size| start(factors, size, 0.0)));
        if search.criterion.parameters() <= 12 && factors.iter().any(|f| f.correlations() > 0) {
            // Correlations of either sign.
            starts.extend([(1.0, 1.0), (-1.0, 1.0), (1.0, 30.0), (-1.0, 30.0)].map(|(l, s)| start(factors, s, l)));
        }
    }
    if let Some(joint) = search.criterion.other_start() {
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
fn far_below<C: Criterion>(search: &mut Search<C>, best: &Found) -> Vec<Working> {
    let mut out = Vec::new();
    for i in 0..best.lam.len() {
        let size = best.lam[i].iter().fold(0.0f64, |s, v| s.max(v.abs()));
        for far in [30.0, 1000.0] {
            let mut lam = best.lam.clone();
            if size > 0.03 {
                lam[i].iter_mut().for_each(|v| *v *= far);
            } else {
                lam[i] = small::identity(search.criterion.factors()[i].k).iter().map(|v| v * far).collect();
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
fn settle<C: Criterion>(search: &mut Search<C>, best: Found) -> Result<(Point, Vec<f64>), NumericsError> {
    const FAILED: NumericsError = NumericsError::NotPositive(0);
    search.straighten();
    let mut lam = best.lam.clone();
    let snap = |(f, l): (&Factor, &Vec<f64>)| f.blockwise(l, |block, s| s.without_noise(block, NOISE));
    let snapped: Working = search.criterion.factors().iter().zip(&lam).map(snap).collect();
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
