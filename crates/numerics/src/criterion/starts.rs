//! Where searches of the profiled deviance start, from moments of the cross-products.

use crate::covariance::Working;
use crate::linalg::small;
use crate::products::CrossProducts;

/// Diagonal Λ from the spread of each column's per-level coefficients (moments, one factor and
/// column at a time, on y less its fixed part): right to a factor of two or so, and cheap.
pub(crate) fn starting_values(cp: &CrossProducts) -> Working {
    let c = cp.c();
    let rss = cp.xx[c * c - 1];
    let mut lam = Vec::with_capacity(cp.factors.len());
    for (f, zz) in cp.factors.iter().zip(&cp.zz) {
        let k = f.k;
        let mut l = vec![0.0; k * k];
        for a in 0..k {
            let (mut explained, mut info, mut used) = (0.0, 0.0, 0.0);
            for level in 0..f.levels {
                let d = zz[level * k * k + a * k + a];
                if d > 0.0 {
                    let s = cp.zx[(f.offset + level * k + a) * c + cp.p];
                    explained += s * s / d;
                    info += d;
                    used += 1.0;
                }
            }
            let residual = ((rss - explained) / (cp.n as f64 - used).max(1.0)).max(1e-9 * rss / cp.n as f64);
            let ratio = ((explained / used.max(1.0) - residual) / residual) / (info / f64::max(used, 1.0)).max(1e-300);
            l[a * k + a] = ratio.max(0.0).sqrt().clamp(0.2, 3e4);
        }
        lam.push(l);
    }
    lam.into()
}

/// Where columns of a factor are independent by the formula but nearly collinear, as `1` and `x` with a mean
/// far from zero are in `(x || g)`: the Λ of the covariance nearest to n (ZᵀZ)⁻¹. Two large variances
/// can then stand for the small one of a centred slope, behind a barrier from where both are zero.
pub(crate) fn collinear_blocks(cp: &CrossProducts) -> Option<Working> {
    let mut found = false;
    let mut out = Vec::with_capacity(cp.factors.len());
    for (f, zz) in cp.factors.iter().zip(&cp.zz) {
        let k = f.k;
        let mut lam = small::identity(k);
        if f.is_restricted() {
            let mut gram = vec![0.0; k * k];
            for block in zz.chunks_exact(k * k) {
                gram.iter_mut().zip(block).for_each(|(g, b)| *g += b / cp.n as f64);
            }
            if let Ok(inverse) = small::inverse(&gram, k) {
                let mut joint = f.blockwise(&inverse, |block, structure| structure.nearest(block));
                if small::cholesky(&mut joint, k).is_ok() && (0..k).any(|i| joint[i * k + i] > 3.0) {
                    for i in 0..k {
                        lam[i * k..=i * k + i].copy_from_slice(&joint[i * k..=i * k + i]);
                    }
                    found = true;
                }
            }
        }
        out.push(lam);
    }
    found.then(|| out.into())
}
