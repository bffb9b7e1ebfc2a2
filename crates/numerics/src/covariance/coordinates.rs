//! Raw and working coordinates, and the passage between them.
//!
//! With the basis T of a factor (working row = raw row · T), Λ_raw = TΛ, Σ_raw = TΣTᵀ, and a derivative in
//! Λ_raw is T⁻ᵀ times that in Λ.

use std::ops::{Deref, DerefMut};

use crate::covariance::factor::Factor;
use crate::error::NumericsError;
use crate::linalg::small;

/// A square matrix for each grouping factor.
pub type Matrices = [Vec<f64>];

macro_rules! coordinates {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name(Vec<Vec<f64>>);

        impl Deref for $name {
            type Target = Matrices;

            fn deref(&self) -> &Matrices {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Matrices {
                &mut self.0
            }
        }

        impl From<Vec<Vec<f64>>> for $name {
            fn from(matrices: Vec<Vec<f64>>) -> Self {
                $name(matrices)
            }
        }

        impl From<$name> for Vec<Vec<f64>> {
            fn from(matrices: $name) -> Self {
                matrices.0
            }
        }

        impl FromIterator<Vec<f64>> for $name {
            fn from_iter<I: IntoIterator<Item = Vec<f64>>>(matrices: I) -> Self {
                $name(matrices.into_iter().collect())
            }
        }

        impl<'a> IntoIterator for &'a $name {
            type Item = &'a Vec<f64>;
            type IntoIter = std::slice::Iter<'a, Vec<f64>>;

            fn into_iter(self) -> Self::IntoIter {
                self.0.iter()
            }
        }
    };
}

coordinates! {
    /// Λ of each grouping factor (or Σ, or a derivative in Λ) for the caller's columns, in the caller's order
    /// of factors.
    Raw
}

coordinates! {
    /// Λ of each grouping factor (or Σ, or a derivative in Λ) in the working basis, in the internal order of
    /// factors.
    Working
}

impl Raw {
    /// From matrices in the internal order of factors; `order[i]` is the caller's index of factor `i`.
    pub(crate) fn in_callers_order(order: &[usize], internal: impl IntoIterator<Item = Vec<f64>>) -> Self {
        let mut out = vec![Vec::new(); order.len()];
        order.iter().zip(internal).for_each(|(&i, m)| out[i] = m);
        Raw(out)
    }

    /// The matrices in the internal order of factors.
    pub(crate) fn in_internal_order<'a>(&'a self, order: &'a [usize]) -> impl Iterator<Item = &'a Vec<f64>> {
        order.iter().map(|&i| &self.0[i])
    }

    /// Lower triangular factors, no negative diagonal, of the same ΛΛᵀ.
    pub(crate) fn lower(&self) -> Self {
        let lower = |l: &Vec<f64>| {
            let k = (l.len() as f64).sqrt() as usize;
            small::lower_factor_of_gram(l, k, k)
        };
        Raw(self.0.iter().map(lower).collect())
    }
}

/// The passage from working coordinates to raw ones, and to its inverse.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    /// Factors in the internal order.
    pub(crate) factors: &'a [Factor],
    /// `order[i]` is the caller's index of factor `i`.
    pub(crate) order: &'a [usize],
    /// Per factor `T`, `k x k`: working row = raw row · T.
    pub(crate) basis: &'a Matrices,
}

