//! The logarithm of the gamma function.

use std::f64::consts::PI;

/// log Γ(x) for x > 0: Stirling's series after shifting x beyond 10 (relative error below 1e-14).
#[must_use]
pub fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 10.0 {
        product *= x;
        x += 1.0;
    }
    let inv = 1.0 / x;
    let inv2 = inv * inv;
    const C: [f64; 7] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];
    let series = C.iter().rev().fold(0.0, |s, c| s * inv2 + c) * inv;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - product.ln()
}
