//! The way from the network's grid back to the scan's, on the device.

use swarm_kernels::device::{Buffer, Device, DeviceError};
use swarm_kernels::gather::launch::{Gather, Layout, Sampling, Voxel};
use swarm_kernels::orientation::AxisMap;
use swarm_kernels::{Grid, KernelError};

use super::prepare::boxed;
use crate::package::step::InvertMode;
use crate::pipeline::prepare::{interpolation, resizing};

/// What the scan was read onto.
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

/// Where a volume was before it was cut.
struct Cut {
    start: [i64; 3],
    dims: [usize; 3],
}

/// The geometric steps that were taken.
pub(super) struct Back {
    native: Grid,
    map: AxisMap,
    base: Base,
    cuts: Vec<Cut>,
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
        self.cuts.push(Cut {
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

    /// Undoes the cuts, the last one first. `dims` are those of `voxels`; nothing where there was none.
    pub(super) fn uncut<T: Voxel>(
        &self,
        device: &Device,
        voxels: &Buffer<T>,
        mut dims: [usize; 3],
    ) -> Result<Option<Buffer<T>>, DeviceError> {
        let mut whole = None;
        for cut in self.cuts.iter().rev() {
            let from = whole.as_ref().unwrap_or(voxels);
            whole = Some(boxed(device, from, dims, cut.start, cut.dims, None)?);
            dims = cut.dims;
        }
        Ok(whole)
    }
}

/// A tensor with z fastest in the order of files.
pub(super) fn in_file_order(
    device: &Device,
    labels: &Buffer<u8>,
    grid: &Grid,
) -> Result<Buffer<u8>, DeviceError> {
    let mode = swarm_kernels::resample::Interpolation::Nearest;
    let sampling = Sampling::back(grid, &AxisMap::IDENTITY, grid, mode, Layout::XFastest)
        .map_err(DeviceError::Kernel)?;
    let mut turned = device.allocate(labels.len())?;
    Gather::new(device, sampling, None)?.run(device, labels, None, &mut turned)?;
    Ok(turned)
}

/// How many voxels there are.
pub(super) fn count(dims: [usize; 3]) -> Result<usize, DeviceError> {
    dims.iter()
        .try_fold(1_usize, |all, &n| all.checked_mul(n))
        .ok_or(DeviceError::Kernel(KernelError::Dims { dims }))
}
