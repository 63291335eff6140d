//! A segmentation lies on its source series, voxel for voxel in patient space, for readers that share no code with us:
//! pydicom and highdicom, in `python/segmentation.py`.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{Files, as_enhanced, bytes_of, one, parse, python};
use dicom::core::value::PrimitiveValue;
use dicom::core::{DataElement, VR};
use dicom::dictionary_std::tags;
use std::path::Path;
use swarm_imaging::dicom::seg::{
    Algorithm, Code, Completed, PatientStudy, Segment, attach, patient_study, write_segmentation,
};
use swarm_imaging::{
    Affine, Limits, LoadOptions, Rescale, SeriesSpec, Source, UidMap, Volume, Voxels, deidentify,
    load, write_series,
};

/// 2026-11-26 19:02:08 UTC.
const COMPLETED: Completed = Completed(1_795_719_728);

fn segments() -> Vec<Segment> {
    let brain = Code {
        value: "12738006".into(),
        scheme: "SCT".into(),
        meaning: "Brain".into(),
    };
    vec![
        Segment {
            value: 3,
            label: "brain".into(),
            code: Some(brain),
        },
        Segment {
            value: 7,
            label: "a_structure_with_a_long_name".into(),
            code: None,
        },
    ]
}

fn algorithm() -> Algorithm {
    Algorithm {
        name: "brain_mri".into(),
        version: "1.0.0".into(),
        serial: "00".repeat(32),
    }
}

/// The rule of the tests, which the Python side knows too: the stored value decides the label.
fn labels(volume: &Volume) -> Vec<u8> {
    let label = |i| [0, 3, 7][volume.voxels().stored(i) as usize % 3];
    (0..volume.voxels().len()).map(label).collect()
}

/// A volume whose stored values tell every voxel from its neighbours, in a grid of odd sizes.
fn scan(columns: [[f64; 3]; 3]) -> Volume {
    let n = 9 * 7 * 5;
    let voxels = (0..n).map(|i: i32| (i * 131 % 1009) as i16).collect();
    let affine = Affine::from_columns(columns, [40.0, 30.0, -20.0]);
    Volume::new(Voxels::I16(voxels), Rescale::IDENTITY, [9, 7, 5], affine).unwrap()
}

fn spec(about_x_degrees: f64, about_z_degrees: f64, seed: u64) -> SeriesSpec {
    SeriesSpec {
        about_x_degrees,
        about_z_degrees,
        slope: 1.0,
        intercept: 0.0,
        seed,
        ..SeriesSpec::default()
    }
}

/// The way of a job: de-identified by the client, segmented by the bee, attached by the client.
fn segmented(files: &Files) -> (Vec<u8>, Vec<u8>, UidMap) {
    let limits = Limits::default();
    let mut map = UidMap::default();
    let clean = deidentify(files, &mut map, false, &limits).unwrap();
    let volume = load(&clean, &LoadOptions::default()).unwrap();
    let Source::Dicom(source) = volume.source() else {
        panic!("a DICOM series");
    };
    let bytes =
        write_segmentation(&volume, source, &labels(&volume), &segments(), &algorithm()).unwrap();
    let patient = patient_study(&files[0].0, &files[0].1, &limits).unwrap();
    let whole = attach("mask.dcm", &bytes, &map, &patient, COMPLETED, &limits).unwrap();
    (bytes, whole, map)
}

fn keep(folder: &Path, name: &str, files: &Files) {
    let (bytes, whole, _) = segmented(files);
    let series = folder.join(name).join("series");
    std::fs::create_dir_all(&series).unwrap();
    for (file, bytes) in files {
        std::fs::write(series.join(file), bytes).unwrap();
    }
    std::fs::write(folder.join(name).join("mask.dcm"), bytes).unwrap();
    std::fs::write(folder.join(name).join("mask.patient.dcm"), whole).unwrap();
}

#[test]
fn other_readers_find_every_voxel_where_the_series_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let axial = [[-0.9, 0.0, 0.0], [0.0, -0.9, 0.0], [0.0, 0.0, 2.5]];
    // Rows run to the feet, columns to the back; voxels of three different sizes.
    let sagittal = [[0.0, -0.7, 0.0], [0.0, 0.0, -1.3], [-2.25, 0.0, 0.0]];
    let reversed = [[-0.9, 0.0, 0.0], [0.0, -1.1, 0.0], [0.0, 0.0, -2.5]];
    let series = |columns, spec| write_series(&scan(columns), &spec).unwrap();
    keep(folder.path(), "straight", &series(axial, spec(0.0, 0.0, 1)));
    keep(
        folder.path(),
        "oblique",
        &series(axial, spec(23.0, -31.0, 2)),
    );
    keep(
        folder.path(),
        "reversed",
        &series(reversed, spec(7.0, 4.0, 3)),
    );
    keep(
        folder.path(),
        "three_spacings",
        &series(sagittal, spec(11.0, 17.0, 4)),
    );
    let frames = as_enhanced(&series(sagittal, spec(5.0, -9.0, 5)));
    keep(folder.path(), "enhanced", &one(frames));
    let report = python("segmentation.py", &[folder.path()]);
    for name in [
        "straight",
        "oblique",
        "reversed",
        "three_spacings",
        "enhanced",
    ] {
        assert!(
            report.contains(&format!("{name}: 315 voxels in place")),
            "{report}"
        );
    }
}

