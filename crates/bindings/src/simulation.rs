//! Simulation-based inference: exact tests, bootstrap refits, power.

use numerics::inference::NullLaw;
use numerics::simulation::TestParts;
use numerics::simulation::{Law, RandomPart, Refits, Refitted};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{columns, hold, slice, CodedColumns, HeldColumn};
use crate::crossproducts::PyCrossProducts;
use crate::fit::PyFit;
use crate::interrupt::interruptible;
use crate::pool::detached;

/// Random effects that a response is drawn with, as Python's tuple has them.
#[derive(FromPyObject)]
pub struct RandomArgs<'py> {
    #[pyo3(item(0))]
    codes: PyReadonlyArray1<'py, u32>,
    #[pyo3(item(1))]
    levels: usize,
    #[pyo3(item(2))]
    columns: Vec<Bound<'py, PyAny>>,
    #[pyo3(item(3))]
    factor: Vec<f64>,
}

/// The fixed part of what a response is drawn with.
#[derive(FromPyObject)]
pub struct FixedArgs<'py> {
    #[pyo3(item(0))]
    n: usize,
    #[pyo3(item(1))]
    x: Vec<Bound<'py, PyAny>>,
    #[pyo3(item(2))]
    beta: Vec<f64>,
}

/// What a response is drawn with.
#[derive(FromPyObject)]
pub struct LawArgs<'py> {
    #[pyo3(item(0))]
    fixed: FixedArgs<'py>,
    #[pyo3(item(1))]
    sd: Bound<'py, PyAny>,
    #[pyo3(item(2))]
    random: Vec<RandomArgs<'py>>,
}

/// A model that every response is fitted by.
#[derive(FromPyObject)]
pub struct ModelArgs<'py> {
    #[pyo3(item(0))]
    fit: Option<Py<PyFit>>,
    #[pyo3(item(1))]
    x: Vec<Bound<'py, PyAny>>,
    #[pyo3(item(2))]
    factors: Vec<CodedColumns<'py>>,
    #[pyo3(item(3))]
    weights: Option<PyReadonlyArray1<'py, f64>>,
}

/// Distinct eigenvalues with their multiplicities.
type Spectrum = Vec<(f64, usize)>;

/// Distinct eigenvalues and multiplicities of the tested term, projected and not.
#[pyfunction]
pub fn null_spectrum(py: Python<'_>, cp: &PyCrossProducts) -> PyResult<(Spectrum, Spectrum)> {
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

/// The arrays of a `RandomPart`.
struct HeldRandom<'py> {
    codes: PyReadonlyArray1<'py, u32>,
    levels: usize,
    columns: Vec<HeldColumn<'py>>,
    factor: Vec<f64>,
}

/// The arrays of a `Law`, held while Rust borrows from them.
struct HeldLaw<'py> {
    n: usize,
    x: Vec<HeldColumn<'py>>,
    beta: Vec<f64>,
    sd: HeldColumn<'py>,
    random: Vec<HeldRandom<'py>>,
}

impl<'py> HeldLaw<'py> {
    fn new(law: LawArgs<'py>) -> PyResult<Self> {
        let mut random = Vec::with_capacity(law.random.len());
        for RandomArgs { codes, levels, columns, factor } in law.random {
            random.push(HeldRandom { codes, levels, columns: hold(&columns)?, factor });
        }
        let FixedArgs { n, x, beta } = law.fixed;
        Ok(HeldLaw { n, x: hold(&x)?, beta, sd: HeldColumn::new(&law.sd)?, random })
    }

    fn law(&self) -> PyResult<Law<'_>> {
        let (n, x, sd) = (self.n, columns(&self.x)?, self.sd.column()?);
        let short = |c: &numerics::Column| matches!(c, numerics::Column::Values(v) if v.len() != n);
        if x.len() != self.beta.len() || x.iter().chain([&sd]).any(short) {
            return Err(PyValueError::new_err("fixed effects do not fit the rows"));
        }
        let mut random = Vec::with_capacity(self.random.len());
        for HeldRandom { codes, levels, columns: held, factor } in &self.random {
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
        for ModelArgs { fit, x, factors, .. } in $models {
            let mut parts = Vec::with_capacity(factors.len());
            for factor in factors {
                parts.push((hold(&factor.columns)?, slice(&factor.codes)?));
            }
            let fit = fit.as_ref().map(|fit| fit.get().read($py)).transpose()?;
            arrays.push((fit, hold(x)?, parts));
        }
        let mut $borrowed = Vec::with_capacity($models.len());
        for (ModelArgs { weights, .. }, (fit, x, parts)) in $models.iter().zip(&arrays) {
            let weights = weights.as_ref().map(slice).transpose()?;
            let x = columns(x)?;
            $borrowed.push(match fit {
                Some(fit) => {
                    let mut factors = Vec::with_capacity(parts.len());
                    for (held, codes) in parts {
                        factors.push((columns(held)?, *codes));
                    }
                    Refitted::Mixed { fit, x, factors, weights }
                }
                None => {
                    let values = x.iter().map(|c| match c {
                        numerics::Column::Values(v) => Ok(*v),
                        numerics::Column::Constant(_) => Err(PyValueError::new_err("a basis column must be an array")),
                    });
                    Refitted::Linear { basis: values.collect::<PyResult<_>>()?, weights }
                }
            });
        }
        $body
    }};
}

type Values<'py> = Bound<'py, PyArray1<f64>>;
type Outcomes<'py> = Bound<'py, PyArray1<u8>>;

/// Draw replicates and refit every model to each: values (flat) and outcomes a model.
#[pyfunction]
pub fn bootstrap_refits<'py>(
    py: Python<'py>,
    law: LawArgs<'py>,
    models: Vec<ModelArgs<'py>>,
    seed: u64,
    first: u64,
    count: usize,
) -> PyResult<Vec<(Values<'py>, Outcomes<'py>)>> {
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

/// What a test needs of a model that was fitted to a replicate.
#[pyclass(frozen, get_all, module = "partialpool._core")]
#[derive(Debug)]
pub struct SimulatedTest {
    /// As `Fit.convergence`.
    convergence: (f64, f64, f64, usize),
    magnitude: f64,
    beta: Vec<f64>,
    sigma: f64,
    /// Of β over σ².
    covariance: Vec<f64>,
    /// Satterthwaite's Hessian and Jacobian.
    hessian: Vec<f64>,
    jacobian: Vec<Vec<f64>>,
}

#[pymethods]
impl SimulatedTest {
    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}

/// Draw replicates, fit the model to each from scratch; nothing where the criterion cannot be evaluated.
#[pyfunction]
pub fn simulated_tests(
    py: Python<'_>,
    law: LawArgs<'_>,
    model: ModelArgs<'_>,
    seed: u64,
    first: u64,
    count: usize,
) -> PyResult<Vec<Option<SimulatedTest>>> {
    let held = HeldLaw::new(law)?;
    let law = held.law()?;
    let models = [model];
    let parts: Vec<Option<TestParts>> = with_models!(py, &models, |borrowed| {
        interruptible(py, true, || law.test_parts(&borrowed[0], seed, first, count))?
    });
    let plain = |t: TestParts| {
        let c = &t.convergence;
        let convergence = (c.gradient_norm, c.eigenvalues.0, c.eigenvalues.1, c.evaluations);
        SimulatedTest {
            convergence,
            magnitude: t.magnitude,
            beta: t.beta,
            sigma: t.sigma,
            covariance: t.covariance,
            hessian: t.hessian,
            jacobian: t.jacobian,
        }
    };
    Ok(parts.into_iter().map(|t| t.map(plain)).collect())
}
