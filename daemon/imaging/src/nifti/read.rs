//! From the bytes of a `.nii` or `.nii.gz` file to a volume, within the caller's limits.

use super::NiftiError;
use super::header::{HEADER_2_BYTES, NiftiHeader, Version};
use crate::limits::Limits;
use crate::volume::{Rescale, Source, Volume, Voxels};
use flate2::bufread::MultiGzDecoder;
use std::io::Read;

/// Voxels further into the file than this are refused: no header extension is that long.
const VOX_OFFSET_MAX: u64 = 16 << 20;
/// Bytes that may follow the voxels.
const TRAILING_BYTES_MAX: usize = 64 << 10;

/// Reads a NIfTI file, compressed or not, told apart by its first bytes.
///
/// The header is judged before anything is allocated for the voxels, and no more is inflated than the header asks for.
///
/// # Errors
/// [`NiftiError`], naming the field that is wrong.
pub fn read(
    bytes: &[u8],
    limits: &Limits,
    allow_unknown_orientation: bool,
) -> Result<Volume, NiftiError> {
    let gzip = bytes.starts_with(&[0x1f, 0x8b]);
    let mut stream: Box<dyn Read + '_> = if gzip {
        Box::new(MultiGzDecoder::new(bytes))
    } else {
        Box::new(bytes)
    };
    let mut start = Vec::with_capacity(HEADER_2_BYTES);
    take(&mut stream, &mut start, HEADER_2_BYTES as u64)?;
    let header = NiftiHeader::parse(&start)?;
    let (dims, count) = dimensions(&header, limits)?;
    let width = voxel_bytes(&header)?;
    let offset = voxel_offset(&header)?;
    for axis in 1..=3 {
        let value = header.pixdim[axis];
        // A missing third dimension may leave its spacing unset.
        if !(value > 0.0 && value.is_finite()) && (axis as i64 <= header.dim[0]) {
            return Err(NiftiError::PixDim { axis, value });
        }
    }
    match header.units & 7 {
        0 | 2 => {}
        1 => return Err(NiftiError::Units("metres")),
        3 => return Err(NiftiError::Units("micrometres")),
        _ => return Err(NiftiError::Units("an unknown unit")),
    }
    let affine = header.affine(allow_unknown_orientation)?;
    affine
        .validate()
        .map_err(|e| NiftiError::Volume(e.into()))?;

    let data_bytes = count * width as u64;
    if data_bytes > limits.bytes_max {
        return Err(NiftiError::TooLarge {
            dims: dims.map(|d| d as u64),
            max: limits.bytes_max / width as u64,
        });
    }
    let expected = offset + data_bytes;
    // What is not compressed must be there already; what is compressed is inflated up to `expected` and no further.
    if !gzip && (bytes.len() as u64) < expected {
        return Err(NiftiError::Truncated {
            expected,
            found: bytes.len() as u64,
        });
    }
    let skip = offset.saturating_sub(start.len() as u64);
    let mut skipped = Vec::new();
    take(&mut stream, &mut skipped, skip)?;
    let mut data = if offset < start.len() as u64 {
        start.split_off(offset as usize)
    } else {
        Vec::new()
    };
    data.truncate(data_bytes as usize);
    let missing = data_bytes - data.len() as u64;
    take(&mut stream, &mut data, missing)?;
    if (data.len() as u64) < data_bytes {
        let found = offset.min((start.len() + skipped.len()) as u64) + data.len() as u64;
        return Err(NiftiError::Truncated { expected, found });
    }
    // Reading on to the end is what makes the decoder check the stream's checksum.
    let mut rest = Vec::new();
    take(&mut stream, &mut rest, TRAILING_BYTES_MAX as u64 + 1)?;
    if rest.len() > TRAILING_BYTES_MAX {
        return Err(NiftiError::Trailing {
            max: TRAILING_BYTES_MAX,
        });
    }

    let voxels = decode(&header, &data)?;
    let rescale = if header.slope == 0.0 || !header.slope.is_finite() {
        Rescale::IDENTITY
    } else {
        Rescale {
            slope: header.slope,
            intercept: header.intercept,
        }
    };
    let volume = Volume::new(voxels, rescale, dims, affine).map_err(NiftiError::Volume)?;
    Ok(volume.with_source(None, Source::Nifti(Box::new(header))))
}

