//! The way of a scan through a model: prepare, infer, finish. On the CPU, which is the reference; or, where the engine
//! shares memory with the kernels, on the GPU ([`device`]).

mod device;
mod finish;
mod prepare;
mod scan;
mod scores;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use swarm_imaging::Volume;
use swarm_kernels::device::DeviceError;
use swarm_kernels::view::View;
use swarm_kernels::{Field, Grid, KernelError};

use crate::engine::probe::Trial;
use crate::engine::{
    Accelerators, Considered, CpuEngine, Engine, EngineError, EngineInfo, EngineKind, Gpu, select,
};
use crate::golden::{self, GoldenError};
use crate::package::step::Preprocess;
use crate::package::{ModelPackage, PackageError, Spec};

use scan::Scan;

use device::{Finisher, Plan};
pub use prepare::INPUT_VOXELS_MAX;
pub use scores::{SCORES_MAX, WINDOWS_MAX};

/// What a pipeline runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineConfig {
    /// ONNX Runtime's library; [`crate::engine::default_runtime_path`] where nothing else is said.
    pub library: PathBuf,
    /// Threads of the network and of the kernels, one after the other.
    pub threads: NonZeroUsize,
}

/// What a running job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From the scan to the network's input.
    Prepare,
    /// The network.
    Infer,
    /// From scores to labels on the scan's grid.
    Finish,
    /// Results into files.
    Write,
}

impl Stage {
    /// For progress bars and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Infer => "infer",
            Self::Finish => "finish",
            Self::Write => "write",
        }
    }
}

/// Hears the stage and the part of it, 0 to 1, that is done.
pub type Progress<'a> = &'a mut (dyn FnMut(Stage, f32) + Send);

/// Labels on the scan's own grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    /// One a voxel, in the scan's order; 0 is background.
    pub labels: Vec<u8>,
    /// Voxels of the scan that were NaN or infinite and counted as 0.
    pub nonfinite_voxels: usize,
}

