//! The errors of volumes and of [`crate::load`]. Those of the formats live with the formats.

use crate::affine::Vec3;
use crate::dicom::DicomError;
use crate::nifti::NiftiError;
use crate::unzip::ZipError;

/// Why an affine cannot place a scan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// NaN or infinity.
    #[error("the affine holds a number that is not finite")]
    NotFinite,
    /// The last row is not 0 0 0 1.
    #[error("the last row of the affine is not 0 0 0 1")]
    NotAffine,
    /// A spacing outside [`crate::affine::SPACING_MM_MIN`] and [`crate::affine::SPACING_MM_MAX`].
    #[error("a spacing of {mm} mm along axis {axis} is no scan")]
    Spacing {
        /// 0, 1 or 2.
        axis: usize,
        /// The spacing.
        mm: f64,
    },
    /// An origin further than [`crate::affine::ORIGIN_MM_MAX`].
    #[error("an origin at {mm:?} mm is no scan")]
    Origin {
        /// The origin.
        mm: Vec3,
    },
    /// Two axes of the affine are (nearly) parallel.
    #[error("the axes of the affine are not independent")]
    Dependent,
}

/// Why voxels and grid do not make a volume.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// The grid has another number of voxels.
    #[error("{voxels} voxels do not fill a grid of {dims:?}")]
    Size {
        /// The grid.
        dims: [usize; 3],
        /// Voxels given.
        voxels: usize,
    },
    /// The rescale is flat or not finite.
    #[error("a rescale of slope {slope} and intercept {intercept} makes no values")]
    Rescale {
        /// Factor.
        slope: f64,
        /// Term.
        intercept: f64,
    },
    /// The affine cannot place the scan.
    #[error(transparent)]
    Geometry(GeometryError),
}

impl From<GeometryError> for VolumeError {
    fn from(e: GeometryError) -> Self {
        Self::Geometry(e)
    }
}

/// Why an input was refused. [`LoadError::explain`] gives the whole chain in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Nothing to read.
    #[error("the input holds no files")]
    Empty,
    /// Neither of the formats that are read here.
    #[error("{file} is {what}")]
    Unknown {
        /// The file.
        file: String,
        /// What its first bytes say it is.
        what: &'static str,
    },
    /// A NIfTI scan is one file.
    #[error("{file} is a NIfTI scan among {files} files; give one scan")]
    Several {
        /// The first NIfTI file.
        file: String,
        /// Files given.
        files: usize,
    },
    /// A NIfTI file was refused.
    #[error("{file}")]
    Nifti {
        /// The file.
        file: String,
        /// The reason.
        #[source]
        source: NiftiError,
    },
    /// A DICOM input was refused.
    #[error("the DICOM series is refused")]
    Dicom(#[source] DicomError),
    /// A zip archive was refused.
    #[error("the archive {file} is refused")]
    Zip {
        /// The archive.
        file: String,
        /// The reason.
        #[source]
        source: ZipError,
    },
    /// A path could not be read.
    #[error("{path} cannot be read")]
    Io {
        /// The path as given.
        path: String,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// A file, or all of them, is larger than the limit.
    #[error("{path} is larger than the limit of {max} bytes")]
    TooLarge {
        /// The file.
        path: String,
        /// The limit.
        max: u64,
    },
    /// More files than the limit.
    #[error("{path} holds more than {max} files")]
    TooManyFiles {
        /// The directory.
        path: String,
        /// The limit.
        max: usize,
    },
}

impl LoadError {
    /// The reason and what lies behind it, in one line.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(e) = cause {
            line.push_str(": ");
            line.push_str(&e.to_string());
            cause = e.source();
        }
        line
    }
}
