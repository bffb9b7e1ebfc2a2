//! The only place that knows both Python and the numerics: arrays in, arrays out, no algorithm.
#![allow(missing_docs)] // documented for Python in _core.pyi

mod inference;
mod influence;
mod interrupt;
mod pool;
mod posterior;
mod simulation;

use std::sync::Arc;

use numerics::fit::model::Convergence;
use numerics::products::residual::Rows;
use numerics::{Column, CrossProducts, FactorInput, Fit, Input, NumericsError};
use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::interrupt::{interruptible, MANY_EFFECTS, MANY_ROWS};
use crate::pool::detached;

create_exception!(_core, CoreError, PyException);
create_exception!(_core, NoResidualError, CoreError);
create_exception!(_core, MemoryLimitError, CoreError);

fn raise(e: NumericsError) -> PyErr {
    let text = e.to_string();
    match e {
        NumericsError::NoResidual => NoResidualError::new_err(text),
        NumericsError::Memory { .. } => MemoryLimitError::new_err(text),
        _ => CoreError::new_err(text),
    }
}

/// A column as it comes from Python: a number or a contiguous array of doubles.
enum Held<'py> {
    Constant(f64),
    Values(PyReadonlyArray1<'py, f64>),
}

impl<'py> Held<'py> {
    fn new(any: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(array) = any.cast::<PyArray1<f64>>() {
            return Ok(Held::Values(array.try_readonly().map_err(|e| PyValueError::new_err(e.to_string()))?));
        }
        Ok(Held::Constant(any.extract()?))
    }

    fn column(&self) -> PyResult<Column<'_>> {
        Ok(match self {
            Held::Constant(c) => Column::Constant(*c),
            Held::Values(v) => Column::Values(slice(v)?),
        })
    }
}

fn slice<'a, T: numpy::Element>(a: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    a.as_slice().map_err(|_| PyValueError::new_err("arrays must be contiguous"))
}

fn hold<'py>(columns: &[Bound<'py, PyAny>]) -> PyResult<Vec<Held<'py>>> {
    columns.iter().map(Held::new).collect()
}

fn columns<'a>(held: &'a [Held]) -> PyResult<Vec<Column<'a>>> {
    held.iter().map(Held::column).collect()
}

type FactorArgs<'py> = (PyReadonlyArray1<'py, u32>, usize, Vec<Bound<'py, PyAny>>, Vec<usize>);
type RowArgs<'py> = (Vec<Bound<'py, PyAny>>, PyReadonlyArray1<'py, u32>);

#[pyclass(frozen, name = "CrossProducts", module = "partialpool._core")]
struct PyCrossProducts {
    inner: Arc<CrossProducts>,
}

#[pymethods]
impl PyCrossProducts {
    #[staticmethod]
    #[pyo3(signature = (y, x, factors, weights=None))]
    fn build(
        py: Python<'_>,
        y: PyReadonlyArray1<'_, f64>,
        x: Vec<Bound<'_, PyAny>>,
        factors: Vec<FactorArgs<'_>>,
        weights: Option<PyReadonlyArray1<'_, f64>>,
    ) -> PyResult<Self> {
        let x = hold(&x)?;
        let held: Vec<Vec<Held>> = factors.iter().map(|f| hold(&f.2)).collect::<PyResult<_>>()?;
        let mut inputs = Vec::with_capacity(factors.len());
        for ((codes, levels, _, blocks), cols) in factors.iter().zip(&held) {
            if blocks.iter().sum::<usize>() != cols.len() || cols.is_empty() {
                return Err(PyValueError::new_err("blocks must add up to the columns"));
            }
            let (codes, columns) = (slice(codes)?, columns(cols)?);
            inputs.push(FactorInput { codes, levels: *levels, columns, blocks: blocks.clone() });
        }
        let weights = weights.as_ref().map(slice).transpose()?;
        let input = Input { y: slice(&y)?, weights, x: columns(&x)?, factors: inputs };
        let inner = interruptible(py, input.y.len() > MANY_ROWS || input.x.len() > MANY_EFFECTS, || {
            CrossProducts::build(&input)
        })?;
        Ok(Self { inner: Arc::new(inner) })
    }

