//! What tests need of a fit.

use numerics::inference;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

use crate::crossproducts::PyCrossProducts;
use crate::errors::raise;
use crate::fit::PyFit;
use crate::interrupt::{interruptible, MANY_EFFECTS};
use crate::pool::detached;

type Array<'py> = Bound<'py, PyArray1<f64>>;
type Arrays<'py> = Vec<Array<'py>>;

/// Information, slopes and curvatures of Kenward and Roger's method (see `_core.pyi`).
#[pyfunction]
pub fn kenward_roger<'py>(py: Python<'py>, fit: &PyFit) -> PyResult<(Array<'py>, Arrays<'py>, Arrays<'py>)> {
    let inner = &fit.read(py)?;
    let out = interruptible(py, inner.cp.q() > MANY_EFFECTS, || inner.kenward_roger())?;
    let arrays = |v: Vec<Vec<f64>>| v.into_iter().map(|m| m.into_pyarray(py)).collect();
    Ok((out.information.into_pyarray(py), arrays(out.slopes), arrays(out.curvatures)))
}

/// S with SᵀS = XᵀWX, raw columns kept.
#[pyfunction]
pub fn fixed_root<'py>(py: Python<'py>, fit: &PyFit) -> PyResult<Array<'py>> {
    let fit = fit.read(py)?;
    Ok(detached(py, || fit.cp.fixed_root())?.map_err(raise)?.into_pyarray(py))
}

/// A direction of the covariance parameters that no response determines.
#[pyclass(frozen, get_all, module = "partialpool._core")]
#[derive(Debug)]
pub struct Undetermined {
    /// In the parameters of `kenward_roger`.
    working: Vec<f64>,
    /// A raw `k x k` matrix per factor.
    raw: Vec<Vec<f64>>,
}

#[pymethods]
impl Undetermined {
    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}

/// The directions that no response determines, and the root mean square of each raw column (see `_core.pyi`).
#[pyfunction]
pub fn undetermined(py: Python<'_>, products: &PyCrossProducts) -> PyResult<(Vec<Undetermined>, Vec<Vec<f64>>)> {
    let cp = &products.inner;
    let (found, sizes) = interruptible(py, cp.q() + cp.p > MANY_EFFECTS, || inference::undetermined(cp))?;
    Ok((found.into_iter().map(|d| Undetermined { working: d.working, raw: d.raw.into() }).collect(), sizes))
}
