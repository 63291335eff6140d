//! Packages of models that take an array and give one: route optimisation, forecasts, anything that is no scan.

use serde::Deserialize;
use swarm_types::B256;

use crate::spec::{GoldenPoint, Kind};

/// A parsed `model.toml` with `kind = "tensor"`. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    /// [`crate::spec::FORMAT`].
    pub format: u32,
    /// [`Kind::Tensor`].
    pub kind: Kind,
    /// Lower-case letters, digits, `_` and `-`.
    pub name: String,
    /// Free text; by custom three numbers.
    pub version: String,
    /// SPDX expression of the weights' licence.
    pub licence: String,
    /// What a client asks for, for example `route`.
    pub job_type: String,
    /// One paragraph for people.
    pub description: String,
    /// Memory in MiB that a bee must have; 0 when absent.
    #[serde(default)]
    pub memory_mib: u32,
    /// The network's only input.
    pub input: TensorInput,
    /// The output that is given back.
    pub output: TensorOutput,
    /// Inputs with known outputs; a model that misses them never serves.
    pub golden: Vec<TensorGolden>,
}

/// The network's only input: float32 in C order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorInput {
    /// Name in the ONNX graph.
    pub tensor: String,
    /// Dims; 0 takes any number.
    pub shape: Vec<usize>,
    /// What becomes of an input with NaN or infinities.
    #[serde(default)]
    pub nonfinite: Nonfinite,
}

/// What becomes of an input with NaN or infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nonfinite {
    /// It is refused.
    #[default]
    Refuse,
    /// The network was made for it: infinity as "no edge", for example.
    Allow,
}

/// The network's output: float32 in C order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorOutput {
    /// Name in the ONNX graph.
    pub tensor: String,
    /// Dims; 0 is any number.
    pub shape: Vec<usize>,
}

/// Seeded noise as input, and a few values of the output that it must give.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorGolden {
    /// Largest absolute difference allowed.
    pub tolerance: f32,
    /// Of the noise (SplitMix64; `swarm_inference::golden`).
    pub seed: u64,
    /// Dims of the noise.
    pub input_shape: Vec<usize>,
    /// Dims of what comes out.
    pub output_shape: Vec<usize>,
    /// Output values by index, last axis fastest.
    pub points: Vec<GoldenPoint>,
}

/// A package for arrays that passed every check that needs no runtime.
#[derive(Debug, Clone)]
pub struct TensorPackage {
    spec: TensorSpec,
    digest: B256,
    onnx: Vec<u8>,
}

impl TensorPackage {
    pub(crate) fn new(spec: TensorSpec, digest: B256, onnx: Vec<u8>) -> Self {
        Self { spec, digest, onnx }
    }

    /// What `model.toml` says.
    pub fn spec(&self) -> &TensorSpec {
        &self.spec
    }

    /// SHA-256 of the manifest: the `model` of orders and receipts.
    pub fn digest(&self) -> B256 {
        self.digest
    }

    /// The network, checked.
    pub fn onnx(&self) -> &[u8] {
        &self.onnx
    }
}
