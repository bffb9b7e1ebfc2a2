//! Kenward and Roger's (1997) small-sample covariance of the fixed effects, by blocks: nothing
//! n x n, nothing q x q (theory.md §3).
//!
//! V = σ²H, H = I + Σ_r γ_r Z B_r Zᵀ, where γ_r are the coordinates of each factor's Σ/σ² in the patterns
//! B_r of its structure, in the working basis (the method does not depend on a linear change of these parameters) and σ² itself
//! is the last parameter. Everything is over σ², so that nothing cancels where σ² is small.

use crate::covariance::Working;
use crate::criterion::Profiled;
use crate::error::NumericsError;
use crate::factor::{apply_lambda, multiply};
use crate::fit::Fit;
use crate::inference::variance_traces::{variance_traces, VarianceTraces};
use crate::linalg::{large, small};
use crate::products::CrossProducts;

/// The ingredients, over σ² and on the raw scale of X. There are m + 1 parameters, σ² the last.
#[derive(Debug, Clone)]
pub struct KenwardRoger {
    /// Expected information of the covariance parameters times two, `(m + 1)²` (their I_E).
    pub information: Vec<f64>,
    /// ΦP_rΦ of each parameter: minus the derivative of Φ⁻¹, in Φ's own units, `p x p`.
    pub slopes: Vec<Vec<f64>>,
    /// Symmetric part of Φ(Q_rs - P_rΦP_s)Φ for r <= s, row by row, `p x p`.
    pub curvatures: Vec<Vec<f64>>,
}

/// One covariance parameter: a pattern of entries of a factor's Σ, all of one value.
struct Parameter {
    factor: usize,
    pattern: Vec<(usize, usize)>,
    value: f64,
}

fn parameters(cp: &CrossProducts, lam: &Working) -> Vec<Parameter> {
    let mut out = Vec::new();
    for (i, (f, l)) in cp.factors.iter().zip(lam).enumerate() {
        for pattern in f.patterns() {
            let (a, b) = pattern[0];
            let row = |r: usize| &l[r * f.k..(r + 1) * f.k];
            let value = row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum();
            out.push(Parameter { factor: i, pattern, value });
        }
    }
    out
}

impl Fit {
    /// What Kenward and Roger's adjustment and degrees of freedom are made of.
    pub fn kenward_roger(&self) -> Result<KenwardRoger, NumericsError> {
        let (cp, state) = (&*self.cp, &self.state);
        let p = cp.p;
        let theta = parameters(cp, &state.blocked.lam);
        let (pr, q) = products(cp, state, &theta);
        let traces = variance_traces(cp, &state.blocked.lam)?;
        let phi = &state.phi;
        let all = with_residual(&theta, &large::inverse(phi, p)?, cp.n as f64, (pr, q, traces));

        let size = theta.len() + 1;
        let phi_p: Vec<Vec<f64>> = all.p.iter().map(|m| large::product(phi, m, (p, p, p))).collect();
        let mut information = vec![0.0; size * size];
        let mut curvatures = Vec::with_capacity(size * (size + 1) / 2);
        for r in 0..size {
            for s in r..size {
                let q = &all.q[place(r, s, size)];
                let v = all.k[r * size + s] - 2.0 * inner(phi, q) + trace_of_product(&phi_p[r], &phi_p[s], p);
                information[r * size + s] = v;
                information[s * size + r] = v;
                let mut d = large::product(&all.p[r], &phi_p[s], (p, p, p));
                d.iter_mut().zip(q).for_each(|(d, q)| *d = q - *d);
                let half = large::product(phi, &d, (p, p, p));
                let d = large::product(&half, phi, (p, p, p));
                curvatures.push(self.raw_covariance(&symmetric_part(&d, p)));
            }
        }
        let slopes =
            phi_p.iter().map(|m| self.raw_covariance(&symmetric_part(&large::product(m, phi, (p, p, p)), p))).collect();
        Ok(KenwardRoger { information, slopes, curvatures })
    }

    /// `T m Tᵀ` with the basis of X: from working to raw columns.
    fn raw_covariance(&self, m: &[f64]) -> Vec<f64> {
        let (p, t) = (self.cp.p, &self.cp.basis.x);
        let half = large::product(t, m, (p, p, p));
        let mut out = vec![0.0; p * p];
        small::gemm_nt(&mut out, &half, t, (p, p, p), 1.0);
        out
    }
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn trace_of_product(a: &[f64], b: &[f64], n: usize) -> f64 {
    (0..n * n).map(|e| a[e] * b[(e % n) * n + e / n]).sum()
}

fn symmetric_part(m: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|e| 0.5 * (m[e] + m[(e % n) * n + e / n])).collect()
}

/// Where the pair r <= s is among `size (size + 1) / 2` of them, row by row.
fn place(r: usize, s: usize, size: usize) -> usize {
    r * size - r * (r + 1) / 2 + s
}

