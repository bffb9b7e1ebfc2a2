//! Profiles: optima with one parameter held.

use numerics::inference::Parameter;
use numerics::inference::{sides, ConstrainedOptimum, Side};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::fit::PyFit;
use crate::interrupt::interruptible;

/// An optimum with the parameter at `value`.
#[pyclass(frozen, get_all, skip_from_py_object, module = "partialpool._core")]
#[derive(Clone, Debug)]
pub struct ProfilePoint {
    value: f64,
    zeta: f64,
    sigma: f64,
    beta: Vec<f64>,
    /// Raw Λ of each factor.
    lambdas: Vec<Vec<f64>>,
}

#[pymethods]
impl ProfilePoint {
    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}

/// The optima on one side of the estimate, and the end of the parameter's range where that was reached.
#[pyclass(frozen, get_all, skip_from_py_object, module = "partialpool._core")]
#[derive(Debug)]
pub struct ProfileSide {
    points: Vec<ProfilePoint>,
    bound: Option<ProfilePoint>,
}

#[pymethods]
impl ProfileSide {
    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
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

fn point(o: &ConstrainedOptimum) -> ProfilePoint {
    let (beta, lambdas) = (o.beta.clone(), o.lambdas.clone().into());
    ProfilePoint { value: o.value, zeta: o.zeta, sigma: o.sigma, beta, lambdas }
}

fn side(s: &Side) -> ProfileSide {
    ProfileSide { points: s.points.iter().map(point).collect(), bound: s.bound.as_ref().map(point) }
}

/// Optima with one parameter held, on the lower and the upper side of the estimate: where |ζ| takes the
/// values given, and the end of the parameter's range where that comes first.
#[pyfunction]
pub fn profile_sides(
    py: Python<'_>,
    fit: &Bound<'_, PyFit>,
    kind: &str,
    at: Vec<usize>,
    zetas: (Vec<f64>, Vec<f64>),
    tolerance: f64,
) -> PyResult<(ProfileSide, ProfileSide)> {
    let parameter = parameter(kind, &at)?;
    let inner = &fit.get().read(py)?;
    let (lower, upper) = interruptible(py, true, || sides(inner, parameter, &zetas.0, &zetas.1, tolerance))?;
    Ok((side(&lower), side(&upper)))
}
