//! Intensity: scale, clip, normalise; mean and standard deviation.

mod reference;

pub use reference::{
    Normalize, ScaleRange, normalize, scale, scale_range, scale_range_percentiles,
};
