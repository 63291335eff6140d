//! Padding and cropping by whole voxels: MONAI's `SpatialPad` and `DivisiblePad`, and the box cut that undoes them.

use rayon::prelude::*;

use crate::KernelError;
use crate::grid::Field;

/// On which sides a pad is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PadMethod {
    /// Half before, the rest (one more when odd) after.
    #[default]
    Symmetric,
    /// All after.
    End,
}

/// First voxel and dims, in the old volume's indices, of a volume padded to at least `dims`. Never crops.
pub fn padded_box(from: [usize; 3], dims: [usize; 3], method: PadMethod) -> ([i64; 3], [usize; 3]) {
    let size: [usize; 3] = std::array::from_fn(|i| from[i].max(dims[i]));
    let before = |i: usize| match method {
        PadMethod::Symmetric => (size[i] - from[i]) / 2,
        PadMethod::End => 0,
    };
    (std::array::from_fn(|i| -(before(i) as i64)), size)
}

/// Dims rounded up to multiples of `k`; an axis with `k` of 0 stays.
pub fn divisible(dims: [usize; 3], k: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|i| {
        if k[i] == 0 {
            dims[i]
        } else {
            dims[i].div_ceil(k[i]).saturating_mul(k[i])
        }
    })
}

/// The box of `dims` voxels at `start`; what lies outside the volume is `fill`.
pub fn cut<T: Copy + Send + Sync>(
    field: &Field<T>,
    start: [i64; 3],
    dims: [usize; 3],
    fill: T,
) -> Result<Field<T>, KernelError> {
    let grid = field.grid().shifted(start, dims)?;
    let from = field.grid().dims();
    let input = field.voxels();
    // The rows' part inside the volume, in output indices.
    let inside = |axis: usize| {
        let n = dims[axis] as i64;
        let low = (-start[axis]).clamp(0, n);
        let high = (from[axis] as i64 - start[axis]).clamp(low, n);
        low as usize..high as usize
    };
    let (xs, ys, zs) = (inside(0), inside(1), inside(2));
    let mut voxels = vec![fill; grid.voxels()];
    voxels
        .par_chunks_mut(dims[0] * dims[1])
        .enumerate()
        .filter(|(z, _)| zs.contains(z))
        .for_each(|(z, slice)| {
            for y in ys.clone().filter(|_| !xs.is_empty()) {
                let source = |axis: usize, i: usize| (start[axis] + i as i64) as usize;
                let first = source(0, xs.start) + (source(1, y) + source(2, z) * from[1]) * from[0];
                slice[y * dims[0]..][xs.clone()].copy_from_slice(&input[first..first + xs.len()]);
            }
        });
    Field::new(grid, voxels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::unit_grid;

    #[test]
    fn an_odd_pad_has_one_more_after() {
        assert_eq!(
            padded_box([5, 17, 9], [8, 32, 4], PadMethod::Symmetric),
            ([-1, -7, 0], [8, 32, 9])
        );
        assert_eq!(
            padded_box([5, 17, 9], [8, 32, 4], PadMethod::End),
            ([0; 3], [8, 32, 9])
        );
        assert_eq!(divisible([17, 16, 5], [16, 16, 0]), [32, 16, 5]);
    }

    #[test]
    fn cut_pads_outside_and_undoes_a_pad() {
        let field = Field::new(unit_grid([2, 2, 1]), vec![1u8, 2, 3, 4]).expect("four voxels");
        let padded = cut(&field, [-1, 0, 0], [4, 3, 2], 9).expect("valid");
        assert_eq!(padded.voxels()[..12], [9, 1, 2, 9, 9, 3, 4, 9, 9, 9, 9, 9]);
        assert_eq!(padded.voxels()[12..], [9; 12]);
        let back = cut(&padded, [1, 0, 0], [2, 2, 1], 0).expect("valid");
        assert_eq!(back, field);
    }

    #[test]
    fn a_box_wholly_outside_is_all_fill() {
        let field = Field::new(unit_grid([2, 2, 1]), vec![1u8, 2, 3, 4]).expect("four voxels");
        for start in [[5, 0, 0], [-5, 0, 0], [0, 7, 0], [0, 0, -9]] {
            assert_eq!(
                cut(&field, start, [2, 2, 2], 0).expect("valid").voxels(),
                [0; 8]
            );
        }
    }
}
