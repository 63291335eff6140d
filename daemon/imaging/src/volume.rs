//! A scan in memory: voxels in their native type, and where each of them lies in the patient.

use crate::affine::{Affine, Vec3};
use crate::dicom::SeriesSource;
use crate::error::VolumeError;
use crate::nifti::NiftiHeader;
use rayon::prelude::*;
use std::fmt;

/// Voxels in the type of their file. x runs fastest: the index of (x, y, z) is `x + y·X + z·X·Y`.
#[derive(Clone, PartialEq)]
pub enum Voxels {
    /// Unsigned 8-bit.
    U8(Vec<u8>),
    /// Signed 8-bit.
    I8(Vec<i8>),
    /// Unsigned 16-bit.
    U16(Vec<u16>),
    /// Signed 16-bit.
    I16(Vec<i16>),
    /// Unsigned 32-bit.
    U32(Vec<u32>),
    /// Signed 32-bit.
    I32(Vec<i32>),
    /// IEEE single precision.
    F32(Vec<f32>),
    /// IEEE double precision.
    F64(Vec<f64>),
}

/// Runs `$body` with `$v` bound to the vector inside, whatever its type.
macro_rules! each_type {
    ($voxels:expr, $v:ident => $body:expr) => {
        match $voxels {
            $crate::Voxels::U8($v) => $body,
            $crate::Voxels::I8($v) => $body,
            $crate::Voxels::U16($v) => $body,
            $crate::Voxels::I16($v) => $body,
            $crate::Voxels::U32($v) => $body,
            $crate::Voxels::I32($v) => $body,
            $crate::Voxels::F32($v) => $body,
            $crate::Voxels::F64($v) => $body,
        }
    };
}
/// As `each_type`, and wraps the result in the same variant.
macro_rules! map_type {
    ($voxels:expr, $v:ident => $body:expr) => {
        match $voxels {
            $crate::Voxels::U8($v) => $crate::Voxels::U8($body),
            $crate::Voxels::I8($v) => $crate::Voxels::I8($body),
            $crate::Voxels::U16($v) => $crate::Voxels::U16($body),
            $crate::Voxels::I16($v) => $crate::Voxels::I16($body),
            $crate::Voxels::U32($v) => $crate::Voxels::U32($body),
            $crate::Voxels::I32($v) => $crate::Voxels::I32($body),
            $crate::Voxels::F32($v) => $crate::Voxels::F32($body),
            $crate::Voxels::F64($v) => $crate::Voxels::F64($body),
        }
    };
}
pub(crate) use each_type;

impl Voxels {
    /// Number of voxels.
    #[must_use]
    pub fn len(&self) -> usize {
        each_type!(self, v => v.len())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type's name in Rust's spelling: `u8`, `i16`, `f32`, …
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::I8(_) => "i8",
            Self::U16(_) => "u16",
            Self::I16(_) => "i16",
            Self::U32(_) => "u32",
            Self::I32(_) => "i32",
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
        }
    }

    /// The stored value at `index`, before any rescale. Panics past the end, like a slice.
    #[must_use]
    pub fn stored(&self, index: usize) -> f64 {
        #[allow(
            clippy::unnecessary_cast,
            reason = "one of the eight types is f64 already"
        )]
        {
            each_type!(self, v => v[index] as f64)
        }
    }
}

/// Type and number only: a scan does not belong into a log.
impl fmt::Debug for Voxels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {}", self.len(), self.type_name())
    }
}

/// The scanner's value is `stored · slope + intercept`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rescale {
    /// Factor.
    pub slope: f64,
    /// Term.
    pub intercept: f64,
}

impl Rescale {
    /// Stored values are the scanner's values.
    pub const IDENTITY: Self = Self {
        slope: 1.0,
        intercept: 0.0,
    };

    /// The scanner's value of a stored one.
    #[must_use]
    pub fn apply(&self, stored: f64) -> f64 {
        stored * self.slope + self.intercept
    }
}

/// What the volume was read from: enough to write results that fit the input.
#[derive(Clone, Debug)]
pub enum Source {
    /// A NIfTI file; its header gives results the same grid, byte for byte.
    Nifti(Box<NiftiHeader>),
    /// A DICOM series.
    Dicom(Box<SeriesSource>),
    /// Made by a program.
    Computed,
}

/// Voxels that a thread converts at once.
const READ_VOXELS: usize = 1 << 16;

/// A scan: voxels, their grid and its place in the patient.
#[derive(Clone, Debug)]
pub struct Volume {
    voxels: Voxels,
    rescale: Rescale,
    dims: [usize; 3],
    affine: Affine,
    modality: Option<String>,
    source: Source,
}

