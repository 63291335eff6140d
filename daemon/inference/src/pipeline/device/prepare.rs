//! From the scan to the network's input, on the device.

use swarm_imaging::{Rescale as ScanRescale, Volume, Voxels};
use swarm_kernels::Grid;
use swarm_kernels::device::{Buffer, Device, DeviceError};
use swarm_kernels::foreground::launch::foreground_box;
use swarm_kernels::gather::launch::{Gather, Layout, Rescale, Sampling, Voxel};
use swarm_kernels::intensity::launch::{Moments, apply};
use swarm_kernels::intensity::{Intensity, Normalize, ScaleRange};
use swarm_kernels::orientation::{AxisCodes, AxisMap};
use swarm_kernels::pad;
use swarm_kernels::percentile::launch::Percentiles;
use swarm_kernels::resample::Interpolation;
use swarm_kernels::spacing::spaced_grid;

use super::back::{Back, Base};
use super::cut::{Cutter, Place};
use super::plan::{Plan, Scale};
use crate::package::step::Preprocess;
use crate::pipeline::PipelineError;
use crate::pipeline::prepare::{limit, padding};
use crate::pipeline::scan::Scan;

/// Parts in which a scan goes up: the gather of one runs while the next is copied.
const SLABS: usize = 8;

/// The network's input.
pub(super) struct Prepared {
    /// z fastest.
    pub voxels: Buffer<f32>,
    pub dims: [usize; 3],
    /// A change that whoever reads the voxels makes.
    pub pending: Option<Buffer<Intensity>>,
    pub back: Back,
    /// Voxels of the scan that were NaN or infinite and counted as 0.
    pub nonfinite_voxels: usize,
    statistics: Vec<Statistic>,
}

/// What was computed of all voxels, and is read once the stream is through.
enum Statistic {
    Percentiles(Percentiles<f32>),
    Moments(Moments),
}

/// Queues everything that comes before the network.
pub(super) fn prepare(
    device: &Device,
    plan: &Plan<'_>,
    volume: &Volume,
) -> Result<Prepared, PipelineError> {
    let native = Grid::new(volume.dims(), volume.affine().0)?;
    let map = match plan.turn {
        Some(codes) => AxisMap::to_codes(&native, AxisCodes::parse(codes)?),
        None => AxisMap::IDENTITY,
    };
    let oriented = map.grid(&native)?;
    let layout = Layout::ZFastest;
    let (sampling, base) = match plan.scale {
        Some(Scale::Spacing(pixdim, mode)) => {
            let target = spaced_grid(&oriented, pixdim)?;
            limit(target.dims())?;
            let sampling = Sampling::onto(&native, &map, &target, mode, layout)?;
            (sampling, Base::Grid(target))
        }
        Some(Scale::Resize(dims, mode)) => {
            limit(dims)?;
            let sampling = Sampling::resized(&native, &map, dims, mode, layout)?;
            (sampling, Base::Resized(dims))
        }
        None => {
            let mode = Interpolation::Nearest;
            let sampling = Sampling::onto(&native, &map, &oriented, mode, layout)?;
            (sampling, Base::Grid(oriented))
        }
    };
    let (fused, steps) = match plan.values.split_first() {
        Some((step, later)) => match range_of(step) {
            Some(range) => (
                Some(device.upload(&[Intensity::scale_range(&range)])?),
                later,
            ),
            None => (None, plan.values),
        },
        None => (None, plan.values),
    };
    let (voxels, nonfinite_voxels) = uploaded(device, volume, sampling, fused.as_ref())?;
    let mut prepared = Prepared {
        voxels,
        dims: base.dims(),
        pending: None,
        back: Back::new(native, map, base),
        nonfinite_voxels,
        statistics: Vec::new(),
    };
    for step in steps {
        prepared.take(device, step)?;
    }
    Ok(prepared)
}

/// The fixed change of intensity that a step is.
fn range_of(step: &Preprocess) -> Option<ScaleRange> {
    match step {
        Preprocess::ScaleIntensityRange {
            a_min,
            a_max,
            b_min,
            b_max,
            clip,
        } => Some(ScaleRange {
            a_min: *a_min,
            a_max: *a_max,
            target: b_min.zip(*b_max),
            clip: *clip,
        }),
        _ => None,
    }
}

/// The scan on the sampling's grid; and how many of its voxels are no numbers.
fn uploaded(
    device: &Device,
    volume: &Volume,
    sampling: Sampling,
    intensity: Option<&Buffer<Intensity>>,
) -> Result<(Buffer<f32>, usize), DeviceError> {
    let rescale = volume.rescale();
    let rescale = (rescale != ScanRescale::IDENTITY).then(|| {
        let of_slice = Rescale {
            slope: rescale.slope as f32,
            intercept: rescale.intercept as f32,
        };
        vec![of_slice; volume.dims()[2]]
    });
    let rescale = rescale.as_deref();
    let nonfinite = Scan::new(volume).nonfinite_voxels();
    let voxels = match volume.voxels() {
        Voxels::U8(voxels) if nonfinite == 0 => {
            gathered(device, voxels, sampling, rescale, intensity)?
        }
        Voxels::I16(voxels) if nonfinite == 0 => {
            gathered(device, voxels, sampling, rescale, intensity)?
        }
        Voxels::U16(voxels) if nonfinite == 0 => {
            gathered(device, voxels, sampling, rescale, intensity)?
        }
        Voxels::F32(voxels) if nonfinite == 0 => {
            gathered(device, voxels, sampling, rescale, intensity)?
        }
        // Rare types, and scans with voxels that are no numbers.
        _ => {
            let mut values = volume.to_f32();
            if nonfinite > 0 {
                values
                    .iter_mut()
                    .for_each(|v| *v = if v.is_finite() { *v } else { 0.0 });
            }
            gathered(device, &values, sampling, None, intensity)?
        }
    };
    Ok((voxels, nonfinite))
}

