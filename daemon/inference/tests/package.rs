//! Packages as they are shipped, and broken on purpose.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use swarm_inference::package::PackageError;
use swarm_inference::pipeline::PipelineError;
use swarm_inference::{ModelPackage, Pipeline};
use swarm_types::{B256, sha256};

const SHIPPED: &str = include_str!("../../../scripts/model/brain_mri/model.toml");
const MANIFEST: &str = include_str!("../../../scripts/model/brain_mri/MANIFEST");

/// A copy of the shipped package to change.
fn copy() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().to_path_buf();
    for entry in fs::read_dir(common::cached("models/brain_mri")).expect("readable") {
        let entry = entry.expect("readable");
        fs::copy(entry.path(), path.join(entry.file_name())).expect("copied");
    }
    (dir, path)
}

fn with_spec(package: &Path, text: &str) -> Result<ModelPackage, PackageError> {
    fs::write(package.join("model.toml"), text).expect("written");
    ModelPackage::from_dir(package)
}

#[test]
fn the_digest_is_the_hash_of_what_sha256sum_prints() {
    let package = common::brain_package();
    assert_eq!(package.digest(), sha256(MANIFEST));
    assert!(package.clone().expect_digest(sha256(MANIFEST)).is_ok());
    assert!(matches!(
        package.expect_digest(B256::ZERO),
        Err(PackageError::Digest { .. })
    ));
}

#[test]
fn a_tar_of_the_package_is_the_same_model() {
    let (_dir, path) = copy();
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_dir_all(".", &path)
        .expect("memory does not fail");
    let archive = builder.into_inner().expect("memory does not fail");
    let package = ModelPackage::from_tar(&archive[..]).expect("valid");
    assert_eq!(package.digest(), sha256(MANIFEST));
}

#[test]
fn one_more_file_is_another_model() {
    let (_dir, path) = copy();
    fs::write(path.join("NOTES"), "x").expect("written");
    assert_ne!(
        ModelPackage::from_dir(&path).expect("valid").digest(),
        sha256(MANIFEST)
    );
}