impl Volume {
    /// Joins voxels with their grid. `affine` is RAS, in millimetres.
    ///
    /// # Errors
    /// [`VolumeError`] when the number of voxels is not that of `dims`, when an axis is empty, when the rescale is not
    /// finite or flat, or when the affine cannot place the scan in space.
    pub fn new(
        voxels: Voxels,
        rescale: Rescale,
        dims: [usize; 3],
        affine: Affine,
    ) -> Result<Self, VolumeError> {
        let product = dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        if dims.contains(&0) || product != Some(voxels.len()) {
            return Err(VolumeError::Size {
                dims,
                voxels: voxels.len(),
            });
        }
        if !rescale.slope.is_finite() || !rescale.intercept.is_finite() || rescale.slope == 0.0 {
            return Err(VolumeError::Rescale {
                slope: rescale.slope,
                intercept: rescale.intercept,
            });
        }
        affine.validate().map_err(VolumeError::Geometry)?;
        Ok(Self {
            voxels,
            rescale,
            dims,
            affine,
            modality: None,
            source: Source::Computed,
        })
    }

    /// The same volume with what is known of its origin.
    #[must_use]
    pub fn with_source(mut self, modality: Option<String>, source: Source) -> Self {
        self.modality = modality;
        self.source = source;
        self
    }

    /// Voxels as stored.
    #[must_use]
    pub fn voxels(&self) -> &Voxels {
        &self.voxels
    }

    /// From stored values to the scanner's.
    #[must_use]
    pub fn rescale(&self) -> Rescale {
        self.rescale
    }

    /// Voxels along x, y, z (x fastest in memory).
    #[must_use]
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Voxel index to RAS millimetres.
    #[must_use]
    pub fn affine(&self) -> &Affine {
        &self.affine
    }

    /// Millimetres between voxel centres along each axis.
    #[must_use]
    pub fn spacing(&self) -> Vec3 {
        self.affine.spacing()
    }

    /// Volume of one voxel in mm³.
    #[must_use]
    pub fn voxel_mm3(&self) -> f64 {
        self.affine.determinant().abs()
    }

    /// DICOM's Modality (`MR`, `CT`, …) where the source says it.
    #[must_use]
    pub fn modality(&self) -> Option<&str> {
        self.modality.as_deref()
    }

    /// Where the volume came from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// All values of the scanner as f32, in memory order.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.voxels.len()];
        values
            .par_chunks_mut(READ_VOXELS)
            .enumerate()
            .for_each(|(part, values)| self.read(part * READ_VOXELS, values));
        values
    }

    /// The scanner's values from voxel `first` on, in memory order, computed in f64 and rounded once. Panics past the end,
    /// like a slice.
    pub fn read(&self, first: usize, values: &mut [f32]) {
        let r = self.rescale;
        #[allow(
            clippy::unnecessary_cast,
            reason = "one of the eight types is f64 already"
        )]
        {
            each_type!(&self.voxels, v => {
                let stored = &v[first..first + values.len()];
                let stored = values.iter_mut().zip(stored);
                if r == Rescale::IDENTITY {
                    stored.for_each(|(value, &x)| *value = x as f32);
                } else {
                    stored.for_each(|(value, &x)| *value = r.apply(x as f64) as f32);
                }
            });
        }
    }

    /// As [`Volume::read`], of voxels that are `step` apart in memory.
    pub(crate) fn read_along(&self, first: usize, step: isize, values: &mut [f32]) {
        let r = self.rescale;
        let at = |i: isize| first.wrapping_add_signed(i * step);
        #[allow(
            clippy::unnecessary_cast,
            reason = "one of the eight types is f64 already"
        )]
        {
            each_type!(&self.voxels, v => {
                for (value, i) in values.iter_mut().zip(0..) {
                    *value = r.apply(v[at(i)] as f64) as f32;
                }
            });
        }
    }

    /// The scanner's value at a voxel. Panics outside the grid, like a slice.
    #[must_use]
    pub fn value(&self, x: usize, y: usize, z: usize) -> f64 {
        assert!(
            x < self.dims[0] && y < self.dims[1] && z < self.dims[2],
            "voxel outside the grid"
        );
        self.rescale.apply(
            self.voxels
                .stored(x + self.dims[0] * (y + self.dims[1] * z)),
        )
    }

    /// The same scan with its axes permuted and flipped so that they run as near as can be to R, A, S. No voxel changes
    /// its value or its place in the patient. The source is dropped, because the grid is no longer the source's.
    #[must_use]
    pub fn to_ras(&self) -> Self {
        self.reordered([(0, true), (1, true), (2, true)])
    }

    /// As [`Volume::to_ras`], with the axes running to L, P, S: the order in which DICOM stores an axial series.
    #[must_use]
    pub fn to_lps(&self) -> Self {
        self.reordered([(0, false), (1, false), (2, true)])
    }

    /// Where [`Volume::to_ras`] finds its voxels.
    pub(crate) fn ras(&self) -> Turned {
        self.turned([(0, true), (1, true), (2, true)])
    }

    /// `wanted[axis]` is the patient axis and direction of each new voxel axis.
    fn turned(&self, wanted: [(usize, bool); 3]) -> Turned {
        let have = self.affine.closest_axes();
        let mut from = [0; 3];
        let mut flip = [false; 3];
        for (new, &(patient, forward)) in wanted.iter().enumerate() {
            for (old, &(p, f)) in have.iter().enumerate() {
                if p == patient {
                    from[new] = old;
                    flip[new] = f != forward;
                }
            }
        }
        let dims = from.map(|a| self.dims[a]);
        let mut corner = [0.0; 3]; // old index of new voxel 0
        for new in (0..3).filter(|&new| flip[new]) {
            corner[from[new]] = (dims[new] - 1) as f64;
        }
        let columns = std::array::from_fn(|new| {
            let c = self.affine.column(from[new]);
            if flip[new] { c.map(|v| 0.0 - v) } else { c }
        });
        let old_strides = [1, self.dims[0], self.dims[0] * self.dims[1]];
        Turned {
            dims,
            affine: Affine::from_columns(columns, self.affine.apply(corner)),
            from,
            flip,
            strides: from.map(|axis| old_strides[axis]),
        }
    }

    fn reordered(&self, wanted: [(usize, bool); 3]) -> Self {
        let turned = self.turned(wanted);
        let dims = turned.dims;
        let voxels = map_type!(&self.voxels, v => {
            let mut out = Vec::with_capacity(v.len());
            for z in 0..dims[2] {
                for y in 0..dims[1] {
                    out.extend((0..dims[0]).map(|x| v[turned.index([x, y, z])]));
                }
            }
            out
        });
        Self {
            voxels,
            rescale: self.rescale,
            dims,
            affine: turned.affine,
            modality: self.modality.clone(),
            source: Source::Computed,
        }
    }
}

