//! Factor of what is left of ΛᵀAΛ + I after the first grouping factor is eliminated: nothing,
//! a dense matrix (faer), or a sparse one. Chosen from the symbolic fill.

use crate::error::NumericsError;
use crate::linalg::packed::DenseFactor;
use crate::linalg::sparse::{analyse, SparseFactor};
use crate::products::CrossProducts;

/// Largest factor that is allowed, in bytes.
const MEMORY_LIMIT: f64 = 16.0 * 1024.0 * 1024.0 * 1024.0;

/// The factor of the later grouping factors' Schur complement.
#[derive(Debug, Clone)]
pub enum Rest {
    /// One grouping factor: nothing is left.
    Nothing,
    /// Dense, with its inverse once asked for.
    Dense(DenseFactor),
    /// Sparse, with its selected inverse.
    Sparse(Box<SparseFactor>),
}

impl Rest {
    /// Choose the storage for a design.
    pub fn choose(cp: &CrossProducts) -> Result<Self, NumericsError> {
        let n = cp.q_rest();
        if n == 0 {
            return Ok(Rest::Nothing);
        }
        let dense_bytes = 8.0 * (n as f64).powi(2);
        let dense = || {
            if dense_bytes > MEMORY_LIMIT {
                let gib = 1024f64.powi(3);
                return Err(NumericsError::Memory { needed_gib: dense_bytes / gib, limit_gib: MEMORY_LIMIT / gib });
            }
            Ok(Rest::Dense(DenseFactor::new(n)))
        };
        // Clique entries before duplicates are dropped: a bound on the work of finding the pattern.
        let cliques: usize = (0..cp.factors[0].levels).map(|l| cp.lead.columns(l).len().pow(2) / 2).sum();
        if n <= 256 || cp.lead.full || cliques > 40_000_000.max(n * n / 8) {
            return dense();
        }
        let limit = n * (n + 1) / 2 / 8;
        let Some(lower) = pattern(cp, limit) else { return dense() };
        match analyse(n, &lower, limit)? {
            Some(symbolic) => Ok(Rest::Sparse(Box::new(SparseFactor::new(symbolic)))),
            None => dense(),
        }
    }

    /// Identity plus nothing else.
    pub fn reset(&mut self) {
        match self {
            Rest::Nothing => {}
            Rest::Dense(f) => f.reset(),
            Rest::Sparse(f) => f.reset(),
        }
    }

    /// Add to entry `(i, j)`, `i >= j`.
    pub fn add(&mut self, i: usize, j: usize, value: f64) {
        match self {
            Rest::Nothing => {}
            Rest::Dense(f) => f.add(i, j, value),
            Rest::Sparse(f) => f.add(i, j, value),
        }
    }

    /// Factor in place; the log-determinant.
    pub fn factor(&mut self) -> Result<f64, NumericsError> {
        match self {
            Rest::Nothing => Ok(0.0),
            Rest::Dense(f) => f.factor(),
            Rest::Sparse(f) => f.factor(),
        }
    }

    /// First half of a solve on a row-major `n x c` matrix.
    pub fn solve_lower(&self, b: &mut [f64], c: usize) {
        match self {
            Rest::Nothing => {}
            Rest::Dense(f) => f.solve_lower(b, c),
            Rest::Sparse(f) => f.solve_lower(b, c),
        }
    }

    /// Second half of a solve.
    pub fn solve_upper(&self, b: &mut [f64], c: usize) {
        match self {
            Rest::Nothing => {}
            Rest::Dense(f) => f.solve_upper(b, c),
            Rest::Sparse(f) => f.solve_upper(b, c),
        }
    }

    /// Bytes of the factor.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Rest::Nothing => 0,
            Rest::Dense(f) => f.bytes(),
            Rest::Sparse(f) => f.bytes(),
        }
    }

    /// Make the inverse (dense: all of it; sparse: on the factor's pattern).
    pub fn invert(&mut self) {
        match self {
            Rest::Nothing => {}
            Rest::Dense(f) => f.invert(),
            Rest::Sparse(f) => f.invert(),
        }
    }

    /// Entry of the inverse.
    #[inline]
    #[must_use]
    pub fn inverse_at(&self, i: usize, j: usize) -> f64 {
        match self {
            Rest::Nothing => 0.0,
            Rest::Dense(f) => f.inverse_at(i, j),
            Rest::Sparse(f) => f.inverse_at(i, j),
        }
    }

    /// Entry of the inverse, `None` where it was not formed.
    #[must_use]
    pub fn inverse_known(&self, i: usize, j: usize) -> Option<f64> {
        match self {
            Rest::Sparse(f) => f.inverse_known(i, j),
            _ => Some(self.inverse_at(i, j)),
        }
    }
}

/// Most columns for which the pattern is found in a bitmap (8 MiB); above, by sorting.
const BITMAP_LIMIT: usize = 8192;

/// Entries below the diagonal of the Schur complement's pattern; `None` if above `limit`.
fn pattern(cp: &CrossProducts, limit: usize) -> Option<Vec<(u32, u32)>> {
    let n = cp.q_rest();
    if n <= BITMAP_LIMIT {
        let mut bits = vec![0u64; (n * n).div_ceil(64)];
        for_each_entry(cp, |(i, j)| {
            let at = i as usize * n + j as usize;
            bits[at / 64] |= 1 << (at % 64);
        });
        let count: usize = bits.iter().map(|w| w.count_ones() as usize).sum();
        let set = |&at: &usize| bits[at / 64] >> (at % 64) & 1 == 1;
        return (count <= limit).then(|| (0..n * n).filter(set).map(|at| ((at / n) as u32, (at % n) as u32)).collect());
    }
    let mut keys: Vec<(u32, u32)> = Vec::new();
    let mut seen = 0;
    for_each_entry(cp, |key| {
        keys.push(key);
        if keys.len() > 2 * seen + 1_000_000 {
            keys.sort_unstable();
            keys.dedup();
            seen = keys.len();
        }
    });
    keys.sort_unstable();
    keys.dedup();
    (keys.len() <= limit).then_some(keys)
}

/// Every entry `(i, j)`, `i > j`, that some row of the data makes non-zero; often more than once.
fn for_each_entry(cp: &CrossProducts, mut visit: impl FnMut((u32, u32))) {
    for l in 0..cp.factors[0].levels {
        let cols = cp.lead.columns(l);
        for (a, &i) in cols.iter().enumerate() {
            cols[..a].iter().for_each(|&j| visit((i, j)));
        }
    }
    let first = cp.q_lead();
    for (g, f) in cp.factors.iter().enumerate().skip(1) {
        for level in 0..f.levels {
            let at = f.offset - first + level * f.k;
            for i in 0..f.k {
                (0..i).for_each(|j| visit(((at + i) as u32, (at + j) as u32)));
            }
        }
        for pair in cp.pairs.iter().filter(|p| p.second == g) {
            let early = &cp.factors[pair.first];
            for &(l, m) in &pair.levels {
                let (r, c) = (f.offset - first + m as usize * f.k, early.offset - first + l as usize * early.k);
                for i in 0..f.k {
                    (0..early.k).for_each(|j| visit(((r + i) as u32, (c + j) as u32)));
                }
            }
        }
    }
}
