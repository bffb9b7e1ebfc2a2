//! Small dense kernels on row-major slices: blocks of a few columns, for which a library call
//! would cost more than the work. Large blocks go to faer (`rest.rs`).

use crate::error::NumericsError;

/// `aᵀ b`, summed in order.
#[inline]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Cholesky factor `a = L Lᵀ` in place (lower triangle; the upper is left as it was).
#[inline]
pub fn cholesky(a: &mut [f64], n: usize) -> Result<(), NumericsError> {
    for j in 0..n {
        let mut d = a[j * n + j];
        for k in 0..j {
            d -= a[j * n + k] * a[j * n + k];
        }
        if !(d > 0.0 && d.is_finite()) {
            return Err(NumericsError::NotPositive(j));
        }
        let d = d.sqrt();
        a[j * n + j] = d;
        for i in j + 1..n {
            let mut s = a[i * n + j];
            for k in 0..j {
                s -= a[i * n + k] * a[j * n + k];
            }
            a[i * n + j] = s / d;
        }
    }
    Ok(())
}

/// Lower-triangular `L` with `L Lᵀ = a` for a positive semi-definite matrix: columns without
/// anything left are zero.
#[must_use]
pub fn semidefinite_root(a: &[f64], n: usize) -> Vec<f64> {
    let mut l = vec![0.0; n * n];
    for j in 0..n {
        let left = a[j * n + j] - (0..j).map(|k| l[j * n + k] * l[j * n + k]).sum::<f64>();
        if left <= 1e-14 * a[j * n + j] {
            continue;
        }
        let d = left.sqrt();
        l[j * n + j] = d;
        for i in j + 1..n {
            let s: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            l[i * n + j] = (a[i * n + j] - s) / d;
        }
    }
    l
}

/// `b ← L⁻¹ b` for a row-major `n x c` matrix `b`.
#[inline]
pub fn solve_lower(l: &[f64], n: usize, b: &mut [f64], c: usize) {
    for i in 0..n {
        let (done, rest) = b.split_at_mut(i * c);
        let row = &mut rest[..c];
        for k in 0..i {
            let f = l[i * n + k];
            for (r, d) in row.iter_mut().zip(&done[k * c..(k + 1) * c]) {
                *r -= f * d;
            }
        }
        let inv = 1.0 / l[i * n + i];
        row.iter_mut().for_each(|r| *r *= inv);
    }
}

/// `b ← L⁻ᵀ b` for a row-major `n x c` matrix `b`.
#[inline]
pub fn solve_lower_transposed(l: &[f64], n: usize, b: &mut [f64], c: usize) {
    for i in (0..n).rev() {
        let (head, done) = b.split_at_mut((i + 1) * c);
        let row = &mut head[i * c..];
        for k in i + 1..n {
            let f = l[k * n + i];
            for (r, d) in row.iter_mut().zip(&done[(k - i - 1) * c..(k - i) * c]) {
                *r -= f * d;
            }
        }
        let inv = 1.0 / l[i * n + i];
        row.iter_mut().for_each(|r| *r *= inv);
    }
}

/// `out += s · a b`, with `a` m x k and `b` k x n, all row-major.
#[inline]
pub fn gemm(out: &mut [f64], a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize), s: f64) {
    for i in 0..m {
        let row = &mut out[i * n..(i + 1) * n];
        for t in 0..k {
            let f = s * a[i * k + t];
            if f != 0.0 {
                for (o, x) in row.iter_mut().zip(&b[t * n..(t + 1) * n]) {
                    *o += f * x;
                }
            }
        }
    }
}

/// `out += s · aᵀ b`, with `a` k x m and `b` k x n, all row-major.
#[inline]
pub fn gemm_tn(out: &mut [f64], a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize), s: f64) {
    for t in 0..k {
        for i in 0..m {
            let f = s * a[t * m + i];
            if f != 0.0 {
                for (o, x) in out[i * n..(i + 1) * n].iter_mut().zip(&b[t * n..(t + 1) * n]) {
                    *o += f * x;
                }
            }
        }
    }
}

