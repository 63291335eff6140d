//! ONNX Runtime's library: one a process, so these steps are one test in a file of its own.

mod common;

use std::error::Error;
use std::path::PathBuf;

use swarm_inference::engine::EngineError;
use swarm_inference::pipeline::PipelineError;
use swarm_inference::{Pipeline, PipelineConfig};

fn load(config: &PipelineConfig) -> Result<(), PipelineError> {
    Pipeline::load(common::brain_package(), config).map(drop)
}

#[test]
fn a_missing_library_has_a_remedy_and_a_second_one_is_refused() {
    let good = common::config();
    let missing = PipelineConfig {
        library: PathBuf::from("/nonexistent/libonnxruntime.so"),
        ..good.clone()
    };
    let error = load(&missing).expect_err("no such library");
    let cause = error.source().expect("an engine error").to_string();
    assert!(
        cause.contains("run scripts/setup") && cause.contains("/nonexistent/"),
        "{cause}"
    );

    let dir = tempfile::tempdir().expect("temporary directory");
    let text = dir.path().join("libonnxruntime.so");
    std::fs::write(&text, "no library").expect("written");
    let error = load(&PipelineConfig {
        library: text,
        ..good.clone()
    })
    .expect_err("not a library");
    assert!(
        matches!(error, PipelineError::Engine(EngineError::Load { .. })),
        "{error:?}"
    );

    load(&good).expect("a failed load does not stand in the way of a good one");
    let error = load(&missing).expect_err("another library");
    assert!(
        matches!(
            error,
            PipelineError::Engine(EngineError::OtherLibrary { .. })
        ),
        "{error:?}"
    );
}
