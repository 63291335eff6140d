//! DICOM series: order, geometry, samples, and the refusals that name the slices.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{
    Files, as_coded, as_deflated, as_enhanced, as_plain, as_rle, bytes_of, coded_samples,
    jpeg_2000, jpeg_2000_signed, jpeg_lossless, jpeg_ls, load, names_in_space, parse, volume,
    with_text, with_u16, without,
};
use dicom::core::DataElement;
use dicom::core::VR;
use dicom::core::value::PrimitiveValue;
use dicom::dictionary_std::tags;
use swarm_imaging::{LoadOptions, Rescale, SeriesSpec, Source, Voxels, write_series};

fn spec() -> SeriesSpec {
    SeriesSpec {
        slope: 0.5,
        intercept: -1000.0,
        ..SeriesSpec::default()
    }
}

fn series() -> Files {
    write_series(&volume(), &spec()).unwrap()
}

/// The series with the file of slice `k` (in space) changed.
fn changed(files: &Files, k: usize, change: impl Fn(&[u8]) -> Vec<u8>) -> (Files, String) {
    let name = names_in_space(files)[k].clone();
    let files = files
        .iter()
        .map(|(n, b)| (n.clone(), if *n == name { change(b) } else { b.clone() }))
        .collect();
    (files, name)
}

fn refusal(files: &Files) -> String {
    load(files).expect_err("a refusal")
}

#[test]
fn a_shuffled_oblique_series_comes_back_as_it_was() {
    let scan = volume();
    let mut files = series();
    let spatial = names_in_space(&files);
    assert_ne!(
        spatial,
        files.iter().map(|f| f.0.clone()).collect::<Vec<_>>(),
        "names are shuffled"
    );
    for _ in 0..3 {
        let v = load(&files).unwrap();
        assert_eq!(v.dims(), scan.dims());
        assert_eq!(v.to_f32(), scan.to_f32());
        assert_eq!(
            v.rescale(),
            Rescale {
                slope: 0.5,
                intercept: -1000.0
            }
        );
        assert_eq!(v.modality(), Some("MR"));
        // Spacing and the centre of the grid stay, the axes turn by 7 and 4 degrees.
        for (a, b) in v.spacing().iter().zip(scan.spacing()) {
            assert!((a - b).abs() < 1e-9);
        }
        let centre = scan.dims().map(|d| (d - 1) as f64 / 2.0);
        for (a, b) in v
            .affine()
            .apply(centre)
            .iter()
            .zip(scan.affine().apply(centre))
        {
            assert!((a - b).abs() < 1e-6);
        }
        let cosine = v.affine().column(2)[2] / 2.5;
        assert!((cosine - 7_f64.to_radians().cos()).abs() < 1e-9, "{cosine}");
        files.rotate_left(2);
    }
}

#[test]
fn without_rotation_the_affine_is_the_scans_own() {
    let straight = SeriesSpec {
        about_x_degrees: 0.0,
        about_z_degrees: 0.0,
        ..spec()
    };
    let v = load(&write_series(&volume(), &straight).unwrap()).unwrap();
    assert!(v.affine().distance(volume().affine()) < 1e-9);
}

#[test]
fn the_source_knows_study_series_and_slices_in_order() {
    let files = series();
    let v = load(&files).unwrap();
    let Source::Dicom(source) = v.source() else {
        panic!("DICOM")
    };
    let by_name = |name: &str| parse(&files.iter().find(|f| f.0 == name).unwrap().1);
    let expected: Vec<String> = names_in_space(&files)
        .iter()
        .map(|n| {
            by_name(n)
                .element(tags::SOP_INSTANCE_UID)
                .unwrap()
                .to_str()
                .unwrap()
                .into_owned()
        })
        .collect();
    let found: Vec<String> = source
        .slices
        .iter()
        .map(|s| s.instance_uid.clone())
        .collect();
    assert_eq!(found, expected);
    assert!(source.series_uid.starts_with("2.25.") && source.study_uid != source.series_uid);
}

