//! From the scan to the network's input, remembering how to get back.

use swarm_kernels::intensity::{self, Normalize, ScaleRange};
use swarm_kernels::orientation::{AxisCodes, AxisMap};
use swarm_kernels::pad::{self, PadMethod};
use swarm_kernels::resample::{Interpolation, resample};
use swarm_kernels::resize::{ResizeMode, resize, resize_argmax};
use swarm_kernels::spacing::spaced_grid;
use swarm_kernels::view::View;
use swarm_kernels::{Field, Grid, KernelError, discrete, foreground};

use crate::package::step::{self, InvertMode, Preprocess};

/// Most voxels of the network's input: a scan of 512 x 512 x 1024, or a hostile spacing's limit.
pub const INPUT_VOXELS_MAX: usize = 1 << 28;

/// How one geometric step is undone.
enum Undo {
    Turn(AxisMap),
    Resample(Grid),
    Resize(Grid),
    Cut { start: [i64; 3], grid: Grid },
}

/// The geometric steps that were taken, to be undone in reverse.
#[derive(Default)]
pub(super) struct Trace(Vec<Undo>);

impl Trace {
    /// `field` back on the grid that the first step started from.
    pub(super) fn invert(
        &self,
        field: Field<f32>,
        mode: InvertMode,
    ) -> Result<Field<f32>, KernelError> {
        undone(&self.0, field, mode)
    }

    /// The largest channel's number, on the grid that the first step started from: inversion and argmax as one. A turn
    /// only moves voxels, so it moves bytes instead of all scores, and a resize decides as it goes.
    pub(super) fn invert_argmax(
        &self,
        channels: Vec<Field<f32>>,
        mode: InvertMode,
    ) -> Result<Field<u8>, KernelError> {
        let turns = self
            .0
            .iter()
            .take_while(|undo| matches!(undo, Undo::Turn(_)));
        let (turns, steps) = self.0.split_at(turns.count());
        let back = |steps: &[Undo]| -> Result<Vec<Field<f32>>, KernelError> {
            let back = |channel| undone(steps, channel, mode);
            channels.into_iter().map(back).collect()
        };
        let all = AxisMap::IDENTITY;
        let turn = turns.iter().rev().fold(all, |all, undo| match undo {
            Undo::Turn(map) => all.then(map),
            _ => all,
        });
        match steps.split_first() {
            Some((Undo::Resize(grid), later)) if mode == InvertMode::Trilinear => {
                let labels = resize_argmax(&back(later)?, grid.dims(), &turn)?;
                on_grid(labels, &turn.grid(grid)?)
            }
            _ => {
                let labels = discrete::argmax(&back(steps)?)?;
                Ok(View::from(labels).turned(&turn)?.into_field())
            }
        }
    }
}

/// Undoes `steps`, the last one first.
fn undone(steps: &[Undo], field: Field<f32>, mode: InvertMode) -> Result<Field<f32>, KernelError> {
    let mut view = View::from(field);
    for undo in steps.iter().rev() {
        view = match undo {
            Undo::Turn(map) => view.turned(map)?,
            Undo::Resample(grid) => resample(view, grid, interpolation(mode))?.into(),
            Undo::Resize(grid) => on_grid(resize(view, grid.dims(), resizing(mode))?, grid)?.into(),
            Undo::Cut { start, grid } => {
                let field = view.into_field();
                on_grid(pad::cut(&field, *start, grid.dims(), 0.0)?, grid)?.into()
            }
        };
    }
    Ok(view.into_field())
}

/// Gives a volume the grid it had before, free of the rounding of the way there and back.
fn on_grid<T>(field: Field<T>, grid: &Grid) -> Result<Field<T>, KernelError> {
    Field::new(grid.clone(), field.into_parts().1)
}

pub(super) fn interpolation(mode: InvertMode) -> Interpolation {
    match mode {
        InvertMode::Nearest | InvertMode::NearestExact => Interpolation::Nearest,
        InvertMode::Trilinear => Interpolation::Linear,
    }
}

