//! Posterior sampling for Python: priors by name, draws as arrays.

use numerics::posterior::Joint;
use numerics::posterior::Prior;
use numerics::posterior::SamplingCost as Estimate;
use numerics::posterior::WarmStart;
use numerics::posterior::{sample, ChainDraws, CollapsedTarget, JointTarget, Plan, Progress};
use numerics::posterior::{LogPosterior, Priors};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::slice;
use crate::crossproducts::PyCrossProducts;
use crate::errors::raise;
use crate::fit::PyFit;
use crate::interrupt::{interruptible, MANY_EFFECTS};
use crate::pool::detached;

/// A prior by its name, as Python's tuple has it.
#[derive(FromPyObject)]
struct Named {
    #[pyo3(item(0))]
    name: String,
    #[pyo3(item(1))]
    parameters: Vec<f64>,
}

fn prior(named: &Named) -> PyResult<Prior> {
    Prior::from_name(&named.name, &named.parameters).map_err(raise)
}

fn priors(all: &[Named]) -> PyResult<Vec<Prior>> {
    all.iter().map(prior).collect()
}

type Array<'py> = Bound<'py, PyArray1<f64>>;

/// Seconds of an effective draw.
#[pyclass(frozen, get_all, module = "partialpool._core")]
#[derive(Debug)]
pub(crate) struct SamplingCost {
    collapsed: f64,
    joint: f64,
    /// Random effects that the joint form samples.
    effects: usize,
    joint_is_quicker: bool,
}

#[pymethods]
impl SamplingCost {
    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}

#[pyclass(name = "LogPosterior", module = "partialpool._core")]
pub(crate) struct PyLogPosterior {
    inner: LogPosterior,
}

#[pymethods]
impl PyLogPosterior {
    #[new]
    fn new(
        cp: &PyCrossProducts,
        beta: Vec<Named>,
        sigma: Named,
        sd: Vec<Vec<Named>>,
        eta: Vec<Vec<f64>>,
        prior_only: bool,
    ) -> PyResult<Self> {
        let sd = sd.iter().map(|s| priors(s)).collect::<PyResult<_>>()?;
        let priors = Priors { beta: priors(&beta)?, sigma: prior(&sigma)?, sd, eta };
        Ok(Self { inner: LogPosterior::new(cp.inner.clone(), priors, prior_only).map_err(raise)? })
    }

    #[getter]
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    /// Log-density on the unconstrained scale and its gradient.
    fn evaluate(&mut self, py: Python<'_>, x: PyReadonlyArray1<'_, f64>) -> PyResult<(f64, Vec<f64>)> {
        let mut gradient = vec![0.0; self.inner.dim()];
        let x = self.checked(&x)?;
        let value = detached(py, || self.inner.evaluate(&x, &mut gradient))?.map_err(raise)?;
        Ok((value, gradient))
    }

    /// Reported parameters of an unconstrained point.
    fn constrain(&self, x: PyReadonlyArray1<'_, f64>) -> PyResult<Vec<f64>> {
        Ok(self.inner.constrain(&self.checked(&x)?))
    }

    /// Unconstrained point near a fit.
    fn near(&self, py: Python<'_>, fit: &PyFit) -> PyResult<Vec<f64>> {
        let fit = fit.read(py)?;
        Ok(self.inner.near(&fit.state.beta, fit.sigma(), &fit.raw_lambda()))
    }

