//! `swarm model` on this machine: a network of one's own in the spine's definition, proven with ONNX Runtime, and run.
//! Needs what `scripts/setup` installs.

mod common;

use std::path::{Path, PathBuf};

use common::swarm;
use swarm_hostile::onnx::{Graph, model, node, value, weights};
use swarm_imaging::{Affine, Rescale, Volume, Voxels};
use swarm_inference::{ModelPackage, Pipeline, PipelineConfig};

/// Background, 24 vertebrae, sacrum.
const CHANNELS: usize = 26;

/// The network as ONNX: one convolution over one voxel; every channel wins where its number is nearest to the voxel's value.
fn onnx() -> Vec<u8> {
    // -(x - c)² without the part that all share: 2cx - c².
    let slopes: Vec<f32> = (0..CHANNELS).map(|c| 2.0 * c as f32).collect();
    let biases: Vec<f32> = (0..CHANNELS).map(|c| -((c * c) as f32)).collect();
    let channels = CHANNELS.to_string();
    let graph = Graph {
        nodes: vec![node("Conv", &["mri", "weights", "biases"], "levels", &[])],
        weights: vec![
            weights("weights", &[CHANNELS, 1, 1, 1, 1], &slopes),
            weights("biases", &[CHANNELS], &biases),
        ],
        inputs: vec![value("mri", &["1", "1", "x", "y", "z"])],
        outputs: vec![value("levels", &["1", &channels, "x", "y", "z"])],
    };
    model(17, &graph)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn a_network_of_ones_own_becomes_a_spine_package_that_is_proven_and_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let (network, package) = (
        dir.path().join("net.onnx"),
        dir.path().join("models/spine_a"),
    );
    std::fs::write(&network, onnx()).expect("written");
    // The test's own environment names the library; the program gets none.
    let library: PathBuf = swarm_inference::default_runtime_path();
    let more = [
        "--onnx",
        text(&network),
        "--name",
        "spine_a",
        "--licence",
        "MIT",
        "--onnxruntime",
        text(&library),
    ];
    let new = |template: &str, package: &Path| {
        let arguments = [
            &["--json", "model", "new", template, text(package)][..],
            &more[..],
        ]
        .concat();
        swarm(dir.path(), &arguments)
    };
    let made = new("spine_mri", &package);
    assert_eq!(made.status, 0, "{}", made.err);
    let verify = |package: &Path| {
        let arguments = [
            "--json",
            "model",
            "verify",
            text(package),
            "--onnxruntime",
            text(&library),
        ];
        swarm(dir.path(), &arguments)
    };
    let verified = verify(&package);
    assert_eq!(
        (verified.status, verified.json()),
        (0, made.json()),
        "{}",
        verified.err
    );
    assert_eq!(verified.json()["job_type"], "spine_mri");
    assert!(
        verified.json()["engine"]
            .as_str()
            .expect("text")
            .starts_with("onnxruntime-cpu")
    );
    assert_eq!(
        new("spine_mri", &package).status,
        2,
        "a package is not overwritten"
    );

    // What runs is what was defined: labels with their codes on the scan's own grid.
    let config = PipelineConfig {
        library: library.clone(),
        threads: std::num::NonZeroUsize::MIN,
    };
    let opened = ModelPackage::from_dir(&package).expect("sound");
    let codes = opened
        .spec()
        .labels
        .iter()
        .map(|l| l.code.as_ref().expect("a code").value.clone());
    assert_eq!(
        codes.collect::<std::collections::BTreeSet<_>>().len(),
        25,
        "each its own"
    );
    let mut pipeline = Pipeline::load(opened, &config).expect("loads");
    let voxels = (0..20 * 30 * 30u32).map(|i| (i % 251) as u8).collect();
    let volume = Volume::new(
        Voxels::U8(voxels),
        Rescale::IDENTITY,
        [20, 30, 30],
        Affine::IDENTITY,
    );
    let results = pipeline
        .run(&volume.expect("a volume"), &mut |_, _| {})
        .expect("runs");
    let report = String::from_utf8_lossy(&results.files[1].1).into_owned();
    assert!(
        report.contains("vertebra_c1") && report.contains("spine_mri"),
        "{report}"
    );

    // Other weights under the same promises.
    let mut other = onnx();
    let weights: Vec<u8> = [0.0f32, 2.0, 4.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let at = other.windows(12).position(|window| window == weights);
    other[at.expect("the weights") + 11] ^= 0x01;
    std::fs::write(package.join("model.onnx"), other).expect("written");
    let failed = verify(&package);
    assert_eq!(failed.status, 1, "{}", failed.err);
    assert!(
        failed.err.contains("fails its golden cases"),
        "{}",
        failed.err
    );

    // A definition with other labels than the network has channels.
    let definition = include_str!("../../../scripts/model/spine_mri/model.toml");
    let fewer = definition.replacen("[[labels]]\nvalue = 25", "[[label]]\nvalue = 25", 1);
    let own = dir.path().join("own.toml");
    std::fs::write(&own, fewer).expect("written");
    let refused = new(text(&own), &dir.path().join("models/other"));
    assert_ne!(refused.status, 0);
    let start = definition
        .find("[[labels]]\nvalue = 25")
        .expect("the sacrum");
    let end = definition.find("@GOLDEN@").expect("the mark");
    std::fs::write(
        &own,
        format!("{}{}", &definition[..start], &definition[end..]),
    )
    .expect("written");
    let refused = new(text(&own), &dir.path().join("models/other"));
    assert_eq!(refused.status, 2, "{}", refused.err);
    assert!(refused.err.contains("26 scores a voxel"), "{}", refused.err);
    assert!(!dir.path().join("models/other").exists());
    let nothing = new("no_such", &dir.path().join("models/other"));
    assert!(nothing.err.contains("spine_mri"), "{}", nothing.err);
}
