//! What one frame says about itself: its place, its size, how its samples are stored.

use super::file::{DicomFile, text};
use super::{DicomError, tag_name};
use crate::affine::{Vec3, cross, dot, norm};
use crate::volume::Rescale;
use dicom::core::{Tag, VR};
use dicom::dictionary_std::tags;
use dicom::object::InMemDicomObject;

/// How far the direction cosines may be from unit length and from a right angle: files round them to 6 digits or so.
const COSINE_TOLERANCE: f64 = 1e-3;
/// Most frames of one object.
const FRAMES_MAX: u32 = 65_536;

/// How samples are stored (PS3.3 C.7.6.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub rows: u16,
    pub columns: u16,
    pub bits_allocated: u16,
    pub bits_stored: u16,
    pub high_bit: u16,
    pub signed: bool,
    /// Low values are bright.
    pub monochrome1: bool,
    pub frames: u32,
}

/// Where a frame lies. LPS, millimetres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub position: Vec3,
    /// Direction in which the column index grows (along a row).
    pub along_row: Vec3,
    /// Direction in which the row index grows.
    pub along_column: Vec3,
    /// Between rows, between columns.
    pub pixel_spacing: [f64; 2],
}

impl Place {
    /// The normal of the slice.
    pub(super) fn normal(&self) -> Vec3 {
        cross(self.along_row, self.along_column)
    }
}

/// One frame of one file.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    /// Index into the files of the series.
    pub file: usize,
    /// Frame number from 0.
    pub frame: u32,
    /// Name for messages.
    pub label: String,
    pub layout: Layout,
    /// The geometry, or the attribute that is missing.
    pub place: Result<Place, &'static str>,
    pub thickness: Option<f64>,
    pub rescale: Rescale,
}

