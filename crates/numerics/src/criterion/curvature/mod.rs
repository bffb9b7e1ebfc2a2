//! The exact Hessian of the profiled deviance in Λ (theory.md §2), by block-sized algebra.
//!
//! With C = ZᵀH⁻¹Z, P = H⁻¹ less the fixed effects' part, C_P = ZᵀPZ, e = ZᵀPy and directions
//! B = dΛ Λᵀ + Λ dΛᵀ of Σ = ΛΛᵀ (block-diagonal over levels):
//!   d²(dev) = -tr(C B_r C B_s) + (ν/r²)[2 eᵀB_r C_P B_s e - (eᵀB_r e)(eᵀB_s e)/r²] + 2⟨M, dΛ_r dΛ_sᵀ⟩,
//! C replaced by C_P in the first term under REML, and M = dev's gradient in Σ.
//! One factor: C is block-diagonal but for the fixed effects, so the cost is linear in levels.
//! Crossed factors: C is dense, so this is for moderate q only.

mod crossed;
mod fixed_columns;

use rayon::prelude::*;

use crate::covariance::Direction;
use crate::criterion::curvature::crossed::crossed;
use crate::criterion::curvature::fixed_columns::add_fixed_trace;
use crate::criterion::profiled::Profiled;
use crate::factor::LEVELS_PER_TASK;
use crate::linalg::{large, small};
use crate::products::CrossProducts;

/// Most random effects for which the dense C of crossed factors is made (three `q x q` arrays).
const DENSE_LIMIT: usize = 1500;

/// Whether the exact Hessian costs less than differences of the gradient would.
#[must_use]
pub fn affordable(cp: &CrossProducts) -> bool {
    if cp.factors.len() == 1 {
        return true;
    }
    let (q, rest, lead) = (cp.q() as f64, cp.q_rest() as f64, cp.lead.cols.len() as f64);
    // Flops, roughly: three products of order q against 2m evaluations.
    let width = lead / cp.factors[0].levels.max(1) as f64;
    let evaluation = rest.powi(3) + 3.0 * cp.q_lead() as f64 * width.powi(2) + 200.0 * q;
    cp.q() <= DENSE_LIMIT && 3.0 * q.powi(3) < 2.0 * cp.n_theta() as f64 * evaluation + 1e7
}

/// Second derivatives in Σ between factors, and the first.
pub(crate) struct SigmaDerivatives {
    /// Per pair `(f, g)`, `k_f² x k_g²`.
    pub(crate) second: Vec<Vec<Vec<f64>>>,
    /// Per factor, `k x k`.
    pub(crate) first: Vec<Vec<f64>>,
}

/// The Hessian of the criterion in the directions. Call after [`Profiled::gradient`].
#[must_use]
pub fn hessian(cp: &CrossProducts, state: &Profiled, directions: &[Direction]) -> Vec<f64> {
    let exact = Weights { trace: 1.0, quadratic: 2.0 };
    let derivatives = if cp.factors.len() == 1 { one_factor(cp, state, exact) } else { crossed(cp, state) };
    in_directions(cp, state, directions, &derivatives)
}

/// Average information for one factor (Gilmour, Thompson & Cullis 1995), without an array of a row
/// for each random effect: half of the quadratic term stands for the trace, its expectation.
#[must_use]
pub fn average_information(cp: &CrossProducts, state: &Profiled, directions: &[Direction]) -> Vec<f64> {
    let average = Weights { trace: 0.0, quadratic: 1.0 };
    in_directions(cp, state, directions, &one_factor(cp, state, average))
}

/// How much of each term of the second derivative is taken.
#[derive(Clone, Copy)]
pub(crate) struct Weights {
    pub(crate) trace: f64,
    pub(crate) quadratic: f64,
}

fn in_directions(
    cp: &CrossProducts,
    state: &Profiled,
    directions: &[Direction],
    derivatives: &SigmaDerivatives,
) -> Vec<f64> {
    let m = directions.len();
    let bends: Vec<Vec<f64>> = directions
        .iter()
        .map(|(f, d)| {
            let k = cp.factors[*f].k;
            let mut b = vec![0.0; k * k];
            small::gemm_nt(&mut b, d, &state.blocked.lam[*f], (k, k, k), 1.0);
            (0..k * k).map(|e| b[e] + b[(e % k) * k + e / k]).collect()
        })
        .collect();
    let mut h = vec![0.0; m * m];
    for (s, (g, ds)) in directions.iter().enumerate() {
        let images: Vec<Vec<f64>> = derivatives
            .second
            .iter()
            .map(|row| {
                let n = bends[s].len();
                row[*g].chunks_exact(n).map(|r| r.iter().zip(&bends[s]).map(|(x, y)| x * y).sum()).collect()
            })
            .collect();
        for (r, (f, dr)) in directions.iter().enumerate().take(s + 1) {
            let mut v: f64 = bends[r].iter().zip(&images[*f]).map(|(x, y)| x * y).sum();
            if f == g {
                let k = cp.factors[*f].k;
                let mut outer = vec![0.0; k * k];
                small::gemm_nt(&mut outer, dr, ds, (k, k, k), 1.0);
                v += 2.0 * outer.iter().zip(&derivatives.first[*f]).map(|(x, y)| x * y).sum::<f64>();
            }
            h[r * m + s] = v;
            h[s * m + r] = v;
        }
    }
    h
}

