//! Volumes as a gather reads them: voxels where they are stored, turned on paper only.
//!
//! The first step that needs values reads a scan once, in its file's type; a turn before it only changes which stored
//! voxel a table names.

use std::ops::Range;

use rayon::prelude::*;

use super::orientation::AxisMap;
use super::table::Tap;
use crate::KernelError;
use crate::grid::{Field, Grid};

/// Edge of the tiles in which axes trade places: two cache lines of f32, so that most of what a row brings is used.
const TILE: usize = 32;

/// Voxels that can be read along x, wherever and in whatever type they are stored.
pub trait Source<T>: Sync {
    /// Voxels along x, y, z; x is stored fastest.
    fn dims(&self) -> [usize; 3];

    /// The voxels `xs` of row `[y, z]`: borrowed where they are stored as `T`, else converted into `buffer`, which has
    /// room for just them.
    fn row<'a>(&'a self, xs: Range<usize>, at: [usize; 2], buffer: &'a mut [T]) -> &'a [T];
}

impl<T: Sync> Source<T> for Field<T> {
    fn dims(&self) -> [usize; 3] {
        self.grid().dims()
    }

    fn row<'a>(&'a self, xs: Range<usize>, at: [usize; 2], _: &'a mut [T]) -> &'a [T] {
        Dense {
            voxels: self.voxels(),
            start: [0; 3],
            dims: self.dims(),
            within: self.dims(),
        }
        .stretch(xs, at)
    }
}

/// A box of voxels in memory.
pub(super) struct Dense<'a, T> {
    /// Of the volume that the box is in, whose dims are `within`.
    pub voxels: &'a [T],
    pub within: [usize; 3],
    pub start: [usize; 3],
    pub dims: [usize; 3],
}

impl<'a, T> Dense<'a, T> {
    /// All of a volume.
    pub fn whole(voxels: &'a [T], dims: [usize; 3]) -> Self {
        Self {
            voxels,
            within: dims,
            start: [0; 3],
            dims,
        }
    }

    fn stretch(&self, xs: Range<usize>, [y, z]: [usize; 2]) -> &'a [T] {
        let row = (self.start[2] + z) * self.within[1] + self.start[1] + y;
        &self.voxels[row * self.within[0] + self.start[0]..][xs]
    }
}

impl<T: Sync> Source<T> for Dense<'_, T> {
    fn dims(&self) -> [usize; 3] {
        self.dims
    }

    fn row<'a>(&'a self, xs: Range<usize>, at: [usize; 2], _: &'a mut [T]) -> &'a [T] {
        self.stretch(xs, at)
    }
}

enum Held<'a, T> {
    There(&'a dyn Source<T>),
    Here(Field<T>),
}

/// A volume whose voxels may still lie as they are stored: in another type, with other axes.
pub struct View<'a, T> {
    held: Held<'a, T>,
    map: AxisMap,
    grid: Grid,
}

impl<T> From<Field<T>> for View<'_, T> {
    fn from(field: Field<T>) -> Self {
        Self {
            map: AxisMap::IDENTITY,
            grid: field.grid().clone(),
            held: Held::Here(field),
        }
    }
}

impl<'a, T: Sync> From<&'a Field<T>> for View<'a, T> {
    fn from(field: &'a Field<T>) -> Self {
        Self {
            map: AxisMap::IDENTITY,
            grid: field.grid().clone(),
            held: Held::There(field),
        }
    }
}

impl<'a, T> View<'a, T> {
    /// What `source` has, which lies on `grid`.
    pub fn new(source: &'a dyn Source<T>, grid: Grid) -> Result<Self, KernelError> {
        let (left, right) = (source.dims(), grid.dims());
        if left != right {
            return Err(KernelError::Mismatch { left, right });
        }
        Ok(Self {
            held: Held::There(source),
            map: AxisMap::IDENTITY,
            grid,
        })
    }

    /// Where the voxels are.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The same voxels with other axes; none of them is touched.
    pub fn turned(self, map: &AxisMap) -> Result<Self, KernelError> {
        Ok(Self {
            grid: map.grid(&self.grid)?,
            map: self.map.then(map),
            held: self.held,
        })
    }
}

impl<T: Copy + Default + Send + Sync> View<'_, T> {
    fn source(&self) -> &dyn Source<T> {
        match &self.held {
            Held::There(source) => *source,
            Held::Here(field) => field,
        }
    }

    /// A volume in memory, as the view shows it. One that is in memory already stays where it is.
    pub fn into_field(self) -> Field<T> {
        match self.held {
            Held::Here(field) if self.map == AxisMap::IDENTITY => field,
            _ => self.to_field(),
        }
    }

    /// A copy of what the view shows.
    pub fn to_field(&self) -> Field<T> {
        Field::new(self.grid.clone(), turn(self.source(), &self.map))
            .expect("a turn keeps the number of voxels")
    }

    /// A gather by tables of the view's axes: `read` does it on the voxels as they are stored, with tables of their axes.
    pub(super) fn gathered(
        &self,
        taps: [Vec<Tap>; 3],
        read: impl Fn(&dyn Source<T>, &[Vec<Tap>; 3]) -> Vec<T>,
    ) -> Vec<T> {
        let mut stored: [Vec<Tap>; 3] = Default::default();
        for (axis, mut taps) in taps.into_iter().enumerate() {
            let (from, flip) = self.map.feeds(axis);
            if flip {
                let n = self.grid.dims()[axis];
                taps.iter_mut().for_each(|tap| *tap = tap.mirrored(n));
            }
            stored[from] = taps;
        }
        let voxels = read(self.source(), &stored);
        let order = self.map.without_flips();
        if order == AxisMap::IDENTITY {
            return voxels;
        }
        let dims = std::array::from_fn(|axis| stored[axis].len());
        turn(&Dense::whole(&voxels, dims), &order)
    }
}

