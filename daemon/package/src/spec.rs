//! `model.toml`: what a model takes, gives, and how both are prepared.

use serde::Deserialize;

use crate::step::{Postprocess, Preprocess};

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A medical scan; gives labels on its grid.
    #[default]
    Scan,
    /// An array of numbers; gives one.
    Tensor,
}

impl Kind {
    /// As `model.toml` and the API write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Tensor => "tensor",
        }
    }
}

/// The layout of `model.toml` that this code reads.
pub const FORMAT: u32 = 1;

/// A parsed `model.toml` of a model that takes scans. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// [`FORMAT`].
    pub format: u32,
    /// [`Kind::Scan`], also when absent.
    #[serde(default)]
    pub kind: Kind,
    /// Lower-case letters, digits, `_` and `-`.
    pub name: String,
    /// Free text; by custom three numbers.
    pub version: String,
    /// SPDX expression of the weights' licence.
    pub licence: String,
    /// What a client asks for, for example `brain_mri`.
    pub job_type: String,
    /// One paragraph for people.
    pub description: String,
    /// Memory in MiB that a bee must have; 0 when absent.
    #[serde(default)]
    pub memory_mib: u32,
    /// The network's input.
    pub input: Input,
    /// The network's output.
    pub output: Output,
    /// From the scan to the input, in this order.
    pub preprocessing: Vec<Preprocess>,
    /// Whole volume or sliding window.
    pub window: Window,
    /// From the output to labels on the scan's grid, in this order.
    pub postprocessing: Vec<Postprocess>,
    /// Names of the labels.
    pub labels: Vec<Label>,
    /// Inputs with known outputs; a model that misses them never serves.
    pub golden: Vec<Golden>,
}

/// The network's only input: float32 of shape (1, channels, x, y, z).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name in the ONNX graph.
    pub tensor: String,
    /// 1: a scan has one value per voxel.
    pub channels: usize,
    /// DICOM modalities that the model was made for; a scan that states another is refused.
    pub modalities: Vec<String>,
    /// Every spatial dim must be a multiple of this.
    pub size_multiple: usize,
}

/// The network's output: float32 of shape (1, channels, x, y, z), same x, y, z as the input.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Name in the ONNX graph.
    pub tensor: String,
    /// How many scores each voxel gets.
    pub channels: usize,
}

/// How the network sees the volume.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase", deny_unknown_fields)]
pub enum Window {
    /// All at once. (Braces: serde lets a unit variant pass with fields that nobody reads.)
    Whole {},
    /// MONAI's `sliding_window_inference`.
    Sliding {
        /// Size of the window.
        roi_size: [usize; 3],
        /// Part of a window that its neighbour shares; MONAI's default is 0.25.
        #[serde(default = "quarter")]
        overlap: f64,
        /// How overlapping windows are weighted.
        #[serde(default)]
        blend: Blend,
        /// Standard deviation of the Gaussian, as a part of the window.
        #[serde(default = "eighth")]
        sigma_scale: f64,
    },
}

/// Weights of overlapping windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blend {
    /// All the same.
    #[default]
    Constant,
    /// Less towards the edges.
    Gaussian,
}

/// One value of the label map.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Above 0.
    pub value: u8,
    /// For people.
    pub name: String,
    /// For machines: what DICOM results call it. Without one they use a private code made of the name.
    #[serde(default)]
    pub code: Option<LabelCode>,
}

/// A code of a vocabulary, as in DICOM PS3.16.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelCode {
    /// The vocabulary: `SCT` for SNOMED CT.
    pub scheme: String,
    /// At most 16 characters.
    pub value: String,
    /// At most 64 characters.
    pub meaning: String,
}

/// Seeded noise as input, and a few values of the output that it must give.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Largest absolute difference allowed.
    pub tolerance: f32,
    /// Of the noise (SplitMix64; `swarm_inference::golden`).
    pub seed: u64,
    /// (1, channels, x, y, z).
    pub input_shape: [usize; 5],
    /// (1, channels, x, y, z).
    pub output_shape: [usize; 5],
    /// Output values by index, z fastest.
    pub points: Vec<GoldenPoint>,
}

/// One output value.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenPoint {
    /// Into the flat output.
    pub index: usize,
    /// What it must be, within the tolerance.
    pub value: f32,
}

fn quarter() -> f64 {
    0.25
}

fn eighth() -> f64 {
    0.125
}