/// `out += s · a bᵀ`, with `a` m x k and `b` n x k, all row-major.
#[inline]
pub fn gemm_nt(out: &mut [f64], a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize), s: f64) {
    for i in 0..m {
        for j in 0..n {
            let dot: f64 = a[i * k..(i + 1) * k].iter().zip(&b[j * k..(j + 1) * k]).map(|(x, y)| x * y).sum();
            out[i * n + j] += s * dot;
        }
    }
}

/// `a b` as a new row-major matrix.
#[must_use]
pub fn product(a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize)) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    gemm(&mut out, a, b, (m, k, n), 1.0);
    out
}

/// `a aᵀ` of a row-major square matrix.
#[must_use]
pub fn gram(a: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    gemm_nt(&mut out, a, a, (n, n, n), 1.0);
    out
}

/// The transpose of a row-major `m x n` matrix.
#[must_use]
pub fn transpose(a: &[f64], m: usize, n: usize) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            out[j * m + i] = a[i * n + j];
        }
    }
    out
}

/// The identity of size `n`.
#[must_use]
pub fn identity(n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    (0..n).for_each(|i| out[i * n + i] = 1.0);
    out
}

/// Inverse of a square matrix by Gauss-Jordan with partial pivoting (k x k bases only).
pub fn inverse(a: &[f64], n: usize) -> Result<Vec<f64>, NumericsError> {
    let mut m = a.to_vec();
    let mut inv = identity(n);
    for j in 0..n {
        let pivot = (j..n).max_by(|&r, &s| m[r * n + j].abs().total_cmp(&m[s * n + j].abs())).unwrap_or(j);
        if m[pivot * n + j] == 0.0 {
            return Err(NumericsError::NotPositive(j));
        }
        for t in 0..n {
            m.swap(j * n + t, pivot * n + t);
            inv.swap(j * n + t, pivot * n + t);
        }
        let d = 1.0 / m[j * n + j];
        for t in 0..n {
            m[j * n + t] *= d;
            inv[j * n + t] *= d;
        }
        for i in (0..n).filter(|&i| i != j) {
            let f = m[i * n + j];
            if f != 0.0 {
                for t in 0..n {
                    m[i * n + t] -= f * m[j * n + t];
                    inv[i * n + t] -= f * inv[j * n + t];
                }
            }
        }
    }
    Ok(inv)
}

/// The largest power of two not above `1 / x` (1 where x is zero): scaling by it loses no bit.
pub(crate) fn power_of_two_inverse(x: f64) -> f64 {
    if x > 0.0 && x.is_finite() {
        2f64.powi((-x.log2()).floor().clamp(-1000.0, 1000.0) as i32)
    } else {
        1.0
    }
}

