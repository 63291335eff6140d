//! From the bytes of a DICOM file (PS3.10) to its data set in memory.

use super::walk::{Encoding, Walker};
use super::{DicomError, InFile};
use crate::limits::Limits;
use dicom::core::value::{PrimitiveValue, Value};
use dicom::core::{Tag, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::encoding::TransferSyntaxIndex;
use dicom::object::{DefaultDicomObject, FileMetaTableBuilder, InMemDicomObject};
use dicom::transfer_syntax::{TransferSyntaxRegistry, entries};
use flate2::bufread::DeflateDecoder;
use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;

/// Bytes before the magic word.
const PREAMBLE_BYTES: usize = 128;
/// Most bytes that a deflated data set may inflate to: one enhanced object of 1000 frames of 512×512.
const INFLATED_BYTES_MAX: u64 = 512 << 20;

/// How the pixel data of a transfer syntax is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Plain samples.
    Native,
    /// RLE Lossless (PS3.5 annex G).
    Rle,
    /// JPEG baseline, extended or lossless (ISO 10918-1).
    Jpeg,
    /// JPEG-LS (ISO 14495-1).
    JpegLs,
    /// JPEG 2000 (ISO 15444-1).
    Jpeg2000,
}

/// A parsed file.
#[derive(Debug)]
pub(crate) struct DicomFile {
    /// The name under which the caller knows it.
    pub name: String,
    /// Transfer syntax UID.
    pub syntax: String,
    pub codec: Codec,
    pub big_endian: bool,
    pub object: InMemDicomObject,
    /// Sequences of unknown type that are not in `object`.
    pub cut: Vec<Tag>,
}

/// Whether `bytes` begin like a DICOM file: the word `DICM` after 128 bytes.
#[must_use]
pub fn looks_like_dicom(bytes: &[u8]) -> bool {
    bytes.get(PREAMBLE_BYTES..PREAMBLE_BYTES + 4) == Some(b"DICM")
}

/// The transfer syntax UID of the file meta group, and where the data set begins.
fn meta(bytes: &[u8]) -> Result<(String, usize), DicomError> {
    let mut walker = Walker::new(bytes, PREAMBLE_BYTES + 4, Encoding::EXPLICIT_LE);
    let mut syntax = None;
    while walker.bytes.get(walker.at..walker.at + 2) == Some(&[2, 0]) {
        let header = walker.header()?;
        let start = walker.at;
        walker.skip(&header, bytes.len())?;
        if header.tag == tags::TRANSFER_SYNTAX_UID {
            let text = String::from_utf8_lossy(&bytes[start..walker.at]);
            syntax = Some(text.trim_end_matches(['\0', ' ']).to_owned());
        }
    }
    let syntax = syntax.ok_or(DicomError::Missing {
        element: super::tag_name(tags::TRANSFER_SYNTAX_UID),
    })?;
    Ok((syntax, walker.at))
}

/// What the transfer syntax means for us, or its name in a refusal.
fn judge(syntax: &str) -> Result<(Encoding, Codec), DicomError> {
    let explicit = Encoding::EXPLICIT_LE;
    Ok(match syntax {
        uids::IMPLICIT_VR_LITTLE_ENDIAN => (
            Encoding {
                explicit: false,
                big_endian: false,
            },
            Codec::Native,
        ),
        uids::EXPLICIT_VR_LITTLE_ENDIAN | uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => {
            (explicit, Codec::Native)
        }
        EXPLICIT_VR_BIG_ENDIAN => (
            Encoding {
                explicit: true,
                big_endian: true,
            },
            Codec::Native,
        ),
        uids::RLE_LOSSLESS => (explicit, Codec::Rle),
        uids::JPEG_BASELINE8_BIT
        | uids::JPEG_EXTENDED12_BIT
        | uids::JPEG_LOSSLESS
        | uids::JPEG_LOSSLESS_SV1 => (explicit, Codec::Jpeg),
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => (explicit, Codec::JpegLs),
        uids::JPEG2000_LOSSLESS | uids::JPEG2000 => (explicit, Codec::Jpeg2000),
        _ => {
            let known = TransferSyntaxRegistry.get(syntax);
            let name = known.map_or("unknown", |ts| ts.name()).to_owned();
            return Err(DicomError::TransferSyntax {
                name,
                uid: syntax.to_owned(),
            });
        }
    })
}

/// Retired, still met in archives.
const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

impl DicomFile {
    /// Checks the file's structure, then parses it.
    ///
    /// # Errors
    /// [`DicomError::InFile`] around the reason.
    pub(crate) fn parse(name: &str, bytes: &[u8], limits: &Limits) -> Result<Self, DicomError> {
        Self::parse_unnamed(name, bytes, limits).in_file(name)
    }

