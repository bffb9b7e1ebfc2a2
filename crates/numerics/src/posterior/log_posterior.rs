//! The collapsed log-posterior on an unconstrained scale, with its exact gradient (theory.md §5).
//!
//! Parameters, in this order: fixed effects, σ, then for each grouping factor (caller's order) its
//! standard deviations and the unconstrained numbers that stand for the correlations of each block.

use std::sync::Arc;

use crate::covariance::{semidefinite_factor, Factor, Inverse, Raw, Working};
use crate::error::NumericsError;
use crate::linalg::{large, small};
use crate::posterior::collapsed::Collapsed;
use crate::posterior::priors::Prior;
use crate::posterior::transform::Transform;
use crate::products::CrossProducts;

/// Priors of every parameter of a model, factors in the caller's order.
#[derive(Debug, Clone)]
pub struct Priors {
    /// Each fixed effect kept.
    pub beta: Vec<Prior>,
    /// Residual standard deviation.
    pub sigma: Prior,
    /// Standard deviation of each column of each factor.
    pub sd: Vec<Vec<Prior>>,
    /// η of the correlations of each covariance block of each factor.
    pub eta: Vec<Vec<f64>>,
}

/// A model with priors, ready to be evaluated; cloned for each thread.
#[derive(Debug, Clone)]
pub struct LogPosterior {
    cp: Arc<CrossProducts>,
    likelihood: Option<Collapsed>,
    priors: Priors,
    back: Inverse,
    /// Inverse of the basis of X.
    x_inverse: Vec<f64>,
    beta: Vec<Transform>,
    /// β moves in the working basis, where it is centred and scaled: no prior on it is bounded.
    working_beta: bool,
    sigma: Transform,
    sd: Vec<Vec<Transform>>,
}

/// A point of the unconstrained space as the likelihood sees it.
pub(crate) struct Placed {
    /// Log-density of the priors, Jacobians included.
    pub(crate) log_prior: f64,
    /// Working scale.
    pub(crate) beta: Vec<f64>,
    /// Raw scale.
    pub(crate) sigma: f64,
    sigma_slope: f64,
    /// Relative to σ.
    pub(crate) lam: Working,
    raw: Raw,
}

impl LogPosterior {
    /// Check the priors against the model; with `prior_only` the data say nothing.
    pub fn new(cp: Arc<CrossProducts>, priors: Priors, prior_only: bool) -> Result<Self, NumericsError> {
        let factors: Vec<&Factor> = in_callers_order(&cp);
        let fits = priors.beta.len() == cp.p
            && priors.sd.len() == factors.len()
            && priors.eta.len() == factors.len()
            && factors.iter().zip(&priors.sd).all(|(f, s)| f.k == s.len())
            && factors.iter().zip(&priors.eta).all(|(f, e)| f.blocks().len() == e.len());
        if !fits {
            return Err(NumericsError::Mismatch("the priors and the model's parameters"));
        }
        let beta: Vec<Transform> = priors.beta.iter().map(|q| Transform::of(q, f64::NEG_INFINITY)).collect();
        Ok(LogPosterior {
            likelihood: if prior_only { None } else { Some(Collapsed::new(cp.clone())?) },
            back: cp.passage().inverse()?,
            x_inverse: large::inverse(&cp.basis.x, cp.p)?,
            working_beta: beta.iter().all(|t| *t == Transform::Identity),
            beta,
            sigma: Transform::of(&priors.sigma, 0.0),
            sd: priors.sd.iter().map(|s| s.iter().map(|q| Transform::of(q, 0.0)).collect()).collect(),
            priors,
            cp,
        })
    }

    /// Number of parameters.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.cp.p + 1 + self.cp.factors.iter().map(|f| f.k + f.correlations()).sum::<usize>()
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &Arc<CrossProducts> {
        &self.cp
    }

