//! Decodes the samples of one frame to numbers, sign and unused bits put right.

use super::file::{Codec, DicomFile};
use super::slice::Layout;
use super::{DicomError, codecs, rle};
use crate::volume::Voxels;
use dicom::core::value::{PrimitiveValue, Value};
use dicom::dictionary_std::tags;
use std::borrow::Cow;

/// The samples of frame `frame` (from 0), in the type that BitsAllocated and PixelRepresentation name.
pub(super) fn decode(
    file: &DicomFile,
    layout: &Layout,
    frame: u32,
    invert: bool,
) -> Result<Voxels, DicomError> {
    let pixels = usize::from(layout.rows) * usize::from(layout.columns);
    let width = usize::from(layout.bits_allocated / 8);
    let element = file
        .object
        .get(tags::PIXEL_DATA)
        .ok_or(DicomError::Missing {
            element: "PixelData".into(),
        })?;
    let bytes = match (file.codec, element.value()) {
        (Codec::Native, Value::Primitive(value)) => {
            native(value, file.big_endian, width, pixels, frame)?
        }
        (codec, Value::PixelSequence(sequence)) => {
            let coded = fragments(
                sequence.fragments(),
                sequence.offset_table(),
                layout.frames,
                frame,
            )?;
            let size = (layout.columns, layout.rows);
            let (name, decoded) = match codec {
                Codec::Native => {
                    return Err(DicomError::Structure {
                        element: "PixelData".into(),
                    });
                }
                Codec::Rle => ("RLE", rle::decode(&coded, pixels, width)),
                Codec::Jpeg => ("JPEG", codecs::jpeg(&coded, size, width)),
                Codec::JpegLs => ("JPEG-LS", codecs::jpeg_ls(&coded, size, width)),
                Codec::Jpeg2000 => ("JPEG 2000", codecs::jpeg_2000(&coded, size, width)),
            };
            Cow::Owned(decoded.map_err(|reason| DicomError::Decode {
                codec: name,
                frame: frame + 1,
                reason,
            })?)
        }
        _ => {
            return Err(DicomError::Structure {
                element: "PixelData".into(),
            });
        }
    };
    Ok(numbers(&bytes, layout, invert && layout.monochrome1))
}

/// The little-endian bytes of a frame that is stored plainly.
fn native(
    value: &PrimitiveValue,
    big_endian: bool,
    width: usize,
    pixels: usize,
    frame: u32,
) -> Result<Cow<'_, [u8]>, DicomError> {
    let size = pixels * width;
    let start = frame as usize * size;
    let short = |found: usize| DicomError::Truncated {
        element: "PixelData".into(),
        expected: (start + size) as u64,
        found: found as u64,
    };
    match value {
        PrimitiveValue::U8(bytes) => {
            let frame = bytes
                .get(start..start + size)
                .ok_or_else(|| short(bytes.len()))?;
            if big_endian && width > 1 {
                let swapped = frame
                    .chunks_exact(width)
                    .flat_map(|c| c.iter().rev().copied())
                    .collect();
                return Ok(Cow::Owned(swapped));
            }
            Ok(Cow::Borrowed(frame))
        }
        PrimitiveValue::U16(words) => {
            if big_endian && width != 2 {
                // Bytes inside words, or words inside double words: writers disagree, so nobody can know.
                let value = (width * 8).to_string();
                let reason = "in big-endian 16-bit words the order of samples is not certain";
                return Err(DicomError::Value {
                    element: "BitsAllocated".into(),
                    value,
                    reason,
                });
            }
            let (first, last) = (start / 2, (start + size).div_ceil(2));
            let words = words
                .get(first..last)
                .ok_or_else(|| short(words.len() * 2))?;
            let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            if start % 2 == 1 {
                bytes.remove(0);
            }
            bytes.truncate(size);
            Ok(Cow::Owned(bytes))
        }
        PrimitiveValue::U32(words) if width == 4 => {
            let words = words
                .get(start / 4..(start + size) / 4)
                .ok_or_else(|| short(words.len() * 4))?;
            Ok(Cow::Owned(
                words.iter().flat_map(|w| w.to_le_bytes()).collect(),
            ))
        }
        PrimitiveValue::Empty => Err(short(0)),
        _ => Err(DicomError::Structure {
            element: "PixelData".into(),
        }),
    }
}

/// The coded bytes of a frame: all fragments of a single frame, one fragment a frame, or by the offset table.
fn fragments<'a>(
    fragments: &'a [Vec<u8>],
    offsets: &[u32],
    frames: u32,
    frame: u32,
) -> Result<Cow<'a, [u8]>, DicomError> {
    let missing = || DicomError::Truncated {
        element: "PixelData".into(),
        expected: frames.into(),
        found: fragments.len() as u64,
    };
    if frames as usize == fragments.len() {
        return fragments
            .get(frame as usize)
            .map(|f| Cow::Borrowed(&f[..]))
            .ok_or_else(missing);
    }
    if frames == 1 && !fragments.is_empty() {
        return Ok(Cow::Owned(fragments.concat()));
    }
    if offsets.len() != frames as usize {
        return Err(missing());
    }
    let (start, end) = (
        offsets[frame as usize],
        offsets.get(frame as usize + 1).copied().unwrap_or(u32::MAX),
    );
    let mut at = 0_u64;
    let mut bytes = Vec::new();
    for fragment in fragments {
        if (u64::from(start)..u64::from(end)).contains(&at) {
            bytes.extend_from_slice(fragment);
        }
        // Offsets count the 8 bytes of each item header (PS3.5 A.4).
        at += fragment.len() as u64 + 8;
    }
    if bytes.is_empty() {
        Err(missing())
    } else {
        Ok(Cow::Owned(bytes))
    }
}

/// Cuts out the stored bits, extends the sign, and inverts if asked to.
fn numbers(bytes: &[u8], layout: &Layout, invert: bool) -> Voxels {
    // Shift the stored bits to the top, then back down: arithmetic for signed types, logical for unsigned ones.
    let up = u32::from(layout.bits_allocated - 1 - layout.high_bit);
    let down = u32::from(layout.bits_allocated - layout.bits_stored);
    macro_rules! cut {
        ($t:ty, $variant:ident) => {{
            let (chunks, _) = bytes.as_chunks::<{ size_of::<$t>() }>();
            Voxels::$variant(
                chunks
                    .iter()
                    .map(|c| {
                        let v = (<$t>::from_le_bytes(*c) << up) >> down;
                        if invert {
                            mirrored(v.into(), layout) as $t
                        } else {
                            v
                        }
                    })
                    .collect(),
            )
        }};
    }
    match (layout.bits_allocated, layout.signed) {
        (8, false) => cut!(u8, U8),
        (8, true) => cut!(i8, I8),
        (16, false) => cut!(u16, U16),
        (16, true) => cut!(i16, I16),
        (_, false) => cut!(u32, U32),
        (_, true) => cut!(i32, I32),
    }
}

/// The sample at the other end of the range of stored values.
fn mirrored(value: i64, layout: &Layout) -> i64 {
    // Unsigned: 0 ↔ 2ⁿ − 1. Signed: −2ⁿ⁻¹ ↔ 2ⁿ⁻¹ − 1, whose sum is −1.
    if layout.signed {
        -1 - value
    } else {
        (1_i64 << layout.bits_stored) - 1 - value
    }
}
