//! The engines of a bee: which may run here, and why each other is passed over.

use std::path::{Path, PathBuf};

use swarm_bee::BeeConfig;
use swarm_host::doctor::Check;
use swarm_inference::engine::select::{Survey, survey};
use swarm_inference::{Accelerators, default_runtime_path};
use swarm_package::Package;

use super::Files;

/// Engines and model packages of every bee.
pub(super) fn checks(files: &Files) -> Vec<Check> {
    files
        .bees
        .iter()
        .flat_map(|bee| [engines(bee), models(bee)])
        .collect()
}

/// Which engines may be tried, best first, and why each better one is not; a bee takes the first that passes its model's
/// golden cases.
fn engines(bee: &BeeConfig) -> Check {
    let name = format!("engine.{}", bee.name);
    let library = bee.onnxruntime.clone().unwrap_or_else(default_runtime_path);
    let Survey {
        gpu,
        usable,
        considered,
        compiled,
    } = survey(&library, &Accelerators::default());
    let mut told = Vec::new();
    told.extend(gpu.map(|gpu| gpu.name));
    told.extend(
        usable
            .iter()
            .map(|kind| format!("{} may be tried", kind.name())),
    );
    told.extend(
        considered
            .iter()
            .map(|passed| format!("{} is passed over: {}", passed.engine.name(), passed.reason)),
    );
    told.extend(compiled.iter().map(|engine| {
        format!(
            "compiled for {}: {}, {}",
            engine.target.name(),
            engine.name,
            engine.state()
        )
    }));
    let reason = told.join("; ");
    match library.is_file() {
        true => Check::ok(name, reason),
        // Every other engine needs it too, or falls back to it.
        false => Check::fail(
            name,
            format!("ONNX Runtime is not at {}; {reason}", library.display()),
            "run scripts/setup, or name the library in onnxruntime of bee.toml",
        ),
    }
    .gating()
}

/// Packages of the models directory, and what was pulled from the queen beside them.
fn models(bee: &BeeConfig) -> Check {
    let (name, dir) = (format!("models.{}", bee.name), &bee.models);
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for path in entries(dir).filter(|path| path.is_dir()) {
        match Package::from_dir(&path) {
            Ok(package) => good.push(format!(
                "{} {}",
                package.head().name,
                package.head().version
            )),
            Err(error) => bad.push(format!(
                "{}: {:#}",
                path.display(),
                anyhow::Error::new(error)
            )),
        }
    }
    if let Some(cache) = &bee.model_cache {
        // What is damaged there is pulled again.
        let pulled = entries(cache).filter(|path| path.extension().is_some_and(|end| end == "tar"));
        good.push(format!("{} pulled from the queen", pulled.count()));
    }
    let next = format!(
        "put whole packages into {}, and nothing else",
        dir.display()
    );
    match (good.is_empty(), bad.is_empty()) {
        (_, false) => Check::fail(name, bad.join("; "), next),
        (true, true) => Check::fail(
            name,
            format!("there is no model package in {}", dir.display()),
            next,
        ),
        (false, true) => Check::ok(name, good.join(", ")),
    }
    .gating()
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}
