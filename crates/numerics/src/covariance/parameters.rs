//! Between the parameters θ, the working Λ of each factor, and lme4's raw Λ.

use crate::covariance::factor::Factor;
use crate::covariance::structure::Structure;
use crate::error::NumericsError;
use crate::linalg::small;

/// Λ of each factor from the parameters of all.
pub(crate) fn lambda_from(factors: &[Factor], x: &[f64]) -> Vec<Vec<f64>> {
    let mut rest = x;
    let one = |f: &Factor| {
        f.assemble(|_, structure| {
            let (own, later) = rest.split_at(structure.parameters());
            rest = later;
            structure.factor(own)
        })
    };
    factors.iter().map(one).collect()
}

/// The parameters of Λ of each factor.
pub(crate) fn theta_of(factors: &[Factor], lam: &[Vec<f64>]) -> Vec<f64> {
    let mut out = Vec::new();
    for (f, l) in factors.iter().zip(lam) {
        f.structures().for_each(|(columns, structure)| out.extend(structure.theta(&f.block(l, &columns))));
    }
    out
}

/// The derivative in the parameters, from that in every entry of each Λ.
pub(crate) fn pull_back(factors: &[Factor], d_lam: &[Vec<f64>]) -> Vec<f64> {
    let mut out = Vec::new();
    for (f, d) in factors.iter().zip(d_lam) {
        f.structures().for_each(|(columns, structure)| out.extend(structure.pull_back(&f.block(d, &columns))));
    }
    out
}

/// The passage between Λ of the raw columns, in the caller's order of factors, and the working ones.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    /// Factors in the internal order.
    pub(crate) factors: &'a [Factor],
    /// `order[i]` is the caller's index of factor `i`.
    pub(crate) order: &'a [usize],
    /// Per factor `T`, `k x k`: working row = raw row · T.
    pub(crate) basis: &'a [Vec<f64>],
}

impl Passage<'_> {
    /// T⁻¹ of each factor.
    pub(crate) fn inverse(&self) -> Result<Vec<Vec<f64>>, NumericsError> {
        self.basis.iter().zip(self.factors).map(|(t, f)| small::inverse(t, f.k)).collect()
    }

    /// T⁻¹Λ for raw Λ in the caller's order: square, not triangular. `back` is [`Passage::inverse`].
    pub(crate) fn untriangular(&self, back: &[Vec<f64>], raw: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, NumericsError> {
        self.factors
            .iter()
            .zip(self.order)
            .zip(back)
            .map(|((f, &i), b)| {
                let l =
                    raw.get(i).filter(|l| l.len() == f.k * f.k).ok_or(NumericsError::Mismatch("starting values"))?;
                Ok(small::product(b, l, (f.k, f.k, f.k)))
            })
            .collect()
    }

    /// Working Λ (lower-triangular) from raw ones in the caller's order.
    pub(crate) fn working(&self, raw: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, NumericsError> {
        let square = self.untriangular(&self.inverse()?, raw)?;
        Ok(square.iter().zip(self.factors).map(|(l, f)| small::lower_factor_of_gram(l, f.k, f.k)).collect())
    }

    /// Raw Λ (lower-triangular, non-negative diagonal) in the caller's order from working ones.
    pub(crate) fn raw(&self, working: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut out = vec![Vec::new(); self.factors.len()];
        for (i, f) in self.factors.iter().enumerate() {
            let raw = small::product(&self.basis[i], &working[i], (f.k, f.k, f.k));
            out[self.order[i]] = small::lower_factor_of_gram(&raw, f.k, f.k);
        }
        out
    }
}
