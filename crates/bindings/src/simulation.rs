//! Simulation-based inference and profiles: exact tests, bootstrap refits, constrained optima.

use numerics::inference::constrained::Parameter;
use numerics::inference::exact_null::NullLaw;
use numerics::inference::profile::{sides, Held as Optimum, Side};
use numerics::simulation::bootstrap::{Law, Model, RandomPart, Refits};
use numerics::simulation::power::TestParts;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::fit::PyFit;
use crate::interrupt::interruptible;
use crate::pool::detached;
use crate::{columns, hold, slice, Held, PyCrossProducts};

type CodeArgs<'py> = (Vec<Bound<'py, PyAny>>, PyReadonlyArray1<'py, u32>);
type RandomArgs<'py> = (PyReadonlyArray1<'py, u32>, usize, Vec<Bound<'py, PyAny>>, Vec<f64>);
type FixedArgs<'py> = (usize, Vec<Bound<'py, PyAny>>, Vec<f64>);
type LawArgs<'py> = (FixedArgs<'py>, Bound<'py, PyAny>, Vec<RandomArgs<'py>>);
type ModelArgs<'py> =
    (Option<Py<PyFit>>, Vec<Bound<'py, PyAny>>, Vec<CodeArgs<'py>>, Option<PyReadonlyArray1<'py, f64>>);
type PointArgs = (f64, f64, f64, Vec<f64>, Vec<Vec<f64>>);

/// Distinct eigenvalues and multiplicities of the tested term, projected and not.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn null_spectrum(py: Python<'_>, cp: &PyCrossProducts) -> PyResult<(Vec<(f64, usize)>, Vec<(f64, usize)>)> {
    let inner = cp.inner.clone();
    let law = interruptible(py, true, || NullLaw::of(&inner))?;
    Ok((law.mu, law.xi))
}

/// Draws of the (restricted) likelihood ratio under the null.
#[pyfunction]
#[pyo3(signature = (cp, fixed, nsim, seed))]
pub fn null_draws<'py>(
    py: Python<'py>,
    cp: &PyCrossProducts,
    fixed: Option<usize>,
    nsim: usize,
    seed: u64,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let inner = cp.inner.clone();
    let out = interruptible(py, true, || NullLaw::of(&inner)?.draw(fixed, nsim, seed))?;
    Ok(out.into_pyarray(py))
}

type HeldRandom<'py> = (PyReadonlyArray1<'py, u32>, usize, Vec<Held<'py>>, Vec<f64>);

/// The arrays of a `Law`, held while Rust borrows from them.
struct HeldLaw<'py> {
    n: usize,
    x: Vec<Held<'py>>,
    beta: Vec<f64>,
    sd: Held<'py>,
    random: Vec<HeldRandom<'py>>,
}

impl<'py> HeldLaw<'py> {
    fn new(law: LawArgs<'py>) -> PyResult<Self> {
        let mut random = Vec::with_capacity(law.2.len());
        for (codes, levels, columns, factor) in law.2 {
            random.push((codes, levels, hold(&columns)?, factor));
        }
        let (n, x, beta) = law.0;
        Ok(HeldLaw { n, x: hold(&x)?, beta, sd: Held::new(&law.1)?, random })
    }

    fn law(&self) -> PyResult<Law<'_>> {
        let (n, x, sd) = (self.n, columns(&self.x)?, self.sd.column()?);
        let short = |c: &numerics::Column| matches!(c, numerics::Column::Values(v) if v.len() != n);
        if x.len() != self.beta.len() || x.iter().chain([&sd]).any(short) {
            return Err(PyValueError::new_err("fixed effects do not fit the rows"));
        }
        let mut random = Vec::with_capacity(self.random.len());
        for (codes, levels, held, factor) in &self.random {
            let (codes, columns) = (slice(codes)?, columns(held)?);
            let k = columns.len();
            if codes.len() != n || codes.iter().any(|&c| c as usize >= *levels) || factor.len() != k * k {
                return Err(PyValueError::new_err("random effects do not fit the rows"));
            }
            random.push(RandomPart { codes, levels: *levels, columns, factor: factor.clone() });
        }
        Ok(Law { n, x, beta: self.beta.clone(), sd, random })
    }
}

/// The response of one replicate.
#[pyfunction]
pub fn simulated_response<'py>(
    py: Python<'py>,
    law: LawArgs<'py>,
    seed: u64,
    replicate: u64,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let held = HeldLaw::new(law)?;
    let law = held.law()?;
    Ok(detached(py, || law.response(seed, replicate))?.into_pyarray(py))
}

