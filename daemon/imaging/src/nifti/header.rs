//! The NIfTI-1 and NIfTI-2 headers: parsing, the affine they mean, and writing them back.
//!
//! Layouts: `nifti1.h` (348 bytes) and `nifti2.h` (540 bytes) of the NIfTI Data Format Working Group.

use super::{DESCRIPTION, NiftiError};
use crate::affine::Affine;

/// Size of a NIfTI-1 header, and the value of its first field.
pub const HEADER_1_BYTES: usize = 348;
/// Size of a NIfTI-2 header, and the value of its first field.
pub const HEADER_2_BYTES: usize = 540;
/// Bytes between the end of a header and the voxels when there is no extension.
const NO_EXTENSION_BYTES: usize = 4;
/// Intent code "label": voxel values name structures.
const INTENT_LABEL: i32 = 1002;
/// `xyzt_units`: millimetres.
const UNIT_MM: i32 = 2;
/// How far below 1 the squared norm of a stored quaternion may overshoot before it is refused.
const QUATERNION_TOLERANCE: f64 = 1e-5;

/// Which of the two layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// NIfTI-1, 16-bit dimensions.
    One,
    /// NIfTI-2, 64-bit dimensions.
    Two,
}

/// The fields of a NIfTI header that place and type the voxels.
#[derive(Clone, Debug, PartialEq)]
pub struct NiftiHeader {
    /// Layout.
    pub version: Version,
    /// Whether the file is big-endian.
    pub big_endian: bool,
    /// `dim[0..8]`: number of dimensions, then sizes.
    pub dim: [i64; 8],
    /// `pixdim[0..8]`: qfac, then spacings.
    pub pixdim: [f64; 8],
    /// `datatype` code.
    pub datatype: i32,
    /// `bitpix`.
    pub bitpix: i32,
    /// Byte at which the voxels start.
    pub vox_offset: f64,
    /// `scl_slope`; 0 or not finite means none.
    pub slope: f64,
    /// `scl_inter`.
    pub intercept: f64,
    /// `xyzt_units`.
    pub units: i32,
    /// 0 when the quaternion means nothing.
    pub qform_code: i32,
    /// 0 when the rows mean nothing.
    pub sform_code: i32,
    /// `quatern_b, c, d` and `qoffset_x, y, z`.
    pub quaternion: [f64; 6],
    /// `srow_x, y, z`.
    pub srow: [[f64; 4]; 3],
}

/// Reads numbers of either byte order out of a header.
struct Fields<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Fields<'_> {
    fn take<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut raw = [0; N];
        raw.copy_from_slice(&self.bytes[at..at + N]);
        if self.big {
            raw.reverse();
        }
        raw
    }
    fn i16(&self, at: usize) -> i64 {
        i16::from_le_bytes(self.take(at)).into()
    }
    fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.take(at))
    }
    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.take(at))
    }
    fn f32(&self, at: usize) -> f64 {
        f32::from_le_bytes(self.take(at)).into()
    }
    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.take(at))
    }
}

/// Version and byte order by the first field, which holds the header's own size.
fn sniff(bytes: &[u8]) -> Option<(Version, bool)> {
    let first: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    for (version, size) in [
        (Version::One, HEADER_1_BYTES as u32),
        (Version::Two, HEADER_2_BYTES as u32),
    ] {
        for big in [false, true] {
            let expected = if big {
                size.to_be_bytes()
            } else {
                size.to_le_bytes()
            };
            if first == expected {
                return Some((version, big));
            }
        }
    }
    None
}

/// Whether `bytes` (uncompressed) begin like a NIfTI file: the header's size, and the magic in its place.
#[must_use]
pub fn looks_like_nifti(bytes: &[u8]) -> bool {
    match sniff(bytes) {
        Some((Version::One, _)) => bytes
            .get(344..347)
            .is_some_and(|m| m == b"n+1" || m == b"ni1"),
        Some((Version::Two, _)) => bytes.get(4..7).is_some_and(|m| m == b"n+2" || m == b"ni2"),
        None => false,
    }
}

