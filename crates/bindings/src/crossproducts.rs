//! Cross-products, for Python.

use std::sync::Arc;

use numerics::covariance::Raw;
use numerics::{CrossProducts, Fit};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arrays::{slice, FactorArgs, HeldInput};
use crate::errors::raise;
use crate::fit::PyFit;
use crate::interrupt::{interruptible, MANY_EFFECTS, MANY_ROWS};
use crate::pool::detached;

#[pyclass(frozen, name = "CrossProducts", module = "partialpool._core")]
pub(crate) struct PyCrossProducts {
    pub(crate) inner: Arc<CrossProducts>,
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

    /// Levels of each factor, with kind and size of its covariance blocks, in the caller's order.
    #[getter]
    fn shapes(&self) -> Vec<(usize, Vec<(&'static str, usize)>)> {
        let mut out = vec![(0, Vec::new()); self.inner.factors.len()];
        for (f, &i) in self.inner.factors.iter().zip(&self.inner.order) {
            out[i] = (f.levels, f.blocks().iter().map(|b| (b.name(), b.size())).collect());
        }
        out
    }

    #[pyo3(signature = (reml, start=None))]
    fn fit(&self, py: Python<'_>, reml: bool, start: Option<Vec<Vec<f64>>>) -> PyResult<PyFit> {
        let start = start.map(Raw::from);
        let cp = self.inner.clone();
        let inner =
            interruptible(py, cp.q() + cp.p > MANY_EFFECTS, || Fit::optimise(cp.clone(), reml, start.as_ref()))?;
        Ok(PyFit::new(inner))
    }

    /// Criterion and its exact gradient in every entry of each raw Λ.
    fn evaluate(&self, py: Python<'_>, reml: bool, lambdas: Vec<Vec<f64>>) -> PyResult<(f64, Vec<Vec<f64>>)> {
        let (value, slopes) = detached(py, || Fit::evaluate_raw(&self.inner, reml, &lambdas.into()))?.map_err(raise)?;
        Ok((value, slopes.into()))
    }
}

type Codes<'py> = Bound<'py, PyArray1<u32>>;
type Levels<'py> = Bound<'py, PyArray1<i64>>;

/// Codes of values, and the distinct values that they stand for.
#[pyfunction]
pub(crate) fn encode<'py>(py: Python<'py>, values: PyReadonlyArray1<'py, i64>) -> PyResult<(Codes<'py>, Levels<'py>)> {
    let v = slice(&values)?;
    let (codes, levels) = py.detach(|| numerics::products::encode(v));
    Ok((codes.into_pyarray(py), levels.into_pyarray(py)))
}
