//! Finite-sample null distributions of the (restricted) likelihood-ratio test of one variance, by the
//! spectral form of Crainiceanu & Ruppert (2004, JRSS-B 66): everything is a function of the
//! eigenvalues of one q x q matrix, made from the cross-products, and of independent χ² draws.
//!
//! RLRsim stops at the first decrease along its grid of λ; here the whole grid is searched and
//! the maximum is read off a parabola through the best three points.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{self_adjoint_evd, self_adjoint_evd_scratch, ComputeEigenvectors};
use faer::{MatRef, Par};
use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution};
use rayon::prelude::*;

use crate::error::NumericsError;
use crate::interrupt::{self, Stop};
use crate::linalg::small;
use crate::products::CrossProducts;

/// Draws that share one counter-based stream: fixed, so that threads change nothing.
const DRAWS_PER_STREAM: usize = 2048;
/// Eigenvalues closer than this, relative to the largest, are one with a multiplicity.
const EQUAL: f64 = 1e-9;
/// Grid of log λ, in units of one over the largest eigenvalue (RLRsim's is -10 … 8).
const LOG_LAMBDA: (f64, f64) = (-10.0, 10.0);
const COARSE: usize = 29;
const FINE: usize = 8;
const GRID: usize = (COARSE - 1) * FINE + 1;
/// Largest q x q matrix that is decomposed, in bytes.
const MEMORY_LIMIT: f64 = 4.0 * 1024.0 * 1024.0 * 1024.0;

/// What the null distribution depends on.
#[derive(Debug, Clone)]
pub struct NullLaw {
    /// Distinct non-zero eigenvalues of Zᵀ(I - P_X)Z, descending, with multiplicities.
    pub mu: Vec<(f64, usize)>,
    /// Distinct eigenvalues of ZᵀZ with multiplicities (they enter the ML criterion).
    pub xi: Vec<(f64, usize)>,
    /// Rows.
    pub n: usize,
    /// Fixed effects under the alternative.
    pub p: usize,
}

impl NullLaw {
    /// The null distribution for the only random column of a model.
    pub fn of(cp: &CrossProducts) -> Result<Self, NumericsError> {
        let [factor] = cp.factors.as_slice() else { return Err(NumericsError::Mismatch("the number of random terms")) };
        if factor.k != 1 {
            return Err(NumericsError::Mismatch("the number of random columns"));
        }
        let (q, p, c) = (factor.levels, cp.p, cp.c());
        let bytes = 16.0 * (q as f64).powi(2);
        if bytes > MEMORY_LIMIT {
            let gib = 1024f64.powi(3);
            return Err(NumericsError::Memory { needed_gib: bytes / gib, limit_gib: MEMORY_LIMIT / gib });
        }
        let mut l: Vec<f64> = (0..p * p).map(|e| cp.xx[(e / p) * c + e % p]).collect();
        small::cholesky(&mut l, p)?;
        // Columns of L⁻¹XᵀZ, so that ZᵀP_XZ is their Gram matrix.
        let mut w: Vec<f64> = (0..p * q).map(|e| cp.zx[(e % q) * c + e / q]).collect();
        small::solve_lower(&l, p, &mut w, q);
        let mut a = vec![0.0; q * q];
        small::gemm_tn(&mut a, &w, &w, (q, p, q), -1.0);
        (0..q).for_each(|i| a[i * q + i] += cp.zz[0][i]);
        let mu = interrupt::apart(move || eigenvalues(&a, q))??;
        let top = mu.iter().fold(0.0f64, |s, v| s.max(*v));
        let mu: Vec<f64> = mu.into_iter().filter(|v| *v > EQUAL * top).collect();
        if cp.n <= p + mu.len() {
            return Err(NumericsError::NoResidual);
        }
        Ok(NullLaw { mu: distinct(mu), xi: distinct(cp.zz[0].clone()), n: cp.n, p })
    }

    /// Draws of the restricted likelihood ratio under the null, or with `fixed` coefficients set
    /// to zero as well, of the likelihood ratio (`None`: RLRT; `Some(0)`: LRT of the variance alone).
    pub fn draw(&self, fixed: Option<usize>, nsim: usize, seed: u64) -> Result<Vec<f64>, NumericsError> {
        let table = Table::new(self, fixed);
        let law = |m: usize| ChiSquared::new(m as f64).map_err(|_| NumericsError::NoResidual);
        let groups: Vec<ChiSquared<f64>> = self.mu.iter().map(|g| law(g.1)).collect::<Result<_, _>>()?;
        let explained: usize = self.mu.iter().map(|g| g.1).sum();
        let residual = law(self.n - self.p - explained)?;
        let extra = fixed.filter(|&q| q > 0).map(law).transpose()?;
        let mut out = vec![0.0; nsim];
        let stop = Stop::current();
        out.par_chunks_mut(DRAWS_PER_STREAM).enumerate().for_each(|(stream, chunk)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(stream as u64);
            let mut w = vec![0.0; groups.len()];
            for value in chunk.iter_mut().take_while(|_| !stop.requested()) {
                w.iter_mut().zip(&groups).for_each(|(w, law)| *w = law.sample(&mut rng));
                let rest = residual.sample(&mut rng);
                *value = table.supremum(&w, rest);
                if let Some(law) = &extra {
                    let total = rest + w.iter().sum::<f64>();
                    *value += table.n * (law.sample(&mut rng) / total).ln_1p();
                }
            }
        });
        stop.check()?;
        Ok(out)
    }
}

