//! The network over the prepared volume, on the device: at once, or window by window.

use swarm_kernels::device::{Buffer, Device, DeviceError};
use swarm_kernels::stitch::launch::Stitcher;
use swarm_kernels::window::Blend;
use swarm_kernels::window::launch::extract;

use super::back::count;
use super::prepare::{Prepared, boxed};
use crate::engine::Resident;
use crate::package::Spec;
use crate::pipeline::PipelineError;
use crate::pipeline::scores::{Windows, windows};

/// Windows that are cut out in one launch, and between which progress is told: that waits for the device.
const WINDOWS_AT_ONCE: usize = 16;

/// Every window's scores, and how they become one volume's.
pub(super) struct Scores {
    channels: usize,
    windows: Buffer<f32>,
    stitcher: Stitcher,
    /// Of the stitched volume.
    dims: [usize; 3],
    /// Where the prepared volume is in it.
    inner: ([i64; 3], [usize; 3]),
}

/// Queues the network. `progress` hears the part that is done.
pub(super) fn scores(
    spec: &Spec,
    engine: &mut dyn Resident,
    mut input: Prepared,
    progress: &mut dyn FnMut(f32),
) -> Result<(Scores, Prepared), PipelineError> {
    let device = engine.device().clone();
    let (dims, channels) = (input.dims, spec.output.channels);
    let Some(plan) = windows(spec, dims)? else {
        let voxels = input.settled(&device)?;
        let mut output = device.allocate(channels * voxels.len())?;
        engine.queue(voxels, dims, &mut output)?;
        device.finish()?;
        progress(1.0);
        let scores = Scores {
            channels,
            windows: output,
            stitcher: Stitcher::new(&device, dims, dims, [0.0; 3], Blend::Constant)?,
            dims,
            inner: ([0; 3], dims),
        };
        return Ok((scores, input));
    };
    let Windows {
        roi,
        overlap,
        blend,
        start,
        padded,
        positions,
    } = plan;
    let voxels = count(roi)?;
    let outputs = device.allocate(positions.len() * channels * voxels)?;
    let mut inputs = device.allocate(positions.len().min(WINDOWS_AT_ONCE) * voxels)?;
    for (batch, at) in positions.chunks(WINDOWS_AT_ONCE).enumerate() {
        // The pad of a small volume is read as zeros outside of it.
        let starts: Vec<i32> = at
            .iter()
            .flat_map(|at| (0..3).map(|axis| (at[axis] as i64 + start[axis]) as i32))
            .collect();
        let starts = device.upload(&starts)?;
        extract(
            &device,
            &input.voxels,
            dims,
            &starts,
            roi,
            input.pending.as_ref(),
            0.0,
            &mut inputs,
        )?;
        for window in 0..at.len() {
            let number = batch * WINDOWS_AT_ONCE + window;
            let from = inputs.part(window * voxels, voxels)?;
            let mut to = outputs.part(number * channels * voxels, channels * voxels)?;
            engine.queue(&from, roi, &mut to)?;
        }
        device.finish()?;
        progress((batch * WINDOWS_AT_ONCE + at.len()) as f32 / positions.len() as f32);
    }
    let scores = Scores {
        channels,
        windows: outputs,
        stitcher: Stitcher::new(&device, padded, roi, [overlap; 3], blend)?,
        dims: padded,
        inner: (start.map(|v| -v), dims),
    };
    Ok((scores, input))
}

impl Scores {
    /// Of the prepared volume.
    pub(super) fn inner_dims(&self) -> [usize; 3] {
        self.inner.1
    }

    /// Labels on the prepared volume's grid.
    pub(super) fn labels(self, device: &Device, threshold: f32) -> Result<Buffer<u8>, DeviceError> {
        let mut labels = device.allocate(count(self.dims)?)?;
        self.stitcher.run(
            device,
            &self.windows,
            self.channels,
            threshold,
            &mut labels,
            None,
        )?;
        let (start, dims) = self.inner;
        if dims == self.dims {
            return Ok(labels);
        }
        boxed(device, &labels, self.dims, start, dims, None)
    }

    /// Each channel's scores on the prepared volume's grid, one after the other.
    pub(super) fn channels(self, device: &Device) -> Result<Vec<Buffer<f32>>, DeviceError> {
        let voxels = count(self.dims)?;
        let means = if self.stitcher.windows() == 1 {
            // The mean of one window is the window.
            self.windows
        } else {
            let mut means = device.allocate(self.channels * voxels)?;
            let mut unused = device.allocate(voxels)?;
            self.stitcher.run(
                device,
                &self.windows,
                self.channels,
                0.0,
                &mut unused,
                Some(&mut means),
            )?;
            means
        };
        let (start, dims) = self.inner;
        let channel = |number: usize| {
            let channel = means.part(number * voxels, voxels)?;
            if dims == self.dims {
                return Ok(channel);
            }
            boxed(device, &channel, self.dims, start, dims, None)
        };
        (0..self.channels).map(channel).collect()
    }
}
