//! Prior densities of single parameters, with their derivatives.

use std::f64::consts::PI;

use crate::error::NumericsError;
use crate::linalg::gamma::ln_gamma;

/// Density of one parameter. On a parameter with a narrower support than the family's (a standard
/// deviation, say) it is the truncated density up to a constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Prior {
    /// Constant, improper.
    Flat,
    /// Mean, standard deviation.
    Normal(f64, f64),
    /// Degrees of freedom, location, scale.
    StudentT(f64, f64, f64),
    /// Location, scale.
    Cauchy(f64, f64),
    /// Scale, folded at zero.
    HalfNormal(f64),
    /// Degrees of freedom, scale, folded at zero.
    HalfStudentT(f64, f64),
    /// Scale, folded at zero.
    HalfCauchy(f64),
    /// Rate.
    Exponential(f64),
    /// Shape, rate.
    Gamma(f64, f64),
    /// Shape, scale.
    InvGamma(f64, f64),
    /// Ends.
    Uniform(f64, f64),
}

impl Prior {
    /// By name and parameters, as they come from outside.
    pub fn from_name(name: &str, p: &[f64]) -> Result<Self, NumericsError> {
        Ok(match (name, p) {
            ("flat", []) => Prior::Flat,
            ("normal", &[m, s]) => Prior::Normal(m, s),
            ("student_t", &[df, m, s]) => Prior::StudentT(df, m, s),
            ("cauchy", &[m, s]) => Prior::Cauchy(m, s),
            ("half_normal", &[s]) => Prior::HalfNormal(s),
            ("half_student_t", &[df, s]) => Prior::HalfStudentT(df, s),
            ("half_cauchy", &[s]) => Prior::HalfCauchy(s),
            ("exponential", &[rate]) => Prior::Exponential(rate),
            ("gamma", &[shape, rate]) => Prior::Gamma(shape, rate),
            ("inv_gamma", &[shape, scale]) => Prior::InvGamma(shape, scale),
            ("uniform", &[a, b]) => Prior::Uniform(a, b),
            _ => return Err(NumericsError::State(format!("no prior {name} with {} parameters", p.len()))),
        })
    }

    /// Open interval where the density is positive.
    #[must_use]
    pub fn support(&self) -> (f64, f64) {
        match *self {
            Prior::Flat | Prior::Normal(..) | Prior::StudentT(..) | Prior::Cauchy(..) => {
                (f64::NEG_INFINITY, f64::INFINITY)
            }
            Prior::Uniform(a, b) => (a, b),
            _ => (0.0, f64::INFINITY),
        }
    }

    /// Log-density and its derivative at a point of the support; -∞ elsewhere.
    #[must_use]
    pub fn log_density(&self, x: f64) -> (f64, f64) {
        let (low, high) = self.support();
        // Folded and bounded densities are positive at their finite ends too; Gamma's may not be.
        let inside = x >= low && x <= high && !(x == 0.0 && matches!(self, Prior::Gamma(..) | Prior::InvGamma(..)));
        if !inside {
            return (f64::NEG_INFINITY, 0.0);
        }
        match *self {
            Prior::Flat => (0.0, 0.0),
            Prior::Normal(m, s) => normal(x, m, s),
            Prior::StudentT(df, m, s) => student_t(x, df, m, s),
            Prior::Cauchy(m, s) => student_t(x, 1.0, m, s),
            Prior::HalfNormal(s) => folded(normal(x, 0.0, s)),
            Prior::HalfStudentT(df, s) => folded(student_t(x, df, 0.0, s)),
            Prior::HalfCauchy(s) => folded(student_t(x, 1.0, 0.0, s)),
            Prior::Exponential(rate) => (rate.ln() - rate * x, -rate),
            Prior::Gamma(a, rate) => {
                (a * rate.ln() - ln_gamma(a) + (a - 1.0) * x.ln() - rate * x, (a - 1.0) / x - rate)
            }
            Prior::InvGamma(a, scale) => {
                let value = a * scale.ln() - ln_gamma(a) - (a + 1.0) * x.ln() - scale / x;
                (value, (scale / x - a - 1.0) / x)
            }
            Prior::Uniform(a, b) => (-(b - a).ln(), 0.0),
        }
    }
}

fn normal(x: f64, m: f64, s: f64) -> (f64, f64) {
    let z = (x - m) / s;
    (-0.5 * z * z - s.ln() - 0.5 * (2.0 * PI).ln(), -z / s)
}

fn student_t(x: f64, df: f64, m: f64, s: f64) -> (f64, f64) {
    let z = (x - m) / s;
    let constant = ln_gamma(0.5 * (df + 1.0)) - ln_gamma(0.5 * df) - 0.5 * (df * PI).ln() - s.ln();
    let value = constant - 0.5 * (df + 1.0) * (z * z / df).ln_1p();
    (value, -(df + 1.0) * z / (s * (df + z * z)))
}

fn folded((value, slope): (f64, f64)) -> (f64, f64) {
    (value + std::f64::consts::LN_2, slope)
}
