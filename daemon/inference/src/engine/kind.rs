//! Which engines there are, which suits which GPU best, and why one was passed over.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An engine that can run a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// TensorRT-RTX, on NVIDIA's RTX cards.
    TensorrtRtx,
    /// TensorRT, on NVIDIA's data-centre cards and others.
    Tensorrt,
    /// ONNX Runtime with its CUDA provider.
    #[serde(rename = "onnxruntime-cuda")]
    Cuda,
    /// ONNX Runtime on the processor.
    #[serde(rename = "onnxruntime-cpu")]
    Cpu,
}

impl EngineKind {
    /// All, fastest first.
    pub const ALL: [Self; 4] = [Self::TensorrtRtx, Self::Tensorrt, Self::Cuda, Self::Cpu];

    /// As in engines' descriptive strings.
    pub fn name(self) -> &'static str {
        match self {
            Self::TensorrtRtx => "tensorrt-rtx",
            Self::Tensorrt => "tensorrt",
            Self::Cuda => "onnxruntime-cuda",
            Self::Cpu => "onnxruntime-cpu",
        }
    }

    /// Why this engine is nothing for a GPU of that compute capability; nothing where it may be tried.
    pub fn unsuited(self, capability: (i32, i32)) -> Option<&'static str> {
        match self {
            Self::TensorrtRtx if !RTX_CAPABILITIES.contains(&capability) => {
                Some("the GPU is none of TensorRT-RTX's: compute capability 8.6, 8.9, 12.0 or 12.1")
            }
            _ => None,
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The compute capabilities that TensorRT-RTX 1.7 compiles for and its ONNX Runtime plugin accepts.
pub const RTX_CAPABILITIES: [(i32, i32); 4] = [(8, 6), (8, 9), (12, 0), (12, 1)];

/// An engine that would have been preferred to the one that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// Which.
    pub engine: EngineKind,
    /// Why it does not run, in words that name no path: they go into reports.
    pub reason: String,
    /// More of it, for the operator: what a library said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Considered {
    pub(crate) fn new(engine: EngineKind, reason: impl Into<String>) -> Self {
        Self {
            engine,
            reason: reason.into(),
            detail: None,
        }
    }

    /// As a report has it: without the detail.
    pub fn in_report(&self) -> Self {
        Self::new(self.engine, self.reason.clone())
    }
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.engine, self.reason)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_is_written() {
        for kind in EngineKind::ALL {
            let written = serde_json::to_value(kind).expect("a name");
            assert_eq!(written, kind.name());
        }
    }

    #[test]
    fn a_data_centre_card_is_none_of_tensorrt_rtx() {
        assert!(EngineKind::TensorrtRtx.unsuited((9, 0)).is_some());
        assert!(EngineKind::TensorrtRtx.unsuited((8, 6)).is_none());
        for kind in [EngineKind::Tensorrt, EngineKind::Cuda] {
            assert!(kind.unsuited((9, 0)).is_none());
        }
    }
}
