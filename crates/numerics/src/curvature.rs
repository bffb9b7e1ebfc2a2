//! The exact Hessian of the profiled deviance in Λ (NUMERICS §2), by block-sized algebra.
//!
//! With C = ZᵀH⁻¹Z, P = H⁻¹ less the fixed effects' part, C_P = ZᵀPZ, e = ZᵀPy and directions
//! B = dΛ Λᵀ + Λ dΛᵀ of Σ = ΛΛᵀ (block-diagonal over levels):
//!   d²(dev) = -tr(C B_r C B_s) + (ν/r²)[2 eᵀB_r C_P B_s e - (eᵀB_r e)(eᵀB_s e)/r²] + 2⟨M, dΛ_r dΛ_sᵀ⟩,
//! C replaced by C_P in the first term under REML, and M = dev's gradient in Σ.
//! One factor: C is block-diagonal but for the fixed effects, so the cost is linear in levels.
//! Crossed factors: C is dense, so this is for moderate q only.

use rayon::prelude::*;

use crate::blocked::{apply_lambda, LEVELS_PER_TASK};
use crate::crossproducts::CrossProducts;
use crate::dense;
use crate::profiled::Profiled;

/// A direction in the Λ of a factor: its index and `dΛ`, `k x k`.
pub type Direction = (usize, Vec<f64>);

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
struct SigmaDerivatives {
    /// Per pair `(f, g)`, `k_f² x k_g²`.
    second: Vec<Vec<Vec<f64>>>,
    /// Per factor, `k x k`.
    first: Vec<Vec<f64>>,
}

/// The Hessian of the criterion in the directions. Call after [`Profiled::gradient`].
#[must_use]
pub fn hessian(cp: &CrossProducts, state: &Profiled, directions: &[Direction]) -> Vec<f64> {
    let derivatives = if cp.factors.len() == 1 { one_factor(cp, state) } else { crossed(cp, state) };
    let m = directions.len();
    let bends: Vec<Vec<f64>> = directions
        .iter()
        .map(|(f, d)| {
            let k = cp.factors[*f].k;
            let mut b = vec![0.0; k * k];
            dense::gemm_nt(&mut b, d, &state.blocked.lam[*f], (k, k, k), 1.0);
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
                dense::gemm_nt(&mut outer, dr, ds, (k, k, k), 1.0);
                v += 2.0 * outer.iter().zip(&derivatives.first[*f]).map(|(x, y)| x * y).sum::<f64>();
            }
            h[r * m + s] = v;
            h[s * m + r] = v;
        }
    }
    h
}

/// Directions of the free entries of Λ.
#[must_use]
pub fn free_directions(cp: &CrossProducts) -> Vec<Direction> {
    let mut out = Vec::with_capacity(cp.n_theta());
    for (i, f) in cp.factors.iter().enumerate() {
        for (a, b) in f.free_entries() {
            let mut d = vec![0.0; f.k * f.k];
            d[a * f.k + b] = 1.0;
            out.push((i, d));
        }
    }
    out
}

/// Sums over the levels of the only factor.
struct Sums {
    /// `Σ C_ll` (less the fixed effects' part under REML).
    first: Vec<f64>,
    /// `Σ C[a,d] C[b,c]` over equal levels, with the mixed terms of the fixed effects' part.
    trace: Vec<f64>,
    /// `Σ e_a C[b,d] e_c`.
    quadratic: Vec<f64>,
    /// `Σ F_a ⊗ F_b`, `k² x p²`.
    fixed: Vec<f64>,
    /// `Σ e_a F_b`, `k² x p`.
    mixed: Vec<f64>,
    /// `Σ e_a e_b`.
    ee: Vec<f64>,
}

impl Sums {
    fn new(k: usize, p: usize) -> Self {
        let k2 = k * k;
        Sums {
            first: vec![0.0; k2],
            trace: vec![0.0; k2 * k2],
            quadratic: vec![0.0; k2 * k2],
            fixed: vec![0.0; k2 * p * p],
            mixed: vec![0.0; k2 * p],
            ee: vec![0.0; k2],
        }
    }

