//! Intensity: scale, clip, normalise; mean and standard deviation; on the CPU and on a device.

#[cfg(any(test, feature = "checks"))]
pub mod check;
pub mod launch;
mod map;
mod reference;

pub use map::Intensity;
pub use reference::{
    Normalize, ScaleRange, normalize, scale, scale_range, scale_range_percentiles,
};
