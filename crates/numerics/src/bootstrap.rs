//! Parametric bootstrap: y enters only through Zᵀy, Xᵀy and yᵀy, so a replicate costs one pass over
//! the rows to draw it and one warm-started search (NUMERICS §4).
//!
//! Replicate r uses stream r of a counter-based generator: the same seed gives the same numbers
//! for any number of threads and however the replicates are split into calls.

use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::crossproducts::{Column, CrossProducts};
use crate::dense;
use crate::error::NumericsError;
use crate::fit::{Fit, SINGULAR_TOLERANCE};
use crate::optimise::{bfgs, Objective, Point};
use crate::parameters::{free_from, lambda_from};
use crate::profiled::Profiled;

/// Diagonal entries of a start that are nearer to zero than this would sit on a saddle.
const OFF_THE_SADDLE: f64 = 0.1;
/// Largest gradient norm, relative to the criterion, of a search that has converged.
const GRADIENT_TOLERANCE: f64 = 1e-4;

/// Random effects that responses are drawn with.
#[derive(Debug, Clone)]
pub struct RandomPart<'a> {
    /// Level of each row.
    pub codes: &'a [u32],
    /// Number of levels.
    pub levels: usize,
    /// The k columns.
    pub columns: Vec<Column<'a>>,
    /// Factor of their covariance, `k x k`: effects are this times standard normals.
    pub factor: Vec<f64>,
}

/// The distribution that responses are drawn from.
#[derive(Debug, Clone)]
pub struct Law<'a> {
    /// Fixed part of each row, offset left out.
    pub mean: &'a [f64],
    /// Residual standard deviation of each row.
    pub sd: Column<'a>,
    /// Random effects.
    pub random: Vec<RandomPart<'a>>,
}

/// A model that every response is fitted by.
#[derive(Debug, Clone)]
pub enum Model<'a> {
    /// A mixed model, warm-started at a fit of it.
    Mixed {
        /// The fit.
        fit: &'a Fit,
        /// Kept columns of the fixed part.
        x: Vec<Column<'a>>,
        /// Per factor (caller's order) columns and the level of each row.
        factors: Vec<(Vec<Column<'a>>, &'a [u32])>,
        /// Prior weights.
        weights: Option<&'a [f64]>,
    },
    /// Least squares: orthonormal columns that span the (weighted) fixed part.
    Linear {
        /// `n` values each.
        basis: Vec<&'a [f64]>,
        /// Prior weights.
        weights: Option<&'a [f64]>,
    },
}

impl Model<'_> {
    /// Numbers that a refit gives: criterion, σ, then β and Λ of each factor (caller's order, row-major,
    /// raw scale) of a mixed model.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Model::Mixed { fit, .. } => 2 + fit.cp.p + fit.cp.factors.iter().map(|f| f.k * f.k).sum::<usize>(),
            Model::Linear { .. } => 2,
        }
    }
}

/// What became of a replicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// Converged.
    Good = 0,
    /// The criterion could not be evaluated.
    NotEvaluated = 1,
    /// The search ended with a gradient that is not zero.
    NotConverged = 2,
}

/// The refits of one model: `replicates x width`, and what became of each.
#[derive(Debug, Clone)]
pub struct Refits {
    /// Row-major values; NaN where the criterion could not be evaluated.
    pub values: Vec<f64>,
    /// Outcomes.
    pub outcomes: Vec<Outcome>,
}

