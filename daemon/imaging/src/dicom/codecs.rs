//! JPEG, JPEG-LS and JPEG 2000 frames to little-endian samples. Most decoders are other people's; what is here is the
//! judgement of what they are given and what they give back.

use hayro_jpeg2000::{ColorSpace, DecodeSettings, DecoderContext, Image};
use jpeg_decoder::{Decoder, PixelFormat};

/// Most bits of a JPEG 2000 sample: the decoder computes in f32, which holds whole numbers up to 24 bits.
const JPEG_2000_BITS_MAX: u8 = 16;

/// One JPEG frame (ISO 10918-1) of `size` (columns, rows) as samples of `width` bytes.
///
/// # Errors
/// Says what is wrong with the frame.
pub(super) fn jpeg(frame: &[u8], size: (u16, u16), width: usize) -> Result<Vec<u8>, String> {
    let mut decoder = Decoder::new(frame);
    decoder.set_max_decoding_buffer_size(usize::from(size.0) * usize::from(size.1) * 2);
    decoder.read_info().map_err(|e| e.to_string())?;
    let info = decoder.info().ok_or("no image in the stream")?;
    same_size((info.width.into(), info.height.into()), size)?;
    let data = decoder.decode().map_err(|e| e.to_string())?;
    let samples: Vec<u16> = match info.pixel_format {
        PixelFormat::L8 => data.iter().map(|&b| b.into()).collect(),
        PixelFormat::L16 => data
            .as_chunks::<2>()
            .0
            .iter()
            .map(|c| u16::from_ne_bytes(*c))
            .collect(),
        other => return Err(format!("{other:?} pixels in a grey image")),
    };
    let bits = if info.pixel_format == PixelFormat::L8 {
        8
    } else {
        16
    };
    to_bytes(&samples, bits, size, width)
}

/// One JPEG-LS frame (ISO 14495-1) of `size` (columns, rows) as samples of `width` bytes.
///
/// # Errors
/// Says what is wrong with the frame.
pub(super) fn jpeg_ls(frame: &[u8], size: (u16, u16), width: usize) -> Result<Vec<u8>, String> {
    let (samples, bits) = super::jpeg_ls::decode(frame, size)?;
    to_bytes(&samples, bits, size, width)
}

/// One JPEG 2000 frame (ISO 15444-1) of `size` (columns, rows) as samples of `width` bytes.
///
/// # Errors
/// Says what is wrong with the frame.
pub(super) fn jpeg_2000(frame: &[u8], size: (u16, u16), width: usize) -> Result<Vec<u8>, String> {
    let settings = DecodeSettings {
        resolve_palette_indices: false,
        strict: true,
        target_resolution: None,
    };
    let image = Image::new(frame, &settings).map_err(|e| e.to_string())?;
    same_size((image.width(), image.height()), size)?;
    let bits = image.original_bit_depth();
    if !matches!(image.color_space(), ColorSpace::Gray)
        || image.has_alpha()
        || bits > JPEG_2000_BITS_MAX
    {
        return Err(format!(
            "not a grey image of at most {JPEG_2000_BITS_MAX} bits"
        ));
    }
    let half = f32::from(1_u16 << (bits - 1));
    // The decoder shifts every stream by half its range, as if its samples were unsigned.
    let shift = if stream_is_signed(frame)? { half } else { 0.0 };
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(|e| e.to_string())?;
    let component = decoded
        .components()
        .first()
        .ok_or("no component in the stream")?;
    let samples: Vec<u16> = component
        .samples()
        .iter()
        // A lossy stream comes out a little beyond its range: it must not wrap around.
        .map(|&v| (v.round().clamp(0.0, 2.0 * half - 1.0) - shift) as i32 as u16)
        .collect();
    to_bytes(&samples, bits, size, width)
}

/// Whether the first component of a codestream holds signed samples: the top bit of Ssiz in the SIZ marker segment
/// (ISO 15444-1 A.5.1).
fn stream_is_signed(frame: &[u8]) -> Result<bool, String> {
    const SSIZ: usize = 42;
    let start = frame
        .windows(4)
        .position(|w| w == [0xFF, 0x4F, 0xFF, 0x51])
        .ok_or("no codestream")?;
    frame
        .get(start + SSIZ)
        .map(|b| b & 0x80 != 0)
        .ok_or_else(|| "the SIZ marker is cut short".to_owned())
}

fn same_size(found: (u32, u32), declared: (u16, u16)) -> Result<(), String> {
    if found == (declared.0.into(), declared.1.into()) {
        return Ok(());
    }
    Err(format!(
        "{}x{} pixels inside, {}x{} declared",
        found.0, found.1, declared.0, declared.1
    ))
}

fn to_bytes(samples: &[u16], bits: u8, size: (u16, u16), width: usize) -> Result<Vec<u8>, String> {
    let pixels = usize::from(size.0) * usize::from(size.1);
    if samples.len() != pixels {
        return Err(format!(
            "{} pixels decoded, {pixels} declared",
            samples.len()
        ));
    }
    match width {
        1 if bits <= 8 => Ok(samples.iter().map(|&s| s as u8).collect()),
        2 => Ok(samples.iter().flat_map(|s| s.to_le_bytes()).collect()),
        _ => Err("the precision of the stream does not fit BitsAllocated".into()),
    }
}
