//! Makes a DICOM series out of a volume: real geometry, an identified (invented) patient, shuffled names and numbers.
//!
//! This is what demonstrations and tests feed to the reader and to de-identification, so the files are as awkward as
//! those of a clinic: oblique slices, 16-bit samples with a rescale, file names and instance numbers in no order.

use super::build::{decimal, decimals};
use super::{DicomError, write};
use crate::affine::{Affine, dot};
use crate::volume::{Volume, each_type};
use dicom::core::value::PrimitiveValue;
use dicom::core::{DataElement, Tag, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::object::InMemDicomObject;
use rayon::prelude::*;

/// An invented patient, to give de-identification something to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakePatient {
    /// PatientName, `Family^Given`.
    pub name: String,
    /// PatientID.
    pub id: String,
    /// PatientBirthDate, `YYYYMMDD`.
    pub birth_date: String,
    /// PatientSex, `F`, `M` or `O`.
    pub sex: String,
    /// InstitutionName.
    pub institution: String,
}

impl Default for FakePatient {
    fn default() -> Self {
        Self {
            name: "Invented^Ada".into(),
            id: "FAKE-0001".into(),
            birth_date: "19700101".into(),
            sex: "O".into(),
            institution: "Invented Hospital".into(),
        }
    }
}

/// How to write the series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSpec {
    /// Rotation of the slices about the patient's left-right axis, degrees.
    pub about_x_degrees: f64,
    /// Rotation about the patient's foot-head axis, degrees.
    pub about_z_degrees: f64,
    /// RescaleSlope.
    pub slope: f64,
    /// RescaleIntercept.
    pub intercept: f64,
    /// BitsStored, 1 to 16, of 16 allocated.
    pub bits_stored: u16,
    /// PixelRepresentation.
    pub signed: bool,
    /// Write MONOCHROME1, with the same samples.
    pub monochrome1: bool,
    /// Who the files say was scanned; `None` leaves those attributes empty.
    pub patient: Option<FakePatient>,
    /// Decides names, numbers and UIDs. The same seed gives the same files.
    pub seed: u64,
}

impl Default for SeriesSpec {
    /// Oblique by 7° and 4°, 16 bits, slope ½, an invented patient.
    fn default() -> Self {
        Self {
            about_x_degrees: 7.0,
            about_z_degrees: 4.0,
            slope: 0.5,
            intercept: -16.0,
            bits_stored: 16,
            signed: false,
            monochrome1: false,
            patient: Some(FakePatient::default()),
            seed: 1,
        }
    }
}

/// Writes `volume` as an MR series, one file a slice, in shuffled order.
///
/// The scan is turned about the centre of its grid by the angles of `spec`, as if the patient had been scanned at an
/// angle: voxels stay where they are in the grid, the affine turns. A reader sorts slices along the normal of their
/// rows and columns, so a volume whose axes are left-handed in LPS comes back with its z axis reversed.
///
/// # Errors
/// [`DicomError::Value`] when a value does not fit the stored bits, when the first two axes are not at a right angle,
/// or when a slice has more than 65 535 rows or columns.
pub fn write_series(
    volume: &Volume,
    spec: &SeriesSpec,
) -> Result<Vec<(String, Vec<u8>)>, DicomError> {
    let stored = stored_values(volume, spec)?;
    let affine = turned(volume, spec).ras_lps();
    let [columns, rows, slices] = volume.dims();
    let too_many = |_| DicomError::TooLarge {
        what: "a slice (in rows or columns)",
        max: u16::MAX.into(),
    };
    let size = (
        u16::try_from(rows).map_err(too_many)?,
        u16::try_from(columns).map_err(too_many)?,
    );
    let [dx, dy, dz] = affine.spacing();
    let (along_row, along_column) = (
        affine.column(0).map(|v| v / dx),
        affine.column(1).map(|v| v / dy),
    );
    if dot(along_row, along_column).abs() > 1e-4 {
        let reason = "rows and columns must be at a right angle";
        return Err(DicomError::Value {
            element: "ImageOrientationPatient".into(),
            value: format!("{affine:?}"),
            reason,
        });
    }
    let orientation: Vec<f64> = along_row.into_iter().chain(along_column).collect();
    let mut random = spec.seed;
    let names = shuffled(slices, &mut random);
    let numbers = shuffled(slices, &mut random);
    let uid = |kind: u128, n: usize| {
        format!(
            "2.25.{}",
            (u128::from(spec.seed) << 64) + (kind << 32) + n as u128 + (1 << 120)
        )
    };

    let series = Series {
        spec,
        size,
        orientation,
        spacing: [dx, dy, dz],
        uid: &uid,
    };
    let mut files: Vec<(String, Vec<u8>)> = (0..slices)
        .into_par_iter()
        .map(|k| {
            let position = affine.apply([0.0, 0.0, k as f64]);
            let samples = &stored[k * rows * columns..(k + 1) * rows * columns];
            let object = series.slice(k, numbers[k], position, samples);
            Ok((
                format!("IM{:05}.dcm", names[k] + 1),
                write(object, uids::EXPLICIT_VR_LITTLE_ENDIAN)?,
            ))
        })
        .collect::<Result<_, DicomError>>()?;
    files.sort();
    Ok(files)
}

