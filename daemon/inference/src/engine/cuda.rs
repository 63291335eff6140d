//! ONNX Runtime's CUDA provider: any GPU of our list, without a compiled engine.

use std::num::NonZeroUsize;
use std::path::Path;

use ort::ep::{CUDA, ExecutionProvider};

use super::session::OrtSession;
use super::{Engine, EngineError, EngineInfo, EngineKind, Gpu, runtime};
use crate::package::ModelPackage;

/// A network on a GPU, through ONNX Runtime.
pub struct CudaEngine {
    session: OrtSession,
    info: EngineInfo,
}

impl CudaEngine {
    /// Loads the package's network onto `gpu`. `library` must be the ONNX Runtime that has the CUDA provider.
    pub fn load(
        package: &ModelPackage,
        library: &Path,
        threads: NonZeroUsize,
        gpu: &Gpu,
    ) -> Result<Self, EngineError> {
        let environment = runtime::environment(library)?;
        // Float32 as written: results are compared with other engines'.
        let provider = CUDA::default()
            .with_device_id(gpu.ordinal as i32)
            .with_tf32(false)
            .build()
            .error_on_failure();
        let session = OrtSession::load(package, &environment, threads, &[provider])?;
        let info = EngineInfo {
            backend: EngineKind::Cuda.name().to_owned(),
            version: runtime::version(),
            precision: "f32",
            architecture: gpu.architecture(),
            kernels: swarm_kernels::KERNEL_SET,
        };
        Ok(Self { session, info })
    }
}

impl CudaEngine {
    /// Whether the ONNX Runtime of `library` has the CUDA provider.
    pub(super) fn look(library: &Path) -> Result<(), EngineError> {
        runtime::environment(library)?;
        let failed = |source| EngineError::Runtime {
            action: "list its providers",
            source,
        };
        if CUDA::is_available().map_err(failed)? {
            return Ok(());
        }
        Err(EngineError::NotInstalled {
            engine: EngineKind::Cuda,
            path: format!("CUDA provider in {}", library.display()),
        })
    }
}

impl Engine for CudaEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn infer(&mut self, input: Vec<f32>, dims: [usize; 3]) -> Result<Vec<f32>, EngineError> {
        self.session.infer(input, dims)
    }
}
