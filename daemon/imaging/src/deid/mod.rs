//! Takes the patient's identity out of DICOM files, before they leave the clinic.
//!
//! The rule is the Basic Application Level Confidentiality Profile of DICOM PS3.15 annex E, made stricter in one way: the
//! profile lists what must go, the table in [`table`] lists what may stay, and all else goes: private elements, overlays,
//! free text, dates, devices, references to other objects. UIDs are replaced through a [`UidMap`] that the caller keeps,
//! so that results find their way back to the patient's series on the caller's side and nowhere else.
//!
//! Pixels are not changed. A scan of a head shows a face; the profile does not cover that, and neither does this.

mod table;
mod uids;

pub use table::{Action, action};
pub use uids::UidMap;

use crate::dicom::{DicomError, DicomFile, InFile, tag_name, write};
use crate::limits::Limits;
use dicom::core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom::core::{DataElement, VR};
use dicom::dictionary_std::{tags, uids as standard_uids};
use dicom::object::InMemDicomObject;
use dicom::object::mem::InMemElement;
use rayon::prelude::*;

/// DeidentificationMethod, at most 64 characters.
const METHOD: &str = "SwarmOS: PS3.15 Basic Profile, elements kept by list";
/// Code of the basic profile in the DICOM vocabulary (PS3.16 CID 7050).
const PROFILE_CODE: &str = "113100";
/// Meaning of [`PROFILE_CODE`].
const PROFILE_MEANING: &str = "Basic Application Confidentiality Profile";

/// De-identifies a set of files. The answer has one file for each input, in the same order, under names that say
/// nothing (`000001.dcm`), because file names often hold the patient's. `map` gains the UIDs that it lacked.
///
/// `allow_burned_in` is the caller's word that no text is burned into the pixels although a file says so.
///
/// # Errors
/// [`DicomError`] for a file that cannot be read or written, [`DicomError::BurnedIn`], and [`DicomError::Random`] when
/// the system gives no random numbers for new UIDs.
pub fn deidentify(
    files: &[(String, Vec<u8>)],
    map: &mut UidMap,
    allow_burned_in: bool,
    limits: &Limits,
) -> Result<Vec<(String, Vec<u8>)>, DicomError> {
    if files.len() > limits.files_max {
        return Err(DicomError::TooManyFiles {
            files: files.len(),
            max: limits.files_max,
        });
    }
    let mut parsed: Vec<DicomFile> = files
        .par_iter()
        .map(|(name, bytes)| DicomFile::parse(name, bytes, limits))
        .collect::<Result<_, _>>()?;
    // One after the other, so that the map grows in the order of the files.
    for file in &mut parsed {
        if !allow_burned_in && file.text(tags::BURNED_IN_ANNOTATION).as_deref() == Some("YES") {
            return Err(DicomError::BurnedIn).in_file(&file.name);
        }
        let cleaned = clean(&file.object, map).in_file(&file.name)?;
        file.object = mark(cleaned);
    }
    parsed
        .into_par_iter()
        .enumerate()
        .map(|(i, file)| {
            // The writer does not deflate.
            let deflated = file.syntax == standard_uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
            let syntax = if deflated {
                standard_uids::EXPLICIT_VR_LITTLE_ENDIAN
            } else {
                &file.syntax
            };
            let bytes = write(file.object, syntax).in_file(&file.name)?;
            Ok((format!("{:06}.dcm", i + 1), bytes))
        })
        .collect()
}

/// Keywords of the elements that still identify the patient of a DICOM file; empty when it was de-identified.
///
/// # Errors
/// [`DicomError`] for a file that cannot be read.
pub fn is_identified(name: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<String>, DicomError> {
    Ok(identifying(&DicomFile::parse(name, bytes, limits)?))
}

/// As [`is_identified`], for a parsed file. An element counts when the table would remove or empty it and it has a
/// value; so does a missing mark that the identity was removed.
pub(crate) fn identifying(file: &DicomFile) -> Vec<String> {
    let mut found = Vec::new();
    if file.text(tags::PATIENT_IDENTITY_REMOVED).as_deref() != Some("YES") {
        found.push(tag_name(tags::PATIENT_IDENTITY_REMOVED));
    }
    collect(&file.object, &mut found);
    found.extend(file.cut.iter().map(|&tag| tag_name(tag)));
    found
}

fn collect(object: &InMemDicomObject, found: &mut Vec<String>) {
    for element in object {
        let tag = element.header().tag;
        match (action(tag), element.value()) {
            // A sequence under the tag of a number could hide anything.
            (Action::Keep | Action::Uid, Value::Primitive(_) | Value::PixelSequence(_)) => {}
            (Action::Descend, Value::Sequence(sequence)) => sequence
                .items()
                .iter()
                .for_each(|item| collect(item, found)),
            (Action::Empty, Value::Primitive(value)) if is_blank(value) => {}
            _ => found.push(tag_name(tag)),
        }
    }
}

fn is_blank(value: &PrimitiveValue) -> bool {
    value.to_str().trim_matches(['\0', ' ']).is_empty()
}

/// A data set with only what the table lets stay.
fn clean(object: &InMemDicomObject, map: &mut UidMap) -> Result<InMemDicomObject, DicomError> {
    let mut out = InMemDicomObject::new_empty();
    for element in object {
        let tag = element.header().tag;
        match (action(tag), element.value()) {
            (Action::Keep, Value::Primitive(_) | Value::PixelSequence(_)) => {
                out.put(element.clone());
            }
            (Action::Uid, Value::Primitive(value)) => {
                let original = value.to_str();
                let original = original.trim_matches(['\0', ' ']);
                let replaced = if original.is_empty() {
                    String::new()
                } else {
                    map.replace(original)?
                };
                out.put(DataElement::new(
                    tag,
                    VR::UI,
                    PrimitiveValue::from(replaced),
                ));
            }
            (Action::Descend, Value::Sequence(sequence)) => {
                let items: Vec<InMemDicomObject> = sequence
                    .items()
                    .iter()
                    .map(|item| clean(item, map))
                    .collect::<Result<_, _>>()?;
                out.put(InMemElement::new(
                    tag,
                    VR::SQ,
                    Value::Sequence(DataSetSequence::from(items)),
                ));
            }
            (Action::Empty, _) => {
                out.put(DataElement::new(
                    tag,
                    element.header().vr,
                    PrimitiveValue::Empty,
                ));
            }
            // Removed, or of a kind that its tag cannot have.
            _ => {}
        }
    }
    Ok(out)
}

/// Adds what the standard asks of a de-identified object, and the attributes that must be there even when empty.
fn mark(mut object: InMemDicomObject) -> InMemDicomObject {
    for &(tag, vr) in table::PRESENT {
        if object.get(tag).is_none() {
            object.put(DataElement::new(tag, vr, PrimitiveValue::Empty));
        }
    }
    let text = |tag, vr, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    object.put(text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES"));
    object.put(text(tags::DEIDENTIFICATION_METHOD, VR::LO, METHOD));
    object.put(text(
        tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
        VR::CS,
        "REMOVED",
    ));
    let code = InMemDicomObject::from_element_iter([
        text(tags::CODE_VALUE, VR::SH, PROFILE_CODE),
        text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM"),
        text(tags::CODE_MEANING, VR::LO, PROFILE_MEANING),
    ]);
    let sequence = Value::Sequence(DataSetSequence::from(vec![code]));
    object.put(InMemElement::new(
        tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
        VR::SQ,
        sequence,
    ));
    object
}