fn gathered<T: Voxel>(
    device: &Device,
    voxels: &[T],
    sampling: Sampling,
    rescale: Option<&[Rescale]>,
    intensity: Option<&Buffer<Intensity>>,
) -> Result<Buffer<f32>, DeviceError> {
    let mut output = device.allocate(sampling.dims().iter().product())?;
    let gather = Gather::new(device, sampling, rescale)?;
    let input = device.allocate::<T>(voxels.len())?;
    gather.stream(device, voxels, &input, intensity, &mut output, SLABS)?;
    Ok(output)
}

impl Prepared {
    /// Queues one step.
    fn take(&mut self, device: &Device, step: &Preprocess) -> Result<(), PipelineError> {
        match step {
            Preprocess::CropForeground {
                margin,
                k_divisible,
            } => {
                let (dims, margin, k) = (self.dims, [*margin; 3], [*k_divisible; 3]);
                let voxels = self.settled(device)?;
                let (start, size) = foreground_box(device, voxels, dims, margin, k)?;
                self.cut(device, start, size)
            }
            Preprocess::SpatialPad {
                spatial_size,
                method,
            } => {
                let (start, size) = pad::padded_box(self.dims, *spatial_size, padding(*method));
                self.cut(device, start, size)
            }
            Preprocess::DivisiblePad { k, method } => {
                let size = pad::divisible(self.dims, *k);
                let (start, size) = pad::padded_box(self.dims, size, padding(*method));
                self.cut(device, start, size)
            }
            Preprocess::ScaleIntensityRangePercentiles {
                lower,
                upper,
                b_min,
                b_max,
                clip,
            } => {
                let target = b_min.zip(*b_max);
                // Without a target there is nothing to clip to, as in the reference.
                let clip = *clip && target.is_some();
                self.percentiles(device, (*lower, *upper), target.unwrap_or((0.0, 1.0)), clip)?;
                Ok(())
            }
            Preprocess::ScaleIntensity { minv, maxv } => {
                let [low, high] = self
                    .percentiles(device, (0.0, 100.0), (*minv, *maxv), false)?
                    .values()?;
                if low == high {
                    // MONAI multiplies a flat volume.
                    let flat = Intensity {
                        mul: *minv,
                        ..Intensity::IDENTITY
                    };
                    self.pending = Some(device.upload(&[flat])?);
                }
                Ok(())
            }
            Preprocess::NormalizeIntensity {
                nonzero,
                channel_wise: _,
                unbiased,
            } => {
                let rule = Normalize {
                    nonzero: *nonzero,
                    unbiased: *unbiased,
                };
                let voxels = self.settled(device)?;
                let moments = Moments::new(device, voxels.len(), rule)?;
                let mut change = device.allocate(1)?;
                moments.run(device, voxels, &mut change)?;
                self.pending = Some(change);
                self.statistics.push(Statistic::Moments(moments));
                Ok(())
            }
            Preprocess::ScaleIntensityRange { .. } => {
                let range = range_of(step).expect("it is one");
                self.settled(device)?;
                self.pending = Some(device.upload(&[Intensity::scale_range(&range)])?);
                Ok(())
            }
            Preprocess::Orientation { .. }
            | Preprocess::Spacing { .. }
            | Preprocess::Resize { .. } => {
                unreachable!("a plan has these first only")
            }
        }
    }

    /// Two percentiles become `target`.
    fn percentiles(
        &mut self,
        device: &Device,
        ranks: (f64, f64),
        target: (f32, f32),
        clip: bool,
    ) -> Result<&Percentiles<f32>, DeviceError> {
        let voxels = self.settled(device)?;
        let percentiles = Percentiles::new(device, voxels.len(), ranks)?;
        let mut change = device.allocate(1)?;
        percentiles.run(device, voxels, target, clip, &mut change)?;
        self.pending = Some(change);
        self.statistics.push(Statistic::Percentiles(percentiles));
        match self.statistics.last() {
            Some(Statistic::Percentiles(percentiles)) => Ok(percentiles),
            _ => unreachable!("it was pushed just now"),
        }
    }

    /// The voxels with every change made.
    pub(super) fn settled(&mut self, device: &Device) -> Result<&Buffer<f32>, DeviceError> {
        if let Some(change) = self.pending.take() {
            let mut changed = device.allocate(self.voxels.len())?;
            apply(device, &self.voxels, &change, &mut changed)?;
            self.voxels = changed;
        }
        Ok(&self.voxels)
    }

    /// Cuts a box, or pads with zeros to it.
    fn cut(
        &mut self,
        device: &Device,
        start: [i64; 3],
        size: [usize; 3],
    ) -> Result<(), PipelineError> {
        limit(size)?;
        if (Place { start, dims: size }).is_all_of(self.dims) {
            return Ok(());
        }
        let place = Place { start, dims: size };
        let cutter = Cutter::new(device, self.dims, place)?;
        self.voxels = cutter.run(device, &self.voxels, self.pending.as_ref())?;
        self.pending = None;
        self.back.was_cut(start, self.dims);
        self.dims = size;
        Ok(())
    }

    /// Refuses a scan whose statistics are no numbers, as the reference does. Waits for the stream.
    pub(super) fn verify(&self) -> Result<(), DeviceError> {
        for statistic in &self.statistics {
            match statistic {
                Statistic::Percentiles(percentiles) => percentiles.values().map(drop)?,
                Statistic::Moments(moments) => moments.values().map(drop)?,
            }
        }
        Ok(())
    }
}
