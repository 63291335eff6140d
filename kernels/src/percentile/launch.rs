//! Two percentiles on a device, and the change of intensity that scales between them.
//!
//! | | element | layout |
//! |---|---|---|
//! | input | `f32`, `i16`, `u16`, `u8` | any, below 2^32 values; NaN and infinities are counted and refused |
//! | output | two `f32`, one [`Intensity`] | on the device; the values come to the host on request |
//!
//! Three passes of 11, 11 and 10 bits over `f32`, two of 11 and 5 over 16 bits, one of 8 over bytes; each reads the
//! input once and writes nothing but histograms. Values equal the reference's to the bit.
#![allow(unsafe_code)] // Launches.

use std::marker::PhantomData;

use crate::KernelError;
use crate::device::{Arguments, BLOCK, Buffer, Device, DeviceError};
use crate::gather::launch::Voxel;
use crate::intensity::Intensity;

const RANKS: usize = 4;
const BINS: usize = 2048;
/// Prefixes, rests, slots, the count of what is not finite with its padding; then the bins.
const STATE_WORDS: usize = 3 * RANKS + 4 + RANKS * BINS;
const NOT_FINITE_WORD: usize = 3 * RANKS;
/// Enough to fill a GPU with blocks of 32 KiB of shared memory.
const BLOCKS_MAX: usize = 1024;

/// A voxel with an order: its digits from the top, as (shift, bits).
pub trait Ordered: Voxel {
    /// The passes.
    const DIGITS: &'static [(u32, u32)];
    /// As in `percentile_finish`.
    const NUMBER: u32;
}
impl Ordered for f32 {
    const DIGITS: &'static [(u32, u32)] = &[(21, 11), (10, 11), (0, 10)];
    const NUMBER: u32 = 0;
}
impl Ordered for i16 {
    const DIGITS: &'static [(u32, u32)] = &[(21, 11), (16, 5)];
    const NUMBER: u32 = 1;
}
impl Ordered for u16 {
    const DIGITS: &'static [(u32, u32)] = &[(21, 11), (16, 5)];
    const NUMBER: u32 = 2;
}
impl Ordered for u8 {
    const DIGITS: &'static [(u32, u32)] = &[(24, 8)];
    const NUMBER: u32 = 3;
}

#[derive(Clone, Copy)]
#[repr(C)]
struct BeginArgs {
    state: u64,
    ranks: [u32; RANKS],
}
// SAFETY: as in percentile.cu; the shim refuses another size.
unsafe impl Arguments for BeginArgs {}

#[derive(Clone, Copy)]
#[repr(C)]
struct HistogramArgs {
    input: u64,
    state: u64,
    count: u64,
    shift: u32,
    bits: u32,
    slots: u32,
}
// SAFETY: as in percentile.cu; the shim refuses another size.
unsafe impl Arguments for HistogramArgs {}

#[derive(Clone, Copy)]
#[repr(C)]
struct SelectArgs {
    state: u64,
    shift: u32,
    bits: u32,
    ranks: u32,
}
// SAFETY: as in percentile.cu; the shim refuses another size.
unsafe impl Arguments for SelectArgs {}

#[derive(Clone, Copy)]
#[repr(C)]
struct FinishArgs {
    state: u64,
    intensity: u64,
    values: u64,
    fraction: [f64; 2],
    b_min: f32,
    b_max: f32,
    clip: u32,
    dtype: u32,
}
// SAFETY: as in percentile.cu; the shim refuses another size.
unsafe impl Arguments for FinishArgs {}

/// Two percentiles of a number of voxels, with their memory on the device.
pub struct Percentiles<T: Ordered> {
    count: usize,
    ranks: [u32; RANKS],
    fraction: [f64; 2],
    state: Buffer<u32>,
    values: Buffer<f32>,
    element: PhantomData<T>,
}

impl<T: Ordered> Percentiles<T> {
    /// `lower` and `upper` are 0 to 100, `count` is at least 1.
    pub fn new(
        device: &Device,
        count: usize,
        (lower, upper): (f64, f64),
    ) -> Result<Self, DeviceError> {
        let refuse = |name, value: String, rule| {
            Err(DeviceError::Kernel(KernelError::Parameter {
                name,
                value,
                rule,
            }))
        };
        for rank in [lower, upper] {
            if !(0.0..=100.0).contains(&rank) {
                return refuse("percentile", rank.to_string(), "must be from 0 to 100");
            }
        }
        if count == 0 || u32::try_from(count).is_err() {
            return refuse("count", count.to_string(), "must be 1 to 2^32 - 1");
        }
        let last = count - 1;
        let positions = [lower, upper].map(|rank| last as f64 * (rank / 100.0));
        Ok(Self {
            count,
            ranks: std::array::from_fn(|r| ((positions[r / 2] as usize + r % 2).min(last)) as u32),
            fraction: positions.map(|p| p - p.floor()),
            state: device.allocate(STATE_WORDS)?,
            values: device.allocate(2)?,
            element: PhantomData,
        })
    }

    /// Queues the passes; `intensity` then scales the lower percentile to `target.0` and the upper to `target.1`.
    pub fn run(
        &self,
        device: &Device,
        input: &Buffer<T>,
        target: (f32, f32),
        clip: bool,
        intensity: &mut Buffer<Intensity>,
    ) -> Result<(), DeviceError> {
        let state = device.address("state", &self.state)?;
        let input = device.address_of("input", input, self.count)?;
        let begin = BeginArgs {
            state,
            ranks: self.ranks,
        };
        let finish = FinishArgs {
            state,
            intensity: device.address_of("intensity", intensity, 1)?,
            values: device.address("values", &self.values)?,
            fraction: self.fraction,
            b_min: target.0,
            b_max: target.1,
            clip: u32::from(clip),
            dtype: T::NUMBER,
        };
        let per_load = 16 / size_of::<T>();
        let blocks = self
            .count
            .div_ceil(per_load * BLOCK as usize)
            .min(BLOCKS_MAX);
        // SAFETY: the kernels' structs; the state has the size of SelectState, the input `count` elements.
        unsafe {
            device.launch("percentile_begin", [1, 1, 1], &begin)?;
            for (pass, &(shift, bits)) in T::DIGITS.iter().enumerate() {
                let histogram = HistogramArgs {
                    input,
                    state,
                    count: self.count as u64,
                    shift,
                    bits,
                    slots: if pass == 0 { 1 } else { RANKS as u32 },
                };
                let kernel = format!("percentile_histogram_{}", T::NAME);
                device.launch(&kernel, [blocks, 1, 1], &histogram)?;
                let select = SelectArgs {
                    state,
                    shift,
                    bits,
                    ranks: RANKS as u32,
                };
                device.launch("percentile_select", [1, 1, 1], &select)?;
            }
            device.launch("percentile_finish", [1, 1, 1], &finish)
        }
    }

    /// Waits, and gives the two percentiles; refuses an input that had NaN or infinities.
    pub fn values(&self) -> Result<[f32; 2], DeviceError> {
        if self.state.download()?[NOT_FINITE_WORD] != 0 {
            return Err(DeviceError::Kernel(KernelError::NotFinite));
        }
        let values = self.values.download()?;
        Ok([values[0], values[1]])
    }
}
