//! Spacing: resample to a given voxel size, MONAI's `Spacing` with its defaults (border, not diagonal, extent
//! measured between voxel centres). Shear is removed, rotation is kept.

use crate::KernelError;
use crate::grid::{Field, Grid};
use crate::linear;
use crate::resample::{AFFINE_TOLERANCE, Interpolation, resample};

/// `field` with voxels of `pixdim` millimetres; an axis with 0 or less keeps its own.
pub fn spacing(
    field: &Field<f32>,
    pixdim: [f64; 3],
    mode: Interpolation,
) -> Result<Field<f32>, KernelError> {
    resample(field, &spaced_grid(field.grid(), pixdim)?, mode)
}

/// The grid on which [`spacing`] samples.
pub fn spaced_grid(grid: &Grid, pixdim: [f64; 3]) -> Result<Grid, KernelError> {
    if !pixdim.iter().all(|v| v.is_finite()) {
        return Err(KernelError::Parameter {
            name: "pixdim",
            value: format!("{pixdim:?}"),
            rule: "must be three finite numbers of millimetres",
        });
    }
    let own = grid.spacing();
    let size: [f64; 3] = std::array::from_fn(|i| {
        let keep = pixdim[i] <= 0.0 || (own[i] - pixdim[i]).abs() <= AFFINE_TOLERANCE;
        if keep { own[i] } else { pixdim[i] }
    });
    let source = grid.axes();
    let gram = linear::multiply(&linear::transpose(&source), &source);
    let rotation = linear::multiply(&source, &linear::invert(&linear::cholesky_upper(&gram)));
    let axes = rotation.map(|row| std::array::from_fn(|i| row[i] * size[i]));

    // Corner voxels of the input, in voxels of the output, relative to the first corner.
    let to_output = linear::multiply(&linear::invert(&axes), &source);
    let last = grid.dims().map(|n| (n - 1) as f64);
    let corner = |k: usize| -> [f64; 3] {
        // x slowest, as numpy's meshgrid enumerates them.
        [
            f64::from((k >> 2 & 1) as u8) * last[0],
            f64::from((k >> 1 & 1) as u8) * last[1],
            f64::from((k & 1) as u8) * last[2],
        ]
    };
    let corners: [[f64; 3]; 8] = std::array::from_fn(|k| linear::apply(&to_output, corner(k)));
    let low: [f64; 3] =
        std::array::from_fn(|i| corners.iter().map(|c| c[i]).fold(f64::INFINITY, f64::min));
    let high: [f64; 3] = std::array::from_fn(|i| {
        corners
            .iter()
            .map(|c| c[i])
            .fold(f64::NEG_INFINITY, f64::max)
    });
    let dims = std::array::from_fn(|i| (high[i] - low[i] + 1.0).round_ties_even() as usize);

    let smallest = corners
        .iter()
        .position(|c| (0..3).all(|i| (c[i] - low[i]).abs() <= 1e-8));
    let origin_in = grid.origin();
    let origin = match smallest {
        Some(k) => {
            let offset = linear::apply(&source, corner(k));
            std::array::from_fn(|i| origin_in[i] + offset[i])
        }
        // Sheared so much that no corner is the smallest along every axis: MONAI lets voxel n/2 share its place.
        None => {
            let middle = linear::apply(&source, grid.dims().map(|n| n as f64 / 2.0));
            let half = linear::apply(&axes, dims.map(|n: usize| n as f64 / 2.0));
            std::array::from_fn(|i| origin_in[i] + middle[i] - half[i])
        }
    };
    Grid::from_axes(dims, &axes, origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::unit_grid;

    #[test]
    fn dims_round_half_to_even_and_first_centre_stays() {
        // (6-1)*1/2+1 = 3.5 -> 4; (4-1)*1/2+1 = 2.5 -> 2; kept.
        let grid = spaced_grid(&unit_grid([6, 4, 5]), [2.0, 2.0, -1.0]).expect("valid");
        assert_eq!(grid.dims(), [4, 2, 5]);
        assert_eq!(grid.spacing(), [2.0, 2.0, 1.0]);
        assert_eq!(grid.origin(), [0.0; 3]);
    }

    #[test]
    fn a_hair_of_difference_is_no_resampling() {
        let grid = unit_grid([6, 4, 5]);
        assert_eq!(
            spaced_grid(&grid, [1.0009, 0.9995, 1.0]).expect("valid"),
            grid
        );
    }

    #[test]
    fn shear_is_removed_and_the_axes_stay_orthogonal() {
        let affine = [
            [1.0, 0.0, 0.3, 0.0],
            [0.0, 1.0, 0.4, 0.0],
            [0.0, 0.0, 2.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        let grid =
            spaced_grid(&Grid::new([8, 8, 8], affine).expect("valid"), [1.0; 3]).expect("valid");
        let axes = grid.axes();
        let gram = linear::multiply(&linear::transpose(&axes), &axes);
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        assert!(
            gram.iter()
                .flatten()
                .zip(identity)
                .all(|(a, b)| (a - b).abs() < 1e-12)
        );
        assert!(spaced_grid(&grid, [f64::NAN, 1.0, 1.0]).is_err());
    }

    #[test]
    fn a_voxel_size_of_nearly_nothing_is_refused() {
        assert!(matches!(
            spaced_grid(&unit_grid([64; 3]), [1e-9; 3]),
            Err(KernelError::Dims { .. })
        ));
    }
}
