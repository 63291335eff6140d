//! Filled holes: MONAI's `FillHoles`. A hole of a label is what is not that label and cannot reach the border of
//! the volume without crossing it; other labels inside are overwritten.

use rayon::prelude::*;

use crate::components::{Components, Connectivity};
use crate::grid::Field;
use crate::stretch::equal_until;

/// Voxels that a thread looks at at once.
const PART_VOXELS: usize = 1 << 18;

/// Fills the holes of every label present, in ascending order. `connectivity` says how what is outside
/// spreads: with [`Connectivity::Corners`] (MONAI's default) it creeps through diagonal gaps, with
/// [`Connectivity::Faces`] it does not.
pub fn fill_holes(labels: &mut Field<u8>, connectivity: Connectivity) {
    let present = labels
        .voxels()
        .par_chunks(PART_VOXELS)
        .map(|part| {
            let mut present = [false; 256];
            let mut start = 0;
            while start < part.len() {
                present[usize::from(part[start])] = true;
                start = equal_until(part, start);
            }
            present
        })
        .reduce(
            || [false; 256],
            |a, b| std::array::from_fn(|label| a[label] | b[label]),
        );
    for label in (1..=255).filter(|&v| present[usize::from(v)]) {
        fill_label(labels, label, connectivity);
    }
}

fn fill_label(labels: &mut Field<u8>, label: u8, connectivity: Connectivity) {
    let dims = labels.grid().dims();
    let rest = Components::of(labels, connectivity, |v| (v != label).then_some(0));
    let mut open = vec![false; rest.runs.len()];
    for (run, &root) in rest.runs.iter().zip(&rest.root) {
        let (y, z) = (run.row as usize % dims[1], run.row as usize / dims[1]);
        let at_border = run.start == 0
            || run.end as usize == dims[0]
            || y == 0
            || y == dims[1] - 1
            || z == 0
            || z == dims[2] - 1;
        open[root as usize] |= at_border;
    }
    let voxels = labels.voxels_mut();
    for (run, &root) in rest.runs.iter().zip(&rest.root) {
        if !open[root as usize] {
            voxels[run.voxels(dims)].fill(label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::unit_grid;

    /// A 5x5x5 cube of label 1 in a 7x7x7 volume, with the given voxels set to other labels.
    fn cube(changes: &[([usize; 3], u8)]) -> Field<u8> {
        let mut field = Field::new(unit_grid([7; 3]), vec![0; 343]).expect("343 voxels");
        for z in 1..6 {
            for y in 1..6 {
                field.voxels_mut()[(z * 7 + y) * 7 + 1..][..5].fill(1);
            }
        }
        for &([x, y, z], value) in changes {
            field.voxels_mut()[(z * 7 + y) * 7 + x] = value;
        }
        field
    }

    #[test]
    fn an_enclosed_hole_is_filled_with_any_label_in_it() {
        let mut field = cube(&[([3, 3, 3], 0), ([3, 3, 4], 2)]);
        fill_holes(&mut field, Connectivity::Corners);
        assert_eq!(field, cube(&[]));
    }

    #[test]
    fn a_channel_to_the_outside_stays_open() {
        let open = cube(&[([3, 3, 3], 0), ([3, 3, 4], 0), ([3, 3, 5], 0)]);
        let mut field = open.clone();
        fill_holes(&mut field, Connectivity::Faces);
        assert_eq!(field, open);
    }

    #[test]
    fn a_diagonal_gap_is_open_only_to_corner_neighbours() {
        let gap = cube(&[([2, 2, 2], 0), ([1, 1, 1], 0)]);
        let mut field = gap.clone();
        fill_holes(&mut field, Connectivity::Corners);
        assert_eq!(field, gap);
        fill_holes(&mut field, Connectivity::Faces);
        assert_eq!(field, cube(&[([1, 1, 1], 0)]));
    }
}
