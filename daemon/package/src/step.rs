//! The vocabulary of preprocessing and postprocessing: the names and parameters of MONAI's inference
//! transforms, and their defaults there.

use serde::Deserialize;

/// One step from the scan to the network's input.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "op", deny_unknown_fields)]
pub enum Preprocess {
    /// Axes to the given directions, by permutation and flips.
    Orientation {
        /// Three letters, for example `RAS`.
        axcodes: String,
    },
    /// Voxels of the given size.
    Spacing {
        /// Millimetres; 0 or less keeps that axis.
        pixdim: [f64; 3],
        /// `bilinear` or `nearest`.
        #[serde(default)]
        mode: SpacingMode,
    },
    /// The given number of voxels over the same extent.
    Resize {
        /// Voxels along each axis.
        spatial_size: [usize; 3],
        /// `area`, `nearest`, `nearest-exact` or `trilinear`.
        #[serde(default)]
        mode: ResizeMode,
    },
    /// A linear map of intensities.
    ScaleIntensityRange {
        /// Becomes `b_min`.
        a_min: f32,
        /// Becomes `b_max`.
        a_max: f32,
        /// Given together with `b_max`, or neither.
        b_min: Option<f32>,
        /// Given together with `b_min`, or neither.
        b_max: Option<f32>,
        /// Clip to `b_min..=b_max`.
        #[serde(default)]
        clip: bool,
    },
    /// The same, from percentiles of the volume.
    ScaleIntensityRangePercentiles {
        /// 0 to 100.
        lower: f64,
        /// 0 to 100, above `lower`.
        upper: f64,
        /// Given together with `b_max`, or neither.
        b_min: Option<f32>,
        /// Given together with `b_min`, or neither.
        b_max: Option<f32>,
        /// Clip to `b_min..=b_max`.
        #[serde(default)]
        clip: bool,
    },
    /// Mean 0 and standard deviation 1.
    NormalizeIntensity {
        /// Count and change only voxels that are not 0.
        #[serde(default)]
        nonzero: bool,
        /// Each channel for itself; inputs have one, so it makes no difference.
        #[serde(default)]
        channel_wise: bool,
        /// Ours: divide the squares by n-1, as PyTorch's `std` does, not by n.
        #[serde(default)]
        unbiased: bool,
    },
    /// Smallest value to `minv`, largest to `maxv`.
    ScaleIntensity {
        /// Default 0.
        #[serde(default)]
        minv: f32,
        /// Default 1.
        #[serde(default = "one")]
        maxv: f32,
    },
    /// Cut to the box around voxels above 0.
    CropForeground {
        /// Voxels kept around the box.
        #[serde(default)]
        margin: usize,
        /// Grow the box to multiples of this.
        #[serde(default = "one_voxel")]
        k_divisible: usize,
    },
    /// Pad with zeros to at least this size.
    SpatialPad {
        /// Voxels along each axis.
        spatial_size: [usize; 3],
        /// `symmetric` or `end`.
        #[serde(default)]
        method: PadMethod,
    },
    /// Pad with zeros to multiples.
    DivisiblePad {
        /// For each axis; 0 leaves it.
        k: [usize; 3],
        /// `symmetric` or `end`.
        #[serde(default)]
        method: PadMethod,
    },
}

/// One step from the network's output to the label map on the scan's own grid.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "op", deny_unknown_fields)]
pub enum Postprocess {
    /// Scores to probabilities.
    Activations {
        /// `softmax` over channels, or `sigmoid` of each.
        kind: Activation,
    },
    /// Back to the scan's own grid.
    Invert {
        /// How voxels between network voxels get their value; labels need `nearest` or `nearest-exact`.
        #[serde(default)]
        mode: InvertMode,
    },
    /// Scores to labels, by exactly one of the two.
    AsDiscrete {
        /// The number of the largest channel.
        #[serde(default)]
        argmax: bool,
        /// 1 where the only channel is at least this.
        threshold: Option<f32>,
    },
    /// Of each label only the largest connected part stays.
    KeepLargestConnectedComponent {
        /// 1 faces, 2 edges too, 3 corners too.
        #[serde(default = "corners")]
        connectivity: u8,
    },
    /// What a label encloses becomes that label.
    FillHoles {
        /// How what is outside spreads: 1 faces, 2 edges too, 3 corners too.
        #[serde(default = "corners")]
        connectivity: u8,
    },
}

/// Interpolation of [`Preprocess::Spacing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpacingMode {
    /// Trilinear, in MONAI's word.
    #[default]
    Bilinear,
    /// The nearest voxel.
    Nearest,
}

/// Interpolation of [`Preprocess::Resize`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// Mean of all voxels touched.
    #[default]
    Area,
    /// Input index `floor(i * in/out)`.
    Nearest,
    /// Input index `floor((i + 0.5) * in/out)`.
    NearestExact,
    /// Between voxel centres.
    Trilinear,
}

/// Interpolation of [`Postprocess::Invert`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvertMode {
    /// As MONAI's `nearest_interp`.
    #[default]
    Nearest,
    /// Nearest by voxel centres, also where a `Resize` is undone.
    NearestExact,
    /// Trilinear.
    Trilinear,
}

/// On which sides a pad is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PadMethod {
    /// Half before, the rest after.
    #[default]
    Symmetric,
    /// All after.
    End,
}

/// What turns scores into probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// Over channels.
    Softmax,
    /// Of each value.
    Sigmoid,
}

fn one() -> f32 {
    1.0
}

fn one_voxel() -> usize {
    1
}

fn corners() -> u8 {
    3
}
