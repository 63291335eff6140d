//! The foreground's box on a device.
//!
//! | | element | layout |
//! |---|---|---|
//! | input | `f32`, [`crate::device::Half`] | z fastest |
//! | output | six `u32` | on the device; the box comes to the host, which needs it to size what follows |
//!
//! Reads the input once.
#![allow(unsafe_code)] // Launches.

use super::reference::grown_box;
use crate::KernelError;
use crate::device::{Arguments, BLOCK, Buffer, Device, DeviceError};
use crate::gather::launch::Voxel;

const BLOCKS_MAX: usize = 2048;

#[derive(Clone, Copy)]
#[repr(C)]
struct ForegroundArgs {
    input: u64,
    bounds: u64,
    dims: [u32; 3],
    pad: u32,
}
// SAFETY: as in foreground.cu; the shim refuses another size.
unsafe impl Arguments for ForegroundArgs {}

/// First voxel and dims (x, y, z) of the box that [`super::foreground_box`] gives the same volume. `dims` are x, y, z.
pub fn foreground_box<T: Voxel>(
    device: &Device,
    input: &Buffer<T>,
    dims: [usize; 3],
    margin: [usize; 3],
    k_divisible: [usize; 3],
) -> Result<([i64; 3], [usize; 3]), DeviceError> {
    if T::NAME != "f32" && T::NAME != "f16" {
        return Err(DeviceError::Kernel(KernelError::Parameter {
            name: "input",
            value: T::NAME.to_owned(),
            rule: "must be f16 or f32",
        }));
    }
    let none = u32::MAX;
    let bounds = device.upload(&[none, none, none, 0, 0, 0])?;
    let arguments = ForegroundArgs {
        input: device.address_of("input", input, dims.iter().product())?,
        bounds: device.address("bounds", &bounds)?,
        dims: dims.map(|n| n as u32),
        pad: 0,
    };
    let warps = BLOCK as usize / 32;
    let blocks = (dims[0] * dims[1]).div_ceil(warps).min(BLOCKS_MAX);
    // SAFETY: the kernel's struct; the input has dims voxels, the bounds six words.
    unsafe {
        device.launch(
            &format!("foreground_{}", T::NAME),
            [blocks, 1, 1],
            &arguments,
        )?
    };
    let found: Vec<usize> = bounds.download()?.into_iter().map(|v| v as usize).collect();
    if found[0] == none as usize {
        return Err(DeviceError::Kernel(KernelError::NoForeground));
    }
    let (low, high) = (
        [found[0], found[1], found[2]],
        [found[3], found[4], found[5]],
    );
    Ok(grown_box(low, high, margin, k_divisible))
}
