//! Orientation: permute and flip the axes so that they point, as nearly as they can, to given directions.
//!
//! As nibabel's `io_orientation` and MONAI's `Orientation`: input axes are matched to the directions from
//! the most to the least aligned; voxels move, their places in space stay.

use super::view::View;
use crate::KernelError;
use crate::grid::{Field, Grid};
use crate::linear;

/// Which input axis feeds each output axis, and whether it runs backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AxisMap {
    source: [usize; 3],
    flip: [bool; 3],
}

/// Directions of the three output axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AxisCodes {
    /// For each axis: 0 left-right, 1 posterior-anterior, 2 inferior-superior; true towards right, anterior, superior.
    axes: [(usize, bool); 3],
}

impl AxisCodes {
    /// Right, anterior, superior.
    pub const RAS: Self = Self {
        axes: [(0, true), (1, true), (2, true)],
    };

    /// From three letters, one of each pair L/R, P/A, I/S, for example `RAS`.
    pub fn parse(text: &str) -> Result<Self, KernelError> {
        let axis = |letter| match letter {
            'L' => Some((0, false)),
            'R' => Some((0, true)),
            'P' => Some((1, false)),
            'A' => Some((1, true)),
            'I' => Some((2, false)),
            'S' => Some((2, true)),
            _ => None,
        };
        let axes: Option<Vec<_>> = text.chars().map(axis).collect();
        match axes.as_deref() {
            Some(&[a, b, c]) if a.0 != b.0 && a.0 != c.0 && b.0 != c.0 => {
                Ok(Self { axes: [a, b, c] })
            }
            _ => Err(KernelError::Parameter {
                name: "axcodes",
                value: text.to_owned(),
                rule: "must be three letters, one each of L/R, P/A and I/S",
            }),
        }
    }
}

impl AxisMap {
    /// Leaves every axis as it is.
    pub const IDENTITY: Self = Self {
        source: [0, 1, 2],
        flip: [false; 3],
    };

    /// z, y, x for x, y, z, and back.
    pub(crate) const REVERSED: Self = Self {
        source: [2, 1, 0],
        flip: [false; 3],
    };

    /// The map that turns a volume on `grid` to `codes`.
    pub fn to_codes(grid: &Grid, codes: AxisCodes) -> Self {
        let world = closest_directions(grid);
        let mut map = Self {
            source: [0; 3],
            flip: [false; 3],
        };
        for (out, (direction, positive)) in codes.axes.into_iter().enumerate() {
            for (axis, (axis_direction, axis_positive)) in world.into_iter().enumerate() {
                if axis_direction == direction {
                    map.source[out] = axis;
                    map.flip[out] = axis_positive != positive;
                }
            }
        }
        map
    }

    /// The map that undoes this one.
    pub fn inverse(&self) -> Self {
        let mut map = *self;
        for out in 0..3 {
            map.source[self.source[out]] = out;
            map.flip[self.source[out]] = self.flip[out];
        }
        map
    }

    /// This map and then `next`, as one.
    pub fn then(&self, next: &Self) -> Self {
        Self {
            source: next.source.map(|axis| self.source[axis]),
            flip: std::array::from_fn(|out| next.flip[out] != self.flip[next.source[out]]),
        }
    }

    /// The same order of axes, none of them backwards.
    pub(crate) fn without_flips(&self) -> Self {
        Self {
            flip: [false; 3],
            ..*self
        }
    }

    /// Which input axis feeds output axis `out`, and whether it runs backwards.
    pub(crate) fn feeds(&self, out: usize) -> (usize, bool) {
        (self.source[out], self.flip[out])
    }

    /// The grid that [`AxisMap::apply`] gives a volume on `grid`: every voxel keeps its place in space.
    pub fn grid(&self, grid: &Grid) -> Result<Grid, KernelError> {
        let axes_in = grid.axes();
        let sign = |out: usize| if self.flip[out] { -1.0 } else { 1.0 };
        let axes = axes_in.map(|row| std::array::from_fn(|out| row[self.source[out]] * sign(out)));
        // The first voxel of a flipped axis was its last.
        let mut start = [0.0; 3];
        for (source, flip) in self.source.into_iter().zip(self.flip) {
            if flip {
                start[source] = (grid.dims()[source] - 1) as f64;
            }
        }
        let offset = linear::apply(&axes_in, start);
        let origin = grid.origin();
        Grid::from_axes(
            self.source.map(|axis| grid.dims()[axis]),
            &axes,
            std::array::from_fn(|i| origin[i] + offset[i]),
        )
    }

