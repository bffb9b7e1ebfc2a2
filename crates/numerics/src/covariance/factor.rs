//! The random effects of one grouping factor: their shape, and the blocks of their covariance.

use serde::{Deserialize, Serialize};

use crate::covariance::structure::Structure;
use crate::covariance::unstructured::Unstructured;

/// Shape of one grouping factor's random effects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// Number of levels.
    pub levels: usize,
    /// Columns (random coefficients per level).
    pub k: usize,
    /// Sizes of the independent covariance blocks.
    pub blocks: Vec<usize>,
    /// First of its rows among all random effects.
    pub offset: usize,
}

impl Factor {
    /// The structure of each covariance block with its columns. A diagonal covariance (`||`) is one block a column.
    pub fn structures(&self) -> impl Iterator<Item = (std::ops::Range<usize>, impl Structure)> + '_ {
        self.block_ranges().map(|columns| {
            let size = columns.len();
            (columns, Unstructured { size })
        })
    }

    /// `(row, column)` of each free entry of the k x k factor `Λ`: block by block as their structures have them.
    #[must_use]
    pub fn free_entries(&self) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        for (columns, structure) in self.structures() {
            out.extend(structure.entries().into_iter().map(|(i, j)| (columns.start + i, columns.start + j)));
        }
        out
    }

    /// Free parameters of all blocks.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.structures().map(|(_, structure)| structure.parameters()).sum()
    }

    /// Columns of each covariance block.
    pub fn block_ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        self.blocks.iter().scan(0, |start, &size| {
            *start += size;
            Some(*start - size..*start)
        })
    }

    /// A diagonal block of a `k x k` matrix.
    #[must_use]
    pub fn block(&self, m: &[f64], columns: &std::ops::Range<usize>) -> Vec<f64> {
        columns.clone().flat_map(|i| m[i * self.k + columns.start..i * self.k + columns.end].iter().copied()).collect()
    }

    /// Put a diagonal block into a `k x k` matrix.
    pub fn place(&self, m: &mut [f64], columns: &std::ops::Range<usize>, block: &[f64]) {
        for (i, row) in columns.clone().zip(block.chunks_exact(columns.len())) {
            m[i * self.k + columns.start..i * self.k + columns.end].copy_from_slice(row);
        }
    }

    /// The block-diagonal matrix of what `change` makes of each diagonal block, given its structure.
    pub fn blockwise(&self, m: &[f64], change: impl Fn(&[f64], &dyn Structure) -> Vec<f64>) -> Vec<f64> {
        self.assemble(|columns, structure| change(&self.block(m, columns), structure))
    }

    /// The block-diagonal matrix of the blocks that `make` makes.
    pub fn assemble(&self, mut make: impl FnMut(&std::ops::Range<usize>, &dyn Structure) -> Vec<f64>) -> Vec<f64> {
        let mut out = vec![0.0; self.k * self.k];
        for (columns, structure) in self.structures() {
            let block = make(&columns, &structure);
            self.place(&mut out, &columns, &block);
        }
        out
    }
}