#[test]
fn signed_twelve_bit_samples_are_extended() {
    let twelve = SeriesSpec {
        bits_stored: 12,
        signed: true,
        slope: 1.0,
        intercept: 0.0,
        ..spec()
    };
    let files = write_series(&volume(), &twelve).unwrap();
    let v = load(&files).unwrap();
    assert_eq!(v.voxels(), volume().voxels());
    // Overlay bits above the stored ones change nothing.
    let dirty: Files = files
        .iter()
        .map(|(n, b)| {
            let mut o = parse(b);
            let words: Vec<u16> = o
                .element(tags::PIXEL_DATA)
                .unwrap()
                .uint16_slice()
                .unwrap()
                .to_vec();
            let words = words.iter().map(|w| w | 0x5000).collect();
            o.put(DataElement::new(
                tags::PIXEL_DATA,
                VR::OW,
                PrimitiveValue::U16(words),
            ));
            (n.clone(), bytes_of(&o))
        })
        .collect();
    assert_eq!(load(&dirty).unwrap().voxels(), volume().voxels());
    // The writer refuses what does not fit.
    assert!(
        write_series(
            &volume(),
            &SeriesSpec {
                bits_stored: 8,
                ..twelve
            }
        )
        .is_err()
    );
}

#[test]
fn samples_in_the_upper_bits_are_shifted_down() {
    let twelve = SeriesSpec {
        bits_stored: 12,
        signed: true,
        slope: 1.0,
        intercept: 0.0,
        ..spec()
    };
    let files: Files = write_series(&volume(), &twelve)
        .unwrap()
        .iter()
        .map(|(n, b)| {
            let mut o = parse(&with_u16(b, tags::HIGH_BIT, 15));
            let words: Vec<u16> = o
                .element(tags::PIXEL_DATA)
                .unwrap()
                .uint16_slice()
                .unwrap()
                .to_vec();
            let words = words.iter().map(|w| w << 4).collect();
            o.put(DataElement::new(
                tags::PIXEL_DATA,
                VR::OW,
                PrimitiveValue::U16(words),
            ));
            (n.clone(), bytes_of(&o))
        })
        .collect();
    assert_eq!(load(&files).unwrap().voxels(), volume().voxels());
}

#[test]
fn monochrome1_is_mirrored_only_when_asked() {
    for (signed, sum) in [(false, 4095.0), (true, -1.0)] {
        let m1 = SeriesSpec {
            monochrome1: true,
            bits_stored: 12,
            signed,
            slope: 1.0,
            intercept: if signed { 0.0 } else { -100.0 },
            ..spec()
        };
        let files = write_series(&volume(), &m1).unwrap();
        let plain = load(&files).unwrap();
        let options = LoadOptions {
            invert_monochrome1: true,
            ..LoadOptions::default()
        };
        let inverted = swarm_imaging::load(&files, &options).unwrap();
        for i in [0, 5, 100] {
            assert_eq!(plain.voxels().stored(i) + inverted.voxels().stored(i), sum);
        }
    }
}