fn eigenvalues(a: &[f64], n: usize) -> Result<Vec<f64>, NumericsError> {
    let mut values = vec![0.0; n];
    let scratch = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::No, Par::Seq, Default::default());
    self_adjoint_evd(
        MatRef::from_row_major_slice(a, n, n),
        DiagMut::from_slice_mut(&mut values),
        None,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| NumericsError::NotPositive(0))?;
    Ok(values)
}

/// Values that agree to rounding, as (mean, count), descending.
fn distinct(mut values: Vec<f64>) -> Vec<(f64, usize)> {
    values.sort_by(|a, b| b.total_cmp(a));
    let width = EQUAL * values.first().copied().unwrap_or(0.0);
    let mut out: Vec<(f64, usize)> = Vec::new();
    let mut first = f64::NAN;
    for v in values {
        match out.last_mut() {
            Some((mean, m)) if first - v <= width => {
                *m += 1;
                *mean += (v - *mean) / *m as f64;
            }
            _ => {
                first = v;
                out.push((v, 1));
            }
        }
    }
    out
}

/// The profile of the likelihood ratio in λ, ready to be searched: with D(λ) = Σ w/(1 + λμ) + w₀ and
/// C(λ) = Π(1 + λξ)^(1/n), the ratio is n log(D(0)/(D C)), so that a search needs no logarithm.
struct Table {
    n: f64,
    /// 1/(1 + λμ): for each eigenvalue the coarse points, and for each the whole grid.
    coarse: Vec<f64>,
    fine: Vec<f64>,
    weight: Vec<f64>,
}

impl Table {
    fn new(law: &NullLaw, fixed: Option<usize>) -> Self {
        let (n, penalty) = match fixed {
            None => ((law.n - law.p) as f64, &law.mu),
            Some(_) => (law.n as f64, &law.xi),
        };
        let top = law.mu.first().map_or(1.0, |g| g.0);
        let step = (LOG_LAMBDA.1 - LOG_LAMBDA.0) / (GRID - 1) as f64;
        let lambda: Vec<f64> = (0..GRID).map(|j| (LOG_LAMBDA.0 + j as f64 * step).exp() / top).collect();
        let at = |mu: f64| lambda.iter().map(move |l| 1.0 / (1.0 + l * mu));
        let weight = lambda
            .iter()
            .map(|l| (penalty.iter().map(|(v, m)| *m as f64 * (l * v).ln_1p()).sum::<f64>() / n).exp())
            .collect();
        Table {
            n,
            coarse: law.mu.iter().flat_map(|g| at(g.0).step_by(FINE)).collect(),
            fine: law.mu.iter().flat_map(|g| at(g.0)).collect(),
            weight,
        }
    }

    /// sup over λ ≥ 0 for one draw.
    fn supremum(&self, w: &[f64], rest: f64) -> f64 {
        let mut d = [rest; COARSE];
        for (row, w) in self.coarse.chunks_exact(COARSE).zip(w) {
            d.iter_mut().zip(row).for_each(|(d, r)| *d += w * r);
        }
        let best = lowest(d.iter().zip(self.weight.iter().step_by(FINE)).map(|(d, c)| d * c));
        let from = (best * FINE).saturating_sub(FINE);
        let to = (best * FINE + FINE).min(GRID - 1);
        let mut near = [rest; 2 * FINE + 1];
        let near = &mut near[..=to - from];
        for (row, w) in self.fine.chunks_exact(GRID).zip(w) {
            near.iter_mut().zip(&row[from..=to]).for_each(|(d, r)| *d += w * r);
        }
        near.iter_mut().zip(&self.weight[from..=to]).for_each(|(d, c)| *d *= c);
        let j = lowest(near.iter().copied());
        let null = rest + w.iter().sum::<f64>();
        let mut value = (null / near[j]).ln();
        if j > 0 && j + 1 < near.len() {
            let (left, right) = ((near[j - 1] / near[j]).ln(), (near[j + 1] / near[j]).ln());
            let curvature = left + right;
            if curvature > 0.0 {
                value += (left - right).powi(2) / (8.0 * curvature);
            }
        }
        self.n * value.max(0.0)
    }
}

fn lowest(values: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::INFINITY);
    for (j, v) in values.enumerate() {
        if v < best.1 {
            best = (j, v);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One eigenvalue: the supremum over λ has a closed form.
    #[test]
    fn balanced_supremum_equals_the_closed_form() {
        let law = NullLaw { mu: vec![(5.0, 3)], xi: vec![(5.0, 4)], n: 20, p: 1 };
        let table = Table::new(&law, None);
        for (w, rest) in [(9.0f64, 12.0f64), (3.0, 16.0), (0.5, 20.0), (40.0, 8.0)] {
            let (n, m) = (19.0f64, 3.0f64);
            let lambda: f64 = (((n - m) * w / (m * rest) - 1.0) / 5.0).max(0.0);
            let exact = n * ((w + rest) / (w / (1.0 + 5.0 * lambda) + rest)).ln() - m * (1.0 + 5.0 * lambda).ln();
            let got = table.supremum(&[w], rest);
            assert!((got - exact).abs() < 1e-5 * (1.0 + exact), "{w} {rest}: {got} {exact}");
        }
    }

    #[test]
    fn draws_do_not_depend_on_how_many_threads_make_them() {
        let law = NullLaw { mu: vec![(5.0, 3), (2.0, 1)], xi: vec![(5.0, 4)], n: 20, p: 1 };
        let pool = |threads| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .map(|p| p.install(|| law.draw(Some(1), 10_000, 7)))
        };
        let (one, three) = (pool(1).expect("pool"), pool(3).expect("pool"));
        assert_eq!(one.expect("draws"), three.expect("draws"));
    }
}
