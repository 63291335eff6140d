//! The whole way of a real head (Colin27 of Debian's mricron-data): NIfTI, oblique DICOM series, de-identification,
//! and back.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::PathBuf;
use swarm_imaging::montage::Montage;
use swarm_imaging::report::volume_report;
use swarm_imaging::{
    Limits, LoadOptions, SeriesSpec, UidMap, Volume, deidentify, load, read_path, write_labels,
    write_series,
};

fn scan(name: &str) -> Volume {
    let cache = std::env::var_os("SWARM_CACHE").map(PathBuf::from);
    let cache = cache
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/swarmos"));
    let path = cache.join("scan").join(name);
    assert!(
        path.exists(),
        "{} is missing: run scripts/setup",
        path.display()
    );
    load(
        &read_path(&path, &Limits::default()).unwrap(),
        &LoadOptions::default(),
    )
    .unwrap()
}

#[test]
fn a_real_head_goes_to_the_clinic_and_back() {
    let head = scan("ch2.nii.gz");
    let brain: Vec<u8> = scan("ch2bet.nii.gz")
        .to_f32()
        .iter()
        .map(|&v| u8::from(v > 0.0))
        .collect();

    let clinic = write_series(&head.to_lps(), &SeriesSpec::default()).unwrap();
    assert_eq!(clinic.len(), 181);
    let mut map = UidMap::default();
    let sent = deidentify(&clinic, &mut map, false, &Limits::default()).unwrap();
    let strict = LoadOptions {
        refuse_identified: true,
        ..LoadOptions::default()
    };
    assert!(load(&clinic, &strict).is_err());
    let received = load(&sent, &strict).unwrap();

    // The bee's volume is the head again, voxel for voxel, seven degrees askew.
    assert_eq!(received.to_ras().to_f32(), head.to_f32());
    assert!((received.voxel_mm3() - head.voxel_mm3()).abs() < 1e-9);
    let up = received.to_ras().affine().column(2)[2];
    assert!((up - 7_f64.to_radians().cos()).abs() < 1e-6, "{up}");

    // The mask goes back in the grid of the series.
    let map = Volume::new(
        swarm_imaging::Voxels::U8(brain.clone()),
        head.rescale(),
        head.dims(),
        *head.affine(),
    );
    let swarm_imaging::Voxels::U8(lps) = map.unwrap().to_lps().voxels().clone() else {
        panic!("u8")
    };
    let file = write_labels(&received, &lps).unwrap();
    let back = load(&[("mask.nii.gz".into(), file)], &LoadOptions::default()).unwrap();
    assert!(back.affine().distance(received.affine()) < 1e-4);
    assert_eq!(back.dims(), received.dims());
    let report = volume_report(&received, &lps, &[(1, "brain")]);
    assert!(
        (1_500.0..2_000.0).contains(&report.labels[0].ml),
        "{:?}",
        report.labels
    );

    // And the picture is the same whether the head came as NIfTI or as DICOM, but for the slices' coordinates.
    let picture = Montage::draw(&received, &lps, &report.labels, "brain_mri").unwrap();
    let picture = picture.to_png().unwrap();
    assert!(picture.len() > 200_000, "{}", picture.len());
}
