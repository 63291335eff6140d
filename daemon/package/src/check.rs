//! What a `model.toml` must satisfy beyond its syntax. All problems are reported at once.

use crate::spec::{FORMAT, Golden, GoldenPoint, Spec, Window};
use crate::step::{InvertMode, Postprocess, Preprocess};
use crate::tensor::TensorSpec;

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
/// Most dims of an array.
pub const RANK_MAX: usize = 8;
/// Most elements of an array: 64 MiB of float32.
pub const ELEMENTS_MAX: usize = 1 << 24;
const TEXT_CHARS_MAX: usize = 1000;

/// Three letters, one of each pair. The kernels' own reader takes the same ones; a test of swarm-inference holds that.
fn is_axcodes(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let once = |pair: [char; 2]| letters.iter().filter(|c| pair.contains(c)).count() == 1;
    letters.len() == 3 && once(['L', 'R']) && once(['P', 'A']) && once(['I', 'S'])
}

/// Everything that is wrong with `spec`, one sentence each; empty when it is good.
pub(super) fn problems(spec: &Spec) -> Vec<String> {
    let mut found = Problems(Vec::new());
    let texts = [&*spec.version, &*spec.licence, &*spec.description];
    identity(spec.format, [&spec.name, &spec.job_type], texts, &mut found);
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

/// Format, names (`name`, `job_type`) and texts (`version`, `licence`, `description`).
fn identity(format: u32, names: [&str; 2], texts: [&str; 3], found: &mut Problems) {
    found.require(format == FORMAT, || {
        format!("format: {format} is not {FORMAT}")
    });
    for (field, text) in ["name", "job_type"].into_iter().zip(names) {
        found.require(is_name(text), || {
            format!("{field}: {text:?} is not 1 to 64 lower-case letters, digits, _ or -, a letter first")
        });
    }
    for (field, text) in ["version", "licence", "description"].into_iter().zip(texts) {
        let printable = !text.is_empty()
            && text.chars().count() <= TEXT_CHARS_MAX
            && !text.contains(char::is_control);
        found.require(printable, || {
            format!("{field}: must be 1 to {TEXT_CHARS_MAX} printable characters")
        });
    }
}

/// Everything that is wrong with the description of a model that takes arrays.
pub(super) fn tensor_problems(spec: &TensorSpec) -> Vec<String> {
    let mut found = Problems(Vec::new());
    let texts = [&*spec.version, &*spec.licence, &*spec.description];
    identity(spec.format, [&spec.name, &spec.job_type], texts, &mut found);
    for (field, shape) in [("input", &spec.input.shape), ("output", &spec.output.shape)] {
        let fits = (1..=RANK_MAX).contains(&shape.len()) && elements(shape).is_some();
        found.require(fits, || {
            format!("{field}.shape: 1 to {RANK_MAX} dims (0: any), at most {ELEMENTS_MAX} elements")
        });
    }
    found.require((1..=GOLDEN_MAX).contains(&spec.golden.len()), || {
        format!("golden: 1 to {GOLDEN_MAX} cases")
    });
    for (number, case) in spec.golden.iter().enumerate() {
        for (field, shape, of) in [
            ("input_shape", &case.input_shape, &spec.input.shape),
            ("output_shape", &case.output_shape, &spec.output.shape),
        ] {
            let whole =
                !shape.contains(&0) && elements(shape).is_some_and(|n| n <= GOLDEN_VOXELS_MAX);
            found.require(whole && is_shape(shape, of), || {
                format!("golden[{number}]: {field} {shape:?} does not fit {of:?}")
            });
        }
        let values = elements(&case.output_shape).unwrap_or(0);
        points(&case.points, values, case.tolerance, number, &mut found);
    }
    found.0
}

/// The product of a shape's dims, 0 counting as 1; `None` above [`ELEMENTS_MAX`].
pub fn elements(shape: &[usize]) -> Option<usize> {
    let product = shape
        .iter()
        .try_fold(1usize, |product, &n| product.checked_mul(n.max(1)));
    product.filter(|n| *n <= ELEMENTS_MAX)
}

/// Whether an array of `shape` is one that a description with dims `of` (0: any) takes.
pub fn is_shape(shape: &[usize], of: &[usize]) -> bool {
    shape.len() == of.len() && shape.iter().zip(of).all(|(n, of)| *of == 0 || n == of)
}

fn points(
    points: &[GoldenPoint],
    values: usize,
    tolerance: f32,
    number: usize,
    found: &mut Problems,
) {
    found.require((1..=POINTS_MAX).contains(&points.len()), || {
        format!("golden[{number}]: 1 to {POINTS_MAX} points")
    });
    let inside = |point: &GoldenPoint| point.index < values && point.value.is_finite();
    found.require(points.iter().all(inside), || {
        format!("golden[{number}]: a point is outside the output or not finite")
    });
    found.require(tolerance > 0.0 && tolerance.is_finite(), || {
        format!("golden[{number}]: tolerance {tolerance} is not above 0")
    });
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
            Preprocess::Orientation { axcodes } => (!is_axcodes(axcodes)).then(|| {
                format!("axcodes {axcodes:?} must name each axis once: L or R, P or A, I or S")
            }),
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
    let values = voxels
        .and_then(|n| n.checked_mul(spec.output.channels))
        .unwrap_or(0);
    points(&case.points, values, case.tolerance, number, found);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axcodes_name_each_axis_once() {
        assert!(
            ["RAS", "LPS", "SAR", "IPL"]
                .iter()
                .all(|text| is_axcodes(text))
        );
        let bad = ["", "RA", "RASS", "RAL", "RRS", "ras", "RAX", "R\u{c4}S"];
        assert!(!bad.iter().any(|text| is_axcodes(text)));
    }
}
