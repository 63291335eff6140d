//! Sliding windows: where they are, how much each of their voxels counts, and cutting them out.

#[cfg(any(test, feature = "checks"))]
pub mod check;
pub mod launch;
mod reference;

pub use crate::stitch::Stitch;
pub(crate) use reference::importance_factors;
pub use reference::{Blend, importance, positions, starts};
