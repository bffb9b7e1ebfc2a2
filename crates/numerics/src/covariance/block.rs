//! The structures of covariance that there are, by their names in formulas.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::covariance::diagonal::Diagonal;
use crate::covariance::structure::Structure;
use crate::covariance::unstructured::Unstructured;
use crate::error::NumericsError;

/// An enumeration of structures, each known by a name and a size.
macro_rules! structures {
    ($($(#[$doc:meta])* $name:literal $constructor:ident $variant:ident $structure:ident),+ $(,)?) => {
        /// One block of columns of a grouping factor with the structure of its covariance; the effects of
        /// different blocks are independent.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Block {
            $($(#[$doc])* $variant($structure),)+
        }

        impl Block {
            $($(#[$doc])* #[must_use] pub fn $constructor(size: usize) -> Self {
                Block::$variant($structure { size })
            })+

            /// The structure of that name.
            pub fn named(name: &str, size: usize) -> Result<Self, NumericsError> {
                match name {
                    $($name => Ok(Block::$constructor(size)),)+
                    _ => Err(NumericsError::Mismatch("the names of covariance structures")),
                }
            }

            /// Its name in a formula.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Block::$variant(_) => $name,)+
                }
            }
        }

        impl Deref for Block {
            type Target = dyn Structure;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Block::$variant(structure) => structure,)+
                }
            }
        }
    };
}

structures! {
    /// Any covariance matrix.
    "us" us Us Unstructured,
    /// Independent columns (`||`).
    "diag" diag Diag Diagonal,
}
