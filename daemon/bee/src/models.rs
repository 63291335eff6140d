//! The models that a bee serves, and who runs them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use swarm_host::machine;
use swarm_imaging::Volume;
use swarm_inference::pipeline::Progress;
use swarm_inference::{
    Accelerators, Considered, Pipeline, PipelineConfig, PipelineError, TensorPipeline,
    default_runtime_path, engine,
};
use swarm_package::npy::Array;
use swarm_package::{Kind, Package, PackageError};
use swarm_types::B256;

use crate::cache::Cache;
use crate::{BeeConfig, BeeError, work};

/// Most packages that a bee serves.
const MODELS_MAX: usize = 64;

/// What a job brings.
pub enum Input {
    /// A scan.
    Scan(Volume),
    /// An array.
    Array(Array),
}

/// One model on one engine. [`Pipeline`] is one; a simulated rack has others.
pub trait Runner: Send {
    /// Digest of the model package.
    fn model(&self) -> B256;

    /// The model for people: NAME@VERSION.
    fn name(&self) -> String;

    /// What it takes.
    fn takes(&self) -> Kind {
        Kind::Scan
    }

    /// The engine's descriptive string.
    fn engine(&self) -> String;

    /// The engines that would have been preferred, and why they do not run.
    fn considered(&self) -> &[Considered] {
        &[]
    }

    /// A tiny inference with a known result.
    fn self_test(&mut self) -> Result<(), PipelineError>;

    /// The result files of an input of the kind that it takes.
    fn run(
        &mut self,
        input: &Input,
        progress: Progress<'_>,
    ) -> Result<Vec<(String, Vec<u8>)>, PipelineError>;
}

/// An input of the other kind: the bee reads inputs by what the model takes, so that this is never asked for.
fn wrong_kind() -> PipelineError {
    PipelineError::Array {
        problem: "it is not of the kind that the model takes".to_owned(),
    }
}

impl Runner for Pipeline {
    fn model(&self) -> B256 {
        self.package().digest()
    }

    fn name(&self) -> String {
        let spec = self.package().spec();
        format!("{}@{}", spec.name, spec.version)
    }

    fn engine(&self) -> String {
        Pipeline::engine(self).to_string()
    }

    fn considered(&self) -> &[Considered] {
        Pipeline::considered(self)
    }

    fn self_test(&mut self) -> Result<(), PipelineError> {
        Pipeline::self_test(self)
    }

    fn run(
        &mut self,
        input: &Input,
        progress: Progress<'_>,
    ) -> Result<Vec<(String, Vec<u8>)>, PipelineError> {
        match input {
            Input::Scan(volume) => {
                Pipeline::run(self, volume, progress).map(|results| results.files)
            }
            Input::Array(_) => Err(wrong_kind()),
        }
    }
}

impl Runner for TensorPipeline {
    fn model(&self) -> B256 {
        self.package().digest()
    }

    fn name(&self) -> String {
        let spec = self.package().spec();
        format!("{}@{}", spec.name, spec.version)
    }

    fn takes(&self) -> Kind {
        Kind::Tensor
    }

    fn engine(&self) -> String {
        TensorPipeline::engine(self).to_string()
    }

    fn considered(&self) -> &[Considered] {
        TensorPipeline::considered(self)
    }

    fn self_test(&mut self) -> Result<(), PipelineError> {
        TensorPipeline::self_test(self)
    }

    fn run(
        &mut self,
        input: &Input,
        progress: Progress<'_>,
    ) -> Result<Vec<(String, Vec<u8>)>, PipelineError> {
        match input {
            Input::Array(array) => TensorPipeline::run(self, array, progress),
            Input::Scan(_) => Err(wrong_kind()),
        }
    }
}

/// Where a model is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A directory of the models directory: there for good.
    Directory(PathBuf),
    /// A tar in the cache.
    Cache(PathBuf),
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::Directory(path) | Self::Cache(path) => path,
        }
    }
}

