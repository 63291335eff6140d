//! What a `model.toml` must satisfy beyond its syntax. All problems are reported at once.

use super::spec::{FORMAT, Golden, Spec, Window};
use super::step::{InvertMode, Postprocess, Preprocess};
use swarm_kernels::orientation::AxisCodes;

/// Most steps in either list.
pub const STEPS_MAX: usize = 32;
/// Most channels: labels are bytes.
pub const CHANNELS_MAX: usize = 256;
/// Most voxels along an axis of a window, a resize or a pad.
pub const SIZE_MAX: usize = 1024;
/// Most golden cases, and most points of one.
pub const GOLDEN_MAX: usize = 16;
/// Most points of a golden case.
pub const POINTS_MAX: usize = 4096;
/// Most input voxels of a golden case: it runs at every start.
pub const GOLDEN_VOXELS_MAX: usize = 128 * 128 * 128;
const TEXT_CHARS_MAX: usize = 1000;

/// Everything that is wrong with `spec`, one sentence each; empty when it is good.
pub(super) fn problems(spec: &Spec) -> Vec<String> {
    let mut found = Problems(Vec::new());
    identity(spec, &mut found);
    network(spec, &mut found);
    preprocessing(&spec.preprocessing, &mut found);
    postprocessing(spec, &mut found);
    labels(spec, &mut found);
    found.require((1..=GOLDEN_MAX).contains(&spec.golden.len()), || {
        format!("golden: 1 to {GOLDEN_MAX} cases")
    });
    for (number, case) in spec.golden.iter().enumerate() {
        golden(spec, case, number, &mut found);
    }
    found.0
}

struct Problems(Vec<String>);

impl Problems {
    fn require(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(problem());
        }
    }
}

/// Names that become file names and metric labels.
fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    (1..=64).contains(&text.len())
        && text.chars().all(allowed)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn identity(spec: &Spec, found: &mut Problems) {
    found.require(spec.format == FORMAT, || {
        format!("format: {} is not {FORMAT}", spec.format)
    });
    for (field, text) in [("name", &spec.name), ("job_type", &spec.job_type)] {
        found.require(is_name(text), || {
            format!("{field}: {text:?} is not 1 to 64 lower-case letters, digits, _ or -, a letter first")
        });
    }
    for (field, text) in [
        ("version", &spec.version),
        ("licence", &spec.licence),
        ("description", &spec.description),
    ] {
        let printable = !text.is_empty()
            && text.chars().count() <= TEXT_CHARS_MAX
            && !text.contains(char::is_control);
        found.require(printable, || {
            format!("{field}: must be 1 to {TEXT_CHARS_MAX} printable characters")
        });
    }
}

fn network(spec: &Spec, found: &mut Problems) {
    let input = &spec.input;
    found.require(input.channels == 1, || {
        format!("input.channels: {} is not 1", input.channels)
    });
    found.require((1..=SIZE_MAX).contains(&input.size_multiple), || {
        format!(
            "input.size_multiple: {} is not 1 to {SIZE_MAX}",
            input.size_multiple
        )
    });
    found.require(!input.modalities.is_empty(), || {
        "input.modalities: name at least one".to_owned()
    });
    found.require((1..=CHANNELS_MAX).contains(&spec.output.channels), || {
        format!(
            "output.channels: {} is not 1 to {CHANNELS_MAX}",
            spec.output.channels
        )
    });
    if let Window::Sliding {
        roi_size,
        overlap,
        sigma_scale,
        ..
    } = &spec.window
    {
        let multiple = input.size_multiple.max(1);
        found.require(
            roi_size.iter().all(|&n| is_size(n) && n % multiple == 0),
            || {
                format!(
                    "window.roi_size: {roi_size:?} are not multiples of {multiple} up to {SIZE_MAX}"
                )
            },
        );
        found.require((0.0..=0.9).contains(overlap), || {
            format!("window.overlap: {overlap} is not 0 to 0.9")
        });
        found.require((0.01..=10.0).contains(sigma_scale), || {
            format!("window.sigma_scale: {sigma_scale} is not 0.01 to 10")
        });
    }
}

