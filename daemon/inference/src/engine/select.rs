//! Which engine a package gets on this machine, and why not another.

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use swarm_kernels::device::Device;

use super::probe::{self, Answer, Request, Trial};
use super::tensorrt::{
    Artefact, Description, Flavour, Library, Precision, Target, TensorRtEngine, compile,
};
use super::{Considered, CudaEngine, Engine, EngineError, EngineKind, Gpu, runtime};
use crate::package::ModelPackage;
use crate::pipeline::PipelineError;

/// Where engines beyond the CPU's are found, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accelerators {
    /// `swarmd`, which tries engines in a process of its own. Without it only the CPU is used.
    pub probe: Option<PathBuf>,
    /// Folder of TensorRT-RTX.
    pub tensorrt_rtx: PathBuf,
    /// Folder of TensorRT.
    pub tensorrt: PathBuf,
    /// Folder of compiled engines.
    pub artefacts: PathBuf,
    /// What TensorRT computes in.
    pub precision: Precision,
}

impl Default for Accelerators {
    /// Where `scripts/setup` puts them, the `swarmd` beside this program, and float32.
    fn default() -> Self {
        Self {
            probe: probe::beside(),
            tensorrt_rtx: Flavour::Rtx.default_folder(),
            tensorrt: Flavour::Full.default_folder(),
            artefacts: artefacts_dir(),
            precision: Precision::F32,
        }
    }
}

/// Compiled engines: `engines` in `$SWARM_CACHE`.
pub fn artefacts_dir() -> PathBuf {
    runtime::cache_dir().join("engines")
}

impl Accelerators {
    fn folder(&self, flavour: Flavour) -> &Path {
        match flavour {
            Flavour::Rtx => &self.tensorrt_rtx,
            Flavour::Full => &self.tensorrt,
        }
    }
}

/// What this machine has for engines, for an operator who asks.
#[derive(Debug, Clone, Serialize)]
pub struct Survey {
    /// The GPU; nothing where there is none.
    pub gpu: Option<Gpu>,
    /// Engines that may be tried here, in the order of preference. Whether one runs a model its golden cases say.
    pub usable: Vec<EngineKind>,
    /// The others, each with its reason.
    pub considered: Vec<Considered>,
    /// Compiled engines in the cache; [`Description::state`] says which of them never ran.
    pub compiled: Vec<Description>,
}

/// Looks for the GPU and at each engine's library, with no model. ONNX Runtime comes from `library`.
pub fn survey(library: &Path, accelerators: &Accelerators) -> Survey {
    let mut found = Survey {
        gpu: None,
        usable: Vec::new(),
        considered: Vec::new(),
        compiled: Artefact::list(&accelerators.artefacts),
    };
    match gpu(accelerators) {
        Err(all) => found.considered = all,
        Ok(gpu) => {
            for kind in accelerated() {
                let trial = Trial {
                    engine: kind,
                    package: None,
                    library: library.to_path_buf(),
                    threads: NonZeroUsize::MIN,
                    gpu: gpu.clone(),
                    accelerators: accelerators.clone(),
                };
                match suited(kind, &gpu).and_then(|()| try_apart(accelerators, trial)) {
                    Ok(()) => found.usable.push(kind),
                    Err(considered) => found.considered.push(considered),
                }
            }
            found.gpu = Some(gpu);
        }
    }
    found.usable.push(EngineKind::Cpu);
    found
}

/// Every engine but the CPU's, fastest first.
pub(crate) fn accelerated() -> impl Iterator<Item = EngineKind> {
    EngineKind::ALL
        .into_iter()
        .filter(|kind| *kind != EngineKind::Cpu)
}

/// The first GPU, looked for in a process of its own; else why every accelerated engine is passed over.
pub(crate) fn gpu(accelerators: &Accelerators) -> Result<Gpu, Vec<Considered>> {
    let all = |reason: &str, detail: Option<String>| {
        accelerated()
            .map(|engine| Considered {
                engine,
                reason: reason.to_owned(),
                detail: detail.clone(),
            })
            .collect()
    };
    let Some(program) = &accelerators.probe else {
        return Err(all(
            "there is no swarmd beside this program to try it in",
            None,
        ));
    };
    match probe::ask(program, &Request::Gpu) {
        Answer::Gpu(gpu) => Ok(gpu),
        Answer::Failed { reason, detail } => Err(all(&reason, detail)),
        Answer::Ran => Err(all("the probe gave no answer", None)),
    }
}

