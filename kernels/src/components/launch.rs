//! The largest connected component of each label, on a device.
//!
//! | | element | layout |
//! |---|---|---|
//! | labels | `u8`, all 255 at once | z fastest, in place |
//! | workspace | two `u32` a voxel, one `u64` a label | kept with the operation |
//!
//! 26 neighbours, as MONAI's default. Voxels equal the reference's, ties included. Five launches; besides the labels,
//! which are read in each, the workspace is written and read about twice.
#![allow(unsafe_code)] // Launches.

use crate::KernelError;
use crate::device::{Arguments, BLOCK, Buffer, Device, DeviceError};
use crate::grid::VOXELS_MAX;

#[derive(Clone, Copy)]
#[repr(C)]
struct ComponentsArgs {
    labels: u64,
    parent: u64,
    size: u64,
    largest: u64,
    dims: [u32; 3],
    pad: u32,
}
// SAFETY: as in components.cu; the shim refuses another size.
unsafe impl Arguments for ComponentsArgs {}

/// [`super::keep_largest`] with [`super::Connectivity::Corners`] for volumes of one shape.
pub struct KeepLargest {
    dims: [usize; 3],
    parent: Buffer<u32>,
    size: Buffer<u32>,
    largest: Buffer<u64>,
}

impl KeepLargest {
    /// Workspace for `dims` (x, y, z) voxels.
    pub fn new(device: &Device, dims: [usize; 3]) -> Result<Self, DeviceError> {
        let voxels = dims.iter().try_fold(1usize, |all, &n| all.checked_mul(n));
        let Some(voxels) = voxels.filter(|n| (1..=VOXELS_MAX).contains(n)) else {
            return Err(DeviceError::Kernel(KernelError::Dims { dims }));
        };
        Ok(Self {
            dims,
            parent: device.allocate(voxels)?,
            size: device.allocate(voxels)?,
            largest: device.allocate(256)?,
        })
    }

    /// Sets every voxel to 0 that is not in the largest component of its label.
    pub fn run(&self, device: &Device, labels: &mut Buffer<u8>) -> Result<(), DeviceError> {
        device.fill(&self.size, 0)?;
        device.fill(&self.largest, 0)?;
        let arguments = ComponentsArgs {
            labels: device.address_of("labels", labels, self.dims.iter().product())?,
            parent: device.address("parent", &self.parent)?,
            size: device.address("size", &self.size)?,
            largest: device.address("largest", &self.largest)?,
            dims: self.dims.map(|n| n as u32),
            pad: 0,
        };
        let grid = [
            self.dims[2].div_ceil(BLOCK as usize),
            self.dims[1],
            self.dims[0],
        ];
        for step in ["init", "merge", "count", "largest", "filter"] {
            // SAFETY: the kernels' struct; every buffer has one entry a voxel, `largest` one a label.
            unsafe { device.launch(&format!("components_{step}"), grid, &arguments)? };
        }
        Ok(())
    }
}
