//! Between the parameters θ of all factors and the Λ of each.

use crate::covariance::coordinates::{Matrices, Working};
use crate::covariance::factor::Factor;
use crate::covariance::structure::Structure;
use crate::linalg::small;

/// A direction in the Λ of a factor: its index and `dΛ`, `k x k`.
pub type Direction = (usize, Vec<f64>);

/// Λ of each factor from the parameters of all.
pub(crate) fn lambda_from(factors: &[Factor], x: &[f64]) -> Working {
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
pub(crate) fn theta_of(factors: &[Factor], lam: &Matrices) -> Vec<f64> {
    let mut out = Vec::new();
    for (f, l) in factors.iter().zip(lam) {
        f.structures().for_each(|(columns, structure)| out.extend(structure.theta(&f.block(l, &columns))));
    }
    out
}

/// Call with each block, the parameters of it among `x`, and its diagonal block of the factor's matrix.
fn each_block(factors: &[Factor], x: &[f64], m: &Matrices, mut f: impl FnMut(&dyn Structure, &[f64], &[f64])) {
    let mut rest = x;
    for (factor, m) in factors.iter().zip(m) {
        for (columns, structure) in factor.structures() {
            let (own, later) = rest.split_at(structure.parameters());
            rest = later;
            f(structure, own, &factor.block(m, &columns));
        }
    }
}

/// The derivative in the parameters at `x`, from that in every entry of each Λ.
pub(crate) fn pull_back(factors: &[Factor], x: &[f64], d_lam: &Matrices) -> Vec<f64> {
    let mut out = Vec::with_capacity(x.len());
    each_block(factors, x, d_lam, |structure, own, d| out.extend(structure.pull_back(own, d)));
    out
}

/// The direction of Λ that each parameter moves in, at `x`.
#[must_use]
pub fn directions(factors: &[Factor], x: &[f64]) -> Vec<Direction> {
    let mut rest = x;
    let mut out = Vec::with_capacity(x.len());
    for (i, f) in factors.iter().enumerate() {
        for (columns, structure) in f.structures() {
            let (own, later) = rest.split_at(structure.parameters());
            rest = later;
            for block in structure.directions(own) {
                let mut d = vec![0.0; f.k * f.k];
                f.place(&mut d, &columns, &block);
                out.push((i, d));
            }
        }
    }
    out
}

/// Add to a Hessian in those directions what makes it one in the parameters: Λ's own second derivatives,
/// along the derivative in every entry of each Λ.
pub(crate) fn add_bend(factors: &[Factor], x: &[f64], d_lam: &Matrices, h: &mut [f64]) {
    let (m, mut at) = (x.len(), 0);
    each_block(factors, x, d_lam, |structure, own, d| {
        if let Some(bend) = structure.bend(own, d) {
            for (r, row) in bend.chunks_exact(own.len()).enumerate() {
                let to = (at + r) * m + at;
                h[to..to + own.len()].iter_mut().zip(row).for_each(|(h, b)| *h += b);
            }
        }
        at += own.len();
    });
}

/// The entries of `dΛ` that are not zero.
pub(crate) fn nonzero(d: &[f64], k: usize) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
    d.iter().enumerate().filter(|(_, v)| **v != 0.0).map(move |(e, v)| (e / k, e % k, *v))
}

/// Which parameters are standard deviations but for a sign.
pub(crate) fn scale_parameters(factors: &[Factor]) -> Vec<bool> {
    factors.iter().flat_map(Factor::structures).flat_map(|(_, structure)| structure.scale_parameters()).collect()
}

/// Λ with the same ΛΛᵀ in the form that their structures have.
pub(crate) fn canonical(factors: &[Factor], lam: &Matrices) -> Working {
    factors.iter().zip(lam).map(|(f, l)| f.blockwise(l, |block, s| s.canonical(block))).collect()
}

/// Λ of each factor with standard deviations of `size`, and what stands off the diagonal at `lean` times that.
pub(crate) fn start(factors: &[Factor], size: f64, lean: f64) -> Working {
    factors.iter().map(|f| f.assemble(|_, structure| structure.start(size, lean))).collect()
}

/// Λ = 1 for each factor.
pub(crate) fn identity(factors: &[Factor]) -> Working {
    factors.iter().map(|f| small::identity(f.k)).collect()
}
