//! Resize to given dims over the same extent: MONAI's `Resize`, that is `torch.nn.functional.interpolate`
//! with `align_corners=False` and no anti-aliasing. Coordinates are f32 there, and so here, because that
//! decides which voxel is nearest.

use rayon::prelude::*;

use crate::KernelError;
use crate::gather::table::{self, Tap, interpolated};
use crate::gather::view::View;
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

/// The number of the largest channel (the first wins a tie) after a trilinear [`resize`] of every channel to `dims`. The
/// same as one after the other, but only where the voxels around have different winners is anything interpolated.
pub fn resize_argmax(channels: &[Field<f32>], dims: [usize; 3]) -> Result<Field<u8>, KernelError> {
    let first = discrete::checked(channels)?;
    let grid = resized_grid(first.grid(), dims)?;
    let dims_in = first.grid().dims();
    if dims == dims_in {
        return Field::new(grid, discrete::argmax(channels)?.into_parts().1);
    }
    let taps = per_axis(dims_in, dims, linear);
    let cells = clear_cells(channels, dims_in);
    // Where the voxels of each cell of a row start.
    let starts: Vec<usize> = (0..=dims_in[0])
        .map(|cell| taps[0].partition_point(|tap| tap.low < cell))
        .collect();
    let row_of = |y, z| (z * dims_in[1] + y) * dims_in[0];
    let decide = |taps: [Tap; 3]| {
        let value = |channel: &Field<f32>| {
            let at = |x, y, z| f64::from(channel.voxels()[row_of(y, z) + x]);
            interpolated(at, taps) as f32
        };
        discrete::largest(channels.iter().map(value))
    };
    let mut labels = vec![0; dims.iter().product()];
    labels
        .par_chunks_mut(dims[0] * dims[1])
        .zip(&taps[2])
        .for_each(|(slice, &tz)| {
            for (row, &ty) in slice.chunks_exact_mut(dims[0]).zip(&taps[1]) {
                let cells = &cells[row_of(ty.low, tz.low)..][..dims_in[0]];
                let mut first = 0;
                for alike in cells.chunk_by(|a, b| a == b) {
                    let xs = starts[first]..starts[first + alike.len()];
                    first += alike.len();
                    match alike[0] {
                        NO_WINNER => {
                            let undecided = row[xs.clone()].iter_mut().zip(&taps[0][xs]);
                            undecided.for_each(|(label, &tx)| *label = decide([tx, ty, tz]));
                        }
                        winner => row[xs].fill(winner as u8),
                    }
                }
            }
        });
    Field::new(grid, labels)
}

/// No channel, or none by enough.
const NO_WINNER: u16 = u16::MAX;
/// Voxels whose channels are compared side by side.
const PIECE: usize = 1 << 10;

/// For each voxel the channel that wins clearly at it and at the next voxels along x, y and z: in all of the cell that
/// starts there.
fn clear_cells(channels: &[Field<f32>], dims: [usize; 3]) -> Vec<u16> {
    let agree = |own: &mut u16, next: u16| *own = if *own == next { *own } else { NO_WINNER };
    let winners = clear_winners(channels);
    let slice = dims[0] * dims[1];
    let mut cells = winners.clone();
    cells
        .par_chunks_mut(slice)
        .zip(winners.par_chunks(slice).skip(1))
        .for_each(|(own, next)| {
            own.iter_mut()
                .zip(next)
                .for_each(|(own, &next)| agree(own, next))
        });
    cells.par_chunks_mut(slice).for_each(|slice| {
        for at in 0..slice.len() - dims[0] {
            let next = slice[at + dims[0]];
            agree(&mut slice[at], next);
        }
        for row in slice.chunks_exact_mut(dims[0]) {
            for at in 0..row.len() - 1 {
                let next = row[at + 1];
                agree(&mut row[at], next);
            }
        }
    });
    cells
}

