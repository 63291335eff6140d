//! The way of a scan through a model on a GPU: voxels go up as they are stored, packed labels come down, and in between
//! kernels and network are queued on one stream and pass each other device memory.
//!
//! The CPU's way ([`super::segment`]) is the reference. A [`Plan`] says whether a package's steps are such that there are
//! kernels for them, and before a model serves this way, [`held_to_reference`] compares both on a small scan. Where a
//! component filter or `FillHoles` has no kernel, the CPU does that on the labels.

mod back;
mod cut;
mod finish;
mod plan;
mod prepare;
mod scores;
#[cfg(test)]
mod tests;

use swarm_imaging::{Affine, Rescale, Volume, Voxels};
use swarm_kernels::Field;
use swarm_kernels::device::DeviceError;

use super::scores::windows;
use super::{LabelMap, PipelineError, Progress, Stage};
use crate::engine::{Engine, EngineError, Resident};
use crate::package::Spec;
pub(super) use finish::Finisher;
pub(super) use plan::Plan;

impl From<DeviceError> for PipelineError {
    fn from(error: DeviceError) -> Self {
        match error {
            // What the reference would have said.
            DeviceError::Kernel(error) => Self::Kernel(error),
            other => Self::Engine(EngineError::Device(other)),
        }
    }
}

/// Labels every voxel of the scan. `kept` is what the scan before left for one of its shape.
pub(super) fn segment(
    spec: &Spec,
    plan: &Plan<'_>,
    engine: &mut dyn Resident,
    kept: &mut Option<Finisher>,
    volume: &Volume,
    progress: Progress<'_>,
) -> Result<LabelMap, PipelineError> {
    let device = engine.device().clone();
    progress(Stage::Prepare, 0.0);
    let mut prepared = prepare::prepare(&device, plan, volume)?;
    let windows = windows(spec, prepared.dims)?;
    let fitting = kept
        .take()
        .filter(|kept| kept.fits(&prepared.back, prepared.dims));
    let mut finisher = match fitting {
        Some(kept) => kept,
        None => Finisher::new(
            &device,
            &plan.finish,
            prepared.back.clone(),
            prepared.dims,
            windows.as_ref(),
            spec.output.channels,
        )?,
    };
    device.finish()?;
    progress(Stage::Prepare, 1.0);

    progress(Stage::Infer, 0.0);
    let windows = windows.as_ref();
    scores::infer(engine, &mut prepared, windows, &finisher, &mut |part| {
        progress(Stage::Infer, part)
    })?;
    prepared.verify()?;

    progress(Stage::Finish, 0.0);
    let labels = finisher.finish(&device)?;
    let labels = Field::new(prepared.back.native().clone(), labels)?;
    let labels = super::finish::refined(plan.finish.rest, labels)?;
    *kept = Some(finisher).filter(Finisher::is_kept);
    progress(Stage::Finish, 1.0);
    Ok(LabelMap {
        labels: labels.into_parts().1,
        nonfinite_voxels: prepared.nonfinite_voxels,
    })
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
    let ours = segment(spec, &plan, resident, &mut None, &scan, &mut |_, _| {}).map_err(failed)?;
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
