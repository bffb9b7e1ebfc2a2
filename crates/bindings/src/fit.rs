//! A fitted model, for Python.

use std::sync::Arc;

use numerics::fit::Convergence;
use numerics::fit::Rows;
use numerics::Fit;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::arrays::{columns, hold, slice, CodedColumns, HeldColumn};
use crate::crossproducts::PyCrossProducts;
use crate::errors::{raise, CoreError};
use crate::interrupt::{MANY_EFFECTS, MANY_ROWS};
use crate::pool::detached;
use crate::shared::SharedFit;

type Array<'py> = Bound<'py, PyArray1<f64>>;

/// Directions without variance of one factor, in its working basis, and that basis.
#[pyclass(frozen, get_all, module = "partialpool._core")]
#[derive(Debug)]
pub(crate) struct NullDirections {
    directions: Vec<Vec<f64>>,
    basis: Vec<f64>,
}

#[pymethods]
impl NullDirections {
    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}

/// Values of the fixed and of the random effects, as Python's tuple has them.
#[derive(FromPyObject)]
struct EffectArgs<'py> {
    #[pyo3(item(0))]
    fixed: PyReadonlyArray1<'py, f64>,
    #[pyo3(item(1))]
    random: Vec<PyReadonlyArray1<'py, f64>>,
}

/// How a search went, as Python's tuple has it.
#[derive(FromPyObject)]
struct ConvergenceArgs {
    #[pyo3(item(0))]
    gradient_norm: f64,
    #[pyo3(item(1))]
    least_eigenvalue: f64,
    #[pyo3(item(2))]
    largest_eigenvalue: f64,
    #[pyo3(item(3))]
    evaluations: usize,
}

/// A fitted model; any number of threads may ask it at once.
#[pyclass(frozen, name = "Fit", module = "partialpool._core")]
pub(crate) struct PyFit {
    inner: SharedFit,
}

impl PyFit {
    pub(crate) fn new(fit: Fit) -> Self {
        PyFit { inner: SharedFit::new(fit) }
    }

    /// The fit, to be read.
    pub(crate) fn read(&self, py: Python<'_>) -> PyResult<Arc<Fit>> {
        self.inner.read(py)
    }

    /// Whether work on the effects may take long.
    fn large(&self) -> bool {
        self.inner.cp().q() + self.inner.cp().p > MANY_EFFECTS
    }
}

type HeldCodes<'a> = (Vec<HeldColumn<'a>>, &'a [u32]);

fn rows<'a>(n: usize, x: &'a [HeldColumn], factors: &'a [HeldCodes<'a>]) -> PyResult<Rows<'a>> {
    let factors = factors.iter().map(|(c, codes)| Ok((columns(c)?, *codes))).collect::<PyResult<_>>()?;
    Ok(Rows { n, x: columns(x)?, factors })
}

/// Hold the arrays of a prediction's rows, then run `$body` with `$rows` borrowed from them.
macro_rules! with_rows {
    ($n:expr, $x:expr, $factors:expr, |$rows:ident| $body:expr) => {{
        let x = hold(&$x)?;
        let mut held = Vec::with_capacity($factors.len());
        for factor in &$factors {
            held.push((hold(&factor.columns)?, slice(&factor.codes)?));
        }
        let $rows = rows($n, &x, &held)?;
        $body
    }};
}

#[pymethods]
impl PyFit {
    #[staticmethod]
    #[pyo3(signature = (cp, reml, lambdas, convergence, hessian, working=None))]
    fn restore(
        py: Python<'_>,
        cp: &PyCrossProducts,
        reml: bool,
        lambdas: Vec<Vec<f64>>,
        convergence: ConvergenceArgs,
        hessian: Vec<f64>,
        working: Option<Vec<Vec<f64>>>,
    ) -> PyResult<Self> {
        let ConvergenceArgs { gradient_norm, least_eigenvalue, largest_eigenvalue, evaluations } = convergence;
        let eigenvalues = (least_eigenvalue, largest_eigenvalue);
        let convergence = Convergence { gradient_norm, eigenvalues, evaluations };
        if hessian.len() != cp.inner.n_theta().pow(2) {
            return Err(CoreError::new_err("stored state unreadable: inconsistent Hessian"));
        }
        let cp = cp.inner.clone();
        let working = working.map(|w| cp.passage().stored(w)).transpose().map_err(raise)?;
        let inner = detached(py, || match &working {
            Some(working) => Fit::at_working(cp, reml, working, convergence, hessian),
            None => Fit::at(cp, reml, &lambdas.into(), convergence, hessian),
        })?
        .map_err(raise)?;
        Ok(Self::new(inner))
    }

    #[getter]
    fn criterion(&self, py: Python<'_>) -> PyResult<f64> {
        let fit = self.read(py)?;
        Ok(fit.state.raw_criterion(&fit.cp))
    }

    /// What tolerances of the criterion are relative to; free of the units of the data.
    #[getter]
    fn magnitude(&self, py: Python<'_>) -> PyResult<f64> {
        let fit = self.read(py)?;
        Ok(fit.state.magnitude(&fit.cp))
    }

    #[getter]
    fn lambdas(&self, py: Python<'_>) -> PyResult<Vec<Vec<f64>>> {
        Ok(self.read(py)?.raw_lambda().into())
    }

    /// Λ in the working basis, in the internal order of factors: what `restore` needs to be exact.
    #[getter]
    fn working(&self, py: Python<'_>) -> PyResult<Vec<Vec<f64>>> {
        Ok(self.read(py)?.state.blocked.lam.clone().into())
    }

