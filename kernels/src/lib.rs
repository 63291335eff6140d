//! Preprocessing and postprocessing operations on volumes: the CPU reference, and CUDA kernels beside it.
//!
//! Every operation has MONAI's inference arithmetic (1.6), in one folder each, on plain numbers: no file
//! formats, no models. Voxels lie with x fastest (`x + y*X + z*X*Y`), as scanners and NIfTI files have
//! them; networks want z fastest, and [`layout`] is the only place that knows it. Coordinates and sums are
//! f64, voxels f32. Work is spread over the rayon pool of the caller, and the result never depends on how
//! many threads it has.
//!
//! | module | operation | kernels |
//! |---|---|---|
//! | [`grid`] | dims and affine of a volume, and the volume itself | |
//! | [`gather`] | [`orientation`], [`spacing`], [`resize`], [`resample`], [`layout`]: voxels read where they are in space, through a [`view`] | yes |
//! | [`percentile`] | exact order statistics | yes |
//! | [`intensity`] | scale, clip, normalise; mean and deviation | yes |
//! | [`foreground`], [`pad`] | crop to the foreground; pad and crop by voxels | the box |
//! | [`window`] | sliding window: positions, importance, extraction | yes |
//! | [`stitch`] | blending of windows; [`discrete`]: argmax, threshold | yes |
//! | [`activation`] | softmax, sigmoid | |
//! | [`components`] | largest connected component; [`holes`] filled | the largest |
//! | [`invert`] | back to the input's grid | yes |
//! | [`labels`] | packed on their way to the host | yes |
//!
//! Each folder holds an operation's CPU reference, CUDA source, launcher (with its table of dtypes and layouts) and
//! check; [`device`] is what they run on. The pipeline of `swarm-inference` uses the kernels where its engine is on a GPU and
//! shares memory with them, else the CPU reference.

pub mod activation;
pub mod components;
pub mod device;
mod error;
pub mod foreground;
pub mod gather;
pub mod grid;
pub mod intensity;
pub mod invert;
pub mod labels;
mod linear;
pub mod pad;
pub mod percentile;
pub mod stitch;
mod stretch;
pub mod window;

pub use components::holes;
pub use error::KernelError;
pub use gather::{layout, orientation, resample, resize, spacing, view};
pub use grid::{Affine, Field, Grid};
pub use stitch::discrete;

/// Names this set of kernels in the engine's descriptive string; raised when any arithmetic changes.
pub const KERNEL_SET: &str = "cpu-reference-2";
/// The same of the kernels on a GPU.
pub const DEVICE_KERNEL_SET: &str = "cuda-1";
