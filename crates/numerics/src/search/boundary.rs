//! Where random effects have no variance in some direction: whether the criterion falls if it is given some.

use crate::covariance::{null_directions, Working};
use crate::criterion::Criterion;
use crate::linalg::small;
use crate::search::objective::Search;
use crate::search::optimise::{Objective, Point};

/// At a singular point, the criterion's slope in Σ along each null direction v (an extra column
/// εv of Λ): if variance there would lower it, a point with some. θ = 0 is always stationary
/// in θ, so a zero gradient proves nothing (theory.md §2).
pub(crate) fn leave_boundary<C: Criterion>(search: &mut Search<C>, at: &Point) -> Option<Point> {
    let lam = search.lambda(&at.x);
    let nulls = null_directions(search.criterion.factors(), &lam);
    for (i, directions) in nulls.iter().enumerate() {
        if directions.is_empty() {
            continue;
        }
        let k = search.criterion.factors()[i].k;
        // M restricted to the null space, from the gradient at a rank-one addition.
        let d = directions.len();
        let mut m = vec![0.0; d * d];
        for (j, v) in directions.iter().enumerate() {
            let g = slope_with_column(search, &lam, i, v, 1e-3)?;
            for (t, u) in directions.iter().enumerate() {
                m[t * d + j] = (0..k).map(|a| u[a] * g[a]).sum::<f64>() / 2e-3;
            }
        }
        let (values, vectors) = small::symmetric_eigen(&m, d);
        let Some(&lowest) = values.first().filter(|v| **v < -1e-7 * (1.0 + at.f.abs())) else { continue };
        let v: Vec<f64> = (0..k).map(|a| (0..d).map(|j| vectors[j * d] * directions[j][a]).sum()).collect();
        let mut best: Option<Point> = None;
        for size in [1.0, 0.3, 0.1, 0.03, 0.01, 1e-3] {
            let mut trial = lam.clone();
            trial[i] = add_direction(&lam[i], &v, size, k);
            let x = search.coordinates(&trial);
            if let Some(point) = search.at(x) {
                if point.f < at.f - 1e-12 * lowest.abs() && best.as_ref().is_none_or(|b| point.f < b.f) {
                    best = Some(point);
                }
            }
        }
        if best.as_ref().is_some_and(|b| b.f < at.f - search.rounding(b.f).max(1e-9)) {
            return best;
        }
    }
    None
}

/// The lower-triangular factor of ΛΛᵀ + size² v vᵀ.
pub(crate) fn add_direction(lam: &[f64], v: &[f64], size: f64, k: usize) -> Vec<f64> {
    let mut wide = vec![0.0; k * (k + 1)];
    for a in 0..k {
        wide[a * (k + 1)..a * (k + 1) + k].copy_from_slice(&lam[a * k..(a + 1) * k]);
        wide[a * (k + 1) + k] = size * v[a];
    }
    small::lower_factor_of_gram(&wide, k, k + 1)
}

/// `2 M v ε`: the gradient of the criterion in the column `ε v` added to Λ.
fn slope_with_column<C: Criterion>(
    search: &mut Search<C>,
    lam: &Working,
    i: usize,
    v: &[f64],
    eps: f64,
) -> Option<Vec<f64>> {
    let k = search.criterion.factors()[i].k;
    let mut trial = lam.clone();
    // Rotate Λ from the right so that its null column can hold the new direction: the gradient
    // in Σ is M, the gradient in the new factor L is 2 M L, hence M v from L's own inverse map.
    trial[i] = add_direction(&lam[i], v, eps, k);
    let g = search.gradient_at(&trial)?;
    // v = L w  ⇒  2 M v ε = (2 M L) w ε; w by least squares on the (nearly singular) L.
    let l = &trial[i];
    let w = solve_in_range(l, v, k);
    Some((0..k).map(|a| eps * (0..k).map(|b| g[i][a * k + b] * w[b]).sum::<f64>()).collect())
}

/// Minimum-norm solution of `l w = v` for `v` in the range of `l`.
fn solve_in_range(l: &[f64], v: &[f64], k: usize) -> Vec<f64> {
    let (values, vectors) = small::symmetric_eigen(&small::gram(l, k), k);
    let top = values.last().copied().unwrap_or(0.0);
    let mut y = vec![0.0; k];
    for (j, d) in values.iter().enumerate().filter(|(_, d)| **d > 1e-12 * top && **d > 1e-9) {
        let along: f64 = (0..k).map(|a| vectors[a * k + j] * v[a]).sum::<f64>() / d;
        (0..k).for_each(|a| y[a] += along * vectors[a * k + j]);
    }
    (0..k).map(|b| (0..k).map(|a| l[a * k + b] * y[a]).sum()).collect()
}
