//! Profiled (restricted) deviance, its exact gradient, and average information (NUMERICS §2).
//!
//! With H = I + ZΛΛᵀZᵀ:  d(θ) = log|H| [+ log|XᵀH⁻¹X|] + ν (1 + log 2πr²/ν),  ν = n or n - p.

use crate::error::NumericsError;
use crate::factor::blocked::{apply_lambda, multiply, Blocked};
use crate::linalg::small;
use crate::products::crossproducts::CrossProducts;

/// The criterion at one value of Λ, with everything that its derivatives need.
#[derive(Debug, Clone)]
pub struct Profiled {
    /// REML rather than ML.
    pub reml: bool,
    /// The factor of the random effects.
    pub blocked: Blocked,
    /// What a search sees: -2 log (restricted) likelihood of the working columns, free of the units
    /// of response, predictors and weights, so that no tolerance relative to it depends on them.
    pub criterion: f64,
    /// `L⁻ᵀL⁻¹Λᵀ Zᵀ[X y]`, row-major `q x (p + 1)`; the last column becomes u.
    pub f: Vec<f64>,
    /// `Zᵀ([X y] - ZΛf)`; the last column becomes `Zᵀ(y - Xβ - ZΛu)`.
    pub e: Vec<f64>,
    /// (XᵀH⁻¹X)⁻¹ in the working basis.
    pub phi: Vec<f64>,
    /// Fixed effects in the working basis.
    pub beta: Vec<f64>,
    /// Penalised residual sum of squares, working scale of y.
    pub r2: f64,
    /// log|det| of the basis of X, to state log|XᵀH⁻¹X| for raw columns.
    log_det_x: f64,
}

impl Profiled {
    /// Storage for a model; nothing is evaluated yet.
    pub fn new(cp: &CrossProducts, reml: bool) -> Result<Self, NumericsError> {
        Ok(Profiled {
            reml,
            blocked: Blocked::new(cp)?,
            criterion: f64::NAN,
            f: Vec::new(),
            e: Vec::new(),
            phi: Vec::new(),
            beta: Vec::new(),
            r2: f64::NAN,
            log_det_x: log_abs_det(&cp.basis.x, cp.p),
        })
    }

    /// ν: residual degrees of freedom of the criterion.
    #[must_use]
    pub fn nu(&self, cp: &CrossProducts) -> f64 {
        (if self.reml { cp.n - cp.p } else { cp.n }) as f64
    }

    /// What the units of the data add to the criterion: with it -2 log (restricted) likelihood is that
    /// of the raw data.
    #[must_use]
    pub fn units(&self, cp: &CrossProducts) -> f64 {
        let x = if self.reml { 2.0 * self.log_det_x } else { 0.0 };
        -2.0 * self.nu(cp) * cp.basis.y_scale.ln() - cp.sum_log_weights - x
    }

    /// -2 log (restricted) likelihood of the raw data at the Λ evaluated last.
    #[must_use]
    pub fn raw_criterion(&self, cp: &CrossProducts) -> f64 {
        self.criterion + self.units(cp)
    }

    /// How large the terms are that the criterion is a sum of: what tolerances are relative to.
    #[must_use]
    pub fn magnitude(&self, cp: &CrossProducts) -> f64 {
        1.0 + self.criterion.abs().max(self.nu(cp))
    }

    /// Evaluate the criterion at Λ (square matrices, a factor each).
    pub fn evaluate(&mut self, cp: &CrossProducts, lam: &[Vec<f64>]) -> Result<f64, NumericsError> {
        self.blocked.factor(cp, lam)?;
        let (c, p) = (cp.c(), cp.p);
        let mut b = apply_lambda(cp, lam, &cp.zx, c, true);
        self.blocked.forward(cp, &mut b, c);
        let mut r = cp.xx.clone();
        for row in b.chunks_exact(c) {
            for i in 0..c {
                let v = row[i];
                for j in 0..=i {
                    r[i * c + j] -= v * row[j];
                }
            }
        }
        small::cholesky(&mut r, c)?;
        let last = r[c * c - 1];
        self.r2 = last * last;
        let nu = self.nu(cp);
        let log_rx: f64 = (0..p).map(|i| r[i * c + i].ln()).sum();
        self.criterion = self.blocked.logdet + nu * (1.0 + (2.0 * std::f64::consts::PI / nu).ln() + self.r2.ln());
        if self.reml {
            self.criterion += 2.0 * log_rx;
        }
        let mut beta = r[p * c..p * c + p].to_vec();
        let rx: Vec<f64> = (0..p * p).map(|i| r[(i / p) * c + i % p]).collect();
        small::solve_lower_transposed(&rx, p, &mut beta, 1);
        self.beta = beta;
        let mut inv = small::identity(p);
        small::solve_lower(&rx, p, &mut inv, p);
        self.phi = vec![0.0; p * p];
        small::gemm_tn(&mut self.phi, &inv, &inv, (p, p, p), 1.0);
        self.f = b;
        Ok(self.criterion)
    }

