//! `swarm model compile`: an engine for a GPU that need not be here.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use swarm_inference::ModelPackage;
use swarm_inference::engine::select::artefacts_dir;
use swarm_inference::engine::tensorrt::{Description, Flavour, Library, Precision, compile};

use crate::cli::CompileArgs;
use crate::output::fields;
use crate::session::Session;

/// What was compiled, and where it lies.
#[derive(Serialize)]
struct Compiled<'a> {
    #[serde(flatten)]
    description: &'a Description,
    file: &'a Path,
    state: String,
}

/// `swarm model compile`.
pub fn run(session: &Session, args: CompileArgs) -> Result<()> {
    let package = ModelPackage::from_dir(&args.package)
        .with_context(|| format!("{} is no model package", args.package.display()))?;
    let library = Library::load(Flavour::Rtx, &Flavour::Rtx.default_folder())
        .context("TensorRT-RTX cannot be used: scripts/setup --tests installs it")?;
    let precision = if args.f16 {
        Precision::F16
    } else {
        Precision::F32
    };
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let artefact = compile(&library, &package, args.target, precision, threads)?;
    let folder: PathBuf = args.out.unwrap_or_else(artefacts_dir);
    let file = artefact.write(&folder)?;
    let description = artefact.description();
    let compiled = Compiled {
        description,
        file: &file,
        state: description.state(),
    };
    session.out.print(&compiled, |compiled, _| {
        let Description {
            name,
            model,
            version,
            target,
            precision,
            sha256,
            bytes,
            profile,
            ..
        } = compiled.description;
        fields(&[
            ("model", format!("{name} {model}")),
            (
                "engine",
                format!(
                    "TensorRT-RTX {version}, {}, {}",
                    target.name(),
                    precision.name()
                ),
            ),
            (
                "sizes",
                format!(
                    "{:?} to {:?}, best {:?}",
                    profile.least, profile.most, profile.best
                ),
            ),
            ("digest", format!("{sha256} ({bytes} bytes)")),
            ("file", compiled.file.display().to_string()),
            ("state", compiled.state.clone()),
        ])
    })
}