/// Hold the arrays of models, then run `$body` with `$borrowed`, the models that borrow from them.
macro_rules! with_models {
    ($py:expr, $models:expr, |$borrowed:ident| $body:expr) => {{
        let mut arrays = Vec::with_capacity($models.len());
        for (fit, x, factors, _) in $models {
            let mut parts = Vec::with_capacity(factors.len());
            for (columns, codes) in factors {
                parts.push((hold(columns)?, slice(codes)?));
            }
            let fit = fit.as_ref().map(|fit| fit.get().read($py)).transpose()?;
            arrays.push((fit, hold(x)?, parts));
        }
        let mut $borrowed = Vec::with_capacity($models.len());
        for ((_, _, _, weights), (fit, x, parts)) in $models.iter().zip(&arrays) {
            let weights = weights.as_ref().map(slice).transpose()?;
            let x = columns(x)?;
            $borrowed.push(match fit {
                Some(fit) => {
                    let mut factors = Vec::with_capacity(parts.len());
                    for (held, codes) in parts {
                        factors.push((columns(held)?, *codes));
                    }
                    Model::Mixed { fit, x, factors, weights }
                }
                None => {
                    let values = x.iter().map(|c| match c {
                        numerics::Column::Values(v) => Ok(*v),
                        numerics::Column::Constant(_) => Err(PyValueError::new_err("a basis column must be an array")),
                    });
                    Model::Linear { basis: values.collect::<PyResult<_>>()?, weights }
                }
            });
        }
        $body
    }};
}

/// Draw replicates and refit every model to each: values (flat) and outcomes a model.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn bootstrap_refits<'py>(
    py: Python<'py>,
    law: LawArgs<'py>,
    models: Vec<ModelArgs<'py>>,
    seed: u64,
    first: u64,
    count: usize,
) -> PyResult<Vec<(Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<u8>>)>> {
    let held = HeldLaw::new(law)?;
    let law = held.law()?;
    let refits: Vec<Refits> =
        with_models!(py, &models, |borrowed| interruptible(py, true, || law.refit(&borrowed, seed, first, count))?);
    Ok(refits
        .into_iter()
        .map(|r| {
            let outcomes: Vec<u8> = r.outcomes.iter().map(|&o| o as u8).collect();
            (r.values.into_pyarray(py), outcomes.into_pyarray(py))
        })
        .collect())
}

type TestArgs = ((f64, f64, f64, usize), f64, Vec<f64>, f64, Vec<f64>, Vec<f64>, Vec<Vec<f64>>);

/// Draw replicates, fit the model to each from scratch: convergence, magnitude of the criterion, β, σ,
/// covariance of β over σ², and Satterthwaite's Hessian and Jacobian; nothing where the criterion cannot be evaluated.
#[pyfunction]
pub fn simulated_tests(
    py: Python<'_>,
    law: LawArgs<'_>,
    model: ModelArgs<'_>,
    seed: u64,
    first: u64,
    count: usize,
) -> PyResult<Vec<Option<TestArgs>>> {
    let held = HeldLaw::new(law)?;
    let law = held.law()?;
    let models = [model];
    let parts: Vec<Option<TestParts>> = with_models!(py, &models, |borrowed| {
        interruptible(py, true, || law.test_parts(&borrowed[0], seed, first, count))?
    });
    let plain = |t: TestParts| {
        let c = &t.convergence;
        let convergence = (c.gradient_norm, c.eigenvalues.0, c.eigenvalues.1, c.evaluations);
        (convergence, t.magnitude, t.beta, t.sigma, t.covariance, t.hessian, t.jacobian)
    };
    Ok(parts.into_iter().map(|t| t.map(plain)).collect())
}

fn parameter(kind: &str, at: &[usize]) -> PyResult<Parameter> {
    match (kind, at) {
        ("sd", &[factor, column]) => Ok(Parameter::Sd(factor, column)),
        ("cor", &[factor, first, second]) => Ok(Parameter::Correlation(factor, first, second)),
        ("sigma", []) => Ok(Parameter::Sigma),
        ("fixed", &[j]) => Ok(Parameter::Fixed(j)),
        _ => Err(PyValueError::new_err("unknown parameter")),
    }
}

fn point(o: &Optimum) -> PointArgs {
    (o.value, o.zeta, o.sigma, o.beta.clone(), o.lambdas.clone())
}

/// Optima with one parameter held, on the lower and the upper side of the estimate: where |ζ| takes the
/// values given, and the end of the parameter's range where that comes first.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn profile_sides(
    py: Python<'_>,
    fit: &Bound<'_, PyFit>,
    kind: &str,
    at: Vec<usize>,
    zetas: (Vec<f64>, Vec<f64>),
    tolerance: f64,
) -> PyResult<((Vec<PointArgs>, Option<PointArgs>), (Vec<PointArgs>, Option<PointArgs>))> {
    let parameter = parameter(kind, &at)?;
    let inner = &fit.get().read(py)?;
    let (lower, upper) = interruptible(py, true, || sides(inner, parameter, &zetas.0, &zetas.1, tolerance))?;
    let plain = |s: &Side| (s.points.iter().map(point).collect(), s.bound.as_ref().map(point));
    Ok((plain(&lower), plain(&upper)))
}
