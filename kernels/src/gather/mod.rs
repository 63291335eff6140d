//! Gather: every output voxel reads the source where its place in space is. Orientation, spacing, resize and
//! resampling are one gather with different tables.

pub mod layout;
pub mod orientation;
pub mod resample;
pub mod resize;
pub mod spacing;
pub(crate) mod table;