/// A model that this bee serves, and what runs it.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    /// NAME@VERSION.
    pub name: String,
    pub takes: Kind,
    /// The engine's descriptive string.
    pub engine: String,
    /// The engines that would have been preferred.
    pub considered: Vec<Considered>,
}

impl Served {
    fn by(runner: &dyn Runner) -> Self {
        Self {
            name: runner.name(),
            takes: runner.takes(),
            engine: runner.engine(),
            considered: runner.considered().to_vec(),
        }
    }
}

/// A model with its runners.
struct Entry {
    served: Served,
    /// `None`: made by the caller, and in memory for good.
    place: Option<Place>,
    free: Vec<Box<dyn Runner>>,
    /// Runners that compute.
    out: u32,
    /// When it was used last, counted in uses.
    used: u64,
}

impl Entry {
    fn is_warm(&self) -> bool {
        !self.free.is_empty() || self.out > 0
    }
}

#[derive(Default)]
struct State {
    entries: BTreeMap<B256, Entry>,
    uses: u64,
}

/// Runners by model: as many of each as computations may run at once, and of as many models as memory is for.
pub(crate) struct Models {
    state: Mutex<State>,
    pipeline: Option<PipelineConfig>,
    warm_max: usize,
    /// What is said of the engine while no model is there.
    engine: Option<String>,
}

impl Models {
    /// With runners of the caller's.
    pub fn of(runners: Vec<Box<dyn Runner>>, warm_max: usize) -> Self {
        let models = Self {
            state: Mutex::default(),
            pipeline: None,
            warm_max,
            engine: None,
        };
        models.add(None, runners);
        models
    }

    /// Digests of the packages.
    pub fn digests(&self) -> Vec<B256> {
        self.lock().entries.keys().copied().collect()
    }

    /// Digests of those in memory.
    pub fn warm(&self) -> Vec<B256> {
        let state = self.lock();
        let warm = state.entries.iter().filter(|(_, entry)| entry.is_warm());
        warm.map(|(digest, _)| *digest).collect()
    }

    /// Descriptive strings of the engines.
    pub fn engines(&self) -> Vec<String> {
        let state = self.lock();
        let served = state.entries.values().map(|entry| &entry.served);
        let mut engines: Vec<String> = served.map(|served| served.engine.clone()).collect();
        if engines.is_empty() {
            engines.extend(self.engine.clone());
        }
        engines.sort();
        engines.dedup();
        engines
    }

    /// Every model with what runs it.
    pub fn served(&self) -> Vec<(B256, Served)> {
        let state = self.lock();
        let served = |(digest, entry): (&B256, &Entry)| (*digest, entry.served.clone());
        state.entries.iter().map(served).collect()
    }

    /// What the model takes; `None` when this bee does not have it.
    pub fn takes(&self, model: &B256) -> Option<Kind> {
        let state = self.lock();
        state.entries.get(model).map(|entry| entry.served.takes)
    }

    /// Whether the model was pulled from the queen.
    pub fn is_pulled(&self, model: &B256) -> bool {
        let state = self.lock();
        let entry = state.entries.get(model);
        entry.is_some_and(|entry| matches!(entry.place, Some(Place::Cache(_))))
    }

    /// Loads a package from disk, proven on its golden cases: as many runners as `copies`.
    pub fn load(&self, place: &Place, copies: u32) -> Result<Vec<Box<dyn Runner>>, LoadError> {
        let config = self.pipeline.as_ref().ok_or(LoadError::NoEngine)?;
        let package = match place {
            Place::Directory(path) => Package::from_dir(path),
            Place::Cache(path) => {
                let file = std::fs::File::open(path).map_err(LoadError::Read)?;
                Package::from_tar(std::io::BufReader::new(file))
            }
        };
        let package = package.map_err(LoadError::Package)?;
        let head = package.head();
        tracing::info!(model = head.name, version = head.version, digest = %package.digest(), "loading a model");
        let accelerators = Accelerators::default();
        let load = |_| -> Result<Box<dyn Runner>, LoadError> {
            Ok(match package.clone() {
                Package::Scan(package) => {
                    let loaded =
                        Pipeline::load_fastest(package, place.path(), config, &accelerators);
                    Box::new(loaded.map_err(LoadError::Pipeline)?)
                }
                Package::Tensor(package) => {
                    Box::new(TensorPipeline::load(package, config).map_err(LoadError::Pipeline)?)
                }
            })
        };
        (0..copies).map(load).collect()
    }

