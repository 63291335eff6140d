//! Labels back on the input's grid, on a device: the gather's kernels with the tables of the way back.
//!
//! | | element | layout |
//! |---|---|---|
//! | input | `u8` | z fastest, on the working grid |
//! | output | `u8` | x fastest, on the native grid, as the file that came in |
//!
//! Nearest; picks the same voxels as the reference. Reads the labels once and writes the native volume once.

use crate::device::{Buffer, Device, DeviceError};
use crate::gather::launch::{Gather, Layout, Sampling};
use crate::gather::orientation::AxisMap;
use crate::gather::resample::Interpolation;
use crate::grid::Grid;

/// The way back for one pair of grids.
pub struct Invert {
    gather: Gather,
}

impl Invert {
    /// Puts the tables on the device.
    pub fn new(
        device: &Device,
        work: &Grid,
        map: &AxisMap,
        native: &Grid,
    ) -> Result<Self, DeviceError> {
        let layout = Layout::XFastest;
        let sampling = Sampling::back(work, map, native, Interpolation::Nearest, layout);
        Ok(Self {
            gather: Gather::new(device, sampling.map_err(DeviceError::Kernel)?, None)?,
        })
    }

    /// Refuses buffers that are smaller than the grids with [`DeviceError::Length`].
    pub fn run(
        &self,
        device: &Device,
        labels: &Buffer<u8>,
        native: &mut Buffer<u8>,
    ) -> Result<(), DeviceError> {
        self.gather.run(device, labels, None, native)
    }
}