    #[getter]
    fn n(&self) -> usize {
        self.inner.n
    }

    #[getter]
    fn kept(&self) -> Vec<usize> {
        self.inner.basis.kept.clone()
    }

    #[getter]
    fn q(&self) -> usize {
        self.inner.q()
    }

    #[getter]
    fn sum_log_weights(&self) -> f64 {
        self.inner.sum_log_weights
    }

    fn merge(
        &self,
        py: Python<'_>,
        other: &Self,
        levels: Vec<usize>,
        maps: Vec<(Vec<u32>, Vec<u32>)>,
    ) -> PyResult<Self> {
        let inner = detached(py, || self.inner.merge(&other.inner, &levels, &maps))?.map_err(raise)?;
        Ok(Self { inner: Arc::new(inner) })
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.inner.to_bytes().map_err(raise)?))
    }

    #[staticmethod]
    fn from_bytes(bytes: &[u8]) -> PyResult<Self> {
        Ok(Self { inner: Arc::new(CrossProducts::from_bytes(bytes).map_err(raise)?) })
    }

    /// Levels and sizes of the covariance blocks of each factor, in the caller's order.
    #[getter]
    fn shapes(&self) -> Vec<(usize, Vec<usize>)> {
        let mut out = vec![(0, Vec::new()); self.inner.factors.len()];
        for (f, &i) in self.inner.factors.iter().zip(&self.inner.order) {
            out[i] = (f.levels, f.blocks.clone());
        }
        out
    }

    #[pyo3(signature = (reml, start=None))]
    fn fit(&self, py: Python<'_>, reml: bool, start: Option<Vec<Vec<f64>>>) -> PyResult<PyFit> {
        let cp = self.inner.clone();
        let inner =
            interruptible(py, cp.q() + cp.p > MANY_EFFECTS, || Fit::optimise(cp.clone(), reml, start.as_deref()))?;
        Ok(PyFit { inner })
    }

    /// Criterion and its exact gradient in every entry of each raw Λ.
    fn evaluate(&self, py: Python<'_>, reml: bool, lambdas: Vec<Vec<f64>>) -> PyResult<(f64, Vec<Vec<f64>>)> {
        detached(py, || Fit::evaluate_raw(&self.inner, reml, &lambdas))?.map_err(raise)
    }
}

#[pyclass(name = "Fit", module = "partialpool._core")]
struct PyFit {
    inner: Fit,
}

fn rows<'a>(n: usize, x: &'a [Held], factors: &'a [(Vec<Held<'_>>, &'a [u32])]) -> PyResult<Rows<'a>> {
    let factors = factors.iter().map(|(c, codes)| Ok((columns(c)?, *codes))).collect::<PyResult<_>>()?;
    Ok(Rows { n, x: columns(x)?, factors })
}

/// Hold the arrays of a prediction's rows, then run `$body` with `$rows` borrowed from them.
macro_rules! with_rows {
    ($n:expr, $x:expr, $factors:expr, |$rows:ident| $body:expr) => {{
        let x = hold(&$x)?;
        let mut held = Vec::with_capacity($factors.len());
        for (columns, codes) in &$factors {
            held.push((hold(columns)?, slice(codes)?));
        }
        let $rows = rows($n, &x, &held)?;
        $body
    }};
}

#[pymethods]
impl PyFit {
    #[staticmethod]
    fn restore(
        py: Python<'_>,
        cp: &PyCrossProducts,
        reml: bool,
        lambdas: Vec<Vec<f64>>,
        convergence: (f64, f64, f64, usize),
        hessian: Vec<f64>,
    ) -> PyResult<Self> {
        let (gradient_norm, low, high, evaluations) = convergence;
        let convergence = Convergence { gradient_norm, eigenvalues: (low, high), evaluations };
        if hessian.len() != cp.inner.n_theta().pow(2) {
            return Err(CoreError::new_err("stored state unreadable: inconsistent Hessian"));
        }
        let inner = detached(py, || Fit::at(cp.inner.clone(), reml, &lambdas, convergence, hessian))?.map_err(raise)?;
        Ok(Self { inner })
    }

