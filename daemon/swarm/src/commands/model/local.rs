//! Packages on this machine, proven with ONNX Runtime.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use swarm_inference::pipeline::PipelineError;
use swarm_inference::{Pipeline, PipelineConfig, TensorPipeline, default_runtime_path};
use swarm_package::Package;
use swarm_types::B256;

use crate::exit::Failure;
use crate::output::fields;
use crate::session::Session;

/// A package whose golden cases passed here.
#[derive(Serialize)]
pub struct Verified {
    /// Digest of the package.
    pub digest: B256,
    name: String,
    version: String,
    licence: String,
    job_type: String,
    kind: &'static str,
    engine: String,
    golden_cases: usize,
}

/// What the golden cases run on: every processor of this machine.
pub fn config(onnxruntime: Option<PathBuf>) -> PipelineConfig {
    PipelineConfig {
        library: onnxruntime.unwrap_or_else(default_runtime_path),
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    }
}

/// Checks the package and runs its golden cases.
pub fn prove(path: &Path, config: &PipelineConfig) -> Result<Verified> {
    let shown = path.display();
    let package = match path.is_dir() {
        true => Package::from_dir(path),
        false => {
            let file = std::fs::File::open(path).with_context(|| format!("open {shown}"))?;
            Package::from_tar(std::io::BufReader::new(file))
        }
    };
    let package = package.with_context(|| format!("{shown} is refused"))?;
    let (digest, head) = (package.digest(), package.head());
    let kind = head.kind.name();
    let (name, version) = (head.name.to_owned(), head.version.to_owned());
    let (licence, job_type) = (head.licence.to_owned(), head.job_type.to_owned());
    let loaded = match package {
        Package::Scan(package) => Pipeline::load(package, config).map(|pipeline| {
            let cases = pipeline.package().spec().golden.len();
            (pipeline.engine().to_string(), cases)
        }),
        Package::Tensor(package) => TensorPipeline::load(package, config).map(|pipeline| {
            let cases = pipeline.package().spec().golden.len();
            (pipeline.engine().to_string(), cases)
        }),
    };
    let (engine, golden_cases) = loaded.map_err(|error| match error {
        PipelineError::Golden(cause) => anyhow::Error::new(Failure::check(format!(
            "{name} {version} fails its golden cases: {cause}"
        ))),
        other => anyhow::Error::new(other).context(format!("{name} {version} does not run here")),
    })?;
    Ok(Verified {
        digest,
        name,
        version,
        licence,
        job_type,
        kind,
        engine,
        golden_cases,
    })
}

/// `swarm model verify`.
pub fn verify(session: &Session, path: &Path, onnxruntime: Option<PathBuf>) -> Result<()> {
    let verified = prove(path, &config(onnxruntime))?;
    session.out.print(&verified, describe)
}

/// In words.
pub fn describe(verified: &Verified, out: &crate::output::Output) -> String {
    fields(&[
        (
            "model",
            out.bold(format!("{} {}", verified.name, verified.version)),
        ),
        ("digest", verified.digest.to_string()),
        ("job type", verified.job_type.clone()),
        ("licence", verified.licence.clone()),
        ("engine", verified.engine.clone()),
        (
            "golden cases",
            format!("{} {}", verified.golden_cases, out.verdict(true)),
        ),
    ])
}
