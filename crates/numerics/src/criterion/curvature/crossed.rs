//! Second derivatives in Σ of crossed factors, from the dense C = ZᵀH⁻¹Z (see `curvature.rs`).

use crate::criterion::curvature::{combine, subtract_low_rank, SigmaDerivatives, Weights};
use crate::criterion::profiled::Profiled;
use crate::factor::apply_lambda;
use crate::linalg::tasks::product;
use crate::linalg::{large, small};
use crate::products::CrossProducts;

pub(crate) fn crossed(cp: &CrossProducts, state: &Profiled) -> SigmaDerivatives {
    let (q, p, c) = (cp.q(), cp.p, cp.c());
    let mut full = full_c(cp, state);
    let e: Vec<f64> = state.e.chunks_exact(c).map(|r| r[p]).collect();
    if state.reml && p > 0 {
        // C_P = C - F Φ Fᵀ in place.
        let f: Vec<f64> = state.e.chunks_exact(c).flat_map(|r| r[..p].iter().copied()).collect();
        let half = large::product(&f, &state.phi, (q, p, p));
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
                small::gemm(&mut s, u, u, (f.k, 1, f.k), 1.0);
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
    let exact = Weights { trace: 1.0, quadratic: 2.0 };
    let mut second = vec![vec![Vec::new(); m]; m];
    for i in 0..m {
        for j in i..m {
            let (f, g) = (&cp.factors[i], &cp.factors[j]);
            let (trace, mut quadratic) = pair_sums(&full, q, f, g, &e);
            if !state.reml {
                subtract_low_rank(&mut quadratic, &mixed[i], &mixed[j], &state.phi, p);
            }
            let block = combine((&trace, &quadratic), (&ee[i], &ee[j]), (scale, state.r2), exact);
            if i != j {
                second[j][i] = small::transpose(&block, f.k * f.k, g.k * g.k);
            }
            second[i][j] = block;
        }
    }
    SigmaDerivatives { second, first }
}

/// `Σ e_a F_b` over a factor's levels, `k² x p`.
fn mixed_sums(f: &crate::covariance::Factor, state: &Profiled, c: usize, p: usize) -> Vec<f64> {
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
    product(faer::MatMut::from_row_major_slice_mut(&mut a, q, q), faer::Accum::Add, view.transpose(), view, -1.0);
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
fn pair_sums(
    full: &[f64],
    q: usize,
    f: &crate::covariance::Factor,
    g: &crate::covariance::Factor,
    e: &[f64],
) -> (Vec<f64>, Vec<f64>) {
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
            small::gemm(&mut gram, &block, &block, (w, 1, w), 1.0);
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
