//! Where the sampler starts and how it measures distance: the posterior's mode near the likelihood
//! fit, by Newton's method, and the Cholesky factor of the inverse Hessian there.

use crate::error::NumericsError;
use crate::linalg::small;
use crate::posterior::log_posterior::LogPosterior;

const NEWTON_STEPS: usize = 50;
/// Least curvature believed of a direction among the covariance parameters, whose scale is 1: logs
/// of standard deviations and partial correlations on the tanh scale.
const LEAST_CURVATURE: f64 = 0.05;

/// Centre and scale: x = centre + scale · z makes the posterior of z nearly standard normal.
#[derive(Debug, Clone)]
pub struct WarmStart {
    /// The mode, or where the search for it ended.
    pub centre: Vec<f64>,
    /// `dim x dim`, row-major.
    pub scale: Vec<f64>,
}

impl WarmStart {
    /// Newton's method from `x`, damped until the density grows.
    pub fn from(posterior: &mut LogPosterior, mut x: Vec<f64>) -> Result<Self, NumericsError> {
        let d = x.len();
        let mut gradient = vec![0.0; d];
        let mut value = posterior.evaluate(&x, &mut gradient)?;
        let mut trial_gradient = vec![0.0; d];
        for _ in 0..NEWTON_STEPS {
            let scale = inverse_hessian_root(posterior, &x)?;
            let mut whitened = vec![0.0; d];
            small::gemm_tn(&mut whitened, &scale, &gradient, (d, d, 1), 1.0);
            let decrement: f64 = whitened.iter().map(|v| v * v).sum();
            if decrement < 1e-10 {
                return Ok(WarmStart { centre: x, scale });
            }
            // A step is at most a few standard deviations of the normal approximation.
            let mut share = (4.0 / decrement.sqrt()).min(1.0);
            let step = small::product(&scale, &whitened, (d, d, 1));
            let mut moved = false;
            while share > 1e-6 {
                let trial: Vec<f64> = x.iter().zip(&step).map(|(x, s)| x + share * s).collect();
                match posterior.evaluate(&trial, &mut trial_gradient) {
                    Ok(f) if f > value => {
                        (x, value, moved) = (trial, f, true);
                        gradient.copy_from_slice(&trial_gradient);
                        break;
                    }
                    _ => share *= 0.4,
                }
            }
            if !moved {
                break;
            }
        }
        let scale = inverse_hessian_root(posterior, &x)?;
        Ok(WarmStart { centre: x, scale })
    }

    /// x = centre + scale · z.
    pub fn place(&self, z: &[f64], x: &mut [f64]) {
        x.copy_from_slice(&self.centre);
        small::gemm(x, &self.scale, z, (z.len(), z.len(), 1), 1.0);
    }

    /// Derivative in z from that in x.
    pub fn pull_back(&self, dx: &[f64], dz: &mut [f64]) {
        dz.fill(0.0);
        small::gemm_tn(dz, &self.scale, dx, (dx.len(), dx.len(), 1), 1.0);
    }
}

/// V diag(|λ|^-½) of the Hessian of minus the log-density, by central differences of the gradient.
fn inverse_hessian_root(posterior: &mut LogPosterior, x: &[f64]) -> Result<Vec<f64>, NumericsError> {
    let (d, p) = (x.len(), posterior.data().p);
    let (mut up, mut down) = (vec![0.0; d], vec![0.0; d]);
    let mut h = vec![0.0; d * d];
    let mut at = x.to_vec();
    for j in 0..d {
        // Bounded, for the log of a standard deviation is any size where its unit is.
        let step = 1e-4 * (1.0 + x[j].abs()).min(10.0);
        at[j] = x[j] + step;
        posterior.evaluate(&at, &mut up)?;
        at[j] = x[j] - step;
        posterior.evaluate(&at, &mut down)?;
        at[j] = x[j];
        for i in 0..d {
            let v = -(up[i] - down[i]) / (4.0 * step);
            h[i * d + j] += v;
            h[j * d + i] += v;
        }
    }
    let (values, vectors) = small::symmetric_eigen(&h, d);
    let mut out = vec![0.0; d * d];
    for (j, value) in values.iter().enumerate() {
        let share: f64 = (p..d).map(|i| vectors[i * d + j].powi(2)).sum();
        let curvature = value.abs().max(LEAST_CURVATURE * share).max(1e-10);
        for i in 0..d {
            out[i * d + j] = vectors[i * d + j] / curvature.sqrt();
        }
    }
    Ok(out)
}
