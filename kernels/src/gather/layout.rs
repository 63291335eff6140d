//! x fastest, as volumes lie, to z fastest, as networks want it (their depth, height, width are x, y, z).

use super::orientation::AxisMap;
use super::view::{self, Dense};
use crate::KernelError;
use crate::grid::{Field, Grid};

/// The box of `dims` voxels at `start` as a tensor with z fastest; all of it lies within the volume.
pub fn to_tensor(
    field: &Field<f32>,
    start: [usize; 3],
    dims: [usize; 3],
) -> Result<Vec<f32>, KernelError> {
    let volume = field.grid().dims();
    if (0..3).any(|i| dims[i] == 0 || start[i].saturating_add(dims[i]) > volume[i]) {
        return Err(KernelError::Mismatch {
            left: dims,
            right: volume,
        });
    }
    let part = Dense {
        voxels: field.voxels(),
        within: volume,
        start,
        dims,
    };
    Ok(view::turn(&part, &AxisMap::REVERSED))
}

/// One channel of a tensor with z fastest as a volume on `grid`.
pub fn from_tensor(tensor: &[f32], grid: Grid) -> Result<Field<f32>, KernelError> {
    let dims = grid.dims();
    if tensor.len() != grid.voxels() {
        return Err(KernelError::Length {
            voxels: tensor.len(),
            dims,
        });
    }
    let [x, y, z] = dims;
    let voxels = view::turn(&Dense::whole(tensor, [z, y, x]), &AxisMap::REVERSED);
    Field::new(grid, voxels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::unit_grid;

    #[test]
    fn z_becomes_fastest_and_the_way_back_restores() {
        let field = Field::new(unit_grid([2, 3, 2]), (0..12).map(|v| v as f32).collect())
            .expect("12 voxels");
        let tensor = to_tensor(&field, [0; 3], [2, 3, 2]).expect("whole");
        assert_eq!(tensor, [0., 6., 2., 8., 4., 10., 1., 7., 3., 9., 5., 11.]);
        assert_eq!(
            from_tensor(&tensor, field.grid().clone()).expect("same dims"),
            field
        );
    }

    #[test]
    fn a_box_is_cut_out_and_one_outside_is_refused() {
        let field = Field::new(unit_grid([2, 3, 2]), (0..12).map(|v| v as f32).collect())
            .expect("12 voxels");
        assert_eq!(
            to_tensor(&field, [1, 1, 0], [1, 2, 2]).expect("inside"),
            [3., 9., 5., 11.]
        );
        assert!(to_tensor(&field, [1, 1, 0], [2, 1, 1]).is_err());
        assert!(to_tensor(&field, [0, usize::MAX, 0], [1, 1, 1]).is_err());
        assert!(to_tensor(&field, [0, 0, 0], [0, 1, 1]).is_err());
    }
}
