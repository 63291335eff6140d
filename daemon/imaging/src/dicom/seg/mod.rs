//! A label map as a DICOM segmentation (PS3.3 A.51), on the slices of the series that it was made from.
//!
//! `write` makes the object, `frames` packs its bits, `attach` gives it back the identity of the original series on the
//! client's side.
//!
//! The object is BINARY: one frame for each slice and segment that has voxels there, one bit a voxel. Each frame repeats
//! the position of its slice and names it, so that a viewer can place it by geometry or by reference.

mod attach;
mod frames;
mod write;

pub use attach::{Completed, PatientStudy, attach, patient_study};
pub use write::write_segmentation;

/// A code of a vocabulary: what a structure is called among machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// CodeValue, at most 16 characters.
    pub value: String,
    /// CodingSchemeDesignator, at most 16 characters: `SCT` for SNOMED CT.
    pub scheme: String,
    /// CodeMeaning, at most 64 characters.
    pub meaning: String,
}

/// One structure of a label map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Value in the label map. A value that no segment names is not written.
    pub value: u8,
    /// SegmentLabel, at most 64 characters.
    pub label: String,
    /// What it is; without a code it gets one of the private scheme `99SWARMOS`, made of its label.
    pub code: Option<Code>,
}

/// What made the label map. A text longer than 64 characters is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Algorithm {
    /// SegmentAlgorithmName and ManufacturerModelName.
    pub name: String,
    /// SoftwareVersions.
    pub version: String,
    /// DeviceSerialNumber: which weights, as the digest of their package.
    pub serial: String,
}

/// ContentLabel, a code string of at most 16 characters.
const CONTENT_LABEL: &str = "RESEARCH_USE";
/// When an object says it was made until the client, who knows, says it: nothing here reads a clock, and a result that
/// says when it was made would have another digest each time.
const NO_DATE: &str = "19700101";
/// As [`NO_DATE`].
const NO_TIME: &str = "000000";

/// A UID made of a digest of `parts` (PS3.5 B.2, version 8 of RFC 9562): the same parts give the same UID.
fn derived_uid(parts: &[&[u8]]) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}
