//! What set-up put into the cache.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use swarm_inference::{ModelPackage, PipelineConfig, default_runtime_path};

pub fn cached(path: &str) -> PathBuf {
    let cache = std::env::var_os("SWARM_CACHE")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/swarmos")
        });
    let path = cache.join(path);
    assert!(
        path.exists(),
        "{} is missing: run scripts/setup",
        path.display()
    );
    path
}

#[allow(dead_code, reason = "not every file of tests runs a pipeline")]
pub fn config() -> PipelineConfig {
    cached("onnxruntime/libonnxruntime.so");
    PipelineConfig {
        library: default_runtime_path(),
        threads: NonZeroUsize::new(2).expect("2 is not 0"),
    }
}

pub fn brain_package() -> ModelPackage {
    ModelPackage::from_dir(&cached("models/brain_mri")).expect("set-up makes a valid package")
}
