//! A network in ONNX Runtime, on whichever of its providers.

use std::num::NonZeroUsize;

use ort::ep::ExecutionProviderDispatch;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::Tensor;

use super::EngineError;
use crate::package::{ModelPackage, spec};

/// The network, and the names of what goes in and comes out.
pub(super) struct OrtSession {
    session: Session,
    input: String,
    output: spec::Output,
}

impl OrtSession {
    /// Loads the package's network. A provider that cannot be had is an error.
    pub fn load(
        package: &ModelPackage,
        environment: &ort::environment::Environment,
        threads: NonZeroUsize,
        providers: &[ExecutionProviderDispatch],
    ) -> Result<Self, EngineError> {
        let session = session(package, environment, threads, providers).map_err(|source| {
            EngineError::Runtime {
                action: "load the network",
                source,
            }
        })?;
        let spec = package.spec();
        Ok(Self {
            session,
            input: spec.input.tensor.clone(),
            output: spec.output.clone(),
        })
    }

    /// [`super::Engine::infer`].
    pub fn infer(&mut self, input: Vec<f32>, dims: [usize; 3]) -> Result<Vec<f32>, EngineError> {
        let failed = |action| move |source| EngineError::Runtime { action, source };
        let [x, y, z] = dims;
        let tensor =
            Tensor::from_array(([1, 1, x, y, z], input)).map_err(failed("take the input"))?;
        let outputs = self
            .session
            .run(ort::inputs![self.input.as_str() => tensor])
            .map_err(failed("run the network"))?;
        let output =
            outputs
                .get(self.output.tensor.as_str())
                .ok_or_else(|| EngineError::Shape {
                    found: Vec::new(),
                    expected: [1, self.output.channels, x, y, z],
                })?;
        let (shape, values) = output
            .try_extract_tensor::<f32>()
            .map_err(failed("give the output"))?;
        let expected = [1, self.output.channels, x, y, z];
        if !shape.iter().copied().eq(expected.map(|n| n as i64)) {
            return Err(EngineError::Shape {
                found: shape.to_vec(),
                expected,
            });
        }
        Ok(values.to_vec())
    }
}

fn session(
    package: &ModelPackage,
    environment: &ort::environment::Environment,
    threads: NonZeroUsize,
    providers: &[ExecutionProviderDispatch],
) -> Result<Session, ort::Error> {
    Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads.get())?
        // Bees share cores: a waiting thread sleeps.
        .with_intra_op_spinning(false)?
        // A second run of the same job must give the same result.
        .with_deterministic_compute(true)?
        .with_execution_providers(providers)?
        .commit_from_memory(package.onnx())
}