#[test]
fn a_rescale_that_differs_by_slice_is_applied_by_slice() {
    let (files, _) = changed(&series(), 2, |b| {
        with_text(b, tags::RESCALE_SLOPE, VR::DS, "0.25")
    });
    let v = load(&files).unwrap();
    let Voxels::F32(values) = v.voxels() else {
        panic!("f32, not {}", v.voxels().type_name())
    };
    let truth = volume().to_f32();
    assert_eq!(values[..126], truth[..126]);
    assert_eq!(
        f64::from(values[126]),
        (f64::from(truth[126]) + 1000.0) / 2.0 - 1000.0
    );
    assert_eq!(v.rescale(), Rescale::IDENTITY);
}

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
fn a_tilted_gantry_keeps_its_shear() {
    let straight = SeriesSpec {
        about_x_degrees: 0.0,
        about_z_degrees: 0.0,
        ..spec()
    };
    let mut files = write_series(&volume(), &straight).unwrap();
    let order = names_in_space(&files);
    for (name, bytes) in &mut files {
        let k = order.iter().position(|n| n == name).unwrap() as f64;
        let p = parse(bytes)
            .element(tags::IMAGE_POSITION_PATIENT)
            .unwrap()
            .to_multi_float64()
            .unwrap();
        let text = format!("{}\\{}\\{}", p[0], p[1] + 0.5 * k, p[2]);
        *bytes = with_text(bytes, tags::IMAGE_POSITION_PATIENT, VR::DS, &text);
    }
    let v = load(&files).unwrap();
    let c = v.affine().column(2);
    assert!(
        (c[1] + 0.5).abs() < 1e-9 && (c[2] - 2.5).abs() < 1e-9,
        "{c:?}"
    );
}

