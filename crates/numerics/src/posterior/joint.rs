//! The log-posterior with random effects among the parameters (theory.md §5), for models where
//! integrating all of them out is expensive: those of the first factor are still integrated out (level by
//! level, at no cost), the others are functions of nearly independent standard normal numbers z.
//! A model with one factor has all of its effects sampled.

use std::sync::Arc;

use crate::error::NumericsError;
use crate::factor::{apply_lambda, multiply, Blocked};
use crate::linalg::small;
use crate::posterior::collapsed::{by_columns, LARGEST_KERNEL};
use crate::posterior::given_effects::GivenEffects;
use crate::posterior::levelwise::{place, pull_back, Information, Place, Room, Slopes};
use crate::posterior::log_posterior::{finite, LogPosterior};
use crate::posterior::slow_directions::SlowDirections;
use crate::products::CrossProducts;

/// The posterior of the parameters and z; cloned for each thread.
#[derive(Debug, Clone)]
pub struct Joint {
    frame: LogPosterior,
    likelihood: GivenEffects,
    /// Information of each factor sampled.
    information: Arc<Vec<Information>>,
    rooms: Vec<Room>,
    effects: Vec<f64>,
}

impl Joint {
    /// Prepared at an unconstrained point `x` near the mode, with the directions in which z is still
    /// far from standard normal there.
    pub fn at(posterior: &LogPosterior, x: &[f64]) -> Result<(Self, SlowDirections), NumericsError> {
        let cp = posterior.data().clone();
        if cp.factors.iter().any(|f| f.k > LARGEST_KERNEL) {
            return Err(NumericsError::Sampler(format!(
                "random effects are sampled of at most {LARGEST_KERNEL} columns a grouping factor"
            )));
        }
        let first = usize::from(cp.factors.len() > 1);
        let (_, lam, _) = posterior.parameters_of(&posterior.constrain(x))?;
        let mut blocked = Blocked::new(&cp)?;
        blocked.factor(&cp, &lam)?;
        let information = information(&cp, &blocked, first);
        let slow = SlowDirections::of(&cp, &blocked, &information, first)?;
        let likelihood = GivenEffects::new(cp.clone(), first);
        let size = cp.q() - likelihood.offset();
        let joint = Joint {
            frame: posterior.priors_alone(),
            likelihood,
            rooms: vec![Room::default(); information.len()],
            information: Arc::new(information),
            effects: vec![0.0; size],
        };
        Ok((joint, slow))
    }

    /// Number of numbers: the parameters and z.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.frame.dim() + self.effects.len()
    }

    /// The parameters and their priors.
    #[must_use]
    pub fn frame(&self) -> &LogPosterior {
        &self.frame
    }

    /// Log-density at unconstrained parameters followed by z, and its gradient.
    pub fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64, NumericsError> {
        let cp = self.frame.data().clone();
        let (low, z) = x.split_at(self.frame.dim());
        let (low_gradient, dz) = gradient.split_at_mut(low.len());
        let placed = self.frame.place(low, low_gradient)?;
        let sigma = placed.sigma * cp.basis.y_scale;
        let mut value = placed.log_prior;
        let (first, from) = (self.likelihood.first, self.likelihood.offset());
        let own = cp.factors.iter().zip(&placed.lam).skip(first).zip(self.information.iter());
        for (((f, lam), info), room) in own.clone().zip(&mut self.rooms) {
            let rows = f.offset - from..f.offset - from + f.levels * f.k;
            let at = Place { lam, beta: &placed.beta, sigma };
            value += by_columns!(f.k, place(info, at, &z[rows.clone()], room, &mut self.effects[rows]))?;
        }
        let point = self.likelihood.evaluate(&placed.beta, &placed.lam[0], sigma, &self.effects)?;
        let (mut d_beta, mut d_log_sigma) = (point.beta, point.log_sigma);
        let mut d_lam: Vec<Vec<f64>> = point.lead.into_iter().collect();
        for (((f, lam), info), room) in own.zip(&self.rooms) {
            let rows = f.offset - from..f.offset - from + f.levels * f.k;
            let at = Place { lam, beta: &placed.beta, sigma };
            let mut d = vec![0.0; f.k * f.k];
            let mut slopes = Slopes { lam: &mut d, beta: &mut d_beta, log_sigma: &mut d_log_sigma };
            let given = (&z[rows.clone()], &point.effects[rows.clone()]);
            by_columns!(f.k, pull_back(info, at, given, room, &mut dz[rows], &mut slopes));
            d_lam.push(d);
        }
        self.frame.pull_back(low, &placed, (&d_beta, &d_lam.into(), d_log_sigma), low_gradient);
        finite(value + point.value)
    }
}

/// What the data say of each level's effects where Ω was factored, the other effects integrated out of
/// the mean and those of the first factor out of the precision as well.
fn information(cp: &CrossProducts, blocked: &Blocked, first: usize) -> Vec<Information> {
    let c = cp.c();
    let mut w = apply_lambda(cp, &blocked.lam, &cp.zx, c, true);
    blocked.forward(cp, &mut w, c);
    blocked.backward(cp, &mut w, c);
    // Modes as a linear function of [X y], and Zᵀ of what they leave.
    let modes = apply_lambda(cp, &blocked.lam, &w, c, false);
    let fitted = multiply(cp, &modes, c);
    let mut out: Vec<Information> =
        cp.zz[first..].iter().map(|zz| Information { a: zz.clone(), g: Vec::new() }).collect();
    if first == 1 {
        subtract_lead(cp, blocked, &mut out);
    }
    for (f, info) in cp.factors[first..].iter().zip(&mut out) {
        let rows = f.offset * c..(f.offset + f.levels * f.k) * c;
        info.g = cp.zx[rows.clone()].iter().zip(&fitted[rows.clone()]).map(|(x, f)| x - f).collect();
        let blocks = info.a.chunks_exact(f.k * f.k).zip(modes[rows].chunks_exact(f.k * c));
        for ((a, modes), g) in blocks.zip(info.g.chunks_exact_mut(f.k * c)) {
            small::gemm(g, a, modes, (f.k, f.k, c), 1.0);
        }
    }
    out
}

/// Take the first factor's share off the diagonal blocks of the later ones.
fn subtract_lead(cp: &CrossProducts, blocked: &Blocked, out: &mut [Information]) {
    let (k, lead, owner) = (cp.factors[0].k, &cp.lead, cp.rest_owner());
    let base = cp.q_lead();
    let mut half = Vec::new();
    for l in 0..cp.factors[0].levels {
        let cols = lead.columns(l);
        let w = cols.len();
        half.clear();
        half.resize(k * w, 0.0);
        // L₀⁻¹Λ₀ᵀA₀ⱼ.
        small::gemm_tn(&mut half, &blocked.lam[0], &lead.vals[lead.span(l, k)], (k, k, w), 1.0);
        small::solve_lower(&blocked.l0[l * k * k..(l + 1) * k * k], k, &mut half, w);
        let mut j = 0;
        while j < w {
            let g = owner[cols[j] as usize] as usize;
            let f = &cp.factors[g];
            let level = (cols[j] as usize + base - f.offset) / f.k;
            let block = &mut out[g - 1].a[level * f.k * f.k..(level + 1) * f.k * f.k];
            for a in 0..f.k {
                for b in 0..f.k {
                    let s: f64 = half.chunks_exact(w).map(|row| row[j + a] * row[j + b]).sum();
                    block[a * f.k + b] -= s;
                }
            }
            j += f.k;
        }
    }
}