    fn add(&mut self, other: &Sums) {
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

fn one_factor(cp: &CrossProducts, state: &Profiled) -> SigmaDerivatives {
    let (k, p, c) = (cp.factors[0].k, cp.p, cp.c());
    let levels = cp.factors[0].levels;
    let run = |range: std::ops::Range<usize>| {
        let mut sums = Sums::new(k, p);
        let mut scratch = vec![0.0; 3 * k * k + k * p];
        for l in range {
            add_level(cp, state, l, &mut sums, &mut scratch);
        }
        sums
    };
    let sums = if levels <= LEVELS_PER_TASK {
        run(0..levels)
    } else {
        let tasks = levels.div_ceil(LEVELS_PER_TASK);
        let parts: Vec<Sums> = (0..tasks)
            .into_par_iter()
            .map(|t| run(t * LEVELS_PER_TASK..((t + 1) * LEVELS_PER_TASK).min(levels)))
            .collect();
        let mut total = Sums::new(k, p);
        parts.iter().for_each(|s| total.add(s));
        total
    };
    let k2 = k * k;
    let mut trace = sums.trace;
    if state.reml && p > 0 {
        let turned: Vec<Vec<f64>> = sums
            .fixed
            .chunks_exact(p * p)
            .map(|s| dense::product(&dense::product(&state.phi, s, (p, p, p)), &state.phi, (p, p, p)))
            .collect();
        for (ab, s) in sums.fixed.chunks_exact(p * p).enumerate() {
            for cd in 0..k2 {
                let dc = (cd % k) * k + cd / k;
                trace[ab * k2 + cd] += s.iter().zip(&turned[dc]).map(|(x, y)| x * y).sum::<f64>();
            }
        }
    }
    let mut quadratic = sums.quadratic;
    subtract_low_rank(&mut quadratic, &sums.mixed, &sums.mixed, &state.phi, p);
    let scale = state.nu(cp) / state.r2;
    let first = sums.first.iter().zip(&sums.ee).map(|(c, e)| c - scale * e).collect();
    let second = combine(&trace, &quadratic, &sums.ee, &sums.ee, scale, state.r2);
    debug_assert_eq!(c, p + 1);
    SigmaDerivatives { second: vec![vec![second]], first: vec![first] }
}

fn add_level(cp: &CrossProducts, state: &Profiled, l: usize, sums: &mut Sums, scratch: &mut [f64]) {
    let (k, p, c) = (cp.factors[0].k, cp.p, cp.c());
    let k2 = k * k;
    let a = &cp.zz[0][l * k2..(l + 1) * k2];
    let (g, tail) = scratch.split_at_mut(k2);
    let (d, tail) = tail.split_at_mut(k2);
    let (r, fphi) = tail.split_at_mut(k2);
    g.fill(0.0);
    dense::gemm_tn(g, &state.blocked.lam[0], a, (k, k, k), 1.0);
    dense::solve_lower(&state.blocked.l0[l * k2..(l + 1) * k2], k, g, k);
    d.copy_from_slice(a);
    dense::gemm_tn(d, g, g, (k, k, k), -1.0);
    let rows = &state.e[l * k * c..(l + 1) * k * c];
    let e = |i: usize| rows[i * c + p];
    r.fill(0.0);
    if state.reml {
        fphi.fill(0.0);
        for i in 0..k {
            dense::gemm(&mut fphi[i * p..(i + 1) * p], &rows[i * c..i * c + p], &state.phi, (1, p, p), 1.0);
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
            if state.reml {
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

/// `q -= U Φ Vᵀ`, rows of U and V per pair of columns.
fn subtract_low_rank(q: &mut [f64], u: &[f64], v: &[f64], phi: &[f64], p: usize) {
    if p == 0 {
        return;
    }
    let (m, n) = (u.len() / p, v.len() / p);
    let half = dense::product(u, phi, (m, p, p));
    dense::gemm_nt(q, &half, v, (m, p, n), -1.0);
}

fn combine(trace: &[f64], quadratic: &[f64], left: &[f64], right: &[f64], scale: f64, r2: f64) -> Vec<f64> {
    let n = right.len();
    let value = |e: usize| -trace[e] + scale * (2.0 * quadratic[e] - left[e / n] * right[e % n] / r2);
    (0..trace.len()).map(value).collect()
}

fn crossed(cp: &CrossProducts, state: &Profiled) -> SigmaDerivatives {
    let (q, p, c) = (cp.q(), cp.p, cp.c());
    let mut full = full_c(cp, state);
    let e: Vec<f64> = state.e.chunks_exact(c).map(|r| r[p]).collect();
    if state.reml && p > 0 {
        // C_P = C - F Φ Fᵀ in place.
        let f: Vec<f64> = state.e.chunks_exact(c).flat_map(|r| r[..p].iter().copied()).collect();
        let half = dense::product(&f, &state.phi, (q, p, p));
        add_product_transposed(&mut full, &half, &f, (q, p, q), -1.0);
    }
    let scale = state.nu(cp) / state.r2;
    let mixed: Vec<Vec<f64>> = cp.factors.iter().map(|f| mixed_sums(f, state, c, p)).collect();
    let ee: Vec<Vec<f64>> = cp
        .factors
        .iter()
        .map(|f| {
            let mut s = vec![0.0; f.k * f.k];
            for u in e[f.offset..f.offset + f.levels * f.k].chunks_exact(f.k) {
                dense::gemm(&mut s, u, u, (f.k, 1, f.k), 1.0);
            }
            s
        })
        .collect();
    let first = cp
        .factors
        .iter()
        .zip(&ee)
        .map(|(f, ee)| {
            let mut s: Vec<f64> = ee.iter().map(|v| -scale * v).collect();
            for l in 0..f.levels {
                for i in 0..f.k {
                    let at = f.offset + l * f.k;
                    (0..f.k).for_each(|j| s[i * f.k + j] += full[(at + i) * q + at + j]);
                }
            }
            s
        })
        .collect();
    let m = cp.factors.len();
    let mut second = vec![vec![Vec::new(); m]; m];
    for i in 0..m {
        for j in i..m {
            let (f, g) = (&cp.factors[i], &cp.factors[j]);
            let (trace, mut quadratic) = pair_sums(&full, q, f, g, &e);
            if !state.reml {
                subtract_low_rank(&mut quadratic, &mixed[i], &mixed[j], &state.phi, p);
            }
            let block = combine(&trace, &quadratic, &ee[i], &ee[j], scale, state.r2);
            if i != j {
                second[j][i] = dense::transpose(&block, f.k * f.k, g.k * g.k);
            }
            second[i][j] = block;
        }
    }
    SigmaDerivatives { second, first }
}

/// `Σ e_a F_b` over a factor's levels, `k² x p`.
fn mixed_sums(f: &crate::Factor, state: &Profiled, c: usize, p: usize) -> Vec<f64> {
    let mut out = vec![0.0; f.k * f.k * p];
    for l in 0..f.levels {
        let rows = &state.e[(f.offset + l * f.k) * c..(f.offset + (l + 1) * f.k) * c];
        for a in 0..f.k {
            for b in 0..f.k {
                let to = &mut out[(a * f.k + b) * p..(a * f.k + b + 1) * p];
                to.iter_mut().zip(&rows[b * c..b * c + p]).for_each(|(t, v)| *t += rows[a * c + p] * v);
            }
        }
    }
    out
}

/// C = A - GᵀG with G = L⁻¹ΛᵀA, `q x q`.
fn full_c(cp: &CrossProducts, state: &Profiled) -> Vec<f64> {
    let q = cp.q();
    let mut a = full_a(cp);
    let mut g = apply_lambda(cp, &state.blocked.lam, &a, q, true);
    state.blocked.forward(cp, &mut g, q);
    let view = faer::MatRef::from_row_major_slice(&g, q, q);
    faer::linalg::matmul::matmul(
        faer::MatMut::from_row_major_slice_mut(&mut a, q, q),
        faer::Accum::Add,
        view.transpose(),
        view,
        -1.0,
        faer::Par::rayon(2),
    );
    a
}

/// ZᵀWZ, `q x q`.
fn full_a(cp: &CrossProducts) -> Vec<f64> {
    let q = cp.q();
    let mut a = vec![0.0; q * q];
    let mut put = |row: usize, col: usize, block: &[f64], width: usize| {
        for (i, values) in block.chunks_exact(width.max(1)).enumerate() {
            for (j, v) in values.iter().enumerate() {
                a[(row + i) * q + col + j] = *v;
                a[(col + j) * q + row + i] = *v;
            }
        }
    };
    for (f, zz) in cp.factors.iter().zip(&cp.zz) {
        for (l, block) in zz.chunks_exact(f.k * f.k).enumerate() {
            put(f.offset + l * f.k, f.offset + l * f.k, block, f.k);
        }
    }
    let (first, k) = (cp.q_lead(), cp.factors[0].k);
    for l in 0..cp.factors[0].levels {
        let cols = cp.lead.columns(l);
        for (i, row) in cp.lead.vals[cp.lead.span(l, k)].chunks_exact(cols.len().max(1)).enumerate() {
            for (&j, v) in cols.iter().zip(row) {
                put(l * k + i, first + j as usize, std::slice::from_ref(v), 1);
            }
        }
    }
    for pair in &cp.pairs {
        let (f, g) = (&cp.factors[pair.first], &cp.factors[pair.second]);
        for (&(l, m), block) in pair.levels.iter().zip(pair.vals.chunks_exact(f.k * g.k)) {
            put(f.offset + l as usize * f.k, g.offset + m as usize * g.k, block, g.k);
        }
    }
    a
}

fn add_product_transposed(out: &mut [f64], a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize), s: f64) {
    faer::linalg::matmul::matmul(
        faer::MatMut::from_row_major_slice_mut(out, m, n),
        faer::Accum::Add,
        faer::MatRef::from_row_major_slice(a, m, k),
        faer::MatRef::from_row_major_slice(b, n, k).transpose(),
        s,
        faer::Par::Seq,
    );
}

/// `Σ C[a,d] C[b,c]` and `Σ e_a C[b,d] e_c` over the pairs of levels of two factors.
fn pair_sums(full: &[f64], q: usize, f: &crate::Factor, g: &crate::Factor, e: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (kf, kg) = (f.k, g.k);
    let w = kf * kg;
    let mut gram = vec![0.0; w * w];
    // Σ_l' C[b,d] e_c first, then Σ_l with e_a.
    let mut quadratic = vec![0.0; w * w];
    let mut block = vec![0.0; w];
    let mut inner = vec![0.0; kf * kg * kg];
    for l in 0..f.levels {
        inner.fill(0.0);
        for m in 0..g.levels {
            for a in 0..kf {
                let at = (f.offset + l * kf + a) * q + g.offset + m * kg;
                block[a * kg..(a + 1) * kg].copy_from_slice(&full[at..at + kg]);
            }
            dense::gemm(&mut gram, &block, &block, (w, 1, w), 1.0);
            let em = &e[g.offset + m * kg..g.offset + (m + 1) * kg];
            // inner[b, c, d] += C[b, d] e_c
            for b in 0..kf {
                for (c, ec) in em.iter().enumerate() {
                    let to = &mut inner[(b * kg + c) * kg..(b * kg + c + 1) * kg];
                    to.iter_mut().zip(&block[b * kg..(b + 1) * kg]).for_each(|(t, v)| *t += ec * v);
                }
            }
        }
        let el = &e[f.offset + l * kf..f.offset + (l + 1) * kf];
        for (a, ea) in el.iter().enumerate() {
            let to = &mut quadratic[a * kf * kg * kg..(a + 1) * kf * kg * kg];
            to.iter_mut().zip(&inner).for_each(|(t, v)| *t += ea * v);
        }
    }
    let mut trace = vec![0.0; w * w];
    for a in 0..kf {
        for b in 0..kf {
            for c in 0..kg {
                for d in 0..kg {
                    trace[(a * kf + b) * kg * kg + c * kg + d] = gram[(a * kg + d) * w + b * kg + c];
                }
            }
        }
    }
    (trace, quadratic)
}
