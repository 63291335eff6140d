//! The real network on a real head: Colin27 with its skull, against the package's own brain-extracted twin.

mod common;

use swarm_imaging::{
    Affine, LoadOptions, Rescale, SeriesSpec, Source, Volume, Voxels, load, write_series,
};
use swarm_inference::pipeline::PipelineError;
use swarm_inference::{Pipeline, Stage};

/// The network reaches 0.934; below this something in the pipeline is wrong.
const DICE_MIN: f64 = 0.9;
/// A threshold on the scan must stay this far behind, else the network would not be needed.
const LEAD_MIN: f64 = 0.05;

fn brain_pipeline() -> Pipeline {
    Pipeline::load(common::brain_package(), &common::config())
        .expect("the model passes its golden cases")
}

/// A scan of the cache: `ch2` is Colin27's head, `ch2bet` its brain.
fn cached_scan(name: &str) -> Volume {
    let file = format!("{name}.nii.gz");
    let bytes = std::fs::read(common::cached(&format!("scan/{file}"))).expect("readable");
    load(&[(file, bytes)], &LoadOptions::default()).expect("a valid scan")
}

/// Twice the overlap over the sum of both.
fn dice(a: impl Iterator<Item = bool>, b: impl Iterator<Item = bool>) -> f64 {
    let (mut both, mut sum) = (0u64, 0u64);
    for (a, b) in a.zip(b) {
        both += u64::from(a && b);
        sum += u64::from(a) + u64::from(b);
    }
    2.0 * both as f64 / sum as f64
}

/// The scan with its axes turned to left, posterior, superior, and stored as signed 16 bits: another order of
/// voxels, the same head.
fn turned(scan: &Volume) -> Volume {
    let lps = scan.to_lps();
    let voxels = lps.to_f32().iter().map(|&v| v as i16 * 3 - 100).collect();
    let rescale = Rescale {
        slope: 1.0 / 3.0,
        intercept: 100.0 / 3.0,
    };
    Volume::new(Voxels::I16(voxels), rescale, lps.dims(), *lps.affine()).expect("a valid volume")
}

#[test]
fn finds_the_brain_of_colin27_and_no_threshold_comes_near() {
    let mut pipeline = brain_pipeline();
    let scan = cached_scan("ch2");
    let brain: Vec<bool> = cached_scan("ch2bet")
        .to_f32()
        .iter()
        .map(|&v| v > 0.0)
        .collect();

    let mut heard = Vec::new();
    let results = pipeline
        .run(&scan, &mut |stage, part| heard.push((stage, part)))
        .expect("runs");

    let names: Vec<&str> = results
        .files
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["mask.nii.gz", "report.json", "montage.png"]);
    let mask =
        load(&results.files[..1], &LoadOptions::default()).expect("our own mask is readable");
    assert_eq!((mask.dims(), mask.affine()), (scan.dims(), scan.affine()));
    let mask: Vec<bool> = mask.to_f32().iter().map(|&v| v == 1.0).collect();
    let network = dice(mask.iter().copied(), brain.iter().copied());

    let grey = scan.to_f32();
    let threshold = |t: u8| {
        dice(
            grey.iter().map(|&v| v > f32::from(t)),
            brain.iter().copied(),
        )
    };
    let (best, best_threshold) = (0..=254)
        .map(|t| (threshold(t), t))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .expect("255 thresholds");
    println!(
        "Dice against ch2bet: network {network:.4}, best threshold {best:.4} (at {best_threshold})"
    );
    assert!(network >= DICE_MIN, "the network reaches only {network:.4}");
    assert!(
        network >= best + LEAD_MIN,
        "a threshold reaches {best:.4}, the network {network:.4}"
    );

    // Report and mask agree, and the report says what ran and what it may be used for.
    let report: serde_json::Value = serde_json::from_slice(&results.files[1].1).expect("JSON");
    let voxels = mask.iter().filter(|&&v| v).count();
    assert_eq!(report["labels"][0]["name"], "brain");
    assert_eq!(report["labels"][0]["voxels"], voxels);
    assert_eq!(report["labels"][0]["ml"], voxels as f64 / 1000.0);
    assert_eq!(report["notice"], swarm_imaging::RESEARCH_USE);
    assert_eq!(
        report["model"]["digest"],
        pipeline.package().digest().to_string()
    );
    assert_eq!(report["engine"], pipeline.engine().to_string());
    assert!(results.files[2].1.starts_with(b"\x89PNG"));

    let order = [Stage::Prepare, Stage::Infer, Stage::Finish, Stage::Write];
    assert!(heard.is_sorted_by_key(|(stage, _)| order.iter().position(|s| s == stage)));
    for stage in order {
        assert_eq!(
            heard
                .iter()
                .rfind(|(s, _)| *s == stage)
                .map(|(_, part)| *part),
            Some(1.0)
        );
    }

    // The same head with its voxels in another order and type gives the same brain in that order.
    let turned = turned(&scan);
    let again = pipeline.segment(&turned, &mut |_, _| {}).expect("runs");
    let label_volume = |labels: &[u8], like: &Volume| {
        Volume::new(
            Voxels::U8(labels.to_vec()),
            Rescale::IDENTITY,
            like.dims(),
            *like.affine(),
        )
        .expect("fits")
        .to_ras()
    };
    let a = label_volume(&again.labels, &turned);
    let a = a.to_f32();
    let same = dice(a.iter().map(|&v| v == 1.0), mask.iter().copied());
    assert!(
        same > 0.999,
        "turning the scan changed the brain: Dice {same:.5}"
    );
}

