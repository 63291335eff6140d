//! Resize and decision as one: the number of the largest channel on another grid, without scores on that grid.

use std::ops::Range;

use rayon::prelude::*;

use super::orientation::AxisMap;
use super::resize::{linear, per_axis, resized_grid};
use super::table::{Tap, between};
use super::view::View;
use crate::KernelError;
use crate::grid::Field;
use crate::stitch::discrete;
use crate::stretch::equal_until;

/// The number of the largest channel (the first wins a tie) after a trilinear [`super::resize::resize`] of every channel
/// to `dims`, turned by `turn`. The same as one after the other, but only where the voxels around have different winners
/// is anything interpolated, and a turn that only mirrors costs nothing.
pub fn resize_argmax(
    channels: &[Field<f32>],
    dims: [usize; 3],
    turn: &AxisMap,
) -> Result<Field<u8>, KernelError> {
    let first = discrete::checked(channels)?;
    let resized = resized_grid(first.grid(), dims)?;
    let grid = turn.grid(&resized)?;
    let (labels, turn) = if dims == first.grid().dims() {
        (discrete::argmax(channels)?.into_parts().1, *turn)
    } else {
        let mut mirrored = [false; 3];
        for out in 0..3 {
            let (axis, flip) = turn.feeds(out);
            mirrored[axis] = flip;
        }
        (decided(channels, dims, mirrored), turn.without_flips())
    };
    // Only the axes' order is left to do, so this view's place in space does not count.
    let view = View::from(Field::new(resized, labels)?).turned(&turn)?;
    Field::new(grid, view.into_field().into_parts().1)
}

/// The labels on `dims`, with the axes backwards that are `mirrored`.
fn decided(channels: &[Field<f32>], dims: [usize; 3], mirrored: [bool; 3]) -> Vec<u8> {
    let dims_in = channels[0].grid().dims();
    let mut taps = per_axis(dims_in, dims, linear);
    // Where the voxels of each cell of a row start.
    let starts: Vec<usize> = (0..=dims_in[0])
        .map(|cell| taps[0].partition_point(|tap| tap.low < cell))
        .collect();
    for axis in [1, 2].into_iter().filter(|axis| mirrored[*axis]) {
        taps[axis].reverse();
    }
    let cells = clear_cells(channels, dims_in);
    let mut labels = vec![0; dims.iter().product()];
    labels
        .par_chunks_mut(dims[0] * dims[1])
        .zip(&taps[2])
        .for_each_init(
            || Undecided::new(channels, dims[0]),
            |undecided, (slice, &tz)| {
                for (row, &ty) in slice.chunks_exact_mut(dims[0]).zip(&taps[1]) {
                    let first = (tz.low * dims_in[1] + ty.low) * dims_in[0];
                    let cells = &cells[first..][..dims_in[0]];
                    let mut start = 0;
                    while start < cells.len() {
                        let alike = start..equal_until(cells, start);
                        start = alike.end;
                        let xs = starts[alike.start]..starts[alike.end];
                        match cells[alike.start] {
                            NO_WINNER => {
                                undecided.decide(
                                    alike,
                                    &taps[0][xs.clone()],
                                    [ty, tz],
                                    &mut row[xs],
                                );
                            }
                            winner => row[xs].fill(winner),
                        }
                    }
                    if mirrored[0] {
                        row.reverse();
                    }
                }
            },
        );
    labels
}

/// Decides the voxels of cells without a clear winner.
struct Undecided<'a> {
    channels: &'a [Field<f32>],
    dims: [usize; 3],
    /// One channel, blended along z and y.
    blended: Vec<f64>,
    /// The largest value so far.
    best: Vec<f32>,
}

impl<'a> Undecided<'a> {
    fn new(channels: &'a [Field<f32>], width: usize) -> Self {
        Self {
            channels,
            dims: channels[0].grid().dims(),
            blended: vec![0.0; channels[0].grid().dims()[0]],
            best: vec![0.0; width],
        }
    }

    /// The labels of the voxels at `xs`, which lie in `cells` of a row.
    fn decide(&mut self, cells: Range<usize>, xs: &[Tap], [y, z]: [Tap; 2], labels: &mut [u8]) {
        let columns = cells.start..(cells.end + 1).min(self.dims[0]);
        let blended = &mut self.blended[..columns.len()];
        let best = &mut self.best[..labels.len()];
        for (number, channel) in self.channels.iter().enumerate() {
            let row = |y, z| {
                let row = (z * self.dims[1] + y) * self.dims[0];
                &channel.voxels()[row + columns.start..][..blended.len()]
            };
            let low = [row(y.low, z.low), row(y.low, z.high)];
            let high = [row(y.high, z.low), row(y.high, z.high)];
            let along_z = |[low, high]: [&[f32]; 2], i: usize| {
                between(low[i].into(), high[i].into(), z.weight)
            };
            for (i, blended) in blended.iter_mut().enumerate() {
                *blended = between(along_z(low, i), along_z(high, i), y.weight);
            }
            for ((x, label), best) in xs.iter().zip(&mut *labels).zip(&mut *best) {
                let at = |x: usize| blended[x - columns.start];
                let value = between(at(x.low), at(x.high), x.weight) as f32;
                if number == 0 || value > *best {
                    (*label, *best) = (number as u8, value);
                }
            }
        }
    }
}

