//! ONNX Runtime's library: loaded once per process, from a file.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ort::environment::Environment;

use super::EngineError;

/// Environment variable that names the library where the configuration does not.
pub const RUNTIME_ENV: &str = "SWARM_ORT";

static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// `$SWARM_ORT`, or where `scripts/setup` puts the library: `onnxruntime/libonnxruntime.so` in `$SWARM_CACHE`
/// (default `~/.cache/swarmos`).
pub fn default_runtime_path() -> PathBuf {
    if let Some(path) = std::env::var_os(RUNTIME_ENV) {
        return PathBuf::from(path);
    }
    cache_dir().join("onnxruntime/libonnxruntime.so")
}

/// Where `scripts/setup` puts what is not ours: `$SWARM_CACHE`, or `~/.cache/swarmos`.
pub(super) fn cache_dir() -> PathBuf {
    std::env::var_os("SWARM_CACHE")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let home = std::env::var_os("HOME")
                .map(PathBuf::from)
                .unwrap_or_default();
            home.join(".cache/swarmos")
        })
}

/// The process's environment, with the library at `path`. A second path is refused; a failed load may be retried.
pub(super) fn environment(path: &Path) -> Result<Environment, EngineError> {
    let mut loaded = LOADED
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some((from, environment)) = loaded.as_ref() {
        if from != path {
            return Err(EngineError::OtherLibrary {
                loaded: from.display().to_string(),
                path: path.display().to_string(),
            });
        }
        return Ok(environment.clone());
    }
    let failed = |source| EngineError::Load {
        path: path.display().to_string(),
        source,
    };
    // dlopen searches elsewhere for what has no slash, and a relative path would follow the executable.
    let file = path.canonicalize().map_err(|error| failed(error.into()))?;
    let builder = ort::init_from(file).map_err(|error| failed(error.into()))?;
    let environment = builder
        .with_name("swarm")
        .with_telemetry(false)
        .build()
        .map_err(|error| failed(error.into()))?;
    *loaded = Some((path.to_path_buf(), environment.clone()));
    Ok(environment)
}

/// Version and commit of the loaded library.
pub(super) fn version() -> String {
    let info = ort::info();
    let commit = info
        .split(", ")
        .find_map(|part| part.strip_prefix("git-commit-id="));
    format!(
        "1.{} ({})",
        ort::MINOR_VERSION,
        commit.unwrap_or("unknown commit")
    )
}
