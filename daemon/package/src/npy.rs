//! Arrays as `numpy.save` writes them: `.npy`, versions 1.0 and 2.0, little-endian float32 in C order. That is all that the
//! job type takes, and everything else is refused by name.

use crate::check::{ELEMENTS_MAX, RANK_MAX, elements};

/// Name of the array that a job gives back.
pub const OUTPUT_FILE: &str = "output.npy";

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read; numpy's are 118 bytes for any shape of ours.
const HEADER_BYTES_MAX: usize = 4096;
/// Headers end so that the data begins at a multiple of this.
const ALIGNMENT: usize = 64;

/// Longest file: header and data.
pub const FILE_BYTES_MAX: u64 = (4 * ELEMENTS_MAX + HEADER_BYTES_MAX + 16) as u64;

/// An array of float32, last axis fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Its dims.
    pub shape: Vec<usize>,
    /// As many values as the product of the dims.
    pub values: Vec<f32>,
}

/// Why an array is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NpyError {
    /// It does not begin like one.
    #[error("the file is not a .npy array")]
    Magic,
    /// A version of the format that is not read.
    #[error("the .npy file has version {0}.{1}; save it with numpy.save")]
    Version(u8, u8),
    /// The header is not what numpy writes.
    #[error("the .npy header is not one that numpy writes")]
    Header,
    /// Another element type.
    #[error("the array holds {0:?}; only little-endian float32 (\"<f4\") is taken")]
    Type(String),
    /// The first axis is fastest.
    #[error("the array is in Fortran order; save numpy.ascontiguousarray of it")]
    Order,
    /// Too many dims or elements, or an empty axis.
    #[error(
        "the array has shape {0:?}; 1 to {RANK_MAX} dims above 0 and {ELEMENTS_MAX} elements are taken"
    )]
    Shape(Vec<usize>),
    /// The data is shorter or longer than the shape says.
    #[error("the array's data has {found} bytes, its shape says {expected}")]
    Length {
        /// What is there.
        found: usize,
        /// What the shape says.
        expected: usize,
    },
}

/// Reads an array.
///
/// # Errors
/// When it is not one of float32 in C order within the limits, or not whole.
pub fn read(bytes: &[u8]) -> Result<Array, NpyError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(NpyError::Magic)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(NpyError::Magic)?;
    let (length, rest) = match version {
        [1, 0] => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or(NpyError::Header)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        [2, 0] => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or(NpyError::Header)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        [major, minor] => return Err(NpyError::Version(*major, *minor)),
    };
    if length > HEADER_BYTES_MAX {
        return Err(NpyError::Header);
    }
    let (header, data) = rest.split_at_checked(length).ok_or(NpyError::Header)?;
    let shape = shape(std::str::from_utf8(header).map_err(|_| NpyError::Header)?)?;
    let expected = elements(&shape).ok_or_else(|| NpyError::Shape(shape.clone()))? * 4;
    let found = data.len();
    if found != expected {
        return Err(NpyError::Length { found, expected });
    }
    let value = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("chunks of four"));
    let values = data.chunks_exact(4).map(value).collect();
    Ok(Array { shape, values })
}

/// The shape in a header, when all else in it is what is taken.
fn shape(header: &str) -> Result<Vec<usize>, NpyError> {
    let (mut kind, mut fortran, mut shape) = (None, None, None);
    let mut rest = header
        .trim()
        .strip_prefix('{')
        .ok_or(NpyError::Header)?
        .trim_start();
    while !rest.starts_with('}') {
        let (key, after) = quoted(rest)?;
        let value = after
            .trim_start()
            .strip_prefix(':')
            .ok_or(NpyError::Header)?
            .trim_start();
        rest = match key {
            "descr" if kind.is_none() => {
                let (text, after) = quoted(value)?;
                kind = Some(text);
                after
            }
            "fortran_order" if fortran.is_none() => {
                let found = [("True", true), ("False", false)]
                    .into_iter()
                    .find_map(|(word, is)| Some((is, value.strip_prefix(word)?)));
                let (is, after) = found.ok_or(NpyError::Header)?;
                fortran = Some(is);
                after
            }
            "shape" if shape.is_none() => {
                let inner = value.strip_prefix('(').ok_or(NpyError::Header)?;
                let (inner, after) = inner.split_once(')').ok_or(NpyError::Header)?;
                shape = Some(dims(inner)?);
                after
            }
            _ => return Err(NpyError::Header),
        };
        rest = rest.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    let (Some(kind), Some(fortran), Some(shape)) = (kind, fortran, shape) else {
        return Err(NpyError::Header);
    };
    if rest != "}" {
        return Err(NpyError::Header);
    }
    if kind != "<f4" {
        return Err(NpyError::Type(kind.chars().take(16).collect()));
    }
    let plain = (1..=RANK_MAX).contains(&shape.len()) && !shape.contains(&0);
    if !plain {
        return Err(NpyError::Shape(shape));
    }
    // Of one axis both orders are the same, and numpy says either.
    if fortran && shape.iter().filter(|n| **n > 1).count() > 1 {
        return Err(NpyError::Order);
    }
    Ok(shape)
}

/// A text in single quotes without escapes, and what follows it.
fn quoted(text: &str) -> Result<(&str, &str), NpyError> {
    let inner = text.strip_prefix('\'').ok_or(NpyError::Header)?;
    let (inner, after) = inner.split_once('\'').ok_or(NpyError::Header)?;
    Ok((inner, after))
}

/// The numbers of a tuple; a comma may follow the last.
fn dims(text: &str) -> Result<Vec<usize>, NpyError> {
    let mut numbers: Vec<&str> = text.split(',').map(str::trim).collect();
    if numbers.last() == Some(&"") {
        numbers.pop();
    }
    if numbers.len() > RANK_MAX {
        return Err(NpyError::Shape(Vec::new()));
    }
    let number = |text: &&str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits
            .then(|| text.parse().ok())
            .flatten()
            .ok_or(NpyError::Header)
    };
    numbers.iter().map(number).collect()
}