#[test]
fn several_series_are_listed_and_one_is_chosen() {
    let mut files = series();
    let other = write_series(&volume(), &SeriesSpec { seed: 2, ..spec() }).unwrap();
    files.extend(other.into_iter().map(|(n, b)| (format!("b/{n}"), b)));
    let message = refusal(&files);
    let uid = parse(&files[0].1)
        .element(tags::SERIES_INSTANCE_UID)
        .unwrap()
        .to_str()
        .unwrap()
        .into_owned();
    assert!(
        message.contains("several series") && message.contains(&uid) && message.contains("6 files"),
        "{message}"
    );
    let options = LoadOptions {
        series: Some(uid.clone()),
        ..LoadOptions::default()
    };
    let v = swarm_imaging::load(&files, &options).unwrap();
    let Source::Dicom(source) = v.source() else {
        panic!("DICOM")
    };
    assert_eq!(source.series_uid, uid);
    // Only the files of that series are sent on.
    let sent = swarm_imaging::dicom::files_of(files.clone(), source, &options.limits).unwrap();
    assert_eq!(sent, files[..6]);
    let options = LoadOptions {
        series: Some("1.2.3".into()),
        ..LoadOptions::default()
    };
    assert!(
        swarm_imaging::load(&files, &options)
            .unwrap_err()
            .explain()
            .contains("1.2.3 is not in the input")
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
fn other_transfer_syntaxes_read_the_same_or_are_refused_by_name() {
    let truth = load(&series()).unwrap();
    for syntax in ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2"] {
        let files: Files = series()
            .iter()
            .map(|(n, b)| (n.clone(), as_plain(b, syntax)))
            .collect();
        let v = load(&files).unwrap();
        assert_eq!(v.voxels(), truth.voxels(), "{syntax}");
        assert_eq!(v.affine(), truth.affine(), "{syntax}");
    }
    for (syntax, name) in [
        ("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000"),
        ("1.2.840.10008.1.2.4.110", "JPEG XL"),
        ("1.2.3.4", "unknown"),
    ] {
        let mut files = series();
        // The writer knows only syntaxes that it can encode: patch the bytes.
        let mut bytes = files[2].1.clone();
        let old = b"1.2.840.10008.1.2.1\0";
        let at = bytes.windows(old.len()).position(|w| w == old).unwrap();
        let length = syntax.len().next_multiple_of(2);
        let mut text = syntax.as_bytes().to_vec();
        text.resize(length, 0);
        bytes[at - 2..at].copy_from_slice(&(length as u16).to_le_bytes());
        bytes.splice(at..at + old.len(), text);
        files[2].1 = bytes;
        let message = refusal(&files);
        assert!(
            message.contains(name) && message.contains(syntax) && message.contains(&files[2].0),
            "{message}"
        );
    }
}

#[test]
fn rle_and_deflated_files_read_the_same() {
    let truth = load(&series()).unwrap();
    let rle: Files = series()
        .iter()
        .map(|(n, b)| (n.clone(), as_rle(b, 63)))
        .collect();
    assert_eq!(load(&rle).unwrap().voxels(), truth.voxels());
    let deflated: Files = series()
        .iter()
        .map(|(n, b)| (n.clone(), as_deflated(b, 0)))
        .collect();
    assert_eq!(load(&deflated).unwrap().voxels(), truth.voxels());
    // A compressed frame that decodes short.
    let mut short = rle;
    short[3].1 = as_rle(&series()[3].1, 62);
    let message = refusal(&short);
    assert!(
        message.contains("RLE pixels of frame 1 do not decode") && message.contains(&short[3].0),
        "{message}"
    );
}

#[test]
fn a_deflated_bomb_is_refused() {
    // Zeros after the data set: elements (0000,0000) without end, 600 MiB of them from half a megabyte.
    let files = vec![(
        "bomb.dcm".to_owned(),
        as_deflated(&series()[0].1, 600 << 20),
    )];
    let message = refusal(&files);
    assert!(message.contains("inflated data set is larger"), "{message}");
}

#[test]
fn enhanced_multi_frame_objects_are_read_frame_by_frame() {
    let files = series();
    let truth = load(&files).unwrap();
    let v = load(&[("enhanced.dcm".to_owned(), as_enhanced(&files))]).unwrap();
    assert_eq!(v.voxels(), truth.voxels());
    assert!(v.affine().distance(truth.affine()) < 1e-9);
    assert_eq!(v.rescale(), truth.rescale());
    let Source::Dicom(source) = v.source() else {
        panic!("DICOM")
    };
    let mut frames: Vec<u32> = source.slices.iter().map(|s| s.frame).collect();
    frames.sort_unstable();
    assert_eq!(frames, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn coded_frames_are_decoded_to_the_last_bit() {
    for (syntax, frame) in [
        ("1.2.840.10008.1.2.4.90", jpeg_2000()),
        ("1.2.840.10008.1.2.4.70", jpeg_lossless()),
        ("1.2.840.10008.1.2.4.80", jpeg_ls()),
    ] {
        let files: Files = series()
            .iter()
            .map(|(n, b)| (n.clone(), as_coded(b, syntax, frame.clone())))
            .collect();
        let v = load(&files).unwrap();
        assert_eq!(
            v.voxels(),
            &Voxels::U16(coded_samples().repeat(6)),
            "{syntax}"
        );
        let Source::Dicom(source) = v.source() else {
            panic!("DICOM")
        };
        assert!(!source.lossy);
        // A frame of another size than the file says, and a frame cut short.
        for (bad, reason) in [
            (
                with_u16(&as_coded(&files[0].1, syntax, frame.clone()), tags::ROWS, 9),
                "9x7 pixels inside, 9x9 declared",
            ),
            (
                as_coded(&files[0].1, syntax, frame[..frame.len() / 3].to_vec()),
                "do not decode",
            ),
        ] {
            let message = refusal(&vec![("bad".to_owned(), bad)]);
            assert!(message.contains(reason), "{reason} in {message}");
        }
    }
    let files: Files = series()
        .iter()
        .map(|(n, b)| {
            (
                n.clone(),
                with_u16(
                    &as_coded(b, "1.2.840.10008.1.2.4.90", jpeg_2000_signed()),
                    tags::PIXEL_REPRESENTATION,
                    1,
                ),
            )
        })
        .collect();
    let signed: Vec<i16> = coded_samples()
        .iter()
        .map(|&v| (i32::from(v) - 32768) as i16)
        .collect();
    assert_eq!(
        load(&files).unwrap().voxels(),
        &Voxels::I16(signed.repeat(6))
    );
}

#[test]
fn a_lossy_past_is_remembered() {
    let (files, _) = changed(&series(), 1, |b| {
        with_text(b, tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01")
    });
    let v = load(&files).unwrap();
    let Source::Dicom(source) = v.source() else {
        panic!("DICOM")
    };
    assert!(source.lossy);
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
