//! The models that a bee serves, and who runs them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use swarm_host::machine;
use swarm_imaging::Volume;
use swarm_inference::pipeline::Progress;
use swarm_inference::{
    ModelPackage, Pipeline, PipelineConfig, PipelineError, default_runtime_path,
};
use swarm_types::B256;

use crate::{BeeConfig, BeeError};

/// Most packages that a bee loads.
const MODELS_MAX: usize = 64;

/// One model on one engine. [`Pipeline`] is one; a simulated rack has others.
pub trait Runner: Send {
    /// Digest of the model package.
    fn model(&self) -> B256;

    /// The engine's descriptive string.
    fn engine(&self) -> String;

    /// A tiny inference with a known result.
    fn self_test(&mut self) -> Result<(), PipelineError>;

    /// The result files of a scan.
    fn run(
        &mut self,
        volume: &Volume,
        progress: Progress<'_>,
    ) -> Result<Vec<(String, Vec<u8>)>, PipelineError>;
}

impl Runner for Pipeline {
    fn model(&self) -> B256 {
        self.package().digest()
    }

    fn engine(&self) -> String {
        Pipeline::engine(self).to_string()
    }

    fn self_test(&mut self) -> Result<(), PipelineError> {
        Pipeline::self_test(self)
    }

    fn run(
        &mut self,
        volume: &Volume,
        progress: Progress<'_>,
    ) -> Result<Vec<(String, Vec<u8>)>, PipelineError> {
        Pipeline::run(self, volume, progress).map(|results| results.files)
    }
}

/// Runners by model: as many of each as computations may run at once.
pub(crate) struct Models {
    digests: Vec<B256>,
    engines: Vec<String>,
    free: Mutex<BTreeMap<B256, Vec<Box<dyn Runner>>>>,
}

impl Models {
    pub fn new(runners: Vec<Box<dyn Runner>>) -> Self {
        let mut free: BTreeMap<B256, Vec<_>> = BTreeMap::new();
        let mut engines: Vec<String> = runners.iter().map(|runner| runner.engine()).collect();
        engines.sort();
        engines.dedup();
        for runner in runners {
            free.entry(runner.model()).or_default().push(runner);
        }
        Self {
            digests: free.keys().copied().collect(),
            engines,
            free: Mutex::new(free),
        }
    }

    /// Digests of the packages.
    pub fn digests(&self) -> &[B256] {
        &self.digests
    }

    /// Descriptive strings of the engines.
    pub fn engines(&self) -> &[String] {
        &self.engines
    }

    /// Runs `work` with a free runner of the model. Whoever has a permit to compute finds one free.
    pub fn with<T>(&self, model: &B256, work: impl FnOnce(&mut dyn Runner) -> T) -> Ran<T> {
        let taken = self.lock().get_mut(model).and_then(Vec::pop);
        let Some(mut runner) = taken else {
            return Ran::NoModel;
        };
        // A runner that panicked goes back: its next self-test says whether it still computes rightly.
        let result = catch_unwind(AssertUnwindSafe(|| work(runner.as_mut())));
        self.lock().entry(*model).or_default().push(runner);
        result.map_or(Ran::Crashed, Ran::Done)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<B256, Vec<Box<dyn Runner>>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of work with a runner.
pub(crate) enum Ran<T> {
    /// It returned.
    Done(T),
    /// It panicked.
    Crashed,
    /// This bee does not have the model.
    NoModel,
}

/// Loads every package in the models directory, proven on its golden cases.
pub(crate) fn load(config: &BeeConfig) -> Result<Vec<Box<dyn Runner>>, BeeError> {
    let dir = &config.models;
    let unreadable = |source| BeeError::Models {
        path: dir.clone(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(BeeError::NoModels(dir.clone()));
    }
    if paths.len() > MODELS_MAX {
        return Err(BeeError::TooManyModels {
            path: dir.clone(),
            max: MODELS_MAX,
        });
    }
    let pipeline = PipelineConfig {
        library: config
            .onnxruntime
            .clone()
            .unwrap_or_else(default_runtime_path),
        threads: config.threads.unwrap_or_else(|| {
            NonZeroUsize::new(machine::processors()).expect("a box has a processor")
        }),
    };
    let mut runners = Vec::new();
    for path in paths {
        runners.extend(load_one(&path, &pipeline, config.concurrency)?);
    }
    Ok(runners)
}

fn load_one(
    path: &Path,
    config: &PipelineConfig,
    copies: u32,
) -> Result<Vec<Box<dyn Runner>>, BeeError> {
    let package = ModelPackage::from_dir(path).map_err(|source| BeeError::Package {
        path: path.to_owned(),
        source,
    })?;
    let spec = package.spec();
    tracing::info!(model = %spec.name, version = %spec.version, digest = %package.digest(), "loading a model");
    let load = |_| -> Result<Box<dyn Runner>, BeeError> {
        let pipeline =
            Pipeline::load(package.clone(), config).map_err(|source| BeeError::Pipeline {
                path: path.to_owned(),
                source,
            })?;
        Ok(Box::new(pipeline))
    };
    (0..copies).map(load).collect()
}
