//! log p(y | β, Λ, σ) of a Gaussian model with the random effects integrated out, and its exact
//! gradient: one solve of one column, from the cross-products only (theory.md §5).
//!
//! With r = Zᵀ(y - Xβ), w = Ω⁻¹Λᵀr and s = |y - Xβ|² - rᵀΛw (all in the working basis):
//!   log p = -n/2 log 2π - n log σ - ½ log|Ω| - s / 2σ².

use std::sync::Arc;

use crate::covariance::{Factor, Working};
use crate::error::NumericsError;
use crate::factor::{apply_lambda, multiply, Blocked};
use crate::linalg::small;
use crate::products::CrossProducts;

/// The likelihood with room to evaluate it in; cloned for each thread.
#[derive(Debug, Clone)]
pub struct Collapsed {
    cp: Arc<CrossProducts>,
    blocked: Option<Blocked>,
}

/// Value and derivatives at a point, β and σ on the working scale.
#[derive(Debug, Clone, Default)]
pub struct CollapsedPoint {
    /// log p(y | β, Λ, σ) on the scale of the raw data.
    pub value: f64,
    /// Derivative in the working β.
    pub beta: Vec<f64>,
    /// Derivative in every entry of each Λ.
    pub lam: Working,
    /// Derivative in log σ, Λ held.
    pub log_sigma: f64,
}

/// What the levels add up to.
pub(crate) struct Integrated {
    pub(crate) logdet: f64,
    /// |L⁻¹Λᵀr|².
    pub(crate) explained: f64,
    /// XᵀWZΛw.
    pub(crate) xzw: Vec<f64>,
    /// Σ e wᵀ of each factor, e = Zᵀ(y - Xβ - ZΛw).
    pub(crate) ew: Vec<Vec<f64>>,
    /// Σ (AΛΩ⁻¹)_ll of each factor.
    pub(crate) traces: Working,
}

/// Most columns of a factor that kernels of a fixed size are compiled for.
pub(crate) const LARGEST_KERNEL: usize = 6;

/// Call a function that is generic over the number of columns.
macro_rules! by_columns {
    ($k:expr, $f:ident($($arg:expr),*)) => {
        match $k {
            1 => $f::<1>($($arg),*),
            2 => $f::<2>($($arg),*),
            3 => $f::<3>($($arg),*),
            4 => $f::<4>($($arg),*),
            5 => $f::<5>($($arg),*),
            _ => $f::<6>($($arg),*),
        }
    };
}
pub(crate) use by_columns;

impl Collapsed {
    /// Room for a model; one grouping factor of few columns needs no factor kept.
    pub fn new(cp: Arc<CrossProducts>) -> Result<Self, NumericsError> {
        let small = cp.factors.len() == 1 && cp.factors[0].k <= LARGEST_KERNEL;
        let blocked = if small { None } else { Some(Blocked::new(&cp)?) };
        Ok(Collapsed { cp, blocked })
    }

    /// The same through the blocked factor whatever the model (for tests of the short way).
    pub fn general(cp: Arc<CrossProducts>) -> Result<Self, NumericsError> {
        let blocked = Some(Blocked::new(&cp)?);
        Ok(Collapsed { cp, blocked })
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &Arc<CrossProducts> {
        &self.cp
    }

    /// Value and gradient; `sigma` is on the working scale of y.
    pub fn evaluate(&mut self, beta: &[f64], lam: &Working, sigma: f64) -> Result<CollapsedPoint, NumericsError> {
        let cp = self.cp.clone();
        let (c, p) = (cp.c(), cp.p);
        // [X y]ᵀ(y - Xβ)
        let residual: Vec<f64> = cp.xx.chunks_exact(c).map(|row| residual_product(row, beta)).collect();
        let rss = residual[p] - beta.iter().zip(&residual).map(|(b, r)| b * r).sum::<f64>();
        let sums = match (&mut self.blocked, cp.factors[0].k) {
            (Some(blocked), _) => through_factor(&cp, blocked, beta, lam)?,
            (None, k) => by_columns!(k, by_level(&cp, beta, &lam[0], None))?,
        };
        let precision = 1.0 / (sigma * sigma);
        let penalised = rss - sums.explained;
        let n = cp.n as f64;
        let log_sigma_raw = sigma.ln() - cp.basis.y_scale.ln();
        let value = -0.5 * (n * (2.0 * std::f64::consts::PI).ln() - cp.sum_log_weights + sums.logdet)
            - n * log_sigma_raw
            - 0.5 * precision * penalised;
        if !value.is_finite() {
            return Err(NumericsError::NonFinite("the log-likelihood"));
        }
        let combine = |(ew, traces): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
            ew.iter().zip(traces).map(|(e, t)| precision * e - t).collect()
        };
        Ok(CollapsedPoint {
            value,
            beta: residual[..p].iter().zip(&sums.xzw).map(|(r, z)| precision * (r - z)).collect(),
            lam: sums.ew.iter().zip(&sums.traces).map(combine).collect(),
            log_sigma: precision * penalised - n,
        })
    }
}

/// `row · [-β; 1]`.
#[inline]
pub(crate) fn residual_product(row: &[f64], beta: &[f64]) -> f64 {
    row[beta.len()] - row.iter().zip(beta).map(|(x, b)| x * b).sum::<f64>()
}

