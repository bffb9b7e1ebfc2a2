//! Deletion of rows, for Python.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{slice, FactorArgs, HeldInput};
use crate::crossproducts::PyCrossProducts;
use crate::fit::PyFit;
use crate::interrupt::{interruptible, MANY_EFFECTS, MANY_ROWS};

/// Cross-products less those of some rows of the arrays that they were built from.
#[pyfunction]
#[pyo3(signature = (products, y, x, factors, weights, rows))]
pub(crate) fn delete_rows(
    py: Python<'_>,
    products: &PyCrossProducts,
    y: PyReadonlyArray1<'_, f64>,
    x: Vec<Bound<'_, PyAny>>,
    factors: Vec<FactorArgs<'_>>,
    weights: Option<PyReadonlyArray1<'_, f64>>,
    rows: PyReadonlyArray1<'_, i64>,
) -> PyResult<PyCrossProducts> {
    let held = HeldInput::new(y, x, factors, weights)?;
    let input = held.input()?;
    let rows: Vec<usize> = slice(&rows)?
        .iter()
        .map(|&r| usize::try_from(r).map_err(|_| PyValueError::new_err("rows must not be negative")))
        .collect::<PyResult<_>>()?;
    let cp = products.inner.clone();
    let inner = interruptible(py, input.y.len() > MANY_ROWS, || cp.without(&input, &rows))?;
    Ok(PyCrossProducts { inner: Arc::new(inner) })
}

/// Per factor, `levels x k x p`: the random effects that smooth each column of X.
#[pyfunction]
pub(crate) fn smoothed_columns<'py>(py: Python<'py>, fit: &PyFit) -> PyResult<Vec<Bound<'py, PyArray1<f64>>>> {
    let inner = &fit.read(py)?;
    let all = interruptible(py, inner.cp.q() > MANY_EFFECTS, || inner.smoothed_columns())?;
    Ok(all.into_iter().map(|v| v.into_pyarray(py)).collect())
}