impl Law<'_> {
    /// Add random effects and residuals of a replicate to zeros: what is drawn beyond the mean.
    pub(crate) fn noise(&self, seed: u64, replicate: u64, out: &mut [f64], effects: &mut Vec<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(replicate);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        out.fill(0.0);
        let mut z = Vec::new();
        for part in &self.random {
            let k = part.columns.len();
            effects.clear();
            for _ in 0..part.levels {
                z.clear();
                z.extend((0..k).map(|_| normal()));
                effects.extend((0..k).map(|i| (0..k).map(|j| part.factor[i * k + j] * z[j]).sum::<f64>()));
            }
            for (j, column) in part.columns.iter().enumerate() {
                let rows = out.iter_mut().zip(part.codes);
                match column {
                    Column::Constant(c) => rows.for_each(|(o, &l)| *o += c * effects[l as usize * k + j]),
                    Column::Values(v) => {
                        rows.zip(*v).for_each(|((o, &l), x)| *o += x * effects[l as usize * k + j]);
                    }
                }
            }
        }
        match self.sd {
            Column::Constant(s) => out.iter_mut().for_each(|o| *o += s * normal()),
            Column::Values(s) => out.iter_mut().zip(s).for_each(|(o, s)| *o += s * normal()),
        }
    }

    /// The response of one replicate.
    #[must_use]
    pub fn response(&self, seed: u64, replicate: u64) -> Vec<f64> {
        let mut out = vec![0.0; self.mean.len()];
        self.noise(seed, replicate, &mut out, &mut Vec::new());
        out.iter_mut().zip(self.mean).for_each(|(o, m)| *o += m);
        out
    }

    /// Draw replicates `first..first + count` and fit every model to each.
    pub fn refit(&self, models: &[Model], seed: u64, first: u64, count: usize) -> Result<Vec<Refits>, NumericsError> {
        let n = self.mean.len();
        let prepared: Vec<Prepared> = models.iter().map(|m| Prepared::new(m, self.mean)).collect::<Result<_, _>>()?;
        let one = |scratch: &mut Scratch, r: usize| -> Vec<(Outcome, Vec<f64>)> {
            let Scratch { noise, response, effects, workers } = scratch;
            self.noise(seed, first + r as u64, noise, effects);
            prepared.iter().zip(workers).map(|(p, w)| p.fit(w, noise, response)).collect()
        };
        let fresh = || Scratch {
            noise: vec![0.0; n],
            response: vec![0.0; n],
            effects: Vec::new(),
            workers: prepared.iter().map(Prepared::worker).collect(),
        };
        let rows: Vec<Vec<(Outcome, Vec<f64>)>> = (0..count).into_par_iter().map_init(fresh, one).collect();
        let mut out: Vec<Refits> =
            models.iter().map(|_| Refits { values: Vec::new(), outcomes: Vec::with_capacity(count) }).collect();
        for row in rows {
            for (to, (outcome, values)) in out.iter_mut().zip(row) {
                to.outcomes.push(outcome);
                to.values.extend(values);
            }
        }
        Ok(out)
    }
}

struct Scratch {
    noise: Vec<f64>,
    response: Vec<f64>,
    effects: Vec<f64>,
    workers: Vec<Option<Worker>>,
}

/// One thread's cross-products, whose y row each replicate writes anew, and its factor.
pub(crate) struct Worker {
    cp: CrossProducts,
    state: Profiled,
    sums: Vec<f64>,
}