/// Sums over the levels of the only factor.
struct LevelSums {
    /// `Σ C_ll` (less the fixed effects' part under REML).
    first: Vec<f64>,
    /// `Σ C[a,d] C[b,c]` over equal levels, with the mixed terms of the fixed effects' part.
    trace: Vec<f64>,
    /// `Σ e_a C[b,d] e_c`.
    quadratic: Vec<f64>,
    /// `Σ F_a ⊗ F_b`, `k² x p²`; empty where p is large or nobody asks for the traces.
    fixed: Vec<f64>,
    /// `Σ e_a F_b`, `k² x p`.
    mixed: Vec<f64>,
    /// `Σ e_a e_b`.
    ee: Vec<f64>,
}

impl LevelSums {
    fn new(k: usize, p: usize, with_fixed: bool) -> Self {
        let k2 = k * k;
        LevelSums {
            first: vec![0.0; k2],
            trace: vec![0.0; k2 * k2],
            quadratic: vec![0.0; k2 * k2],
            fixed: vec![0.0; if with_fixed { k2 * p * p } else { 0 }],
            mixed: vec![0.0; k2 * p],
            ee: vec![0.0; k2],
        }
    }

    fn add(&mut self, other: &LevelSums) {
        let pairs = [
            (&mut self.first, &other.first),
            (&mut self.trace, &other.trace),
            (&mut self.quadratic, &other.quadratic),
            (&mut self.fixed, &other.fixed),
            (&mut self.mixed, &other.mixed),
            (&mut self.ee, &other.ee),
        ];
        for (to, from) in pairs {
            to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        }
    }
}

fn one_factor(cp: &CrossProducts, state: &Profiled, weights: Weights) -> SigmaDerivatives {
    let (k, p, c) = (cp.factors[0].k, cp.p, cp.c());
    let levels = cp.factors[0].levels;
    let traced = state.reml && p > 0 && weights.trace != 0.0;
    let with_fixed = traced && p < large::LARGE;
    let turned = state.rows_times_phi(&state.e, p);
    let run = |range: std::ops::Range<usize>| {
        let mut sums = LevelSums::new(k, p, with_fixed);
        let mut scratch = vec![0.0; 2 * k * k + k * p];
        for l in range {
            add_level(cp, (state, turned.as_deref()), l, &mut sums, &mut scratch);
        }
        sums
    };
    let sums = if levels <= LEVELS_PER_TASK {
        run(0..levels)
    } else {
        let tasks = levels.div_ceil(LEVELS_PER_TASK);
        let parts: Vec<LevelSums> = (0..tasks)
            .into_par_iter()
            .map(|t| run(t * LEVELS_PER_TASK..((t + 1) * LEVELS_PER_TASK).min(levels)))
            .collect();
        let mut total = LevelSums::new(k, p, with_fixed);
        parts.iter().for_each(|s| total.add(s));
        total
    };
    let k2 = k * k;
    let mut trace = sums.trace;
    if with_fixed {
        let turned: Vec<Vec<f64>> = sums
            .fixed
            .chunks_exact(p * p)
            .map(|s| small::product(&small::product(&state.phi, s, (p, p, p)), &state.phi, (p, p, p)))
            .collect();
        for (ab, s) in sums.fixed.chunks_exact(p * p).enumerate() {
            for cd in 0..k2 {
                let dc = (cd % k) * k + cd / k;
                trace[ab * k2 + cd] += s.iter().zip(&turned[dc]).map(|(x, y)| x * y).sum::<f64>();
            }
        }
    }
    if let Some(turned) = turned.filter(|_| traced) {
        add_fixed_trace(cp, state, &turned, &mut trace);
    }
    let mut quadratic = sums.quadratic;
    subtract_low_rank(&mut quadratic, &sums.mixed, &sums.mixed, &state.phi, p);
    let scale = state.nu(cp) / state.r2;
    let first = sums.first.iter().zip(&sums.ee).map(|(c, e)| c - scale * e).collect();
    let second = combine((&trace, &quadratic), (&sums.ee, &sums.ee), (scale, state.r2), weights);
    debug_assert_eq!(c, p + 1);
    SigmaDerivatives { second: vec![vec![second]], first: vec![first] }
}

