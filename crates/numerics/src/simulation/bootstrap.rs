//! Parametric bootstrap: y enters only through Zᵀy, Xᵀy and yᵀy, so a replicate costs one pass over
//! the rows to draw it and one warm-started search (theory.md §4).
//!
//! Replicate r uses stream r of a counter-based generator: the same seed gives the same numbers
//! for any number of threads and however the replicates are split into calls.

use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::covariance::{canonical, scale_parameters, start, theta_of};
use crate::criterion::Profiled;
use crate::error::NumericsError;
use crate::fit::Fit;
use crate::interrupt::Stop;
use crate::products::power_of_two_inverse;
use crate::products::{Column, CrossProducts};
use crate::simulation::refit::{Outcome, Refitter, ResponseSums};

/// Diagonal entries of a start that are nearer to zero than this would sit on a saddle.
const OFF_THE_SADDLE: f64 = 0.1;
/// Rows drawn at a time: no array of all rows is made for a mixed model.
const BLOCK: usize = 4096;

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
    /// Rows.
    pub n: usize,
    /// Columns of the fixed part, offset left out.
    pub x: Vec<Column<'a>>,
    /// Their coefficients.
    pub beta: Vec<f64>,
    /// Residual standard deviation of each row.
    pub sd: Column<'a>,
    /// Random effects.
    pub random: Vec<RandomPart<'a>>,
}

/// A model that every response is fitted by.
#[derive(Debug, Clone)]
pub enum Refitted<'a> {
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

