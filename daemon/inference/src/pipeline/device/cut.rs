//! Boxes cut out of tensors, on the device.

use swarm_kernels::KernelError;
use swarm_kernels::device::{Buffer, Device, DeviceError};
use swarm_kernels::gather::launch::Voxel;
use swarm_kernels::intensity::Intensity;
use swarm_kernels::window::launch::extract;

/// Where a volume is in another: the first voxel (which may lie outside), and its own dims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub start: [i64; 3],
    pub dims: [usize; 3],
}

impl Place {
    /// Whether it is all of a volume of `dims`.
    pub(super) fn is_all_of(&self, dims: [usize; 3]) -> bool {
        self.start == [0; 3] && self.dims == dims
    }
}

/// Cuts one place out of volumes of one size, into memory of its own.
pub(super) struct Cutter<T: Voxel> {
    from: [usize; 3],
    place: Place,
    starts: Buffer<i32>,
    output: Buffer<T>,
}

impl<T: Voxel> Cutter<T> {
    /// For volumes of `from` voxels.
    pub(super) fn new(
        device: &Device,
        from: [usize; 3],
        place: Place,
    ) -> Result<Self, DeviceError> {
        let mut starts = [0; 3];
        for (at, start) in starts.iter_mut().zip(place.start) {
            *at = i32::try_from(start)
                .map_err(|_| DeviceError::Kernel(KernelError::Dims { dims: place.dims }))?;
        }
        Ok(Self {
            from,
            place,
            starts: device.upload(&starts)?,
            output: device.allocate(count(place.dims)?)?,
        })
    }

    /// Queues the cut; the same memory holds every one. What lies outside the volume is 0, after the change of intensity.
    pub(super) fn run(
        &self,
        device: &Device,
        voxels: &Buffer<T>,
        change: Option<&Buffer<Intensity>>,
    ) -> Result<Buffer<T>, DeviceError> {
        let mut output = self.output.part(0, self.output.len())?;
        let (dims, size) = (self.from, self.place.dims);
        extract(
            device,
            voxels,
            dims,
            &self.starts,
            size,
            change,
            0.0,
            &mut output,
        )?;
        Ok(output)
    }

    pub(super) fn bytes(&self) -> usize {
        self.output.bytes()
    }
}

/// How many voxels there are.
pub(super) fn count(dims: [usize; 3]) -> Result<usize, DeviceError> {
    dims.iter()
        .try_fold(1_usize, |all, &n| all.checked_mul(n))
        .ok_or(DeviceError::Kernel(KernelError::Dims { dims }))
}
