//! The network over the prepared volume: at once, or window by window.

use swarm_kernels::pad::{self, PadMethod};
use swarm_kernels::window::{self, Blend, Stitch};
use swarm_kernels::{Field, layout};

use super::PipelineError;
use crate::engine::Engine;
use crate::package::Spec;
use crate::package::spec;

/// Most windows of one volume.
pub const WINDOWS_MAX: usize = 4096;
/// Most scores held at once: 8 GiB of them.
pub const SCORES_MAX: usize = 1 << 31;

/// The scores of every channel on the grid of `input`. `progress` hears the part that is done.
pub(super) fn scores(
    spec: &Spec,
    engine: &mut dyn Engine,
    input: &Field<f32>,
    progress: &mut dyn FnMut(f32),
) -> Result<Vec<Field<f32>>, PipelineError> {
    let dims = input.grid().dims();
    let channels = spec.output.channels;
    match windows(spec, dims)? {
        None => {
            let tensor = engine.infer(layout::to_tensor(input, [0; 3], dims)?, dims)?;
            split(&tensor, input)
        }
        Some(windows) => sliding(engine, input, &windows, channels, progress),
    }
}

/// How a network sees a volume part by part.
pub(super) struct Windows {
    pub roi: [usize; 3],
    pub overlap: f64,
    pub blend: Blend,
    /// The volume as it is padded to hold a window: first voxel, and dims.
    pub start: [i64; 3],
    pub padded: [usize; 3],
    /// First voxels of the windows in the padded volume.
    pub positions: Vec<[usize; 3]>,
}

impl Windows {
    fn over(
        dims: [usize; 3],
        roi: [usize; 3],
        overlap: f64,
        blend: Blend,
    ) -> Result<Self, PipelineError> {
        let (start, padded) = pad::padded_box(dims, roi, PadMethod::Symmetric);
        let positions = window::positions(padded, roi, [overlap; 3])?;
        if positions.len() > WINDOWS_MAX {
            return Err(PipelineError::Windows {
                count: positions.len(),
            });
        }
        Ok(Self {
            roi,
            overlap,
            blend,
            start,
            padded,
            positions,
        })
    }
}

/// How the package's network sees a volume of `dims`: part by part, or (nothing) at once, if it can take these dims.
pub(super) fn windows(spec: &Spec, dims: [usize; 3]) -> Result<Option<Windows>, PipelineError> {
    let channels = spec.output.channels;
    let scores = dims.iter().fold(channels, |all, &n| all.saturating_mul(n));
    if scores > SCORES_MAX {
        return Err(PipelineError::TooLarge { dims, channels });
    }
    match &spec.window {
        spec::Window::Whole {} => {
            let multiple = spec.input.size_multiple;
            if dims.iter().any(|n| n % multiple != 0) {
                return Err(PipelineError::Size { dims, multiple });
            }
            Ok(None)
        }
        spec::Window::Sliding {
            roi_size,
            overlap,
            blend,
            sigma_scale,
        } => {
            let blend = match blend {
                spec::Blend::Constant => Blend::Constant,
                spec::Blend::Gaussian => Blend::Gaussian {
                    sigma_scale: *sigma_scale,
                },
            };
            Windows::over(dims, *roi_size, *overlap, blend).map(Some)
        }
    }
}

fn sliding(
    engine: &mut dyn Engine,
    input: &Field<f32>,
    windows: &Windows,
    channels: usize,
    progress: &mut dyn FnMut(f32),
) -> Result<Vec<Field<f32>>, PipelineError> {
    let Windows {
        roi,
        blend,
        start,
        padded: padded_dims,
        ref positions,
        ..
    } = *windows;
    let dims = input.grid().dims();
    let padded = pad::cut(input, start, padded_dims, 0.0)?;
    let mut stitch = Stitch::new(channels, padded_dims, roi, blend);
    for (number, at) in positions.iter().enumerate() {
        let output = engine.infer(layout::to_tensor(&padded, *at, roi)?, roi)?;
        stitch.add(*at, &output)?;
        progress((number + 1) as f32 / positions.len() as f32);
    }
    let stitched = split(&stitch.finish(), &padded)?;
    let back = |channel: &Field<f32>| pad::cut(channel, start.map(|v| -v), dims, 0.0);
    Ok(stitched.iter().map(back).collect::<Result<_, _>>()?)
}

fn split(tensor: &[f32], like: &Field<f32>) -> Result<Vec<Field<f32>>, PipelineError> {
    let channels = tensor.chunks(like.grid().voxels());
    Ok(channels
        .map(|channel| layout::from_tensor(channel, like.grid().clone()))
        .collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineError, EngineInfo};
    use swarm_kernels::Grid;

    /// Two channels: the input, and its negative.
    struct Mirror(EngineInfo);

    impl Engine for Mirror {
        fn info(&self) -> &EngineInfo {
            &self.0
        }

        fn infer(&mut self, input: Vec<f32>, _: [usize; 3]) -> Result<Vec<f32>, EngineError> {
            let negative: Vec<f32> = input.iter().map(|v| -v).collect();
            Ok([input, negative].concat())
        }
    }

    #[test]
    fn whole_and_sliding_give_every_voxel_its_score() {
        let affine = [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        let grid = Grid::new([4, 6, 2], affine).expect("valid");
        let input = Field::new(grid, (0..48).map(|v| v as f32).collect()).expect("48 voxels");
        let mut engine = Mirror(EngineInfo {
            backend: "test".to_owned(),
            version: String::new(),
            precision: "f32",
            architecture: String::new(),
            kernels: swarm_kernels::KERNEL_SET,
        });
        let whole = engine
            .infer(
                layout::to_tensor(&input, [0; 3], [4, 6, 2]).expect("whole"),
                [4, 6, 2],
            )
            .expect("runs");
        let whole = split(&whole, &input).expect("two channels");
        let mut parts = Vec::new();
        let mut progress = |part| parts.push(part);
        // Larger than the volume along z, so it is padded and cut back.
        let windows = Windows::over([4, 6, 2], [2, 4, 4], 0.25, Blend::Constant).expect("few");
        let slid = sliding(&mut engine, &input, &windows, 2, &mut progress).expect("runs");
        for channel in 0..2 {
            assert_eq!(slid[channel].voxels(), whole[channel].voxels());
        }
        assert_eq!(whole[0], input);
        assert_eq!(parts.last(), Some(&1.0));
        assert!(parts.is_sorted());
    }
}