fn add_level(
    cp: &CrossProducts,
    (state, turned): (&Profiled, Option<&[f64]>),
    l: usize,
    sums: &mut LevelSums,
    scratch: &mut [f64],
) {
    let (k, p, c) = (cp.factors[0].k, cp.p, cp.c());
    let k2 = k * k;
    let a = &cp.zz[0][l * k2..(l + 1) * k2];
    let (d, tail) = scratch.split_at_mut(k2);
    let (r, fphi) = tail.split_at_mut(k2);
    level_c(a, &state.blocked.lam[0], k, d);
    let rows = &state.e[l * k * c..(l + 1) * k * c];
    let e = |i: usize| rows[i * c + p];
    r.fill(0.0);
    if state.reml {
        fphi.fill(0.0);
        if let Some(turned) = turned {
            fphi.copy_from_slice(&turned[l * k * p..(l + 1) * k * p]);
        }
        for i in 0..if turned.is_some() { 0 } else { k } {
            small::gemm(&mut fphi[i * p..(i + 1) * p], &rows[i * c..i * c + p], &state.phi, (1, p, p), 1.0);
        }
        for i in 0..k {
            for j in 0..k {
                r[i * k + j] = (0..p).map(|t| fphi[i * p + t] * rows[j * c + t]).sum();
            }
        }
    }
    for i in 0..k {
        for j in 0..k {
            let ij = i * k + j;
            sums.first[ij] += d[ij] - r[ij];
            sums.ee[ij] += e(i) * e(j);
            for t in 0..p {
                sums.mixed[ij * p + t] += e(i) * rows[j * c + t];
            }
            if !sums.fixed.is_empty() {
                for s in 0..p {
                    let f = rows[i * c + s];
                    for t in 0..p {
                        sums.fixed[(ij * p + s) * p + t] += f * rows[j * c + t];
                    }
                }
            }
            for m in 0..k {
                for n in 0..k {
                    let at = ij * k2 + m * k + n;
                    let (x, y) = (i * k + n, j * k + m);
                    sums.trace[at] += d[x] * d[y] - d[x] * r[y] - r[x] * d[y];
                    sums.quadratic[at] += e(i) * d[j * k + n] * e(m);
                }
            }
        }
    }
}

/// C = Z'H⁻¹Z of a level as Rᵀ(I + RΛΛᵀRᵀ)⁻¹R with A = RᵀR. The difference A - AΛΩ⁻¹ΛᵀA would lose
/// every digit where the random effects are large beside the residual.
fn level_c(a: &[f64], lam: &[f64], k: usize, c: &mut [f64]) {
    let root = small::semidefinite_root(a, k);
    let mut spread = vec![0.0; k * k];
    small::gemm_tn(&mut spread, &root, lam, (k, k, k), 1.0);
    let mut inner = small::gram(&spread, k);
    (0..k).for_each(|i| inner[i * k + i] += 1.0);
    let mut half = small::transpose(&root, k, k);
    // I + a positive semi-definite matrix always factors.
    if small::cholesky(&mut inner, k).is_ok() {
        small::solve_lower(&inner, k, &mut half, k);
    }
    c.fill(0.0);
    small::gemm_tn(c, &half, &half, (k, k, k), 1.0);
}

/// `q -= U Φ Vᵀ`, rows of U and V per pair of columns.
pub(crate) fn subtract_low_rank(q: &mut [f64], u: &[f64], v: &[f64], phi: &[f64], p: usize) {
    if p == 0 {
        return;
    }
    let (m, n) = (u.len() / p, v.len() / p);
    let half = small::product(u, phi, (m, p, p));
    small::gemm_nt(q, &half, v, (m, p, n), -1.0);
}

pub(crate) fn combine(
    (trace, quadratic): (&[f64], &[f64]),
    (left, right): (&[f64], &[f64]),
    (scale, r2): (f64, f64),
    weights: Weights,
) -> Vec<f64> {
    let n = right.len();
    let value = |e: usize| {
        scale * (weights.quadratic * quadratic[e] - left[e / n] * right[e % n] / r2) - weights.trace * trace[e]
    };
    (0..trace.len()).map(value).collect()
}
