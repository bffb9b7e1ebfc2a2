//! Parameters with bounds as functions of unconstrained numbers, with their Jacobians.

use crate::posterior::priors::Prior;

/// How an unconstrained number becomes a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Transform {
    /// Every real number.
    Identity,
    /// a + exp(t).
    Above(f64),
    /// a + (b - a) / (1 + exp(-t)).
    Between(f64, f64),
}

impl Transform {
    /// By the support of a prior on a parameter that is above `low`.
    pub(crate) fn of(prior: &Prior, low: f64) -> Self {
        let (a, b) = prior.support();
        match (a.max(low), b) {
            (a, b) if b.is_finite() => Transform::Between(a, b),
            (a, _) if a.is_finite() => Transform::Above(a),
            _ => Transform::Identity,
        }
    }

    /// Parameter, its derivative in t, log of that derivative, and the derivative of the latter.
    pub(crate) fn apply(self, t: f64) -> (f64, f64, f64, f64) {
        match self {
            Transform::Identity => (t, 1.0, 0.0, 0.0),
            Transform::Above(a) => {
                let e = t.exp();
                (a + e, e, t, 1.0)
            }
            Transform::Between(a, b) => {
                // The smaller of the two tails is computed without cancellation.
                let e = (-t.abs()).exp();
                let (near, far) = (e / (1.0 + e), 1.0 / (1.0 + e));
                let value = if t < 0.0 { a + (b - a) * near } else { b - (b - a) * near };
                let slope = if t < 0.0 { far - near } else { near - far };
                (value, (b - a) * near * far, ((b - a) * near * far).ln(), slope)
            }
        }
    }

    /// The unconstrained number of a parameter, moved inside the support where it is at its ends.
    pub(crate) fn invert(self, x: f64) -> f64 {
        match self {
            Transform::Identity => x,
            Transform::Above(a) => (x - a).max(1e-12 * a.abs()).max(f64::MIN_POSITIVE).ln(),
            Transform::Between(a, b) => {
                let share = ((x - a) / (b - a)).clamp(0.02, 0.98);
                (share / (1.0 - share)).ln()
            }
        }
    }
}
