//! Windows of an image as one batch, on a device.
//!
//! | | element | layout |
//! |---|---|---|
//! | input | `f32`, [`crate::device::Half`], `u8` | z fastest |
//! | output | `f32` (of `f32`), [`crate::device::Half`], `u8` (of `u8`) | window after window, each z fastest |
//! | starts | `i32`, x y z of each window | may lie outside: there `fill` is read, so no padded copy is needed |
//! | intensity | [`Intensity`] | optional: percentiles and moments cost no pass of their own |
//!
//! Reads the windows' voxels, of which most lie in cache where windows overlap, and writes them once.
#![allow(unsafe_code)] // Launches.

use crate::KernelError;
use crate::device::{Arguments, BLOCK, Buffer, Device, DeviceError};
use crate::gather::launch::Voxel;
use crate::intensity::Intensity;

#[derive(Clone, Copy)]
#[repr(C)]
struct ExtractArgs {
    input: u64,
    output: u64,
    starts: u64,
    intensity: u64,
    image: [u32; 3],
    roi: [u32; 3],
    fill: f32,
    pad: u32,
}
// SAFETY: as in extract.cu; the shim refuses another size.
unsafe impl Arguments for ExtractArgs {}

/// The windows of `roi` voxels at `starts` (three numbers each) of an image of `dims` voxels, both x, y, z.
#[expect(clippy::too_many_arguments, reason = "they are what the operation is")]
pub fn extract<In: Voxel, Out: Voxel>(
    device: &Device,
    image: &Buffer<In>,
    dims: [usize; 3],
    starts: &Buffer<i32>,
    roi: [usize; 3],
    intensity: Option<&Buffer<Intensity>>,
    fill: f32,
    output: &mut Buffer<Out>,
) -> Result<(), DeviceError> {
    let pairs = [("f32", "f32"), ("f32", "f16"), ("f16", "f16"), ("u8", "u8")];
    let exists = pairs.contains(&(In::NAME, Out::NAME));
    if !exists || !starts.len().is_multiple_of(3) || dims.contains(&0) || roi.contains(&0) {
        return Err(DeviceError::Kernel(KernelError::Parameter {
            name: "windows",
            value: format!(
                "{} to {}, {} starts, {dims:?}, {roi:?}",
                In::NAME,
                Out::NAME,
                starts.len()
            ),
            rule: "must be f32 to f32 or f16, f16 to f16 or u8 to u8; three starts a window; no empty axis",
        }));
    }
    let windows = starts.len() / 3;
    let arguments = ExtractArgs {
        input: device.address_of("image", image, dims.iter().product())?,
        output: device.address_of("output", output, windows * roi.iter().product::<usize>())?,
        starts: device.address("starts", starts)?,
        intensity: match intensity {
            Some(buffer) => device.address_of("intensity", buffer, 1)?,
            None => 0,
        },
        image: dims.map(|n| n as u32),
        roi: roi.map(|n| n as u32),
        fill,
        pad: 0,
    };
    let plane = (roi[1] * roi[2]).div_ceil(BLOCK as usize);
    let kernel = format!("window_extract_{}_{}", In::NAME, Out::NAME);
    // SAFETY: the kernel's struct; starts are checked against the image in the kernel, sizes above.
    unsafe { device.launch(&kernel, [plane, roi[0], windows], &arguments) }
}
