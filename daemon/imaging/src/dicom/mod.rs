//! DICOM series (single-frame or enhanced multi-frame) to a volume with geometry.
//!
//! `walk` judges a file's structure, `file` parses it, `slice` reads what one frame says about itself, `geometry` puts
//! the slices in order or says which of them do not fit, `pixels` (with `rle` and `codecs`) decodes, `series` joins all of it; `frames` decodes a
//! file that need not lie anywhere. `seg` writes segmentations.
//!
//! | Transfer syntax | |
//! |---|---|
//! | Implicit VR LE, Explicit VR LE and BE, Deflated | read |
//! | RLE Lossless | read, 8, 16 and 32 bits |
//! | JPEG baseline, JPEG lossless (all selection values) | read, by `jpeg-decoder` |
//! | JPEG extended | read with 8 bits; with 12 bits refused by the decoder |
//! | JPEG 2000, lossless and lossy | read up to 16 bits, by `hayro-jpeg2000` |
//! | JPEG-LS, lossless and near-lossless | read |
//! | JPEG XL, HTJ2K, JPIP, video and others | refused by name |
//!
//! Colour, palette and 1-bit images, objects without geometry, and files without a PS3.10 header are refused.
//! [`write_series`] makes series for demonstrations and tests.

mod build;
mod codecs;
mod error;
mod file;
mod frames;
mod geometry;
mod jpeg_ls;
mod pixels;
mod rle;
pub mod seg;
mod select;
mod series;
mod slice;
mod synth;
mod walk;

pub(crate) use error::InFile;
pub use error::{DicomError, Names, SeriesEntry};
pub use file::looks_like_dicom;
pub(crate) use file::{DicomFile, write};
pub use frames::{Frames, frames};
pub use select::files_of;
pub(crate) use series::read;
pub use series::{SeriesSource, SliceRef};
pub use synth::{FakePatient, SeriesSpec, write_series};

use dicom::core::Tag;
use dicom::core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom::dictionary_std::StandardDataDictionary;

/// The keyword of a tag, or its number where it is private or the dictionary has none.
pub(crate) fn tag_name(tag: Tag) -> String {
    match StandardDataDictionary.by_tag(tag) {
        Some(entry) if tag.group().is_multiple_of(2) => entry.alias().to_owned(),
        _ => format!("({:04X},{:04X})", tag.group(), tag.element()),
    }
}
