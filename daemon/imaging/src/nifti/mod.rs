//! NIfTI-1 and NIfTI-2 (`.nii`, `.nii.gz`): reading scans, writing label maps into the scan's own grid.

mod header;
mod read;
mod scrub;
mod write;

pub use header::{NiftiHeader, Version, looks_like_nifti};
pub use read::read;
pub use scrub::scrub;
pub use write::write_labels;

use crate::error::VolumeError;

/// The text that every result carries; NIfTI has 80 bytes for it.
const DESCRIPTION: &str = crate::RESEARCH_USE;

/// Why a NIfTI file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NiftiError {
    /// The first bytes are not those of NIfTI-1 or NIfTI-2.
    #[error("not a NIfTI file: its header size or its magic is wrong")]
    Magic,
    /// A header whose voxels are in a second file.
    #[error("header and voxels are in two files (.hdr and .img); give one .nii or .nii.gz file")]
    SeparateFiles,
    /// Fewer bytes than the header promises.
    #[error("the file is cut short: {expected} bytes expected, {found} found")]
    Truncated {
        /// Bytes that the header asks for.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// More bytes after the voxels than any writer leaves there.
    #[error("more than {max} bytes follow the voxels")]
    Trailing {
        /// The limit.
        max: usize,
    },
    /// The compressed stream is damaged.
    #[error("the gzip stream is damaged")]
    Gzip(#[source] std::io::Error),
    /// `dim` does not describe one three-dimensional scan.
    #[error("dim = {dim:?} is not one three-dimensional scan")]
    Dimensions {
        /// The field as read.
        dim: [i64; 8],
    },
    /// More voxels, or bytes, than the caller's limit.
    #[error("{dims:?} voxels are more than the limit of {max}")]
    TooLarge {
        /// The sizes that the header claims.
        dims: [u64; 3],
        /// The limit in voxels.
        max: u64,
    },
    /// A data type that is not a number per voxel.
    #[error("datatype {code} ({name}) is not supported; convert to an integer or float type")]
    DataType {
        /// NIfTI's code.
        code: i32,
        /// NIfTI's name.
        name: &'static str,
    },
    /// `bitpix` contradicts `datatype`.
    #[error("bitpix {bitpix} contradicts datatype {code}")]
    BitPix {
        /// The field as read.
        bitpix: i32,
        /// NIfTI's type code.
        code: i32,
    },
    /// Voxels that start inside the header, or absurdly late.
    #[error("vox_offset {0} is outside the file's possible range")]
    VoxOffset(f64),
    /// A spacing that is negative, zero or not a number.
    #[error("pixdim[{axis}] = {value}: a spacing must be positive")]
    PixDim {
        /// 1, 2 or 3.
        axis: usize,
        /// The field as read.
        value: f64,
    },
    /// A unit other than the millimetre.
    #[error("xyzt_units says {0}; only millimetres are accepted")]
    Units(&'static str),
    /// Neither sform nor qform has a code.
    #[error("neither sform nor qform is set: left and right are unknown")]
    NoOrientation,
    /// The quaternion of qform is longer than 1.
    #[error("the quaternion of qform is not a rotation")]
    Quaternion,
    /// The label map to write has another number of voxels than its grid.
    #[error("{labels} labels do not fill the grid {dims:?}")]
    Labels {
        /// Labels given.
        labels: usize,
        /// The grid.
        dims: [usize; 3],
    },
    /// The scan could not be placed in space.
    #[error("the scan cannot be placed in space")]
    Volume(#[source] VolumeError),
}