/// No channel, or none by enough. The channel that has this number is never a clear winner.
const NO_WINNER: u8 = u8::MAX;
/// Voxels whose channels are compared side by side.
const PIECE: usize = 1 << 10;

/// For each voxel the channel that wins clearly at it and at the next voxels along x, y and z: in all of the cell that
/// starts there.
fn clear_cells(channels: &[Field<f32>], dims: [usize; 3]) -> Vec<u8> {
    let winners = clear_winners(channels);
    let row_of = |y: usize, z: usize| {
        let row = z.min(dims[2] - 1) * dims[1] + y.min(dims[1] - 1);
        &winners[row * dims[0]..][..dims[0]]
    };
    let mut cells = vec![NO_WINNER; winners.len()];
    cells
        .par_chunks_mut(dims[0] * dims[1])
        .enumerate()
        .for_each_init(
            || vec![NO_WINNER; dims[0]],
            |edges, (z, slice)| {
                for (y, cells) in slice.chunks_exact_mut(dims[0]).enumerate() {
                    let one = row_of(y, z).iter().zip(row_of(y + 1, z));
                    let two = row_of(y, z + 1).iter().zip(row_of(y + 1, z + 1));
                    for (edge, ((a, b), (c, d))) in edges.iter_mut().zip(one.zip(two)) {
                        *edge = agreed(agreed(*a, *b), agreed(*c, *d));
                    }
                    for (cell, (a, b)) in cells.iter_mut().zip(edges.iter().zip(&edges[1..])) {
                        *cell = agreed(*a, *b);
                    }
                    cells[dims[0] - 1] = edges[dims[0] - 1];
                }
            },
        );
    cells
}

fn agreed(one: u8, two: u8) -> u8 {
    if one == two { one } else { NO_WINNER }
}

/// For each voxel the channel that is larger than all others by so much that it is larger between voxels too where it
/// wins at all of them: a blend of such leads is one, and larger than what two results lose by rounding to f32.
fn clear_winners(channels: &[Field<f32>]) -> Vec<u8> {
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
            // All of one width, so that the compiler compares several at once.
            let mut best = [f32::NEG_INFINITY; PIECE];
            let mut second = [f32::NEG_INFINITY; PIECE];
            let mut winner = [u32::from(NO_WINNER); PIECE];
            for (number, channel) in (0_u32..).zip(channels) {
                let values = &channel.voxels()[piece * PIECE..][..winners.len()];
                let bests = best.iter_mut().zip(&mut second).zip(&mut winner);
                for (((best, second), winner), &value) in bests.zip(values) {
                    let value = if value.is_nan() { f32::INFINITY } else { value };
                    let behind = if value > *best { *best } else { value };
                    *winner = if value > *best { number } else { *winner };
                    *best = if value > *best { value } else { *best };
                    *second = if behind > *second { behind } else { *second };
                }
            }
            for (winner, (best, second)) in winner.iter_mut().zip(best.iter().zip(&second)) {
                // Nobody wins where one is infinite or not a number.
                let clear = (best - second > lead) & (*best < f32::INFINITY);
                *winner = if clear { *winner } else { u32::from(NO_WINNER) };
            }
            for (to, winner) in winners.iter_mut().zip(winner) {
                *to = winner as u8;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::orientation::AxisCodes;
    use crate::gather::resize::{ResizeMode, resize};
    use crate::grid::unit_grid;

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
                let labels = discrete::argmax(&resized).expect("same dims");
                for codes in ["RAS", "LPS", "SAL", "PIR"] {
                    let codes = AxisCodes::parse(codes).expect("three axes");
                    let turn = AxisMap::to_codes(labels.grid(), codes);
                    let decided = resize_argmax(&channels, dims, &turn).expect("valid");
                    assert_eq!(decided, turn.apply(&labels).expect("valid"));
                }
            }
        }
        let labels = resize_argmax(&scores(dims, 5), [29, 17, 31], &AxisMap::IDENTITY);
        let labels = labels.expect("valid");
        assert!((0..3).all(|label| labels.voxels().contains(&label)));
        let winners = clear_winners(&scores(dims, 5));
        let clear = winners
            .iter()
            .filter(|&&winner| winner != NO_WINNER)
            .count();
        assert!((200..1700).contains(&clear), "{clear} of 1716 are clear");
    }

    #[test]
    fn the_last_of_256_channels_wins_too() {
        let channel = |number: usize| {
            let values = (0..8).map(|i| if i % 2 == 0 { number as f32 } else { 9.0 });
            Field::new(unit_grid([2; 3]), values.collect()).expect("fits")
        };
        let channels: Vec<Field<f32>> = (0..256).map(channel).collect();
        let labels = resize_argmax(&channels, [4, 2, 3], &AxisMap::IDENTITY).expect("valid");
        // Equal scores are the first channel's.
        let expected = [255, 255, 255, 0].repeat(6);
        assert_eq!(labels.voxels(), expected);
    }
}
