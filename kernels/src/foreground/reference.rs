//! The box around the foreground: MONAI's `CropForeground` (1.5 and later, `allow_smaller=False`).

use rayon::prelude::*;

use crate::KernelError;
use crate::grid::Field;

/// First voxel and dims of the box around all voxels above 0, `margin` voxels wider on each side, then grown
/// to multiples of `k_divisible` (0 or 1: as it is) with the smaller half before. It may leave the volume:
/// [`crate::pad::cut`] fills what is outside. A volume without foreground is refused.
pub fn foreground_box(
    field: &Field<f32>,
    margin: [usize; 3],
    k_divisible: [usize; 3],
) -> Result<([i64; 3], [usize; 3]), KernelError> {
    let dims = field.grid().dims();
    let bounds = field
        .voxels()
        .par_chunks(dims[0] * dims[1])
        .enumerate()
        .filter_map(|(z, slice)| {
            let ([x0, y0], [x1, y1]) = bounds_of(slice, dims[0])?;
            Some(([x0, y0, z], [x1, y1, z]))
        })
        .reduce_with(|a, b| {
            (
                std::array::from_fn(|i| a.0[i].min(b.0[i])),
                std::array::from_fn(|i| a.1[i].max(b.1[i])),
            )
        });
    let (low, high) = bounds.ok_or(KernelError::NoForeground)?;
    Ok(grown_box(low, high, margin, k_divisible))
}

/// First and last x and y of the voxels above 0. Only voxels that can widen the box are looked at.
fn bounds_of(slice: &[f32], width: usize) -> Option<([usize; 2], [usize; 2])> {
    let mut found: Option<([usize; 2], [usize; 2])> = None;
    for (y, row) in slice.chunks(width).enumerate() {
        found = match found {
            None => first_positive(row).map(|x| ([x, y], [last_positive(row).unwrap_or(x), y])),
            Some(([x0, y0], [x1, y1])) => {
                let left = first_positive(&row[..x0]);
                let right = last_positive(&row[x1 + 1..]);
                let wider = left.is_some() || right.is_some();
                let any = wider || first_positive(&row[x0..=x1]).is_some();
                Some((
                    [left.unwrap_or(x0), y0],
                    [right.map_or(x1, |x| x1 + 1 + x), if any { y } else { y1 }],
                ))
            }
        };
    }
    found
}

/// Voxels that are compared at once.
const PIECE: usize = 32;

fn any_positive(voxels: &[f32]) -> bool {
    voxels.iter().fold(false, |any, &v| any | (v > 0.0))
}

fn first_positive(voxels: &[f32]) -> Option<usize> {
    let piece = voxels.chunks(PIECE).position(any_positive)?;
    let rest = voxels[piece * PIECE..].iter().position(|&v| v > 0.0)?;
    Some(piece * PIECE + rest)
}

fn last_positive(voxels: &[f32]) -> Option<usize> {
    let piece = voxels.chunks(PIECE).rposition(any_positive)?;
    voxels[..voxels.len().min((piece + 1) * PIECE)]
        .iter()
        .rposition(|&v| v > 0.0)
}

/// The box from voxel `low` to voxel `high`, `margin` wider on each side, grown to multiples of `k_divisible`.
pub(super) fn grown_box(
    low: [usize; 3],
    high: [usize; 3],
    margin: [usize; 3],
    k_divisible: [usize; 3],
) -> ([i64; 3], [usize; 3]) {
    let start: [i64; 3] = std::array::from_fn(|i| low[i] as i64 - margin[i] as i64);
    let size = std::array::from_fn(|i| high[i] + 1 - low[i] + 2 * margin[i]);
    let grown = crate::pad::divisible(size, k_divisible);
    (
        std::array::from_fn(|i| start[i] - ((grown[i] - size[i]) / 2) as i64),
        grown,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::unit_grid;

    fn with(voxels: &[(usize, f32)]) -> Field<f32> {
        let mut field = Field::new(unit_grid([6, 5, 4]), vec![0.0; 120]).expect("120 voxels");
        voxels.iter().for_each(|&(i, v)| field.voxels_mut()[i] = v);
        field
    }

    #[test]
    fn box_around_positive_voxels_only() {
        // (1,2,0), (4,1,2), and a negative one in a corner.
        let field = with(&[(1 + 2 * 6, 1.0), (4 + 6 + 60, 0.5), (0, -3.0)]);
        assert_eq!(
            foreground_box(&field, [0; 3], [0; 3]),
            Ok(([1, 1, 0], [4, 2, 3]))
        );
        assert_eq!(
            foreground_box(&field, [1, 0, 2], [0; 3]),
            Ok(([0, 1, -2], [6, 2, 7]))
        );
        assert_eq!(
            foreground_box(&field, [0; 3], [8, 2, 5]),
            Ok(([-1, 1, -1], [8, 2, 5]))
        );
    }

    #[test]
    fn every_voxel_counts_wherever_it_is() {
        // Rows longer than what is compared at once; two voxels at all distances from each other.
        let dims = [71, 3, 2];
        for (i, j) in (0..426).flat_map(|i| (i..426).step_by(5).map(move |j| (i, j))) {
            let mut field = Field::new(unit_grid(dims), vec![0.0; 426]).expect("426 voxels");
            field.voxels_mut()[i] = 1.0;
            field.voxels_mut()[j] = 2.0;
            let at = |v: usize| [v % 71, v / 71 % 3, v / 213];
            let low: [usize; 3] = std::array::from_fn(|k| at(i)[k].min(at(j)[k]));
            let size = std::array::from_fn(|k| at(i)[k].max(at(j)[k]) + 1 - low[k]);
            assert_eq!(
                foreground_box(&field, [0; 3], [0; 3]),
                Ok((low.map(|v| v as i64), size))
            );
        }
    }

    #[test]
    fn no_foreground_is_refused() {
        assert_eq!(
            foreground_box(&with(&[(3, -1.0)]), [0; 3], [0; 3]),
            Err(KernelError::NoForeground)
        );
    }
}
