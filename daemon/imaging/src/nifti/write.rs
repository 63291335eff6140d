//! Label maps as `.nii.gz` in the grid of the scan they belong to.

use super::{NiftiError, NiftiHeader};
use crate::volume::{Source, Volume};
use flate2::{Compression, GzBuilder};
use std::io::Write;

/// Writes one u8 label per voxel of `volume` as a compressed NIfTI file.
///
/// Where the volume came from a NIfTI file, dimensions, spacings, sform and qform are that file's, bit for bit; else
/// sform is the volume's affine and qform says the same where it can. The same input gives the same bytes.
///
/// # Errors
/// [`NiftiError::Labels`] when there is not one label per voxel.
pub fn write_labels(volume: &Volume, labels: &[u8]) -> Result<Vec<u8>, NiftiError> {
    if labels.len() != volume.voxels().len() {
        return Err(NiftiError::Labels {
            labels: labels.len(),
            dims: volume.dims(),
        });
    }
    let header = match volume.source() {
        Source::Nifti(header) => (**header).clone(),
        _ => NiftiHeader::for_grid(volume.dims(), volume.affine()),
    };
    // No name and no time in the gzip header: a result's digest depends on the result alone. More effort than the least
    // takes eight times as long and halves a file that is a hundredth of the labels already.
    let mut out = GzBuilder::new().write(Vec::new(), Compression::fast());
    let written = out
        .write_all(&header.write_labels())
        .and_then(|()| out.write_all(labels))
        .and_then(|()| out.finish());
    Ok(written.expect("a vector takes every byte"))
}
