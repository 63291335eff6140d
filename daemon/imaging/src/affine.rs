//! The map from voxel indices to patient space.
//!
//! SwarmOS holds every affine in RAS millimetres: the x axis grows to the patient's right, y to the front, z to the
//! head. DICOM speaks LPS (left, back, head); [`Affine::ras_lps`] goes between the two, both ways.

use crate::error::GeometryError;

/// Voxels smaller than this (mm) on any axis are refused: no scanner makes them, a broken header does.
pub const SPACING_MM_MIN: f64 = 1e-3;
/// Voxels larger than this (mm) on any axis are refused for the same reason.
pub const SPACING_MM_MAX: f64 = 1e3;
/// Origins further from the scanner's centre than this (mm) are refused.
pub const ORIGIN_MM_MAX: f64 = 1e6;
/// Least |determinant| over the product of the spacings: below it two axes are (nearly) the same.
pub const INDEPENDENCE_MIN: f64 = 1e-2;

/// A 3-vector in millimetres or in voxels, as the context says.
pub type Vec3 = [f64; 3];

/// Scalar product.
#[must_use]
pub fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Vector product.
#[must_use]
pub fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// Euclidean length.
#[must_use]
pub fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

/// `a - b`.
#[must_use]
pub fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `a` times the number `s`.
#[must_use]
pub fn scale(a: Vec3, s: f64) -> Vec3 {
    [a[0] * s, a[1] * s, a[2] * s]
}

/// Row-major 4×4 matrix that takes (i, j, k, 1) to (x, y, z, 1) in millimetres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine(pub [[f64; 4]; 4]);

