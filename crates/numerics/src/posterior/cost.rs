//! The choice between integrating all random effects out and sampling some of them: by the estimated
//! time of an effective draw (theory.md §5). All the constants of that choice stand here.

use crate::error::NumericsError;
use crate::factor::Rest;
use crate::posterior::collapsed::LARGEST_KERNEL;
use crate::products::CrossProducts;

/// Operations a second of one core in products of dense matrices, and with scattered indices or small
/// blocks (benchmarks/sampling.py and random crossed designs, right to within a factor of three).
const DENSE_RATE: f64 = 1e10;
const SCATTERED_RATE: f64 = 8e8;
/// Operations that a small block's and a clique entry's bookkeeping is worth in the blocked factor.
const BLOCK_OVERHEAD: f64 = 20.0;
const CLIQUE_OVERHEAD: f64 = 8.0;
/// Seconds of an effective draw below which nothing is worth winning: integrating out is safest.
const CHEAP: f64 = 1e-3;
/// Effects are sampled if that is expected to be quicker by this factor at least.
const MARGIN: f64 = 2.0;
/// Gradients per effective draw of a few whitened parameters.
const COLLAPSED_GRADIENTS: f64 = 4.0;
/// Gradients per effective draw of d nearly independent normal numbers, as a multiple of d^¼
/// (Beskos et al. 2013).
const JOINT_GRADIENTS: f64 = 3.0;

/// Estimates for a model.
#[derive(Debug, Clone, Copy)]
pub struct SamplingCost {
    /// Seconds of one core for an effective draw with all random effects integrated out.
    pub collapsed: f64,
    /// The same with those of the later factors sampled (of all factors, if there is one).
    pub joint: f64,
    /// Random effects that would be sampled.
    pub effects: usize,
}

impl SamplingCost {
    /// From the pattern of the cross-products.
    pub fn of(cp: &CrossProducts) -> Result<Self, NumericsError> {
        let rest = match Rest::choose(cp)? {
            Rest::Nothing => 0.0,
            // A third for the factor, two thirds for the inverse.
            Rest::Dense(_) => (cp.q_rest() as f64).powi(3) / DENSE_RATE,
            Rest::Sparse(f) => 3.0 * f.operations() / SCATTERED_RATE,
        };
        let blocks: f64 = cp.factors.iter().map(|f| (f.levels * f.k * f.k * (10 + 2 * f.k)) as f64).sum();
        let rows = (2 * cp.q() * cp.c()) as f64;
        let (k, lead) = (cp.factors.first().map_or(0, |f| f.k) as f64, &cp.lead);
        let cliques: f64 = lead.ptr.windows(2).map(|w| ((w[1] - w[0]) as f64).powi(2)).sum();
        let products = 4.0 * (lead.vals.len() + cp.pairs.iter().map(|p| p.vals.len()).sum::<usize>()) as f64;
        let scattered = BLOCK_OVERHEAD * blocks + rows + products + CLIQUE_OVERHEAD * k * cliques;
        let collapsed = rest + scattered / SCATTERED_RATE;
        let effects = if cp.factors.len() > 1 { cp.q_rest() } else { cp.q() };
        let joint = (3.0 * blocks + 2.0 * rows + products) / SCATTERED_RATE;
        Ok(SamplingCost {
            collapsed: COLLAPSED_GRADIENTS * collapsed,
            joint: JOINT_GRADIENTS * (effects as f64).powf(0.25) * joint,
            effects,
        })
    }

    /// Whether sampling random effects is possible and expected to be quicker.
    #[must_use]
    pub fn joint_is_quicker(&self, cp: &CrossProducts) -> bool {
        let possible = cp.factors.len() > 1 && cp.factors.iter().all(|f| f.k <= LARGEST_KERNEL);
        possible && self.collapsed > CHEAP && MARGIN * self.joint < self.collapsed
    }
}
