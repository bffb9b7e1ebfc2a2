//! A fitted model: what is read off the factor at the optimum, on the scale of the raw data.

use std::sync::{Arc, OnceLock};

use crate::covariance::{null_directions, Raw, Working};
use crate::criterion::Profiled;
use crate::error::NumericsError;
use crate::linalg::{large, small};
use crate::products::CrossProducts;

/// How the search went.
#[derive(Debug, Clone, Default)]
pub struct Convergence {
    /// Norm of the exact gradient at the end, divided by [`Profiled::magnitude`].
    pub gradient_norm: f64,
    /// Smallest eigenvalue of the Hessian in the working parameters, and the largest.
    pub eigenvalues: (f64, f64),
    /// Evaluations of criterion and gradient.
    pub evaluations: usize,
}

/// A fitted model: the factor at the optimum and how it was found.
#[derive(Debug, Clone)]
pub struct Fit {
    /// The data.
    pub cp: Arc<CrossProducts>,
    /// The factor and solutions at the optimum.
    pub state: Profiled,
    /// How the search went.
    pub convergence: Convergence,
    /// Hessian of the criterion in the parameters of the working Λ.
    pub hessian: Vec<f64>,
    /// Per factor (internal order), orthonormal directions (rows, working basis) without variance.
    pub null_directions: Vec<Vec<Vec<f64>>>,
    /// Covariance of the fixed effects over σ², once asked for.
    pub(crate) unscaled: OnceLock<Vec<f64>>,
}

impl Fit {
    /// A fit at given parameters, without a search (reading a stored fit).
    pub fn at(
        cp: Arc<CrossProducts>,
        reml: bool,
        raw: &Raw,
        c: Convergence,
        h: Vec<f64>,
    ) -> Result<Self, NumericsError> {
        let lam = cp.passage().working(raw)?;
        Fit::at_working(cp, reml, &lam, c, h)
    }

    /// A fit at given working parameters, bit by bit the one that was found there.
    pub fn at_working(
        cp: Arc<CrossProducts>,
        reml: bool,
        lam: &Working,
        c: Convergence,
        h: Vec<f64>,
    ) -> Result<Self, NumericsError> {
        let mut state = Profiled::new(&cp, reml)?;
        state.evaluate(&cp, lam)?;
        state.back_substitute(&cp);
        let null_directions = null_directions(&cp.factors, lam);
        Ok(Fit { cp, state, convergence: c, hessian: h, null_directions, unscaled: OnceLock::new() })
    }

    /// Criterion at Λ and its exact gradient in every entry of each.
    pub fn evaluate_raw(cp: &CrossProducts, reml: bool, raw: &Raw) -> Result<(f64, Raw), NumericsError> {
        let mut state = Profiled::new(cp, reml)?;
        let back = cp.passage().inverse()?;
        let criterion = state.evaluate(cp, &back.working(raw)?)? + state.units(cp);
        Ok((criterion, back.pull_back(&state.gradient(cp))))
    }

    /// Λ, lower triangular, no negative diagonal.
    #[must_use]
    pub fn raw_lambda(&self) -> Raw {
        self.cp.passage().raw(&self.state.blocked.lam)
    }

    /// Residual standard deviation, raw scale.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        (self.state.r2 / self.state.nu(&self.cp)).sqrt() / self.cp.basis.y_scale
    }

    /// Fixed effects (kept columns), raw scale.
    #[must_use]
    pub fn beta(&self) -> Vec<f64> {
        self.cp.basis.raw_beta(&self.state.beta)
    }

    /// Covariance of the fixed effects over σ², raw scale.
    #[must_use]
    pub fn unscaled_covariance(&self) -> Vec<f64> {
        if let Some(found) = self.unscaled.get() {
            return found.clone();
        }
        // Not within `get_or_init`: a process forked meanwhile would wait for ever.
        let made = self.raw_symmetric(&self.state.phi);
        let _ = self.unscaled.set(made.clone());
        made
    }

    /// Bounds of each diagonal entry of that covariance, at the cost of reading the basis: the eigenvalues of
    /// (XᵀH⁻¹X)⁻¹ lie between 1/tr XᵀX and its own trace.
    #[must_use]
    pub fn unscaled_variance_bounds(&self) -> (Vec<f64>, Vec<f64>) {
        let (p, c) = (self.cp.p, self.cp.c());
        let trace = |m: &[f64], stride: usize| (0..p).map(|i| m[i * stride + i]).sum::<f64>();
        let (least, most) = (1.0 / trace(&self.cp.xx, c), trace(&self.state.phi, p));
        let squares = self.cp.basis.x.chunks(p.max(1)).map(|row| row.iter().map(|v| v * v).sum::<f64>());
        squares.map(|s| (s * least, s * most)).unzip()
    }

    pub(crate) fn raw_symmetric(&self, m: &[f64]) -> Vec<f64> {
        let (p, t) = (self.cp.p, &self.cp.basis.x);
        let half = large::product(t, m, (p, p, p));
        let mut out = vec![0.0; p * p];
        if p < large::LARGE {
            small::gemm_nt(&mut out, &half, t, (p, p, p), 1.0);
        } else {
            large::add_lower_nt(&mut out, (&half, p, p, p), (t, p, p, p), 1.0);
            large::mirror(&mut out, p);
        }
        out
    }

    /// Conditional modes of the random effects per factor (caller's order), `levels x k`.
    #[must_use]
    pub fn random_effects(&self) -> Vec<Vec<f64>> {
        let (cp, c) = (&self.cp, self.cp.c());
        let mut out = vec![Vec::new(); cp.factors.len()];
        for (i, f) in cp.factors.iter().enumerate() {
            let map = cp.passage().effects(i, &self.state.blocked.lam);
            let rows = f.offset..f.offset + f.levels * f.k;
            let u: Vec<f64> = rows.map(|r| self.state.f[r * c + cp.p] / cp.basis.y_scale).collect();
            out[cp.order[i]] = u.chunks_exact(f.k).flat_map(|u| small::product(&map, u, (f.k, f.k, 1))).collect();
        }
        out
    }

    /// Conditional covariances of the random effects given y, over σ²: per factor (caller's
    /// order) `levels x k x k`, fixed effects taken as known (lme4's `condVar`).
    #[must_use]
    pub fn conditional_covariances(&mut self) -> Vec<Vec<f64>> {
        let cp = self.cp.clone();
        let lead = self.state.blocked.selected_inverse(&cp);
        let mut out = vec![Vec::new(); cp.factors.len()];
        for (i, f) in cp.factors.iter().enumerate() {
            let k = f.k;
            let map = cp.passage().effects(i, &self.state.blocked.lam);
            let mut all = Vec::with_capacity(f.levels * k * k);
            for level in 0..f.levels {
                let block = self.state.blocked.diagonal_block(&cp, &lead, i, level);
                let half = small::product(&map, &block, (k, k, k));
                let mut v = vec![0.0; k * k];
                small::gemm_nt(&mut v, &half, &map, (k, k, k), 1.0);
                all.extend(v);
            }
            out[cp.order[i]] = all;
        }
        out
    }

    /// Whether any direction of the random effects has no variance.
    #[must_use]
    pub fn is_singular(&self) -> bool {
        self.null_directions.iter().any(|d| !d.is_empty())
    }
}
