//! A network that takes an array of any shape, with ONNX Runtime on the CPU.

use std::num::NonZeroUsize;
use std::path::Path;

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::Tensor;
use swarm_package::TensorPackage;
use swarm_package::npy::Array;

use super::{EngineError, EngineInfo, cpu, runtime};

/// What the CPU engine calls itself. Loads ONNX Runtime from `library`.
///
/// # Errors
/// When the library cannot be loaded.
pub fn cpu_info(library: &Path) -> Result<EngineInfo, EngineError> {
    runtime::environment(library)?;
    Ok(EngineInfo {
        backend: "onnxruntime-cpu".to_owned(),
        version: runtime::version(),
        precision: "f32",
        architecture: cpu::architecture(),
        kernels: swarm_kernels::KERNEL_SET,
    })
}

/// A network on the CPU.
pub struct TensorEngine {
    session: Session,
    input: String,
    output: String,
    info: EngineInfo,
}

impl TensorEngine {
    /// Loads the package's network, with ONNX Runtime from `library`, on `threads` threads.
    ///
    /// # Errors
    /// When the library or the network cannot be loaded.
    pub fn load(
        package: &TensorPackage,
        library: &Path,
        threads: NonZeroUsize,
    ) -> Result<Self, EngineError> {
        let info = cpu_info(library)?;
        let environment = runtime::environment(library)?;
        let session = || -> Result<Session, ort::Error> {
            Session::builder(&environment)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(threads.get())?
                .with_intra_op_spinning(false)?
                .with_deterministic_compute(true)?
                .commit_from_memory(package.onnx())
        };
        let session = session().map_err(|source| EngineError::Runtime {
            action: "load the network",
            source,
        })?;
        Ok(Self {
            session,
            input: package.spec().input.tensor.clone(),
            output: package.spec().output.tensor.clone(),
            info,
        })
    }

    /// What runs: goes into every execution record.
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// The network's output for one input, in whatever shape it comes.
    ///
    /// # Errors
    /// When the runtime fails, or the output is not there.
    pub fn infer(&mut self, input: Array) -> Result<Array, EngineError> {
        let failed = |action| move |source| EngineError::Runtime { action, source };
        let tensor = Tensor::from_array((input.shape, input.values));
        let tensor = tensor.map_err(failed("take the input"))?;
        let outputs = self
            .session
            .run(ort::inputs![self.input.as_str() => tensor])
            .map_err(failed("run the network"))?;
        let output = outputs.get(self.output.as_str());
        let output = output.ok_or(EngineError::NoOutput)?;
        let (shape, values) = output
            .try_extract_tensor::<f32>()
            .map_err(failed("give the output"))?;
        let dim = |n: &i64| usize::try_from(*n).unwrap_or(0);
        Ok(Array {
            shape: shape.iter().map(dim).collect(),
            values: values.to_vec(),
        })
    }
}
