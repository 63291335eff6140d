//! Gives a segmentation of a de-identified series back to the original one, on the side that knows it.

use super::derived_uid;
use crate::deid::UidMap;
use crate::dicom::build::text;
use crate::dicom::{DicomError, DicomFile, InFile, tag_name, write};
use crate::limits::Limits;
use dicom::core::value::{DataSetSequence, Value};
use dicom::core::{Tag, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::object::InMemDicomObject;
use dicom::object::mem::InMemElement;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, SystemTime};

/// What every object of a study says about patient and study (PS3.3 C.7.1.1, C.7.2.1 and C.7.2.2).
const PATIENT_STUDY: [(Tag, VR); 14] = [
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::ISSUER_OF_PATIENT_ID, VR::LO),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
    (tags::PATIENT_AGE, VR::AS),
    (tags::PATIENT_SIZE, VR::DS),
    (tags::PATIENT_WEIGHT, VR::DS),
    (tags::STUDY_DATE, VR::DA),
    (tags::STUDY_TIME, VR::TM),
    (tags::STUDY_ID, VR::SH),
    (tags::STUDY_DESCRIPTION, VR::LO),
    (tags::ACCESSION_NUMBER, VR::SH),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
];
/// Groups of the patient, and of trials and de-identification.
const PATIENT_GROUPS: [u16; 2] = [0x0010, 0x0012];
/// UIDs that the standard gives out, for classes of objects and the like.
const STANDARD_ROOT: &str = "1.2.840.10008.";

/// Patient and study of a series, by the keywords of their attributes. It never leaves the client's machine.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PatientStudy(BTreeMap<String, String>);

/// How much it knows, and nothing of whom: a patient does not belong into a log.
impl fmt::Debug for PatientStudy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} attributes of a patient", self.0.len())
    }
}

/// Reads patient and study from one file of a series.
///
/// # Errors
/// [`DicomError`] for a file that cannot be read.
pub fn patient_study(
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<PatientStudy, DicomError> {
    let file = DicomFile::parse(name, bytes, limits)?;
    let known = PATIENT_STUDY.iter().filter_map(|(tag, _)| {
        let value = file.text(*tag)?;
        Some((tag_name(*tag), value))
    });
    Ok(PatientStudy(known.collect()))
}

/// When a label map was made, in seconds since 1970: becomes ContentDate and ContentTime, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed(pub u64);

/// The segmentation `bytes` of a series that was de-identified with `map`, with the original UIDs, patient and study.
/// Its own UIDs are replaced too, so that whoever made it does not know them; the same input gives the same bytes.
///
/// # Errors
/// [`DicomError::InFile`] around the reason: a file that cannot be read, is no segmentation, or refers to an object
/// that `map` does not know ([`DicomError::Foreign`]).
pub fn attach(
    name: &str,
    bytes: &[u8],
    map: &UidMap,
    patient: &PatientStudy,
    completed: Completed,
    limits: &Limits,
) -> Result<Vec<u8>, DicomError> {
    let file = DicomFile::parse(name, bytes, limits)?;
    attached(&file, map, patient, completed).in_file(name)
}

fn attached(
    file: &DicomFile,
    map: &UidMap,
    patient: &PatientStudy,
    completed: Completed,
) -> Result<Vec<u8>, DicomError> {
    let class = file.text(tags::SOP_CLASS_UID).unwrap_or_default();
    if class != uids::SEGMENTATION_STORAGE {
        return Err(DicomError::Value {
            element: tag_name(tags::SOP_CLASS_UID),
            value: class,
            reason: "not a segmentation",
        });
    }
    let study = file
        .text(tags::STUDY_INSTANCE_UID)
        .ok_or(DicomError::Missing {
            element: tag_name(tags::STUDY_INSTANCE_UID),
        })?;
    let originals: HashMap<&str, &str> = map.originals().collect();
    let study = originals
        .get(&study[..])
        .copied()
        .ok_or(DicomError::Foreign {
            element: tag_name(tags::STUDY_INSTANCE_UID),
            uid: study,
        })?;
    let swap = Swap { originals, study };
    let mut object = swap.object(&file.object, true)?;
    for (tag, vr) in PATIENT_STUDY {
        let value = patient.0.get(&tag_name(tag));
        object.put(text(tag, vr, value.cloned().unwrap_or_default()));
    }
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(completed.0.min(SECONDS_MAX));
    // 2026-11-26T19:02:08Z
    let digits: String = humantime::format_rfc3339_seconds(at)
        .to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let (date, time) = digits.split_at(8);
    object.put(text(tags::CONTENT_DATE, VR::DA, date));
    object.put(text(tags::CONTENT_TIME, VR::TM, time));
    object.put(text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, "+0000"));
    object.put(text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"));
    write(object, uids::EXPLICIT_VR_LITTLE_ENDIAN)
}

/// The end of the year 9999.
const SECONDS_MAX: u64 = 253_402_300_799;

/// The way back from replaced UIDs.
struct Swap<'a> {
    /// By their replacements.
    originals: HashMap<&'a str, &'a str>,
    /// The original StudyInstanceUID.
    study: &'a str,
}

impl Swap<'_> {
    fn object(&self, object: &InMemDicomObject, top: bool) -> Result<InMemDicomObject, DicomError> {
        let mut out = InMemDicomObject::new_empty();
        for element in object {
            let tag = element.header().tag;
            match element.value() {
                _ if PATIENT_GROUPS.contains(&tag.group()) || tag.group() % 2 == 1 => {}
                Value::Primitive(value) if element.vr() == VR::UI => {
                    let uid = value.to_str();
                    let uid = uid.trim_matches(['\0', ' ']);
                    out.put(text(tag, VR::UI, self.uid(tag, uid, top)?));
                }
                Value::Sequence(sequence) => {
                    let items: Vec<InMemDicomObject> = sequence
                        .items()
                        .iter()
                        .map(|item| self.object(item, false))
                        .collect::<Result<_, _>>()?;
                    let items = Value::Sequence(DataSetSequence::from(items));
                    out.put(InMemElement::new(tag, VR::SQ, items));
                }
                _ => {
                    out.put(element.clone());
                }
            }
        }
        Ok(out)
    }

    fn uid(&self, tag: Tag, uid: &str, top: bool) -> Result<String, DicomError> {
        if uid.starts_with(STANDARD_ROOT) {
            return Ok(uid.to_owned());
        }
        if let Some(original) = self.originals.get(uid) {
            return Ok((*original).to_owned());
        }
        let own = match tag {
            tags::SOP_INSTANCE_UID | tags::SERIES_INSTANCE_UID => top,
            // A series that says none gets one of the segmentation's own.
            tags::DIMENSION_ORGANIZATION_UID | tags::FRAME_OF_REFERENCE_UID => true,
            _ => false,
        };
        if own {
            return Ok(derived_uid(&[self.study.as_bytes(), uid.as_bytes()]));
        }
        Err(DicomError::Foreign {
            element: tag_name(tag),
            uid: uid.to_owned(),
        })
    }
}