/// Appends up to `n` bytes; fewer when the stream ends.
fn take(stream: &mut impl Read, into: &mut Vec<u8>, n: u64) -> Result<(), NiftiError> {
    match stream.take(n).read_to_end(into) {
        Ok(_) => Ok(()),
        // A cut gzip stream: the caller sees that bytes are missing and says how many.
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
        Err(e) => Err(NiftiError::Gzip(e)),
    }
}

/// Sizes and their product, judged against the limits.
fn dimensions(header: &NiftiHeader, limits: &Limits) -> Result<([usize; 3], u64), NiftiError> {
    let refused = || NiftiError::Dimensions { dim: header.dim };
    let rank = usize::try_from(header.dim[0])
        .ok()
        .filter(|r| (2..=7).contains(r))
        .ok_or_else(refused)?;
    let sizes: Vec<u64> = header.dim[1..=rank]
        .iter()
        .map(|&d| u64::try_from(d).ok().filter(|&d| d > 0))
        .collect::<Option<_>>()
        .ok_or_else(refused)?;
    if sizes.iter().skip(3).any(|&d| d != 1) {
        return Err(refused());
    }
    let dims = [sizes[0], sizes[1], sizes.get(2).copied().unwrap_or(1)];
    let too_large = || NiftiError::TooLarge {
        dims,
        max: limits.voxels_max,
    };
    let count = dims
        .iter()
        .try_fold(1_u64, |n, &d| n.checked_mul(d))
        .ok_or_else(too_large)?;
    if count > limits.voxels_max {
        return Err(too_large());
    }
    Ok((dims.map(|d| d as usize), count))
}

/// Bytes a voxel, by `datatype`, cross-checked with `bitpix`.
fn voxel_bytes(header: &NiftiHeader) -> Result<usize, NiftiError> {
    let code = header.datatype;
    let refused = |name| Err(NiftiError::DataType { code, name });
    let bits = match code {
        2 | 256 => 8,
        4 | 512 => 16,
        8 | 768 | 16 => 32,
        64 => 64,
        1 => return refused("binary"),
        32 | 1792 | 2048 => return refused("complex"),
        128 | 2304 => return refused("RGB"),
        1024 | 1280 => return refused("64-bit integer"),
        1536 => return refused("128-bit float"),
        _ => return refused("unknown"),
    };
    if header.bitpix != bits {
        return Err(NiftiError::BitPix {
            bitpix: header.bitpix,
            code,
        });
    }
    Ok(bits as usize / 8)
}

/// Where the voxels start. Some writers leave 0 for "right after the header".
fn voxel_offset(header: &NiftiHeader) -> Result<u64, NiftiError> {
    let least = if header.version == Version::One {
        352
    } else {
        544
    };
    let offset = header.vox_offset;
    if offset == 0.0 {
        return Ok(least);
    }
    // Comparisons with NaN are false, so NaN is refused here too.
    if offset >= least as f64 && offset <= VOX_OFFSET_MAX as f64 && offset.fract() == 0.0 {
        return Ok(offset as u64);
    }
    Err(NiftiError::VoxOffset(offset))
}

/// Bytes to numbers. The caller has checked type and length.
fn decode(header: &NiftiHeader, data: &[u8]) -> Result<Voxels, NiftiError> {
    macro_rules! numbers {
        ($t:ty) => {{
            let (chunks, _) = data.as_chunks::<{ size_of::<$t>() }>();
            if header.big_endian {
                chunks.iter().map(|c| <$t>::from_be_bytes(*c)).collect()
            } else {
                chunks.iter().map(|c| <$t>::from_le_bytes(*c)).collect()
            }
        }};
    }
    Ok(match header.datatype {
        2 => Voxels::U8(data.to_vec()),
        256 => Voxels::I8(numbers!(i8)),
        4 => Voxels::I16(numbers!(i16)),
        512 => Voxels::U16(numbers!(u16)),
        8 => Voxels::I32(numbers!(i32)),
        768 => Voxels::U32(numbers!(u32)),
        16 => Voxels::F32(numbers!(f32)),
        64 => Voxels::F64(numbers!(f64)),
        code => {
            return Err(NiftiError::DataType {
                code,
                name: "unknown",
            });
        }
    })
}
