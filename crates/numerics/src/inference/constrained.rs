//! The ML criterion with one parameter held, as a smooth function of what is left, with its gradient.
//!
//! A constraint is linear where the constrained column comes first in its block's Λ: with that
//! order, its standard deviation is σ Λ₁₁; with two columns first, Λ₂ = r (ρ, √(1-ρ²)) holds their
//! correlation at ρ.

use std::sync::Arc;

use crate::covariance::{BasisChanges, Factor, Inverse, Raw};
use crate::criterion::Profiled;
use crate::error::NumericsError;
use crate::fit::Fit;
use crate::linalg::small;
use crate::products::CrossProducts;
use crate::search::{bfgs, hessian, Objective, Point};

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

/// Scale of the raw rows of Λ, in units of one working column.
fn row_scales(cp: &CrossProducts, factor: usize) -> Vec<f64> {
    let k = cp.factors[factor].k;
    cp.basis.z[factor].chunks_exact(k).map(|row| row.iter().map(|v| v * v).sum::<f64>().sqrt()).collect()
}

/// How a search vector becomes the raw Λ of each factor.
pub(crate) struct Layout {
    /// Internal factor of the constraint, and its columns in their new order.
    pub(crate) held: Option<(usize, Vec<usize>)>,
    /// `(factor, row, column)` of the entries that are searched over, in the new order.
    free: Vec<(usize, usize, usize)>,
    /// Per factor, scale of each row in the new order.
    pub(crate) scale: Vec<Vec<f64>>,
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
        // The entries of Λ are searched over, each row in its own scale.
        let rigid = |f: &Factor| f.structures().any(|(_, s)| s.basis_changes() == BasisChanges::Scalar);
        if cp.factors.iter().any(rigid) {
            return Err(NumericsError::Mismatch("the structure of covariance: profiles are of `us` and `diag`"));
        }
        for (i, f) in cp.factors.iter().enumerate() {
            let mut order: Vec<usize> = (0..f.k).collect();
            let mut entries = f.free_entries();
            if let Some((_, front)) = first.as_ref().filter(|h| h.0 == i) {
                let run = f.run_of(front).ok_or(bad.clone())?;
                let start = run.start;
                let rest = run.clone().filter(|c| !front.contains(c));
                let new: Vec<usize> = front.iter().copied().chain(rest).collect();
                order[run].copy_from_slice(&new);
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

/// The ML criterion with one parameter held, as a function of what is left.
pub(crate) struct Constrained {
    pub(crate) cp: Arc<CrossProducts>,
    pub(crate) state: Profiled,
    back: Inverse,
    pub(crate) layout: Layout,
    pub(crate) parameter: Parameter,
    pub(crate) start: usize,
    pub(crate) value: f64,
    sigma_hat: f64,
    curvature: Option<Vec<f64>>,
    evaluations: usize,
    /// Evaluations that it may make.
    limit: usize,
}

impl Constrained {
    pub(crate) fn new(fit: &Fit, parameter: Parameter) -> Result<Self, NumericsError> {
        let layout = Layout::new(&fit.cp, parameter)?;
        let start = match (parameter, &layout.held) {
            (Parameter::Sd(_, a) | Parameter::Correlation(_, a, _), Some((i, _))) => {
                fit.cp.factors[*i].run_of(&[a]).map_or(0, |run| run.start)
            }
            _ => 0,
        };
        Ok(Constrained {
            back: fit.cp.passage().inverse()?,
            state: Profiled::new(&fit.cp, false)?,
            cp: fit.cp.clone(),
            layout,
            parameter,
            start,
            value: f64::NAN,
            sigma_hat: fit.sigma(),
            curvature: None,
            evaluations: 0,
            limit: usize::MAX,
        })
    }

    /// Allow some more evaluations, in proportion to the parameters; how many.
    pub(crate) fn allow_more(&mut self) -> usize {
        let more = 2000 + 200 * (self.leading() + self.layout.free.len());
        self.limit = self.evaluations + more;
        more
    }

    /// σ at a search vector, where the constraint ties it; else it is profiled out.
    pub(crate) fn sigma(&self, x: &[f64]) -> Option<f64> {
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

    pub(crate) fn raw_lambda(&self, x: &[f64]) -> Raw {
        let ordered = self.ordered_lambda(x);
        let own = ordered.iter().enumerate().map(|(i, l)| self.layout.reorder(i, l, true));
        Raw::in_callers_order(&self.cp.order, own)
    }

    /// The search vector that stands for a fit's own parameters (those that the constraint leaves).
    pub(crate) fn vector(&self, raw: &Raw, sigma: f64) -> Vec<f64> {
        let mut x = Vec::new();
        let mut ordered = Vec::new();
        for (i, (f, own)) in self.cp.factors.iter().zip(raw.in_internal_order(&self.cp.order)).enumerate() {
            let rows = self.layout.reorder(i, own, false);
            ordered.push(small::lower_factor_of_gram(&rows, f.k, f.k));
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

    /// Off the saddles: searches never start with a free standard deviation of zero. Returns whether
    /// one was nearer to zero than that.
    fn nudge(&self, x: &mut [f64]) -> bool {
        let lead = self.leading();
        let mut moved = false;
        let mut lift = |v: &mut f64, least: f64| {
            if v.abs() < least {
                *v = least;
                moved = true;
            }
        };
        if let Parameter::Correlation(..) = self.parameter {
            x[..2].iter_mut().for_each(|v| lift(v, 0.2));
        }
        for (v, &(_, a, b)) in x[lead..].iter_mut().zip(&self.layout.free) {
            if a == b {
                lift(v, OFF_THE_SADDLE);
            }
        }
        moved
    }

    pub(crate) fn minimise(&mut self, mut x: Vec<f64>) -> Result<Point, NumericsError> {
        self.nudge(&mut x);
        let mut point = self.search(x)?;
        // A step may have landed on the saddle at zero: from beside it a minimum leads back there.
        let mut beside = point.x.clone();
        if self.nudge(&mut beside) {
            let again = self.search(beside)?;
            if again.f < point.f {
                point = again;
            }
        }
        if self.curvature.is_none() && !point.x.is_empty() {
            self.curvature = hessian(self, &point, true);
        }
        Ok(point)
    }

    fn search(&mut self, x: Vec<f64>) -> Result<Point, NumericsError> {
        let (f, g) = self.evaluate(&x).ok_or(NumericsError::NotPositive(0))?;
        Ok(bfgs(self, Point { x, f, g }, 1e-10, 0))
    }
}

impl Objective for Constrained {
    fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
        self.evaluations += 1;
        let lam = self.back.working(&self.raw_lambda(x)).ok()?;
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
            for (s, r) in slope.iter_mut().flatten().zip(self.state.r2_gradient(&cp).into_iter().flatten()) {
                *s += weight * r;
            }
        }
        let chained = self.back.pull_back(&slope);
        let own = chained.in_internal_order(&cp.order).enumerate();
        let ordered: Vec<Vec<f64>> = own.map(|(i, d)| self.layout.reorder(i, d, false)).collect();
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

    fn approximate_hessian(&mut self, _: &Point) -> Option<Vec<f64>> {
        self.curvature.clone()
    }

    fn rounding(&self, _: f64) -> f64 {
        self.state.rounding(&self.cp)
    }

    fn spent(&self) -> bool {
        self.evaluations >= self.limit
    }

    /// Never: one Hessian, by differences, serves all points of a profile.
    fn exact_hessian(&mut self, _: &Point) -> Option<Vec<f64>> {
        None
    }
}