impl NiftiHeader {
    /// Parses the header at the start of an uncompressed file.
    ///
    /// # Errors
    /// [`NiftiError::Truncated`], [`NiftiError::Magic`] or [`NiftiError::SeparateFiles`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NiftiError> {
        let (version, big) = sniff(bytes).ok_or(NiftiError::Magic)?;
        let size = if version == Version::One {
            HEADER_1_BYTES
        } else {
            HEADER_2_BYTES
        };
        if bytes.len() < size {
            return Err(NiftiError::Truncated {
                expected: size as u64,
                found: bytes.len() as u64,
            });
        }
        let magic_at = if version == Version::One { 344 } else { 4 };
        match (version, &bytes[magic_at..magic_at + 4]) {
            (Version::One, b"n+1\0") | (Version::Two, b"n+2\0") => {}
            (Version::One, b"ni1\0") | (Version::Two, b"ni2\0") => {
                return Err(NiftiError::SeparateFiles);
            }
            _ => return Err(NiftiError::Magic),
        }
        let f = Fields { bytes, big };
        Ok(match version {
            Version::One => Self {
                version,
                big_endian: big,
                dim: std::array::from_fn(|i| f.i16(40 + 2 * i)),
                pixdim: std::array::from_fn(|i| f.f32(76 + 4 * i)),
                datatype: f.i16(70) as i32,
                bitpix: f.i16(72) as i32,
                vox_offset: f.f32(108),
                slope: f.f32(112),
                intercept: f.f32(116),
                units: bytes[123].into(),
                qform_code: f.i16(252) as i32,
                sform_code: f.i16(254) as i32,
                quaternion: std::array::from_fn(|i| f.f32(256 + 4 * i)),
                srow: std::array::from_fn(|r| std::array::from_fn(|c| f.f32(280 + 16 * r + 4 * c))),
            },
            Version::Two => Self {
                version,
                big_endian: big,
                dim: std::array::from_fn(|i| f.i64(16 + 8 * i)),
                pixdim: std::array::from_fn(|i| f.f64(104 + 8 * i)),
                datatype: f.i16(12) as i32,
                bitpix: f.i16(14) as i32,
                vox_offset: f.i64(168) as f64,
                slope: f.f64(176),
                intercept: f.f64(184),
                units: f.i32(500),
                qform_code: f.i32(344),
                sform_code: f.i32(348),
                quaternion: std::array::from_fn(|i| f.f64(352 + 8 * i)),
                srow: std::array::from_fn(|r| std::array::from_fn(|c| f.f64(400 + 32 * r + 8 * c))),
            },
        })
    }

    /// The affine of sform, whatever its code says.
    fn sform(&self) -> Affine {
        Affine([
            self.srow[0],
            self.srow[1],
            self.srow[2],
            [0.0, 0.0, 0.0, 1.0],
        ])
    }

    /// The affine of qform, whatever its code says; `None` when the quaternion is none.
    fn qform(&self) -> Option<Affine> {
        let [b, c, d, x, y, z] = self.quaternion;
        let w2 = 1.0 - (b * b + c * c + d * d);
        if !w2.is_finite() || w2 < -QUATERNION_TOLERANCE {
            return None;
        }
        let a = w2.max(0.0).sqrt();
        // Normalised, because the stored three may be a rounding error too long.
        let s = 2.0 / (a * a + b * b + c * c + d * d);
        let r = [
            [
                1.0 - s * (c * c + d * d),
                s * (b * c - a * d),
                s * (b * d + a * c),
            ],
            [
                s * (b * c + a * d),
                1.0 - s * (b * b + d * d),
                s * (c * d - a * b),
            ],
            [
                s * (b * d - a * c),
                s * (c * d + a * b),
                1.0 - s * (b * b + c * c),
            ],
        ];
        let qfac = if self.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        let zooms = [self.pixdim[1], self.pixdim[2], self.pixdim[3] * qfac];
        let columns = std::array::from_fn(|axis| {
            [r[0][axis], r[1][axis], r[2][axis]].map(|v| v * zooms[axis])
        });
        Some(Affine::from_columns(columns, [x, y, z]))
    }

    /// Whether the lengths of an affine's columns are `pixdim` (numpy's `allclose`, which MONAI uses here).
    fn agrees_with_pixdim(&self, affine: &Affine) -> bool {
        let spacing = affine.spacing();
        (0..3).all(|i| {
            (spacing[i] - self.pixdim[i + 1]).abs() <= 1e-8 + 1e-5 * self.pixdim[i + 1].abs()
        })
    }

    /// Voxel index to RAS millimetres: sform if it has a code, else qform if it has one.
    ///
    /// As in MONAI's reader, a sform whose spacing contradicts `pixdim` gives way to a qform that agrees with it. Unlike
    /// there, only to one that has a code: a quaternion of zeros agrees with anything and knows no left or right.
    ///
    /// # Errors
    /// [`NiftiError::NoOrientation`] when neither has a code, unless `allow_unknown` asks for the convention of the
    /// Analyze format (axes run L, A, S around the centre of the grid), which is a guess about left and right.
    pub fn affine(&self, allow_unknown: bool) -> Result<Affine, NiftiError> {
        let qform = if self.qform_code > 0 {
            self.qform()
        } else {
            None
        };
        if self.sform_code > 0 {
            let sform = self.sform();
            return Ok(match qform {
                Some(q) if !self.agrees_with_pixdim(&sform) && self.agrees_with_pixdim(&q) => q,
                _ => sform,
            });
        }
        if self.qform_code > 0 {
            return qform.ok_or(NiftiError::Quaternion);
        }
        if !allow_unknown {
            return Err(NiftiError::NoOrientation);
        }
        let zooms = [-self.pixdim[1], self.pixdim[2], self.pixdim[3]];
        let mut columns = [[0.0; 3]; 3];
        let mut origin = [0.0; 3];
        for axis in 0..3 {
            columns[axis][axis] = zooms[axis];
            origin[axis] = -zooms[axis] * (self.dim[axis + 1].max(1) - 1) as f64 / 2.0;
        }
        Ok(Affine::from_columns(columns, origin))
    }

    /// A header for a grid that did not come from NIfTI: sform, and qform where the axes are orthogonal.
    pub(super) fn for_grid(dims: [usize; 3], affine: &Affine) -> Self {
        let large = dims.iter().any(|&d| d > i16::MAX as usize);
        let spacing = affine.spacing();
        let qfac = if affine.determinant() < 0.0 {
            -1.0
        } else {
            1.0
        };
        let quaternion = quaternion_of(affine, qfac);
        let [x, y, z] = affine.origin();
        let [b, c, d] = quaternion.unwrap_or_default();
        Self {
            version: if large { Version::Two } else { Version::One },
            big_endian: false,
            dim: [
                3,
                dims[0] as i64,
                dims[1] as i64,
                dims[2] as i64,
                1,
                1,
                1,
                1,
            ],
            pixdim: [qfac, spacing[0], spacing[1], spacing[2], 0.0, 0.0, 0.0, 0.0],
            datatype: 0,
            bitpix: 0,
            vox_offset: 0.0,
            slope: 1.0,
            intercept: 0.0,
            units: UNIT_MM,
            qform_code: i32::from(quaternion.is_some()),
            sform_code: 1,
            quaternion: [b, c, d, x, y, z],
            srow: [affine.0[0], affine.0[1], affine.0[2]],
        }
    }

    /// The header of a u8 label map in this grid: the same dimensions, spacings, sform and qform, bit for bit.
    pub(super) fn write_labels(&self) -> Vec<u8> {
        let dim: [i64; 8] = std::array::from_fn(|i| match i {
            0 => 3,
            1..=3 if self.dim[0] >= i as i64 => self.dim[i].max(1),
            _ => 1,
        });
        match self.version {
            Version::One => {
                let mut h = vec![0; HEADER_1_BYTES + NO_EXTENSION_BYTES];
                let mut put = |at: usize, raw: &[u8]| h[at..at + raw.len()].copy_from_slice(raw);
                put(0, &(HEADER_1_BYTES as i32).to_le_bytes());
                put(38, b"r");
                for (i, (size, step)) in dim.iter().zip(self.pixdim).enumerate() {
                    put(40 + 2 * i, &(*size as i16).to_le_bytes());
                    put(76 + 4 * i, &(step as f32).to_le_bytes());
                }
                put(68, &(INTENT_LABEL as i16).to_le_bytes());
                put(70, &2_i16.to_le_bytes());
                put(72, &8_i16.to_le_bytes());
                put(
                    108,
                    &((HEADER_1_BYTES + NO_EXTENSION_BYTES) as f32).to_le_bytes(),
                );
                put(112, &1_f32.to_le_bytes());
                put(123, &[UNIT_MM as u8]);
                put(148, DESCRIPTION.as_bytes());
                put(252, &(self.qform_code as i16).to_le_bytes());
                put(254, &(self.sform_code as i16).to_le_bytes());
                for i in 0..6 {
                    put(256 + 4 * i, &(self.quaternion[i] as f32).to_le_bytes());
                }
                for (i, v) in self.srow.iter().flatten().enumerate() {
                    put(280 + 4 * i, &(*v as f32).to_le_bytes());
                }
                put(344, b"n+1\0");
                h
            }
            Version::Two => {
                let mut h = vec![0; HEADER_2_BYTES + NO_EXTENSION_BYTES];
                let mut put = |at: usize, raw: &[u8]| h[at..at + raw.len()].copy_from_slice(raw);
                put(0, &(HEADER_2_BYTES as i32).to_le_bytes());
                put(4, b"n+2\0\r\n\x1a\n");
                put(12, &2_i16.to_le_bytes());
                put(14, &8_i16.to_le_bytes());
                for (i, (size, step)) in dim.iter().zip(self.pixdim).enumerate() {
                    put(16 + 8 * i, &size.to_le_bytes());
                    put(104 + 8 * i, &step.to_le_bytes());
                }
                put(
                    168,
                    &((HEADER_2_BYTES + NO_EXTENSION_BYTES) as i64).to_le_bytes(),
                );
                put(176, &1_f64.to_le_bytes());
                put(240, DESCRIPTION.as_bytes());
                put(344, &self.qform_code.to_le_bytes());
                put(348, &self.sform_code.to_le_bytes());
                for i in 0..6 {
                    put(352 + 8 * i, &self.quaternion[i].to_le_bytes());
                }
                for (i, v) in self.srow.iter().flatten().enumerate() {
                    put(400 + 8 * i, &v.to_le_bytes());
                }
                put(500, &UNIT_MM.to_le_bytes());
                put(504, &INTENT_LABEL.to_le_bytes());
                h
            }
        }
    }
}

