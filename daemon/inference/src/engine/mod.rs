//! Engines: what runs a network. One trait, so that a GPU engine stands where the CPU one does.
//!
//! [`EngineKind::ALL`] is the order of preference. [`crate::Pipeline::load_fastest`] takes the first that this machine
//! can run and that passes the package's golden cases, tried in a process of its own ([`probe`]); each one before it is
//! a [`Considered`] with its reason.

mod cpu;
mod cuda;
mod kind;
pub mod probe;
mod runtime;
pub mod select;
mod session;
mod tensor;
pub mod tensorrt;

use std::fmt;

use serde::{Deserialize, Serialize};
use swarm_kernels::device::{Buffer, Device, DeviceError};
use swarm_types::{B256, sha256};

pub use cpu::CpuEngine;
pub use cuda::CudaEngine;
pub use kind::{Considered, EngineKind, RTX_CAPABILITIES};
pub use runtime::{RUNTIME_ENV, default_runtime_path};
pub use select::Accelerators;
pub use tensor::{TensorEngine, cpu_info};

/// Runs one network. Tensors are float32 with z fastest.
pub trait Engine: Send {
    /// What runs: goes into every execution record.
    fn info(&self) -> &EngineInfo;

    /// The network's output for one input of `dims` voxels (x, y, z): channel after channel, same dims.
    fn infer(&mut self, input: Vec<f32>, dims: [usize; 3]) -> Result<Vec<f32>, EngineError>;

    /// The engine over device memory, where it has that: kernels before and after it then run on the same device.
    fn resident(&mut self) -> Option<&mut dyn Resident> {
        None
    }

    /// Hears that all golden cases passed. An engine that was compiled notes that it ran.
    fn passed(&mut self) -> Result<(), EngineError> {
        Ok(())
    }
}

/// An engine that reads and writes a device's memory on the device's own stream.
pub trait Resident: Send {
    /// Where.
    fn device(&self) -> &Device;

    /// Queues one run behind what the device's stream has: no copy, no wait. Both buffers hold float32 with z fastest, at
    /// addresses that are multiples of 256; `output` channel after channel.
    fn queue(
        &mut self,
        input: &Buffer<f32>,
        dims: [usize; 3],
        output: &mut Buffer<f32>,
    ) -> Result<(), EngineError>;
}

/// A GPU of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// The driver's number of it, from 0.
    pub ordinal: usize,
    /// Name and compute capability, for people.
    pub name: String,
    /// Before and after the point.
    pub capability: (i32, i32),
}

impl Gpu {
    /// As in engines' descriptive strings.
    fn architecture(&self) -> String {
        self.name.clone()
    }
}

/// The engine's descriptive string, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// [`EngineKind::name`].
    pub backend: String,
    /// The library's version or commit.
    pub version: String,
    /// `f32` or `f16`.
    pub precision: &'static str,
    /// Instruction set, or GPU architecture.
    pub architecture: String,
    /// Which preprocessing kernels run beside it.
    pub kernels: &'static str,
}

impl EngineInfo {
    /// The `engine` of an Execution: SHA-256 of the descriptive string.
    pub fn digest(&self) -> B256 {
        sha256(self.to_string())
    }
}

impl fmt::Display for EngineInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            backend,
            version,
            precision,
            architecture,
            kernels,
        } = self;
        write!(
            f,
            "{backend} {version}; {precision}; {architecture}; {kernels}"
        )
    }
}

/// Why an engine cannot start or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// ONNX Runtime's library is not there or not usable.
    #[error(
        "cannot load ONNX Runtime from {path}; run scripts/setup, or name the library in {RUNTIME_ENV}"
    )]
    Load {
        /// The library's file.
        path: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// One process loads one library.
    #[error(
        "ONNX Runtime was loaded from {loaded} already and cannot be loaded from {path} as well"
    )]
    OtherLibrary {
        /// The one in use.
        loaded: String,
        /// The one asked for.
        path: String,
    },
    /// The runtime refused something.
    #[error("ONNX Runtime failed to {action}")]
    Runtime {
        /// What it was to do.
        action: &'static str,
        /// Its words.
        source: ort::Error,
    },
    /// The network gave nothing of that name.
    #[error("the network gives no output of the name that model.toml says")]
    NoOutput,
    /// The output is not what `model.toml` says.
    #[error("the network's output has shape {found:?}, not {expected:?}")]
    Shape {
        /// What came out.
        found: Vec<i64>,
        /// What should have.
        expected: [usize; 5],
    },
    /// An engine's library is not on this machine.
    #[error("{engine} is not installed: there is no {path}")]
    NotInstalled {
        /// Which.
        engine: EngineKind,
        /// What was looked for.
        path: String,
    },
    /// TensorRT refused something.
    #[error("TensorRT failed to {action}: {words}")]
    TensorRt {
        /// What it was to do.
        action: &'static str,
        /// Its words.
        words: String,
    },
    /// A compiled network is not the package's.
    #[error("the compiled network's tensors are not those of model.toml: {found:?}")]
    Tensors {
        /// What it has.
        found: Vec<tensorrt::Tensor>,
    },
    /// A compiled network takes other sizes.
    #[error("the engine was compiled for {least:?} to {most:?}, not for {dims:?}")]
    Dims {
        /// What was to go in.
        dims: [usize; 3],
        /// The smallest.
        least: [usize; 3],
        /// The largest.
        most: [usize; 3],
    },
    /// The GPU refused something.
    #[error("the GPU cannot be used")]
    Device(#[from] DeviceError),
    /// A compiled engine in the cache is not what it should be.
    #[error("{path} {reason}")]
    Artefact {
        /// The file.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A file of the engines' cache cannot be read or written.
    #[error("cannot read or write {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_description_changes_the_digest() {
        let info = EngineInfo {
            backend: "onnxruntime-cpu".to_owned(),
            version: "1.31".to_owned(),
            precision: "f32",
            architecture: "x86_64".to_owned(),
            kernels: "cpu-reference-1",
        };
        assert_eq!(
            info.to_string(),
            "onnxruntime-cpu 1.31; f32; x86_64; cpu-reference-1"
        );
        for other in [
            EngineInfo {
                version: "1.32".to_owned(),
                ..info.clone()
            },
            EngineInfo {
                precision: "f16",
                ..info.clone()
            },
            EngineInfo {
                architecture: "aarch64".to_owned(),
                ..info.clone()
            },
            EngineInfo {
                kernels: "cpu-reference-2",
                ..info.clone()
            },
        ] {
            assert_ne!(info.digest(), other.digest());
        }
    }
}