/// A model with what all its replicates share.
pub(crate) struct Prepared<'a> {
    model: &'a Model<'a>,
    /// The mean, in the units that the model's own y has in its cross-products.
    base: Vec<f64>,
    scale: f64,
    starts: Vec<Vec<f64>>,
    hessian: Vec<f64>,
    empty: Option<Profiled>,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(model: &'a Model, mean: &[f64]) -> Result<Self, NumericsError> {
        let mut base = mean.to_vec();
        let Model::Mixed { fit, x, .. } = model else {
            let empty = None;
            return Ok(Prepared { model, base, scale: 1.0, starts: Vec::new(), hessian: Vec::new(), empty });
        };
        let basis = &fit.cp.basis;
        for (column, b) in x.iter().zip(&basis.shift) {
            (0..base.len()).for_each(|i| base[i] -= b * column.at(i));
        }
        base.iter_mut().for_each(|v| *v *= basis.y_scale);
        let entries: Vec<(usize, usize)> = fit.cp.factors.iter().flat_map(crate::Factor::free_entries).collect();
        let triangular = |(f, l): (&crate::Factor, &Vec<f64>)| {
            f.blockwise(l, |block, size| dense::lower_factor_of_gram(block, size, size))
        };
        let lam: Vec<Vec<f64>> = fit.cp.factors.iter().zip(&fit.state.blocked.lam).map(triangular).collect();
        let mut warm = free_from(&fit.cp, &lam);
        for (v, (i, j)) in warm.iter_mut().zip(&entries) {
            if i == j && v.abs() < OFF_THE_SADDLE {
                *v = OFF_THE_SADDLE;
            }
        }
        let plain = entries.iter().map(|(i, j)| if i == j { 0.5 } else { 0.0 }).collect();
        let empty = Some(Profiled::new(&fit.cp, fit.state.reml)?);
        let hessian = fit.hessian.clone();
        Ok(Prepared { model, base, scale: basis.y_scale, starts: vec![warm, plain], hessian, empty })
    }

    pub(crate) fn worker(&self) -> Option<Worker> {
        match (self.model, &self.empty) {
            (Model::Mixed { fit, .. }, Some(state)) => {
                Some(Worker { cp: (*fit.cp).clone(), state: state.clone(), sums: Vec::new() })
            }
            _ => None,
        }
    }

    /// The response less its shift, in the units of the model's own working y.
    fn respond(&self, noise: &[f64], r: &mut [f64]) {
        for ((r, b), e) in r.iter_mut().zip(&self.base).zip(noise) {
            *r = b + self.scale * e;
        }
    }

    /// A replicate's cross-products, for a mixed model.
    pub(crate) fn products(&self, worker: &mut Option<Worker>, noise: &[f64], r: &mut [f64]) -> Option<CrossProducts> {
        let (Model::Mixed { x, factors, weights, .. }, Some(worker)) = (self.model, worker) else { return None };
        self.respond(noise, r);
        worker.set_response(r, x, factors, *weights);
        Some(worker.cp.clone())
    }

    fn fit(&self, worker: &mut Option<Worker>, noise: &[f64], r: &mut [f64]) -> (Outcome, Vec<f64>) {
        self.respond(noise, r);
        match (self.model, worker) {
            (Model::Mixed { x, factors, weights, .. }, Some(worker)) => {
                worker.set_response(r, x, factors, *weights);
                worker.search(&self.starts, &self.hessian, self.model.width())
            }
            (Model::Linear { basis, weights }, _) => least_squares(basis, *weights, r),
            (Model::Mixed { .. }, None) => (Outcome::NotEvaluated, vec![f64::NAN; self.model.width()]),
        }
    }
}

fn least_squares(basis: &[&[f64]], weights: Option<&[f64]>, y: &mut [f64]) -> (Outcome, Vec<f64>) {
    let n = y.len() as f64;
    let logs: f64 = weights.map_or(0.0, |w| w.iter().map(|v| v.ln()).sum());
    if let Some(w) = weights {
        y.iter_mut().zip(w).for_each(|(y, w)| *y *= w.sqrt());
    }
    // One column after the other, on what the earlier ones left.
    for q in basis {
        let along: f64 = q.iter().zip(y.iter()).map(|(q, y)| q * y).sum();
        y.iter_mut().zip(*q).for_each(|(y, q)| *y -= along * q);
    }
    let rss: f64 = y.iter().map(|v| v * v).sum();
    let criterion = n * (1.0 + (2.0 * std::f64::consts::PI * rss / n).ln()) - logs;
    let outcome = if criterion.is_finite() { Outcome::Good } else { Outcome::NotEvaluated };
    (outcome, vec![criterion, (rss / n).sqrt()])
}

impl Worker {
    /// Write Zᵀy, Xᵀy, yᵀy of a response given in the units of the working y.
    fn set_response(
        &mut self,
        r: &mut [f64],
        x: &[Column],
        factors: &[(Vec<Column>, &[u32])],
        weights: Option<&[f64]>,
    ) {
        let (c, p) = (self.cp.c(), self.cp.p);
        let square: f64 = match weights {
            None => r.iter().map(|v| v * v).sum(),
            Some(w) => r.iter().zip(w).map(|(v, w)| w * v * v).sum(),
        };
        if let Some(w) = weights {
            r.iter_mut().zip(w).for_each(|(v, w)| *v *= w);
        }
        let xy: Vec<f64> = x
            .iter()
            .map(|column| match column {
                Column::Constant(k) => k * r.iter().sum::<f64>(),
                Column::Values(v) => v.iter().zip(r.iter()).map(|(x, r)| x * r).sum(),
            })
            .collect();
        for j in 0..p {
            let v = (0..p).map(|i| self.cp.basis.x[i * p + j] * xy[i]).sum();
            self.cp.xx[j * c + p] = v;
            self.cp.xx[p * c + j] = v;
        }
        self.cp.xx[c * c - 1] = square;
        for (i, f) in self.cp.factors.iter().enumerate() {
            let (columns, codes) = &factors[self.cp.order[i]];
            let k = f.k;
            self.sums.clear();
            self.sums.resize(f.levels * k, 0.0);
            for (a, column) in columns.iter().enumerate() {
                let rows = r.iter().zip(*codes);
                match column {
                    Column::Constant(v) => rows.for_each(|(r, &l)| self.sums[l as usize * k + a] += v * r),
                    Column::Values(v) => {
                        rows.zip(*v).for_each(|((r, &l), x)| self.sums[l as usize * k + a] += x * r);
                    }
                }
            }
            let t = &self.cp.basis.z[i];
            for (l, raw) in self.sums.chunks_exact(k).enumerate() {
                for a in 0..k {
                    let at = (f.offset + l * k + a) * c + p;
                    self.cp.zx[at] = (0..k).map(|b| t[b * k + a] * raw[b]).sum();
                }
            }
        }
    }

