//! The only place that knows both Python and the numerics: arrays in, arrays out, no algorithm.
#![allow(missing_docs)] // documented for Python in _core.pyi

mod arrays;
mod crossproducts;
mod errors;
mod fit;
mod inference;
mod influence;
mod interrupt;
mod pool;
mod posterior;
mod profile;
mod shared;
mod simulation;

use pyo3::prelude::*;

#[pymodule]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<crossproducts::PyCrossProducts>()?;
    m.add_class::<fit::PyFit>()?;
    m.add_class::<fit::NullDirections>()?;
    m.add_class::<inference::Undetermined>()?;
    m.add_class::<simulation::SimulatedTest>()?;
    m.add_class::<profile::ProfilePoint>()?;
    m.add_class::<profile::ProfileSide>()?;
    m.add_class::<posterior::SamplingCost>()?;
    m.add_class::<posterior::PyLogPosterior>()?;
    m.add_class::<posterior::PyJointPosterior>()?;
    m.add_function(wrap_pyfunction!(posterior::prior_density, m)?)?;
    m.add("CoreError", m.py().get_type::<errors::CoreError>())?;
    m.add("NoResidualError", m.py().get_type::<errors::NoResidualError>())?;
    m.add("MemoryLimitError", m.py().get_type::<errors::MemoryLimitError>())?;
    m.add_function(wrap_pyfunction!(crossproducts::encode, m)?)?;
    m.add_function(wrap_pyfunction!(inference::kenward_roger, m)?)?;
    m.add_function(wrap_pyfunction!(inference::fixed_root, m)?)?;
    m.add_function(wrap_pyfunction!(inference::undetermined, m)?)?;
    m.add_function(wrap_pyfunction!(simulation::null_spectrum, m)?)?;
    m.add_function(wrap_pyfunction!(simulation::null_draws, m)?)?;
    m.add_function(wrap_pyfunction!(simulation::simulated_response, m)?)?;
    m.add_function(wrap_pyfunction!(simulation::bootstrap_refits, m)?)?;
    m.add_function(wrap_pyfunction!(simulation::simulated_tests, m)?)?;
    m.add_function(wrap_pyfunction!(profile::profile_sides, m)?)?;
    m.add_function(wrap_pyfunction!(influence::delete_rows, m)?)?;
    m.add_function(wrap_pyfunction!(influence::smoothed_columns, m)?)?;
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}