fn through_factor(
    cp: &CrossProducts,
    blocked: &mut Blocked,
    beta: &[f64],
    lam: &Working,
) -> Result<Integrated, NumericsError> {
    let c = cp.c();
    blocked.factor(cp, lam)?;
    let r: Vec<f64> = cp.zx.chunks_exact(c).map(|row| residual_product(row, beta)).collect();
    let mut w = apply_lambda(cp, lam, &r, 1, true);
    blocked.forward(cp, &mut w, 1);
    let explained = w.iter().map(|v| v * v).sum();
    blocked.backward(cp, &mut w, 1);
    let b = apply_lambda(cp, lam, &w, 1, false);
    let e: Vec<f64> = r.iter().zip(multiply(cp, &b, 1)).map(|(r, f)| r - f).collect();
    let mut xzw = vec![0.0; cp.p];
    for (row, b) in cp.zx.chunks_exact(c).zip(&b) {
        xzw.iter_mut().zip(row).for_each(|(t, x)| *t += x * b);
    }
    let outer = |f: &Factor| {
        let rows = f.offset..f.offset + f.levels * f.k;
        let mut sum = vec![0.0; f.k * f.k];
        for (e, w) in e[rows.clone()].chunks_exact(f.k).zip(w[rows].chunks_exact(f.k)) {
            small::gemm_nt(&mut sum, e, w, (f.k, 1, f.k), 1.0);
        }
        sum
    };
    let ew = cp.factors.iter().map(outer).collect();
    Ok(Integrated { logdet: blocked.logdet, explained, xzw, ew, traces: blocked.traces(cp) })
}

/// The first grouping factor: every level on its own, nothing kept between levels. `known` brings
/// `ZᵀWv` (one value per column of the factor) of what else is taken off y, and takes away Λw.
pub(crate) fn by_level<const K: usize>(
    cp: &CrossProducts,
    beta: &[f64],
    lam: &[f64],
    mut known: Option<&mut [f64]>,
) -> Result<Integrated, NumericsError> {
    let (c, p) = (cp.c(), cp.p);
    let lam: [[f64; K]; K] = std::array::from_fn(|i| std::array::from_fn(|j| lam[i * K + j]));
    let (mut log_sum, mut explained) = (0.0, 0.0);
    let mut determinant = 1.0f64;
    let mut xzw = vec![0.0; p];
    let (mut ew, mut traces) = ([[0.0; K]; K], [[0.0; K]; K]);
    for (level, (zz, zx)) in cp.zz[0].chunks_exact(K * K).zip(cp.zx.chunks_exact(K * c)).enumerate() {
        let mut r: [f64; K] = std::array::from_fn(|i| residual_product(&zx[i * c..(i + 1) * c], beta));
        if let Some(known) = &known {
            r.iter_mut().zip(&known[level * K..]).for_each(|(r, v)| *r -= v);
        }
        // m = AΛ, then the lower triangle of Ω = Λᵀm + I and its Cholesky factor.
        let m: [[f64; K]; K] =
            std::array::from_fn(|i| std::array::from_fn(|j| (0..K).map(|t| zz[i * K + t] * lam[t][j]).sum()));
        let mut l = [[0.0f64; K]; K];
        for j in 0..K {
            for i in j..K {
                let mut s: f64 = (0..K).map(|t| lam[t][i] * m[t][j]).sum();
                s -= l[i].iter().zip(&l[j]).take(j).map(|(a, b)| a * b).sum::<f64>();
                if i == j {
                    s += 1.0;
                    if !(s > 0.0 && s.is_finite()) {
                        return Err(NumericsError::NotPositive(level * K + j));
                    }
                    determinant *= s;
                    l[j][j] = s.sqrt();
                } else {
                    l[i][j] = s / l[j][j];
                }
            }
        }
        if !(1e-100..1e100).contains(&determinant) {
            log_sum += determinant.ln();
            determinant = 1.0;
        }
        // L⁻¹, of which everything else is a product.
        let mut inv = [[0.0f64; K]; K];
        for j in 0..K {
            inv[j][j] = 1.0 / l[j][j];
            for i in j + 1..K {
                let s: f64 = (j..i).map(|t| l[i][t] * inv[t][j]).sum();
                inv[i][j] = -s / l[i][i];
            }
        }
        let g: [f64; K] = std::array::from_fn(|j| (0..K).map(|t| lam[t][j] * r[t]).sum());
        let h: [f64; K] = std::array::from_fn(|i| (0..=i).map(|t| inv[i][t] * g[t]).sum());
        explained += h.iter().map(|v| v * v).sum::<f64>();
        let w: [f64; K] = std::array::from_fn(|j| (j..K).map(|t| inv[t][j] * h[t]).sum());
        for i in 0..K {
            let e = r[i] - (0..K).map(|t| m[i][t] * w[t]).sum::<f64>();
            let b: f64 = (0..K).map(|t| lam[i][t] * w[t]).sum();
            if let Some(known) = &mut known {
                known[level * K + i] = b;
            }
            xzw.iter_mut().zip(&zx[i * c..i * c + p]).for_each(|(t, x)| *t += x * b);
            // Row i of m L⁻ᵀ, then of m L⁻ᵀL⁻¹ = AΛΩ⁻¹.
            let half: [f64; K] = std::array::from_fn(|j| (0..=j).map(|t| m[i][t] * inv[j][t]).sum());
            for j in 0..K {
                ew[i][j] += e * w[j];
                traces[i][j] += (j..K).map(|t| half[t] * inv[t][j]).sum::<f64>();
            }
        }
    }
    let flat = |m: [[f64; K]; K]| vec![m.as_flattened().to_vec()];
    Ok(Integrated { logdet: log_sum + determinant.ln(), explained, xzw, ew: flat(ew), traces: flat(traces).into() })
}
