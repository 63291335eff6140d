//! Back to the grid of the input: MONAI's `Invert` of `Orientation` and `Spacing`. On the CPU a resampling and a turn;
//! on a device one gather.

#[cfg(any(test, feature = "checks"))]
pub mod check;
pub mod launch;

use crate::KernelError;
use crate::gather::orientation::AxisMap;
use crate::gather::resample::{Interpolation, resample};
use crate::grid::{Field, Grid};

/// A result on the working grid, at every voxel of `native`, which `map` had turned to the working grid's axes.
/// Labels take [`Interpolation::Nearest`], probabilities [`Interpolation::Linear`].
pub fn invert(
    field: &Field<f32>,
    map: &AxisMap,
    native: &Grid,
    mode: Interpolation,
) -> Result<Field<f32>, KernelError> {
    let oriented = resample(field, &map.grid(native)?, mode)?;
    let (_, voxels) = map.inverse().apply(&oriented)?.into_parts();
    // The native grid itself, not what two turns make of its affine in the last digit.
    Field::new(native.clone(), voxels)
}
