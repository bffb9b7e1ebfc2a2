//! The random effects of one grouping factor: their shape, and the blocks of their covariance.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::covariance::block::Block;
use crate::covariance::structure::Structure;

/// Shape of one grouping factor's random effects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// Number of levels.
    pub levels: usize,
    /// Columns (random coefficients per level).
    pub k: usize,
    /// The independent blocks of their covariance.
    blocks: Vec<Block>,
    /// First of its rows among all random effects.
    pub offset: usize,
}

impl Factor {
    /// A factor whose columns are those of the blocks, one after another.
    #[must_use]
    pub fn new(levels: usize, blocks: Vec<Block>, offset: usize) -> Self {
        Factor { levels, k: blocks.iter().map(|b| b.size()).sum(), blocks, offset }
    }

    /// The same effects of other levels, elsewhere.
    #[must_use]
    pub fn moved(&self, levels: usize, offset: usize) -> Self {
        Factor { levels, offset, ..self.clone() }
    }

    /// Its blocks, in the order of their columns.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The same columns with other blocks, which may contradict them.
    #[cfg(test)]
    pub(crate) fn with_blocks(&self, blocks: Vec<Block>) -> Self {
        Factor { blocks, ..self.clone() }
    }

    /// No block is empty, and together they have the factor's columns.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let columns = self.blocks.iter().try_fold(0usize, |sum, b| sum.checked_add(b.size()));
        self.levels > 0 && self.k > 0 && self.blocks.iter().all(|b| b.size() > 0) && columns == Some(self.k)
    }

    /// The structure of each covariance block with its columns.
    pub fn structures(&self) -> impl Iterator<Item = (Range<usize>, &dyn Structure)> + '_ {
        self.blocks.iter().scan(0, |start, block| {
            *start += block.size();
            Some((*start - block.size()..*start, &**block))
        })
    }

    /// `(row, column)` of the entry of the k x k factor `Λ` that each parameter is named for.
    #[must_use]
    pub fn free_entries(&self) -> Vec<(usize, usize)> {
        let within = |(columns, s): (Range<usize>, &dyn Structure)| {
            s.entries().into_iter().map(move |(i, j)| (columns.start + i, columns.start + j))
        };
        self.structures().flat_map(within).collect()
    }

    /// Symmetric `k x k` matrices of zeros and ones that span the covariances: the entries of each that are one.
    #[must_use]
    pub fn patterns(&self) -> Vec<Vec<(usize, usize)>> {
        let mut out = Vec::new();
        for (columns, structure) in self.structures() {
            for mut pattern in structure.patterns() {
                pattern.iter_mut().for_each(|(i, j)| (*i, *j) = (columns.start + *i, columns.start + *j));
                out.push(pattern);
            }
        }
        out
    }

    /// The run of exchangeable columns that all of these are among.
    #[must_use]
    pub fn run_of(&self, columns: &[usize]) -> Option<Range<usize>> {
        let runs = self.structures().flat_map(|(own, s)| {
            s.exchangeable().into_iter().map(move |run| own.start + run.start..own.start + run.end)
        });
        runs.into_iter().find(|run| columns.iter().all(|c| run.contains(c)))
    }

    /// Free parameters of all blocks.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.blocks.iter().map(|b| b.parameters()).sum()
    }

    /// Free correlations of all blocks.
    #[must_use]
    pub fn correlations(&self) -> usize {
        self.blocks.iter().map(|b| b.correlations()).sum()
    }

    /// Not every covariance matrix of the columns is one of the model's.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.parameters() < self.k * (self.k + 1) / 2
    }

    /// A diagonal block of a `k x k` matrix.
    #[must_use]
    pub fn block(&self, m: &[f64], columns: &Range<usize>) -> Vec<f64> {
        columns.clone().flat_map(|i| m[i * self.k + columns.start..i * self.k + columns.end].iter().copied()).collect()
    }

    /// Put a diagonal block into a `k x k` matrix.
    pub fn place(&self, m: &mut [f64], columns: &Range<usize>, block: &[f64]) {
        for (i, row) in columns.clone().zip(block.chunks_exact(columns.len())) {
            m[i * self.k + columns.start..i * self.k + columns.end].copy_from_slice(row);
        }
    }

    /// The block-diagonal matrix of what `change` makes of each diagonal block, given its structure.
    pub fn blockwise(&self, m: &[f64], change: impl Fn(&[f64], &dyn Structure) -> Vec<f64>) -> Vec<f64> {
        self.assemble(|columns, structure| change(&self.block(m, columns), structure))
    }

    /// The block-diagonal matrix of the blocks that `make` makes.
    pub fn assemble(&self, mut make: impl FnMut(&Range<usize>, &dyn Structure) -> Vec<f64>) -> Vec<f64> {
        let mut out = vec![0.0; self.k * self.k];
        for (columns, structure) in self.structures() {
            let block = make(&columns, structure);
            self.place(&mut out, &columns, &block);
        }
        out
    }
}
