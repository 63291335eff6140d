//! Mean and standard deviation on a device, the change of intensity that normalises with them, and applying one.
//!
//! | | element | layout |
//! |---|---|---|
//! | input | `f32` | any, at least one value |
//! | output of [`Moments`] | count, mean, deviation as `f64`, one [`Intensity`] | on the device |
//! | output of [`apply`] | `f32`, [`crate::device::Half`] | as the input |
//!
//! One pass of f64 sums relative to the first value, in an order that depends on the count alone: the same bits on
//! every GPU. Mean and deviation agree with the reference within 1e-6, relative, unless the deviation is below a
//! millionth of the distance between the mean and the first value.
#![allow(unsafe_code)] // Launches.

use super::{Intensity, Normalize};
use crate::KernelError;
use crate::device::{Arguments, BLOCK, Buffer, Device, DeviceError};
use crate::gather::launch::Voxel;

const BLOCKS_MAX: usize = 1024;
/// Count, sum and sum of squares of one block.
const PARTIAL_WORDS: usize = 3;

#[derive(Clone, Copy)]
#[repr(C)]
struct MomentsArgs {
    input: u64,
    partial: u64,
    count: u64,
    nonzero: u32,
    pad: u32,
}
// SAFETY: as in moments.cu; the shim refuses another size.
unsafe impl Arguments for MomentsArgs {}

#[derive(Clone, Copy)]
#[repr(C)]
struct NormalizeArgs {
    partial: u64,
    first: u64,
    intensity: u64,
    values: u64,
    blocks: u32,
    nonzero: u32,
    unbiased: u32,
    pad: u32,
}
// SAFETY: as in moments.cu; the shim refuses another size.
unsafe impl Arguments for NormalizeArgs {}

#[derive(Clone, Copy)]
#[repr(C)]
struct ApplyArgs {
    input: u64,
    output: u64,
    intensity: u64,
    count: u64,
}
// SAFETY: as in moments.cu; the shim refuses another size.
unsafe impl Arguments for ApplyArgs {}

/// Mean and standard deviation of a number of voxels, with their memory on the device.
pub struct Moments {
    count: usize,
    rule: Normalize,
    partial: Buffer<u64>,
    values: Buffer<f64>,
}

impl Moments {
    /// `count` is at least 1.
    pub fn new(device: &Device, count: usize, rule: Normalize) -> Result<Self, DeviceError> {
        if count == 0 {
            return Err(DeviceError::Kernel(KernelError::Parameter {
                name: "count",
                value: count.to_string(),
                rule: "must be at least 1",
            }));
        }
        Ok(Self {
            count,
            rule,
            partial: device.allocate(PARTIAL_WORDS * BLOCKS_MAX)?,
            values: device.allocate(3)?,
        })
    }

    /// Queues both passes; `intensity` then normalises.
    pub fn run(
        &self,
        device: &Device,
        input: &Buffer<f32>,
        intensity: &mut Buffer<Intensity>,
    ) -> Result<(), DeviceError> {
        let input = device.address_of("input", input, self.count)?;
        let partial = device.address("partial", &self.partial)?;
        let blocks = self.count.div_ceil(4 * BLOCK as usize).min(BLOCKS_MAX);
        let nonzero = u32::from(self.rule.nonzero);
        let moments = MomentsArgs {
            input,
            partial,
            count: self.count as u64,
            nonzero,
            pad: 0,
        };
        let finish = NormalizeArgs {
            partial,
            first: input,
            intensity: device.address_of("intensity", intensity, 1)?,
            values: device.address("values", &self.values)?,
            blocks: blocks as u32,
            nonzero,
            unbiased: u32::from(self.rule.unbiased),
            pad: 0,
        };
        // SAFETY: the kernels' structs; the input has `count` values, the partial sums one entry a block.
        unsafe {
            device.launch("moments_f32", [blocks, 1, 1], &moments)?;
            device.launch("moments_finish", [1, 1, 1], &finish)
        }
    }

    /// Waits, and gives how many voxels counted, their mean and their deviation; refuses NaN and infinities.
    pub fn values(&self) -> Result<(u64, f64, f64), DeviceError> {
        let values = self.values.download()?;
        if !values.iter().all(|v| v.is_finite()) {
            return Err(DeviceError::Kernel(KernelError::NotFinite));
        }
        Ok((values[0] as u64, values[1], values[2]))
    }
}

/// `output = intensity(input)`, value by value.
pub fn apply<Out: Voxel>(
    device: &Device,
    input: &Buffer<f32>,
    intensity: &Buffer<Intensity>,
    output: &mut Buffer<Out>,
) -> Result<(), DeviceError> {
    if Out::NAME != "f32" && Out::NAME != "f16" {
        return Err(DeviceError::Kernel(KernelError::Parameter {
            name: "output",
            value: Out::NAME.to_owned(),
            rule: "must be f16 or f32",
        }));
    }
    let count = input.len();
    let arguments = ApplyArgs {
        input: device.address("input", input)?,
        output: device.address_of("output", output, count)?,
        intensity: device.address_of("intensity", intensity, 1)?,
        count: count as u64,
    };
    let kernel = format!("intensity_apply_{}", Out::NAME);
    // A thread for each four values, and one for each of the up to three left over.
    let threads = count / 4 + count % 4;
    // SAFETY: the kernel's struct; both sides have `count` values.
    unsafe {
        device.launch(
            &kernel,
            [threads.div_ceil(BLOCK as usize), 1, 1],
            &arguments,
        )
    }
}
