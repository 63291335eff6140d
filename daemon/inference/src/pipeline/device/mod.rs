//! The way of a scan through a model on a GPU: voxels go up as they are stored, packed labels come down, and in between
//! kernels and network are queued on one stream and pass each other device memory.
//!
//! The CPU's way ([`super::segment`]) is the reference. A [`Plan`] says whether a package's steps are such that there are
//! kernels for them, and before a model serves this way, [`held_to_reference`] compares both on a small scan. Where a
//! component filter or `FillHoles` has no kernel, the CPU does that on the labels.

mod back;
mod plan;
mod prepare;
mod scores;
#[cfg(test)]
mod tests;

use swarm_imaging::{Affine, Rescale, Volume, Voxels};
use swarm_kernels::Field;
use swarm_kernels::components::launch::KeepLargest;
use swarm_kernels::device::{Buffer, Device, DeviceError};
use swarm_kernels::gather::launch::Layout;
use swarm_kernels::labels::launch::Packer;
use swarm_kernels::stitch::launch::Stitcher;
use swarm_kernels::window::Blend;

use super::{LabelMap, PipelineError, Progress, Stage, finish};
use crate::engine::{Engine, EngineError, Resident};
use crate::package::Spec;
use back::{Back, in_file_order};
pub(super) use plan::Plan;
use scores::Scores;

impl From<DeviceError> for PipelineError {
    fn from(error: DeviceError) -> Self {
        match error {
            // What the reference would have said.
            DeviceError::Kernel(error) => Self::Kernel(error),
            other => Self::Engine(EngineError::Device(other)),
        }
    }
}

/// Labels every voxel of the scan.
pub(super) fn segment(
    spec: &Spec,
    plan: &Plan<'_>,
    engine: &mut dyn Resident,
    volume: &Volume,
    progress: Progress<'_>,
) -> Result<LabelMap, PipelineError> {
    let device = engine.device().clone();
    progress(Stage::Prepare, 0.0);
    let prepared = prepare::prepare(&device, plan, volume)?;
    device.finish()?;
    progress(Stage::Prepare, 1.0);

    progress(Stage::Infer, 0.0);
    let (scores, prepared) = scores::scores(spec, engine, prepared, &mut |part| {
        progress(Stage::Infer, part)
    })?;
    prepared.verify()?;

    progress(Stage::Finish, 0.0);
    let channels = spec.output.channels;
    let labels = finished(&device, plan, &prepared.back, scores, channels)?;
    let labels = Field::new(prepared.back.native().clone(), labels)?;
    let labels = finish::refined(plan.finish.rest, labels)?;
    progress(Stage::Finish, 1.0);
    Ok(LabelMap {
        labels: labels.into_parts().1,
        nonfinite_voxels: prepared.nonfinite_voxels,
    })
}

/// From scores to labels in the order of files, packed on the way down.
fn finished(
    device: &Device,
    plan: &Plan<'_>,
    back: &Back,
    scores: Scores,
    channels: usize,
) -> Result<Vec<u8>, DeviceError> {
    let finish = &plan.finish;
    let native = back.native();
    // Which of two components of one size stays depends on the order of voxels: the reference's has z fastest.
    let layout = if finish.largest_after {
        Layout::ZFastest
    } else {
        Layout::XFastest
    };
    let gather = back.gather(device, finish.mode, layout)?;
    let mut labels = device.allocate::<u8>(native.voxels())?;
    if finish.scores_back {
        let all = device.allocate::<f32>(channels * native.voxels())?;
        let dims = scores.inner_dims();
        for (number, channel) in scores.channels(device)?.into_iter().enumerate() {
            let whole = back.uncut(device, &channel, dims)?;
            let from = whole.as_ref().unwrap_or(&channel);
            let mut to = all.part(number * native.voxels(), native.voxels())?;
            gather.run(device, from, None, &mut to)?;
        }
        decide(
            device,
            &all,
            channels,
            finish.threshold,
            gather.dims(),
            &mut labels,
        )?;
    } else {
        let dims = scores.inner_dims();
        let mut decided = scores.labels(device, finish.threshold)?;
        if finish.largest_before {
            KeepLargest::new(device, dims)?.run(device, &mut decided)?;
        }
        let whole = back.uncut(device, &decided, dims)?;
        gather.run(
            device,
            whole.as_ref().unwrap_or(&decided),
            None,
            &mut labels,
        )?;
    }
    if finish.largest_after {
        KeepLargest::new(device, native.dims())?.run(device, &mut labels)?;
        labels = in_file_order(device, &labels, native)?;
    }
    let packer = Packer::new(device, labels.len(), channels.max(2))?;
    packer.run(device, &labels)?;
    packer.labels()
}