    /// Serves the model of these runners from now on.
    pub fn add(&self, place: Option<Place>, runners: Vec<Box<dyn Runner>>) {
        let mut state = self.lock();
        for runner in runners {
            state.uses += 1;
            let uses = state.uses;
            let entry = state
                .entries
                .entry(runner.model())
                .or_insert_with(|| Entry {
                    served: Served::by(runner.as_ref()),
                    place: place.clone(),
                    free: Vec::new(),
                    out: 0,
                    used: 0,
                });
            entry.used = uses;
            entry.free.push(runner);
        }
        self.cool(&mut state);
    }

    /// Serves the model no more. What computes with it now ends first.
    pub fn remove(&self, model: &B256) {
        self.lock().entries.remove(model);
    }

    /// Lets the least recently used models go from memory until as many are left as there may be; never one that computes,
    /// nor one that could not be loaded again.
    fn cool(&self, state: &mut State) {
        while state.entries.values().filter(|e| e.is_warm()).count() > self.warm_max {
            let idle = state
                .entries
                .values_mut()
                .filter(|entry| entry.place.is_some() && entry.out == 0 && !entry.free.is_empty());
            let Some(oldest) = idle.min_by_key(|entry| entry.used) else {
                return;
            };
            oldest.free.clear();
        }
    }