/// The voxels of `source` with their axes turned.
pub(super) fn turn<T>(source: &dyn Source<T>, map: &AxisMap) -> Vec<T>
where
    T: Copy + Default + Send + Sync,
{
    let stored = source.dims();
    let dims: [usize; 3] = std::array::from_fn(|out| stored[map.feeds(out).0]);
    let along = (0..3).find(|&out| map.feeds(out).0 == 0).unwrap_or(0);
    let mut voxels = vec![T::default(); dims.iter().product()];
    if along == 0 {
        move_rows(source, map, dims, &mut voxels);
    } else {
        move_tiles(source, map, dims, along, &mut voxels);
    }
    voxels
}

/// Where `n` output voxels from `first` on, along the output axis that stored x feeds, are stored: their xs, and `[y, z]`.
fn stored_at(
    map: &AxisMap,
    dims: [usize; 3],
    first: [usize; 3],
    n: usize,
) -> (Range<usize>, [usize; 2]) {
    let (mut xs, mut at) = (0..0, [0; 2]);
    for out in 0..3 {
        let (axis, flip) = map.feeds(out);
        let n = if axis == 0 { n } else { 1 };
        let start = if flip {
            dims[out] - first[out] - n
        } else {
            first[out]
        };
        match axis {
            0 => xs = start..start + n,
            _ => at[axis - 1] = start,
        }
    }
    (xs, at)
}

/// Stored rows become rows.
fn move_rows<T>(source: &dyn Source<T>, map: &AxisMap, dims: [usize; 3], voxels: &mut [T])
where
    T: Copy + Default + Send + Sync,
{
    let flip = map.feeds(0).1;
    voxels
        .par_chunks_mut(dims[0] * dims[1])
        .enumerate()
        .for_each_init(
            || vec![T::default(); dims[0]],
            |buffer, (z, slice)| {
                for (y, row) in slice.chunks_exact_mut(dims[0]).enumerate() {
                    let (xs, at) = stored_at(map, dims, [0, y, z], dims[0]);
                    let stored = source.row(xs, at, buffer);
                    if flip {
                        let backwards = stored.iter().rev();
                        row.iter_mut().zip(backwards).for_each(|(a, b)| *a = *b);
                    } else {
                        row.copy_from_slice(stored);
                    }
                }
            },
        );
}

