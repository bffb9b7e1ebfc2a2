//! The profiled deviance as a search sees it.

use crate::covariance::{Direction, Factor, Working};
use crate::criterion::curvature;
use crate::criterion::profiled::Profiled;
use crate::criterion::starts::{collinear_blocks, starting_values};
use crate::criterion::Criterion;
use crate::error::NumericsError;
use crate::products::CrossProducts;

/// Random effects of the later factors above which an evaluation is expensive.
const EXPENSIVE: usize = 400;

/// Random effects above which what is held for each of them counts.
const LONG: usize = 5000;

/// [`Profiled`] with the cross-products that it is one of.
pub(crate) struct ProfiledCriterion<'a> {
    pub(crate) cp: &'a CrossProducts,
    pub(crate) state: Profiled,
    cheap_hessian: bool,
}

impl<'a> ProfiledCriterion<'a> {
    pub(crate) fn new(cp: &'a CrossProducts, reml: bool) -> Result<Self, NumericsError> {
        Ok(ProfiledCriterion { cp, state: Profiled::new(cp, reml)?, cheap_hessian: curvature::affordable(cp) })
    }
}

impl Criterion for ProfiledCriterion<'_> {
    fn factors(&self) -> &[Factor] {
        &self.cp.factors
    }

    fn evaluate(&mut self, lam: &Working) -> Result<f64, NumericsError> {
        self.state.evaluate(self.cp, lam)
    }

    fn value(&self) -> f64 {
        self.state.criterion
    }

    fn gradient(&mut self) -> Working {
        self.state.gradient(self.cp)
    }

    /// Average information.
    fn approximate_hessian(&self, gradient: &Working, directions: &[Direction]) -> Option<Vec<f64>> {
        // The other form is quicker, but holds three arrays of a row for each random effect.
        if self.cp.factors.len() == 1 && self.cp.q() > LONG {
            return Some(curvature::average_information(self.cp, &self.state, directions));
        }
        let size = self.cp.q() * self.cp.n_theta();
        (size < 40_000_000).then(|| self.state.average_information(self.cp, gradient, directions))
    }

    fn has_cheap_hessian(&self) -> bool {
        self.cheap_hessian
    }

    fn hessian(&self, directions: &[Direction]) -> Vec<f64> {
        curvature::hessian(self.cp, &self.state, directions)
    }

    fn rounding(&self) -> f64 {
        self.state.rounding(self.cp)
    }

    fn is_expensive(&self) -> bool {
        self.cp.q_rest() > EXPENSIVE
    }

    fn start(&self) -> Working {
        starting_values(self.cp)
    }

    fn other_start(&self) -> Option<Working> {
        collinear_blocks(self.cp)
    }
}