    /// Log-density of the posterior on the unconstrained scale and its gradient.
    pub fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64, NumericsError> {
        let placed = self.place(x, gradient)?;
        let Some(likelihood) = &mut self.likelihood else { return finite(placed.log_prior) };
        let point = likelihood.evaluate(&placed.beta, &placed.lam, placed.sigma * self.cp.basis.y_scale)?;
        self.pull_back(x, &placed, (&point.beta, &point.lam, point.log_sigma), gradient);
        finite(placed.log_prior + point.value)
    }

    /// What the likelihood is a function of, and the priors' part of the gradient.
    pub(crate) fn place(&self, x: &[f64], gradient: &mut [f64]) -> Result<Placed, NumericsError> {
        let (cp, p) = (&self.cp, self.cp.p);
        gradient.fill(0.0);
        let mut value = self.fixed_prior(x, gradient);
        let (sigma, sigma_slope, log_slope, d_log_slope) = self.sigma.apply(x[p]);
        let (prior, d_prior) = self.priors.sigma.log_density(sigma);
        value += prior + log_slope;
        gradient[p] += d_prior * sigma_slope + d_log_slope;
        let mut raw = Vec::with_capacity(cp.factors.len());
        let mut at = p + 1;
        for (caller, (_, f)) in callers(cp).into_iter().enumerate() {
            value += self.random_prior(caller, f, &x[at..], &mut gradient[at..]);
            let mut own = self.raw_factor(caller, f, &x[at..]);
            own.iter_mut().for_each(|v| *v /= sigma);
            raw.push(own);
            at += f.k + f.correlations();
        }
        let raw = Raw::from(raw);
        let lam = self.back.working(&raw)?;
        Ok(Placed { log_prior: value, beta: self.working(x), sigma, sigma_slope, lam, raw })
    }

    /// Add the likelihood's part of the gradient: its derivatives in β, each Λ, and log σ with Λ held.
    pub(crate) fn pull_back(
        &self,
        x: &[f64],
        placed: &Placed,
        (d_beta, d_lam, d_log_sigma): (&[f64], &Working, f64),
        gradient: &mut [f64],
    ) {
        let (p, sigma) = (self.cp.p, placed.sigma);
        self.add_fixed(x, d_beta, gradient);
        // Λ = diag(sd) L / σ moves with σ too.
        let mut d_sigma = d_log_sigma / sigma;
        let mut at = p + 1;
        let mut d_raw = self.back.pull_back(d_lam);
        for (caller, (_, f)) in callers(&self.cp).into_iter().enumerate() {
            let d_raw = &mut d_raw[caller];
            d_sigma -= small::dot(d_raw, &placed.raw[caller]) / sigma;
            d_raw.iter_mut().for_each(|v| *v /= sigma);
            self.add_random(caller, f, &x[at..], d_raw, &mut gradient[at..]);
            at += f.k + f.correlations();
        }
        gradient[p] += d_sigma * placed.sigma_slope;
    }

    /// The same parameters and priors without the likelihood.
    pub(crate) fn priors_alone(&self) -> Self {
        LogPosterior { likelihood: None, ..self.clone() }
    }

    /// Whether the data are ignored.
    #[must_use]
    pub fn prior_only(&self) -> bool {
        self.likelihood.is_none()
    }

    /// Fixed effects on the working scale.
    fn working(&self, x: &[f64]) -> Vec<f64> {
        let p = self.cp.p;
        if self.working_beta {
            return x[..p].to_vec();
        }
        let raw: Vec<f64> = x.iter().zip(&self.beta).map(|(t, f)| f.apply(*t).0).collect();
        self.to_working(&raw)
    }

    fn to_working(&self, raw: &[f64]) -> Vec<f64> {
        let (p, basis) = (self.cp.p, &self.cp.basis);
        let shifted: Vec<f64> = (0..p).map(|i| (raw[i] - basis.shift[i]) - basis.shift_low[i]).collect();
        let mut out = small::product(&self.x_inverse, &shifted, (p, p, 1));
        out.iter_mut().for_each(|v| *v *= basis.y_scale);
        out
    }

