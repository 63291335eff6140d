//! TensorRT in its two flavours: networks compiled ahead of time, run on the GPU's own stream.
//!
//! - [`compile()`] makes an [`Artefact`] of a package for a [`Target`], with no GPU needed for TensorRT-RTX;
//! - [`TensorRtEngine`] runs one, reading and writing the kernels' buffers where they are.
//!
//! NVIDIA's libraries are not linked: [`Library::load`] opens them from a folder, through the shim beside them.

mod artefact;
mod compile;
mod library;
mod run;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use artefact::{Artefact, Description};
pub use compile::{Profile, compile, profile};
pub use library::{Library, Validity};
pub use run::TensorRtEngine;

use super::{EngineKind, runtime};

/// Which TensorRT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// For RTX cards; compiles without one.
    Rtx,
    /// For data-centre cards; compiles on the card it is for.
    Full,
}

impl Flavour {
    /// The engine that it is.
    pub fn kind(self) -> EngineKind {
        match self {
            Self::Rtx => EngineKind::TensorrtRtx,
            Self::Full => EngineKind::Tensorrt,
        }
    }

    /// Runtime with compiler, and ONNX reader.
    fn files(self) -> [&'static str; 2] {
        match self {
            Self::Rtx => ["libtensorrt_rtx.so.1", "libtensorrt_onnxparser_rtx.so.1"],
            Self::Full => ["libnvinfer.so.11", "libnvonnxparser.so.11"],
        }
    }

    /// Where `tensorrt/build` puts it: `tensorrt-rtx` or `tensorrt` in `$SWARM_CACHE`.
    pub fn default_folder(self) -> PathBuf {
        runtime::cache_dir().join(self.kind().name())
    }
}

/// What an engine is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// GeForce RTX 30, RTX A6000.
    Sm86,
    /// GeForce RTX 40, RTX 6000 Ada.
    Sm89,
    /// GeForce RTX 50, RTX PRO 6000.
    Sm120,
    /// The GPU of the machine that compiles.
    Here,
}

impl Target {
    /// Those that need no GPU, as the command line has them.
    pub const AHEAD: [Self; 3] = [Self::Sm86, Self::Sm89, Self::Sm120];

    /// As in file names and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sm86 => "sm86",
            Self::Sm89 => "sm89",
            Self::Sm120 => "sm120",
            Self::Here => "here",
        }
    }

    /// As the compiler numbers it.
    fn number(self) -> i32 {
        match self {
            Self::Sm86 => 86,
            Self::Sm89 => 89,
            Self::Sm120 => 120,
            Self::Here => 0,
        }
    }

    /// What to compile for a GPU of this compute capability.
    pub fn of(capability: (i32, i32)) -> Self {
        match capability {
            (8, 6) => Self::Sm86,
            (8, 9) => Self::Sm89,
            (12, 0) => Self::Sm120,
            _ => Self::Here,
        }
    }
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::AHEAD
            .into_iter()
            .find(|target| target.name() == text)
            .ok_or_else(|| "is none of sm86, sm89, sm120".to_owned())
    }
}

/// What an engine computes in. Inputs and outputs are float32 in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As the network was trained.
    F32,
    /// Half the bytes; held to the package's golden cases when it is loaded, as every engine is.
    F16,
}

impl Precision {
    /// As in engines' descriptive strings.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// An input or output of a compiled network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    /// Whether it goes in.
    pub input: bool,
    /// In the ONNX graph.
    pub name: String,
    /// Such as `float32`.
    pub element: String,
    /// -1 where it varies.
    pub dims: Vec<i64>,
}

impl Tensor {
    /// From the shim's lines.
    fn parse(lines: &str) -> Vec<Self> {
        let tensor = |line: &str| {
            let mut parts = line.split('\t');
            Some(Self {
                input: parts.next()? == "input",
                name: parts.next()?.to_owned(),
                element: parts.next()?.to_owned(),
                dims: parts
                    .next()?
                    .split(',')
                    .map(|n| n.parse().ok())
                    .collect::<Option<_>>()?,
            })
        };
        lines.lines().filter_map(tensor).collect()
    }
}
