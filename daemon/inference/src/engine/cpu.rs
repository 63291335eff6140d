//! ONNX Runtime on the CPU: what runs where there is no GPU.

use std::num::NonZeroUsize;
use std::path::Path;

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::Tensor;

use super::{Engine, EngineError, EngineInfo, runtime};
use crate::package::{ModelPackage, spec};

/// A network on the CPU.
pub struct CpuEngine {
    session: Session,
    input: String,
    output: spec::Output,
    info: EngineInfo,
}

impl CpuEngine {
    /// Loads the package's network, with ONNX Runtime from `library`, on `threads` threads.
    pub fn load(
        package: &ModelPackage,
        library: &Path,
        threads: NonZeroUsize,
    ) -> Result<Self, EngineError> {
        let environment = runtime::environment(library)?;
        let session =
            session(package, &environment, threads).map_err(|source| EngineError::Runtime {
                action: "load the network",
                source,
            })?;
        let info = EngineInfo {
            backend: "onnxruntime-cpu".to_owned(),
            version: runtime::version(),
            precision: "f32",
            architecture: architecture(),
            kernels: swarm_kernels::KERNEL_SET,
        };
        let spec = package.spec();
        Ok(Self {
            session,
            input: spec.input.tensor.clone(),
            output: spec.output.clone(),
            info,
        })
    }
}

fn session(
    package: &ModelPackage,
    environment: &ort::environment::Environment,
    threads: NonZeroUsize,
) -> Result<Session, ort::Error> {
    Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads.get())?
        // Bees share cores: a waiting thread sleeps.
        .with_intra_op_spinning(false)?
        // A second run of the same job must give the same result.
        .with_deterministic_compute(true)?
        .commit_from_memory(package.onnx())
}

impl Engine for CpuEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn infer(&mut self, input: Vec<f32>, dims: [usize; 3]) -> Result<Vec<f32>, EngineError> {
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

/// The instruction sets that change which of ONNX Runtime's kernels run.
pub(super) fn architecture() -> String {
    let mut text = std::env::consts::ARCH.to_owned();
    #[cfg(target_arch = "x86_64")]
    for (name, there) in [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        (
            "avx512vnni",
            std::arch::is_x86_feature_detected!("avx512vnni"),
        ),
    ] {
        if there {
            text.push('+');
            text.push_str(name);
        }
    }
    text
}