#[test]
fn the_patient_comes_back_and_nothing_of_the_bees_stays() {
    let files = write_series(
        &scan([[-0.9, 0.0, 0.0], [0.0, -0.9, 0.0], [0.0, 0.0, 2.5]]),
        &spec(7.0, 4.0, 1),
    )
    .unwrap();
    let (bytes, whole, map) = segmented(&files);
    let (source, before, after) = (parse(&files[0].1), parse(&bytes), parse(&whole));
    let text = |o: &dicom::object::DefaultDicomObject, tag| {
        let value = o.element(tag).unwrap().to_str().unwrap();
        value.trim_end_matches(['\0', ' ']).to_owned()
    };
    for tag in [
        tags::PATIENT_NAME,
        tags::PATIENT_ID,
        tags::PATIENT_BIRTH_DATE,
        tags::STUDY_DATE,
        tags::ACCESSION_NUMBER,
        tags::STUDY_INSTANCE_UID,
        tags::FRAME_OF_REFERENCE_UID,
    ] {
        assert_eq!(text(&after, tag), text(&source, tag), "{tag}");
        assert_ne!(text(&before, tag), text(&source, tag), "{tag}");
    }
    for tag in [tags::SOP_INSTANCE_UID, tags::SERIES_INSTANCE_UID] {
        assert_ne!(text(&before, tag), text(&after, tag), "{tag}");
    }
    assert_eq!(text(&after, tags::CONTENT_DATE), "20261126");
    assert_eq!(text(&after, tags::CONTENT_TIME), "190208");
    for object in [&before, &after] {
        let notice = text(object, tags::CONTENT_DESCRIPTION);
        assert_eq!(notice, swarm_imaging::RESEARCH_USE);
    }
    // Nothing that the bee could have written about somebody stays.
    let mut forged = parse(&bytes);
    forged.put(DataElement::new(
        tags::OTHER_PATIENT_NAMES,
        VR::PN,
        PrimitiveValue::from("Somebody^Else"),
    ));
    let forged = bytes_of(&forged);
    let limits = Limits::default();
    let nobody = PatientStudy::default();
    let attached = attach("mask.dcm", &forged, &map, &nobody, COMPLETED, &limits).unwrap();
    let attached = parse(&attached);
    assert!(
        attached
            .element_opt(tags::OTHER_PATIENT_NAMES)
            .unwrap()
            .is_none()
    );
    assert_eq!(text(&attached, tags::PATIENT_NAME), "");
    // Another run's replacements are not those of the segmentation.
    let mut other = UidMap::default();
    deidentify(&files, &mut other, false, &limits).unwrap();
    let refusal = attach("mask.dcm", &bytes, &other, &nobody, COMPLETED, &limits).unwrap_err();
    let source = std::error::Error::source(&refusal).unwrap().to_string();
    assert!(source.contains("of no object of this study"), "{source}");
    let refusal = attach("1", &files[0].1, &map, &nobody, COMPLETED, &limits).unwrap_err();
    let source = std::error::Error::source(&refusal).unwrap().to_string();
    assert!(source.contains("not a segmentation"), "{source}");
}

#[test]
fn the_same_scan_gives_the_same_bytes_and_bad_segments_are_refused() {
    let files = write_series(
        &scan([[-0.9, 0.0, 0.0], [0.0, -0.9, 0.0], [0.0, 0.0, 2.5]]),
        &spec(7.0, 4.0, 1),
    )
    .unwrap();
    let volume = load(&files, &LoadOptions::default()).unwrap();
    let Source::Dicom(source) = volume.source() else {
        panic!("a DICOM series");
    };
    let labels = labels(&volume);
    let written = |segments: &[Segment], labels: &[u8]| {
        write_segmentation(&volume, source, labels, segments, &algorithm())
            .map_err(|e| e.to_string())
    };
    let first = written(&segments(), &labels).unwrap();
    assert_eq!(written(&segments(), &labels).unwrap(), first);
    let empty = written(&segments(), &vec![0; labels.len()]).unwrap();
    let frames = parse(&empty);
    let frames = frames.element(tags::NUMBER_OF_FRAMES).unwrap();
    assert_eq!(frames.to_int::<u32>().unwrap(), 1);
    let changed = |change: fn(&mut Segment)| {
        let mut all = segments();
        change(&mut all[1]);
        written(&all, &labels).unwrap_err()
    };
    assert!(changed(|s| s.value = 0).contains("above 0"));
    assert!(changed(|s| s.value = 3).contains("each once"));
    assert!(changed(|s| s.label = "a\\b".into()).contains("SegmentLabel"));
    assert!(changed(|s| s.label = "x".repeat(65)).contains("SegmentLabel"));
    assert!(written(&[], &labels).unwrap_err().contains("no segment"));
    assert!(
        written(&segments(), &labels[1..])
            .unwrap_err()
            .contains("not one label for each voxel")
    );
}
