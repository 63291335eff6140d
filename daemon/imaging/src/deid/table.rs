//! What may stay in a de-identified object. Everything that is not named here is removed.
//!
//! Checked against PS3.15 table E.1-1 of edition 2026c (655 attributes): none that the basic profile removes, empties or
//! replaces is kept here with its value.

use dicom::core::{Tag, VR};
use dicom::dictionary_std::tags;

/// What happens to an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stays as it is.
    Keep,
    /// Its UID is replaced through the map.
    Uid,
    /// Stays without its value, because the object needs it.
    Empty,
    /// A sequence that stays; the table applies to its items.
    Descend,
    /// Goes.
    Remove,
}

/// What happens to the element `tag`, at any depth.
#[must_use]
pub fn action(tag: Tag) -> Action {
    if KEEP.contains(&tag) {
        Action::Keep
    } else if UIDS.contains(&tag) {
        Action::Uid
    } else if PRESENT.iter().any(|(t, _)| *t == tag) {
        Action::Empty
    } else if DESCEND.contains(&tag) {
        Action::Descend
    } else {
        Action::Remove
    }
}

/// Identifiers of objects of this study, replaced consistently.
const UIDS: &[Tag] = &[
    tags::SOP_INSTANCE_UID,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::FRAME_OF_REFERENCE_UID,
    tags::DIMENSION_ORGANIZATION_UID,
];

/// Type 2 attributes: an object without them is malformed, so they are there and empty.
pub(super) const PRESENT: &[(Tag, VR)] = &[
    (tags::STUDY_DATE, VR::DA),
    (tags::STUDY_TIME, VR::TM),
    (tags::ACCESSION_NUMBER, VR::SH),
    (tags::MANUFACTURER, VR::LO),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
    (tags::STUDY_ID, VR::SH),
    (tags::POSITION_REFERENCE_INDICATOR, VR::LO),
];

/// The functional groups of enhanced objects that place and scale frames, and the mark of de-identification itself.
const DESCEND: &[Tag] = &[
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PLANE_POSITION_SEQUENCE,
    tags::PLANE_ORIENTATION_SEQUENCE,
    tags::PIXEL_MEASURES_SEQUENCE,
    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
    tags::FRAME_VOILUT_SEQUENCE,
    tags::FRAME_CONTENT_SEQUENCE,
    tags::DIMENSION_ORGANIZATION_SEQUENCE,
    tags::DIMENSION_INDEX_SEQUENCE,
    tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
];

/// Coding, modality, geometry, acquisition parameters that are numbers or defined terms, and pixels.
const KEEP: &[Tag] = &[
    // What the object is.
    tags::SPECIFIC_CHARACTER_SET,
    tags::IMAGE_TYPE,
    tags::SOP_CLASS_UID,
    tags::MODALITY,
    tags::COMPLEX_IMAGE_COMPONENT,
    tags::ACQUISITION_CONTRAST,
    tags::VOLUMETRIC_PROPERTIES,
    tags::VOLUME_BASED_CALCULATION_TECHNIQUE,
    tags::PIXEL_PRESENTATION,
    // That it was de-identified, and how.
    tags::PATIENT_IDENTITY_REMOVED,
    tags::DEIDENTIFICATION_METHOD,
    tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
    tags::CODE_VALUE,
    tags::CODING_SCHEME_DESIGNATOR,
    tags::CODE_MEANING,
    // How it was acquired.
    tags::BODY_PART_EXAMINED,
    tags::SCANNING_SEQUENCE,
    tags::SEQUENCE_VARIANT,
    tags::SCAN_OPTIONS,
    tags::MR_ACQUISITION_TYPE,
    tags::SLICE_THICKNESS,
    tags::KVP,
    tags::REPETITION_TIME,
    tags::ECHO_TIME,
    tags::INVERSION_TIME,
    tags::NUMBER_OF_AVERAGES,
    tags::IMAGING_FREQUENCY,
    tags::IMAGED_NUCLEUS,
    tags::ECHO_NUMBERS,
    tags::MAGNETIC_FIELD_STRENGTH,
    tags::SPACING_BETWEEN_SLICES,
    tags::NUMBER_OF_PHASE_ENCODING_STEPS,
    tags::DATA_COLLECTION_DIAMETER,
    tags::ECHO_TRAIN_LENGTH,
    tags::PERCENT_SAMPLING,
    tags::PERCENT_PHASE_FIELD_OF_VIEW,
    tags::PIXEL_BANDWIDTH,
    tags::RECONSTRUCTION_DIAMETER,
    tags::GANTRY_DETECTOR_TILT,
    tags::TABLE_HEIGHT,
    tags::ROTATION_DIRECTION,
    tags::EXPOSURE_TIME,
    tags::X_RAY_TUBE_CURRENT,
    tags::EXPOSURE,
    tags::FILTER_TYPE,
    tags::FOCAL_SPOTS,
    tags::CONVOLUTION_KERNEL,
    tags::ACQUISITION_MATRIX,
    tags::IN_PLANE_PHASE_ENCODING_DIRECTION,
    tags::FLIP_ANGLE,
    tags::VARIABLE_FLIP_ANGLE_FLAG,
    tags::SAR,
    tags::D_BDT,
    tags::PATIENT_POSITION,
    tags::SPIRAL_PITCH_FACTOR,
    // Where it lies.
    tags::SERIES_NUMBER,
    tags::ACQUISITION_NUMBER,
    tags::INSTANCE_NUMBER,
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::TEMPORAL_POSITION_IDENTIFIER,
    tags::NUMBER_OF_TEMPORAL_POSITIONS,
    tags::IMAGES_IN_ACQUISITION,
    tags::SLICE_LOCATION,
    tags::IN_STACK_POSITION_NUMBER,
    tags::TEMPORAL_POSITION_INDEX,
    tags::DIMENSION_INDEX_VALUES,
    tags::DIMENSION_INDEX_POINTER,
    tags::FUNCTIONAL_GROUP_POINTER,
    // The pixels.
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::PLANAR_CONFIGURATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::PIXEL_SPACING,
    tags::PIXEL_ASPECT_RATIO,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::SMALLEST_IMAGE_PIXEL_VALUE,
    tags::LARGEST_IMAGE_PIXEL_VALUE,
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
    tags::BURNED_IN_ANNOTATION,
    tags::RECOGNIZABLE_VISUAL_FEATURES,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::VOILUT_FUNCTION,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::RESCALE_TYPE,
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::LOSSY_IMAGE_COMPRESSION_RATIO,
    tags::LOSSY_IMAGE_COMPRESSION_METHOD,
    tags::PIXEL_DATA,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tag_has_two_actions() {
        let mut all: Vec<Tag> = [KEEP, UIDS, DESCEND].concat();
        all.extend(PRESENT.iter().map(|(t, _)| *t));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn what_names_a_person_does_not_stay() {
        for tag in [
            tags::PATIENT_AGE,
            tags::OTHER_PATIENT_NAMES,
            tags::INSTITUTION_NAME,
            tags::STATION_NAME,
            tags::SERIES_DESCRIPTION,
            tags::SERIES_DATE,
            tags::DEVICE_SERIAL_NUMBER,
            tags::PATIENT_COMMENTS,
            tags::REQUEST_ATTRIBUTES_SEQUENCE,
            Tag(0x0029, 0x1010),
            Tag(0x6000, 0x3000),
        ] {
            assert_eq!(action(tag), Action::Remove, "{tag}");
        }
        assert_eq!(action(tags::PATIENT_NAME), Action::Empty);
    }
}
