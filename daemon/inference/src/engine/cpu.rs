//! ONNX Runtime on the CPU: what runs where there is no GPU.

use std::num::NonZeroUsize;
use std::path::Path;

use super::session::OrtSession;
use super::{Engine, EngineError, EngineInfo, EngineKind, runtime};
use crate::package::ModelPackage;

/// A network on the CPU.
pub struct CpuEngine {
    session: OrtSession,
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
        let session = OrtSession::load(package, &environment, threads, &[])?;
        let info = EngineInfo {
            backend: EngineKind::Cpu.name().to_owned(),
            version: runtime::version(),
            precision: "f32",
            architecture: architecture(),
            kernels: swarm_kernels::KERNEL_SET,
        };
        Ok(Self { session, info })
    }
}

impl Engine for CpuEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn infer(&mut self, input: Vec<f32>, dims: [usize; 3]) -> Result<Vec<f32>, EngineError> {
        self.session.infer(input, dims)
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