/// Why a scan or a model cannot be processed.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The engine failed.
    #[error("the engine failed")]
    Engine(#[from] EngineError),
    /// The model does not give the values that its package promises.
    #[error("the model fails its own golden cases and will not serve")]
    Golden(#[from] GoldenError),
    /// The package cannot be read again.
    #[error("the model package cannot be read")]
    Package(#[source] PackageError),
    /// The threads could not be started.
    #[error("cannot start {threads} threads")]
    Threads {
        /// How many were asked for.
        threads: NonZeroUsize,
        /// Why.
        source: rayon::ThreadPoolBuildError,
    },
    /// A step cannot take this scan.
    #[error("the scan cannot be processed")]
    Kernel(#[from] KernelError),
    /// The model was made for other scans.
    #[error("the scan's modality is {found}; {model} was made for {}", modalities.join(", "))]
    Modality {
        /// The scan's.
        found: String,
        /// The model's name.
        model: String,
        /// What it takes.
        modalities: Vec<String>,
    },
    /// The network cannot take these dims.
    #[error(
        "the prepared volume has dims {dims:?}, which must be multiples of {multiple}: the package lacks a pad"
    )]
    Size {
        /// Dims after preprocessing.
        dims: [usize; 3],
        /// `input.size_multiple`.
        multiple: usize,
    },
    /// More scores than [`SCORES_MAX`].
    #[error("{channels} scores for each voxel of {dims:?} are more than {SCORES_MAX}")]
    TooLarge {
        /// Dims after preprocessing.
        dims: [usize; 3],
        /// Scores a voxel.
        channels: usize,
    },
    /// More windows than [`WINDOWS_MAX`].
    #[error("the volume needs {count} windows, more than {WINDOWS_MAX}")]
    Windows {
        /// How many.
        count: usize,
    },
    /// The array is not one that the model takes, or makes it give what it must not.
    #[error("the array is refused: {problem}")]
    Array {
        /// Why.
        problem: String,
    },
    /// Results cannot be written.
    #[error("cannot write {file}")]
    Write {
        /// The result's name.
        file: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// One model, loaded and proven on its golden cases.
pub struct Pipeline {
    package: ModelPackage,
    engine: Box<dyn Engine>,
    /// The engine, with the kernels that ran last beside it.
    info: EngineInfo,
    /// Whether kernels on the engine's device may run beside it.
    on_device: bool,
    /// What the scan before left on the device for one of its shape.
    kept: Option<Finisher>,
    considered: Vec<Considered>,
    pool: rayon::ThreadPool,
}

impl Pipeline {
    /// Loads the package, whose folder or tar `place` is, on the fastest engine that this machine runs it with. Engines on a GPU
    /// are tried in a process of their own first; why each better one was passed over, [`Pipeline::considered`] says.
    pub fn load_fastest(
        package: ModelPackage,
        place: &Path,
        config: &PipelineConfig,
        accelerators: &Accelerators,
    ) -> Result<Self, PipelineError> {
        let mut considered = Vec::new();
        match select::gpu(accelerators) {
            Err(all) => considered = all,
            Ok(gpu) => {
                for kind in select::accelerated() {
                    match Self::load_on(kind, &package, place, config, accelerators, &gpu) {
                        Ok(pipeline) => return Ok(pipeline.preferred_over(considered)),
                        Err(passed) => considered.push(passed),
                    }
                }
            }
        }
        Ok(Self::load(package, config)?.preferred_over(considered))
    }

    fn load_on(
        kind: EngineKind,
        package: &ModelPackage,
        place: &Path,
        config: &PipelineConfig,
        accelerators: &Accelerators,
        gpu: &Gpu,
    ) -> Result<Self, Considered> {
        select::suited(kind, gpu)?;
        let PipelineConfig { library, threads } = config;
        let trial = Trial {
            engine: kind,
            package: Some(place.to_path_buf()),
            library: library.clone(),
            threads: *threads,
            gpu: gpu.clone(),
            accelerators: accelerators.clone(),
        };
        select::try_apart(accelerators, trial)?;
        select::load(kind, package, library, *threads, gpu, accelerators)
            .map_err(PipelineError::from)
            .and_then(|engine| Self::with_engine(package.clone(), engine, *threads))
            .map_err(|error| {
                let (reason, detail) = select::reason(&error);
                Considered {
                    engine: kind,
                    reason,
                    detail,
                }
            })
    }

    fn preferred_over(mut self, considered: Vec<Considered>) -> Self {
        for passed in &considered {
            tracing::info!(
                engine = %passed.engine,
                reason = passed.reason,
                detail = passed.detail,
                "engine passed over"
            );
        }
        self.considered = considered;
        self
    }

    /// The engines that would have been preferred, each with the reason why it does not run. Empty where the engine was
    /// not chosen among several.
    pub fn considered(&self) -> &[Considered] {
        &self.considered
    }

    /// Loads the package on the CPU and runs its golden cases.
    pub fn load(package: ModelPackage, config: &PipelineConfig) -> Result<Self, PipelineError> {
        let engine = CpuEngine::load(&package, &config.library, config.threads)?;
        Self::with_engine(package, Box::new(engine), config.threads)
    }

    /// The package on another engine, which must hold the package's network. Runs the golden cases.
    pub fn with_engine(
        package: ModelPackage,
        engine: Box<dyn Engine>,
        threads: NonZeroUsize,
    ) -> Result<Self, PipelineError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .thread_name(|number| format!("kernels-{number}"))
            .build()
            .map_err(|source| PipelineError::Threads { threads, source })?;
        let mut pipeline = Self {
            info: engine.info().clone(),
            package,
            engine,
            on_device: false,
            kept: None,
            considered: Vec::new(),
            pool,
        };
        for (number, case) in pipeline.package.spec().golden.iter().enumerate() {
            golden::run(pipeline.engine.as_mut(), number, case)?;
        }
        pipeline.engine.passed()?;
        pipeline.choose_kernels();
        tracing::info!(
            model = pipeline.package.spec().name,
            digest = %pipeline.package.digest(),
            engine = %pipeline.info,
            "model loaded and its golden cases passed"
        );
        Ok(pipeline)
    }

    /// Kernels run on the engine's device if it shares its memory, if there are some for the package's steps, and if they
    /// give the reference's labels.
    fn choose_kernels(&mut self) {
        let Self {
            package,
            engine,
            pool,
            ..
        } = self;
        if engine.resident().is_none() {
            return;
        }
        match pool.install(|| device::held_to_reference(package.spec(), engine.as_mut())) {
            Ok(()) => {
                self.on_device = true;
                self.info.kernels = swarm_kernels::DEVICE_KERNEL_SET;
            }
            Err(reason) => tracing::warn!(reason, "the GPU's kernels are passed over"),
        }
    }

    /// Runs the first golden case: the tiny inference that a bee's readiness needs.
    pub fn self_test(&mut self) -> Result<(), PipelineError> {
        let case = self
            .package
            .spec()
            .golden
            .first()
            .expect("a checked package has a golden case");
        Ok(golden::run(self.engine.as_mut(), 0, case)?)
    }

    /// The model.
    pub fn package(&self) -> &ModelPackage {
        &self.package
    }

    /// What runs it; after a scan, what that ran on.
    pub fn engine(&self) -> &EngineInfo {
        &self.info
    }

    /// What kernels and results are computed on.
    pub(crate) fn pool(&self) -> &rayon::ThreadPool {
        &self.pool
    }

    /// Labels every voxel of the scan.
    pub fn segment(
        &mut self,
        volume: &Volume,
        progress: Progress<'_>,
    ) -> Result<LabelMap, PipelineError> {
        let Self {
            package,
            engine,
            info,
            kept,
            pool,
            ..
        } = self;
        check_modality(volume, package)?;
        if self.on_device
            && let Some(resident) = engine.resident()
            && let Ok(plan) = Plan::of(package.spec())
        {
            info.kernels = swarm_kernels::DEVICE_KERNEL_SET;
            let spec = package.spec();
            match pool.install(|| device::segment(spec, &plan, resident, kept, volume, progress)) {
                // The scan's working set is too large for this card; the network's own is not.
                Err(PipelineError::Engine(EngineError::Device(DeviceError::Memory { bytes }))) => {
                    tracing::warn!(
                        bytes,
                        "too little memory on the GPU: the CPU prepares and finishes"
                    );
                }
                done => return done,
            }
        }
        info.kernels = swarm_kernels::KERNEL_SET;
        pool.install(|| segment(package.spec(), engine.as_mut(), volume, progress))
    }
}

fn check_modality(volume: &Volume, package: &ModelPackage) -> Result<(), PipelineError> {
    let spec = package.spec();
    match volume.modality() {
        // NIfTI does not say; the client chose the job type.
        None => Ok(()),
        Some(found)
            if spec
                .input
                .modalities
                .iter()
                .any(|modality| modality == found) =>
        {
            Ok(())
        }
        Some(found) => Err(PipelineError::Modality {
            found: found.to_owned(),
            model: spec.name.clone(),
            modalities: spec.input.modalities.clone(),
        }),
    }
}

/// The way on the CPU: the reference of every other.
fn segment(
    spec: &Spec,
    engine: &mut dyn Engine,
    volume: &Volume,
    progress: Progress<'_>,
) -> Result<LabelMap, PipelineError> {
    progress(Stage::Prepare, 0.0);
    let mut trace = prepare::Trace::default();
    let (field, nonfinite_voxels) =
        prepared(volume, &spec.preprocessing, &mut trace, &mut |part| {
            progress(Stage::Prepare, part)
        })?;

    progress(Stage::Infer, 0.0);
    let scores = scores::scores(spec, engine, &field, &mut |part| {
        progress(Stage::Infer, part)
    })?;
    drop(field);
    progress(Stage::Infer, 1.0);

    progress(Stage::Finish, 0.0);
    let labels = finish::labels(&spec.postprocessing, scores, &trace)?;
    progress(Stage::Finish, 1.0);
    let (grid, labels) = labels.into_parts();
    assert_eq!(
        grid.dims(),
        volume.dims(),
        "Invert ends on the scan's own grid"
    );
    Ok(LabelMap {
        labels,
        nonfinite_voxels,
    })
}

fn prepared(
    volume: &Volume,
    steps: &[Preprocess],
    trace: &mut prepare::Trace,
    progress: &mut dyn FnMut(f32),
) -> Result<(Field<f32>, usize), KernelError> {
    let scan = Scan::new(volume);
    let mut view = View::new(&scan, Grid::new(volume.dims(), volume.affine().0)?)?;
    for (number, step) in steps.iter().enumerate() {
        view = prepare::apply(step, view, trace)?;
        progress((number + 1) as f32 / steps.len() as f32);
    }
    Ok((view.into_field(), scan.nonfinite_voxels()))
}

/// A scan after `steps`: what a network gets to see. On the caller's rayon pool.
pub fn prepare(volume: &Volume, steps: &[Preprocess]) -> Result<Field<f32>, KernelError> {
    let mut trace = prepare::Trace::default();
    Ok(prepared(volume, steps, &mut trace, &mut |_| {})?.0)
}
