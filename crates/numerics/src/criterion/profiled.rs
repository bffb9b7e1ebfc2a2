//! Profiled (restricted) deviance, its exact gradient, and average information (theory.md §2).
//!
//! With H = I + ZΛΛᵀZᵀ:  d(θ) = log|H| [+ log|XᵀH⁻¹X|] + ν (1 + log 2πr²/ν),  ν = n or n - p.

use crate::covariance::{nonzero, Direction, Factor, Working};
use crate::error::NumericsError;
use crate::factor::{apply_lambda, multiply, Blocked};
use crate::interrupt;
use crate::linalg::{large, small};
use crate::products::CrossProducts;

/// Rows of a partial sum over the random effects.
const ROWS_PER_SUM: usize = 1024;

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
    /// XᵀX is exactly n·I, and there are fewer random effects than half the columns of X: XᵀH⁻¹X
    /// is then inverted by way of a matrix of the random effects' order.
    few_effects: bool,
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
            log_det_x: large::log_abs_det(&cp.basis.x, cp.p),
            few_effects: 2 * cp.q() < cp.p && is_white(cp),
        })
    }

    /// ν: residual degrees of freedom of the criterion.
    #[must_use]
    pub fn nu(&self, cp: &CrossProducts) -> f64 {
        (if self.reml { cp.n - cp.p } else { cp.n }) as f64
    }

    /// How far rounding alone may move the criterion here. The sums behind it may be much larger than
    /// itself: yᵀy is, where the random effects explain nearly all of y.
    #[must_use]
    pub fn rounding(&self, cp: &CrossProducts) -> f64 {
        let (c, nu) = (cp.c(), self.nu(cp));
        let lost = cp.xx[c * c - 1] / self.r2;
        let size = self.blocked.logdet.abs() + self.criterion.abs() + nu * (1.0 + lost);
        // Errors of a sum add up to about the root of its terms.
        let terms = cp.q().clamp(16, ROWS_PER_SUM) as f64;
        terms.sqrt() * f64::EPSILON * size
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

    /// Evaluate the criterion at Λ (square matrices, one per factor).
    pub fn evaluate(&mut self, cp: &CrossProducts, lam: &Working) -> Result<f64, NumericsError> {
        interrupt::check()?;
        self.blocked.factor(cp, lam)?;
        let c = cp.c();
        let mut b = apply_lambda(cp, lam, &cp.zx, c, true);
        self.blocked.forward(cp, &mut b, c);
        let log_rx = if self.few_effects { self.solve_by_effects(cp, &b)? } else { self.solve_columns(cp, &b)? };
        let nu = self.nu(cp);
        self.criterion = self.blocked.logdet + nu * (1.0 + (2.0 * std::f64::consts::PI / nu).ln() + self.r2.ln());
        if self.reml {
            self.criterion += 2.0 * log_rx;
        }
        self.f = b;
        Ok(self.criterion)
    }

    /// β, r² and Φ from B = L⁻¹ΛᵀZᵀ[X y], by the Cholesky factor of [X y]ᵀH⁻¹[X y]; the logarithm
    /// of the determinant of X's part.
    fn solve_columns(&mut self, cp: &CrossProducts, b: &[f64]) -> Result<f64, NumericsError> {
        let (c, p) = (cp.c(), cp.p);
        let mut r = cp.xx.clone();
        if c < large::LARGE {
            // A sum a part, then theirs: what rounding loses grows with the root of the longest sum.
            let mut sum = vec![0.0; c * c];
            for part in b.chunks(ROWS_PER_SUM * c) {
                sum.fill(0.0);
                for row in part.chunks_exact(c) {
                    for i in 0..c {
                        let v = row[i];
                        for j in 0..=i {
                            sum[i * c + j] += v * row[j];
                        }
                    }
                }
                r.iter_mut().zip(&sum).for_each(|(r, s)| *r -= s);
            }
        } else {
            let rows = (b, b.len() / c, c, c);
            large::add_lower_tn(&mut r, rows, rows, -1.0);
        }
        large::cholesky(&mut r, c)?;
        let last = r[c * c - 1];
        self.r2 = last * last;
        let mut beta = r[p * c..p * c + p].to_vec();
        let rx: Vec<f64> = (0..p * p).map(|e| r[(e / p) * c + e % p]).collect();
        small::solve_lower_transposed(&rx, p, &mut beta, 1);
        self.beta = beta;
        self.phi = large::inverse_from_factor(&r, p, c);
        Ok((0..p).map(|i| r[i * c + i].ln()).sum())
    }

    /// The same where XᵀX = n·I and q is small: with S = I - B Bᵀ/n and S = M Mᵀ,
    /// Φ = (n·I - BᵀB)⁻¹ = I/n + WᵀW with W = M⁻¹B/n.
    fn solve_by_effects(&mut self, cp: &CrossProducts, b: &[f64]) -> Result<f64, NumericsError> {
        let (c, p, q, n) = (cp.c(), cp.p, cp.q(), cp.n as f64);
        let mut m = small::identity(q);
        large::add_lower_nt(&mut m, (b, q, p, c), (b, q, p, c), -1.0 / n);
        large::cholesky(&mut m, q)?;
        let mut rhs: Vec<f64> = (0..p).map(|j| cp.xx[j * c + p]).collect();
        let mut r2 = cp.xx[c * c - 1];
        for row in b.chunks_exact(c) {
            rhs.iter_mut().zip(row).for_each(|(t, v)| *t -= v * row[p]);
            r2 -= row[p] * row[p];
        }
        let mut w: Vec<f64> = b.chunks_exact(c).flat_map(|row| row[..p].iter().map(|v| v / n)).collect();
        large::solve_lower(&m, q, &mut w, p);
        let image = small::product(&w, &rhs, (q, p, 1));
        let mut beta: Vec<f64> = rhs.iter().map(|v| v / n).collect();
        small::gemm_tn(&mut beta, &w, &image, (p, q, 1), 1.0);
        r2 -= rhs.iter().zip(&beta).map(|(x, b)| x * b).sum::<f64>();
        if !(r2 > 0.0 && r2.is_finite()) {
            return Err(NumericsError::NotPositive(p));
        }
        self.r2 = r2;
        self.beta = beta;
        self.phi.clear();
        self.phi.resize(p * p, 0.0);
        (0..p).for_each(|j| self.phi[j * p + j] = 1.0 / n);
        large::add_lower_tn(&mut self.phi, (&w, q, p, p), (&w, q, p, p), 1.0);
        large::mirror(&mut self.phi, p);
        Ok(0.5 * p as f64 * n.ln() + (0..q).map(|i| m[i * q + i].ln()).sum::<f64>())
    }

    /// The rows of `m`, `c` apart, times Φ where that is worth a matrix product: `rows x p`.
    pub(crate) fn rows_times_phi(&self, m: &[f64], p: usize) -> Option<Vec<f64>> {
        let c = p + 1;
        (self.reml && p >= large::LARGE).then(|| {
            let mut out = vec![0.0; m.len() / c * p];
            large::multiply(&mut out, (m, m.len() / c, p, c), (&self.phi, p, p, p));
            out
        })
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
    pub fn gradient(&mut self, cp: &CrossProducts) -> Working {
        self.back_substitute(cp);
        let mut out = self.blocked.traces(cp);
        let (c, p) = (cp.c(), cp.p);
        let scale = self.nu(cp) / self.r2;
        let turned = self.rows_times_phi(&self.f, p);
        let mut weighted = vec![0.0; c];
        for (f, g) in cp.factors.iter().zip(out.iter_mut()) {
            let k = f.k;
            let rows = f.offset * c..(f.offset + f.levels * k) * c;
            let parts = self.e[rows.clone()].chunks_exact(k * c).zip(self.f[rows].chunks_exact(k * c));
            for (l, (e, u)) in parts.enumerate() {
                for b in 0..k {
                    // Row b of f times diag(Φ, ν/r²), so that one product serves both terms.
                    let u = &u[b * c..(b + 1) * c];
                    if let Some(turned) = &turned {
                        let row = f.offset + l * k + b;
                        weighted[..p].copy_from_slice(&turned[row * p..(row + 1) * p]);
                    } else if self.reml && p > 0 {
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
    pub fn r2_gradient(&self, cp: &CrossProducts) -> Working {
        let (c, p) = (cp.c(), cp.p);
        let one = |f: &Factor| {
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

    /// Average-information approximation of the Hessian in directions of Λ (Gilmour, Thompson & Cullis
    /// 1995), with the exact term from the curvature of Λ ↦ ΛΛᵀ. Call after `gradient`, whose result it
    /// takes.
    #[must_use]
    pub fn average_information(&self, cp: &CrossProducts, gradient: &Working, directions: &[Direction]) -> Vec<f64> {
        let (c, p, q, m) = (cp.c(), cp.p, cp.q(), directions.len());
        let mut w = vec![0.0; q * m];
        let mut slope = vec![0.0; m];
        let entries: Vec<Vec<(usize, usize, f64)>> =
            directions.iter().map(|(i, d)| nonzero(d, cp.factors[*i].k).collect()).collect();
        for (r, ((i, _), entries)) in directions.iter().zip(&entries).enumerate() {
            let (f, lam) = (&cp.factors[*i], &self.blocked.lam[*i]);
            for &(a, b, d) in entries {
                for l in 0..f.levels {
                    let row = f.offset + l * f.k;
                    let (ub, ea) = (d * self.f[(row + b) * c + p], d * self.e[(row + a) * c + p]);
                    w[(row + a) * m + r] += ub;
                    for t in 0..f.k {
                        w[(row + t) * m + r] += lam[t * f.k + b] * ea;
                    }
                    slope[r] += 2.0 * ub * self.e[(row + a) * c + p];
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
                let (i, j) = (directions[r].0, directions[s].0);
                let Some(g) = curvature[i].as_ref().filter(|_| i == j) else { continue };
                for (a, b, d) in &entries[r] {
                    for (a2, _, d2) in entries[s].iter().filter(|(_, b2, _)| b == b2) {
                        h[r * m + s] += 2.0 * g[a * cp.factors[i].k + a2] * d * d2;
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

/// Whether XᵀX is n·I without any rounding, as it is made for many columns.
fn is_white(cp: &CrossProducts) -> bool {
    let (c, p) = (cp.c(), cp.p);
    let n = cp.n as f64;
    p >= large::LARGE && (0..p).all(|i| (0..p).all(|j| cp.xx[i * c + j] == if i == j { n } else { 0.0 }))
}
