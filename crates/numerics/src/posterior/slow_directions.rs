//! The few directions in which random effects of different levels move together: where the levels'
//! own information makes z standard normal one by one, z as a whole has in them a variance well above 1
//! (the mean of a factor beside the intercept, the mean over the levels of one factor within another).

use nuts_rs::rand::rngs::ChaCha8Rng;
use nuts_rs::rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use crate::covariance::Working;
use crate::error::NumericsError;
use crate::factor::Blocked;
use crate::linalg::small;
use crate::posterior::collapsed::by_columns;
use crate::posterior::levelwise::{factor, Information};
use crate::products::CrossProducts;

/// Most directions that are looked for.
const MOST: usize = 32;
/// Variance from which a direction is stretched.
const LEAST_VARIANCE: f64 = 1.5;
const ITERATIONS: usize = 12;

/// z = z' + V diag(√variance - 1) Vᵀ z'.
#[derive(Debug, Clone, Default)]
pub struct SlowDirections {
    /// Variances of z along the directions.
    pub variances: Vec<f64>,
    /// The directions, one orthonormal row each.
    rows: Vec<f64>,
    size: usize,
}

impl SlowDirections {
    /// By subspace iteration with the factor of Ω, from which the first factor (`first` = 1) is
    /// eliminated: z's variance is Cᵀ(L₁L₁ᵀ)⁻¹C. With one factor its levels are independent.
    pub(crate) fn of(
        cp: &CrossProducts,
        blocked: &Blocked,
        information: &[Information],
        first: usize,
    ) -> Result<Self, NumericsError> {
        let n = cp.q_rest();
        if first == 0 || n == 0 {
            return Ok(SlowDirections { size: cp.q(), ..Self::default() });
        }
        let r = MOST.min(n);
        let chol = factors(cp, &blocked.lam, information)?;
        let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
        let mut v: Vec<f64> = (0..n * r).map(|_| StandardNormal.sample(&mut rng)).collect();
        orthonormalise(&mut v, n, r);
        let mut image = v.clone();
        for step in 0..=ITERATIONS {
            image.copy_from_slice(&v);
            levels_times(cp, &chol, &mut image, r, false);
            blocked.rest.solve_lower(&mut image, r);
            blocked.rest.solve_upper(&mut image, r);
            levels_times(cp, &chol, &mut image, r, true);
            if step < ITERATIONS {
                v.copy_from_slice(&image);
                orthonormalise(&mut v, n, r);
            }
        }
        let mut inner = vec![0.0; r * r];
        small::gemm_tn(&mut inner, &v, &image, (r, n, r), 1.0);
        (0..r * r).for_each(|e| {
            let mean = 0.5 * (inner[e] + inner[e % r * r + e / r]);
            inner[e] = mean;
            inner[e % r * r + e / r] = mean;
        });
        let (values, vectors) = small::symmetric_eigen(&inner, r);
        let mut out = SlowDirections { size: n, ..Self::default() };
        for (j, value) in values.iter().enumerate().filter(|(_, v)| **v > LEAST_VARIANCE && v.is_finite()) {
            out.variances.push(*value);
            out.rows.extend(v.chunks_exact(r).map(|row| (0..r).map(|i| row[i] * vectors[i * r + j]).sum::<f64>()));
        }
        Ok(out)
    }

    /// Stretch in place: from z' to z, and derivatives from z to z' (the map is symmetric).
    pub fn stretch(&self, z: &mut [f64]) {
        // The directions are orthonormal: one after the other is all at once.
        for (variance, row) in self.variances.iter().zip(self.rows.chunks_exact(self.size.max(1))) {
            let along = (variance.sqrt() - 1.0) * row.iter().zip(z.iter()).map(|(a, b)| a * b).sum::<f64>();
            z.iter_mut().zip(row).for_each(|(z, v)| *z += along * v);
        }
    }
}

/// Factors C of every level's ΛᵀAΛ + I, factor by factor.
fn factors(cp: &CrossProducts, lam: &Working, information: &[Information]) -> Result<Vec<Vec<f64>>, NumericsError> {
    fn one<const K: usize>(info: &Information, lam: &[f64]) -> Result<Vec<f64>, NumericsError> {
        let square = |m: &[f64]| -> [[f64; K]; K] { std::array::from_fn(|i| std::array::from_fn(|j| m[i * K + j])) };
        let lam = square(lam);
        let mut out = Vec::with_capacity(info.a.len());
        for a in info.a.chunks_exact(K * K) {
            out.extend_from_slice(factor(&square(a), &lam)?.as_flattened());
        }
        Ok(out)
    }
    let all = cp.factors.iter().zip(lam).skip(1).zip(information);
    all.map(|((f, lam), info)| by_columns!(f.k, one(info, lam))).collect()
}

/// `m ← C m` (or `Cᵀ m`) level by level, for a row-major `n x c` matrix.
fn levels_times(cp: &CrossProducts, chol: &[Vec<f64>], m: &mut [f64], c: usize, transposed: bool) {
    let base = cp.q_lead();
    for (f, chol) in cp.factors[1..].iter().zip(chol) {
        let rows = (f.offset - base) * c..(f.offset - base + f.levels * f.k) * c;
        for (part, block) in m[rows].chunks_exact_mut(f.k * c).zip(chol.chunks_exact(f.k * f.k)) {
            let old = part.to_vec();
            part.fill(0.0);
            if transposed {
                small::gemm_tn(part, block, &old, (f.k, f.k, c), 1.0);
            } else {
                small::gemm(part, block, &old, (f.k, f.k, c), 1.0);
            }
        }
    }
}

/// Gram-Schmidt, twice, on the columns of a row-major `n x r` matrix.
fn orthonormalise(v: &mut [f64], n: usize, r: usize) {
    for _ in 0..2 {
        for j in 0..r {
            for i in 0..j {
                let along: f64 = (0..n).map(|t| v[t * r + i] * v[t * r + j]).sum();
                (0..n).for_each(|t| v[t * r + j] -= along * v[t * r + i]);
            }
            let norm = (0..n).map(|t| v[t * r + j].powi(2)).sum::<f64>().sqrt();
            (0..n).for_each(|t| v[t * r + j] /= norm.max(1e-300));
        }
    }
}
