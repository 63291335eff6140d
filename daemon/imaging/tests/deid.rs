//! De-identification: nothing of the patient stays, everything of the image does.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{bytes_of, parse, volume, with_text};
use dicom::core::VR;
use dicom::core::value::PrimitiveValue;
use dicom::core::{DataElement, Tag};
use dicom::dictionary_std::tags;
use swarm_imaging::deid::is_identified;
use swarm_imaging::{
    Limits, LoadOptions, SeriesSpec, Source, UidMap, deidentify, load, write_series,
};

fn series() -> common::Files {
    write_series(
        &volume(),
        &SeriesSpec {
            intercept: -1000.0,
            ..SeriesSpec::default()
        },
    )
    .unwrap()
}

/// Texts of the invented patient that must not be anywhere in the output.
const SECRETS: [&str; 12] = [
    "Invented", "Ada", "FAKE", "19700101", "Hospital", "Doctor", "ACC-", "STUDY-7", "20200102",
    "Scanners", "T1 of", "030405",
];

#[test]
fn nothing_of_the_patient_stays_and_all_of_the_image_does() {
    let files = series();
    for secret in SECRETS {
        assert!(
            files.iter().any(|(_, b)| contains(b, secret)),
            "{secret} was there before"
        );
    }
    let mut map = UidMap::default();
    let clean = deidentify(&files, &mut map, false, &Limits::default()).unwrap();
    assert_eq!(clean.len(), files.len());
    for (name, bytes) in &clean {
        for secret in SECRETS {
            assert!(!contains(bytes, secret), "{secret} in {name}");
        }
        for original in ["STUDY_INSTANCE_UID", "SERIES_INSTANCE_UID"] {
            assert!(!contains(bytes, original));
        }
        assert_eq!(
            is_identified(name, bytes, &Limits::default()).unwrap(),
            Vec::<String>::new()
        );
        let o = parse(bytes);
        assert_eq!(
            o.element(tags::PATIENT_IDENTITY_REMOVED)
                .unwrap()
                .to_str()
                .unwrap(),
            "YES"
        );
        assert_eq!(o.element(tags::PATIENT_NAME).unwrap().to_str().unwrap(), "");
        let code = o
            .element(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE)
            .unwrap();
        let item = &code.items().unwrap()[0];
        assert_eq!(
            item.element(tags::CODE_VALUE).unwrap().to_str().unwrap(),
            "113100"
        );
    }
    let strict = LoadOptions {
        refuse_identified: true,
        ..LoadOptions::default()
    };
    let (before, after) = (
        load(&files, &LoadOptions::default()).unwrap(),
        load(&clean, &strict).unwrap(),
    );
    assert_eq!(after.voxels(), before.voxels());
    assert_eq!(after.rescale(), before.rescale());
    assert_eq!(after.affine(), before.affine());
    assert_eq!(after.modality(), Some("MR"));
}

#[test]
fn uids_are_replaced_consistently_and_found_back_through_the_map() {
    let files = series();
    let mut map = UidMap::default();
    let clean = deidentify(&files, &mut map, false, &Limits::default()).unwrap();
    let (before, after) = (source(&files), source(&clean));
    assert_ne!(before.series_uid, after.series_uid);
    assert_eq!(
        map.original(&after.series_uid),
        Some(&before.series_uid[..])
    );
    assert_eq!(map.original(&after.study_uid), Some(&before.study_uid[..]));
    assert_eq!(
        map.replacement(&before.series_uid),
        Some(&after.series_uid[..])
    );
    for (a, b) in after.slices.iter().zip(&before.slices) {
        assert_eq!(map.original(&a.instance_uid), Some(&b.instance_uid[..]));
        assert!(a.instance_uid.len() <= 64 && a.instance_uid.starts_with("2.25."));
    }
    // study, series, frame of reference, six slices
    assert_eq!(map.len(), 9);
    for (_, bytes) in &clean {
        for uid in [
            &before.series_uid,
            &before.study_uid,
            &before.slices[0].instance_uid,
        ] {
            assert!(!contains(bytes, uid));
        }
    }
    // The map survives a file and gives the same answers again; another map gives others.
    let text = serde_json::to_string(&map).unwrap();
    let mut again: UidMap = serde_json::from_str(&text).unwrap();
    assert_eq!(
        deidentify(&files, &mut again, false, &Limits::default()).unwrap(),
        clean
    );
    assert_eq!(again, map);
    let other = deidentify(&files, &mut UidMap::default(), false, &Limits::default()).unwrap();
    assert_ne!(source(&other).series_uid, after.series_uid);
}

