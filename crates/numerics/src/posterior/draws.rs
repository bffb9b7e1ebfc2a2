//! Random effects drawn exactly from their normal law given the other parameters and y:
//! u ~ N(Ω⁻¹Λᵀr, σ²Ω⁻¹), b = Λu. Draw by draw, each with its own stream of numbers.

use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::error::NumericsError;
use crate::factor::{apply_lambda, Blocked};
use crate::linalg::small;
use crate::posterior::log_posterior::{callers, LogPosterior};
use crate::posterior::sampling::stream;

/// Draws a task.
const CHUNK: usize = 64;

impl LogPosterior {
    /// Random effects of reported draws (one after another, numbered from `first`): for each draw
    /// those of each factor (caller's order), `levels x k`. With `from_prior` the data are ignored.
    pub fn random_effects(
        &self,
        reported: &[f64],
        seed: u64,
        first: u64,
        from_prior: bool,
    ) -> Result<Vec<f64>, NumericsError> {
        let (d, q) = (self.dim(), self.data().q());
        let mut out = vec![0.0; reported.len() / d * q];
        // Numbers of their own, apart from those of the chains.
        let seed = seed ^ 0x9e37_79b9_7f4a_7c15;
        out.par_chunks_mut(CHUNK * q).zip(reported.par_chunks(CHUNK * d)).enumerate().try_for_each(
            |(task, (to, draws))| {
                let mut blocked = if from_prior { None } else { Some(Blocked::new(self.data())?) };
                for (i, (to, draw)) in to.chunks_exact_mut(q).zip(draws.chunks_exact(d)).enumerate() {
                    let number = first + (task * CHUNK + i) as u64;
                    self.draw_random(draw, stream(seed, number), blocked.as_mut(), to)?;
                }
                Ok(())
            },
        )?;
        Ok(out)
    }

    fn draw_random(
        &self,
        draw: &[f64],
        mut rng: nuts_rs::rand::rngs::ChaCha8Rng,
        blocked: Option<&mut Blocked>,
        to: &mut [f64],
    ) -> Result<(), NumericsError> {
        let cp = self.data();
        let (c, p) = (cp.c(), cp.p);
        let (beta, lam, sigma) = self.parameters_of(draw)?;
        let mut u: Vec<f64> =
            (0..cp.q()).map(|_| sigma * Distribution::<f64>::sample(&StandardNormal, &mut rng)).collect();
        if let Some(blocked) = blocked {
            blocked.factor(cp, &lam)?;
            let residual = |row: &[f64]| row[p] - row.iter().zip(&beta).map(|(x, b)| x * b).sum::<f64>();
            let r: Vec<f64> = cp.zx.chunks_exact(c).map(residual).collect();
            let mut half = apply_lambda(cp, &lam, &r, 1, true);
            blocked.forward(cp, &mut half, 1);
            u.iter_mut().zip(&half).for_each(|(u, h)| *u += h);
            blocked.backward(cp, &mut u, 1);
        }
        let working = apply_lambda(cp, &lam, &u, 1, false);
        let mut at = 0;
        for (i, f) in callers(cp) {
            let (k, t) = (f.k, &cp.basis.z[i]);
            for (to, from) in to[at..at + f.levels * k].chunks_exact_mut(k).zip(working[f.offset..].chunks_exact(k)) {
                to.fill(0.0);
                small::gemm(to, t, from, (k, k, 1), 1.0 / cp.basis.y_scale);
            }
            at += f.levels * k;
        }
        Ok(())
    }
}