/// For each voxel the channel that is larger than all others by so much that it is larger between voxels too where it
/// wins at all of them: a blend of such leads is one, and larger than what two results lose by rounding to f32.
fn clear_winners(channels: &[Field<f32>]) -> Vec<u16> {
    let largest = channels
        .iter()
        .map(|channel| {
            let parts = channel.voxels().par_chunks(PIECE);
            parts.map(largest_magnitude).reduce(|| 0.0, f32::max)
        })
        .fold(0.0, f32::max);
    let lead = (2.0 * f32::EPSILON * largest).max(f32::MIN_POSITIVE);
    let mut winners = vec![NO_WINNER; channels[0].voxels().len()];
    winners
        .par_chunks_mut(PIECE)
        .enumerate()
        .for_each(|(piece, winners)| {
            let mut best = [f32::NEG_INFINITY; PIECE];
            let mut second = [f32::NEG_INFINITY; PIECE];
            for (number, channel) in channels.iter().enumerate() {
                let values = &channel.voxels()[piece * PIECE..][..winners.len()];
                let bests = best.iter_mut().zip(&mut second);
                for ((winner, (best, second)), &value) in winners.iter_mut().zip(bests).zip(values)
                {
                    // Nobody wins where one is not a number.
                    let (value, number) = if value.is_nan() {
                        (f32::INFINITY, NO_WINNER)
                    } else {
                        (value, number as u16)
                    };
                    let wins = value > *best;
                    let behind = if wins { *best } else { value };
                    *second = if behind > *second { behind } else { *second };
                    *best = if wins { value } else { *best };
                    *winner = if wins { number } else { *winner };
                }
            }
            for ((winner, best), second) in winners.iter_mut().zip(best).zip(second) {
                *winner = if best - second > lead {
                    *winner
                } else {
                    NO_WINNER
                };
            }
        });
    winners
}

fn largest_magnitude(values: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for piece in values.chunks(lanes.len()) {
        for (largest, value) in lanes.iter_mut().zip(piece) {
            let magnitude = value.abs();
            *largest = if magnitude > *largest {
                magnitude
            } else {
                *largest
            };
        }
    }
    lanes.into_iter().fold(0.0, f32::max)
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

fn per_axis(
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

    /// Channels of three regions with noise: clear winners inside, close calls at their borders.
    fn scores(dims: [usize; 3], seed: usize) -> Vec<Field<f32>> {
        let count = dims.iter().product::<usize>();
        let channel = |number: usize| {
            let value = |i: usize| {
                let noise =
                    (i.wrapping_mul(2_654_435_761 + 40_503 * (3 * seed + number)) >> 11) % 8;
                let region = i * 3 / count;
                (if region == number { 5.0 } else { 0.0 }) + noise as f32
            };
            Field::new(unit_grid(dims), (0..count).map(value).collect()).expect("fits")
        };
        (0..3).map(channel).collect()
    }

    #[test]
    fn resize_with_the_decision_is_resize_and_then_the_decision() {
        let dims = [13, 11, 12];
        let tied: Vec<Field<f32>> = vec![scores(dims, 1)[0].clone(); 3];
        let mut broken = scores(dims, 6);
        broken[0].voxels_mut()[700] = f32::NAN;
        broken[1].voxels_mut()[701] = f32::NAN;
        broken[2].voxels_mut()[900] = f32::INFINITY;
        let mut tiny = scores(dims, 7);
        let shrink = |channel: &mut Field<f32>| {
            channel.voxels_mut().iter_mut().for_each(|v| *v *= 1e-45);
        };
        tiny.iter_mut().for_each(shrink);
        for channels in [scores(dims, 5), tied, broken, tiny] {
            for dims in [[29, 17, 31], [7, 12, 8], dims] {
                let resized: Vec<Field<f32>> = channels
                    .iter()
                    .map(|channel| resize(channel, dims, ResizeMode::Trilinear).expect("valid"))
                    .collect();
                let labels = resize_argmax(&channels, dims).expect("valid");
                assert_eq!(labels, discrete::argmax(&resized).expect("same dims"));
            }
        }
        let labels = resize_argmax(&scores(dims, 5), [29, 17, 31]).expect("valid");
        assert!((0..3).all(|label| labels.voxels().contains(&label)));
        let winners = clear_winners(&scores(dims, 5));
        let clear = winners
            .iter()
            .filter(|&&winner| winner != NO_WINNER)
            .count();
        assert!((200..1700).contains(&clear), "{clear} of 1716 are clear");
    }
}