fn is_size(n: usize) -> bool {
    (1..=SIZE_MAX).contains(&n)
}

fn preprocessing(steps: &[Preprocess], found: &mut Problems) {
    found.require(steps.len() <= STEPS_MAX, || {
        format!("preprocessing: more than {STEPS_MAX} steps")
    });
    for (number, step) in steps.iter().enumerate() {
        let problem = match step {
            Preprocess::Orientation { axcodes } => AxisCodes::parse(axcodes)
                .err()
                .map(|error| error.to_string()),
            Preprocess::Spacing { pixdim, .. } => {
                let good = pixdim
                    .iter()
                    .all(|v| v.is_finite() && (*v <= 0.0 || (0.05..=100.0).contains(v)));
                (!good).then(|| {
                    format!("pixdim {pixdim:?} must be 0.05 to 100 mm, or 0 to keep an axis")
                })
            }
            Preprocess::Resize { spatial_size, .. } => {
                let good = spatial_size.iter().all(|&n| is_size(n));
                (!good).then(|| format!("spatial_size {spatial_size:?} must be 1 to {SIZE_MAX}"))
            }
            Preprocess::ScaleIntensityRange {
                a_min,
                a_max,
                b_min,
                b_max,
                ..
            } => {
                let finite = a_min.is_finite() && a_max.is_finite();
                (!finite || !is_target(*b_min, *b_max)).then(|| {
                    "a_min and a_max must be finite, b_min and b_max both finite or both absent"
                        .to_owned()
                })
            }
            Preprocess::ScaleIntensityRangePercentiles {
                lower,
                upper,
                b_min,
                b_max,
                ..
            } => {
                let ordered = 0.0 <= *lower && lower < upper && *upper <= 100.0;
                (!ordered || !is_target(*b_min, *b_max)).then(|| {
                    "0 <= lower < upper <= 100, b_min and b_max both finite or both absent"
                        .to_owned()
                })
            }
            Preprocess::NormalizeIntensity { .. } => None,
            Preprocess::ScaleIntensity { minv, maxv } => {
                let finite = minv.is_finite() && maxv.is_finite();
                (!finite).then(|| "minv and maxv must be finite".to_owned())
            }
            Preprocess::CropForeground {
                margin,
                k_divisible,
            } => {
                let good = *margin <= SIZE_MAX && is_size(*k_divisible);
                (!good).then(|| format!("margin up to {SIZE_MAX}, k_divisible 1 to {SIZE_MAX}"))
            }
            Preprocess::SpatialPad {
                spatial_size: size, ..
            }
            | Preprocess::DivisiblePad { k: size, .. } => {
                let good = size.iter().all(|&n| n <= SIZE_MAX);
                (!good).then(|| format!("{size:?} must be at most {SIZE_MAX}"))
            }
        };
        if let Some(problem) = problem {
            found.0.push(format!("preprocessing[{number}]: {problem}"));
        }
    }
}

fn is_target(b_min: Option<f32>, b_max: Option<f32>) -> bool {
    match (b_min, b_max) {
        (None, None) => true,
        (Some(low), Some(high)) => low.is_finite() && high.is_finite(),
        _ => false,
    }
}