    fn raw_beta(&self, x: &[f64]) -> Vec<f64> {
        if self.working_beta {
            self.cp.basis.raw_beta(&x[..self.cp.p])
        } else {
            x.iter().zip(&self.beta).map(|(t, f)| f.apply(*t).0).collect()
        }
    }

    fn fixed_prior(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let (p, basis) = (self.cp.p, &self.cp.basis);
        let raw = self.raw_beta(x);
        let mut value = 0.0;
        for (j, prior) in self.priors.beta.iter().enumerate() {
            let (log_density, slope) = prior.log_density(raw[j]);
            value += log_density;
            if self.working_beta {
                let row = &basis.x[j * p..(j + 1) * p];
                gradient.iter_mut().zip(row).for_each(|(g, t)| *g += slope * t / basis.y_scale);
            } else {
                let (_, d, log_slope, d_log_slope) = self.beta[j].apply(x[j]);
                value += log_slope;
                gradient[j] += slope * d + d_log_slope;
            }
        }
        value
    }

    fn add_fixed(&self, x: &[f64], working: &[f64], gradient: &mut [f64]) {
        let p = self.cp.p;
        if self.working_beta {
            gradient.iter_mut().zip(working).for_each(|(g, d)| *g += d);
            return;
        }
        for j in 0..p {
            let d: f64 = (0..p).map(|i| self.x_inverse[i * p + j] * working[i]).sum();
            gradient[j] += d * self.cp.basis.y_scale * self.beta[j].apply(x[j]).1;
        }
    }

    fn random_prior(&self, caller: usize, f: &Factor, x: &[f64], gradient: &mut [f64]) -> f64 {
        let mut value = 0.0;
        for (j, (transform, prior)) in self.sd[caller].iter().zip(&self.priors.sd[caller]).enumerate() {
            let (sd, d, log_slope, d_log_slope) = transform.apply(x[j]);
            let (log_density, slope) = prior.log_density(sd);
            value += log_density + log_slope;
            gradient[j] += slope * d + d_log_slope;
        }
        let mut at = f.k;
        for (block, &eta) in f.blocks().iter().zip(&self.priors.eta[caller]) {
            let next = at + block.correlations();
            value += block.correlation_prior(&x[at..next], eta, &mut gradient[at..next]);
            at = next;
        }
        value
    }

    /// diag(sd) L of a factor, `k x k`.
    fn raw_factor(&self, caller: usize, f: &Factor, x: &[f64]) -> Vec<f64> {
        let k = f.k;
        let mut out = vec![0.0; k * k];
        let mut at = k;
        for (columns, structure) in f.structures() {
            let next = at + structure.correlations();
            let l = structure.correlation_factor(&x[at..next]);
            at = next;
            for (i, row) in columns.clone().zip(l.chunks_exact(columns.len())) {
                let sd = self.sd[caller][i].apply(x[i]).0;
                for (j, v) in columns.clone().zip(row) {
                    out[i * k + j] = sd * v;
                }
            }
        }
        out
    }

    /// Derivative in a factor's parameters from that in diag(sd) L.
    fn add_random(&self, caller: usize, f: &Factor, x: &[f64], d_raw: &[f64], gradient: &mut [f64]) {
        let k = f.k;
        let mut at = k;
        for (columns, structure) in f.structures() {
            let size = columns.len();
            let next = at + structure.correlations();
            let l = structure.correlation_factor(&x[at..next]);
            let mut dl = f.block(d_raw, &columns);
            for (i, (row, d_row)) in columns.zip(l.chunks_exact(size).zip(dl.chunks_exact_mut(size))) {
                let (sd, slope, ..) = self.sd[caller][i].apply(x[i]);
                gradient[i] += slope * row.iter().zip(d_row.iter()).map(|(l, d)| l * d).sum::<f64>();
                d_row.iter_mut().for_each(|d| *d *= sd);
            }
            structure.correlation_pull_back(&x[at..next], &l, &dl, &mut gradient[at..next]);
            at = next;
        }
    }

