//! One thread's refits of one model: a response's rows are added up, and the criterion is searched from
//! the starts that all replicates share.

use crate::covariance::{lambda_from, pull_back, smallest_pivot, SINGULAR_TOLERANCE};
use crate::criterion::Profiled;
use crate::products::{Column, CrossProducts};
use crate::search::{bfgs, Objective, Point};

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

/// Largest gradient norm, relative to the criterion, of a search that has converged.
const GRADIENT_TOLERANCE: f64 = 1e-4;

/// One thread's cross-products, whose y row each replicate writes anew, and its factor.
pub(crate) struct Refitter {
    pub(crate) cp: CrossProducts,
    pub(crate) state: Profiled,
    pub(crate) sums: ResponseSums,
}

/// Sums over rows that y enters by, raw columns: Zᵀy of each factor, Xᵀy, yᵀy.
#[derive(Default)]
pub(crate) struct ResponseSums {
    z: Vec<Vec<f64>>,
    x: Vec<f64>,
    square: f64,
}

impl Refitter {
    pub(crate) fn begin(&mut self) {
        let sizes: Vec<usize> = self.cp.factors.iter().map(|f| f.levels * f.k).collect();
        self.sums.z.resize(sizes.len(), Vec::new());
        for (sums, size) in self.sums.z.iter_mut().zip(sizes) {
            sums.clear();
            sums.resize(size, 0.0);
        }
        self.sums.x.clear();
        self.sums.x.resize(self.cp.p, 0.0);
        self.sums.square = 0.0;
    }

    /// Add the rows from `from` on, `r` in the units of the working y (weighted in place).
    pub(crate) fn add(
        &mut self,
        from: usize,
        r: &mut [f64],
        x: &[Column],
        factors: &[(Vec<Column>, &[u32])],
        weights: Option<&[f64]>,
    ) {
        let rows = from..from + r.len();
        match weights {
            None => r.iter().for_each(|v| self.sums.square += v * v),
            Some(w) => r.iter_mut().zip(&w[rows.clone()]).for_each(|(v, w)| {
                self.sums.square += w * *v * *v;
                *v *= w;
            }),
        }
        for (sum, column) in self.sums.x.iter_mut().zip(x) {
            *sum += match column.rows(&rows) {
                Column::Constant(k) => k * r.iter().sum::<f64>(),
                Column::Values(v) => v.iter().zip(r.iter()).map(|(x, r)| x * r).sum(),
            };
        }
        for ((sums, f), &caller) in self.sums.z.iter_mut().zip(&self.cp.factors).zip(&self.cp.order) {
            let (columns, codes) = &factors[caller];
            for (a, column) in columns.iter().enumerate() {
                let pairs = r.iter().zip(&codes[rows.clone()]);
                match column.rows(&rows) {
                    Column::Constant(v) => pairs.for_each(|(r, &l)| sums[l as usize * f.k + a] += v * r),
                    Column::Values(v) => {
                        pairs.zip(v).for_each(|((r, &l), x)| sums[l as usize * f.k + a] += x * r);
                    }
                }
            }
        }
    }

    /// Write Zᵀy, Xᵀy, yᵀy of the rows added into the cross-products, in their working basis.
    pub(crate) fn write_response(&mut self) {
        let (c, p) = (self.cp.c(), self.cp.p);
        for j in 0..p {
            let v = (0..p).map(|i| self.cp.basis.x[i * p + j] * self.sums.x[i]).sum();
            self.cp.xx[j * c + p] = v;
            self.cp.xx[p * c + j] = v;
        }
        self.cp.xx[c * c - 1] = self.sums.square;
        for ((f, sums), t) in self.cp.factors.iter().zip(&self.sums.z).zip(&self.cp.basis.z) {
            let k = f.k;
            for (l, raw) in sums.chunks_exact(k).enumerate() {
                for a in 0..k {
                    let at = (f.offset + l * k + a) * c + p;
                    self.cp.zx[at] = (0..k).map(|b| t[b * k + a] * raw[b]).sum();
                }
            }
        }
    }

    pub(crate) fn search(&mut self, starts: &[Vec<f64>], hessian: &[f64], width: usize) -> (Outcome, Vec<f64>) {
        let mut objective = Warm { cp: &self.cp, state: &mut self.state, hessian, evaluations: 0, limit: 0 };
        let mut best: Option<Point> = None;
        for x in starts {
            // Far more than a start near the optimum needs; the gradient at the end tells.
            objective.limit = objective.evaluations + 100 + 20 * x.len();
            let Some((f, g)) = objective.evaluate(x) else { continue };
            let found = bfgs(&mut objective, Point { x: x.clone(), f, g }, 1e-9, 0);
            let lam = lambda_from(&self.cp.factors, &found.x);
            let interior = smallest_pivot(&self.cp.factors, &lam) > 10.0 * SINGULAR_TOLERANCE;
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
        let mut lam = lambda_from(&self.cp.factors, &best.x);
        lam.iter_mut().flatten().filter(|v| v.abs() < 0.1 * SINGULAR_TOLERANCE).for_each(|v| *v = 0.0);
        if self.state.evaluate(&self.cp, &lam).is_err() {
            return failed;
        }
        let mut out = Vec::with_capacity(width);
        out.push(self.state.criterion.min(best.f) + self.state.units(&self.cp));
        out.push((self.state.r2 / self.state.nu(&self.cp)).sqrt() / self.cp.basis.y_scale);
        out.extend(self.cp.basis.raw_beta(&self.state.beta));
        out.extend(self.cp.passage().raw(&lam).iter().flatten());
        let norm = best.g.iter().map(|v| v * v).sum::<f64>().sqrt();
        let converged =
            norm <= GRADIENT_TOLERANCE * self.state.magnitude(&self.cp) && out.iter().all(|v| v.is_finite());
        (if converged { Outcome::Good } else { Outcome::NotConverged }, out)
    }
}

/// The criterion of one replicate; its Hessian is close to that of the fit it was drawn from.
struct Warm<'a> {
    cp: &'a CrossProducts,
    state: &'a mut Profiled,
    hessian: &'a [f64],
    evaluations: usize,
    /// Evaluations that it may make.
    limit: usize,
}

impl Objective for Warm<'_> {
    fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
        self.evaluations += 1;
        let lam = lambda_from(&self.cp.factors, x);
        let f = self.state.evaluate(self.cp, &lam).ok()?;
        let gradient = self.state.gradient(self.cp);
        Some((f, pull_back(&self.cp.factors, x, &gradient)))
    }

    fn approximate_hessian(&mut self, _: &Point) -> Option<Vec<f64>> {
        Some(self.hessian.to_vec())
    }

    fn rounding(&self, _: f64) -> f64 {
        self.state.rounding(self.cp)
    }

    fn spent(&self) -> bool {
        self.evaluations >= self.limit
    }

    /// Never: the Hessian of the fit that replicates are drawn from is near enough.
    fn exact_hessian(&mut self, _: &Point) -> Option<Vec<f64>> {
        None
    }
}