    fn parse_unnamed(name: &str, bytes: &[u8], limits: &Limits) -> Result<Self, DicomError> {
        if !looks_like_dicom(bytes) {
            return Err(DicomError::NotDicom);
        }
        let (syntax, start) = meta(bytes)?;
        let (encoding, codec) = judge(&syntax)?;
        let mut inflated = Vec::new();
        let data_set = if syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            let max = INFLATED_BYTES_MAX.min(limits.bytes_max);
            DeflateDecoder::new(&bytes[start..])
                .take(max + 1)
                .read_to_end(&mut inflated)
                .map_err(DicomError::Deflate)?;
            if inflated.len() as u64 > max {
                return Err(DicomError::TooLarge {
                    what: "the inflated data set",
                    max,
                });
            }
            &inflated[..]
        } else {
            &bytes[start..]
        };
        let mut walker = Walker::new(data_set, 0, encoding);
        walker.data_set(data_set.len(), false, 0)?;
        let cuts = walker.cuts;
        let data_set = without(data_set, &cuts);
        let data_set = &data_set[..];

        let object = match (encoding.explicit, encoding.big_endian) {
            (false, _) => InMemDicomObject::read_dataset_with_ts(
                data_set,
                &entries::IMPLICIT_VR_LITTLE_ENDIAN.erased(),
            ),
            (true, true) => InMemDicomObject::read_dataset_with_ts(
                data_set,
                &entries::EXPLICIT_VR_BIG_ENDIAN.erased(),
            ),
            (true, false) => InMemDicomObject::read_dataset_with_ts(
                data_set,
                &entries::EXPLICIT_VR_LITTLE_ENDIAN.erased(),
            ),
        };
        let object = object.map_err(|e| DicomError::Parse(Box::new(e)))?;
        Ok(Self {
            name: name.to_owned(),
            syntax,
            codec,
            big_endian: encoding.big_endian,
            object,
            cut: cuts.into_iter().map(|(_, tag)| tag).collect(),
        })
    }

    /// The text of an element, without padding; `None` when it is missing or empty.
    pub(crate) fn text(&self, tag: Tag) -> Option<String> {
        text(&self.object, tag)
    }
}

/// `bytes` without the ranges of `cuts`, which are in order and do not overlap.
fn without<'a>(bytes: &'a [u8], cuts: &[(Range<usize>, Tag)]) -> Cow<'a, [u8]> {
    if cuts.is_empty() {
        return Cow::Borrowed(bytes);
    }
    let mut kept = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for (range, _) in cuts {
        kept.extend_from_slice(&bytes[at..range.start]);
        at = range.end;
    }
    kept.extend_from_slice(&bytes[at..]);
    Cow::Owned(kept)
}

/// The text of an element, without padding, several values joined by `\`; `None` when it is missing or empty.
pub(crate) fn text(object: &InMemDicomObject, tag: Tag) -> Option<String> {
    let element = object.get(tag)?;
    let value = match element.value() {
        // A file that went through software without a dictionary says UN: the text is there as bytes.
        Value::Primitive(PrimitiveValue::U8(bytes)) if element.vr() == VR::UN => {
            String::from_utf8_lossy(bytes)
        }
        Value::Primitive(value) => value.to_str(),
        _ => return None,
    };
    let trimmed = value.trim_matches(['\0', ' ']);
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// The bytes of a PS3.10 file around `object`.
///
/// # Errors
/// [`DicomError::Write`] when the object lacks its SOP UIDs or holds what cannot be encoded.
pub(crate) fn write(object: InMemDicomObject, syntax: &str) -> Result<Vec<u8>, DicomError> {
    let class = text(&object, tags::SOP_CLASS_UID).ok_or(DicomError::Missing {
        element: "SOPClassUID".into(),
    })?;
    let instance = text(&object, tags::SOP_INSTANCE_UID).ok_or(DicomError::Missing {
        element: "SOPInstanceUID".into(),
    })?;
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(syntax)
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid(instance)
        .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
        .implementation_version_name("SWARMOS");
    let file: DefaultDicomObject = object
        .with_meta(meta)
        .map_err(|e| DicomError::Write(Box::new(e)))?;
    let mut out = Vec::new();
    file.write_all(&mut out)
        .map_err(|e| DicomError::Write(Box::new(e)))?;
    Ok(out)
}

/// A UID made from a UUID (PS3.5 B.2): names this writer in the files it writes.
const IMPLEMENTATION_CLASS_UID: &str = "2.25.171406205283430178902874092113530562461";
