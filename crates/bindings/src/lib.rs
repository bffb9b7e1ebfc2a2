//! The only place that knows both Python and the numerics: arrays in, arrays out, no algorithm.
#![allow(missing_docs)] // documented for Python in _core.pyi

mod fit;
mod inference;
mod influence;
mod interrupt;
mod pool;
mod posterior;
mod shared;
mod simulation;

use std::sync::Arc;

use numerics::{Column, CrossProducts, FactorInput, Fit, Input, NumericsError};
use numpy::{IntoPyArray, PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::fit::PyFit;
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

/// The arrays of an `Input`, held while Rust borrows from them.
struct HeldInput<'py> {
    y: PyReadonlyArray1<'py, f64>,
    x: Vec<Held<'py>>,
    factors: Vec<HeldFactor<'py>>,
    weights: Option<PyReadonlyArray1<'py, f64>>,
}

type HeldFactor<'py> = (PyReadonlyArray1<'py, u32>, usize, Vec<Held<'py>>, Vec<usize>);

impl<'py> HeldInput<'py> {
    fn new(
        y: PyReadonlyArray1<'py, f64>,
        x: Vec<Bound<'py, PyAny>>,
        given: Vec<FactorArgs<'py>>,
        weights: Option<PyReadonlyArray1<'py, f64>>,
    ) -> PyResult<Self> {
        let mut factors = Vec::with_capacity(given.len());
        for (codes, levels, columns, blocks) in given {
            if blocks.iter().sum::<usize>() != columns.len() || columns.is_empty() {
                return Err(PyValueError::new_err("blocks must add up to the columns"));
            }
            factors.push((codes, levels, hold(&columns)?, blocks));
        }
        Ok(HeldInput { y, x: hold(&x)?, factors, weights })
    }

    fn input(&self) -> PyResult<Input<'_>> {
        let mut factors = Vec::with_capacity(self.factors.len());
        for (codes, levels, held, blocks) in &self.factors {
            let (codes, columns) = (slice(codes)?, columns(held)?);
            factors.push(FactorInput { codes, levels: *levels, columns, blocks: blocks.clone() });
        }
        let weights = self.weights.as_ref().map(slice).transpose()?;
        Ok(Input { y: slice(&self.y)?, weights, x: columns(&self.x)?, factors })
    }
}

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
        let held = HeldInput::new(y, x, factors, weights)?;
        let input = held.input()?;
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
        Ok(PyFit::new(inner))
    }

    /// Criterion and its exact gradient in every entry of each raw Λ.
    fn evaluate(&self, py: Python<'_>, reml: bool, lambdas: Vec<Vec<f64>>) -> PyResult<(f64, Vec<Vec<f64>>)> {
        detached(py, || Fit::evaluate_raw(&self.inner, reml, &lambdas))?.map_err(raise)
    }
}

#[pyfunction]
#[allow(clippy::type_complexity)]
fn encode<'py>(
    py: Python<'py>,
    values: PyReadonlyArray1<'py, i64>,
) -> PyResult<(Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<i64>>)> {
    let v = slice(&values)?;
    let (codes, levels) = py.detach(|| numerics::products::levels::encode(v));
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
