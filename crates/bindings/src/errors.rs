//! What is raised: the numerics' errors as exceptions of Python.

use numerics::NumericsError;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(_core, CoreError, PyException);
create_exception!(_core, NoResidualError, CoreError);
create_exception!(_core, MemoryLimitError, CoreError);

/// The exception of an error.
pub(crate) fn raise(e: NumericsError) -> PyErr {
    let text = e.to_string();
    match e {
        NumericsError::NoResidual => NoResidualError::new_err(text),
        NumericsError::Memory { .. } => MemoryLimitError::new_err(text),
        _ => CoreError::new_err(text),
    }
}