#[test]
fn an_oblique_dicom_series_gives_the_same_brain() {
    let mut pipeline = brain_pipeline();
    let scan = cached_scan("ch2");
    let plain = pipeline.run(&scan, &mut |_, _| {}).expect("runs");
    let files = write_series(&scan, &SeriesSpec::default()).expect("a valid series");
    let series = load(&files, &LoadOptions::default()).expect("a valid series");
    assert_eq!(series.modality(), Some("MR"));
    let oblique = pipeline.run(&series, &mut |_, _| {}).expect("runs");
    let millilitres = [&plain, &oblique].map(|results| results.report.volumes.labels[0].ml);
    let change = (millilitres[1] / millilitres[0] - 1.0).abs();
    // The slope rounds the grey values to halves, nothing else differs but the angle in the header.
    assert!(change < 1e-3, "{millilitres:?}");
    let mask =
        load(&oblique.files[..1], &LoadOptions::default()).expect("our own mask is readable");
    assert_eq!(mask.dims(), series.dims());
    assert!(
        mask.affine().distance(series.affine()) < 1e-4,
        "the mask lies elsewhere than the series"
    );
}

#[test]
fn a_second_run_gives_the_same_bytes_and_the_self_test_passes() {
    let mut pipeline = brain_pipeline();
    pipeline.self_test().expect("passes");
    let scan = cached_scan("ch2");
    let first = pipeline.run(&scan, &mut |_, _| {}).expect("runs");
    let second = pipeline.run(&scan, &mut |_, _| {}).expect("runs");
    assert_eq!(first.digest(), second.digest());
}

#[test]
fn a_scan_of_another_modality_is_refused() {
    let mut pipeline = brain_pipeline();
    let voxels = Voxels::I16(vec![0; 8]);
    let scan = Volume::new(voxels, Rescale::IDENTITY, [2, 2, 2], Affine::IDENTITY)
        .expect("valid")
        .with_source(Some("CT".to_owned()), Source::Computed);
    let error = pipeline
        .segment(&scan, &mut |_, _| {})
        .expect_err("CT is not MR");
    assert!(matches!(error, PipelineError::Modality { .. }), "{error}");
}

#[test]
fn voxels_that_are_no_numbers_are_counted_and_do_no_harm() {
    let mut pipeline = brain_pipeline();
    let scan = cached_scan("ch2");
    let clean = pipeline.segment(&scan, &mut |_, _| {}).expect("runs");
    let mut voxels = scan.to_f32();
    // Colin27's corner is air.
    voxels[0] = f32::NAN;
    voxels[1] = f32::INFINITY;
    let dirty = Volume::new(
        Voxels::F32(voxels),
        Rescale::IDENTITY,
        scan.dims(),
        *scan.affine(),
    )
    .expect("valid");
    let map = pipeline.segment(&dirty, &mut |_, _| {}).expect("runs");
    assert_eq!(map.nonfinite_voxels, 2);
    assert!(
        map.labels == clean.labels,
        "two voxels of air changed the brain"
    );
}
