//! Preprocessing and postprocessing operations on volumes: the CPU reference, and CUDA kernels beside it.
//!
//! Every operation has MONAI's inference arithmetic (1.6), in one folder each, on plain numbers: no file
//! formats, no models. Voxels lie with x fastest (`x + y*X + z*X*Y`), as scanners and NIfTI files have
//! them; networks want z fastest, and [`layout`] is the only place that knows it. Coordinates and sums are
//! f64, voxels f32. Work is spread over the rayon pool of the caller, and the result never depends on how
//! many threads it has.
//!
//! | module | operation |
//! |---|---|
//! | [`grid`] | dims and affine of a volume, and the volume itself |
//! | [`orientation`] | axes to RAS (or other codes) by permutation and flips |
//! | [`resize`], [`spacing`], [`resample`] | other dims, other voxel size, other grid |
//! | [`percentile`], [`intensity`] | order statistics; scale, clip, normalise |
//! | [`foreground`], [`pad`] | crop to the foreground; pad and crop by voxels |
//! | [`window`] | sliding window: positions, importance, blending |
//! | [`activation`], [`discrete`] | softmax, sigmoid; argmax, threshold |
//! | [`components`], [`holes`] | largest connected component; filled holes |
//! | [`layout`] | x fastest to z fastest and back |

pub mod activation;
pub mod components;
pub mod device;
mod error;
pub mod foreground;
pub mod gather;
pub mod grid;
pub mod intensity;
mod linear;
pub mod pad;
pub mod percentile;
pub mod stitch;
pub mod window;

pub use components::holes;
pub use error::KernelError;
pub use gather::{layout, orientation, resample, resize, spacing};
pub use grid::{Affine, Field, Grid};
pub use stitch::discrete;

/// Names this set of kernels in the engine's descriptive string; raised when any arithmetic changes.
pub const KERNEL_SET: &str = "cpu-reference-1";
