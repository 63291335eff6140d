//! A change of intensities as a few numbers that live on the device, where percentiles and moments write them.
#![allow(unsafe_code)] // The marker that says it is plain numbers.

use super::ScaleRange;
use crate::device::Plain;

/// `clamp((x - sub) * mul + add, low, high)`; where `nonzero` is not 0, zeros stay zeros. As in `common.cuh`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C)]
pub struct Intensity {
    /// Subtracted first, so that a small range far from 0 keeps its digits.
    pub sub: f32,
    /// Then multiplied with.
    pub mul: f32,
    /// Then added.
    pub add: f32,
    /// Lower bound, or negative infinity.
    pub low: f32,
    /// Upper bound, or infinity.
    pub high: f32,
    /// 1: zeros stay zeros.
    pub nonzero: u32,
}

// SAFETY: six numbers of four bytes each, without padding.
unsafe impl Plain for Intensity {}

impl Intensity {
    /// Changes nothing.
    pub const IDENTITY: Self = Self {
        sub: 0.0,
        mul: 1.0,
        add: 0.0,
        low: f32::NEG_INFINITY,
        high: f32::INFINITY,
        nonzero: 0,
    };

    /// [`super::scale_range`], with one multiplication where that divides and multiplies: the last bit may differ.
    pub fn scale_range(range: &ScaleRange) -> Self {
        let (b_min, b_max) = range.target.unwrap_or((0.0, 1.0));
        let empty = range.a_max == range.a_min;
        let clip = range.clip && range.target.is_some() && !empty;
        Self {
            sub: range.a_min,
            mul: if empty {
                1.0
            } else {
                (b_max - b_min) / (range.a_max - range.a_min)
            },
            add: b_min,
            low: if clip { b_min } else { f32::NEG_INFINITY },
            high: if clip { b_max } else { f32::INFINITY },
            nonzero: 0,
        }
    }
}
