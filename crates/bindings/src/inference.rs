//! What tests need of a fit.

use numerics::inference::identification;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

use crate::interrupt::{interruptible, MANY_EFFECTS};
use crate::pool::detached;
use crate::{raise, PyCrossProducts, PyFit};

type Arrays<'py> = Vec<Bound<'py, PyArray1<f64>>>;

/// Information, slopes and curvatures of Kenward and Roger's method (see `_core.pyi`).
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn kenward_roger<'py>(
    py: Python<'py>,
    fit: &PyFit,
) -> PyResult<(Bound<'py, PyArray1<f64>>, Arrays<'py>, Arrays<'py>)> {
    let inner = &fit.inner;
    let out = interruptible(py, inner.cp.q() > MANY_EFFECTS, || inner.kenward_roger())?;
    let arrays = |v: Vec<Vec<f64>>| v.into_iter().map(|m| m.into_pyarray(py)).collect();
    Ok((out.information.into_pyarray(py), arrays(out.slopes), arrays(out.curvatures)))
}

/// S with SᵀS = XᵀWX, raw columns kept.
#[pyfunction]
pub fn fixed_root<'py>(py: Python<'py>, fit: &PyFit) -> PyResult<Bound<'py, PyArray1<f64>>> {
    Ok(detached(py, || fit.inner.cp.fixed_root())?.map_err(raise)?.into_pyarray(py))
}

/// Directions of the covariance parameters that no response determines (see `_core.pyi`).
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn undetermined(
    py: Python<'_>,
    products: &PyCrossProducts,
) -> PyResult<(Vec<(Vec<f64>, Vec<Vec<f64>>)>, Vec<Vec<f64>>)> {
    let cp = &products.inner;
    let (found, sizes) = interruptible(py, cp.q() + cp.p > MANY_EFFECTS, || identification::undetermined(cp))?;
    Ok((found.into_iter().map(|d| (d.working, d.raw)).collect(), sizes))
}