/// Stored rows run along output axis `along`, y or z: tile by tile, so that whole cache lines are read and written.
fn move_tiles<T>(
    source: &dyn Source<T>,
    map: &AxisMap,
    dims: [usize; 3],
    along: usize,
    voxels: &mut [T],
) where
    T: Copy + Default + Send + Sync,
{
    let slice = dims[0] * dims[1];
    let flip = map.feeds(along).1;
    let (height, depth, stride) = match along {
        1 => (TILE, 1, dims[0]),
        _ => (1, TILE, slice),
    };
    voxels
        .par_chunks_mut(slice * depth)
        .enumerate()
        .for_each(|(block, voxels)| {
            let mut stored = [T::default(); TILE * TILE];
            let mut tile = [T::default(); TILE * TILE];
            let mut buffer = [T::default(); TILE];
            for y in (0..dims[1]).step_by(height) {
                for x in (0..dims[0]).step_by(TILE) {
                    let mut first = [x, y, block * depth];
                    let (wide, long) =
                        (TILE.min(dims[0] - x), TILE.min(dims[along] - first[along]));
                    // All rows before any turns: the processor waits for them together.
                    for (column, stored) in stored.chunks_exact_mut(TILE).take(wide).enumerate() {
                        first[0] = x + column;
                        let (xs, at) = stored_at(map, dims, first, long);
                        stored[..long].copy_from_slice(source.row(xs, at, &mut buffer[..long]));
                        if flip {
                            stored[..long].reverse();
                        }
                    }
                    for (column, stored) in stored.chunks_exact(TILE).take(wide).enumerate() {
                        let rows = tile.chunks_exact_mut(TILE).take(long);
                        rows.zip(stored)
                            .for_each(|(row, &voxel)| row[column] = voxel);
                    }
                    for (k, row) in tile.chunks_exact(TILE).take(long).enumerate() {
                        voxels[k * stride + y * dims[0] + x..][..wide]
                            .copy_from_slice(&row[..wide]);
                    }
                }
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::orientation::AxisCodes;
    use crate::gather::resample::{Interpolation, resample};
    use crate::gather::resize::{ResizeMode, resize};
    use crate::gather::spacing::spaced_grid;

    /// Stored as bytes; a voxel is a third of its byte.
    struct Thirds(Vec<u8>);

    /// More than a tile along each axis, and no multiple of one.
    const DIMS: [usize; 3] = [35, 37, 41];

    impl Source<f32> for Thirds {
        fn dims(&self) -> [usize; 3] {
            DIMS
        }

        fn row<'a>(
            &'a self,
            xs: Range<usize>,
            [y, z]: [usize; 2],
            buffer: &'a mut [f32],
        ) -> &'a [f32] {
            let row = &self.0[(z * DIMS[1] + y) * DIMS[0]..][xs];
            assert_eq!(buffer.len(), row.len(), "room for just the row");
            buffer
                .iter_mut()
                .zip(row)
                .for_each(|(value, &byte)| *value = f32::from(byte) / 3.0);
            buffer
        }
    }

    fn thirds() -> Thirds {
        let byte = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) as u8;
        Thirds((0..DIMS.iter().product()).map(byte).collect())
    }

    fn grid() -> Grid {
        let affine = [
            [0.9, 0.0, 0.0, -7.0],
            [0.0, 1.3, 0.0, 11.0],
            [0.0, 0.0, 2.1, 3.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        Grid::new(DIMS, affine).expect("valid")
    }

    /// All 48 ways to turn a volume.
    fn all_codes() -> Vec<String> {
        let mut codes = Vec::new();
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            for signs in 0..8 {
                let letter = |k: usize| ["LR", "PA", "IS"][order[k]].as_bytes()[signs >> k & 1];
                codes.push((0..3).map(|k| char::from(letter(k))).collect());
            }
        }
        codes
    }

    /// What the view is to show, voxel by voxel.
    fn turned_plainly(stored: &Field<f32>, map: &AxisMap) -> Field<f32> {
        let target = map.grid(stored.grid()).expect("valid");
        let dims = target.dims();
        let mut voxels = Vec::new();
        for index in 0..target.voxels() {
            let at = [
                index % dims[0],
                index / dims[0] % dims[1],
                index / dims[0] / dims[1],
            ];
            let mut from = [0; 3];
            for out in 0..3 {
                let (axis, flip) = map.feeds(out);
                from[axis] = if flip {
                    dims[out] - 1 - at[out]
                } else {
                    at[out]
                };
            }
            voxels.push(stored.voxels()[(from[2] * DIMS[1] + from[1]) * DIMS[0] + from[0]]);
        }
        Field::new(target, voxels).expect("as many voxels")
    }

    #[test]
    fn a_turn_on_paper_reads_what_a_turn_in_memory_moves() {
        let source = thirds();
        let stored = View::new(&source, grid()).expect("its dims").to_field();
        assert_eq!(stored.voxels()[5], f32::from(source.0[5]) / 3.0);
        for codes in all_codes() {
            let map = AxisMap::to_codes(&grid(), AxisCodes::parse(&codes).expect("three letters"));
            let view = || {
                let view = View::new(&source, grid()).expect("its dims");
                view.turned(&map).expect("valid")
            };
            let moved = turned_plainly(&stored, &map);
            assert_eq!(view().to_field(), moved, "{codes}");
            // A turn and its way back leave what was stored, and cost nothing.
            let back = view().turned(&map.inverse()).expect("valid");
            assert_eq!(back.map, AxisMap::IDENTITY, "{codes}");

            for mode in [
                ResizeMode::Nearest,
                ResizeMode::NearestExact,
                ResizeMode::Area,
            ] {
                let dims = [12, 50, 9];
                assert_eq!(
                    resize(view(), dims, mode).expect("valid"),
                    resize(&moved, dims, mode).expect("valid"),
                    "{codes} {mode:?}"
                );
            }
            let target = spaced_grid(moved.grid(), [1.1, 1.7, 0.8]).expect("valid");
            for mode in [Interpolation::Nearest, Interpolation::Linear] {
                let lazy = resample(view(), &target, mode).expect("valid");
                let eager = resample(&moved, &target, mode).expect("valid");
                assert_eq!(lazy.grid(), eager.grid());
                let same = |(a, b): (&f32, &f32)| {
                    // Axes in another order are blended in another order: the last bit may differ.
                    a.to_bits().abs_diff(b.to_bits()) <= u32::from(mode == Interpolation::Linear)
                };
                assert!(
                    lazy.voxels().iter().zip(eager.voxels()).all(same),
                    "{codes} {mode:?}"
                );
            }
        }
    }

    #[test]
    fn a_volume_in_memory_stays_where_it_is() {
        let field = View::new(&thirds(), grid()).expect("its dims").to_field();
        let place = field.voxels().as_ptr();
        assert_eq!(View::from(field).into_field().voxels().as_ptr(), place);
        let other = Grid::new([37, 19, 21], *grid().affine()).expect("valid");
        assert!(View::new(&thirds(), other).is_err());
    }
}
