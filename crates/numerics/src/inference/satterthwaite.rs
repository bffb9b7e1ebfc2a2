//! What Satterthwaite's method needs of a fit (Kuznetsova et al. 2017), with exact derivatives.

use crate::covariance::{lambda_from, pull_back, theta_of};
use crate::criterion::curvature;
use crate::criterion::Profiled;
use crate::error::NumericsError;
use crate::fit::Fit;
use crate::linalg::{large, small};
use crate::products::power_of_two_inverse;
use crate::products::CrossProducts;
use crate::search::{Objective, Point};

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
        let base: Vec<Vec<f64>> = self.state.blocked.lam.clone();
        let (profile, to_working): (Vec<f64>, Vec<Vec<f64>>) = if singular {
            let raw = self.raw_lambda();
            let back = scaled_basis(&cp)?;
            (raw_hessian(&cp, &mut self.state, &raw, &back)?, back)
        } else {
            (self.hessian.clone(), cp.factors.iter().map(|f| small::identity(f.k)).collect())
        };
        if singular {
            // T⁻¹Λ itself, not its triangular form: derivatives are taken in the raw entries.
            let lam = cp.passage().untriangular(&cp.passage().inverse()?, &self.raw_lambda())?;
            self.state.evaluate(&cp, &lam)?;
            self.state.back_substitute(&cp);
        }
        let r2 = self.state.r2;
        let mut slope = Vec::with_capacity(m);
        let mut jacobian = Vec::with_capacity(m + 1);
        let full = self.state.r2_gradient(&cp);
        for (i, f) in cp.factors.iter().enumerate() {
            let k = f.k;
            let mut chained = vec![0.0; k * k];
            small::gemm_tn(&mut chained, &to_working[i], &full[i], (k, k, k), 1.0);
            let columns: Vec<Vec<Vec<f64>>> =
                (0..k).map(|a| (0..k).map(|b| self.raw_phi_derivative(i, a, b)).collect()).collect();
            for (a, b) in f.free_entries() {
                slope.push(chained[a * k + b]);
                let mut d = vec![0.0; cp.p * cp.p];
                for (t, row) in columns.iter().enumerate() {
                    let w = to_working[i][t * k + a];
                    d.iter_mut().zip(&row[b]).for_each(|(d, v)| *d += w * v);
                }
                jacobian.push(d);
            }
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

/// T⁻¹ of each factor's basis with its columns in those units.
fn scaled_basis(cp: &CrossProducts) -> Result<Vec<Vec<f64>>, NumericsError> {
    let mut back = cp.passage().inverse()?;
    for (b, units) in back.iter_mut().zip(row_units(cp)) {
        b.chunks_exact_mut(units.len()).for_each(|row| row.iter_mut().zip(&units).for_each(|(v, u)| *v *= u));
    }
    Ok(back)
}

/// Hessian of the criterion in lme4's raw θ, in units of its columns' scales (`back` is the
/// [`scaled_basis`]): exact where that is cheap, else by central differences of the exact gradient.
fn raw_hessian(
    cp: &CrossProducts,
    state: &mut Profiled,
    raw: &[Vec<f64>],
    back: &[Vec<f64>],
) -> Result<Vec<f64>, NumericsError> {
    struct Raw<'a> {
        cp: &'a CrossProducts,
        state: &'a mut Profiled,
        back: &'a [Vec<f64>],
    }
    impl Objective for Raw<'_> {
        fn evaluate(&mut self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
            let raw = lambda_from(&self.cp.factors, x);
            let map = |((b, l), f): ((&Vec<f64>, &Vec<f64>), &crate::covariance::Factor)| {
                small::product(b, l, (f.k, f.k, f.k))
            };
            let lam: Vec<Vec<f64>> = self.back.iter().zip(&raw).zip(&self.cp.factors).map(map).collect();
            let f = self.state.evaluate(self.cp, &lam).ok()?;
            let g = self.state.gradient(self.cp);
            let mut chained = Vec::new();
            for ((g, b), f) in g.iter().zip(self.back).zip(&self.cp.factors) {
                let mut c = vec![0.0; f.k * f.k];
                small::gemm_tn(&mut c, b, g, (f.k, f.k, f.k), 1.0);
                chained.push(c);
            }
            Some((f, pull_back(&self.cp.factors, &chained)))
        }
        fn approximate_hessian(&mut self, _: &Point) -> Option<Vec<f64>> {
            None
        }
        fn exact_hessian(&mut self, _: &Point) -> Option<Vec<f64>> {
            None
        }
        fn rounding(&self, _: f64) -> f64 {
            self.state.rounding(self.cp)
        }
        fn spent(&self) -> bool {
            false
        }
    }
    if curvature::affordable(cp) {
        let lam = cp.passage().untriangular(&cp.passage().inverse()?, raw)?;
        state.evaluate(cp, &lam)?;
        state.gradient(cp);
        let mut directions = curvature::free_directions(&cp.factors);
        for (i, d) in &mut directions {
            let k = cp.factors[*i].k;
            *d = small::product(&back[*i], d, (k, k, k));
        }
        return Ok(curvature::hessian(cp, state, &directions));
    }
    let units = row_units(cp);
    let in_units = |(&i, u): (&usize, &Vec<f64>)| -> Vec<f64> {
        raw[i].chunks_exact(u.len()).zip(u).flat_map(|(row, u)| row.iter().map(move |v| v / u)).collect()
    };
    let internal: Vec<Vec<f64>> = cp.order.iter().zip(&units).map(in_units).collect();
    let x = theta_of(&cp.factors, &internal);
    // Steps in θ that mean the same in every column's units.
    let scale: Vec<f64> = cp
        .factors
        .iter()
        .zip(&cp.basis.z)
        .zip(&units)
        .flat_map(|((f, t), u)| {
            let row = move |i: usize| (0..f.k).map(move |j| (t[i * f.k + j] / u[i]).powi(2)).sum::<f64>().sqrt();
            f.free_entries().into_iter().map(move |(i, _)| row(i))
        })
        .collect();
    let m = x.len();
    let mut objective = Raw { cp, state, back };
    let mut h = vec![0.0; m * m];
    for r in 0..m {
        let step = 2e-4 * x[r].abs().max(0.1 * scale[r]);
        let mut at = |d: f64| {
            let mut x = x.clone();
            x[r] += d;
            objective.evaluate(&x).map(|(_, g)| g).ok_or(NumericsError::NotPositive(r))
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
