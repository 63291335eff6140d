//! Resize to given dims over the same extent: MONAI's `Resize`, that is `torch.nn.functional.interpolate`
//! with `align_corners=False` and no anti-aliasing. Coordinates are f32 there, and so here, because that
//! decides which voxel is nearest.

use rayon::prelude::*;

use crate::KernelError;
use crate::gather::table::{self, Tap};
use crate::grid::{Field, Grid};
use crate::stitch::discrete;

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

/// `field` on `dims` voxels over the same extent.
pub fn resize(
    field: &Field<f32>,
    dims: [usize; 3],
    mode: ResizeMode,
) -> Result<Field<f32>, KernelError> {
    let grid = resized_grid(field.grid(), dims)?;
    let dims_in = field.grid().dims();
    if dims == dims_in {
        return Field::new(grid, field.voxels().to_vec());
    }
    let voxels = match mode {
        ResizeMode::Nearest => {
            table::gather(field.voxels(), dims_in, &per_axis(dims_in, dims, nearest))
        }
        ResizeMode::NearestExact => table::gather(
            field.voxels(),
            dims_in,
            &per_axis(dims_in, dims, nearest_exact),
        ),
        ResizeMode::Trilinear => {
            table::interpolate(field.voxels(), dims_in, &per_axis(dims_in, dims, linear))
        }
        ResizeMode::Area => area(field.voxels(), dims_in, dims),
    };
    Field::new(grid, voxels)
}

/// The number of the largest channel (the first wins a tie) after a trilinear [`resize`] of every channel to `dims`. The
/// same as one after the other, without writing the resized channels, which are much larger than the labels.
pub fn resize_argmax(channels: &[Field<f32>], dims: [usize; 3]) -> Result<Field<u8>, KernelError> {
    let first = discrete::checked(channels)?;
    let grid = resized_grid(first.grid(), dims)?;
    let dims_in = first.grid().dims();
    if dims == dims_in {
        return Field::new(grid, discrete::argmax(channels)?.into_parts().1);
    }
    let taps = per_axis(dims_in, dims, linear);
    let mut labels = vec![0; dims.iter().product()];
    labels
        .par_chunks_mut(dims[0] * dims[1])
        .enumerate()
        .for_each(|(z, slice)| {
            let mut blended = vec![0.0; dims_in[0]];
            let mut best = vec![0.0; dims[0]];
            let mut next = vec![0.0; dims[0]];
            for (y, row) in slice.chunks_mut(dims[0]).enumerate() {
                let at = [y, z];
                let mut fill = |channel: &Field<f32>, out: &mut [f32]| {
                    table::interpolate_row(channel.voxels(), dims_in, &taps, at, &mut blended, out);
                };
                fill(first, &mut best);
                for (number, channel) in channels.iter().enumerate().skip(1) {
                    fill(channel, &mut next);
                    for ((label, best), next) in row.iter_mut().zip(&mut best).zip(&next) {
                        if *next > *best {
                            *best = *next;
                            *label = number as u8;
                        }
                    }
                }
            }
        });
    Field::new(grid, labels)
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

fn per_axis<T>(
    from: [usize; 3],
    to: [usize; 3],
    entry: fn(usize, usize, usize) -> T,
) -> [Vec<T>; 3] {
    std::array::from_fn(|axis| {
        (0..to[axis])
            .map(|i| entry(i, from[axis], to[axis]))
            .collect()
    })
}

fn nearest(i: usize, from: usize, to: usize) -> usize {
    let scale = from as f32 / to as f32;
    ((i as f32 * scale) as usize).min(from - 1)
}

fn nearest_exact(i: usize, from: usize, to: usize) -> usize {
    let scale = from as f32 / to as f32;
    let coordinate = (scale * (i as f32 + 0.5) - 0.5).max(0.0);
    ((coordinate + 0.5) as usize).min(from - 1)
}

fn linear(i: usize, from: usize, to: usize) -> Tap {
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
        let indices = |f: fn(usize, usize, usize) -> usize, from, to| {
            (0..to).map(|i| f(i, from, to)).collect::<Vec<_>>()
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

    #[test]
    fn resize_with_the_decision_is_resize_and_then_the_decision() {
        let dims = [5, 4, 3];
        let channel = |seed: usize| {
            let value = |i: usize| ((i * 37 + seed * 11) % 23) as f32 - 9.0;
            Field::new(unit_grid(dims), (0..60).map(value).collect()).expect("60 voxels")
        };
        let channels = [channel(1), channel(5), channel(8)];
        for dims in [[9, 7, 4], [3, 4, 8], dims] {
            let resized: Vec<Field<f32>> = channels
                .iter()
                .map(|channel| resize(channel, dims, ResizeMode::Trilinear).expect("valid"))
                .collect();
            let labels = resize_argmax(&channels, dims).expect("valid");
            assert_eq!(labels, discrete::argmax(&resized).expect("same dims"));
            assert!((0..3).all(|label| labels.voxels().contains(&label)));
        }
    }
}