/// Whether the engine is something for the GPU at all.
pub(crate) fn suited(kind: EngineKind, gpu: &Gpu) -> Result<(), Considered> {
    match kind.unsuited(gpu.capability) {
        Some(reason) => Err(Considered {
            engine: kind,
            reason: reason.to_owned(),
            detail: Some(gpu.name.clone()),
        }),
        None => Ok(()),
    }
}

/// Tries an engine in a process of its own: what crashes, hangs or keeps memory there is a reason here.
pub(crate) fn try_apart(accelerators: &Accelerators, trial: Trial) -> Result<(), Considered> {
    let kind = trial.engine;
    let Some(program) = &accelerators.probe else {
        return Err(Considered::new(kind, "there is nothing to try it in"));
    };
    match probe::ask(program, &Request::Engine(Box::new(trial))) {
        Answer::Ran => Ok(()),
        Answer::Failed { reason, detail } => Err(Considered {
            engine: kind,
            reason,
            detail,
        }),
        Answer::Gpu(_) => Err(Considered::new(kind, "the probe gave no answer")),
    }
}

/// The GPU of that number, in this process.
pub(super) fn open_gpu(ordinal: usize) -> Result<Gpu, EngineError> {
    let device = Device::cuda(ordinal)?;
    Ok(Gpu {
        ordinal,
        name: device.name(),
        capability: device.capability(),
    })
}

/// Loads an accelerated engine into this process.
pub(crate) fn load(
    kind: EngineKind,
    package: &ModelPackage,
    library: &Path,
    threads: NonZeroUsize,
    gpu: &Gpu,
    accelerators: &Accelerators,
) -> Result<Box<dyn Engine>, EngineError> {
    let flavour = match kind {
        EngineKind::TensorrtRtx => Flavour::Rtx,
        EngineKind::Tensorrt => Flavour::Full,
        EngineKind::Cuda => {
            return Ok(Box::new(CudaEngine::load(package, library, threads, gpu)?));
        }
        EngineKind::Cpu => return Ok(Box::new(super::CpuEngine::load(package, library, threads)?)),
    };
    let tensorrt = Library::load(flavour, accelerators.folder(flavour))?;
    let folder = &accelerators.artefacts;
    let target = match flavour {
        Flavour::Rtx => Target::of(gpu.capability),
        Flavour::Full => Target::Here,
    };
    let found = Artefact::find(
        folder,
        package.digest(),
        target,
        flavour,
        &tensorrt.version(),
        accelerators.precision,
    )?;
    let artefact = match found {
        Some(artefact) => artefact,
        None => {
            let made = compile(&tensorrt, package, target, accelerators.precision, threads)?;
            made.write(folder)?;
            made
        }
    };
    let engine = TensorRtEngine::load(package, &tensorrt, artefact, folder, gpu)?;
    Ok(Box::new(engine))
}

/// Looks at an engine's library only.
pub(super) fn look(
    kind: EngineKind,
    library: &Path,
    accelerators: &Accelerators,
) -> Result<(), EngineError> {
    match kind {
        EngineKind::TensorrtRtx => {
            Library::load(Flavour::Rtx, &accelerators.tensorrt_rtx).map(drop)
        }
        EngineKind::Tensorrt => Library::load(Flavour::Full, &accelerators.tensorrt).map(drop),
        EngineKind::Cuda => CudaEngine::look(library),
        EngineKind::Cpu => runtime::environment(library).map(drop),
    }
}

/// Why an engine is passed over, in words without a path, and the whole chain as detail.
pub(crate) fn reason(error: &PipelineError) -> (String, Option<String>) {
    let short = match error {
        PipelineError::Engine(error) => match error {
            EngineError::NotInstalled { .. } => "it is not installed".to_owned(),
            EngineError::Load { .. } | EngineError::OtherLibrary { .. } => {
                "its library does not load".to_owned()
            }
            EngineError::Runtime { action, .. } => format!("ONNX Runtime failed to {action}"),
            EngineError::TensorRt { action, .. } => format!("TensorRT failed to {action}"),
            EngineError::Device(error) => error.to_string(),
            EngineError::Artefact { .. } | EngineError::File { .. } => {
                "its compiled engine cannot be read or written".to_owned()
            }
            EngineError::Tensors { .. }
            | EngineError::Dims { .. }
            | EngineError::Shape { .. }
            | EngineError::NoOutput => "it is not the package's network".to_owned(),
        },
        PipelineError::Golden(_) => "it misses the model's golden cases".to_owned(),
        other => other.to_string(),
    };
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push_str(": ");
        chain.push_str(&error.to_string());
        cause = error.source();
    }
    (short, Some(chain))
}
