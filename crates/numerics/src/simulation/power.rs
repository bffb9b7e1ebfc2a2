//! What tests of fixed effects need of fits to simulated responses: replicates on native threads, each
//! searched as an ordinary fit is (no warm start), so that its numbers are those of one.

use std::sync::Arc;

use rayon::prelude::*;

use crate::error::NumericsError;
use crate::fit::{Convergence, Fit};
use crate::interrupt::Stop;
use crate::simulation::bootstrap::{Law, Prepared, Refitted, Replicate};

/// Satterthwaite's ingredients of one refit, X on the raw scale.
#[derive(Debug, Clone)]
pub struct TestParts {
    /// How the search went.
    pub convergence: Convergence,
    /// What the criterion's tolerances are relative to.
    pub magnitude: f64,
    /// Fixed effects.
    pub beta: Vec<f64>,
    /// Residual standard deviation.
    pub sigma: f64,
    /// Covariance of the fixed effects over σ², `p x p`.
    pub covariance: Vec<f64>,
    /// Hessian of the deviance in the m covariance parameters and log σ.
    pub hessian: Vec<f64>,
    /// Derivatives of the fixed effects' covariance in these, over σ², `p x p` each.
    pub jacobian: Vec<Vec<f64>>,
}

impl Law<'_> {
    /// Draw replicates `first..first + count` and fit a mixed model to each from scratch. `None` where
    /// the criterion could not be evaluated.
    pub fn test_parts(
        &self,
        model: &Refitted,
        seed: u64,
        first: u64,
        count: usize,
    ) -> Result<Vec<Option<TestParts>>, NumericsError> {
        let Refitted::Mixed { fit, .. } = model else {
            return Err(NumericsError::Mismatch("a mixed model and the model to be tested"));
        };
        let (prepared, reml) = ([Prepared::new(model)?], fit.state.reml);
        let one = |scratch: &mut Replicate, replicate: usize| {
            self.draw(&prepared, scratch, seed, first + replicate as u64);
            let cp = prepared[0].products(&mut scratch.workers[0])?;
            let mut refit = Fit::optimise(Arc::new(cp), reml, None).ok()?;
            let (hessian, jacobian) = refit.satterthwaite().ok()?;
            Some(TestParts {
                convergence: refit.convergence.clone(),
                magnitude: refit.state.magnitude(&refit.cp),
                beta: refit.beta(),
                sigma: refit.sigma(),
                covariance: refit.unscaled_covariance(),
                hessian,
                jacobian,
            })
        };
        let fresh = || Replicate::new(self.n, &prepared);
        let stop = Stop::current();
        let unless_stopped = |scratch: &mut Replicate, r: usize| stop.check().map(|()| stop.within(|| one(scratch, r)));
        let parts = (0..count).into_par_iter().map_init(fresh, unless_stopped).collect();
        stop.check()?;
        parts
    }
}