impl Affine {
    /// Voxel indices are millimetres.
    pub const IDENTITY: Self = Self([
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 1.0],
    ]);

    /// From the three steps (mm per voxel along i, j, k) and the centre of voxel 0.
    #[must_use]
    pub fn from_columns(columns: [Vec3; 3], origin: Vec3) -> Self {
        let mut m = Self::IDENTITY.0;
        for row in 0..3 {
            for (axis, column) in columns.iter().enumerate() {
                m[row][axis] = column[row];
            }
            m[row][3] = origin[row];
        }
        Self(m)
    }

    /// The step (mm) from one voxel to the next along `axis`.
    #[must_use]
    pub fn column(&self, axis: usize) -> Vec3 {
        [self.0[0][axis], self.0[1][axis], self.0[2][axis]]
    }

    /// The centre of voxel 0 (mm).
    #[must_use]
    pub fn origin(&self) -> Vec3 {
        self.column(3)
    }

    /// Distance (mm) between neighbouring voxel centres along each axis.
    #[must_use]
    pub fn spacing(&self) -> Vec3 {
        [
            norm(self.column(0)),
            norm(self.column(1)),
            norm(self.column(2)),
        ]
    }

    /// Determinant of the 3×3 part: the signed volume of a voxel in mm³.
    #[must_use]
    pub fn determinant(&self) -> f64 {
        dot(self.column(0), cross(self.column(1), self.column(2)))
    }

    /// The point (mm) of a voxel index, which may be fractional.
    #[must_use]
    pub fn apply(&self, p: Vec3) -> Vec3 {
        std::array::from_fn(|r| {
            self.0[r][0] * p[0] + self.0[r][1] * p[1] + self.0[r][2] * p[2] + self.0[r][3]
        })
    }

    /// `self · other`: first `other`, then `self`.
    #[must_use]
    pub fn compose(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|r| {
            std::array::from_fn(|c| (0..4).map(|k| self.0[r][k] * other.0[k][c]).sum())
        }))
    }

    /// The same map read as LPS when it was RAS, and the other way round: x and y change sign.
    #[must_use]
    pub fn ras_lps(&self) -> Self {
        let mut m = self.0;
        for row in &mut m[..2] {
            for value in row {
                // `0.0 - v` rather than `-v`: no negative zeros in what we write to files.
                *value = 0.0 - *value;
            }
        }
        Self(m)
    }

    /// The largest absolute difference between two affines, element by element.
    #[must_use]
    pub fn distance(&self, other: &Self) -> f64 {
        let pairs = self.0.iter().flatten().zip(other.0.iter().flatten());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    /// For each voxel axis the patient axis it runs along most closely, and whether it runs towards + (R, A, S).
    ///
    /// Axes are given out from the most to the least certain, so the three are always different.
    #[must_use]
    pub fn closest_axes(&self) -> [(usize, bool); 3] {
        let spacing = self.spacing();
        let mut answer = [(0, true); 3];
        let (mut used_in, mut used_out) = ([false; 3], [false; 3]);
        for _ in 0..3 {
            let mut best = (-1.0, 0, 0);
            for axis in (0..3).filter(|&a| !used_in[a]) {
                for out in (0..3).filter(|&o| !used_out[o]) {
                    let share = (self.0[out][axis] / spacing[axis]).abs();
                    if share > best.0 {
                        best = (share, axis, out);
                    }
                }
            }
            let (_, axis, out) = best;
            (used_in[axis], used_out[out]) = (true, true);
            answer[axis] = (out, self.0[out][axis] >= 0.0);
        }
        answer
    }

    /// Whether this affine can place a scan in space.
    ///
    /// # Errors
    /// [`GeometryError`] for a number that is not finite, a spacing or origin outside the limits of this module, or
    /// axes that are not independent.
    pub fn validate(&self) -> Result<(), GeometryError> {
        if self.0.iter().flatten().any(|v| !v.is_finite()) {
            return Err(GeometryError::NotFinite);
        }
        if self.0[3] != [0.0, 0.0, 0.0, 1.0] {
            return Err(GeometryError::NotAffine);
        }
        for (axis, mm) in self.spacing().into_iter().enumerate() {
            if !(SPACING_MM_MIN..=SPACING_MM_MAX).contains(&mm) {
                return Err(GeometryError::Spacing { axis, mm });
            }
        }
        if self.origin().iter().any(|v| v.abs() > ORIGIN_MM_MAX) {
            return Err(GeometryError::Origin { mm: self.origin() });
        }
        let volume: f64 = self.spacing().iter().product();
        if self.determinant().abs() < INDEPENDENCE_MIN * volume {
            return Err(GeometryError::Dependent);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ras_and_lps_are_each_others_inverse() {
        let a = Affine::from_columns(
            [[1.0, 0.2, 0.0], [0.0, 2.0, 0.1], [0.3, 0.0, 3.0]],
            [-90.0, 5.0, 7.0],
        );
        assert_eq!(a.ras_lps().ras_lps(), a);
        assert_eq!(a.ras_lps().origin(), [90.0, -5.0, 7.0]);
    }

    #[test]
    fn closest_axes_name_every_patient_axis_once() {
        // A sagittal series: i runs to the back, j to the feet, k to the left.
        let a = Affine::from_columns(
            [[0.1, -1.0, 0.0], [0.0, 0.1, -1.0], [-1.0, 0.0, 0.1]],
            [0.0; 3],
        );
        assert_eq!(a.closest_axes(), [(1, false), (2, false), (0, false)]);
        // 45 degrees between two patient axes still gives two different answers.
        let b = Affine::from_columns(
            [[1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 1.0]],
            [0.0; 3],
        );
        let mut outs: Vec<_> = b.closest_axes().iter().map(|a| a.0).collect();
        outs.sort_unstable();
        assert_eq!(outs, [0, 1, 2]);
    }

    #[test]
    fn an_affine_that_places_nothing_is_refused() {
        let mut nan = Affine::IDENTITY;
        nan.0[1][2] = f64::NAN;
        assert!(matches!(nan.validate(), Err(GeometryError::NotFinite)));
        let flat = Affine::from_columns(
            [[1.0, 0.0, 0.0], [1.0, 1e-3, 0.0], [0.0, 0.0, 1.0]],
            [0.0; 3],
        );
        assert!(matches!(flat.validate(), Err(GeometryError::Dependent)));
        let zero = Affine::from_columns([[0.0; 3], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.0; 3]);
        assert!(matches!(
            zero.validate(),
            Err(GeometryError::Spacing { axis: 0, .. })
        ));
        assert!(Affine::IDENTITY.validate().is_ok());
    }
}