/// log|det A| by elimination with partial pivoting.
#[must_use]
pub fn log_abs_det(a: &[f64], n: usize) -> f64 {
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

/// The lower-triangular `L` with non-negative diagonal and `L Lᵀ = a aᵀ` (`a` is `n x m`,
/// row-major), by Householder reflections from the right: exact also where `a aᵀ` is singular.
#[must_use]
pub fn lower_factor_of_gram(a: &[f64], n: usize, m: usize) -> Vec<f64> {
    // Rows near one: a row of the result has the size of its row of `a`, and no square is lost.
    let sizes: Vec<f64> = (0..n)
        .map(|i| power_of_two_inverse(a[i * m..(i + 1) * m].iter().fold(0.0f64, |s, v| s.max(v.abs()))))
        .collect();
    let mut w: Vec<f64> = a.iter().enumerate().map(|(e, v)| v * sizes[e / m]).collect();
    for i in 0..n.min(m) {
        // Reflect so that row i has its tail (columns i+1..) zero.
        let norm = w[i * m + i..(i + 1) * m].iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm == 0.0 {
            continue;
        }
        let alpha = if w[i * m + i] > 0.0 { -norm } else { norm };
        let mut v = w[i * m + i..(i + 1) * m].to_vec();
        v[0] -= alpha;
        let vv: f64 = v.iter().map(|x| x * x).sum();
        if vv > 0.0 {
            for r in i..n {
                let row = &mut w[r * m + i..(r + 1) * m];
                let f = 2.0 * row.iter().zip(&v).map(|(x, y)| x * y).sum::<f64>() / vv;
                row.iter_mut().zip(&v).for_each(|(x, y)| *x -= f * y);
            }
        }
    }
    let mut l = vec![0.0; n * n];
    for j in 0..n.min(m) {
        let s = if w[j * m + j] < 0.0 { -1.0 } else { 1.0 };
        for i in j..n {
            l[i * n + j] = s * w[i * m + j] / sizes[i];
        }
    }
    l
}

/// Eigenvalues (ascending) and eigenvectors (columns of the row-major matrix returned) of a
/// symmetric matrix, by cyclic Jacobi rotations: small matrices, high relative accuracy.
#[must_use]
pub fn symmetric_eigen(a: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut m = a.to_vec();
    let mut v = identity(n);
    let scale = m.iter().fold(0.0f64, |s, x| s.max(x.abs()));
    for _ in 0..60 {
        let off = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).fold(0.0f64, |s, (i, j)| s.max(m[i * n + j].abs()));
        if off <= 1e-17 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = m[p * n + q];
                if apq.abs() <= 1e-17 * scale {
                    continue;
                }
                let tau = (m[q * n + q] - m[p * n + p]) / (2.0 * apq);
                let t = if tau >= 0.0 { 1.0 } else { -1.0 } / (tau.abs() + (1.0 + tau * tau).sqrt());
                let c = 1.0 / (1.0 + t * t).sqrt();
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (m[k * n + p], m[k * n + q]);
                    m[k * n + p] = c * x - s * y;
                    m[k * n + q] = s * x + c * y;
                }
                for k in 0..n {
                    let (x, y) = (m[p * n + k], m[q * n + k]);
                    m[p * n + k] = c * x - s * y;
                    m[q * n + k] = s * x + c * y;
                }
                // Zero by construction; what rounding leaves there would keep the sweeps going.
                m[p * n + q] = 0.0;
                m[q * n + p] = 0.0;
                for k in 0..n {
                    let (x, y) = (v[k * n + p], v[k * n + q]);
                    v[k * n + p] = c * x - s * y;
                    v[k * n + q] = s * x + c * y;
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| m[i * n + i].total_cmp(&m[j * n + j]));
    let values = order.iter().map(|&i| m[i * n + i]).collect();
    let mut vectors = vec![0.0; n * n];
    for (new, &old) in order.iter().enumerate() {
        for i in 0..n {
            vectors[i * n + new] = v[i * n + old];
        }
    }
    (values, vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_factor_reproduces_the_gram_matrix_even_when_singular() {
        let a = [1.0, 2.0, 2.0, 4.0, 0.5, -1.0];
        let l = lower_factor_of_gram(&a, 3, 2);
        for i in 0..3 {
            for j in 0..3 {
                let want: f64 = (0..2).map(|k| a[i * 2 + k] * a[j * 2 + k]).sum();
                let got: f64 = (0..3).map(|k| l[i * 3 + k] * l[j * 3 + k]).sum();
                assert!((want - got).abs() < 1e-12, "{i} {j}: {want} {got}");
            }
        }
    }

    #[test]
    fn eigen_decomposition_rebuilds_the_matrix() {
        let a = [4.0, 1.0, -2.0, 1.0, 3.0, 0.5, -2.0, 0.5, 1.0];
        let (d, v) = symmetric_eigen(&a, 3);
        for i in 0..3 {
            for j in 0..3 {
                let got: f64 = (0..3).map(|k| v[i * 3 + k] * d[k] * v[j * 3 + k]).sum();
                assert!((a[i * 3 + j] - got).abs() < 1e-13);
            }
        }
        assert!(d[0] <= d[1] && d[1] <= d[2]);
    }

    #[test]
    fn inverse_times_matrix_is_identity() {
        let a = [0.0, 2.0, 1.0, 1.0, 1.0, 0.0, 3.0, 0.0, 1.0];
        let inv = inverse(&a, 3).expect("regular");
        let id = product(&a, &inv, (3, 3, 3));
        for (x, y) in id.iter().zip(identity(3)) {
            assert!((x - y).abs() < 1e-14);
        }
    }
}