#[test]
fn an_identified_study_is_refused_with_its_attributes() {
    let files = series();
    let strict = LoadOptions {
        refuse_identified: true,
        ..LoadOptions::default()
    };
    let message = load(&files, &strict).unwrap_err().explain();
    for name in [
        "PatientName",
        "PatientID",
        "InstitutionName",
        "PatientIdentityRemoved",
    ] {
        assert!(message.contains(name), "{name} in {message}");
    }
    assert!(
        !message.contains("Ada"),
        "names of attributes, not their values"
    );
    // One attribute, or one private element, is enough.
    let mut map = UidMap::default();
    let clean = deidentify(&files, &mut map, false, &Limits::default()).unwrap();
    let named = with_text(&clean[0].1, tags::PATIENT_NAME, VR::PN, "Somebody");
    assert_eq!(
        is_identified("x", &named, &Limits::default()).unwrap(),
        ["PatientName"]
    );
    let private = with_text(&clean[0].1, Tag(0x0029, 0x1010), VR::LO, "anything");
    assert_eq!(
        is_identified("x", &private, &Limits::default()).unwrap(),
        ["(0029,1010)"]
    );
    let mut hiding = parse(&clean[0].1);
    let name = DataElement::new(tags::PATIENT_NAME, VR::PN, PrimitiveValue::from("Somebody"));
    let item = dicom::object::InMemDicomObject::from_element_iter([name]);
    let sequence = dicom::core::value::DataSetSequence::from(vec![item]);
    hiding.put(dicom::object::mem::InMemElement::new(
        tags::ECHO_TIME,
        VR::SQ,
        dicom::core::value::Value::Sequence(sequence),
    ));
    assert_eq!(
        is_identified("x", &bytes_of(&hiding), &Limits::default()).unwrap(),
        ["EchoTime"]
    );
    let dated = with_text(&clean[0].1, tags::SERIES_DATE, VR::DA, "20200102");
    assert_eq!(
        is_identified("x", &dated, &Limits::default()).unwrap(),
        ["SeriesDate"]
    );
}

#[test]
fn what_hides_in_sequences_private_elements_overlays_and_preambles_goes_too() {
    use dicom::core::value::{DataSetSequence, Value};
    use dicom::object::InMemDicomObject;
    use dicom::object::mem::InMemElement;
    let mut files = series();
    let mut o = parse(&files[0].1);
    let name = || {
        DataElement::new(
            tags::PATIENT_NAME,
            VR::PN,
            PrimitiveValue::from("Hidden^Deep"),
        )
    };
    let inner = InMemDicomObject::from_element_iter([name()]);
    for tag in [
        tags::REQUEST_ATTRIBUTES_SEQUENCE,
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        tags::PLANE_POSITION_SEQUENCE,
    ] {
        o.put(InMemElement::new(
            tag,
            VR::SQ,
            Value::Sequence(DataSetSequence::from(vec![inner.clone()])),
        ));
    }
    o.put(DataElement::new(
        Tag(0x6000, 0x3000),
        VR::OB,
        PrimitiveValue::from(&b"Hidden^Deep "[..]),
    ));
    o.put(DataElement::new(
        Tag(0x0029, 0x1010),
        VR::LO,
        PrimitiveValue::from("Hidden^Deep"),
    ));
    files[0].1 = bytes_of(&o);
    files[0].1[..11].copy_from_slice(b"Hidden^Deep");
    files[0].0 = "Hidden^Deep.dcm".into();
    let clean = deidentify(&files, &mut UidMap::default(), false, &Limits::default()).unwrap();
    assert!(contains(&files[0].1, "Hidden^Deep") && !contains(&clean[0].1, "Hidden"));
    assert!(!clean[0].0.contains("Hidden"));
}

#[test]
fn burned_in_text_stops_it_unless_the_caller_says_otherwise() {
    let mut files = series();
    files[3].1 = with_text(&files[3].1, tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
    let mut map = UidMap::default();
    let error = deidentify(&files, &mut map, false, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains(&files[3].0));
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("BurnedInAnnotation")
    );
    assert!(deidentify(&files, &mut map, true, &Limits::default()).is_ok());
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

fn source(files: &common::Files) -> swarm_imaging::SeriesSource {
    match load(files, &LoadOptions::default()).unwrap().source() {
        Source::Dicom(source) => (**source).clone(),
        other => panic!("DICOM, not {other:?}"),
    }
}
