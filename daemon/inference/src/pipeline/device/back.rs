//! The way from the network's grid back to the scan's.

use swarm_kernels::Grid;
use swarm_kernels::device::{Device, DeviceError};
use swarm_kernels::gather::launch::{Gather, Layout, Sampling, Voxel};
use swarm_kernels::orientation::AxisMap;
use swarm_kernels::resample::Interpolation;

use super::cut::{Cutter, Place};
use crate::package::step::InvertMode;
use crate::pipeline::prepare::{interpolation, resizing};

/// What the scan was read onto.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Base {
    Grid(Grid),
    Resized([usize; 3]),
}

impl Base {
    pub(super) fn dims(&self) -> [usize; 3] {
        match self {
            Self::Grid(grid) => grid.dims(),
            Self::Resized(dims) => *dims,
        }
    }
}

/// The geometric steps that were taken. Two scans with the same go the same way back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Back {
    native: Grid,
    map: AxisMap,
    base: Base,
    /// Where each volume was in the one that was cut out of it.
    cuts: Vec<Place>,
}

impl Back {
    pub(super) fn new(native: Grid, map: AxisMap, base: Base) -> Self {
        Self {
            native,
            map,
            base,
            cuts: Vec::new(),
        }
    }

    /// A volume of `dims` was cut at `start`.
    pub(super) fn was_cut(&mut self, start: [i64; 3], dims: [usize; 3]) {
        self.cuts.push(Place {
            start: start.map(|v| -v),
            dims,
        });
    }

    /// The scan's grid.
    pub(super) fn native(&self) -> &Grid {
        &self.native
    }

    /// A gather from the grid that the scan was read onto to its own.
    pub(super) fn gather(
        &self,
        device: &Device,
        mode: InvertMode,
        layout: Layout,
    ) -> Result<Gather, DeviceError> {
        let (map, native) = (&self.map, &self.native);
        let sampling = match &self.base {
            Base::Grid(grid) => Sampling::back(grid, map, native, interpolation(mode), layout),
            Base::Resized(dims) => {
                Sampling::resized_back(*dims, map, native, resizing(mode), layout)
            }
        };
        Gather::new(device, sampling.map_err(DeviceError::Kernel)?, None)
    }

    /// A gather of a tensor with z fastest on the scan's grid into the order of files.
    pub(super) fn file_order(&self, device: &Device) -> Result<Gather, DeviceError> {
        let (grid, map) = (&self.native, &AxisMap::IDENTITY);
        let sampling = Sampling::back(grid, map, grid, Interpolation::Nearest, Layout::XFastest);
        Gather::new(device, sampling.map_err(DeviceError::Kernel)?, None)
    }

    /// What undoes the cuts, the last one first, of volumes of `dims`.
    pub(super) fn uncut<T: Voxel>(
        &self,
        device: &Device,
        mut dims: [usize; 3],
    ) -> Result<Vec<Cutter<T>>, DeviceError> {
        let mut cutters = Vec::with_capacity(self.cuts.len());
        for place in self.cuts.iter().rev() {
            cutters.push(Cutter::new(device, dims, *place)?);
            dims = place.dims;
        }
        Ok(cutters)
    }
}