pub(super) fn resizing(mode: InvertMode) -> ResizeMode {
    match mode {
        InvertMode::Nearest => ResizeMode::Nearest,
        InvertMode::NearestExact => ResizeMode::NearestExact,
        InvertMode::Trilinear => ResizeMode::Trilinear,
    }
}

/// Takes one step. A turn is taken on paper only; the first step that needs values reads them where they are stored.
pub(super) fn apply<'a>(
    step: &Preprocess,
    view: View<'a, f32>,
    trace: &mut Trace,
) -> Result<View<'a, f32>, KernelError> {
    let grid = view.grid().clone();
    let dims = grid.dims();
    let field = match step {
        Preprocess::Orientation { axcodes } => {
            let map = AxisMap::to_codes(&grid, AxisCodes::parse(axcodes)?);
            trace.0.push(Undo::Turn(map.inverse()));
            return view.turned(&map);
        }
        Preprocess::Spacing { pixdim, mode } => {
            let target = within_limit(spaced_grid(&grid, *pixdim)?)?;
            trace.0.push(Undo::Resample(grid));
            resample(view, &target, spacing_mode(*mode))?
        }
        Preprocess::Resize { spatial_size, mode } => {
            limit(*spatial_size)?;
            trace.0.push(Undo::Resize(grid));
            resize(view, *spatial_size, resize_mode(*mode))?
        }
        Preprocess::CropForeground {
            margin,
            k_divisible,
        } => {
            let field = view.into_field();
            let (start, size) =
                foreground::foreground_box(&field, [*margin; 3], [*k_divisible; 3])?;
            cut(&field, start, size, trace)?
        }
        Preprocess::SpatialPad {
            spatial_size,
            method,
        } => {
            let (start, size) = pad::padded_box(dims, *spatial_size, padding(*method));
            cut(&view.into_field(), start, size, trace)?
        }
        Preprocess::DivisiblePad { k, method } => {
            let (start, size) = pad::padded_box(dims, pad::divisible(dims, *k), padding(*method));
            cut(&view.into_field(), start, size, trace)?
        }
        Preprocess::ScaleIntensityRange {
            a_min,
            a_max,
            b_min,
            b_max,
            clip,
        } => {
            let range = ScaleRange {
                a_min: *a_min,
                a_max: *a_max,
                target: b_min.zip(*b_max),
                clip: *clip,
            };
            changed(view, |voxels| {
                intensity::scale_range(voxels, &range);
                Ok(())
            })?
        }
        Preprocess::ScaleIntensityRangePercentiles {
            lower,
            upper,
            b_min,
            b_max,
            clip,
        } => {
            let target = b_min.zip(*b_max);
            changed(view, |voxels| {
                intensity::scale_range_percentiles(voxels, (*lower, *upper), target, *clip)
            })?
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
            changed(view, |voxels| intensity::normalize(voxels, rule))?
        }
        Preprocess::ScaleIntensity { minv, maxv } => {
            changed(view, |voxels| intensity::scale(voxels, (*minv, *maxv)))?
        }
    };
    Ok(field.into())
}

/// The volume with its values changed in place.
fn changed(
    view: View<'_, f32>,
    change: impl FnOnce(&mut [f32]) -> Result<(), KernelError>,
) -> Result<Field<f32>, KernelError> {
    let mut field = view.into_field();
    change(field.voxels_mut())?;
    Ok(field)
}

pub(super) fn spacing_mode(mode: step::SpacingMode) -> Interpolation {
    match mode {
        step::SpacingMode::Bilinear => Interpolation::Linear,
        step::SpacingMode::Nearest => Interpolation::Nearest,
    }
}

pub(super) fn resize_mode(mode: step::ResizeMode) -> ResizeMode {
    match mode {
        step::ResizeMode::Area => ResizeMode::Area,
        step::ResizeMode::Nearest => ResizeMode::Nearest,
        step::ResizeMode::NearestExact => ResizeMode::NearestExact,
        step::ResizeMode::Trilinear => ResizeMode::Trilinear,
    }
}

