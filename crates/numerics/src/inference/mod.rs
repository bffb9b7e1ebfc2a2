//! What is inferred from a fit: Satterthwaite, Kenward-Roger, exact null distributions, profiles.

pub mod constrained;
pub mod exact_null;
pub mod identification;
pub mod kenward_roger;
pub mod profile;
pub(crate) mod satterthwaite;
pub mod variance_traces;
