//! Scans in, results out: DICOM series and NIfTI files to a [`Volume`] with geometry, and back.
//!
//! - [`load`] reads one NIfTI file or the files of a DICOM series, zipped or not, told apart by content, and refuses what it cannot
//!   place in space, naming the field or the slices.
//! - [`write_labels`] writes a label map in the scan's own grid; [`report`] measures it; [`montage`] draws it.
//! - [`dicom::seg`] writes it as a DICOM segmentation on the slices of its series, and gives that its patient back.
//! - [`deid`] takes a patient's identity out of DICOM files before they leave the clinic.
//! - [`write_series`] makes a DICOM series out of a volume, for demonstrations and tests.
//!
//! Nothing here opens a network connection or reads a clock.

pub mod affine;
pub mod deid;
pub mod dicom;
mod error;
mod limits;
mod load;
pub mod montage;
pub mod nifti;
pub mod report;
mod stretch;
mod unzip;
mod volume;

pub use self::dicom::{DicomError, FakePatient, SeriesSource, SeriesSpec, write_series};
pub use affine::Affine;
pub use deid::{UidMap, deidentify};
pub use error::{GeometryError, LoadError, VolumeError};
pub use limits::Limits;
pub use load::{Format, LoadOptions, format_of, load, read_path};
pub use nifti::{NiftiError, write_labels};
pub use unzip::{ZipError, unzip};
pub use volume::{Rescale, Source, Volume, Voxels};

/// What every result carries.
pub const RESEARCH_USE: &str = "research use, not for diagnosis";
