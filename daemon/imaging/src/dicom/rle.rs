//! RLE Lossless (DICOM PS3.5 annex G): byte planes, most significant first, each packed by PackBits.

/// Bytes of the header: a count and 15 offsets.
const HEADER_BYTES: usize = 64;
/// Offsets in the header.
const SEGMENTS_MAX: usize = 15;

/// Decodes one frame of `pixels` samples of `width` bytes into little-endian samples.
///
/// # Errors
/// Says what is wrong with the frame: planes that are missing, out of range, or decode to another number of bytes.
pub(super) fn decode(frame: &[u8], pixels: usize, width: usize) -> Result<Vec<u8>, String> {
    let header = frame.get(..HEADER_BYTES).ok_or("the header is cut short")?;
    let word = |i: usize| {
        u32::from_le_bytes(header[4 * i..4 * i + 4].try_into().expect("four bytes")) as usize
    };
    let segments = word(0);
    if segments != width || segments > SEGMENTS_MAX {
        return Err(format!(
            "{segments} byte planes for samples of {width} bytes"
        ));
    }
    let mut out = vec![0; pixels * width];
    for segment in 0..segments {
        let start = word(segment + 1);
        let end = if segment + 1 < segments {
            word(segment + 2)
        } else {
            frame.len()
        };
        let packed = frame
            .get(start..end)
            .filter(|_| start >= HEADER_BYTES)
            .ok_or("a byte plane lies outside the frame")?;
        // The first plane holds the most significant bytes.
        unpack(packed, &mut out, width - 1 - segment, width)?;
    }
    Ok(out)
}

/// PackBits into every `stride`-th byte of `out` from `at` on. Padding after the last byte is allowed.
fn unpack(packed: &[u8], out: &mut [u8], mut at: usize, stride: usize) -> Result<(), String> {
    let mut rest = packed;
    while at < out.len() {
        let (&control, tail) = rest.split_first().ok_or("a byte plane decodes short")?;
        rest = tail;
        match control as i8 {
            -128 => {}
            n @ -127..0 => {
                let (&byte, tail) = rest.split_first().ok_or("a run is cut short")?;
                rest = tail;
                for _ in 0..=-i16::from(n) {
                    *out.get_mut(at).ok_or("a byte plane decodes too long")? = byte;
                    at += stride;
                }
            }
            n => {
                let count = n as usize + 1;
                let literal = rest.get(..count).ok_or("a literal is cut short")?;
                rest = &rest[count..];
                for &byte in literal {
                    *out.get_mut(at).ok_or("a byte plane decodes too long")? = byte;
                    at += stride;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(planes: &[&[u8]]) -> Vec<u8> {
        let mut out = vec![0; HEADER_BYTES];
        out[..4].copy_from_slice(&(planes.len() as u32).to_le_bytes());
        for (i, plane) in planes.iter().enumerate() {
            let offset = out.len() as u32;
            out[4 + 4 * i..8 + 4 * i].copy_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(plane);
        }
        out
    }

    #[test]
    fn planes_are_interleaved_most_significant_first() {
        // High bytes: a run of four 1s. Low bytes: literal 2 3, no-op, literal 4 5.
        let f = frame(&[&[0xFD, 1], &[1, 2, 3, 0x80, 1, 4, 5]]);
        assert_eq!(decode(&f, 4, 2).unwrap(), [2, 1, 3, 1, 4, 1, 5, 1]);
    }

    #[test]
    fn frames_that_do_not_fit_are_refused() {
        assert!(
            decode(&frame(&[&[0xFD, 1]]), 5, 1)
                .unwrap_err()
                .contains("short")
        );
        assert!(
            decode(&frame(&[&[0xFD, 1]]), 3, 1)
                .unwrap_err()
                .contains("long")
        );
        assert!(
            decode(&frame(&[&[0xFD, 1]]), 4, 2)
                .unwrap_err()
                .contains("planes")
        );
        assert!(decode(&[0; 10], 4, 1).unwrap_err().contains("header"));
        let mut f = frame(&[&[0xFD, 1]]);
        f[4..8].copy_from_slice(&9_999_u32.to_le_bytes());
        assert!(decode(&f, 4, 1).unwrap_err().contains("outside"));
        let mut huge = frame(&[&[0xFD, 1]]);
        huge[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(decode(&huge, 4, 1).is_err());
    }
}
