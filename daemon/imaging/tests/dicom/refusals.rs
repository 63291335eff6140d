//! What is refused, and how it is named.

use dicom::core::VR;
use dicom::dictionary_std::tags;
use swarm_imaging::LoadOptions;

use crate::common::{Files, load, names_in_space, parse, with_text, with_u16, without};
use crate::{changed, refusal, series};

#[test]
fn missing_slices_are_refused_with_their_neighbours() {
    let files = series();
    let order = names_in_space(&files);
    let gap: Files = files.iter().filter(|f| f.0 != order[3]).cloned().collect();
    let message = refusal(&gap);
    assert!(
        message.contains("slices are missing") && message.contains("5.000 mm"),
        "{message}"
    );
    assert!(
        message.contains(&order[2]) && message.contains(&order[4]) && !message.contains(&order[0]),
        "{message}"
    );
    let options = LoadOptions {
        gap_tolerance: 2.0,
        ..LoadOptions::default()
    };
    assert!(
        swarm_imaging::load(&gap, &options).is_err(),
        "a tolerance of 200 % makes every pair a duplicate"
    );
}

#[test]
fn a_slice_that_is_there_twice_is_refused() {
    let mut files = series();
    let twin = names_in_space(&files)[1].clone();
    let bytes = files.iter().find(|f| f.0 == twin).unwrap().1.clone();
    files.push((
        "again.dcm".into(),
        with_text(&bytes, tags::SOP_INSTANCE_UID, VR::UI, "2.25.99"),
    ));
    let message = refusal(&files);
    assert!(
        message.contains("same position")
            && message.contains(&twin)
            && message.contains("again.dcm"),
        "{message}"
    );
}

