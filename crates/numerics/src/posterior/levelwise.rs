//! Random effects of a factor as functions of numbers that are nearly standard normal given y.
//!
//! With A the information of a level's effects (other effects integrated out at a likelihood fit), r its
//! linear term and Ω = ΛᵀAΛ + I = CCᵀ, the level's effects are b = Λu with
//!     u = Ω⁻¹Λᵀr + σ C⁻ᵀz.
//! Where the data say little (A small) this is the non-centred form, where they say much the centred
//! one, and in between the partly non-centred one, at every Λ: Papaspiliopoulos, Roberts & Sköld (2007).

use crate::error::NumericsError;

/// What the data say of each level's effects, found once: `A` and r = G [-β; 1].
#[derive(Debug, Clone, Default)]
pub struct Information {
    /// `levels x k x k`.
    pub a: Vec<f64>,
    /// `levels x k x (p + 1)`.
    pub g: Vec<f64>,
}

/// What one evaluation leaves for its derivative.
#[derive(Debug, Clone, Default)]
pub struct Room {
    chol: Vec<f64>,
    half: Vec<f64>,
    u: Vec<f64>,
}

/// A point where effects are evaluated: Λ (relative to σ), β and σ, on the working scale.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// `k x k`.
    pub lam: &'a [f64],
    /// p.
    pub beta: &'a [f64],
    /// Residual standard deviation.
    pub sigma: f64,
}

/// Derivatives that [`pull_back`] adds to.
#[derive(Debug)]
pub struct Slopes<'a> {
    /// In Λ.
    pub lam: &'a mut [f64],
    /// In β.
    pub beta: &'a mut [f64],
    /// In log σ, Λ held.
    pub log_sigma: &'a mut f64,
}

fn square<const K: usize>(m: &[f64]) -> [[f64; K]; K] {
    std::array::from_fn(|i| std::array::from_fn(|j| m[i * K + j]))
}

/// `Aᵀ v` and `A v`.
fn transposed_times<const K: usize>(a: &[[f64; K]; K], v: &[f64; K]) -> [f64; K] {
    std::array::from_fn(|j| (0..K).map(|i| a[i][j] * v[i]).sum())
}

fn times<const K: usize>(a: &[[f64; K]; K], v: &[f64; K]) -> [f64; K] {
    std::array::from_fn(|i| (0..K).map(|j| a[i][j] * v[j]).sum())
}

/// `C⁻¹ v` and `C⁻ᵀ v` for a lower triangle.
fn forward<const K: usize>(c: &[[f64; K]; K], mut v: [f64; K]) -> [f64; K] {
    for i in 0..K {
        v[i] = (v[i] - (0..i).map(|t| c[i][t] * v[t]).sum::<f64>()) / c[i][i];
    }
    v
}

fn backward<const K: usize>(c: &[[f64; K]; K], mut v: [f64; K]) -> [f64; K] {
    for i in (0..K).rev() {
        v[i] = (v[i] - (i + 1..K).map(|t| c[t][i] * v[t]).sum::<f64>()) / c[i][i];
    }
    v
}

/// Lower Cholesky factor of ΛᵀAΛ + I.
pub(crate) fn factor<const K: usize>(a: &[[f64; K]; K], lam: &[[f64; K]; K]) -> Result<[[f64; K]; K], NumericsError> {
    let m: [[f64; K]; K] = std::array::from_fn(|i| transposed_times(lam, &a[i]));
    let mut c = [[0.0; K]; K];
    for j in 0..K {
        for i in j..K {
            let own: f64 = (0..K).map(|t| lam[t][i] * m[t][j]).sum();
            let s = own + f64::from(u8::from(i == j)) - (0..j).map(|t| c[i][t] * c[j][t]).sum::<f64>();
            if i > j {
                c[i][j] = s / c[j][j];
            } else if s > 0.0 && s.is_finite() {
                c[j][j] = s.sqrt();
            } else {
                return Err(NumericsError::NotPositive(j));
            }
        }
    }
    Ok(c)
}