/// What all slices of the series share.
struct Series<'a, F: Fn(u128, usize) -> String> {
    spec: &'a SeriesSpec,
    /// Rows, columns.
    size: (u16, u16),
    orientation: Vec<f64>,
    spacing: [f64; 3],
    uid: &'a F,
}

impl<F: Fn(u128, usize) -> String> Series<'_, F> {
    fn slice(
        &self,
        k: usize,
        number: usize,
        position: [f64; 3],
        samples: &[u16],
    ) -> InMemDicomObject {
        let spec = self.spec;
        let nobody = FakePatient {
            name: String::new(),
            id: String::new(),
            birth_date: String::new(),
            sex: String::new(),
            institution: String::new(),
        };
        let patient = spec.patient.as_ref().unwrap_or(&nobody);
        let known = |text: &str| {
            if spec.patient.is_some() {
                text.to_owned()
            } else {
                String::new()
            }
        };
        let mut o = InMemDicomObject::new_empty();
        let mut text = |tag: Tag, vr: VR, value: String| {
            o.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
        };
        text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192".into());
        text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY\\OTHER".into());
        text(tags::SOP_CLASS_UID, VR::UI, uids::MR_IMAGE_STORAGE.into());
        text(tags::SOP_INSTANCE_UID, VR::UI, (self.uid)(3, k));
        text(tags::STUDY_DATE, VR::DA, known("20200102"));
        text(tags::STUDY_TIME, VR::TM, known("030405"));
        text(tags::ACCESSION_NUMBER, VR::SH, known("ACC-FAKE-7"));
        text(tags::MODALITY, VR::CS, "MR".into());
        text(tags::MANUFACTURER, VR::LO, known("Invented Scanners"));
        text(tags::INSTITUTION_NAME, VR::LO, patient.institution.clone());
        text(
            tags::REFERRING_PHYSICIAN_NAME,
            VR::PN,
            known("Invented^Doctor"),
        );
        text(
            tags::SERIES_DESCRIPTION,
            VR::LO,
            known("T1 of an invented patient"),
        );
        text(tags::PATIENT_NAME, VR::PN, patient.name.clone());
        text(tags::PATIENT_ID, VR::LO, patient.id.clone());
        text(tags::PATIENT_BIRTH_DATE, VR::DA, patient.birth_date.clone());
        text(tags::PATIENT_SEX, VR::CS, patient.sex.clone());
        text(tags::SCANNING_SEQUENCE, VR::CS, "GR".into());
        text(tags::SEQUENCE_VARIANT, VR::CS, "MP".into());
        text(tags::SCAN_OPTIONS, VR::CS, String::new());
        text(tags::MR_ACQUISITION_TYPE, VR::CS, "3D".into());
        text(tags::ECHO_TIME, VR::DS, String::new());
        text(tags::ECHO_TRAIN_LENGTH, VR::IS, String::new());
        text(tags::SLICE_THICKNESS, VR::DS, decimal(self.spacing[2]));
        text(tags::PATIENT_POSITION, VR::CS, "HFS".into());
        text(tags::STUDY_INSTANCE_UID, VR::UI, (self.uid)(1, 0));
        text(tags::SERIES_INSTANCE_UID, VR::UI, (self.uid)(2, 0));
        text(tags::STUDY_ID, VR::SH, known("STUDY-7"));
        text(tags::SERIES_NUMBER, VR::IS, "1".into());
        text(tags::INSTANCE_NUMBER, VR::IS, (number + 1).to_string());
        text(tags::IMAGE_POSITION_PATIENT, VR::DS, decimals(&position));
        text(
            tags::IMAGE_ORIENTATION_PATIENT,
            VR::DS,
            decimals(&self.orientation),
        );
        text(tags::FRAME_OF_REFERENCE_UID, VR::UI, (self.uid)(4, 0));
        text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, String::new());
        let photometric = if spec.monochrome1 {
            "MONOCHROME1"
        } else {
            "MONOCHROME2"
        };
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric.into());
        text(
            tags::PIXEL_SPACING,
            VR::DS,
            decimals(&[self.spacing[1], self.spacing[0]]),
        );
        text(tags::RESCALE_INTERCEPT, VR::DS, decimal(spec.intercept));
        text(tags::RESCALE_SLOPE, VR::DS, decimal(spec.slope));
        text(tags::RESCALE_TYPE, VR::LO, "US".into());
        let mut short = |tag: Tag, value: u16| {
            o.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        };
        short(tags::SAMPLES_PER_PIXEL, 1);
        short(tags::ROWS, self.size.0);
        short(tags::COLUMNS, self.size.1);
        short(tags::BITS_ALLOCATED, 16);
        short(tags::BITS_STORED, spec.bits_stored);
        short(tags::HIGH_BIT, spec.bits_stored - 1);
        short(tags::PIXEL_REPRESENTATION, spec.signed.into());
        o.put(DataElement::new(
            tags::PIXEL_DATA,
            VR::OW,
            PrimitiveValue::U16(samples.iter().copied().collect()),
        ));
        o
    }
}

