//! Takes free text out of a NIfTI file before it leaves the clinic. NIfTI has no field for a patient's name, but
//! converters write names, dates and whole DICOM headers into its text fields and extensions.

use super::NiftiError;
use super::header::{NiftiHeader, Version};
use crate::limits::Limits;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read, Write};
use std::ops::Range;

/// data_type, db_name, extents…regular are unused since Analyze; descrip, aux_file, intent_name hold text.
const TEXT_1: [Range<usize>; 4] = [4..38, 148..228, 228..252, 328..344];
/// descrip, aux_file, intent_name, and the unused end.
const TEXT_2: [Range<usize>; 4] = [240..320, 320..344, 508..524, 525..540];
/// The four bytes after the header say whether extensions follow.
const EXTENDER_BYTES: usize = 4;

/// The same scan without free text and extensions, compressed if it was. Voxels and geometry are not touched.
///
/// # Errors
/// [`NiftiError`] when [`read`](super::read) refuses the file.
pub fn scrub(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, NiftiError> {
    // A file that no reader takes is not worth sending; and what was read fits the limits.
    super::read(bytes, limits, true)?;
    let gzip = bytes.starts_with(&[0x1f, 0x8b]);
    let mut plain = Vec::new();
    if gzip {
        MultiGzDecoder::new(bytes)
            .take(limits.bytes_max)
            .read_to_end(&mut plain)
            .map_err(NiftiError::Gzip)?;
    } else {
        plain.extend_from_slice(bytes);
    }
    let header = NiftiHeader::parse(&plain)?;
    let (text, size) = match header.version {
        Version::One => (TEXT_1, 348),
        Version::Two => (TEXT_2, 540),
    };
    for range in text {
        plain[range].fill(0);
    }
    // Extensions stand between header and voxels.
    let voxels = (header.vox_offset as usize).min(plain.len());
    if voxels >= size + EXTENDER_BYTES {
        plain[size..voxels].fill(0);
    }
    if !gzip {
        return Ok(plain);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(&plain)
        .and_then(|()| encoder.finish())
        .map_err(NiftiError::Gzip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;
    use crate::volume::{Rescale, Volume, Voxels};

    #[test]
    fn text_goes_and_the_scan_stays() {
        let affine = Affine([
            [1.0, 0.0, 0.0, -3.0],
            [0.0, 2.0, 0.0, 5.0],
            [0.0, 0.0, 3.0, 7.0],
            [0.0, 0.0, 0.0, 1.0],
        ]);
        let volume = Volume::new(
            Voxels::U8((0..24).collect()),
            Rescale::IDENTITY,
            [2, 3, 4],
            affine,
        )
        .expect("a volume");
        let labels: Vec<u8> = (0..24).map(|v| v % 3).collect();
        let file = super::super::write_labels(&volume, &labels).expect("writes");
        let mut plain = Vec::new();
        MultiGzDecoder::new(&file[..])
            .read_to_end(&mut plain)
            .expect("gzip");
        plain[148..160].copy_from_slice(b"DOE^JANE 197");
        let clean = scrub(&plain, &Limits::default()).expect("scrubs");
        assert!(!clean.windows(4).any(|w| w == b"JANE"));
        let (before, after) = (
            super::super::read(&plain, &Limits::default(), false).expect("reads"),
            super::super::read(&clean, &Limits::default(), false).expect("reads"),
        );
        assert_eq!(before.voxels(), after.voxels());
        assert_eq!(before.affine(), after.affine());
        assert!(scrub(b"not a scan", &Limits::default()).is_err());
    }
}
