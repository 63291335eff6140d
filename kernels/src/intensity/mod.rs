//! Intensity: scale, clip, normalise; mean and standard deviation.

mod map;
mod reference;

pub use map::Intensity;
pub use reference::{
    Normalize, ScaleRange, normalize, scale, scale_range, scale_range_percentiles,
};
