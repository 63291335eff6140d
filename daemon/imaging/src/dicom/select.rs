//! Which of a client's files make up the series that was read.

use std::collections::HashSet;

use super::{DicomError, DicomFile, SeriesSource};
use crate::limits::Limits;
use dicom::dictionary_std::tags;
use rayon::prelude::*;

/// Those of `files` that hold slices of `series`, in the same order: what to send when a directory holds other series
/// too, or an index (DICOMDIR) with names in it.
///
/// # Errors
/// [`DicomError`] for a file that cannot be read.
pub fn files_of(
    files: Vec<(String, Vec<u8>)>,
    series: &SeriesSource,
    limits: &Limits,
) -> Result<Vec<(String, Vec<u8>)>, DicomError> {
    let slices: HashSet<&str> = series
        .slices
        .iter()
        .map(|slice| slice.instance_uid.as_str())
        .collect();
    let of_series: Vec<bool> = files
        .par_iter()
        .map(|(name, bytes)| {
            let file = DicomFile::parse(name, bytes, limits)?;
            let instance = file.text(tags::SOP_INSTANCE_UID);
            Ok(instance.is_some_and(|uid| slices.contains(uid.as_str())))
        })
        .collect::<Result<_, DicomError>>()?;
    Ok(files
        .into_iter()
        .zip(of_series)
        .filter_map(|(file, taken)| taken.then_some(file))
        .collect())
}
