//! The fixed effects' part of the second derivatives' traces where the columns of X are many.

use crate::criterion::profiled::Profiled;
use crate::linalg::large;
use crate::products::CrossProducts;

/// Add to `trace[ab, cd]` the sums over pairs of levels `Σ R[a,c]... ` of R = F Φ Fᵀ, that is
/// tr(F_aᵀF_b Φ F_dᵀF_c Φ): by R itself (q x q) where levels are few, else by two p x p products.
pub(crate) fn add_fixed_trace(cp: &CrossProducts, state: &Profiled, turned: &[f64], trace: &mut [f64]) {
    let (k, p, c) = (cp.factors[0].k, cp.p, cp.c());
    let (levels, k2) = (cp.factors[0].levels, k * k);
    let q = levels * k;
    if q <= 2 * p {
        let mut r = vec![0.0; q * q];
        large::multiply_nt(&mut r, (turned, q, p, p), (&state.e, q, p, c));
        for l in 0..levels {
            for m in 0..levels {
                for ab in 0..k2 {
                    for cd in 0..k2 {
                        let (a, b, d, e) = (l * k + ab / k, l * k + ab % k, m * k + cd % k, m * k + cd / k);
                        trace[ab * k2 + cd] += r[b * q + d] * r[e * q + a];
                    }
                }
            }
        }
        return;
    }
    // F_aᵀ(F_b Φ) for each pair of columns; the trace of two of them is a sum of products.
    let products: Vec<Vec<f64>> = (0..k2)
        .map(|ab| {
            let mut out = vec![0.0; p * p];
            let left = (&state.e[(ab / k) * c..], levels, p, k * c);
            large::multiply_tn(&mut out, left, (&turned[(ab % k) * p..], levels, p, k * p));
            out
        })
        .collect();
    for ab in 0..k2 {
        for cd in 0..k2 {
            let other = &products[(cd % k) * k + cd / k];
            trace[ab * k2 + cd] += crate::linalg::square::product_trace(&products[ab], other, p);
        }
    }
}
