//! What is inferred from a fit: Satterthwaite, Kenward-Roger, exact null distributions, profiles.

mod constrained;
mod exact_null;
mod identification;
mod kenward_roger;
mod profile;
mod satterthwaite;
mod variance_traces;

pub use self::constrained::Parameter;
pub use self::exact_null::NullLaw;
pub use self::identification::{undetermined, Undetermined};
pub use self::profile::{sides, ConstrainedOptimum, Side};