    /// Moves the voxels of `field`; the affine follows.
    pub fn apply<T>(&self, field: &Field<T>) -> Result<Field<T>, KernelError>
    where
        T: Copy + Default + Send + Sync,
    {
        Ok(View::from(field).turned(self)?.to_field())
    }
}

/// For each input axis the world axis nearest to it, and whether it runs along its positive direction.
fn closest_directions(grid: &Grid) -> [(usize, bool); 3] {
    let norms = grid.spacing();
    let unit = grid
        .axes()
        .map(|row| std::array::from_fn(|j| row[j] / norms[j]));
    let mut rotation = linear::polar(&unit);
    let strength = |axis: usize| {
        (0..3)
            .map(|i| rotation[i][axis] * rotation[i][axis])
            .fold(0.0, f64::max)
    };
    let strengths = [strength(0), strength(1), strength(2)];
    let mut order = [0, 1, 2];
    order.sort_by(|&a, &b| strengths[b].total_cmp(&strengths[a]));
    let mut found = [(0, true); 3];
    for axis in order {
        let mut best = 0;
        for row in 1..3 {
            if rotation[row][axis].abs() > rotation[best][axis].abs() {
                best = row;
            }
        }
        found[axis] = (best, rotation[best][axis] >= 0.0);
        // Zeroed, so that no other axis takes this direction: a free row of a rotation is never all zero.
        rotation[best] = [0.0; 3];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::unit_grid;

    fn counted(grid: Grid) -> Field<u32> {
        let voxels = (0..grid.voxels() as u32).collect();
        Field::new(grid, voxels).expect("as many voxels as the grid has")
    }

    /// Millimetres of a voxel.
    fn place(grid: &Grid, index: [usize; 3]) -> [f64; 3] {
        let offset = linear::apply(&grid.axes(), index.map(|v| v as f64));
        std::array::from_fn(|i| grid.origin()[i] + offset[i])
    }

    #[test]
    fn ras_stays() {
        let field = counted(unit_grid([3, 4, 5]));
        let map = AxisMap::to_codes(field.grid(), AxisCodes::RAS);
        assert_eq!(map.apply(&field).expect("same dims"), field);
    }

    #[test]
    fn every_voxel_keeps_its_place_and_the_inverse_restores() {
        // Axes: x to posterior, y to superior (tilted), z to left.
        let affine = [
            [0.0, 0.1, -3.0, 7.0],
            [-1.0, 0.2, 0.0, 8.0],
            [0.05, 2.0, 0.3, 9.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        let field = counted(Grid::new([3, 4, 5], affine).expect("valid"));
        let map = AxisMap::to_codes(field.grid(), AxisCodes::RAS);
        let ras = map.apply(&field).expect("valid");
        assert_eq!(ras.grid().dims(), [5, 3, 4]);
        for (number, &source) in ras.voxels().iter().enumerate() {
            let at = place(ras.grid(), [number % 5, number / 5 % 3, number / 15]);
            let source = source as usize;
            let was = place(field.grid(), [source % 3, source / 3 % 4, source / 12]);
            assert!(
                (0..3).all(|i| (at[i] - was[i]).abs() < 1e-9),
                "{at:?} {was:?}"
            );
        }
        let back = map.inverse().apply(&ras).expect("valid");
        assert_eq!(back.voxels(), field.voxels());
        assert_eq!(back.grid().dims(), [3, 4, 5]);
    }

    #[test]
    fn codes_are_checked() {
        assert_eq!(AxisCodes::parse("RAS"), Ok(AxisCodes::RAS));
        for bad in ["", "RA", "RAX", "RLS", "RASS", "ras"] {
            assert!(AxisCodes::parse(bad).is_err(), "{bad}");
        }
        let field = counted(unit_grid([2, 2, 2]));
        let map = AxisMap::to_codes(field.grid(), AxisCodes::parse("LPS").expect("valid"));
        assert_eq!(
            map.apply(&field).expect("valid").voxels(),
            [3, 2, 1, 0, 7, 6, 5, 4]
        );
    }
}