/// Writes an array as `numpy.save` does.
pub fn write(array: &Array) -> Vec<u8> {
    let mut shape = String::new();
    for n in &array.shape {
        shape.push_str(&format!("{n}, "));
    }
    let shape = match array.shape.len() {
        1 => shape.trim_end().to_owned(),
        _ => shape.trim_end_matches(", ").to_owned(),
    };
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    let before = MAGIC.len() + 4;
    while !(before + header.len() + 1).is_multiple_of(ALIGNMENT) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = Vec::with_capacity(before + header.len() + 4 * array.values.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    let length = u16::try_from(header.len()).expect("a header of 8 dims is short");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    for value in &array.values {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).expect("short").to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_come_back_and_are_written_as_numpy_writes_them() {
        for shape in [vec![3], vec![2, 3], vec![1, 2, 3, 1]] {
            let values = (0..shape.iter().product::<usize>())
                .map(|n| n as f32)
                .collect();
            let array = Array { shape, values };
            assert_eq!(read(&write(&array)), Ok(array));
        }
        // numpy 2: numpy.save of numpy.array([[1.5, -2.0]], numpy.float32).
        let mut numpy =
            b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }"
                .to_vec();
        numpy.resize(127, b' ');
        numpy.push(b'\n');
        numpy.extend_from_slice(&[0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0]);
        let array = Array {
            shape: vec![1, 2],
            values: vec![1.5, -2.0],
        };
        assert_eq!(write(&array), numpy);
        assert_eq!(read(&numpy), Ok(array));
    }

    #[test]
    fn what_is_not_taken_is_named() {
        let header = |descr: &str, order: &str, shape: &str| {
            let text =
                format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
            read(&with_header(&text, &[0; 16]))
        };
        assert!(header("<f4", "False", "(4,)").is_ok());
        assert!(header("<f4", "True", "(4,)").is_ok());
        assert_eq!(
            header("<f8", "False", "(2,)"),
            Err(NpyError::Type("<f8".into()))
        );
        assert_eq!(
            header(">f4", "False", "(4,)"),
            Err(NpyError::Type(">f4".into()))
        );
        assert_eq!(
            header("|O", "False", "(4,)"),
            Err(NpyError::Type("|O".into()))
        );
        assert_eq!(header("<f4", "True", "(2, 2)"), Err(NpyError::Order));
        assert!(matches!(
            header("<f4", "False", "()"),
            Err(NpyError::Shape(_))
        ));
        assert!(matches!(
            header("<f4", "False", "(0, 4)"),
            Err(NpyError::Shape(_))
        ));
        assert!(matches!(
            header("<f4", "False", "(65535, 65535)"),
            Err(NpyError::Shape(_))
        ));
        assert!(matches!(
            header("<f4", "False", "(18446744073709551615, 2)"),
            Err(NpyError::Shape(_))
        ));
        assert_eq!(
            header("<f4", "False", "(5,)"),
            Err(NpyError::Length {
                found: 16,
                expected: 20
            })
        );
        for shape in [
            "(-4,)",
            "(4.0,)",
            "(+4,)",
            "4",
            "(4",
            "(18446744073709551616,)",
            "(,)",
        ] {
            assert_eq!(
                header("<f4", "False", shape),
                Err(NpyError::Header),
                "{shape}"
            );
        }
        for text in [
            "",
            "{",
            "{}",
            "{'descr': '<f4'}",
            "{'descr': '<f4', 'descr': '<f4'}",
            "{'x': 1}",
            "import os",
        ] {
            assert_eq!(
                read(&with_header(text, &[])),
                Err(NpyError::Header),
                "{text}"
            );
        }
        assert_eq!(read(b"\x93NUMPY\x03\x00"), Err(NpyError::Version(3, 0)));
        assert_eq!(read(b"\x93NUMPY\x01\x00\xff\xff{"), Err(NpyError::Header));
        assert_eq!(read(b"PK"), Err(NpyError::Magic));
    }
}