/// The slices of a file.
pub(super) fn slices(index: usize, file: &DicomFile) -> Result<Vec<Slice>, DicomError> {
    let layout = layout(file)?;
    let enhanced = file
        .object
        .get(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)
        .is_some()
        || file
            .object
            .get(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
            .is_some();
    if !enhanced {
        if layout.frames != 1 {
            let value = layout.frames.to_string();
            let reason = "several frames, and nothing says where each of them lies";
            return Err(DicomError::Value {
                element: tag_name(tags::NUMBER_OF_FRAMES),
                value,
                reason,
            });
        }
        return Ok(vec![slice(
            index,
            0,
            file.name.clone(),
            layout,
            &[&file.object],
        )?]);
    }
    let per_frame = file
        .object
        .get(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
        .and_then(|e| e.items());
    let shared = file
        .object
        .get(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)
        .and_then(|e| e.items());
    let shared = shared.and_then(|items| items.first());
    (0..layout.frames)
        .map(|frame| {
            let own = per_frame.and_then(|items| items.get(frame as usize));
            let groups: Vec<&InMemDicomObject> = own.into_iter().chain(shared).collect();
            let macros: Vec<&InMemDicomObject> = groups
                .iter()
                .flat_map(|g| MACROS.iter().filter_map(|&m| first_item(g, m)))
                .collect();
            slice(
                index,
                frame,
                format!("{} frame {}", file.name, frame + 1),
                layout,
                &macros,
            )
        })
        .collect()
}

/// The functional group macros that hold geometry and rescale (PS3.3 C.7.6.16.2).
const MACROS: [Tag; 4] = [
    tags::PLANE_POSITION_SEQUENCE,
    tags::PLANE_ORIENTATION_SEQUENCE,
    tags::PIXEL_MEASURES_SEQUENCE,
    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
];

fn first_item(object: &InMemDicomObject, tag: Tag) -> Option<&InMemDicomObject> {
    object.get(tag)?.items()?.first()
}

/// One slice out of the data sets that speak about it, the most specific first.
fn slice(
    file: usize,
    frame: u32,
    label: String,
    layout: Layout,
    sources: &[&InMemDicomObject],
) -> Result<Slice, DicomError> {
    let rescale = Rescale {
        slope: numbers::<1>(sources, tags::RESCALE_SLOPE)?.map_or(1.0, |[v]| v),
        intercept: numbers::<1>(sources, tags::RESCALE_INTERCEPT)?.map_or(0.0, |[v]| v),
    };
    if rescale.slope == 0.0 {
        return Err(value_error(
            tags::RESCALE_SLOPE,
            "0".into(),
            "every pixel would be the same",
        ));
    }
    let thickness = numbers::<1>(sources, tags::SLICE_THICKNESS)?
        .map(|[v]| v)
        .filter(|v| *v > 0.0);
    let place = place(sources)?;
    Ok(Slice {
        file,
        frame,
        label,
        layout,
        place,
        thickness,
        rescale,
    })
}

fn place(sources: &[&InMemDicomObject]) -> Result<Result<Place, &'static str>, DicomError> {
    let Some(position) = numbers::<3>(sources, tags::IMAGE_POSITION_PATIENT)? else {
        return Ok(Err("ImagePositionPatient"));
    };
    let Some(o) = numbers::<6>(sources, tags::IMAGE_ORIENTATION_PATIENT)? else {
        return Ok(Err("ImageOrientationPatient"));
    };
    let Some(pixel_spacing) = numbers::<2>(sources, tags::PIXEL_SPACING)? else {
        return Ok(Err("PixelSpacing"));
    };
    let (along_row, along_column) = ([o[0], o[1], o[2]], [o[3], o[4], o[5]]);
    let crooked = (norm(along_row) - 1.0).abs() > COSINE_TOLERANCE
        || (norm(along_column) - 1.0).abs() > COSINE_TOLERANCE
        || dot(along_row, along_column).abs() > COSINE_TOLERANCE;
    if crooked {
        let reason = "not two unit vectors at a right angle";
        return Err(value_error(
            tags::IMAGE_ORIENTATION_PATIENT,
            format!("{o:?}"),
            reason,
        ));
    }
    if pixel_spacing.iter().any(|&s| s <= 0.0) {
        return Err(value_error(
            tags::PIXEL_SPACING,
            format!("{pixel_spacing:?}"),
            "a spacing must be positive",
        ));
    }
    Ok(Ok(Place {
        position,
        along_row,
        along_column,
        pixel_spacing,
    }))
}

fn value_error(tag: Tag, value: String, reason: &'static str) -> DicomError {
    DicomError::Value {
        element: tag_name(tag),
        value,
        reason,
    }
}

/// `N` finite numbers of the first source that has the attribute with a value; `None` when none has.
fn numbers<const N: usize>(
    sources: &[&InMemDicomObject],
    tag: Tag,
) -> Result<Option<[f64; N]>, DicomError> {
    let Some(text) = sources.iter().find_map(|object| text(object, tag)) else {
        return Ok(None);
    };
    let values: Option<Vec<f64>> = text
        .split('\\')
        .map(|part| part.trim().parse().ok())
        .collect();
    let values: Option<[f64; N]> = values.and_then(|v| v.get(..N)?.try_into().ok());
    match values {
        Some(v) if v.iter().all(|x| x.is_finite()) => Ok(Some(v)),
        _ => Err(value_error(
            tag,
            text,
            "not the finite numbers that belong here",
        )),
    }
}

fn integer(object: &InMemDicomObject, tag: Tag) -> Result<Option<u32>, DicomError> {
    let Some(text) = text(object, tag) else {
        return Ok(None);
    };
    // Two bytes of an unknown type could be a number or its decimal digits.
    if object.get(tag).is_some_and(|e| e.vr() == VR::UN) {
        return Err(value_error(tag, text, "its type was lost (VR UN)"));
    }
    let value = text.parse();
    value
        .map(Some)
        .map_err(|_| value_error(tag, text, "not a whole number that belongs here"))
}

pub(super) fn layout(file: &DicomFile) -> Result<Layout, DicomError> {
    let object = &file.object;
    if object.get(tags::PIXEL_DATA).is_none() {
        let class = file
            .text(tags::SOP_CLASS_UID)
            .unwrap_or_else(|| "no SOP class".into());
        return Err(DicomError::NoPixels { class });
    }
    let short = |tag: Tag| -> Result<u16, DicomError> {
        let value = integer(object, tag)?.ok_or(DicomError::Missing {
            element: tag_name(tag),
        })?;
        u16::try_from(value).map_err(|_| value_error(tag, value.to_string(), "larger than 65535"))
    };
    let samples = integer(object, tags::SAMPLES_PER_PIXEL)?.unwrap_or(1);
    let photometric = file
        .text(tags::PHOTOMETRIC_INTERPRETATION)
        .unwrap_or_default();
    if samples != 1 || !matches!(photometric.as_str(), "MONOCHROME1" | "MONOCHROME2") {
        return Err(DicomError::NotGrey {
            photometric,
            samples,
        });
    }
    let layout = Layout {
        rows: short(tags::ROWS)?,
        columns: short(tags::COLUMNS)?,
        bits_allocated: short(tags::BITS_ALLOCATED)?,
        bits_stored: short(tags::BITS_STORED)?,
        high_bit: short(tags::HIGH_BIT)?,
        signed: match short(tags::PIXEL_REPRESENTATION)? {
            0 => false,
            1 => true,
            v => {
                return Err(value_error(
                    tags::PIXEL_REPRESENTATION,
                    v.to_string(),
                    "neither 0 nor 1",
                ));
            }
        },
        monochrome1: photometric == "MONOCHROME1",
        frames: integer(object, tags::NUMBER_OF_FRAMES)?.unwrap_or(1),
    };
    for (tag, size) in [(tags::ROWS, layout.rows), (tags::COLUMNS, layout.columns)] {
        if size == 0 {
            return Err(value_error(
                tag,
                "0".into(),
                "an image has at least one pixel",
            ));
        }
    }
    if !matches!(layout.bits_allocated, 8 | 16 | 32) {
        let value = layout.bits_allocated.to_string();
        return Err(value_error(
            tags::BITS_ALLOCATED,
            value,
            "only 8, 16 and 32 are supported",
        ));
    }
    if layout.bits_stored == 0 || layout.bits_stored > layout.bits_allocated {
        let value = layout.bits_stored.to_string();
        return Err(value_error(
            tags::BITS_STORED,
            value,
            "not between 1 and BitsAllocated",
        ));
    }
    if layout.high_bit >= layout.bits_allocated || layout.high_bit + 1 < layout.bits_stored {
        let value = layout.high_bit.to_string();
        return Err(value_error(
            tags::HIGH_BIT,
            value,
            "not between BitsStored - 1 and BitsAllocated - 1",
        ));
    }
    if layout.frames == 0 || layout.frames > FRAMES_MAX {
        let value = layout.frames.to_string();
        return Err(value_error(
            tags::NUMBER_OF_FRAMES,
            value,
            "not between 1 and 65536",
        ));
    }
    Ok(layout)
}
