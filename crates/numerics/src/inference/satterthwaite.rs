//! What Satterthwaite's method needs of a fit (Kuznetsova et al. 2017), with exact derivatives.

use crate::covariance::{
    add_bend, directions, lambda_from, nonzero, pull_back, theta_of, Direction, Inverse, Raw, Working,
};
use crate::criterion::curvature;
use crate::criterion::Profiled;
use crate::error::NumericsError;
use crate::fit::Fit;
use crate::linalg::large;
use crate::products::power_of_two_inverse;
use crate::products::CrossProducts;

impl Fit {
    /// What Satterthwaite's method needs: the Hessian of the deviance in (θ, log σ) and the derivatives
    /// of Cov(β̂) in θ and log σ over σ², each `p x p` for raw columns of X (Kuznetsova et al. 2017).
    /// Neither knows the response's unit.
    ///
    /// θ are the working parameters, unless the fit is singular: there the result depends on the
    /// parametrisation, and lme4's raw θ is used, as lmerTest does, in units of its columns' scales.
    pub fn satterthwaite(&mut self) -> Result<(Vec<f64>, Vec<Vec<f64>>), NumericsError> {
        let cp = self.cp.clone();
        let m = cp.n_theta();
        let nu = self.state.nu(&cp);
        let singular = self.is_singular();
        let base = self.state.blocked.lam.clone();
        let (profile, coordinates) = if singular {
            let coordinates = Coordinates::raw(&cp, &self.raw_lambda())?;
            (raw_hessian(&cp, &mut self.state, &coordinates)?, coordinates)
        } else {
            (self.hessian.clone(), Coordinates::working(&cp, &base))
        };
        if singular {
            // T⁻¹Λ itself, not its triangular form: derivatives are taken in the raw entries.
            let lam = coordinates.lambda(&cp, &coordinates.x)?;
            self.state.evaluate(&cp, &lam)?;
            self.state.back_substitute(&cp);
        }
        let r2 = self.state.r2;
        let mut slope = Vec::with_capacity(m);
        let mut jacobian = Vec::with_capacity(m + 1);
        let r2_slopes = coordinates.back.pull_back(&self.state.r2_gradient(&cp));
        let r2_slopes: Vec<&Vec<f64>> = r2_slopes.in_internal_order(&cp.order).collect();
        let phi_slopes: Vec<Vec<Vec<f64>>> = (0..cp.factors.len()).map(|i| self.raw_phi_derivatives(i)).collect();
        for (i, direction) in directions(&cp.factors, &coordinates.x) {
            let k = cp.factors[i].k;
            let back = coordinates.back.matrix(i);
            let mut d = vec![0.0; cp.p * cp.p];
            let mut own = 0.0;
            for (a, b, v) in nonzero(&direction, k) {
                own += v * r2_slopes[i][a * k + b];
                for t in 0..k {
                    let w = v * back[t * k + a];
                    d.iter_mut().zip(&phi_slopes[i][t * k + b]).for_each(|(d, v)| *d += w * v);
                }
            }
            slope.push(own);
            jacobian.push(d);
        }
        jacobian.push(self.unscaled_covariance().iter().map(|v| 2.0 * v).collect());
        let size = m + 1;
        let mut h = vec![0.0; size * size];
        for r in 0..m {
            for s in 0..m {
                h[r * size + s] = profile[r * m + s] + nu * slope[r] * slope[s] / (r2 * r2);
            }
            // d²/dθ d log σ of r²/σ², with σ² = r²/ν.
            h[r * size + m] = -2.0 * nu * slope[r] / r2;
            h[m * size + r] = h[r * size + m];
        }
        h[size * size - 1] = 4.0 * nu;
        if singular {
            self.state.evaluate(&cp, &base)?;
            self.state.back_substitute(&cp);
        }
        Ok((h, jacobian))
    }

    /// [`Fit::raw_phi_derivative`] for every entry of a Λ, row by row.
    fn raw_phi_derivatives(&self, factor: usize) -> Vec<Vec<f64>> {
        let k = self.cp.factors[factor].k;
        (0..k * k).map(|e| self.raw_phi_derivative(factor, e / k, e % k)).collect()
    }

    /// Derivative of TΦTᵀ, Φ = (XᵀH⁻¹X)⁻¹ in the working basis and T its matrix, in entry (a, b) of
    /// the Λ of a factor: with the rows e of column a and u of column b, a level each,
    /// TΦ Σ(e uᵀ + u eᵀ) ΦTᵀ.
    fn raw_phi_derivative(&self, factor: usize, a: usize, b: usize) -> Vec<f64> {
        let (c, p) = (self.cp.c(), self.cp.p);
        let f = &self.cp.factors[factor];
        let at = |column: usize| (f.offset + column) * c;
        let view = |m| (m, f.levels, p, f.k * c);
        let (e, u) = (view(&self.state.e[at(a)..]), view(&self.state.f[at(b)..]));
        if f.levels < p && p >= large::LARGE {
            let half = large::product(&self.cp.basis.x, &self.state.phi, (p, p, p));
            let turn = |rows| {
                let mut out = vec![0.0; f.levels * p];
                large::multiply_nt(&mut out, rows, (&half, p, p, p));
                out
            };
            let (e, u) = (turn(e), turn(u));
            return symmetric_product((&e, f.levels, p, p), (&u, f.levels, p, p));
        }
        let s = symmetric_product(e, u);
        let half = large::product(&self.state.phi, &s, (p, p, p));
        self.raw_symmetric(&large::product(&half, &self.state.phi, (p, p, p)))
    }
}

