//! Arrays of Python, held while Rust borrows from them.

use numerics::covariance::Block;
use numerics::{Column, FactorInput, Input};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::raise;

/// A column as it comes from Python: a number or a contiguous array of doubles.
pub(crate) enum HeldColumn<'py> {
    Constant(f64),
    Values(PyReadonlyArray1<'py, f64>),
}

impl<'py> HeldColumn<'py> {
    pub(crate) fn new(any: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(array) = any.cast::<PyArray1<f64>>() {
            return Ok(HeldColumn::Values(array.try_readonly().map_err(|e| PyValueError::new_err(e.to_string()))?));
        }
        Ok(HeldColumn::Constant(any.extract()?))
    }

    pub(crate) fn column(&self) -> PyResult<Column<'_>> {
        Ok(match self {
            HeldColumn::Constant(c) => Column::Constant(*c),
            HeldColumn::Values(v) => Column::Values(slice(v)?),
        })
    }
}

pub(crate) fn slice<'a, T: numpy::Element>(a: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    a.as_slice().map_err(|_| PyValueError::new_err("arrays must be contiguous"))
}

pub(crate) fn hold<'py>(columns: &[Bound<'py, PyAny>]) -> PyResult<Vec<HeldColumn<'py>>> {
    columns.iter().map(HeldColumn::new).collect()
}

pub(crate) fn columns<'a>(held: &'a [HeldColumn]) -> PyResult<Vec<Column<'a>>> {
    held.iter().map(HeldColumn::column).collect()
}

/// A block of columns and the structure of its covariance, as Python's dataclass has them.
#[derive(FromPyObject)]
struct BlockArgs {
    kind: String,
    size: usize,
}

/// The random effects of one grouping factor, as Python's tuple has them.
#[derive(FromPyObject)]
pub(crate) struct FactorArgs<'py> {
    #[pyo3(item(0))]
    codes: PyReadonlyArray1<'py, u32>,
    #[pyo3(item(1))]
    levels: usize,
    #[pyo3(item(2))]
    columns: Vec<Bound<'py, PyAny>>,
    #[pyo3(item(3))]
    blocks: Vec<BlockArgs>,
}

/// The columns of one grouping factor and its codes, as Python's tuple has them.
#[derive(FromPyObject)]
pub(crate) struct CodedColumns<'py> {
    #[pyo3(item(0))]
    pub(crate) columns: Vec<Bound<'py, PyAny>>,
    #[pyo3(item(1))]
    pub(crate) codes: PyReadonlyArray1<'py, u32>,
}

/// The arrays of an `Input`, held while Rust borrows from them.
pub(crate) struct HeldInput<'py> {
    y: PyReadonlyArray1<'py, f64>,
    x: Vec<HeldColumn<'py>>,
    factors: Vec<HeldFactor<'py>>,
    weights: Option<PyReadonlyArray1<'py, f64>>,
}

/// The arrays of a `FactorInput`.
struct HeldFactor<'py> {
    codes: PyReadonlyArray1<'py, u32>,
    levels: usize,
    columns: Vec<HeldColumn<'py>>,
    blocks: Vec<Block>,
}

impl<'py> HeldInput<'py> {
    pub(crate) fn new(
        y: PyReadonlyArray1<'py, f64>,
        x: Vec<Bound<'py, PyAny>>,
        given: Vec<FactorArgs<'py>>,
        weights: Option<PyReadonlyArray1<'py, f64>>,
    ) -> PyResult<Self> {
        let mut factors = Vec::with_capacity(given.len());
        for FactorArgs { codes, levels, columns, blocks } in given {
            if blocks.iter().map(|b| b.size).sum::<usize>() != columns.len() || columns.is_empty() {
                return Err(PyValueError::new_err("blocks must add up to the columns"));
            }
            let blocks =
                blocks.iter().map(|b| Block::named(&b.kind, b.size)).collect::<Result<_, _>>().map_err(raise)?;
            factors.push(HeldFactor { codes, levels, columns: hold(&columns)?, blocks });
        }
        Ok(HeldInput { y, x: hold(&x)?, factors, weights })
    }

    pub(crate) fn input(&self) -> PyResult<Input<'_>> {
        let mut factors = Vec::with_capacity(self.factors.len());
        for f in &self.factors {
            let (codes, columns) = (slice(&f.codes)?, columns(&f.columns)?);
            factors.push(FactorInput { codes, levels: f.levels, columns, blocks: f.blocks.clone() });
        }
        let weights = self.weights.as_ref().map(slice).transpose()?;
        Ok(Input { y: slice(&self.y)?, weights, x: columns(&self.x)?, factors })
    }
}
