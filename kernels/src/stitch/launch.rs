//! Weighted mean of overlapping windows and argmax in one launch, on a device.
//!
//! | | element | layout |
//! |---|---|---|
//! | logits | `f32`, [`crate::device::Half`] | window after window, channel after channel, z fastest; all resident |
//! | labels | `u8` | z fastest; with one channel 1 from the threshold on, else the first largest channel |
//! | means | `f32` | channel after channel; optional |
//!
//! Sums are f32 in MONAI's order of windows: with f32 logits the means equal the reference's to the bit. Reads every
//! logit once and writes a byte a voxel: no accumulator, no count map.
#![allow(unsafe_code)] // Launches.

use super::discrete::CHANNELS_MAX;
use crate::KernelError;
use crate::device::{Arguments, BLOCK, Buffer, Device, DeviceError};
use crate::gather::launch::Voxel;
use crate::window::{Blend, importance_factors, starts};

#[derive(Clone, Copy)]
#[repr(C)]
struct StitchArgs {
    logits: u64,
    labels: u64,
    means: u64,
    starts: [u64; 3],
    cover: [u64; 3],
    importance: [u64; 3],
    floor: f32,
    threshold: f32,
    image: [u32; 3],
    roi: [u32; 3],
    windows: [u32; 3],
    channels: u32,
}
// SAFETY: as in stitch.cu; the shim refuses another size.
unsafe impl Arguments for StitchArgs {}

/// Stitching for one shape of image, window and overlap; its tables are on the device.
pub struct Stitcher {
    image: [usize; 3],
    roi: [usize; 3],
    windows: [usize; 3],
    starts: [Buffer<i32>; 3],
    cover: [Buffer<u32>; 3],
    importance: Option<[Buffer<f32>; 3]>,
    floor: f32,
}

impl Stitcher {
    /// All sizes are x, y, z; `roi` is at most `image`. The windows are those of [`crate::window::positions`].
    pub fn new(
        device: &Device,
        image: [usize; 3],
        roi: [usize; 3],
        overlap: [f64; 3],
        blend: Blend,
    ) -> Result<Self, DeviceError> {
        let axis = |i: usize| -> Result<(Vec<i32>, Vec<u32>), DeviceError> {
            let starts = starts(image[i], roi[i], overlap[i]).map_err(DeviceError::Kernel)?;
            if starts.len() > usize::from(u16::MAX) {
                return Err(DeviceError::Axis {
                    length: starts.len(),
                });
            }
            let cover = (0..image[i])
                .map(|voxel| {
                    let first = starts.partition_point(|start| start + roi[i] <= voxel);
                    let count = starts.partition_point(|start| *start <= voxel) - first;
                    first as u32 | (count as u32) << 16
                })
                .collect();
            Ok((starts.into_iter().map(|v| v as i32).collect(), cover))
        };
        let axes = [axis(0)?, axis(1)?, axis(2)?];
        let [x, y, z] = &axes;
        let factors = importance_factors(roi, blend);
        let floor = factors.as_ref().map_or(0.0, |(_, floor)| *floor);
        let importance = match &factors {
            Some(([x, y, z], _)) => Some([device.upload(x)?, device.upload(y)?, device.upload(z)?]),
            None => None,
        };
        Ok(Self {
            image,
            roi,
            windows: [x.0.len(), y.0.len(), z.0.len()],
            starts: [
                device.upload(&x.0)?,
                device.upload(&y.0)?,
                device.upload(&z.0)?,
            ],
            cover: [
                device.upload(&x.1)?,
                device.upload(&y.1)?,
                device.upload(&z.1)?,
            ],
            importance,
            floor,
        })
    }

    /// How many windows there are.
    pub fn windows(&self) -> usize {
        self.windows.iter().product()
    }

    /// Labels of all voxels, and their means where a buffer is given.
    pub fn run<T: Voxel>(
        &self,
        device: &Device,
        logits: &Buffer<T>,
        channels: usize,
        threshold: f32,
        labels: &mut Buffer<u8>,
        means: Option<&mut Buffer<f32>>,
    ) -> Result<(), DeviceError> {
        if !(1..=CHANNELS_MAX).contains(&channels) || (T::NAME != "f32" && T::NAME != "f16") {
            return Err(DeviceError::Kernel(KernelError::Parameter {
                name: "channels",
                value: format!("{channels} of {}", T::NAME),
                rule: "must be 1 to 256 of f16 or f32",
            }));
        }
        let voxels: usize = self.image.iter().product();
        let window: usize = self.roi.iter().product();
        let (mut starts, mut cover, mut importance) = ([0; 3], [0; 3], [0; 3]);
        for i in 0..3 {
            starts[i] = device.address("starts", &self.starts[i])?;
            cover[i] = device.address("cover", &self.cover[i])?;
            if let Some(factors) = &self.importance {
                importance[i] = device.address("importance", &factors[i])?;
            }
        }
        let arguments = StitchArgs {
            logits: device.address_of("logits", logits, self.windows() * channels * window)?,
            labels: device.address_of("labels", labels, voxels)?,
            means: match means {
                Some(buffer) => device.address_of("means", buffer, channels * voxels)?,
                None => 0,
            },
            starts,
            cover,
            importance,
            floor: self.floor,
            threshold,
            image: self.image.map(|n| n as u32),
            roi: self.roi.map(|n| n as u32),
            windows: self.windows.map(|n| n as u32),
            channels: channels as u32,
        };
        let grid = [
            self.image[2].div_ceil(BLOCK as usize),
            self.image[1],
            self.image[0],
        ];
        // SAFETY: the kernel's struct; sizes are checked above, and every voxel's windows cover it.
        unsafe { device.launch(&format!("stitch_{}", T::NAME), grid, &arguments) }
    }
}