    #[getter]
    fn sigma(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(self.read(py)?.sigma())
    }

    #[getter]
    fn beta<'py>(&self, py: Python<'py>) -> PyResult<Array<'py>> {
        Ok(self.read(py)?.beta().into_pyarray(py))
    }

    #[getter]
    fn unscaled_covariance<'py>(&self, py: Python<'py>) -> PyResult<Array<'py>> {
        Ok(self.read(py)?.unscaled_covariance().into_pyarray(py))
    }

    /// Bounds of the diagonal of that covariance, which cost much less: the least and the most.
    #[getter]
    fn unscaled_variance_bounds<'py>(&self, py: Python<'py>) -> PyResult<(Array<'py>, Array<'py>)> {
        let (least, most) = self.read(py)?.unscaled_variance_bounds();
        Ok((least.into_pyarray(py), most.into_pyarray(py)))
    }

    /// Bytes of the largest array that a fit cannot do without: of the cross-products or the factor.
    #[getter]
    fn largest_block_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        let fit = self.read(py)?;
        Ok(fit.cp.largest_block_bytes().max(fit.state.blocked.rest.bytes()))
    }

    #[getter]
    fn log_det_omega(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(self.read(py)?.state.blocked.logdet)
    }

    #[getter]
    fn convergence(&self, py: Python<'_>) -> PyResult<(f64, f64, f64, usize)> {
        let fit = self.read(py)?;
        let c = &fit.convergence;
        Ok((c.gradient_norm, c.eigenvalues.0, c.eigenvalues.1, c.evaluations))
    }

    #[getter]
    fn hessian(&self, py: Python<'_>) -> PyResult<Vec<f64>> {
        Ok(self.read(py)?.hessian.clone())
    }

    /// Per factor (caller's order) the working-basis directions without variance, and the basis.
    #[getter]
    fn null_directions(&self, py: Python<'_>) -> PyResult<Vec<NullDirections>> {
        let fit = self.read(py)?;
        let cp = &fit.cp;
        let mut out: Vec<(usize, NullDirections)> = Vec::with_capacity(cp.factors.len());
        for (i, directions) in fit.null_directions.iter().enumerate() {
            let found = NullDirections { directions: directions.clone(), basis: cp.basis.z[i].clone() };
            out.push((cp.order[i], found));
        }
        out.sort_by_key(|(caller, _)| *caller);
        Ok(out.into_iter().map(|(_, found)| found).collect())
    }

    fn random_effects<'py>(&self, py: Python<'py>) -> PyResult<Vec<Array<'py>>> {
        Ok(self.read(py)?.random_effects().into_iter().map(|v| v.into_pyarray(py)).collect())
    }

    fn conditional_covariances<'py>(&self, py: Python<'py>) -> PyResult<Vec<Array<'py>>> {
        let all = self.inner.work(py, self.large(), |fit| Ok(fit.conditional_covariances()))?;
        Ok(all.into_iter().map(|v| v.into_pyarray(py)).collect())
    }

    fn satterthwaite<'py>(&self, py: Python<'py>) -> PyResult<(Array<'py>, Vec<Array<'py>>)> {
        let (h, j) = self.inner.work(py, self.large(), Fit::satterthwaite)?;
        Ok((h.into_pyarray(py), j.into_iter().map(|v| v.into_pyarray(py)).collect()))
    }

    fn linear_predictor<'py>(
        &self,
        py: Python<'py>,
        n: usize,
        x: Vec<Bound<'py, PyAny>>,
        factors: Vec<CodedColumns<'py>>,
        effects: EffectArgs<'py>,
        with: Vec<bool>,
    ) -> PyResult<Array<'py>> {
        let b = effects.random.iter().map(|v| Ok(slice(v)?.to_vec())).collect::<PyResult<Vec<_>>>()?;
        let out = with_rows!(n, x, factors, |rows| {
            let beta = slice(&effects.fixed)?;
            let fit = self.read(py)?;
            detached(py, || fit.linear_predictor(&rows, beta, &b, &with))?
        });
        Ok(out.into_pyarray(py))
    }

    #[pyo3(signature = (n, x, factors, weights=None))]
    fn leverages<'py>(
        &self,
        py: Python<'py>,
        n: usize,
        x: Vec<Bound<'py, PyAny>>,
        factors: Vec<CodedColumns<'py>>,
        weights: Option<PyReadonlyArray1<'py, f64>>,
    ) -> PyResult<Array<'py>> {
        let out = with_rows!(n, x, factors, |rows| {
            let weights = weights.as_ref().map(slice).transpose()?;
            self.inner.work(py, n > MANY_ROWS || self.large(), |fit| Ok(fit.leverages(&rows, weights)))?
        });
        Ok(out.into_pyarray(py))
    }

    fn prediction_variances<'py>(
        &self,
        py: Python<'py>,
        n: usize,
        x: Vec<Bound<'py, PyAny>>,
        factors: Vec<CodedColumns<'py>>,
        with: Vec<bool>,
        unknown: bool,
    ) -> PyResult<Array<'py>> {
        let long = n > MANY_ROWS || self.large();
        let out = with_rows!(n, x, factors, |rows| {
            self.inner.work(py, long, |fit| Ok(fit.prediction_variances(&rows, &with, unknown)))?
        });
        Ok(out.into_pyarray(py))
    }
}
