//! Order, geometry, and which series.

use dicom::core::VR;
use dicom::dictionary_std::tags;
use swarm_imaging::{LoadOptions, Rescale, SeriesSpec, Source, write_series};

use crate::common::{load, names_in_space, parse, volume, with_text};
use crate::{refusal, series, spec};

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
