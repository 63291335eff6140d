//! Sliding windows: where they are, how much each of their voxels counts, and cutting them out.

mod reference;

pub use crate::stitch::Stitch;
pub use reference::{Blend, importance, positions, starts};