impl Passage<'_> {
    /// Raw Λ (lower triangular, no negative diagonal) from working ones.
    #[must_use]
    pub fn raw(&self, working: &Working) -> Raw {
        let raw = (0..self.factors.len()).map(|i| self.effects(i, working));
        Raw::in_callers_order(self.order, raw).lower()
    }

    /// TΛ of factor `i`: raw random effects from those of unit variance.
    #[must_use]
    pub fn effects(&self, i: usize, working: &Working) -> Vec<f64> {
        let k = self.factors[i].k;
        small::product(&self.basis[i], &working[i], (k, k, k))
    }

    /// Raw Σ, or a direction of Σ, from working ones.
    pub(crate) fn raw_covariance(&self, working: &Working) -> Raw {
        let one = |((t, sigma), f): ((&Vec<f64>, &Vec<f64>), &Factor)| {
            let half = small::product(t, sigma, (f.k, f.k, f.k));
            let mut raw = vec![0.0; f.k * f.k];
            small::gemm_nt(&mut raw, &half, t, (f.k, f.k, f.k), 1.0);
            raw
        };
        Raw::in_callers_order(self.order, self.basis.iter().zip(working).zip(self.factors).map(one))
    }

    /// Working Λ (lower triangular, no negative diagonal) from raw ones.
    pub(crate) fn working(&self, raw: &Raw) -> Result<Working, NumericsError> {
        let square = self.inverse()?.working(raw)?;
        Ok(square.iter().zip(self.factors).map(|(l, f)| small::lower_factor_of_gram(l, f.k, f.k)).collect())
    }

    /// The passage from raw coordinates to working ones.
    pub(crate) fn inverse(&self) -> Result<Inverse, NumericsError> {
        let inverse = self.basis.iter().zip(self.factors).map(|(t, f)| small::inverse(t, f.k));
        Ok(Inverse { back: inverse.collect::<Result<_, _>>()?, order: self.order.to_vec() })
    }

    /// Working Λ that were stored: their shapes are checked.
    pub fn stored(&self, working: Vec<Vec<f64>>) -> Result<Working, NumericsError> {
        if working.iter().map(Vec::len).eq(self.factors.iter().map(|f| f.k * f.k)) {
            Ok(Working(working))
        } else {
            Err(NumericsError::State("inconsistent working parameters".into()))
        }
    }
}

/// The passage from raw coordinates to working ones.
#[derive(Debug, Clone)]
pub(crate) struct Inverse {
    /// T⁻¹ of each factor, in the internal order.
    back: Vec<Vec<f64>>,
    order: Vec<usize>,
}

impl Inverse {
    /// Raw coordinates that are the working ones but for the order.
    pub(crate) fn identity(factors: &[Factor], order: &[usize]) -> Self {
        Inverse { back: factors.iter().map(|f| small::identity(f.k)).collect(), order: order.to_vec() }
    }

    /// From raw coordinates whose rows are in these units (internal order).
    pub(crate) fn in_units(mut self, units: &[Vec<f64>]) -> Self {
        for (b, units) in self.back.iter_mut().zip(units) {
            b.chunks_exact_mut(units.len()).for_each(|row| row.iter_mut().zip(units).for_each(|(v, u)| *v *= u));
        }
        self
    }

    /// T⁻¹ of factor `i` (internal order).
    pub(crate) fn matrix(&self, i: usize) -> &[f64] {
        &self.back[i]
    }

    /// Working Λ of any raw ones, T⁻¹Λ: square, not triangular.
    pub(crate) fn working(&self, raw: &Raw) -> Result<Working, NumericsError> {
        let one = |(b, &i): (&Vec<f64>, &usize)| {
            let k = (b.len() as f64).sqrt() as usize;
            let l = raw.get(i).filter(|l| l.len() == k * k).ok_or(NumericsError::Mismatch("starting values"))?;
            Ok(small::product(b, l, (k, k, k)))
        };
        self.back.iter().zip(&self.order).map(one).collect::<Result<Vec<_>, _>>().map(Working)
    }

    /// The derivative in every entry of each raw Λ, from that in the working ones.
    pub(crate) fn pull_back(&self, d_working: &Working) -> Raw {
        let one = |(b, d): (&Vec<f64>, &Vec<f64>)| {
            let k = (b.len() as f64).sqrt() as usize;
            let mut out = vec![0.0; k * k];
            small::gemm_tn(&mut out, b, d, (k, k, k), 1.0);
            out
        };
        Raw::in_callers_order(&self.order, self.back.iter().zip(d_working).map(one))
    }

    /// The working direction of a raw one, both of factor `i` (internal order).
    pub(crate) fn direction(&self, i: usize, d: &[f64]) -> Vec<f64> {
        let k = (d.len() as f64).sqrt() as usize;
        small::product(&self.back[i], d, (k, k, k))
    }
}