    #[getter]
    fn criterion(&self) -> f64 {
        self.inner.state.raw_criterion(&self.inner.cp)
    }

    /// What tolerances of the criterion are relative to; free of the units of the data.
    #[getter]
    fn magnitude(&self) -> f64 {
        self.inner.state.magnitude(&self.inner.cp)
    }

    #[getter]
    fn lambdas(&self) -> Vec<Vec<f64>> {
        self.inner.raw_lambda()
    }

    #[getter]
    fn sigma(&self) -> f64 {
        self.inner.sigma()
    }

    #[getter]
    fn beta<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.inner.beta().into_pyarray(py)
    }

    #[getter]
    fn unscaled_covariance<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.inner.unscaled_covariance().into_pyarray(py)
    }

    /// Bounds of the diagonal of that covariance, which cost much less: the least and the most.
    #[getter]
    fn unscaled_variance_bounds<'py>(&self, py: Python<'py>) -> (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>) {
        let (least, most) = self.inner.unscaled_variance_bounds();
        (least.into_pyarray(py), most.into_pyarray(py))
    }

    /// Bytes of the largest array that a fit cannot do without: of the cross-products or the factor.
    #[getter]
    fn largest_block_bytes(&self) -> usize {
        self.inner.cp.largest_block_bytes().max(self.inner.state.blocked.rest.bytes())
    }

    #[getter]
    fn log_det_omega(&self) -> f64 {
        self.inner.state.blocked.logdet
    }

    #[getter]
    fn convergence(&self) -> (f64, f64, f64, usize) {
        let c = &self.inner.convergence;
        (c.gradient_norm, c.eigenvalues.0, c.eigenvalues.1, c.evaluations)
    }

    #[getter]
    fn hessian(&self) -> Vec<f64> {
        self.inner.hessian.clone()
    }

    /// Per factor (caller's order) the working-basis directions without variance, and the basis.
    #[getter]
    fn null_directions(&self) -> Vec<(Vec<Vec<f64>>, Vec<f64>)> {
        let cp = &self.inner.cp;
        let mut out = vec![(Vec::new(), Vec::new()); cp.factors.len()];
        for (i, directions) in self.inner.null_directions.iter().enumerate() {
            out[cp.order[i]] = (directions.clone(), cp.basis.z[i].clone());
        }
        out
    }

    fn random_effects<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyArray1<f64>>> {
        self.inner.random_effects().into_iter().map(|v| v.into_pyarray(py)).collect()
    }

    fn conditional_covariances<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyArray1<f64>>>> {
        let this = &mut self.inner;
        let all = interruptible(py, this.cp.q() > MANY_EFFECTS, || Ok(this.conditional_covariances()))?;
        Ok(all.into_iter().map(|v| v.into_pyarray(py)).collect())
    }

    #[allow(clippy::type_complexity)]
    fn satterthwaite<'py>(
        &mut self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyArray1<f64>>, Vec<Bound<'py, PyArray1<f64>>>)> {
        let this = &mut self.inner;
        let base = this.state.blocked.lam.clone();
        let (h, j) = match interruptible(py, this.cp.q() > MANY_EFFECTS, || this.satterthwaite()) {
            Ok(out) => out,
            // A search for derivatives that was stopped may have left the fit at another point.
            Err(e) => {
                this.return_to(&base).map_err(raise)?;
                return Err(e);
            }
        };
        Ok((h.into_pyarray(py), j.into_iter().map(|v| v.into_pyarray(py)).collect()))
    }

    fn linear_predictor<'py>(
        &self,
        py: Python<'py>,
        n: usize,
        x: Vec<Bound<'py, PyAny>>,
        factors: Vec<RowArgs<'py>>,
        effects: (PyReadonlyArray1<'py, f64>, Vec<PyReadonlyArray1<'py, f64>>),
        with: Vec<bool>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let b = effects.1.iter().map(|v| Ok(slice(v)?.to_vec())).collect::<PyResult<Vec<_>>>()?;
        let out = with_rows!(n, x, factors, |rows| {
            let beta = slice(&effects.0)?;
            detached(py, || self.inner.linear_predictor(&rows, beta, &b, &with))?
        });
        Ok(out.into_pyarray(py))
    }

    #[pyo3(signature = (n, x, factors, weights=None))]
    fn leverages<'py>(
        &mut self,
        py: Python<'py>,
        n: usize,
        x: Vec<Bound<'py, PyAny>>,
        factors: Vec<RowArgs<'py>>,
        weights: Option<PyReadonlyArray1<'py, f64>>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let this = &mut self.inner;
        let out = with_rows!(n, x, factors, |rows| {
            let weights = weights.as_ref().map(slice).transpose()?;
            interruptible(py, n > MANY_ROWS || this.cp.q() > MANY_EFFECTS, || Ok(this.leverages(&rows, weights)))?
        });
        Ok(out.into_pyarray(py))
    }

    fn prediction_variances<'py>(
        &mut self,
        py: Python<'py>,
        n: usize,
        x: Vec<Bound<'py, PyAny>>,
        factors: Vec<RowArgs<'py>>,
        with: Vec<bool>,
        unknown: bool,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let this = &mut self.inner;
        let long = n > MANY_ROWS || this.cp.q() > MANY_EFFECTS;
        let out = with_rows!(n, x, factors, |rows| {
            interruptible(py, long, || Ok(this.prediction_variances(&rows, &with, unknown)))?
        });
        Ok(out.into_pyarray(py))
    }
}