/// `Eᵀ U + Uᵀ E`.
fn symmetric_product(e: large::View, u: large::View) -> Vec<f64> {
    let p = e.2;
    let mut out = vec![0.0; p * p];
    if p >= large::LARGE {
        large::add_lower_tn(&mut out, e, u, 1.0);
        large::add_lower_tn(&mut out, u, e, 1.0);
        large::mirror(&mut out, p);
        return out;
    }
    for (e, u) in e.0.chunks(e.3).zip(u.0.chunks(u.3)).take(e.1) {
        for i in 0..p {
            for j in 0..p {
                out[i * p + j] += e[i] * u[j] + u[i] * e[j];
            }
        }
    }
    out
}

/// Sizes of the rows of each factor's basis, powers of two: the units of raw θ that no change of a
/// column's unit moves.
fn row_units(cp: &CrossProducts) -> Vec<Vec<f64>> {
    let unit = |row: &[f64]| 1.0 / power_of_two_inverse(row.iter().fold(0.0f64, |s, v| s.max(v.abs())));
    cp.basis.z.iter().zip(&cp.factors).map(|(t, f)| t.chunks_exact(f.k).map(unit).collect()).collect()
}

/// The parameters θ that derivatives are taken in: of raw Λ, their rows in units, or of working ones.
struct Coordinates {
    /// To the working basis.
    back: Inverse,
    /// Units of the rows, internal order.
    units: Vec<Vec<f64>>,
    /// Where the fit is.
    x: Vec<f64>,
}

impl Coordinates {
    fn raw(cp: &CrossProducts, lam: &Raw) -> Result<Self, NumericsError> {
        let units = row_units(cp);
        let in_units = |(l, u): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
            l.chunks_exact(u.len()).zip(u).flat_map(|(row, u)| row.iter().map(move |v| v / u)).collect()
        };
        let own: Vec<Vec<f64>> = lam.in_internal_order(&cp.order).zip(&units).map(in_units).collect();
        let x = theta_of(&cp.factors, &own);
        Ok(Coordinates { back: cp.passage().inverse()?.in_units(&units), units, x })
    }

    fn working(cp: &CrossProducts, lam: &Working) -> Self {
        let x = theta_of(&cp.factors, lam);
        Coordinates { back: Inverse::identity(&cp.factors, &cp.order), units: Vec::new(), x }
    }

    /// Working Λ at θ.
    fn lambda(&self, cp: &CrossProducts, x: &[f64]) -> Result<Working, NumericsError> {
        self.back.working(&Raw::in_callers_order(&cp.order, Vec::from(lambda_from(&cp.factors, x))))
    }

    /// The derivative in every entry of each Λ of θ, in the internal order.
    fn slopes(&self, cp: &CrossProducts, d_working: &Working) -> Vec<Vec<f64>> {
        self.back.pull_back(d_working).in_internal_order(&cp.order).cloned().collect()
    }

    /// The working directions that θ move in.
    fn directions(&self, cp: &CrossProducts) -> Vec<Direction> {
        directions(&cp.factors, &self.x).into_iter().map(|(i, d)| (i, self.back.direction(i, &d))).collect()
    }
}

/// Hessian of the criterion in θ: exact where that is cheap, else by central differences of the exact gradient.
fn raw_hessian(cp: &CrossProducts, state: &mut Profiled, coordinates: &Coordinates) -> Result<Vec<f64>, NumericsError> {
    let x = &coordinates.x;
    if curvature::affordable(cp) {
        state.evaluate(cp, &coordinates.lambda(cp, x)?)?;
        let gradient = state.gradient(cp);
        let mut h = curvature::hessian(cp, state, &coordinates.directions(cp));
        add_bend(&cp.factors, x, &coordinates.slopes(cp, &gradient), &mut h);
        return Ok(h);
    }
    // Steps in θ that mean the same in every column's units.
    let scale: Vec<f64> = cp
        .factors
        .iter()
        .zip(&cp.basis.z)
        .zip(&coordinates.units)
        .flat_map(|((f, t), u)| {
            let row = move |i: usize| (0..f.k).map(move |j| (t[i * f.k + j] / u[i]).powi(2)).sum::<f64>().sqrt();
            f.free_entries().into_iter().map(move |(i, _)| row(i))
        })
        .collect();
    let m = x.len();
    let mut h = vec![0.0; m * m];
    for r in 0..m {
        let step = 2e-4 * x[r].abs().max(0.1 * scale[r]);
        let mut at = |d: f64| -> Result<Vec<f64>, NumericsError> {
            let mut x = x.clone();
            x[r] += d;
            state.evaluate(cp, &coordinates.lambda(cp, &x)?).map_err(|_| NumericsError::NotPositive(r))?;
            let gradient = state.gradient(cp);
            Ok(pull_back(&cp.factors, &x, &coordinates.slopes(cp, &gradient)))
        };
        let (up, down) = (at(step)?, at(-step)?);
        for s in 0..m {
            let d = (up[s] - down[s]) / (2.0 * step);
            h[r * m + s] += 0.5 * d;
            h[s * m + r] += 0.5 * d;
        }
    }
    Ok(h)
}
