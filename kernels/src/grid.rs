//! Where the voxels of a volume are: dims and affine.

use crate::KernelError;
use crate::linear::{self, Mat3};

/// Voxel index (x, y, z, 1) to millimetres, right-anterior-superior; row-major.
pub type Affine = [[f64; 4]; 4];

/// Most voxels of one volume: 1 Gi, four times a 1024 x 1024 x 256 scan.
pub const VOXELS_MAX: usize = 1 << 30;

/// The grid of a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    dims: [usize; 3],
    affine: Affine,
}

impl Grid {
    /// Refuses empty or oversized dims and affines that are not finite or not invertible.
    pub fn new(dims: [usize; 3], affine: Affine) -> Result<Self, KernelError> {
        let voxels = dims
            .iter()
            .try_fold(1usize, |product, &n| product.checked_mul(n));
        if !voxels.is_some_and(|n| (1..=VOXELS_MAX).contains(&n)) {
            return Err(KernelError::Dims { dims });
        }
        let grid = Self { dims, affine };
        let finite = affine.iter().flatten().all(|v| v.is_finite());
        // Relative to the axes' lengths: 0 for axes in one plane, 1 for a right angle.
        let volume =
            linear::determinant(&grid.axes()).abs() / grid.spacing().iter().product::<f64>();
        if !finite || volume.is_nan() || volume < 1e-6 {
            return Err(KernelError::Affine {
                affine: Box::new(affine),
            });
        }
        Ok(grid)
    }

    /// Voxels along x, y, z.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Voxel index to millimetres, RAS.
    pub fn affine(&self) -> &Affine {
        &self.affine
    }

    /// How many voxels, at least 1.
    pub fn voxels(&self) -> usize {
        self.dims.iter().product()
    }

    /// Voxel size in millimetres along x, y, z.
    pub fn spacing(&self) -> [f64; 3] {
        linear::column_norms(&self.axes())
    }

    pub(crate) fn axes(&self) -> Mat3 {
        std::array::from_fn(|i| std::array::from_fn(|j| self.affine[i][j]))
    }

    pub(crate) fn origin(&self) -> [f64; 3] {
        std::array::from_fn(|i| self.affine[i][3])
    }

    pub(crate) fn from_axes(
        dims: [usize; 3],
        axes: &Mat3,
        origin: [f64; 3],
    ) -> Result<Self, KernelError> {
        let row = |i: usize| [axes[i][0], axes[i][1], axes[i][2], origin[i]];
        Self::new(dims, [row(0), row(1), row(2), [0.0, 0.0, 0.0, 1.0]])
    }

    /// The grid that starts at voxel `start` (which may lie outside) and has other dims, same axes.
    pub(crate) fn shifted(&self, start: [i64; 3], dims: [usize; 3]) -> Result<Self, KernelError> {
        let offset = linear::apply(&self.axes(), start.map(|v| v as f64));
        let origin = self.origin();
        Self::from_axes(
            dims,
            &self.axes(),
            std::array::from_fn(|i| origin[i] + offset[i]),
        )
    }
}

/// A volume: one value per voxel of a grid, x fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Field<T> {
    grid: Grid,
    voxels: Vec<T>,
}

impl<T> Field<T> {
    /// Refuses a number of voxels other than the grid's.
    pub fn new(grid: Grid, voxels: Vec<T>) -> Result<Self, KernelError> {
        if voxels.len() != grid.voxels() {
            return Err(KernelError::Length {
                voxels: voxels.len(),
                dims: grid.dims(),
            });
        }
        Ok(Self { grid, voxels })
    }

    /// Where the voxels are.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The voxels, x fastest.
    pub fn voxels(&self) -> &[T] {
        &self.voxels
    }

    /// The voxels, x fastest, to change in place.
    pub fn voxels_mut(&mut self) -> &mut [T] {
        &mut self.voxels
    }

    /// Takes the volume apart.
    pub fn into_parts(self) -> (Grid, Vec<T>) {
        (self.grid, self.voxels)
    }
}

#[cfg(test)]
pub(crate) fn unit_grid(dims: [usize; 3]) -> Grid {
    let mut affine = [[0.0; 4]; 4];
    for (i, row) in affine.iter_mut().enumerate() {
        row[i] = 1.0;
    }
    Grid::new(dims, affine).expect("a test's dims are small")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_cannot_be_placed() {
        let good = *unit_grid([2, 3, 4]).affine();
        assert!(matches!(
            Grid::new([0, 3, 4], good),
            Err(KernelError::Dims { .. })
        ));
        assert!(matches!(
            Grid::new([65535; 3], good),
            Err(KernelError::Dims { .. })
        ));
        assert!(matches!(
            Grid::new([usize::MAX; 3], good),
            Err(KernelError::Dims { .. })
        ));
        let mut nan = good;
        nan[1][1] = f64::NAN;
        assert!(matches!(
            Grid::new([2, 3, 4], nan),
            Err(KernelError::Affine { .. })
        ));
        let mut flat = good;
        flat[2] = flat[1];
        assert!(matches!(
            Grid::new([2, 3, 4], flat),
            Err(KernelError::Affine { .. })
        ));
        let mut zero = good;
        zero[0][0] = 0.0;
        assert!(matches!(
            Grid::new([2, 3, 4], zero),
            Err(KernelError::Affine { .. })
        ));
    }

    #[test]
    fn refuses_a_wrong_number_of_voxels() {
        let error =
            Field::new(unit_grid([2, 3, 4]), vec![0u8; 23]).expect_err("one voxel is missing");
        assert_eq!(
            error,
            KernelError::Length {
                voxels: 23,
                dims: [2, 3, 4]
            }
        );
    }

    #[test]
    fn a_shifted_grid_keeps_its_place_in_space() {
        let affine = [
            [0.0, -2.0, 0.0, 5.0],
            [3.0, 0.0, 0.0, 6.0],
            [0.0, 0.0, 1.0, 7.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        let grid = Grid::new([4, 5, 6], affine).expect("valid");
        let shifted = grid.shifted([1, -2, 3], [2, 2, 2]).expect("valid");
        assert_eq!(shifted.origin(), [9.0, 9.0, 10.0]);
        assert_eq!(shifted.spacing(), [3.0, 2.0, 1.0]);
    }
}
