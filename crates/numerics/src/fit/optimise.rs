//! The fit of a linear mixed model: the minimum of the profiled deviance.

use std::sync::{Arc, OnceLock};

use crate::covariance::{null_directions, Raw};
use crate::criterion::ProfiledCriterion;
use crate::error::NumericsError;
use crate::fit::model::{Convergence, Fit};
use crate::products::CrossProducts;
use crate::search::minimum;

impl Fit {
    /// Maximise the (restricted) likelihood. `start`: Λ near the optimum.
    pub fn optimise(cp: Arc<CrossProducts>, reml: bool, start: Option<&Raw>) -> Result<Self, NumericsError> {
        let near = start.map(|raw| cp.passage().working(raw)).transpose()?;
        let found = minimum(ProfiledCriterion::new(&cp, reml)?, near.as_ref())?;
        let state = found.criterion.state;
        let convergence = Convergence {
            gradient_norm: found.gradient_norm / state.magnitude(&cp),
            eigenvalues: found.eigenvalues,
            evaluations: found.evaluations,
        };
        let null_directions = null_directions(&cp.factors, &found.lam);
        let hessian = found.hessian;
        Ok(Fit { cp, state, convergence, hessian, null_directions, unscaled: OnceLock::new() })
    }
}