#[test]
fn a_package_without_its_parts_is_refused_by_name() {
    for file in ["model.toml", "model.onnx"] {
        let (_dir, path) = copy();
        fs::remove_file(path.join(file)).expect("removed");
        match ModelPackage::from_dir(&path) {
            Err(PackageError::Missing { file: missing }) => assert_eq!(missing, file),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_a_spec_must_not_say_is_refused_with_its_place() {
    let (_dir, path) = copy();
    for (from, to, named) in [
        ("format = 1", "format = 2", "format: 2"),
        ("name = \"brain_mri\"", "name = \"../brain\"", "name:"),
        ("licence = \"MIT\"", "licence = \"\"", "licence:"),
        ("channels = 1", "channels = 2", "input.channels"),
        ("channels = 2", "channels = 0", "output.channels"),
        (
            "modalities = [\"MR\"]",
            "modalities = []",
            "input.modalities",
        ),
        (
            "size_multiple = 32",
            "size_multiple = 0",
            "input.size_multiple",
        ),
        (
            "size_multiple = 32",
            "size_multiple = 48",
            "golden[0]: input_shape",
        ),
        ("axcodes = \"RAS\"", "axcodes = \"RAX\"", "preprocessing[0]"),
        ("[128, 128, 128]", "[128, 128, 100000]", "preprocessing[1]"),
        ("lower = 0.5", "lower = 99.9", "preprocessing[2]"),
        ("upper = 99.5", "upper = nan", "preprocessing[2]"),
        ("b_max = 0.675", "", "preprocessing[4]"),
        ("a_max = 1.0", "a_max = inf", "preprocessing[4]"),
        (
            "argmax = true",
            "argmax = true\nthreshold = 0.5",
            "postprocessing[1]",
        ),
        ("argmax = true", "argmax = false", "postprocessing[1]"),
        ("connectivity = 1", "connectivity = 4", "postprocessing[3]"),
        (
            "op = \"Invert\"\nmode = \"trilinear\"",
            "op = \"FillHoles\"",
            "Invert once",
        ),
        ("value = 1", "value = 0", "labels"),
        ("tolerance = 0.002", "tolerance = 0.0", "tolerance"),
        ("index = 330", "index = 99999999", "golden[0]: a point"),
        (
            "mode = \"whole\"",
            "mode = \"sliding\"\nroi_size = [96, 96, 100]",
            "window.roi_size",
        ),
        (
            "mode = \"whole\"",
            "mode = \"sliding\"\nroi_size = [96, 96, 96]\noverlap = 1.0",
            "window.overlap",
        ),
    ] {
        assert!(SHIPPED.contains(from), "{from} is no longer in model.toml");
        match with_spec(&path, &SHIPPED.replacen(from, to, 1)) {
            Err(PackageError::Spec { problems }) => {
                let all = problems.join("; ");
                assert!(all.contains(named), "{to}: {all}");
            }
            other => panic!("{to}: {other:?}"),
        }
    }
}

#[test]
fn every_orientation_that_a_package_may_name_is_one_that_the_kernels_read() {
    let (_dir, path) = copy();
    let pairs = [["R", "L"], ["A", "P"], ["S", "I"]];
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for (order, ends) in orders
        .iter()
        .flat_map(|order| (0..8).map(move |ends| (order, ends)))
    {
        let letter = |axis: &usize| pairs[*axis][(ends >> axis) & 1];
        let codes: String = order.iter().map(letter).collect();
        let text = SHIPPED.replacen("RAS", &codes, 1);
        assert!(with_spec(&path, &text).is_ok(), "{codes}");
        assert!(
            swarm_kernels::orientation::AxisCodes::parse(&codes).is_ok(),
            "{codes}"
        );
    }
}

#[test]
fn all_problems_are_named_at_once() {
    let (_dir, path) = copy();
    let text =
        SHIPPED
            .replacen("format = 1", "format = 9", 1)
            .replacen("value = 1", "value = 0", 1);
    match with_spec(&path, &text) {
        Err(PackageError::Spec { problems }) => assert_eq!(problems.len(), 2, "{problems:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn unknown_fields_and_operations_are_refused() {
    let (_dir, path) = copy();
    for (from, to) in [
        ("format = 1", "format = 1\nsurprise = true"),
        (
            "axcodes = \"RAS\"",
            "axcodes = \"RAS\"\nas_closest_canonical = true",
        ),
        ("op = \"Orientation\"", "op = \"RandFlip\""),
        ("mode = \"whole\"", "mode = \"whole\"\nroi_size = [1, 1, 1]"),
        ("mode = \"nearest-exact\"", "mode = \"bicubic\""),
        ("name = \"brain\"", "name = \"brain\"\ncolour = \"red\""),
    ] {
        assert!(SHIPPED.contains(from), "{from} is no longer in model.toml");
        let result = with_spec(&path, &SHIPPED.replacen(from, to, 1));
        assert!(
            matches!(result, Err(PackageError::Syntax { .. })),
            "{to}: {result:?}"
        );
    }
    fs::write(path.join("model.toml"), b"\xff\xfe").expect("written");
    assert!(matches!(
        ModelPackage::from_dir(&path),
        Err(PackageError::Text)
    ));
}

#[test]
fn a_network_with_other_weights_fails_its_golden_cases_and_never_serves() {
    let (_dir, path) = copy();
    let file = path.join("model.onnx");
    let mut onnx = fs::read(&file).expect("readable");
    // A thousand weights in the middle of the file become 0: still a valid network.
    let middle = onnx.len() / 2;
    onnx[middle..middle + 4000].fill(0);
    fs::write(&file, onnx).expect("written");
    let package = ModelPackage::from_dir(&path).expect("still a valid package");
    match Pipeline::load(package, &common::config()).map(|_| ()) {
        Err(error @ PipelineError::Golden(_)) => {
            assert!(error.to_string().contains("will not serve"))
        }
        other => panic!("{other:?}"),
    }
}
