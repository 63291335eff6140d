//! The network over the prepared volume, on the device: at once, or window by window.

use swarm_kernels::device::Buffer;
use swarm_kernels::window::launch::extract;

use super::cut::count;
use super::finish::Finisher;
use super::prepare::Prepared;
use crate::engine::Resident;
use crate::pipeline::PipelineError;
use crate::pipeline::scores::Windows;

/// Windows that are cut out in one launch, and between which progress is told: that waits for the device.
const WINDOWS_AT_ONCE: usize = 16;

/// Queues the network, which writes its scores where `finisher` reads them. `progress` hears the part that is done.
pub(super) fn infer(
    engine: &mut dyn Resident,
    input: &mut Prepared,
    windows: Option<&Windows>,
    finisher: &Finisher,
    progress: &mut dyn FnMut(f32),
) -> Result<(), PipelineError> {
    let device = engine.device().clone();
    let dims = input.dims;
    let Some(Windows {
        roi,
        start,
        positions,
        ..
    }) = windows
    else {
        let voxels = input.settled(&device)?;
        engine.queue(voxels, dims, &mut finisher.window(0, voxels.len())?)?;
        device.finish()?;
        progress(1.0);
        return Ok(());
    };
    let voxels = count(*roi)?;
    let mut inputs: Buffer<f32> = device.allocate(positions.len().min(WINDOWS_AT_ONCE) * voxels)?;
    let mut done = 0;
    for batch in positions.chunks(WINDOWS_AT_ONCE) {
        // The pad of a small volume is read as zeros outside of it.
        let starts: Vec<i32> = batch
            .iter()
            .flat_map(|at| (0..3).map(|axis| (at[axis] as i64 + start[axis]) as i32))
            .collect();
        let starts = device.upload(&starts)?;
        extract(
            &device,
            &input.voxels,
            dims,
            &starts,
            *roi,
            input.pending.as_ref(),
            0.0,
            &mut inputs,
        )?;
        for window in 0..batch.len() {
            let from = inputs.part(window * voxels, voxels)?;
            engine.queue(&from, *roi, &mut finisher.window(done + window, voxels)?)?;
        }
        done += batch.len();
        device.finish()?;
        progress(done as f32 / positions.len() as f32);
    }
    Ok(())
}