#[test]
fn odd_slices_are_named() {
    let files = series();
    let turned = "1\\0\\0\\0\\1\\0";
    for (change, expected) in [
        (
            Box::new(|b: &[u8]| with_text(b, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, turned))
                as Box<dyn Fn(&[u8]) -> Vec<u8>>,
            "mixed orientations",
        ),
        (
            Box::new(|b: &[u8]| with_text(b, tags::PIXEL_SPACING, VR::DS, "1.5\\1.5")),
            "mixed pixel spacings",
        ),
        (
            Box::new(|b: &[u8]| with_u16(&with_u16(b, tags::ROWS, 9), tags::COLUMNS, 7)),
            "mixed sizes",
        ),
        (
            Box::new(|b: &[u8]| with_text(b, tags::FRAME_OF_REFERENCE_UID, VR::UI, "2.25.5")),
            "mixed frames of reference",
        ),
        (
            Box::new(|b: &[u8]| without(b, tags::IMAGE_POSITION_PATIENT)),
            "ImagePositionPatient is missing",
        ),
        (
            Box::new(|b: &[u8]| without(b, tags::IMAGE_ORIENTATION_PATIENT)),
            "ImageOrientationPatient is missing",
        ),
        (
            Box::new(|b: &[u8]| without(b, tags::PIXEL_SPACING)),
            "PixelSpacing is missing",
        ),
        (
            Box::new(|b: &[u8]| with_text(b, tags::IMAGE_POSITION_PATIENT, VR::DS, "nan\\1\\2")),
            "ImagePositionPatient",
        ),
        (
            Box::new(|b: &[u8]| with_text(b, tags::IMAGE_POSITION_PATIENT, VR::DS, "1\\2")),
            "ImagePositionPatient",
        ),
        (
            Box::new(|b: &[u8]| {
                with_text(
                    b,
                    tags::IMAGE_ORIENTATION_PATIENT,
                    VR::DS,
                    "1\\0\\0\\1\\0\\0",
                )
            }),
            "right angle",
        ),
        (
            Box::new(|b: &[u8]| with_text(b, tags::PIXEL_SPACING, VR::DS, "-1\\1")),
            "must be positive",
        ),
        (
            Box::new(|b: &[u8]| with_text(b, tags::RESCALE_SLOPE, VR::DS, "0")),
            "RescaleSlope",
        ),
        (
            Box::new(|b: &[u8]| with_text(b, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB")),
            "RGB",
        ),
        (
            Box::new(|b: &[u8]| with_u16(b, tags::BITS_ALLOCATED, 12)),
            "BitsAllocated = \"12\"",
        ),
        (
            Box::new(|b: &[u8]| with_u16(b, tags::BITS_STORED, 17)),
            "BitsStored",
        ),
        (
            Box::new(|b: &[u8]| with_u16(b, tags::HIGH_BIT, 3)),
            "HighBit",
        ),
        (
            Box::new(|b: &[u8]| with_u16(b, tags::PIXEL_REPRESENTATION, 2)),
            "PixelRepresentation",
        ),
        (Box::new(|b: &[u8]| with_u16(b, tags::ROWS, 0)), "Rows"),
        (
            Box::new(|b: &[u8]| without(b, tags::ROWS)),
            "Rows is missing",
        ),
        (
            Box::new(|b: &[u8]| without(b, tags::PIXEL_DATA)),
            "no pixels",
        ),
        (
            Box::new(|b: &[u8]| with_text(b, tags::NUMBER_OF_FRAMES, VR::IS, "3")),
            "several frames",
        ),
        (
            Box::new(|b: &[u8]| b[..b.len() - 40].to_vec()),
            "cut short at PixelData: 126 bytes expected, 86 found",
        ),
    ] {
        let (files, name) = changed(&files, 4, change);
        let message = refusal(&files);
        assert!(
            message.contains(expected) && message.contains(&name),
            "{expected:?} and {name} in {message:?}"
        );
    }
}

#[test]
fn frames_that_claim_more_pixels_than_there_are_are_refused() {
    let files: Files = series()
        .iter()
        .map(|(n, b)| {
            (
                n.clone(),
                with_u16(&with_u16(b, tags::ROWS, 65535), tags::COLUMNS, 65535),
            )
        })
        .collect();
    assert!(refusal(&files).contains("limit"));
    let files: Files = series()
        .iter()
        .map(|(n, b)| (n.clone(), with_u16(b, tags::ROWS, 300)))
        .collect();
    assert!(refusal(&files).contains("PixelData"));
}

#[test]
fn a_slice_that_lies_beside_the_others_is_refused() {
    let files = series();
    let (files, name) = changed(&files, 3, |b| {
        let mut p = parse(b)
            .element(tags::IMAGE_POSITION_PATIENT)
            .unwrap()
            .to_multi_float64()
            .unwrap();
        let d = parse(b)
            .element(tags::IMAGE_ORIENTATION_PATIENT)
            .unwrap()
            .to_multi_float64()
            .unwrap();
        (0..3).for_each(|i| p[i] += 3.0 * d[i]);
        with_text(
            b,
            tags::IMAGE_POSITION_PATIENT,
            VR::DS,
            &format!("{:.6}\\{:.6}\\{:.6}", p[0], p[1], p[2]),
        )
    });
    let message = refusal(&files);
    assert!(
        message.contains("sideways") && message.contains(&name),
        "{message}"
    );
}

#[test]
fn a_single_slice_needs_its_thickness() {
    let mut files = series();
    files.truncate(1);
    let v = load(&files).unwrap();
    assert_eq!(v.dims(), [9, 7, 1]);
    assert!((v.spacing()[2] - 2.5).abs() < 1e-9);
    files[0].1 = without(&files[0].1, tags::SLICE_THICKNESS);
    assert!(refusal(&files).contains("SliceThickness"));
}

#[test]
fn unknown_sequences_are_stepped_over_and_count_as_identifying() {
    // (0029,1010) UN of undefined length: inside, VRs are implicit, whatever the file's transfer syntax.
    let unknown = [
        &b"\x29\x00\x10\x10UN\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"[..],
        b"\x10\x00\x10\x00\x06\0\0\0Hidden\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0",
    ]
    .concat();
    let truth = load(&series()).unwrap();
    let files: Files = series()
        .iter()
        .map(|(n, b)| {
            let at = b
                .windows(6)
                .position(|w| w == b"\xe0\x7f\x10\x00OW")
                .unwrap();
            (n.clone(), [&b[..at], &unknown, &b[at..]].concat())
        })
        .collect();
    assert_eq!(load(&files).unwrap().voxels(), truth.voxels());
    let found = swarm_imaging::deid::is_identified("x", &files[0].1, &Default::default()).unwrap();
    assert!(found.contains(&"(0029,1010)".to_owned()), "{found:?}");
    let clean =
        swarm_imaging::deidentify(&files, &mut Default::default(), false, &Default::default())
            .unwrap();
    assert!(!clean[0].1.windows(6).any(|w| w == b"Hidden"));
}
