//! DICOM series (single-frame or enhanced multi-frame) to a volume with geometry.
//!
//! `walk` judges a file's structure, `file` parses it, `slice` reads what one frame says about itself, `geometry` puts
//! the slices in order or says which of them do not fit, `pixels` (with `rle` and `codecs`) decodes, `series` joins all of it.
//! [`write_series`] makes series for demonstrations and tests.

mod codecs;
mod error;
mod file;
mod geometry;
mod pixels;
mod rle;
mod series;
mod slice;
mod synth;
mod walk;

pub(crate) use error::InFile;
pub use error::{DicomError, Names, SeriesEntry};
pub use file::looks_like_dicom;
pub(crate) use file::{DicomFile, write};
pub(crate) use series::read;
pub use series::{SeriesSource, SliceRef};
pub use synth::{FakePatient, SeriesSpec, write_series};

use dicom::core::Tag;
use dicom::core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom::dictionary_std::StandardDataDictionary;

/// The keyword of a tag, or its number where it is private or the dictionary has none.
pub(crate) fn tag_name(tag: Tag) -> String {
    match StandardDataDictionary.by_tag(tag) {
        Some(entry) if tag.group() % 2 == 0 => entry.alias().to_owned(),
        _ => format!("({:04X},{:04X})", tag.group(), tag.element()),
    }
}