/// A volume's grid with its axes permuted and flipped, and where in memory the voxels are.
#[derive(Clone, Debug)]
pub(crate) struct Turned {
    /// Voxels along the new axes.
    pub dims: [usize; 3],
    /// New voxel index to RAS millimetres.
    pub affine: Affine,
    /// The old axis that each new one is.
    pub from: [usize; 3],
    /// Whether it runs backwards.
    pub flip: [bool; 3],
    strides: [usize; 3],
}

impl Turned {
    /// The index of a voxel in the volume's memory.
    pub fn index(&self, at: [usize; 3]) -> usize {
        let along = |new: usize| {
            let i = if self.flip[new] {
                self.dims[new] - 1 - at[new]
            } else {
                at[new]
            };
            i * self.strides[new]
        };
        along(0) + along(1) + along(2)
    }

    /// How far apart in memory voxels are that follow each other along a new axis.
    pub fn step(&self, new: usize) -> isize {
        let stride = self.strides[new] as isize;
        if self.flip[new] { -stride } else { stride }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(dims: [usize; 3], affine: Affine) -> Volume {
        let n = dims.iter().product::<usize>();
        let voxels = Voxels::I16((0..n as i16).collect());
        Volume::new(
            voxels,
            Rescale {
                slope: 2.0,
                intercept: -1.0,
            },
            dims,
            affine,
        )
        .unwrap()
    }

    #[test]
    fn reordering_keeps_every_voxel_where_it_was_in_the_patient() {
        // i to the back, j to the feet, k to the left, all a little oblique.
        let affine = Affine::from_columns(
            [[0.1, -1.0, 0.0], [0.0, 0.2, -2.0], [-3.0, 0.0, 0.1]],
            [5.0, 6.0, 7.0],
        );
        let v = ramp([2, 3, 4], affine);
        for moved in [v.to_ras(), v.to_lps()] {
            assert_eq!(moved.voxel_mm3(), v.voxel_mm3());
            for z in 0..4 {
                for y in 0..3 {
                    for x in 0..2 {
                        let mm = v.affine().apply([x as f64, y as f64, z as f64]);
                        let found = (0..24).find(|&i| {
                            let d = moved.dims();
                            let p = [i % d[0], i / d[0] % d[1], i / d[0] / d[1]];
                            let q = moved.affine().apply(p.map(|c| c as f64));
                            crate::affine::norm(crate::affine::sub(mm, q)) < 1e-9
                        });
                        let i = found.expect("the place exists in the moved grid");
                        let d = moved.dims();
                        assert_eq!(
                            moved.value(i % d[0], i / d[0] % d[1], i / d[0] / d[1]),
                            v.value(x, y, z)
                        );
                    }
                }
            }
        }
        let axes = v.to_ras().affine().closest_axes();
        assert_eq!(axes, [(0, true), (1, true), (2, true)]);
        assert_eq!(
            v.to_lps().affine().closest_axes(),
            [(0, false), (1, false), (2, true)]
        );
    }

    #[test]
    fn rescale_is_applied_once_and_sizes_are_checked() {
        let v = ramp([2, 3, 4], Affine::IDENTITY);
        assert_eq!(v.to_f32()[5], 9.0);
        assert_eq!(v.value(1, 2, 0), 9.0);
        let bad = Volume::new(
            Voxels::U8(vec![0; 5]),
            Rescale::IDENTITY,
            [2, 3, 1],
            Affine::IDENTITY,
        );
        assert!(matches!(bad, Err(VolumeError::Size { voxels: 5, .. })));
        let flat = Rescale {
            slope: 0.0,
            intercept: 0.0,
        };
        let bad = Volume::new(Voxels::U8(vec![0; 6]), flat, [2, 3, 1], Affine::IDENTITY);
        assert!(matches!(bad, Err(VolumeError::Rescale { .. })));
    }
}