/// Effects `b` (`levels x k`) of `z`, and log p(u) + log|∂u/∂z|.
pub fn place<const K: usize>(
    info: &Information,
    at: Place,
    z: &[f64],
    room: &mut Room,
    b: &mut [f64],
) -> Result<f64, NumericsError> {
    let lam = square::<K>(at.lam);
    let c = at.beta.len() + 1;
    room.chol.resize(z.len() * K, 0.0);
    room.half.resize(z.len(), 0.0);
    room.u.resize(z.len(), 0.0);
    let (mut squares, mut logs, mut product) = (0.0, 0.0, 1.0f64);
    for (l, (z, b)) in z.chunks_exact(K).zip(b.chunks_exact_mut(K)).enumerate() {
        let chol = factor(&square::<K>(&info.a[l * K * K..(l + 1) * K * K]), &lam)?;
        let r = linear_term::<K>(info, l, at.beta, c);
        let half = forward(&chol, transposed_times(&lam, &r));
        let u = backward(&chol, std::array::from_fn(|i| half[i] + at.sigma * z[i]));
        b.copy_from_slice(&times(&lam, &u));
        squares += u.iter().map(|v| v * v).sum::<f64>();
        product *= (0..K).map(|i| chol[i][i]).product::<f64>();
        if !(1e-100..1e100).contains(&product) {
            logs += product.ln();
            product = 1.0;
        }
        room.chol[l * K * K..(l + 1) * K * K].copy_from_slice(chol.as_flattened());
        room.half[l * K..(l + 1) * K].copy_from_slice(&half);
        room.u[l * K..(l + 1) * K].copy_from_slice(&u);
    }
    let constant = 0.5 * z.len() as f64 * (2.0 * std::f64::consts::PI).ln();
    Ok(-0.5 * squares / (at.sigma * at.sigma) - logs - product.ln() - constant)
}

fn linear_term<const K: usize>(info: &Information, l: usize, beta: &[f64], c: usize) -> [f64; K] {
    std::array::from_fn(|i| {
        let row = &info.g[(l * K + i) * c..(l * K + i + 1) * c];
        row[c - 1] - row.iter().zip(beta).map(|(g, b)| g * b).sum::<f64>()
    })
}

/// Derivative in `z`, and what is added to those in Λ, β and log σ, from the likelihood's derivative
/// in `b`, after [`place`] at the same point.
pub fn pull_back<const K: usize>(
    info: &Information,
    at: Place,
    (z, d_b): (&[f64], &[f64]),
    room: &Room,
    dz: &mut [f64],
    slopes: &mut Slopes,
) {
    let lam = square::<K>(at.lam);
    let c = at.beta.len() + 1;
    let precision = 1.0 / (at.sigma * at.sigma);
    let mut d_lam = [[0.0; K]; K];
    for (l, (z, dz)) in z.chunks_exact(K).zip(dz.chunks_exact_mut(K)).enumerate() {
        let a = square::<K>(&info.a[l * K * K..(l + 1) * K * K]);
        let chol = square::<K>(&room.chol[l * K * K..(l + 1) * K * K]);
        let u: [f64; K] = std::array::from_fn(|i| room.u[l * K + i]);
        let half = &room.half[l * K..(l + 1) * K];
        let d_b: [f64; K] = std::array::from_fn(|i| d_b[l * K + i]);
        let from_b = transposed_times(&lam, &d_b);
        let d_half = forward(&chol, std::array::from_fn(|i| from_b[i] - precision * u[i]));
        let d_g = backward(&chol, d_half);
        for i in 0..K {
            dz[i] = at.sigma * d_half[i];
            *slopes.log_sigma += at.sigma * d_half[i] * z[i] + precision * u[i] * u[i];
        }
        // Cᵀ times the derivative in C; of it the lower triangle, its diagonal halved (Murray 2016).
        let mut d_chol = [[0.0; K]; K];
        for i in 0..K {
            for j in 0..=i {
                d_chol[i][j] = -u[i] * d_half[j] - d_g[i] * half[j];
            }
            d_chol[i][i] -= 1.0 / chol[i][i];
        }
        let mut inner = [[0.0; K]; K];
        for i in 0..K {
            for j in 0..=i {
                let v: f64 = (i..K).map(|t| chol[t][i] * d_chol[t][j]).sum();
                inner[i][j] = if i == j { 0.5 * v } else { v };
            }
        }
        // S = C⁻ᵀ inner C⁻¹; the derivative in Ω is its symmetric part.
        let right: [[f64; K]; K] = std::array::from_fn(|i| backward(&chol, inner[i]));
        let columns: [[f64; K]; K] = std::array::from_fn(|j| backward(&chol, std::array::from_fn(|i| right[i][j])));
        let r = linear_term::<K>(info, l, at.beta, c);
        let d_r = times(&lam, &d_g);
        for j in 0..K {
            let twice: [f64; K] = std::array::from_fn(|i| columns[j][i] + columns[i][j]);
            let own = times(&a, &times(&lam, &twice));
            for i in 0..K {
                d_lam[i][j] += d_b[i] * u[j] + r[i] * d_g[j] + own[i];
            }
        }
        for (i, d_r) in d_r.iter().enumerate() {
            let row = &info.g[(l * K + i) * c..(l * K + i + 1) * c - 1];
            slopes.beta.iter_mut().zip(row).for_each(|(to, g)| *to -= g * d_r);
        }
    }
    slopes.lam.iter_mut().zip(d_lam.as_flattened()).for_each(|(to, d)| *to += d);
}