/// Scores, then labels; on the network's grid, then on the scan's: both changes happen exactly once.
fn postprocessing(spec: &Spec, found: &mut Problems) {
    let steps = &spec.postprocessing;
    found.require(steps.len() <= STEPS_MAX, || {
        format!("postprocessing: more than {STEPS_MAX} steps")
    });
    let (mut discrete, mut inverted) = (0, 0);
    for (number, step) in steps.iter().enumerate() {
        let problem = match step {
            Postprocess::Activations { .. } => (discrete + inverted > 0)
                .then(|| "Activations must come before AsDiscrete and Invert".to_owned()),
            Postprocess::Invert { mode } => {
                inverted += 1;
                (discrete > 0 && *mode == InvertMode::Trilinear).then(|| {
                    "labels cannot be interpolated: nearest, or Invert before AsDiscrete".to_owned()
                })
            }
            Postprocess::AsDiscrete { argmax, threshold } => {
                discrete += 1;
                let threshold_fits =
                    threshold.is_none_or(|t| t.is_finite() && spec.output.channels == 1);
                (*argmax == threshold.is_some() || !threshold_fits)
                    .then(|| "either argmax, or a threshold of a single output channel".to_owned())
            }
            Postprocess::KeepLargestConnectedComponent { connectivity }
            | Postprocess::FillHoles { connectivity } => {
                let good = discrete > 0 && (1..=3).contains(connectivity);
                (!good).then(|| {
                    "needs labels (AsDiscrete before it) and a connectivity of 1 to 3".to_owned()
                })
            }
        };
        if let Some(problem) = problem {
            found.0.push(format!("postprocessing[{number}]: {problem}"));
        }
    }
    found.require(discrete == 1 && inverted == 1, || {
        "postprocessing: needs AsDiscrete once and Invert once".to_owned()
    });
}

fn labels(spec: &Spec, found: &mut Problems) {
    let mut values: Vec<u8> = spec.labels.iter().map(|label| label.value).collect();
    values.sort_unstable();
    values.dedup();
    found.require(
        !values.is_empty() && values.len() == spec.labels.len() && values[0] > 0,
        || "labels: at least one, values above 0, each once".to_owned(),
    );
    for label in &spec.labels {
        found.require(is_name(&label.name), || {
            format!(
                "labels: {:?} is not 1 to 64 lower-case letters, digits, _ or -",
                label.name
            )
        });
        let Some(code) = &label.code else { continue };
        let plain = |text: &str, max: usize| {
            (1..=max).contains(&text.chars().count())
                && !text.chars().any(|c| c.is_control() || c == '\\')
        };
        let fits = plain(&code.scheme, 16) && plain(&code.value, 16) && plain(&code.meaning, 64);
        found.require(fits, || {
            format!(
                "labels: the code of {:?} needs scheme and value of 1 to 16 plain characters, and a meaning of 1 to 64",
                label.name
            )
        });
    }
}

fn golden(spec: &Spec, case: &Golden, number: usize, found: &mut Problems) {
    let [batch, channels, x, y, z] = case.input_shape;
    let multiple = spec.input.size_multiple.max(1);
    let voxels = [x, y, z]
        .iter()
        .try_fold(1usize, |product, &n| product.checked_mul(n));
    let fits = [x, y, z].iter().all(|&n| n > 0 && n % multiple == 0)
        && voxels.is_some_and(|n| n <= GOLDEN_VOXELS_MAX)
        && (batch, channels) == (1, spec.input.channels);
    found.require(fits, || {
        format!(
            "golden[{number}]: input_shape {:?} does not fit the input",
            case.input_shape
        )
    });
    found.require(
        case.output_shape == [1, spec.output.channels, x, y, z],
        || {
            format!(
                "golden[{number}]: output_shape {:?} does not fit input and output",
                case.output_shape
            )
        },
    );
    found.require((1..=POINTS_MAX).contains(&case.points.len()), || {
        format!("golden[{number}]: 1 to {POINTS_MAX} points")
    });
    let values = voxels
        .and_then(|n| n.checked_mul(spec.output.channels))
        .unwrap_or(0);
    found.require(
        case.points
            .iter()
            .all(|point| point.index < values && point.value.is_finite()),
        || format!("golden[{number}]: a point is outside the output or not finite"),
    );
    found.require(case.tolerance > 0.0 && case.tolerance.is_finite(), || {
        format!(
            "golden[{number}]: tolerance {} is not above 0",
            case.tolerance
        )
    });
}