    /// Runs `work` with a free runner of the model, which is loaded when none is in memory. Whoever has a permit to compute
    /// finds one free.
    pub fn with<T>(&self, model: &B256, work: impl FnOnce(&mut dyn Runner) -> T) -> Ran<T> {
        let (taken, place) = {
            let mut state = self.lock();
            state.uses += 1;
            let uses = state.uses;
            let Some(entry) = state.entries.get_mut(model) else {
                return Ran::NoModel;
            };
            entry.used = uses;
            entry.out += 1;
            (entry.free.pop(), entry.place.clone())
        };
        // A model that is loaded again may get another engine: a GPU came or went.
        let anew = taken.is_none();
        let loaded = match (taken, place) {
            (Some(runner), _) => Ok(runner),
            (None, None) => Err("every copy of the model is in use".to_owned()),
            (None, Some(place)) => {
                let loaded = catch_unwind(AssertUnwindSafe(|| self.load(&place, 1)));
                match loaded {
                    Ok(Ok(mut runners)) => {
                        runners.pop().ok_or_else(|| "no copy was loaded".to_owned())
                    }
                    Ok(Err(error)) => Err(work::explain(&error)),
                    Err(_panic) => Err("loading the model crashed".to_owned()),
                }
            }
        };
        let (result, runner) = match loaded {
            // A runner that panicked goes back: its next self-test says whether it still computes rightly.
            Ok(mut runner) => {
                let result = catch_unwind(AssertUnwindSafe(|| work(runner.as_mut())));
                (result.map_or(Ran::Crashed, Ran::Done), Some(runner))
            }
            Err(why) => (Ran::Failed(why), None),
        };
        let mut state = self.lock();
        // One that was removed meanwhile goes with its runner.
        if let Some(entry) = state.entries.get_mut(model) {
            entry.out = entry.out.saturating_sub(1);
            if let Some(runner) = runner.as_deref().filter(|_| anew) {
                entry.served = Served::by(runner);
            }
            entry.free.extend(runner);
            self.cool(&mut state);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of work with a runner.
pub(crate) enum Ran<T> {
    /// It returned.
    Done(T),
    /// It panicked.
    Crashed,
    /// The model could not be loaded.
    Failed(String),
    /// This bee does not have the model.
    NoModel,
}

/// Why a package on disk is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// It cannot be opened.
    #[error("the package cannot be read")]
    Read(#[source] std::io::Error),
    /// It is refused.
    #[error("the package is refused")]
    Package(#[source] PackageError),
    /// It does not run, or misses its golden cases.
    #[error("the model does not run here")]
    Pipeline(#[source] PipelineError),
    /// The file is not what its name says.
    #[error("the package on disk is another one than its name says")]
    Other,
    /// The caller brought runners of its own.
    #[error("this bee loads no models")]
    NoEngine,
}

/// Loads every package in the models directory and in the cache, proven on its golden cases.
pub(crate) fn load(config: &BeeConfig) -> Result<(Models, Option<Cache>), BeeError> {
    let pipeline = PipelineConfig {
        library: config
            .onnxruntime
            .clone()
            .unwrap_or_else(default_runtime_path),
        threads: config.threads.unwrap_or_else(|| {
            NonZeroUsize::new(machine::processors()).expect("a box has a processor")
        }),
    };
    let engine = engine::cpu_info(&pipeline.library).map_err(BeeError::Engine)?;
    let models = Models {
        state: Mutex::default(),
        pipeline: Some(pipeline),
        warm_max: config.warm_models_max,
        engine: Some(engine.to_string()),
    };
    for path in packages(config)? {
        load_one(&models, &path, config.concurrency)?;
    }
    let Some(dir) = &config.model_cache else {
        return Ok((models, None));
    };
    let cache = Cache::open(dir.clone(), config.model_cache_bytes_max).map_err(|source| {
        BeeError::Cache {
            path: dir.clone(),
            source,
        }
    })?;
    for digest in cache.digests() {
        if models.takes(&digest).is_some() || models.digests().len() >= MODELS_MAX {
            continue;
        }
        let place = Place::Cache(cache.path(&digest));
        // Jobs from before a restart may need it, whatever the queen says of it now.
        match models.load(&place, config.concurrency) {
            Ok(runners) if runners.iter().all(|runner| runner.model() == digest) => {
                models.add(Some(place), runners);
            }
            Ok(_other) => {
                tracing::warn!(%digest, "a cached package is another one than its name says; it is pulled again");
                cache.remove(&digest);
            }
            Err(error) => {
                tracing::warn!(%digest, error = work::explain(&error), "a cached package does not load; it is pulled again");
                cache.remove(&digest);
            }
        }
    }
    Ok((models, Some(cache)))
}

/// The directories of the models directory.
fn packages(config: &BeeConfig) -> Result<Vec<PathBuf>, BeeError> {
    let dir = &config.models;
    let unreadable = |source| BeeError::Models {
        path: dir.clone(),
        source,
    };
    let pulls = config.model_cache.is_some();
    let mut paths = Vec::new();
    let entries = match std::fs::read_dir(dir) {
        Err(error) if pulls && error.kind() == std::io::ErrorKind::NotFound => return Ok(paths),
        entries => entries.map_err(unreadable)?,
    };
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() && !pulls {
        return Err(BeeError::NoModels(dir.clone()));
    }
    if paths.len() > MODELS_MAX {
        return Err(BeeError::TooManyModels {
            path: dir.clone(),
            max: MODELS_MAX,
        });
    }
    Ok(paths)
}

fn load_one(models: &Models, path: &Path, copies: u32) -> Result<(), BeeError> {
    let place = Place::Directory(path.to_owned());
    let path = path.to_owned();
    let runners = models.load(&place, copies).map_err(|error| match error {
        LoadError::Package(source) => BeeError::Package { path, source },
        LoadError::Pipeline(source) => BeeError::Pipeline { path, source },
        LoadError::Read(source) => BeeError::Models { path, source },
        LoadError::NoEngine | LoadError::Other => {
            unreachable!("made with an engine, from a directory")
        }
    })?;
    models.add(Some(place), runners);
    Ok(())
}

/// Whether one more model may be served.
pub(crate) fn has_room(models: &Models) -> bool {
    models.digests().len() < MODELS_MAX
}
