//! The frames of one file as stored numbers, wherever they lie and whatever they mean.

use super::series::{is_lossy, join};
use super::{DicomError, DicomFile, InFile, pixels, slice};
use crate::limits::Limits;
use crate::volume::Voxels;

/// All frames of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Frames {
    /// Columns, rows, frames.
    pub dims: [usize; 3],
    /// Stored values, before any rescale; columns run fastest.
    pub voxels: Voxels,
    /// Whether the pixels went through a lossy compression at any time, as far as the file says.
    pub lossy: bool,
}

/// Decodes every frame of a grey image. Nothing is asked about geometry: this is for looking at a file, [`crate::load`]
/// is for scans.
///
/// # Errors
/// [`DicomError::InFile`] around the reason.
pub fn frames(name: &str, bytes: &[u8], limits: &Limits) -> Result<Frames, DicomError> {
    let file = DicomFile::parse(name, bytes, limits)?;
    decoded(&file, limits).in_file(name)
}

fn decoded(file: &DicomFile, limits: &Limits) -> Result<Frames, DicomError> {
    let layout = slice::layout(file)?;
    let dims = [
        layout.columns.into(),
        layout.rows.into(),
        layout.frames as usize,
    ];
    let voxels = dims.iter().map(|&d: &usize| d as u64).product::<u64>();
    if voxels > limits.voxels_max || voxels * 4 > limits.bytes_max {
        return Err(DicomError::TooLarge {
            what: "the image (in voxels)",
            max: limits.voxels_max.min(limits.bytes_max / 4),
        });
    }
    let frames: Vec<Voxels> = (0..layout.frames)
        .map(|frame| pixels::decode(file, &layout, frame, false))
        .collect::<Result<_, _>>()?;
    let voxels = join(&frames).ok_or(DicomError::Empty)?;
    Ok(Frames {
        dims,
        voxels,
        lossy: is_lossy(file),
    })
}
