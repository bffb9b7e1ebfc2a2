//! Factor of what is left of ΛᵀAΛ + I after the first grouping factor is eliminated: nothing,
//! a dense matrix (faer), or a sparse one. Chosen from the symbolic fill.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Accum, MatMut, MatRef, Par};

use crate::crossproducts::CrossProducts;
use crate::dense;
use crate::error::NumericsError;
use crate::sparse::{analyse, SparseFactor};

/// Splits of large dense work. Fixed, so that sums do not depend on the number of threads.
const TASKS: usize = 2;
const SMALL: usize = 24;
/// Largest factor that is allowed, in bytes.
const MEMORY_LIMIT: f64 = 16.0 * 1024.0 * 1024.0 * 1024.0;

/// The factor of the later grouping factors' Schur complement.
#[derive(Debug, Clone)]
pub enum Rest {
    /// One grouping factor: nothing is left.
    Nothing,
    /// Column-major lower triangle, and its inverse once asked for.
    Dense {
        /// Order.
        n: usize,
        /// The matrix, then its factor.
        l: Vec<f64>,
        /// Full symmetric inverse.
        inv: Vec<f64>,
    },
    /// Sparse, with its selected inverse.
    Sparse(Box<SparseFactor>),
}

fn par(n: usize) -> Par {
    if n >= 96 {
        Par::rayon(TASKS)
    } else {
        Par::Seq
    }
}

impl Rest {
    /// Choose the storage for a design.
    pub fn choose(cp: &CrossProducts) -> Result<Self, NumericsError> {
        let n = cp.q_rest();
        if n == 0 {
            return Ok(Rest::Nothing);
        }
        let dense_bytes = 16.0 * (n as f64).powi(2);
        let dense = || {
            if dense_bytes > MEMORY_LIMIT {
                let gib = 1024f64.powi(3);
                return Err(NumericsError::Memory { needed_gib: dense_bytes / gib, limit_gib: MEMORY_LIMIT / gib });
            }
            Ok(Rest::Dense { n, l: vec![0.0; n * n], inv: Vec::new() })
        };
        // Clique entries before duplicates are dropped: a bound on the work of finding the pattern.
        let cliques: usize = (0..cp.factors[0].levels).map(|l| cp.lead.columns(l).len().pow(2) / 2).sum();
        if n <= 256 || cp.lead.full || cliques > 40_000_000.max(n * n / 8) {
            return dense();
        }
        let lower = pattern(cp);
        let limit = n * (n + 1) / 2 / 8;
        match analyse(n, &lower, limit)? {
            Some(symbolic) => Ok(Rest::Sparse(Box::new(SparseFactor::new(symbolic)))),
            None => dense(),
        }
    }

    /// Identity plus nothing else.
    pub fn reset(&mut self) {
        match self {
            Rest::Nothing => {}
            Rest::Dense { n, l, .. } => {
                l.fill(0.0);
                (0..*n).for_each(|i| l[i * *n + i] = 1.0);
            }
            Rest::Sparse(f) => f.reset(),
        }
    }

    /// Add to entry `(i, j)`, `i >= j`.
    pub fn add(&mut self, i: usize, j: usize, value: f64) {
        match self {
            Rest::Nothing => {}
            Rest::Dense { n, l, .. } => l[j * *n + i] += value,
            Rest::Sparse(f) => f.add(i, j, value),
        }
    }

    /// Subtract `CᵀC` for a complete row-major `m x n` matrix `C`.
    pub fn subtract_gram(&mut self, c: &[f64], m: usize) {
        if let Rest::Dense { n, l, .. } = self {
            let ct = MatRef::from_column_major_slice(c, *n, m);
            triangular_matmul(
                MatMut::from_column_major_slice_mut(l, *n, *n),
                BlockStructure::TriangularLower,
                Accum::Add,
                ct,
                BlockStructure::Rectangular,
                ct.transpose(),
                BlockStructure::Rectangular,
                -1.0,
                par(*n),
            );
        }
    }

