//! Which engine a package gets: the fastest that works, and a reason for each one before it.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use swarm_inference::engine::EngineKind;
use swarm_inference::engine::probe::Answer;
use swarm_inference::engine::select::survey;
use swarm_inference::{Accelerators, Pipeline};

const GPU: &str = r#"{"gpu":{"ordinal":0,"name":"a card","capability":[9,0]}}"#;

/// A probe that finds a data-centre card, and whose every engine ends as the shell line says.
fn accelerators(dir: &Path, engine: &str) -> Accelerators {
    let path = dir.join("swarmd");
    let script = format!(
        "#!/bin/sh\nrequest=$(cat)\ncase $request in\n\\\"gpu\\\") echo '{GPU}';;\n*) {engine};;\nesac\n"
    );
    fs::write(&path, script).expect("written");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("own file");
    Accelerators {
        probe: Some(path),
        tensorrt_rtx: dir.join("none"),
        tensorrt: dir.join("none"),
        artefacts: dir.join("engines"),
        ..Accelerators::default()
    }
}

#[test]
fn what_crashes_in_its_own_process_is_passed_over_and_the_report_says_why() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let accelerators = accelerators(dir.path(), "kill -SEGV $$");
    let folder = common::cached("models/brain_mri");
    let package = common::brain_package();
    let pipeline = Pipeline::load_fastest(package, &folder, &common::config(), &accelerators)
        .expect("the CPU is left");
    assert!(pipeline.engine().to_string().starts_with("onnxruntime-cpu"));
    let reasons: Vec<(EngineKind, &str)> = pipeline
        .considered()
        .iter()
        .map(|passed| (passed.engine, passed.reason.as_str()))
        .collect();
    let crashed = "it crashed when it was tried";
    assert_eq!(
        reasons,
        [
            (
                EngineKind::TensorrtRtx,
                "the GPU is none of TensorRT-RTX's: compute capability 8.6, 8.9, 12.0 or 12.1"
            ),
            (EngineKind::Tensorrt, crashed),
            (EngineKind::Cuda, crashed),
        ]
    );
}

#[test]
fn an_engine_that_passed_apart_and_fails_here_is_passed_over_too() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let ran = serde_json::to_string(&Answer::Ran).expect("plain data");
    let accelerators = accelerators(dir.path(), &format!("echo '{ran}'"));
    let folder = common::cached("models/brain_mri");
    let package = common::brain_package();
    let pipeline = Pipeline::load_fastest(package, &folder, &common::config(), &accelerators)
        .expect("the CPU is left");
    let of = |kind| {
        let passed = pipeline.considered().iter().find(|c| c.engine == kind);
        passed.expect("considered").clone()
    };
    assert_eq!(of(EngineKind::Tensorrt).reason, "it is not installed");
    // The runtime of set-up has no CUDA provider, and says so itself.
    let cuda = of(EngineKind::Cuda);
    assert_eq!(cuda.reason, "ONNX Runtime failed to load the network");
    let detail = cuda.detail.as_deref().expect("its words");
    assert!(detail.contains("not enabled in this build"), "{detail}");
    assert!(!cuda.in_report().reason.contains('/'));
    assert_eq!(cuda.in_report().detail, None);
}

#[test]
fn a_survey_lists_every_engine_once() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let library = common::config().library;
    let found = survey(&library, &accelerators(dir.path(), "exit 3"));
    assert_eq!(found.gpu.expect("the probe found one").capability, (9, 0));
    assert_eq!(found.usable, [EngineKind::Cpu]);
    let passed: Vec<EngineKind> = found.considered.iter().map(|c| c.engine).collect();
    assert_eq!(passed, EngineKind::ALL[..3]);
    let without = Accelerators {
        probe: None,
        ..accelerators(dir.path(), "exit 3")
    };
    let found = survey(&library, &without);
    assert_eq!(found.considered.len(), 3);
    assert!(found.compiled.is_empty());
}