    /// Complete `f`, `e` after [`Profiled::evaluate`]: solutions and their residual products.
    pub fn back_substitute(&mut self, cp: &CrossProducts) {
        let (c, p) = (cp.c(), cp.p);
        self.blocked.backward(cp, &mut self.f, c);
        let lf = apply_lambda(cp, &self.blocked.lam, &self.f, c, false);
        let mut e = multiply(cp, &lf, c);
        e.iter_mut().zip(&cp.zx).for_each(|(e, a)| *e = a - *e);
        for m in [&mut self.f, &mut e] {
            for row in m.chunks_exact_mut(c) {
                let fit: f64 = row[..p].iter().zip(&self.beta).map(|(x, b)| x * b).sum();
                row[p] -= fit;
            }
        }
        self.e = e;
    }

    /// Derivative of the criterion in every entry of each Λ (`k x k`). Call after `evaluate`.
    pub fn gradient(&mut self, cp: &CrossProducts) -> Vec<Vec<f64>> {
        self.back_substitute(cp);
        let mut out = self.blocked.traces(cp);
        let (c, p) = (cp.c(), cp.p);
        let scale = self.nu(cp) / self.r2;
        let mut weighted = vec![0.0; c];
        for (f, g) in cp.factors.iter().zip(out.iter_mut()) {
            let k = f.k;
            let rows = f.offset * c..(f.offset + f.levels * k) * c;
            let parts = self.e[rows.clone()].chunks_exact(k * c).zip(self.f[rows].chunks_exact(k * c));
            for (e, u) in parts {
                for b in 0..k {
                    // Row b of f times diag(Φ, ν/r²), so that one product serves both terms.
                    let u = &u[b * c..(b + 1) * c];
                    if self.reml && p > 0 {
                        for (w, row) in weighted.iter_mut().zip(self.phi.chunks_exact(p)) {
                            *w = row.iter().zip(u).map(|(f, u)| f * u).sum();
                        }
                    }
                    weighted[p] = scale * u[p];
                    for a in 0..k {
                        g[a * k + b] -= e[a * c..(a + 1) * c].iter().zip(&weighted).map(|(x, y)| x * y).sum::<f64>();
                    }
                }
            }
            g.iter_mut().for_each(|v| *v *= 2.0);
        }
        out
    }

    /// Derivative of r² in every entry of each Λ.
    #[must_use]
    pub fn r2_gradient(&self, cp: &CrossProducts) -> Vec<Vec<f64>> {
        let (c, p) = (cp.c(), cp.p);
        let one = |f: &crate::Factor| {
            let k = f.k;
            let mut g = vec![0.0; k * k];
            for l in 0..f.levels {
                for a in 0..k {
                    for b in 0..k {
                        let at = |i: usize| (f.offset + l * k + i) * c + p;
                        g[a * k + b] -= 2.0 * self.e[at(a)] * self.f[at(b)];
                    }
                }
            }
            g
        };
        cp.factors.iter().map(one).collect()
    }

    /// Derivative of Φ = (XᵀH⁻¹X)⁻¹ in entry (a, b) of the Λ of a factor, working basis.
    #[must_use]
    pub fn phi_derivative(&self, cp: &CrossProducts, factor: usize, a: usize, b: usize) -> Vec<f64> {
        let (c, p) = (cp.c(), cp.p);
        let f = &cp.factors[factor];
        let mut s = vec![0.0; p * p];
        for l in 0..f.levels {
            let at = |i: usize| (f.offset + l * f.k + i) * c;
            let (e, u) = (&self.e[at(a)..at(a) + p], &self.f[at(b)..at(b) + p]);
            for i in 0..p {
                for j in 0..p {
                    s[i * p + j] += e[i] * u[j] + u[i] * e[j];
                }
            }
        }
        let half = small::product(&self.phi, &s, (p, p, p));
        small::product(&half, &self.phi, (p, p, p))
    }