/// P_r = -AᵀB_rA and, for r <= s, Q_rs = AᵀB_r C B_sA, with A = ZᵀH⁻¹X and C = ZᵀH⁻¹Z.
fn products(cp: &CrossProducts, state: &Profiled, theta: &[Parameter]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let (p, c, m, rows) = (cp.p, cp.c(), theta.len(), cp.q());
    let mut pr = vec![vec![0.0; p * p]; m];
    let mut q = vec![vec![0.0; p * p]; m * (m + 1) / 2];
    if p == 0 {
        return (pr, q);
    }
    let a: Vec<f64> = state.e.chunks_exact(c).flat_map(|row| &row[..p]).copied().collect();
    for (s, parameter) in theta.iter().enumerate() {
        let mut ba = vec![0.0; rows * p];
        add_pattern(cp, parameter, &a, &mut ba, p);
        small::gemm_tn(&mut pr[s], &a, &ba, (p, rows, p), -1.0);
        let cba = times_c(cp, state, &ba, p);
        for (r, other) in theta[..=s].iter().enumerate() {
            let out = &mut q[place(r, s, m)];
            let f = &cp.factors[other.factor];
            for level in 0..f.levels {
                for (i, j) in &other.pattern {
                    let (i, j) = ((f.offset + level * f.k + i) * p, (f.offset + level * f.k + j) * p);
                    small::gemm_tn(out, &a[i..i + p], &cba[j..j + p], (p, 1, p), 1.0);
                }
            }
        }
    }
    (pr, q)
}

/// `out += B a` for `q x p` matrices.
fn add_pattern(cp: &CrossProducts, parameter: &Parameter, a: &[f64], out: &mut [f64], p: usize) {
    let f = &cp.factors[parameter.factor];
    for level in 0..f.levels {
        for (i, j) in &parameter.pattern {
            let (i, j) = ((f.offset + level * f.k + i) * p, (f.offset + level * f.k + j) * p);
            out[i..i + p].iter_mut().zip(&a[j..j + p]).for_each(|(o, v)| *o += v);
        }
    }
}

/// C m = ZᵀZ (m - ΛΩ⁻¹Λᵀ ZᵀZ m) for a `q x p` matrix.
fn times_c(cp: &CrossProducts, state: &Profiled, m: &[f64], p: usize) -> Vec<f64> {
    let lam = &state.blocked.lam;
    let zz = multiply(cp, m, p);
    let mut inner = apply_lambda(cp, lam, &zz, p, true);
    state.blocked.forward(cp, &mut inner, p);
    state.blocked.backward(cp, &mut inner, p);
    let mut left = apply_lambda(cp, lam, &inner, p, false);
    left.iter_mut().zip(m).for_each(|(l, m)| *l = m - *l);
    multiply(cp, &left, p)
}

/// P, Q (r <= s) and K of all parameters.
struct All {
    p: Vec<Vec<f64>>,
    q: Vec<Vec<f64>>,
    k: Vec<f64>,
}

/// Append σ²: since H - I = Σ γ_r Z B_r Zᵀ, its products follow from the others by linearity.
fn with_residual(
    theta: &[Parameter],
    inverse: &[f64],
    n: f64,
    (mut p, q, traces): (Vec<Vec<f64>>, Vec<Vec<f64>>, VarianceTraces),
) -> All {
    let m = theta.len();
    let size = m + 1;
    let order = (inverse.len() as f64).sqrt() as usize;
    let subtract = |out: &mut [f64], gamma: f64, from: &[f64]| {
        out.iter_mut().zip(from).for_each(|(o, v)| *o -= gamma * v);
    };
    // P_e = -Φ⁻¹ - Σ γ_rP_r
    let mut pe: Vec<f64> = inverse.iter().map(|v| -v).collect();
    theta.iter().zip(&p).for_each(|(t, pr)| subtract(&mut pe, t.value, pr));
    // Q_re = -P_r - Σ γ_sQ_rs
    let mut last: Vec<Vec<f64>> = Vec::with_capacity(m);
    for (r, pr) in p.iter().enumerate() {
        let mut out: Vec<f64> = pr.iter().map(|v| -v).collect();
        for (s, t) in theta.iter().enumerate() {
            let rs = &q[place(r.min(s), r.max(s), m)];
            if r <= s {
                subtract(&mut out, t.value, rs);
            } else {
                subtract(&mut out, t.value, &small::transpose(rs, order, order));
            }
        }
        last.push(out);
    }
    // Q_ee = -P_e - Σ γ_rQ_re
    let mut qee: Vec<f64> = pe.iter().map(|v| -v).collect();
    theta.iter().zip(&last).for_each(|(t, qre)| subtract(&mut qee, t.value, qre));
    p.push(pe);

    let mut k = vec![0.0; size * size];
    let mut trace = n;
    for r in 0..m {
        let row = &traces.pairs[r * m..(r + 1) * m];
        k[r * size..r * size + m].copy_from_slice(row);
        let kre = traces.single[r] - row.iter().zip(theta).map(|(k, t)| k * t.value).sum::<f64>();
        k[r * size + m] = kre;
        k[m * size + r] = kre;
        trace -= theta[r].value * traces.single[r];
    }
    k[size * size - 1] = trace - (0..m).map(|r| theta[r].value * k[r * size + m]).sum::<f64>();

    let mut full = Vec::with_capacity(size * (size + 1) / 2);
    let mut q = q.into_iter();
    for (r, qre) in last.into_iter().enumerate() {
        full.extend(q.by_ref().take(m - r));
        full.push(qre);
    }
    full.push(qee);
    All { p, q: full, k }
}