pub(super) fn padding(method: step::PadMethod) -> PadMethod {
    match method {
        step::PadMethod::Symmetric => PadMethod::Symmetric,
        step::PadMethod::End => PadMethod::End,
    }
}

/// Cuts a box, and remembers where the volume was in it.
pub(super) fn cut(
    field: &Field<f32>,
    start: [i64; 3],
    dims: [usize; 3],
    trace: &mut Trace,
) -> Result<Field<f32>, KernelError> {
    limit(dims)?;
    trace.0.push(Undo::Cut {
        start: start.map(|v| -v),
        grid: field.grid().clone(),
    });
    pad::cut(field, start, dims, 0.0)
}

fn within_limit(grid: Grid) -> Result<Grid, KernelError> {
    limit(grid.dims())?;
    Ok(grid)
}

pub(super) fn limit(dims: [usize; 3]) -> Result<(), KernelError> {
    let voxels = dims
        .iter()
        .try_fold(1usize, |product, &n| product.checked_mul(n));
    if voxels.is_some_and(|n| n <= INPUT_VOXELS_MAX) {
        Ok(())
    } else {
        Err(KernelError::Dims { dims })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels in blocks of two voxels, on an oblique grid with its axes out of order.
    fn blocks() -> Field<f32> {
        let affine = [
            [0.0, 0.1, -3.0, 7.0],
            [-1.0, 0.2, 0.0, 8.0],
            [0.05, 2.0, 0.3, 9.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        let grid = Grid::new([8, 6, 4], affine).expect("valid");
        let voxels = (0..192)
            .map(|i| ((i % 8 / 2) + (i / 8 % 6 / 2) * 4 + (i / 48 / 2) * 12 + 1) as f32)
            .collect();
        Field::new(grid, voxels).expect("192 voxels")
    }

    #[test]
    fn every_geometric_step_is_undone() {
        let steps = [
            Preprocess::Orientation {
                axcodes: "RAS".to_owned(),
            },
            Preprocess::Spacing {
                pixdim: [1.0, 0.25, 0.5],
                mode: step::SpacingMode::Nearest,
            },
            Preprocess::CropForeground {
                margin: 2,
                k_divisible: 4,
            },
            Preprocess::SpatialPad {
                spatial_size: [40, 30, 50],
                method: step::PadMethod::Symmetric,
            },
            Preprocess::DivisiblePad {
                k: [16, 16, 16],
                method: step::PadMethod::End,
            },
            Preprocess::Resize {
                spatial_size: [128, 128, 128],
                mode: step::ResizeMode::NearestExact,
            },
        ];
        let source = blocks();
        let mut trace = Trace::default();
        let mut view = View::from(&source);
        for step in &steps {
            view = apply(step, view, &mut trace).expect("valid");
        }
        let field = view.into_field();
        assert_eq!(field.grid().dims(), [128; 3]);
        let back = trace
            .invert(field, InvertMode::NearestExact)
            .expect("valid");
        assert_eq!(back.grid().dims(), source.grid().dims());
        assert_eq!(back.voxels(), source.voxels());
    }

    #[test]
    fn intensity_steps_leave_no_trace() {
        let mut trace = Trace::default();
        let step = Preprocess::ScaleIntensity {
            minv: 0.0,
            maxv: 1.0,
        };
        let field = apply(&step, blocks().into(), &mut trace)
            .expect("finite")
            .into_field();
        assert_eq!(field.voxels()[0], 0.0);
        assert_eq!(
            trace
                .invert(field.clone(), InvertMode::Trilinear)
                .expect("nothing to undo"),
            field
        );
    }

    #[test]
    fn a_step_that_would_fill_memory_is_refused() {
        let step = Preprocess::Spacing {
            pixdim: [0.001; 3],
            mode: step::SpacingMode::Bilinear,
        };
        assert!(matches!(
            apply(&step, blocks().into(), &mut Trace::default()),
            Err(KernelError::Dims { .. })
        ));
    }
}
