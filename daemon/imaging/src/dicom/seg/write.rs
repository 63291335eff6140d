//! The segmentation object (PS3.3 A.51): its modules, in the order of the standard.

use super::frames::{Frame, pack};
use super::{Algorithm, CONTENT_LABEL, Code, NO_DATE, NO_TIME, Segment, derived_uid};
use crate::affine::{cross, dot};
use crate::dicom::build::{decimal, decimals, item, sequence, short, text};
use crate::dicom::{DicomError, SeriesSource, write};
use crate::volume::Volume;
use dicom::core::value::PrimitiveValue;
use dicom::core::{DataElement, Tag, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::object::InMemDicomObject;
use std::collections::HashSet;

/// Coding scheme of structures that their model gives no code.
const PRIVATE_SCHEME: &str = "99SWARMOS";
/// Longest text of LO and of a code's meaning.
const LONG_CHARS_MAX: usize = 64;
/// Longest value and scheme of a code.
const CODE_CHARS_MAX: usize = 16;
/// Most bytes of pixel data: the length of an element is 32 bits.
const PIXEL_BYTES_MAX: u64 = 1 << 31;

/// The label map of `volume`, which was read from `source`, as a segmentation of that series. The patient's and the
/// study's attributes are empty, as in a de-identified series. The same input gives the same bytes.
///
/// # Errors
/// [`DicomError::Value`] when `labels` has another length than the volume or the volume other slices than the source,
/// when there is no segment, one with the label 0 or two with the same, or when a segment's text is too long;
/// [`DicomError::TooLarge`] when the bits do not fit into one element.
pub fn write_segmentation(
    volume: &Volume,
    source: &SeriesSource,
    labels: &[u8],
    segments: &[Segment],
    algorithm: &Algorithm,
) -> Result<Vec<u8>, DicomError> {
    check(volume, source, labels, segments)?;
    let [columns, rows, _] = volume.dims();
    let values: Vec<u8> = segments.iter().map(|s| s.value).collect();
    let (frames, bits) = pack(labels, columns * rows, &values);
    let uid = |kind: &str| {
        let parts = [
            kind.as_bytes(),
            source.series_uid.as_bytes(),
            algorithm.serial.as_bytes(),
            &bits[..],
        ];
        derived_uid(&parts)
    };
    let dimensions = uid("dimensions");
    let too_many = |_| too_large("a slice (in rows or columns)", u16::MAX.into());
    let size = (
        u16::try_from(rows).map_err(too_many)?,
        u16::try_from(columns).map_err(too_many)?,
    );

    let mut o = InMemDicomObject::new_empty();
    // Patient and General Study: empty until the client fills them.
    for (tag, vr) in [
        (tags::PATIENT_NAME, VR::PN),
        (tags::PATIENT_ID, VR::LO),
        (tags::PATIENT_BIRTH_DATE, VR::DA),
        (tags::PATIENT_SEX, VR::CS),
        (tags::STUDY_DATE, VR::DA),
        (tags::STUDY_TIME, VR::TM),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
        (tags::STUDY_ID, VR::SH),
        (tags::ACCESSION_NUMBER, VR::SH),
        (tags::CONTENT_CREATOR_NAME, VR::PN),
        (tags::POSITION_REFERENCE_INDICATOR, VR::LO),
    ] {
        o.put(DataElement::new(tag, vr, PrimitiveValue::Empty));
    }
    let frame_of_reference = source
        .frame_of_reference_uid
        .clone()
        .unwrap_or_else(|| uid("frame of reference"));
    let algorithm = &Algorithm {
        name: plain(&algorithm.name),
        version: plain(&algorithm.version),
        serial: plain(&algorithm.serial),
    };
    let description = plain(&format!("{} {}", algorithm.name, algorithm.version));
    for (tag, vr, value) in [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        (tags::STUDY_INSTANCE_UID, VR::UI, &source.study_uid),
        // Segmentation Series, Frame of Reference, General and Enhanced General Equipment.
        (tags::MODALITY, VR::CS, "SEG"),
        (tags::SERIES_INSTANCE_UID, VR::UI, &uid("series")),
        (tags::SERIES_NUMBER, VR::IS, "1"),
        (tags::SERIES_DESCRIPTION, VR::LO, &description),
        (tags::FRAME_OF_REFERENCE_UID, VR::UI, &frame_of_reference),
        (tags::MANUFACTURER, VR::LO, "SwarmOS"),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO, &algorithm.name),
        (tags::DEVICE_SERIAL_NUMBER, VR::LO, &algorithm.serial),
        (tags::SOFTWARE_VERSIONS, VR::LO, &algorithm.version),
        // General Image, Image Pixel, Segmentation Image.
        (tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY"),
        (tags::INSTANCE_NUMBER, VR::IS, "1"),
        (tags::CONTENT_DATE, VR::DA, NO_DATE),
        (tags::CONTENT_TIME, VR::TM, NO_TIME),
        (tags::CONTENT_LABEL, VR::CS, CONTENT_LABEL),
        (tags::CONTENT_DESCRIPTION, VR::LO, crate::RESEARCH_USE),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        (tags::SEGMENTATION_TYPE, VR::CS, "BINARY"),
        (tags::SEGMENTS_OVERLAP, VR::CS, "NO"),
        (
            tags::LOSSY_IMAGE_COMPRESSION,
            VR::CS,
            if source.lossy { "01" } else { "00" },
        ),
        (tags::NUMBER_OF_FRAMES, VR::IS, &frames.len().to_string()),
        // SOP Common.
        (tags::SOP_CLASS_UID, VR::UI, uids::SEGMENTATION_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, &uid("instance")),
    ] {
        o.put(text(tag, vr, value));
    }
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, size.0),
        (tags::COLUMNS, size.1),
        (tags::BITS_ALLOCATED, 1),
        (tags::BITS_STORED, 1),
        (tags::HIGH_BIT, 0),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        o.put(short(tag, value));
    }
    let numbered = (1_u16..).zip(segments);
    let described = numbered.map(|(number, s)| segment(number, s, algorithm));
    o.put(sequence(tags::SEGMENT_SEQUENCE, described.collect()));
    // Multi-frame Functional Groups and Dimension.
    o.put(sequence(
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        vec![shared(volume, source)],
    ));
    let places = frames.iter().map(|f| place(f, source));
    o.put(sequence(
        tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
        places.collect(),
    ));
    let organization = item([text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &dimensions)]);
    o.put(sequence(
        tags::DIMENSION_ORGANIZATION_SEQUENCE,
        vec![organization],
    ));
    o.put(sequence(
        tags::DIMENSION_INDEX_SEQUENCE,
        vec![
            dimension(
                &dimensions,
                tags::REFERENCED_SEGMENT_NUMBER,
                tags::SEGMENT_IDENTIFICATION_SEQUENCE,
                "Segment",
            ),
            dimension(
                &dimensions,
                tags::IMAGE_POSITION_PATIENT,
                tags::PLANE_POSITION_SEQUENCE,
                "Position",
            ),
        ],
    ));
    // Common Instance Reference.
    o.put(sequence(
        tags::REFERENCED_SERIES_SEQUENCE,
        vec![referenced_series(source)],
    ));
    o.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        PrimitiveValue::from(bits),
    ));
    write(o, uids::EXPLICIT_VR_LITTLE_ENDIAN)
}