#[pyfunction]
#[allow(clippy::type_complexity)]
fn encode<'py>(
    py: Python<'py>,
    values: PyReadonlyArray1<'py, i64>,
) -> PyResult<(Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<i64>>)> {
    let v = slice(&values)?;
    let (codes, levels) = detached(py, || numerics::products::levels::encode(v))?;
    Ok((codes.into_pyarray(py), levels.into_pyarray(py)))
}

#[pymodule]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyCrossProducts>()?;
    m.add_class::<PyFit>()?;
    m.add_class::<posterior::PyLogPosterior>()?;
    m.add_class::<posterior::PyJointPosterior>()?;
    m.add_function(wrap_pyfunction!(posterior::prior_density, m)?)?;
    m.add("CoreError", m.py().get_type::<CoreError>())?;
    m.add("NoResidualError", m.py().get_type::<NoResidualError>())?;
    m.add("MemoryLimitError", m.py().get_type::<MemoryLimitError>())?;
    m.add_function(wrap_pyfunction!(encode, m)?)?;
    m.add_function(wrap_pyfunction!(inference::kenward_roger, m)?)?;
    m.add_function(wrap_pyfunction!(inference::fixed_root, m)?)?;
    m.add_function(wrap_pyfunction!(inference::undetermined, m)?)?;
    m.add_function(wrap_pyfunction!(simulation::null_spectrum, m)?)?;
    m.add_function(wrap_pyfunction!(simulation::null_draws, m)?)?;
    m.add_function(wrap_pyfunction!(simulation::simulated_response, m)?)?;
    m.add_function(wrap_pyfunction!(simulation::bootstrap_refits, m)?)?;
    m.add_function(wrap_pyfunction!(simulation::simulated_tests, m)?)?;
    m.add_function(wrap_pyfunction!(simulation::profile_sides, m)?)?;
    m.add_function(wrap_pyfunction!(influence::delete_rows, m)?)?;
    m.add_function(wrap_pyfunction!(influence::smoothed_columns, m)?)?;
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}
