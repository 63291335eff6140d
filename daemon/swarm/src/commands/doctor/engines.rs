//! The engines of a bee: which would run here, and why each other was passed over.

use std::path::Path;

use swarm_bee::BeeConfig;
use swarm_host::doctor::Check;
use swarm_inference::{ModelPackage, default_runtime_path};

use super::Files;

/// One engine as this box offers it.
struct Offer {
    /// Such as `onnxruntime-cpu`.
    engine: &'static str,
    /// Why it was passed over; `None` when it can run.
    passed_over: Option<String>,
}

/// The engines of this program, best first.
fn offers(bee: &BeeConfig) -> Vec<Offer> {
    let library = bee.onnxruntime.clone().unwrap_or_else(default_runtime_path);
    let missing =
        (!library.is_file()).then(|| format!("its library is not at {}", library.display()));
    vec![Offer {
        engine: "onnxruntime-cpu",
        passed_over: missing,
    }]
}

/// Engines and model packages of every bee.
pub(super) fn checks(files: &Files) -> Vec<Check> {
    files
        .bees
        .iter()
        .flat_map(|bee| [engines(bee), models(&bee.name, &bee.models)])
        .collect()
}

fn engines(bee: &BeeConfig) -> Check {
    let name = format!("engine.{}", bee.name);
    let offers = offers(bee);
    let told = |offer: &Offer| match &offer.passed_over {
        Some(why) => format!("{} is passed over: {why}", offer.engine),
        None => format!("{} runs", offer.engine),
    };
    let reason = offers.iter().map(told).collect::<Vec<_>>().join("; ");
    match offers.iter().any(|offer| offer.passed_over.is_none()) {
        true => Check::ok(name, reason),
        false => Check::fail(
            name,
            reason,
            "run scripts/setup, or name the library in onnxruntime of bee.toml",
        ),
    }
    .gating()
}

fn models(bee: &str, dir: &Path) -> Check {
    let name = format!("models.{bee}");
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        match ModelPackage::from_dir(&path) {
            Ok(package) => good.push(format!(
                "{} {}",
                package.spec().name,
                package.spec().version
            )),
            Err(error) => bad.push(format!(
                "{}: {:#}",
                path.display(),
                anyhow::Error::new(error)
            )),
        }
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
