//! What a structure of covariance says of one block of random effects.

use std::ops::Range;

use crate::covariance::correlations::Correlations;

/// The changes of a block's columns (row · T) that leave its covariance within the structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasisChanges {
    /// Any invertible T.
    Any,
    /// Each column in a unit of its own.
    Diagonal,
    /// All columns in one unit.
    Scalar,
}

/// The covariance ΛΛᵀ of one block, `size x size`, in its free parameters θ. All matrices are row-major.
pub trait Structure: Correlations {
    /// Columns of the block.
    fn size(&self) -> usize;

    /// What may be done to the columns.
    fn basis_changes(&self) -> BasisChanges;

    /// Runs of columns that may change places: within each, every covariance is free.
    fn exchangeable(&self) -> Vec<Range<usize>>;

    /// Number of free parameters.
    fn parameters(&self) -> usize;

    /// The entry of Λ that each parameter is named for, in the order of θ.
    fn entries(&self) -> Vec<(usize, usize)>;

    /// Which parameters are standard deviations but for a sign: zero at the boundary, and stationary there.
    fn scale_parameters(&self) -> Vec<bool> {
        self.entries().into_iter().map(|(i, j)| i == j).collect()
    }

    /// Symmetric matrices of zeros and ones that span the covariances of the structure: the entries of each
    /// that are one.
    fn patterns(&self) -> Vec<Vec<(usize, usize)>>;

    /// θ → Λ.
    fn factor(&self, theta: &[f64]) -> Vec<f64>;

    /// θ of a Λ of this structure.
    fn theta(&self, lam: &[f64]) -> Vec<f64>;

    /// dΛ/dθ of each parameter at θ.
    fn directions(&self, theta: &[f64]) -> Vec<Vec<f64>>;

    /// The derivative in θ, from that in every entry of Λ.
    fn pull_back(&self, theta: &[f64], d_lam: &[f64]) -> Vec<f64> {
        let along = |d: Vec<f64>| d.iter().zip(d_lam).map(|(d, s)| d * s).sum();
        self.directions(theta).into_iter().map(along).collect()
    }

    /// What the second derivatives of Λ add to a Hessian in θ, given the derivative in every entry of Λ;
    /// `None` where Λ is linear in θ.
    fn bend(&self, theta: &[f64], d_lam: &[f64]) -> Option<Vec<f64>>;

    /// The Λ of this structure's form with the same ΛΛᵀ, of one that a change of basis which the structure
    /// allows may have turned.
    fn canonical(&self, lam: &[f64]) -> Vec<f64>;

    /// The covariance of this structure nearest to any other.
    fn nearest(&self, sigma: &[f64]) -> Vec<f64>;

    /// The change of the columns' basis, of those allowed, that brings their Gram matrix nearest to n·I.
    fn whitening(&self, gram: &[f64], n: f64) -> Vec<f64>;

    /// A Λ to start from: standard deviations of `size`, and what stands off the diagonal at `lean` times that.
    fn start(&self, size: f64, lean: f64) -> Vec<f64>;

    /// Directions in which the covariance has a standard deviation below `tolerance`: orthonormal rows.
    fn null_directions(&self, lam: &[f64], tolerance: f64) -> Vec<Vec<f64>>;

    /// Λ without the directions whose standard deviation is not zero, but below `tolerance`.
    fn without_noise(&self, lam: &[f64], tolerance: f64) -> Vec<f64>;

    /// Whether some direction has so small a share of the largest standard deviation (at least 1) that
    /// valleys of the criterion bend in θ, and another frame would straighten them.
    fn is_narrow(&self, lam: &[f64], share: f64) -> bool;

    /// An orthonormal basis, of those allowed, in which directions without variance are columns without it.
    fn frame(&self, lam: &[f64]) -> Vec<f64>;
}