    /// Average-information approximation of the Hessian in the free entries of Λ (Gilmour,
    /// Thompson & Cullis 1995), with the exact term from the curvature of Λ ↦ ΛΛᵀ. Call after
    /// `gradient`, whose result it takes.
    #[must_use]
    pub fn average_information(&self, cp: &CrossProducts, gradient: &[Vec<f64>]) -> Vec<f64> {
        let (c, p, q, m) = (cp.c(), cp.p, cp.q(), cp.n_theta());
        let mut w = vec![0.0; q * m];
        let mut slope = vec![0.0; m];
        let mut entries = Vec::with_capacity(m);
        for (i, f) in cp.factors.iter().enumerate() {
            let lam = &self.blocked.lam[i];
            for (a, b) in f.free_entries() {
                let r = entries.len();
                entries.push((i, a, b));
                for l in 0..f.levels {
                    let row = f.offset + l * f.k;
                    let (ub, ea) = (self.f[(row + b) * c + p], self.e[(row + a) * c + p]);
                    w[(row + a) * m + r] += ub;
                    for t in 0..f.k {
                        w[(row + t) * m + r] += lam[t * f.k + b] * ea;
                    }
                    slope[r] += 2.0 * ub * ea;
                }
            }
        }
        let aw = multiply(cp, &w, m);
        let mut h = vec![0.0; m * m];
        small::gemm_tn(&mut h, &w, &aw, (m, q, m), 1.0);
        let mut half = apply_lambda(cp, &self.blocked.lam, &aw, m, true);
        self.blocked.forward(cp, &mut half, m);
        small::gemm_tn(&mut h, &half, &half, (m, q, m), -1.0);
        let mut ew = vec![0.0; p * m];
        for (e, w) in self.e.chunks_exact(c).zip(w.chunks_exact(m)) {
            for i in 0..p {
                ew[i * m..(i + 1) * m].iter_mut().zip(w).for_each(|(t, w)| *t += e[i] * w);
            }
        }
        let phi_ew = small::product(&self.phi, &ew, (p, p, m));
        small::gemm_tn(&mut h, &ew, &phi_ew, (m, p, m), -1.0);
        let nu_r2 = self.nu(cp) / self.r2;
        let curvature: Vec<Option<Vec<f64>>> = gradient
            .iter()
            .zip(&self.blocked.lam)
            .zip(&cp.factors)
            .map(|((g, l), f)| sigma_gradient(g, l, f.k))
            .collect();
        for r in 0..m {
            for s in 0..m {
                h[r * m + s] = nu_r2 * (h[r * m + s] - slope[r] * slope[s] / self.r2);
                let ((i, a, b), (j, a2, b2)) = (entries[r], entries[s]);
                if i == j && b == b2 {
                    if let Some(g) = &curvature[i] {
                        h[r * m + s] += 2.0 * g[a * cp.factors[i].k + a2];
                    }
                }
            }
        }
        h
    }
}

/// The symmetric M with gradient `2 M Λ` where Λ is far enough from singular.
fn sigma_gradient(g: &[f64], lam: &[f64], k: usize) -> Option<Vec<f64>> {
    let inv = small::inverse(lam, k).ok()?;
    let size = lam.iter().fold(0.0f64, |s, v| s.max(v.abs()));
    if inv.iter().any(|v| v.abs() * size > 1e4) {
        return None;
    }
    let m = small::product(g, &inv, (k, k, k));
    Some((0..k * k).map(|e| 0.25 * (m[e] + m[(e % k) * k + e / k])).collect())
}

/// log|det A| by elimination with partial pivoting.
fn log_abs_det(a: &[f64], n: usize) -> f64 {
    let mut m = a.to_vec();
    let mut sum = 0.0;
    for j in 0..n {
        let pivot = (j..n).max_by(|&r, &s| m[r * n + j].abs().total_cmp(&m[s * n + j].abs())).unwrap_or(j);
        for t in 0..n {
            m.swap(j * n + t, pivot * n + t);
        }
        let d = m[j * n + j];
        sum += d.abs().ln();
        for i in j + 1..n {
            let f = m[i * n + j] / d;
            for t in j..n {
                m[i * n + t] -= f * m[j * n + t];
            }
        }
    }
    sum
}