fn check(
    volume: &Volume,
    source: &SeriesSource,
    labels: &[u8],
    segments: &[Segment],
) -> Result<(), DicomError> {
    let refuse = |element: &str, value: String, reason| {
        Err(DicomError::Value {
            element: element.into(),
            value,
            reason,
        })
    };
    if labels.len() != volume.voxels().len() || source.slices.len() != volume.dims()[2] {
        let value = format!("{} labels, {} slices", labels.len(), source.slices.len());
        return refuse(
            "PixelData",
            value,
            "not one label for each voxel of the series",
        );
    }
    let mut seen = [false; 256];
    seen[0] = true;
    for s in segments {
        if std::mem::replace(&mut seen[usize::from(s.value)], true) {
            let reason = "labels of segments are above 0, each once";
            return refuse("SegmentNumber", s.value.to_string(), reason);
        }
        let code = s.code.as_ref();
        let texts = [
            (Some(&s.label), LONG_CHARS_MAX),
            (code.map(|c| &c.value), CODE_CHARS_MAX),
            (code.map(|c| &c.scheme), CODE_CHARS_MAX),
            (code.map(|c| &c.meaning), LONG_CHARS_MAX),
        ];
        for (value, max) in texts {
            if value.is_some_and(|value| !fits(value, max)) {
                let value = value.cloned().unwrap_or_default();
                return refuse("SegmentLabel", value, "empty, too long, or not plain text");
            }
        }
    }
    if segments.is_empty() {
        return refuse("SegmentSequence", String::new(), "no segment");
    }
    // At most one label a voxel: all segments together have at most this many frames.
    let frames = (source.slices.len() * segments.len()) as u64;
    let pixels = (volume.dims()[0] * volume.dims()[1]) as u64;
    if frames * pixels / 8 > PIXEL_BYTES_MAX {
        return Err(too_large("the segmentation (in bytes)", PIXEL_BYTES_MAX));
    }
    Ok(())
}

/// Whether a text may be one value of LO, SH or CS.
fn fits(value: &str, max: usize) -> bool {
    (1..=max).contains(&value.chars().count())
        && !value.chars().any(|c| c.is_control() || c == '\\')
}

/// A text as one value of LO: without what would end it, and no longer than it may be.
fn plain(value: &str) -> String {
    let allowed = |c: char| if c.is_control() || c == '\\' { '_' } else { c };
    value.chars().map(allowed).take(LONG_CHARS_MAX).collect()
}

fn too_large(what: &'static str, max: u64) -> DicomError {
    DicomError::TooLarge { what, max }
}

fn coded(tag: Tag, value: &str, scheme: &str, meaning: &str) -> dicom::object::mem::InMemElement {
    let code = item([
        text(tags::CODE_VALUE, VR::SH, value),
        text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme),
        text(tags::CODE_MEANING, VR::LO, meaning),
    ]);
    sequence(tag, vec![code])
}

