//! Resize to given dims over the same extent: MONAI's `Resize`, that is `torch.nn.functional.interpolate`
//! with `align_corners=False` and no anti-aliasing. Coordinates are f32 there, and so here, because that
//! decides which voxel is nearest.

use rayon::prelude::*;

use crate::KernelError;
use crate::gather::table::{self, Tap};
use crate::gather::view::View;
use crate::grid::{Field, Grid};

pub use super::resize_argmax::resize_argmax;

/// How a voxel of the new grid gets its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeMode {
    /// Input index `floor(i * in/out)`.
    Nearest,
    /// Input index `floor((i + 0.5) * in/out)`.
    NearestExact,
    /// Trilinear between voxel centres.
    Trilinear,
    /// The mean of all input voxels that the new voxel touches (adaptive average pooling).
    Area,
}

/// The volume on `dims` voxels over the same extent.
pub fn resize<'a>(
    volume: impl Into<View<'a, f32>>,
    dims: [usize; 3],
    mode: ResizeMode,
) -> Result<Field<f32>, KernelError> {
    let view = volume.into();
    let grid = resized_grid(view.grid(), dims)?;
    let dims_in = view.grid().dims();
    let voxels = match taps(dims_in, dims, mode) {
        _ if dims == dims_in => view.into_field().into_parts().1,
        Some(taps) if mode == ResizeMode::Trilinear => view.gathered(taps, table::interpolate),
        Some(taps) => view.gathered(taps, table::gather),
        None => area(view.into_field().voxels(), dims_in, dims),
    };
    Field::new(grid, voxels)
}

/// Where each axis reads the volume; nothing for a mean over all voxels touched.
pub(super) fn taps(from: [usize; 3], to: [usize; 3], mode: ResizeMode) -> Option<[Vec<Tap>; 3]> {
    Some(match mode {
        ResizeMode::Nearest => per_axis(from, to, nearest),
        ResizeMode::NearestExact => per_axis(from, to, nearest_exact),
        ResizeMode::Trilinear => per_axis(from, to, linear),
        ResizeMode::Area => return None,
    })
}

/// The grid that covers the extent of `grid` with other dims.
pub fn resized_grid(grid: &Grid, dims: [usize; 3]) -> Result<Grid, KernelError> {
    if dims.contains(&0) {
        return Err(KernelError::Dims { dims });
    }
    let scale: [f64; 3] = std::array::from_fn(|i| grid.dims()[i] as f64 / dims[i] as f64);
    let axes = grid.axes();
    let origin = grid.origin();
    // Edges coincide, so the first centre moves by half the difference of the voxel sizes.
    let origin = std::array::from_fn(|row| {
        origin[row]
            + (0..3)
                .map(|i| axes[row][i] * (scale[i] - 1.0) / 2.0)
                .sum::<f64>()
    });
    let axes = axes.map(|row| std::array::from_fn(|i| row[i] * scale[i]));
    Grid::from_axes(dims, &axes, origin)
}

pub(super) fn per_axis(
    from: [usize; 3],
    to: [usize; 3],
    tap: fn(usize, usize, usize) -> Tap,
) -> [Vec<Tap>; 3] {
    std::array::from_fn(|axis| {
        (0..to[axis])
            .map(|i| tap(i, from[axis], to[axis]))
            .collect()
    })
}

fn nearest(i: usize, from: usize, to: usize) -> Tap {
    let scale = from as f32 / to as f32;
    Tap::at(((i as f32 * scale) as usize).min(from - 1))
}

fn nearest_exact(i: usize, from: usize, to: usize) -> Tap {
    let scale = from as f32 / to as f32;
    let coordinate = (scale * (i as f32 + 0.5) - 0.5).max(0.0);
    Tap::at(((coordinate + 0.5) as usize).min(from - 1))
}

pub(super) fn linear(i: usize, from: usize, to: usize) -> Tap {
    let scale = from as f32 / to as f32;
    let coordinate = (scale * (i as f32 + 0.5) - 0.5).max(0.0);
    let low = (coordinate as usize).min(from - 1);
    let weight = (coordinate - low as f32).clamp(0.0, 1.0);
    Tap {
        low,
        high: (low + 1).min(from - 1),
        weight: f64::from(weight),
    }
}

fn area(input: &[f32], from: [usize; 3], to: [usize; 3]) -> Vec<f32> {
    let range = |axis: usize, i: usize| {
        i * from[axis] / to[axis]..((i + 1) * from[axis]).div_ceil(to[axis])
    };
    let mut output = vec![0.0; to.iter().product()];
    output
        .par_chunks_mut(to[0] * to[1])
        .enumerate()
        .for_each(|(z, slice)| {
            for (number, voxel) in slice.iter_mut().enumerate() {
                let (xs, ys, zs) = (
                    range(0, number % to[0]),
                    range(1, number / to[0]),
                    range(2, z),
                );
                let count = (xs.len() * ys.len() * zs.len()) as f64;
                let mut sum = 0.0;
                for z in zs {
                    for y in ys.clone() {
                        let row = &input[(z * from[1] + y) * from[0]..][..from[0]];
                        sum += row[xs.clone()].iter().map(|&v| f64::from(v)).sum::<f64>();
                    }
                }
                *voxel = (sum / count) as f32;
            }
        });
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::unit_grid;

    #[test]
    fn nearest_indices_of_both_kinds() {
        let indices = |f: fn(usize, usize, usize) -> Tap, from, to| {
            (0..to).map(|i| f(i, from, to).low).collect::<Vec<_>>()
        };
        assert_eq!(indices(nearest, 5, 3), [0, 1, 3]);
        assert_eq!(indices(nearest_exact, 5, 3), [0, 2, 4]);
        assert_eq!(indices(nearest, 2, 5), [0, 0, 0, 1, 1]);
        assert_eq!(indices(nearest_exact, 2, 5), [0, 0, 1, 1, 1]);
    }

    #[test]
    fn the_extent_stays() {
        let grid = resized_grid(&unit_grid([4, 4, 4]), [2, 8, 4]).expect("valid");
        assert_eq!(grid.spacing(), [2.0, 0.5, 1.0]);
        assert_eq!(grid.origin(), [0.5, -0.25, 0.0]);
        assert!(resized_grid(&unit_grid([4, 4, 4]), [2, 0, 4]).is_err());
    }

    #[test]
    fn area_means_over_overlapping_ranges() {
        let field =
            Field::new(unit_grid([3, 1, 2]), vec![1., 2., 6., 3., 4., 8.]).expect("six voxels");
        let small = resize(&field, [2, 1, 1], ResizeMode::Area).expect("valid");
        assert_eq!(small.voxels(), [2.5, 5.0]);
    }
}