/// The largest channel of each voxel: a stitch of one window.
fn decide(
    device: &Device,
    scores: &Buffer<f32>,
    channels: usize,
    threshold: f32,
    dims: [usize; 3],
    labels: &mut Buffer<u8>,
) -> Result<(), DeviceError> {
    let one = Stitcher::new(device, dims, dims, [0.0; 3], Blend::Constant)?;
    one.run(device, scores, channels, threshold, labels, None)
}

/// Labels that may differ from the reference's: the last bits of float32 decide at a structure's edge.
const DIFFERENT_MAX: f64 = 1e-3;

/// Compares both ways on a small scan, oblique and turned, of the kind that no model was made for. The difference as a part of
/// its voxels is an error where it is too large.
pub(super) fn held_to_reference(spec: &Spec, engine: &mut dyn Engine) -> Result<(), String> {
    let plan = Plan::of(spec).map_err(|lacking| lacking.to_string())?;
    let scan = phantom();
    let failed = |error: PipelineError| format!("the small scan cannot be compared: {error}");
    let theirs = super::segment(spec, engine, &scan, &mut |_, _| {}).map_err(failed)?;
    let resident = engine.resident().ok_or("the engine has no device memory")?;
    let ours = segment(spec, &plan, resident, &scan, &mut |_, _| {}).map_err(failed)?;
    let pairs = ours.labels.iter().zip(&theirs.labels);
    let different = pairs.filter(|(a, b)| a != b).count() as f64 / ours.labels.len() as f64;
    if different > DIFFERENT_MAX {
        return Err(format!(
            "on the small scan {:.2} % of the labels differ from the reference's",
            different * 100.0
        ));
    }
    Ok(())
}

/// A ball with a shell and a gradient, on dims that networks take.
fn phantom() -> Volume {
    const DIMS: [usize; 3] = [64, 96, 32];
    let affine = Affine::from_columns(
        [[-1.1, 0.0, 0.0], [0.0, 0.0, -0.9], [0.0, 2.0, 0.0]],
        [30.0, -20.0, 40.0],
    );
    let voxels = (0..DIMS.iter().product::<usize>())
        .map(|i| {
            let at = [i % DIMS[0], i / DIMS[0] % DIMS[1], i / (DIMS[0] * DIMS[1])];
            let from_centre = |axis: usize| (at[axis] as f64 + 0.5) / DIMS[axis] as f64 - 0.5;
            let distance = (0..3)
                .map(|axis| from_centre(axis) * from_centre(axis))
                .sum::<f64>()
                .sqrt();
            let grain = (i.wrapping_mul(2_654_435_761) >> 16) % 16;
            let level = match distance {
                d if d < 0.28 => 600.0 - 400.0 * d,
                d if d < 0.36 => 120.0,
                d if d < 0.42 => 800.0,
                _ => 0.0,
            };
            level as i16 + grain as i16
        })
        .collect();
    let rescale = Rescale {
        slope: 0.5,
        intercept: 3.0,
    };
    Volume::new(Voxels::I16(voxels), rescale, DIMS, affine).expect("a valid volume")
}
