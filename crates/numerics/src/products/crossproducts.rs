//! The sufficient statistics of a linear mixed model: `A = [Z X y]ᵀ W [Z X y]`, in blocks.
//!
//! Everything after this sees the rows only through `CrossProducts` (theory.md §1).

use serde::{Deserialize, Serialize};

use crate::covariance::{Block, Factor, Passage};
use crate::error::NumericsError;
use crate::products::basis::Basis;

/// What stored cross-products begin with: the last byte is the version, raised when a field changes.
const FORMAT: [u8; 4] = *b"ppc\x02";

/// One column of a design: a constant, or one value per row.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    /// The same value in every row (the intercept).
    Constant(f64),
    /// One value per row.
    Values(&'a [f64]),
}

impl<'a> Column<'a> {
    /// Some of its rows.
    #[must_use]
    pub fn rows(&self, rows: &std::ops::Range<usize>) -> Column<'a> {
        match self {
            Column::Constant(c) => Column::Constant(*c),
            Column::Values(v) => Column::Values(&v[rows.clone()]),
        }
    }

    /// The value in row `i`.
    #[inline]
    #[must_use]
    pub fn at(&self, i: usize) -> f64 {
        match self {
            Column::Constant(c) => *c,
            Column::Values(v) => v[i],
        }
    }
}

/// The random effects of one grouping factor as they come in.
#[derive(Debug, Clone)]
pub struct FactorInput<'a> {
    /// Level of each row, in `0..levels`.
    pub codes: &'a [u32],
    /// Number of levels.
    pub levels: usize,
    /// The columns with random coefficients, all terms of the factor side by side.
    pub columns: Vec<Column<'a>>,
    /// The independent blocks of their covariance; together they have all columns.
    pub blocks: Vec<Block>,
}

/// A whole model's rows.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// Response, n values.
    pub y: &'a [f64],
    /// Prior weights, n positive values.
    pub weights: Option<&'a [f64]>,
    /// Columns of the fixed part.
    pub x: Vec<Column<'a>>,
    /// Grouping factors.
    pub factors: Vec<FactorInput<'a>>,
}

/// Products of the first factor with all later ones: for each of its levels the columns that it
/// meets (ascending, counted from the second factor's first) and a `k x width` block.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Lead {
    /// Start of each level's columns; `levels + 1` entries.
    pub ptr: Vec<usize>,
    /// Columns met.
    pub cols: Vec<u32>,
    /// Values; level `l`'s block starts at `k * ptr[l]`, row-major `k x width`.
    pub vals: Vec<f64>,
    /// Every level meets every column.
    pub full: bool,
}

impl Lead {
    /// The columns of a level.
    #[must_use]
    pub fn columns(&self, l: usize) -> &[u32] {
        &self.cols[self.ptr[l]..self.ptr[l + 1]]
    }

    /// Where a level's block lies among the values.
    #[must_use]
    pub fn span(&self, l: usize, k: usize) -> std::ops::Range<usize> {
        k * self.ptr[l]..k * self.ptr[l + 1]
    }
}

/// Products of two later factors: the pairs of levels that meet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pair {
    /// Index of the earlier factor (at least 1).
    pub first: usize,
    /// Index of the later factor.
    pub second: usize,
    /// Levels that meet.
    pub levels: Vec<(u32, u32)>,
    /// Their `k_first x k_second` blocks, row-major, one after another.
    pub vals: Vec<f64>,
}

/// Blocked cross-products of a mixed model in a working basis (see `basis.rs`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CrossProducts {
    /// Rows.
    pub n: usize,
    /// Sum of the logarithms of the prior weights.
    pub sum_log_weights: f64,
    /// Factors, the one with most random effects first.
    pub factors: Vec<Factor>,
    /// `order[i]` is the caller's index of factor `i`.
    pub order: Vec<usize>,
    /// Number of fixed-effect columns kept.
    pub p: usize,
    /// Per factor, the `levels` diagonal `k x k` blocks of ZᵀWZ.
    pub zz: Vec<Vec<f64>>,
    /// ZᵀW[X y], row-major with `p + 1` columns.
    pub zx: Vec<f64>,
    /// Blocks between the first factor and the later ones.
    pub lead: Lead,
    /// Blocks among the later factors.
    pub pairs: Vec<Pair>,
    /// [X y]ᵀW[X y], `(p + 1)²`.
    pub xx: Vec<f64>,
    /// The working basis.
    pub basis: Basis,
}

impl CrossProducts {
    /// Number of random effects.
    #[must_use]
    pub fn q(&self) -> usize {
        self.factors.iter().map(|f| f.levels * f.k).sum()
    }

    /// Random effects of the first factor.
    #[must_use]
    pub fn q_lead(&self) -> usize {
        self.factors.first().map_or(0, |f| f.levels * f.k)
    }

    /// Random effects of the later factors.
    #[must_use]
    pub fn q_rest(&self) -> usize {
        self.q() - self.q_lead()
    }

    /// Columns of [X y].
    #[must_use]
    pub fn c(&self) -> usize {
        self.p + 1
    }

    /// Free covariance parameters.
    #[must_use]
    pub fn n_theta(&self) -> usize {
        self.factors.iter().map(Factor::parameters).sum()
    }

    /// Between the caller's Λ and the working ones.
    #[must_use]
    pub fn passage(&self) -> Passage<'_> {
        Passage { factors: &self.factors, order: &self.order, basis: &self.basis.z }
    }

    /// For each column of the later factors, the factor that it belongs to.
    #[must_use]
    pub fn rest_owner(&self) -> Vec<u16> {
        let mut owner = Vec::with_capacity(self.q_rest());
        for (i, f) in self.factors.iter().enumerate().skip(1) {
            owner.extend(std::iter::repeat_n(i as u16, f.levels * f.k));
        }
        owner
    }

    /// Bytes held by the largest single array.
    #[must_use]
    pub fn largest_block_bytes(&self) -> usize {
        let zz = self.zz.iter().map(Vec::len).max().unwrap_or(0);
        8 * zz.max(self.zx.len()).max(self.lead.vals.len())
    }

    /// A compact, versioned byte string.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NumericsError> {
        let start = FORMAT.to_vec();
        postcard::to_extend(self, start).map_err(|e| NumericsError::State(e.to_string()))
    }

    /// The inverse of [`CrossProducts::to_bytes`]; checks what later code relies on.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NumericsError> {
        let Some(bytes) = bytes.strip_prefix(&FORMAT) else {
            return Err(NumericsError::State("of another version".into()));
        };
        let (cp, left): (Self, _) =
            postcard::take_from_bytes(bytes).map_err(|e| NumericsError::State(e.to_string()))?;
        if !left.is_empty() {
            return Err(NumericsError::State("bytes left over".into()));
        }
        cp.check()?;
        Ok(cp)
    }
}
