//! What a structure of covariance says of one block of random effects.

/// The covariance ΛΛᵀ of one block, `size x size`, in its free parameters θ. All matrices are row-major.
pub trait Structure {
    /// Columns of the block.
    fn size(&self) -> usize;

    /// The entry of Λ that each parameter is named for, in the order of θ.
    fn entries(&self) -> Vec<(usize, usize)>;

    /// Number of free parameters.
    fn parameters(&self) -> usize;

    /// θ → Λ.
    fn factor(&self, theta: &[f64]) -> Vec<f64>;

    /// θ of a Λ of this structure.
    fn theta(&self, lam: &[f64]) -> Vec<f64>;

    /// The derivative in θ, from that in every entry of Λ.
    fn pull_back(&self, d_lam: &[f64]) -> Vec<f64>;

    /// The Λ of this structure with ΛΛᵀ = `root rootᵀ`; `root` is `size x width`.
    fn with_gram(&self, root: &[f64], width: usize) -> Vec<f64>;

    /// The change of the columns' basis (row · T), of those that leave the covariance within the structure,
    /// that brings their Gram matrix nearest to n·I.
    fn whitening(&self, gram: &[f64], n: f64) -> Vec<f64>;

    /// A Λ to start from: standard deviations of `size`, and what stands off the diagonal at `lean` times that.
    fn start(&self, size: f64, lean: f64) -> Vec<f64>;

    /// Directions in which the covariance has a standard deviation below `tolerance`: orthonormal rows.
    fn null_directions(&self, lam: &[f64], tolerance: f64) -> Vec<Vec<f64>>;
}