    fn search(&mut self, starts: &[Vec<f64>], hessian: &[f64], width: usize) -> (Outcome, Vec<f64>) {
        let mut objective = Warm { cp: &self.cp, state: &mut self.state, hessian };
        let mut best: Option<Point> = None;
        for x in starts {
            let Some((f, g)) = objective.evaluate(x) else { continue };
            let found = bfgs(&mut objective, Point { x: x.clone(), f, g }, 1e-9, 0);
            let lam = lambda_from(&self.cp, &found.x);
            let interior = smallest_direction(&self.cp, &lam) > 10.0 * SINGULAR_TOLERANCE;
            if best.as_ref().is_none_or(|b| found.f < b.f) {
                best = Some(found);
            }
            // A second start only where the first ended at the boundary, which may be a saddle.
            if interior {
                break;
            }
        }
        let failed = (Outcome::NotEvaluated, vec![f64::NAN; width]);
        let Some(best) = best else { return failed };
        let mut lam = lambda_from(&self.cp, &best.x);
        lam.iter_mut().flatten().filter(|v| v.abs() < 0.1 * SINGULAR_TOLERANCE).for_each(|v| *v = 0.0);
        if self.state.evaluate(&self.cp, &lam).is_err() {
            return failed;
        }
        let mut out = Vec::with_capacity(width);
        out.push(self.state.criterion.min(best.f));
        out.push((self.state.r2 / self.state.nu(&self.cp)).sqrt() / self.cp.basis.y_scale);
        out.extend(self.cp.basis.raw_beta(&self.state.beta));
        for caller in 0..self.cp.factors.len() {
            for (i, f) in self.cp.factors.iter().enumerate().filter(|(i, _)| self.cp.order[*i] == caller) {
                let raw = dense::product(&self.cp.basis.z[i], &lam[i], (f.k, f.k, f.k));
                out.extend(dense::lower_factor_of_gram(&raw, f.k, f.k));
            }
        }
        let norm = best.g.iter().map(|v| v * v).sum::<f64>().sqrt();
        let converged = norm <= GRADIENT_TOLERANCE * (1.0 + best.f.abs()) && out.iter().all(|v| v.is_finite());
        (if converged { Outcome::Good } else { Outcome::NotConverged }, out)
    }
}

/// The criterion of one replicate; its Hessian is close to that of the fit it was drawn from.
struct Warm<'a> {
    cp: &'a CrossProducts,
    state: &'a mut Profiled,
    hessian: &'a [f64],
}

impl Objective for Warm<'_> {
    fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
        let lam = lambda_from(self.cp, x);
        let f = self.state.evaluate(self.cp, &lam).ok()?;
        let gradient = self.state.gradient(self.cp);
        Some((f, free_from(self.cp, &gradient)))
    }

    fn approximate_hessian(&mut self, _: &Point) -> Option<Vec<f64>> {
        Some(self.hessian.to_vec())
    }

    /// Never: the Hessian of the fit that replicates are drawn from is near enough.
    fn exact_hessian(&mut self, _: &Point) -> Option<Vec<f64>> {
        None
    }
}

/// Smallest absolute diagonal entry of lower-triangular Λ: zero where they are singular.
fn smallest_direction(cp: &CrossProducts, lam: &[Vec<f64>]) -> f64 {
    let diagonal = |(f, l): (&crate::Factor, &Vec<f64>)| (0..f.k).map(|i| l[i * f.k + i].abs()).fold(1.0, f64::min);
    cp.factors.iter().zip(lam).map(diagonal).fold(1.0, f64::min)
}