    /// Parameters as they are reported: fixed effects, σ, and of each factor (caller's order) the
    /// standard deviations and the correlations of each block.
    #[must_use]
    pub fn constrain(&self, x: &[f64]) -> Vec<f64> {
        let p = self.cp.p;
        let mut out = self.raw_beta(x);
        out.push(self.sigma.apply(x[p]).0);
        let mut at = p + 1;
        for (caller, (_, f)) in callers(&self.cp).into_iter().enumerate() {
            out.extend(self.sd[caller].iter().zip(&x[at..]).map(|(t, x)| t.apply(*x).0));
            at += f.k;
            for block in f.blocks() {
                let next = at + block.correlations();
                out.extend(block.reported_correlations(&block.correlation_factor(&x[at..next])));
                at = next;
            }
        }
        out
    }

    /// An unconstrained point near reported values: fixed effects on the working scale, σ, and
    /// Λ. Zero variances are moved inside.
    #[must_use]
    pub fn near(&self, beta: &[f64], sigma: f64, lambdas: &Raw) -> Vec<f64> {
        let mut x = beta.to_vec();
        if !self.working_beta {
            let raw = self.cp.basis.raw_beta(beta);
            x = raw.iter().zip(&self.beta).map(|(b, t)| t.invert(*b)).collect();
        }
        x.push(self.sigma.invert(sigma));
        for (caller, (i, f)) in callers(&self.cp).into_iter().enumerate() {
            let (k, lam) = (f.k, &lambdas[caller]);
            let norms: Vec<f64> =
                (0..k).map(|r| small::dot(&lam[r * k..r * k + k], &lam[r * k..r * k + k]).sqrt()).collect();
            for (r, norm) in norms.iter().enumerate() {
                // The scale of the column is that of the basis: its standardised sd is at least .1 σ.
                let least = 0.1 * self.cp.basis.z[i][r * k + r].abs();
                x.push(self.sd[caller][r].invert(sigma * norm.max(least)));
            }
            for (columns, structure) in f.structures() {
                x.extend(structure.near_correlations(&f.block(lam, &columns), &norms[columns]));
            }
        }
        x
    }

    /// Working β, Λ and working σ of reported values.
    pub fn parameters_of(&self, reported: &[f64]) -> Result<(Vec<f64>, Working, f64), NumericsError> {
        let p = self.cp.p;
        let sigma = reported[p];
        let mut raw = Vec::with_capacity(self.cp.factors.len());
        let mut at = p + 1;
        for (_, f) in callers(&self.cp) {
            let k = f.k;
            let sd = &reported[at..at + k];
            at += k;
            let correlation = f.assemble(|_, structure| {
                let own = &reported[at..at + structure.correlations()];
                at += own.len();
                structure.correlation_matrix(own)
            });
            let mut own = semidefinite_factor(&correlation, k);
            for (row, sd) in own.chunks_exact_mut(k).zip(sd) {
                row.iter_mut().for_each(|v| *v *= sd / sigma);
            }
            raw.push(own);
        }
        let lam = self.back.working(&Raw::from(raw))?;
        Ok((self.to_working(&reported[..p]), lam, sigma * self.cp.basis.y_scale))
    }
}

pub(crate) fn finite(value: f64) -> Result<f64, NumericsError> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(NumericsError::NonFinite("the log-posterior"))
    }
}

/// (internal index, factor) in the caller's order.
pub(crate) fn callers(cp: &CrossProducts) -> Vec<(usize, &Factor)> {
    let mut out: Vec<(usize, &Factor)> = cp.factors.iter().enumerate().collect();
    out.sort_by_key(|(i, _)| cp.order[*i]);
    out
}

fn in_callers_order(cp: &CrossProducts) -> Vec<&Factor> {
    callers(cp).into_iter().map(|(_, f)| f).collect()
}
