//! log p(y | β, Λ₀, σ, b) where the random effects b of some factors are given, those of the first
//! factor integrated out level by level (or given too), with its exact gradient (theory.md §5).
//!
//! No factorisation beyond k x k blocks: the cost is that of a product with the sparse ZᵀWZ.

use std::sync::Arc;

use crate::error::NumericsError;
use crate::factor::{multiply, multiply_diagonal, multiply_pairs};
use crate::posterior::collapsed::{by_columns, by_level, residual_product, Integrated};
use crate::products::CrossProducts;

/// The likelihood; cloned for each thread.
#[derive(Debug, Clone)]
pub struct GivenEffects {
    cp: Arc<CrossProducts>,
    /// Factors before this one (none or the first) are integrated out.
    pub first: usize,
}

/// Value and derivatives at a point, everything on the working scale.
#[derive(Debug, Clone, Default)]
pub struct GivenPoint {
    /// log p(y | β, Λ₀, σ, b) on the scale of the raw data.
    pub value: f64,
    /// Derivative in β.
    pub beta: Vec<f64>,
    /// Derivative in the entries of Λ₀, if the first factor is integrated out.
    pub lead: Option<Vec<f64>>,
    /// Derivative in b.
    pub effects: Vec<f64>,
    /// Derivative in log σ, Λ₀ held.
    pub log_sigma: f64,
}

impl GivenEffects {
    /// The effects of the factors from `first` (0 or 1) on are given.
    #[must_use]
    pub fn new(cp: Arc<CrossProducts>, first: usize) -> Self {
        GivenEffects { cp, first }
    }

    /// Row among all random effects of the first that is given.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.cp.factors.get(self.first).map_or(self.cp.q(), |f| f.offset)
    }

    /// Value and gradient.
    pub fn evaluate(
        &self,
        beta: &[f64],
        lam0: &[f64],
        sigma: f64,
        effects: &[f64],
    ) -> Result<GivenPoint, NumericsError> {
        let cp = &*self.cp;
        let (c, p) = (cp.c(), cp.p);
        // Zᵀ(y - Xβ) of the given factors, and [X y]ᵀ(y - Xβ - Zb).
        let rows = &cp.zx[self.offset() * c..];
        let mut slope: Vec<f64> = rows.chunks_exact(c).map(|row| residual_product(row, beta)).collect();
        let mut residual: Vec<f64> = cp.xx.chunks_exact(c).map(|row| residual_product(row, beta)).collect();
        let mut rss = residual[p] - beta.iter().zip(&residual).map(|(b, r)| b * r).sum::<f64>();
        for (row, b) in rows.chunks_exact(c).zip(effects) {
            residual[..p].iter_mut().zip(row).for_each(|(r, x)| *r -= x * b);
        }
        let fitted = self.gram_times(effects);
        for ((s, f), b) in slope.iter_mut().zip(&fitted).zip(effects) {
            rss -= b * (2.0 * *s - f);
            *s -= f;
        }
        let sums = if self.first == 1 { Some(self.integrate(beta, lam0, effects, &mut slope)?) } else { None };
        let (logdet, explained) = sums.as_ref().map_or((0.0, 0.0), |s| (s.logdet, s.explained));
        let precision = 1.0 / (sigma * sigma);
        let penalised = rss - explained;
        let n = cp.n as f64;
        let value = -0.5 * (n * (2.0 * std::f64::consts::PI).ln() - cp.sum_log_weights + logdet)
            - n * (sigma.ln() - cp.basis.y_scale.ln())
            - 0.5 * precision * penalised;
        if !value.is_finite() {
            return Err(NumericsError::NonFinite("the log-likelihood"));
        }
        let lead = sums.map(|s| {
            residual[..p].iter_mut().zip(&s.xzw).for_each(|(r, z)| *r -= z);
            s.ew[0].iter().zip(&s.traces[0]).map(|(e, t)| precision * e - t).collect()
        });
        slope.iter_mut().for_each(|v| *v *= precision);
        Ok(GivenPoint {
            value,
            beta: residual[..p].iter().map(|r| precision * r).collect(),
            lead,
            effects: slope,
            log_sigma: precision * penalised - n,
        })
    }

    /// ZᵀWZ b of the given factors.
    fn gram_times(&self, effects: &[f64]) -> Vec<f64> {
        let cp = &*self.cp;
        if self.first == 0 {
            return multiply(cp, effects, 1);
        }
        let mut out = vec![0.0; effects.len()];
        let from = self.offset();
        for (f, zz) in cp.factors.iter().zip(&cp.zz).skip(1) {
            let rows = f.offset - from..f.offset - from + f.levels * f.k;
            multiply_diagonal(zz, (f.k, 1), &effects[rows.clone()], &mut out[rows]);
        }
        multiply_pairs(cp, effects, &mut out, 1);
        out
    }

    /// The first factor's levels, each on its own; what their effects explain is taken off `slope`.
    fn integrate(
        &self,
        beta: &[f64],
        lam0: &[f64],
        effects: &[f64],
        slope: &mut [f64],
    ) -> Result<Integrated, NumericsError> {
        let (cp, lead) = (&*self.cp, &self.cp.lead);
        let k = cp.factors[0].k;
        let levels = cp.factors[0].levels;
        let mut met = vec![0.0; levels * k];
        for (l, to) in met.chunks_exact_mut(k).enumerate() {
            let cols = lead.columns(l);
            for (to, row) in to.iter_mut().zip(lead.vals[lead.span(l, k)].chunks(cols.len().max(1))) {
                *to = cols.iter().zip(row).map(|(&j, v)| v * effects[j as usize]).sum();
            }
        }
        let sums = by_columns!(k, by_level(cp, beta, lam0, Some(&mut met)))?;
        for (l, modes) in met.chunks_exact(k).enumerate() {
            let cols = lead.columns(l);
            for (b, row) in modes.iter().zip(lead.vals[lead.span(l, k)].chunks(cols.len().max(1))) {
                cols.iter().zip(row).for_each(|(&j, v)| slope[j as usize] -= v * b);
            }
        }
        Ok(sums)
    }
}