impl Refitted<'_> {
    /// Numbers that a refit gives: criterion, σ, then β and Λ of each factor (caller's order, row-major,
    /// raw scale) of a mixed model.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Refitted::Mixed { fit, .. } => 2 + fit.cp.p + fit.cp.factors.iter().map(|f| f.k * f.k).sum::<usize>(),
            Refitted::Linear { .. } => 2,
        }
    }
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
    /// Start a replicate: its generator, with the random effects of all levels drawn into `effects`.
    fn start(&self, seed: u64, replicate: u64, effects: &mut Vec<f64>) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(replicate);
        effects.clear();
        let mut z = Vec::new();
        for part in &self.random {
            let k = part.columns.len();
            for _ in 0..part.levels {
                z.clear();
                z.extend((0..k).map(|_| -> f64 { StandardNormal.sample(&mut rng) }));
                effects.extend((0..k).map(|i| (0..k).map(|j| part.factor[i * k + j] * z[j]).sum::<f64>()));
            }
        }
        rng
    }

    /// Random effects plus residuals of the rows from `from` on, which follow those drawn before.
    fn noise(&self, rng: &mut ChaCha8Rng, effects: &[f64], from: usize, out: &mut [f64]) {
        let rows = from..from + out.len();
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        out.fill(0.0);
        let mut first = 0;
        for part in &self.random {
            let k = part.columns.len();
            let own = &effects[first..first + part.levels * k];
            first += own.len();
            for (j, column) in part.columns.iter().enumerate() {
                let pairs = out.iter_mut().zip(&part.codes[rows.clone()]);
                match column.rows(&rows) {
                    Column::Constant(c) => pairs.for_each(|(o, &l)| *o += c * own[l as usize * k + j]),
                    Column::Values(v) => {
                        pairs.zip(v).for_each(|((o, &l), x)| *o += x * own[l as usize * k + j]);
                    }
                }
            }
        }
        match self.sd.rows(&rows) {
            Column::Constant(s) => out.iter_mut().for_each(|o| *o += s * normal()),
            Column::Values(s) => out.iter_mut().zip(s).for_each(|(o, s)| *o += s * normal()),
        }
    }

    /// Xβ of the rows from `from` on.
    fn mean(&self, from: usize, out: &mut [f64]) {
        out.fill(0.0);
        add_columns(&self.x, &self.beta, from, out);
    }

    /// The response of one replicate.
    #[must_use]
    pub fn response(&self, seed: u64, replicate: u64) -> Vec<f64> {
        let (mut out, mut effects, mut mean) = (vec![0.0; self.n], Vec::new(), vec![0.0; BLOCK.min(self.n)]);
        let mut rng = self.start(seed, replicate, &mut effects);
        for (at, rows) in out.chunks_mut(BLOCK).enumerate() {
            let mean = &mut mean[..rows.len()];
            self.noise(&mut rng, &effects, at * BLOCK, rows);
            self.mean(at * BLOCK, mean);
            rows.iter_mut().zip(mean).for_each(|(o, m)| *o += *m);
        }
        out
    }

    /// Draw a replicate and give every model's worker its rows.
    pub(crate) fn draw(&self, prepared: &[Prepared], scratch: &mut Replicate, seed: u64, replicate: u64) {
        let Replicate { noise, mean, response, effects, workers } = scratch;
        let mut rng = self.start(seed, replicate, effects);
        prepared.iter().zip(workers.iter_mut()).for_each(|(p, w)| p.begin(w));
        for from in (0..self.n).step_by(BLOCK) {
            let size = BLOCK.min(self.n - from);
            let (noise, mean, response) = (&mut noise[..size], &mut mean[..size], &mut response[..size]);
            self.noise(&mut rng, effects, from, noise);
            self.mean(from, mean);
            prepared.iter().zip(workers.iter_mut()).for_each(|(p, w)| p.add(w, from, (mean, noise), response));
        }
    }

    /// Draw replicates `first..first + count` and fit every model to each.
    pub fn refit(
        &self,
        models: &[Refitted],
        seed: u64,
        first: u64,
        count: usize,
    ) -> Result<Vec<Refits>, NumericsError> {
        let prepared: Vec<Prepared> = models.iter().map(Prepared::new).collect::<Result<_, _>>()?;
        let one = |scratch: &mut Replicate, r: usize| -> Vec<(Outcome, Vec<f64>)> {
            self.draw(&prepared, scratch, seed, first + r as u64);
            prepared.iter().zip(&mut scratch.workers).map(|(p, w)| p.fit(w)).collect()
        };
        let fresh = || Replicate::new(self.n, &prepared);
        let stop = Stop::current();
        let unless_stopped = |scratch: &mut Replicate, r: usize| stop.check().map(|()| stop.within(|| one(scratch, r)));
        let rows: Vec<Vec<(Outcome, Vec<f64>)>> =
            (0..count).into_par_iter().map_init(fresh, unless_stopped).collect::<Result<_, _>>()?;
        stop.check()?;
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

/// `out += Σ coefficient · column` over the rows from `from` on.
fn add_columns(columns: &[Column], coefficients: &[f64], from: usize, out: &mut [f64]) {
    let rows = from..from + out.len();
    for (column, b) in columns.iter().zip(coefficients) {
        match column.rows(&rows) {
            Column::Constant(c) => out.iter_mut().for_each(|o| *o += b * c),
            Column::Values(v) => out.iter_mut().zip(v).for_each(|(o, x)| *o += b * x),
        }
    }
}

/// What one thread needs to draw replicates and fit every model to them.
pub(crate) struct Replicate {
    noise: Vec<f64>,
    mean: Vec<f64>,
    response: Vec<f64>,
    effects: Vec<f64>,
    pub(crate) workers: Vec<Worker>,
}

impl Replicate {
    pub(crate) fn new(n: usize, prepared: &[Prepared]) -> Self {
        let room = || vec![0.0; BLOCK.min(n)];
        let workers = prepared.iter().map(|p| p.worker(n)).collect();
        Replicate { noise: room(), mean: room(), response: room(), effects: Vec::new(), workers }
    }
}

/// What one thread needs to fit one model.
pub(crate) enum Worker {
    Mixed(Box<Refitter>),
    /// The response as it is drawn.
    Linear(Vec<f64>),
}

/// A model with what all its replicates share.
pub(crate) struct Prepared<'a> {
    model: &'a Refitted<'a>,
    /// What takes the shift of the model's own y off a mean, one coefficient per column.
    back: Vec<f64>,
    starts: Vec<Vec<f64>>,
    hessian: Vec<f64>,
    empty: Option<Profiled>,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(model: &'a Refitted) -> Result<Self, NumericsError> {
        let Refitted::Mixed { fit, .. } = model else {
            return Ok(Prepared { model, back: Vec::new(), starts: Vec::new(), hessian: Vec::new(), empty: None });
        };
        let factors = &fit.cp.factors;
        let mut warm = theta_of(factors, &canonical(factors, &fit.state.blocked.lam));
        for (v, is_scale) in warm.iter_mut().zip(scale_parameters(factors)) {
            if is_scale && v.abs() < OFF_THE_SADDLE {
                *v = OFF_THE_SADDLE;
            }
        }
        let plain = theta_of(factors, &start(factors, 0.5, 0.0));
        let empty = Some(Profiled::new(&fit.cp, fit.state.reml)?);
        let back = fit.cp.basis.shift.iter().map(|b| -b).collect();
        Ok(Prepared { model, back, starts: vec![warm, plain], hessian: fit.hessian.clone(), empty })
    }

    fn worker(&self, n: usize) -> Worker {
        match (self.model, &self.empty) {
            (Refitted::Mixed { fit, .. }, Some(state)) => Worker::Mixed(Box::new(Refitter {
                cp: (*fit.cp).clone(),
                state: state.clone(),
                sums: ResponseSums::default(),
            })),
            _ => Worker::Linear(Vec::with_capacity(n)),
        }
    }

    /// Forget the last replicate.
    fn begin(&self, worker: &mut Worker) {
        match worker {
            Worker::Mixed(own) => own.begin(),
            Worker::Linear(y) => y.clear(),
        }
    }

    /// Rows from `from` on, given as mean and noise; `r` is room for as many.
    fn add(&self, worker: &mut Worker, from: usize, (mean, noise): (&[f64], &[f64]), r: &mut [f64]) {
        match (self.model, worker) {
            (Refitted::Mixed { fit, x, factors, weights }, Worker::Mixed(own)) => {
                // The units that the model's own y has in its cross-products.
                let basis = &fit.cp.basis;
                r.copy_from_slice(mean);
                add_columns(x, &self.back, from, r);
                r.iter_mut().zip(noise).for_each(|(r, e)| *r = basis.y_scale * *r + basis.y_scale * e);
                own.add(from, r, x, factors, *weights);
            }
            (_, Worker::Linear(y)) => y.extend(mean.iter().zip(noise).map(|(m, e)| m + e)),
            (Refitted::Linear { .. }, Worker::Mixed(_)) => {}
        }
    }

    /// The drawn response's cross-products, of a mixed model.
    pub(crate) fn products(&self, worker: &mut Worker) -> Option<CrossProducts> {
        let Worker::Mixed(own) = worker else { return None };
        own.write_response();
        Some(own.cp.clone())
    }

    fn fit(&self, worker: &mut Worker) -> (Outcome, Vec<f64>) {
        match (self.model, worker) {
            (Refitted::Mixed { .. }, Worker::Mixed(own)) => {
                own.write_response();
                own.search(&self.starts, &self.hessian, self.model.width())
            }
            (Refitted::Linear { basis, weights }, Worker::Linear(y)) => least_squares(basis, *weights, y),
            _ => (Outcome::NotEvaluated, vec![f64::NAN; self.model.width()]),
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
    // Squares of values near one, by a power of two: whatever the unit of y.
    let unit = power_of_two_inverse(y.iter().fold(0.0f64, |s, v| s.max(v.abs())));
    let rss: f64 = y.iter().map(|v| (unit * v).powi(2)).sum();
    let criterion = n * (1.0 + (2.0 * std::f64::consts::PI * rss / n).ln() - 2.0 * unit.ln()) - logs;
    let outcome = if criterion.is_finite() { Outcome::Good } else { Outcome::NotEvaluated };
    (outcome, vec![criterion, (rss / n).sqrt() / unit])
}