    /// Mode near a fit and `dim x dim` scale there.
    fn mode<'py>(&mut self, py: Python<'py>, fit: &PyFit) -> PyResult<(Vec<f64>, Vec<f64>)> {
        let x = self.near(py, fit)?;
        let inner = &mut self.inner;
        let start = interruptible(py, inner.data().q() > MANY_EFFECTS, || WarmStart::from(inner, x))?;
        Ok((start.centre, start.scale))
    }

    /// What an effective draw costs, as estimated.
    fn cost(&self, py: Python<'_>) -> PyResult<SamplingCost> {
        let cp = self.inner.data();
        let cost = detached(py, || Estimate::of(cp))?.map_err(raise)?;
        let joint_is_quicker = !self.inner.prior_only() && cost.joint_is_quicker(cp);
        Ok(SamplingCost { collapsed: cost.collapsed, joint: cost.joint, effects: cost.effects, joint_is_quicker })
    }

    /// The joint form prepared at an unconstrained point.
    fn joint(&self, py: Python<'_>, x: PyReadonlyArray1<'_, f64>) -> PyResult<PyJointPosterior> {
        let x = self.checked(&x)?;
        let (inner, _) = detached(py, || Joint::at(&self.inner, &x))?.map_err(raise)?;
        Ok(PyJointPosterior { inner })
    }

    /// Draws of each chain, with some random effects sampled if `joint`. `callback(made, divergences, step_size)` is called while they run;
    /// an exception in it, Ctrl-C included, stops the chains: then the last element is true.
    #[allow(clippy::too_many_arguments)]
    fn sample<'py>(
        &mut self,
        py: Python<'py>,
        fit: &PyFit,
        chains: usize,
        warmup: usize,
        draws: usize,
        seed: u64,
        threads: usize,
        target_accept: f64,
        max_depth: usize,
        joint: bool,
        callback: Option<Py<PyAny>>,
    ) -> PyResult<(Vec<Bound<'py, PyDict>>, bool)> {
        let plan = Plan { chains, warmup, draws, seed, threads, target_accept, max_depth };
        let x = self.near(py, fit)?;
        let inner = &mut self.inner;
        let mut interrupted = false;
        let mut poll = |p: Progress| {
            let heard = Python::attach(|py| {
                py.check_signals()?;
                callback.as_ref().map_or(Ok(()), |f| f.call1(py, (p.made, p.divergences, p.step_size)).map(drop))
            });
            interrupted |= heard.is_err();
            heard.is_ok()
        };
        // Signals are heard on the interpreter's thread alone, so that `poll` is not called in the pool.
        let start = detached(py, || WarmStart::from(inner, x))?.map_err(raise)?;
        let all = if joint {
            let target = detached(py, || JointTarget::new(inner, start))?.map_err(raise)?;
            py.detach(|| sample(&target, plan, &mut poll))
        } else {
            let target = CollapsedTarget::new(inner, start);
            py.detach(|| sample(&target, plan, &mut poll))
        }
        .map_err(raise)?;
        let all = all.into_iter().map(|chain| as_dict(py, chain)).collect::<PyResult<_>>()?;
        Ok((all, interrupted))
    }

    /// Random effects of reported draws, flat: draws x q, factors in the caller's order.
    fn random_effects<'py>(
        &self,
        py: Python<'py>,
        reported: PyReadonlyArray1<'_, f64>,
        seed: u64,
        first: u64,
        from_prior: bool,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let values = slice(&reported)?;
        let out = detached(py, || self.inner.random_effects(values, seed, first, from_prior))?.map_err(raise)?;
        Ok(out.into_pyarray(py))
    }
}

impl PyLogPosterior {
    fn checked(&self, x: &PyReadonlyArray1<'_, f64>) -> PyResult<Vec<f64>> {
        let x = slice(x)?;
        if x.len() != self.inner.dim() {
            let what = "unconstrained point";
            return Err(raise(numerics::NumericsError::Length { what, found: x.len(), expected: self.inner.dim() }));
        }
        Ok(x.to_vec())
    }
}

/// The log-posterior of the parameters and of random effects that are sampled.
#[pyclass(name = "JointPosterior", module = "partialpool._core")]
pub(crate) struct PyJointPosterior {
    inner: Joint,
}

#[pymethods]
impl PyJointPosterior {
    #[getter]
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    /// Log-density at unconstrained parameters and z, and its gradient.
    fn evaluate(&mut self, py: Python<'_>, x: PyReadonlyArray1<'_, f64>) -> PyResult<(f64, Vec<f64>)> {
        let x = slice(&x)?;
        let expected = self.inner.dim();
        if x.len() != expected {
            let what = "unconstrained point";
            return Err(raise(numerics::NumericsError::Length { what, found: x.len(), expected }));
        }
        let mut gradient = vec![0.0; expected];
        let value = detached(py, || self.inner.evaluate(x, &mut gradient))?.map_err(raise)?;
        Ok((value, gradient))
    }
}

fn as_dict(py: Python<'_>, chain: ChainDraws) -> PyResult<Bound<'_, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("values", chain.values.into_pyarray(py))?;
    out.set_item("lp", chain.log_density.into_pyarray(py))?;
    out.set_item("energy", chain.energy.into_pyarray(py))?;
    out.set_item("tree_depth", chain.depth.into_pyarray(py))?;
    out.set_item("reached_max_treedepth", chain.depth_reached.into_pyarray(py))?;
    out.set_item("diverging", chain.diverging.into_pyarray(py))?;
    out.set_item("step_size", chain.step_size.into_pyarray(py))?;
    out.set_item("evaluations", chain.evaluations)?;
    Ok(out)
}

/// Log-density of a prior and its derivative at each point.
#[pyfunction]
pub(crate) fn prior_density<'py>(
    py: Python<'py>,
    name: String,
    parameters: Vec<f64>,
    x: PyReadonlyArray1<'_, f64>,
) -> PyResult<(Array<'py>, Array<'py>)> {
    let prior = Prior::from_name(&name, &parameters).map_err(raise)?;
    let (value, slope): (Vec<f64>, Vec<f64>) = slice(&x)?.iter().map(|x| prior.log_density(*x)).unzip();
    Ok((value.into_pyarray(py), slope.into_pyarray(py)))
}
