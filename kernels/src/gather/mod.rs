//! Gather: every output voxel reads the source where its place in space is. Orientation, spacing, resize and
//! resampling are one gather with different tables.
//!
//! On the CPU each is a function of its own ([`orientation`], [`spacing`], [`resample`], [`resize`]) on a [`view`], where
//! orientation moves nothing, and rescale and cast happen as rows are read; on a device orientation, spacing, rescale,
//! intensity and cast are one launch, [`launch::Gather`].

#[cfg(any(test, feature = "checks"))]
pub mod check;
pub mod launch;
pub mod layout;
pub mod orientation;
pub mod resample;
pub mod resize;
mod resize_argmax;
mod sampling;
pub mod spacing;
pub(crate) mod table;
pub mod view;