/// Samples as they are stored: (value − intercept) / slope, rounded, two's complement cut to BitsStored.
fn stored_values(volume: &Volume, spec: &SeriesSpec) -> Result<Vec<u16>, DicomError> {
    let refused = |value: String, reason| DicomError::Value {
        element: "PixelData".into(),
        value,
        reason,
    };
    if !(1..=16).contains(&spec.bits_stored) {
        return Err(refused(
            spec.bits_stored.to_string(),
            "BitsStored must be between 1 and 16",
        ));
    }
    if spec.slope == 0.0 || !spec.slope.is_finite() || !spec.intercept.is_finite() {
        return Err(refused(
            spec.slope.to_string(),
            "the slope must not be zero, nor anything infinite",
        ));
    }
    let span = f64::from(1_u32 << spec.bits_stored);
    let (least, most) = if spec.signed {
        (-span / 2.0, span / 2.0 - 1.0)
    } else {
        (0.0, span - 1.0)
    };
    let mask = ((1_u32 << spec.bits_stored) - 1) as u16;
    let store = |value: f64| {
        let stored = ((value - spec.intercept) / spec.slope).round();
        // NaN is in no range.
        if !(least..=most).contains(&stored) {
            return Err(refused(value.to_string(), "does not fit the stored bits"));
        }
        Ok((stored as i32 as u16) & mask)
    };
    let rescale = volume.rescale();
    #[allow(
        clippy::unnecessary_cast,
        reason = "one of the eight types is f64 already"
    )]
    {
        each_type!(volume.voxels(), v => v.iter().map(|&x| store(rescale.apply(x as f64))).collect())
    }
}

/// The volume's affine (RAS), turned about the centre of the grid: first about x, then about z.
fn turned(volume: &Volume, spec: &SeriesSpec) -> Affine {
    let (sx, cx) = spec.about_x_degrees.to_radians().sin_cos();
    let (sz, cz) = spec.about_z_degrees.to_radians().sin_cos();
    let about_x = Affine::from_columns([[1.0, 0.0, 0.0], [0.0, cx, sx], [0.0, -sx, cx]], [0.0; 3]);
    let about_z = Affine::from_columns([[cz, sz, 0.0], [-sz, cz, 0.0], [0.0, 0.0, 1.0]], [0.0; 3]);
    let centre = volume
        .affine()
        .apply(volume.dims().map(|d| (d - 1) as f64 / 2.0));
    let to_centre = Affine::from_columns(IDENTITY, centre.map(|v| -v));
    let back = Affine::from_columns(IDENTITY, centre);
    back.compose(&about_z)
        .compose(&about_x)
        .compose(&to_centre)
        .compose(volume.affine())
}

const IDENTITY: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// The numbers below `n` in an order that `state` decides (Fisher and Yates, with SplitMix64).
fn shuffled(n: usize, state: &mut u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        order.swap(i, ((z ^ (z >> 31)) % (i as u64 + 1)) as usize);
    }
    order
}