    /// Factor in place; the log-determinant.
    pub fn factor(&mut self) -> Result<f64, NumericsError> {
        match self {
            Rest::Nothing => Ok(0.0),
            Rest::Dense { n, l, .. } => {
                let n = *n;
                if n <= SMALL {
                    // Column-major lower is row-major upper: go through the transpose.
                    let mut a = dense::transpose(l, n, n);
                    dense::cholesky(&mut a, n)?;
                    *l = dense::transpose(&a, n, n);
                } else {
                    let scratch = llt::factor::cholesky_in_place_scratch::<f64>(n, par(n), Default::default());
                    let mut memory = MemBuffer::new(scratch);
                    llt::factor::cholesky_in_place(
                        MatMut::from_column_major_slice_mut(l, n, n),
                        Default::default(),
                        par(n),
                        MemStack::new(&mut memory),
                        Default::default(),
                    )
                    .map_err(|_| NumericsError::NotPositive(0))?;
                }
                let logdet = (0..n).map(|i| 2.0 * l[i * n + i].ln()).sum::<f64>();
                if logdet.is_finite() {
                    Ok(logdet)
                } else {
                    Err(NumericsError::NotPositive(0))
                }
            }
            Rest::Sparse(f) => f.factor(),
        }
    }

    /// First half of a solve on a row-major `n x c` matrix.
    pub fn solve_lower(&self, b: &mut [f64], c: usize) {
        match self {
            Rest::Nothing => {}
            Rest::Dense { n, l, .. } => {
                let l = MatRef::from_column_major_slice(l, *n, *n);
                solve_lower_triangular_in_place(l, MatMut::from_row_major_slice_mut(b, *n, c), par(*n));
            }
            Rest::Sparse(f) => f.solve_lower(b, c),
        }
    }

    /// Second half of a solve.
    pub fn solve_upper(&self, b: &mut [f64], c: usize) {
        match self {
            Rest::Nothing => {}
            Rest::Dense { n, l, .. } => {
                let l = MatRef::from_column_major_slice(l, *n, *n);
                solve_upper_triangular_in_place(l.transpose(), MatMut::from_row_major_slice_mut(b, *n, c), par(*n));
            }
            Rest::Sparse(f) => f.solve_upper(b, c),
        }
    }

    /// Make the inverse (dense: all of it; sparse: on the factor's pattern).
    pub fn invert(&mut self) {
        match self {
            Rest::Nothing => {}
            Rest::Dense { n, l, inv } => {
                let n = *n;
                inv.resize(n * n, 0.0);
                crate::dense_inverse::invert(l, inv, n, par(n));
            }
            Rest::Sparse(f) => f.invert(),
        }
    }

    /// Entry of the inverse.
    #[inline]
    #[must_use]
    pub fn inverse_at(&self, i: usize, j: usize) -> f64 {
        match self {
            Rest::Nothing => 0.0,
            Rest::Dense { n, inv, .. } => inv[j * n + i],
            Rest::Sparse(f) => f.inverse_at(i, j),
        }
    }

    /// Column `j` of a dense inverse.
    #[must_use]
    pub fn dense_inverse(&self) -> Option<(&[f64], usize)> {
        match self {
            Rest::Dense { n, inv, .. } => Some((inv, *n)),
            _ => None,
        }
    }
}

/// Entries below the diagonal of the Schur complement's pattern.
fn pattern(cp: &CrossProducts) -> Vec<(u32, u32)> {
    let mut keys: Vec<(u32, u32)> = Vec::new();
    let mut seen_from = 0;
    for l in 0..cp.factors[0].levels {
        let cols = cp.lead.columns(l);
        for (a, &i) in cols.iter().enumerate() {
            keys.extend(cols[..a].iter().map(|&j| (i, j)));
        }
        if keys.len() > 2 * seen_from + 1_000_000 {
            keys.sort_unstable();
            keys.dedup();
            seen_from = keys.len();
        }
    }
    let first = cp.q_lead();
    for (g, f) in cp.factors.iter().enumerate().skip(1) {
        for level in 0..f.levels {
            let at = f.offset - first + level * f.k;
            for i in 0..f.k {
                keys.extend((0..i).map(|j| ((at + i) as u32, (at + j) as u32)));
            }
        }
        for pair in cp.pairs.iter().filter(|p| p.second == g) {
            let early = &cp.factors[pair.first];
            for &(l, m) in &pair.levels {
                let (r, c) = (f.offset - first + m as usize * f.k, early.offset - first + l as usize * early.k);
                for i in 0..f.k {
                    keys.extend((0..early.k).map(|j| ((r + i) as u32, (c + j) as u32)));
                }
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}