/// The quaternion (b, c, d; a ≥ 0) of an affine's rotation, or `None` when its axes are not orthogonal.
fn quaternion_of(affine: &Affine, qfac: f64) -> Option<[f64; 3]> {
    let spacing = affine.spacing();
    let mut unit: [[f64; 3]; 3] = std::array::from_fn(|a| affine.column(a).map(|v| v / spacing[a]));
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        if crate::affine::dot(unit[a], unit[b]).abs() > 1e-4 {
            return None;
        }
    }
    unit[2] = unit[2].map(|v| v * qfac);
    let r = |row: usize, col: usize| unit[col][row];
    // The branch with the largest divisor keeps the precision (the four cases of nifti_mat44_to_quatern).
    let trace = r(0, 0) + r(1, 1) + r(2, 2);
    let [mut a, mut b, mut c, mut d];
    if trace > 0.0 {
        a = (1.0 + trace).sqrt() / 2.0;
        b = (r(2, 1) - r(1, 2)) / (4.0 * a);
        c = (r(0, 2) - r(2, 0)) / (4.0 * a);
        d = (r(1, 0) - r(0, 1)) / (4.0 * a);
    } else if r(0, 0) >= r(1, 1) && r(0, 0) >= r(2, 2) {
        b = (1.0 + r(0, 0) - r(1, 1) - r(2, 2)).sqrt() / 2.0;
        a = (r(2, 1) - r(1, 2)) / (4.0 * b);
        c = (r(0, 1) + r(1, 0)) / (4.0 * b);
        d = (r(0, 2) + r(2, 0)) / (4.0 * b);
    } else if r(1, 1) >= r(2, 2) {
        c = (1.0 + r(1, 1) - r(0, 0) - r(2, 2)).sqrt() / 2.0;
        a = (r(0, 2) - r(2, 0)) / (4.0 * c);
        b = (r(0, 1) + r(1, 0)) / (4.0 * c);
        d = (r(1, 2) + r(2, 1)) / (4.0 * c);
    } else {
        d = (1.0 + r(2, 2) - r(0, 0) - r(1, 1)).sqrt() / 2.0;
        a = (r(1, 0) - r(0, 1)) / (4.0 * d);
        b = (r(0, 2) + r(2, 0)) / (4.0 * d);
        c = (r(1, 2) + r(2, 1)) / (4.0 * d);
    }
    if a < 0.0 {
        [a, b, c, d] = [-a, -b, -c, -d];
    }
    let length = (a * a + b * b + c * c + d * d).sqrt();
    Some([b / length, c / length, d / length])
}