/// The label, or its beginning and the value where it is too long for a code.
fn private_code(segment: &Segment) -> String {
    if fits(&segment.label, CODE_CHARS_MAX) {
        return segment.label.clone();
    }
    let start: String = segment.label.chars().take(CODE_CHARS_MAX - 4).collect();
    format!("{start}_{}", segment.value)
}

/// An item of SegmentSequence (PS3.3 C.8.20.4).
fn segment(number: u16, segment: &Segment, algorithm: &Algorithm) -> InMemDicomObject {
    let code = segment.code.clone().unwrap_or_else(|| Code {
        value: private_code(segment),
        scheme: PRIVATE_SCHEME.into(),
        meaning: segment.label.clone(),
    });
    item([
        short(tags::SEGMENT_NUMBER, number),
        text(tags::SEGMENT_LABEL, VR::LO, &segment.label),
        text(
            tags::SEGMENT_DESCRIPTION,
            VR::ST,
            format!("value {} of the label map", segment.value),
        ),
        text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC"),
        text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, &algorithm.name),
        coded(
            tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE,
            "123037004",
            "SCT",
            "Anatomical Structure",
        ),
        coded(
            tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE,
            &code.value,
            &code.scheme,
            &code.meaning,
        ),
    ])
}

/// What all frames share: orientation, and the size of a voxel.
fn shared(volume: &Volume, source: &SeriesSource) -> InMemDicomObject {
    let o = source.orientation;
    let normal = cross([o[0], o[1], o[2]], [o[3], o[4], o[5]]);
    let step = dot(volume.affine().ras_lps().column(2), normal).abs();
    let orientation = item([text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, decimals(&o))]);
    let measures = item([
        text(
            tags::SLICE_THICKNESS,
            VR::DS,
            decimal(source.thickness.unwrap_or(step)),
        ),
        text(tags::SPACING_BETWEEN_SLICES, VR::DS, decimal(step)),
        text(tags::PIXEL_SPACING, VR::DS, decimals(&source.pixel_spacing)),
    ]);
    item([
        sequence(tags::PLANE_ORIENTATION_SEQUENCE, vec![orientation]),
        sequence(tags::PIXEL_MEASURES_SEQUENCE, vec![measures]),
    ])
}

/// What a frame says of itself: segment, position, and the slice it was derived from.
fn place(frame: &Frame, source: &SeriesSource) -> InMemDicomObject {
    let slice = &source.slices[frame.slice];
    let index = PrimitiveValue::U32([frame.segment.into(), frame.slice as u32 + 1][..].into());
    let content = item([DataElement::new(
        tags::DIMENSION_INDEX_VALUES,
        VR::UL,
        index,
    )]);
    let position = item([text(
        tags::IMAGE_POSITION_PATIENT,
        VR::DS,
        decimals(&slice.position),
    )]);
    let identification = item([short(tags::REFERENCED_SEGMENT_NUMBER, frame.segment)]);
    let mut image = item([
        text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &source.class_uid),
        text(
            tags::REFERENCED_SOP_INSTANCE_UID,
            VR::UI,
            &slice.instance_uid,
        ),
        text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES"),
        coded(
            tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
            "121322",
            "DCM",
            "Source image for image processing operation",
        ),
    ]);
    if source.slices.iter().any(|s| s.frame > 1) {
        let number = slice.frame.to_string();
        image.put(text(tags::REFERENCED_FRAME_NUMBER, VR::IS, number));
    }
    let derivation = item([
        coded(
            tags::DERIVATION_CODE_SEQUENCE,
            "113076",
            "DCM",
            "Segmentation",
        ),
        sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![image]),
    ]);
    item([
        sequence(tags::FRAME_CONTENT_SEQUENCE, vec![content]),
        sequence(tags::PLANE_POSITION_SEQUENCE, vec![position]),
        sequence(tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![identification]),
        sequence(tags::DERIVATION_IMAGE_SEQUENCE, vec![derivation]),
    ])
}

fn dimension(uid: &str, pointer: Tag, group: Tag, label: &str) -> InMemDicomObject {
    item([
        text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, uid),
        DataElement::new(
            tags::DIMENSION_INDEX_POINTER,
            VR::AT,
            PrimitiveValue::from(pointer),
        ),
        DataElement::new(
            tags::FUNCTIONAL_GROUP_POINTER,
            VR::AT,
            PrimitiveValue::from(group),
        ),
        text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label),
    ])
}

/// The series and its instances, each once.
fn referenced_series(source: &SeriesSource) -> InMemDicomObject {
    let mut seen = HashSet::new();
    let fresh = source
        .slices
        .iter()
        .filter(|s| seen.insert(s.instance_uid.as_str()));
    let instances: Vec<InMemDicomObject> = fresh
        .map(|s| {
            item([
                text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &source.class_uid),
                text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &s.instance_uid),
            ])
        })
        .collect();
    item([
        text(tags::SERIES_INSTANCE_UID, VR::UI, &source.series_uid),
        sequence(tags::REFERENCED_INSTANCE_SEQUENCE, instances),
    ])
}
