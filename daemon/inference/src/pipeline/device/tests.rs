//! Both ways side by side, with the kernels on the host: every step that has a kernel, in chains as packages have them.

use swarm_kernels::device::{Buffer, Device};

use super::*;
use crate::engine::EngineInfo;

mod chance;

/// Scores are a function of a voxel, its neighbour and its place in the window: a tensor that is turned, cut or stitched
/// wrongly shows.
struct Sums {
    device: Device,
    channels: usize,
    info: EngineInfo,
    /// Gives nothing but zeros on the device.
    broken: bool,
}

impl Sums {
    fn new(channels: usize) -> Self {
        Self {
            device: Device::shim(),
            channels,
            info: EngineInfo {
                backend: "test".to_owned(),
                version: String::new(),
                precision: "f32",
                architecture: String::new(),
                kernels: swarm_kernels::KERNEL_SET,
            },
            broken: false,
        }
    }
}

impl Engine for Sums {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn infer(&mut self, input: Vec<f32>, dims: [usize; 3]) -> Result<Vec<f32>, EngineError> {
        assert_eq!(input.len(), dims.iter().product::<usize>());
        let score = |channel: usize, at: usize| {
            let (value, next) = (input[at], input[(at + 1) % input.len()]);
            let place = at as f32 / input.len() as f32;
            let level = channel as f32 / self.channels as f32;
            1.0 - (value + 0.25 * next - 1.5 * level).abs() + 0.05 * place * level
        };
        Ok((0..self.channels)
            .flat_map(|channel| (0..input.len()).map(move |at| (channel, at)))
            .map(|(channel, at)| score(channel, at))
            .collect())
    }

    fn resident(&mut self) -> Option<&mut dyn Resident> {
        Some(self)
    }
}

impl Resident for Sums {
    fn device(&self) -> &Device {
        &self.device
    }

    fn queue(
        &mut self,
        input: &Buffer<f32>,
        dims: [usize; 3],
        output: &mut Buffer<f32>,
    ) -> Result<(), EngineError> {
        let voxels = dims.iter().product();
        assert_eq!(
            (input.len(), output.len()),
            (voxels, self.channels * voxels)
        );
        let aligned = |address: u64| address.is_multiple_of(16);
        assert!(aligned(input.address()) && aligned(output.address()));
        let mut scores = self.infer(input.download()?, dims)?;
        if self.broken {
            scores.fill(0.0);
        }
        Ok(self.device.stage(output, 0, &scores)?)
    }
}

fn spec(channels: usize, multiple: usize, steps: &str) -> Spec {
    let text = format!(
        "format = 1\nname = 'x'\nversion = '1'\nlicence = 'MIT'\njob_type = 'brain_mri'\ndescription = 'x'\ngolden = []\n\
         labels = []\ninput = {{ tensor = 'i', channels = 1, modalities = ['MR'], size_multiple = {multiple} }}\n\
         output = {{ tensor = 'o', channels = {channels} }}\n{steps}"
    );
    toml::from_str(&text).expect("a valid spec")
}

/// Wider than the scan is then, so that it is padded for the network.
const SPACED: &str = "
[window]
mode = 'sliding'
roi_size = [40, 32, 24]
overlap = 0.5
blend = 'gaussian'
[[preprocessing]]
op = 'Orientation'
axcodes = 'RAS'
[[preprocessing]]
op = 'Spacing'
pixdim = [2.3, 1.7, 1.9]
";
const RESIZED: &str = "
window = { mode = 'whole' }
[[preprocessing]]
op = 'Orientation'
axcodes = 'PSL'
[[preprocessing]]
op = 'Resize'
spatial_size = [32, 40, 24]
";
const CONSTANT: &str = "
[window]
mode = 'sliding'
roi_size = [48, 32, 8]
[[preprocessing]]
op = 'ScaleIntensityRange'
a_min = 0.0
a_max = 300.0
b_min = 0.0
b_max = 1.5
clip = true
";
const NORMAL: &str = "
[[preprocessing]]
op = 'NormalizeIntensity'
nonzero = true
";
const PERCENTILES: &str = "
[[preprocessing]]
op = 'ScaleIntensityRangePercentiles'
lower = 1.0
upper = 99.0
b_min = 0.0
b_max = 1.5
clip = true
";
const MINMAX: &str = "
[[preprocessing]]
op = 'ScaleIntensity'
maxv = 2.0
";
/// Crops what is no foreground, then pads beyond it.
const BOXES: &str = "
[[preprocessing]]
op = 'CropForeground'
margin = 3
[[preprocessing]]
op = 'SpatialPad'
spatial_size = [70, 40, 5]
[[preprocessing]]
op = 'DivisiblePad'
k = [8, 8, 8]
method = 'end'
";
const LABELS_BACK: &str = "
[[postprocessing]]
op = 'Activations'
kind = 'softmax'
[[postprocessing]]
op = 'AsDiscrete'
argmax = true
[[postprocessing]]
op = 'KeepLargestConnectedComponent'
[[postprocessing]]
op = 'Invert'
mode = 'nearest'
";
const SCORES_BACK: &str = "
[[postprocessing]]
op = 'Invert'
mode = 'trilinear'
[[postprocessing]]
op = 'AsDiscrete'
argmax = true
[[postprocessing]]
op = 'KeepLargestConnectedComponent'
[[postprocessing]]
op = 'FillHoles'
connectivity = 1
";
const THRESHOLD: &str = "
[[postprocessing]]
op = 'Activations'
kind = 'sigmoid'
[[postprocessing]]
op = 'AsDiscrete'
threshold = 0.7
[[postprocessing]]
op = 'Invert'
mode = 'nearest-exact'
";

/// The scan's grid with these values, and no rescale.
fn with_values(scan: &Volume, values: Vec<f32>) -> Volume {
    let voxels = Voxels::F32(values);
    Volume::new(voxels, Rescale::IDENTITY, scan.dims(), *scan.affine()).expect("as many voxels")
}

/// The scan in another type.
fn as_floats(scan: &Volume) -> Volume {
    with_values(scan, scan.to_f32())
}

/// The scan with its voxels in reverse, on the same grid.
fn backwards(scan: &Volume) -> Volume {
    with_values(scan, scan.to_f32().into_iter().rev().collect())
}

/// The phantom on axes that are not square to each other: no table per axis describes its way.
fn sheared(scan: &Volume) -> Volume {
    let affine = Affine::from_columns(
        [[-1.1, 0.1, 0.0], [0.05, 0.2, -0.9], [0.0, 2.0, 0.3]],
        [30.0, -20.0, 40.0],
    );
    Volume::new(scan.voxels().clone(), scan.rescale(), scan.dims(), affine).expect("valid")
}

#[test]
fn both_ways_give_the_same_labels() {
    let chains = [
        (3, [SPACED, NORMAL, LABELS_BACK].concat()),
        (3, [SPACED, PERCENTILES, BOXES, SCORES_BACK].concat()),
        (
            4,
            [
                RESIZED,
                "mode = 'nearest-exact'\n",
                PERCENTILES,
                SCORES_BACK,
            ]
            .concat(),
        ),
        (
            2,
            [RESIZED, "mode = 'trilinear'\n", MINMAX, LABELS_BACK].concat(),
        ),
        (
            1,
            [RESIZED, "mode = 'nearest'\n", MINMAX, NORMAL, THRESHOLD].concat(),
        ),
        (3, [CONSTANT, BOXES, LABELS_BACK].concat()),
        (5, [CONSTANT, MINMAX, SCORES_BACK].concat()),
    ];
    // The second goes the first one's way, in what that left on the device.
    let phantom = phantom();
    let scans = [
        phantom.clone(),
        backwards(&phantom),
        sheared(&phantom),
        as_floats(&phantom),
    ];
    for (number, (channels, steps)) in chains.iter().enumerate() {
        let spec = spec(*channels, 8, steps);
        let plan = Plan::of(&spec).expect("there are kernels for all of it");
        let mut engine = Sums::new(*channels);
        let mut kept = None;
        for (of, scan) in scans.iter().enumerate() {
            let what = format!("chain {number}, scan {of}");
            let theirs = crate::pipeline::segment(&spec, &mut engine, scan, &mut |_, _| {});
            let theirs = theirs.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            let mut heard = Vec::new();
            let ours = segment(
                &spec,
                &plan,
                &mut engine,
                &mut kept,
                scan,
                &mut |stage, part| heard.push((stage, part)),
            );
            let ours = ours.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            let found: std::collections::BTreeSet<u8> = theirs.labels.iter().copied().collect();
            assert!(found.len() > 1, "{what}: nothing to compare");
            assert_eq!(ours.labels.len(), theirs.labels.len());
            let pairs = ours.labels.iter().zip(&theirs.labels);
            let different = pairs.filter(|(a, b)| a != b).count();
            // The last bits of float32, at edges.
            assert!(
                different * 5_000 <= ours.labels.len(),
                "{what}: {different} of {} labels differ",
                ours.labels.len()
            );
            for stage in [Stage::Prepare, Stage::Infer, Stage::Finish] {
                let last = heard.iter().rfind(|(s, _)| *s == stage);
                assert_eq!(last.map(|(_, part)| *part), Some(1.0), "{what}");
            }
        }
    }
}

#[test]
fn what_is_no_number_is_0_and_a_scan_of_nothing_else_is_refused_alike() {
    let spec = spec(3, 8, &[SPACED, NORMAL, LABELS_BACK].concat());
    let plan = Plan::of(&spec).expect("there are kernels for all of it");
    let mut engine = Sums::new(3);
    let mut values = phantom().to_f32();
    (values[5], values[70_000]) = (f32::NAN, f32::INFINITY);
    let scan = phantom();
    let dirty = with_values(&scan, values);
    let ours = segment(&spec, &plan, &mut engine, &mut None, &dirty, &mut |_, _| {}).expect("runs");
    let theirs =
        crate::pipeline::segment(&spec, &mut engine, &dirty, &mut |_, _| {}).expect("runs");
    assert_eq!((ours.nonfinite_voxels, theirs.nonfinite_voxels), (2, 2));

    let cropped = self::spec(3, 8, &[CONSTANT, BOXES, LABELS_BACK].concat());
    let plan = Plan::of(&cropped).expect("there are kernels for all of it");
    let voxels = Voxels::I16(vec![0; scan.voxels().len()]);
    let empty = Volume::new(voxels, Rescale::IDENTITY, scan.dims(), *scan.affine()).expect("valid");
    let ours = segment(
        &cropped,
        &plan,
        &mut engine,
        &mut None,
        &empty,
        &mut |_, _| {},
    );
    let theirs = crate::pipeline::segment(&cropped, &mut engine, &empty, &mut |_, _| {});
    let (ours, theirs) = (ours.expect_err("empty"), theirs.expect_err("empty"));
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
}

#[test]
fn a_flat_scan_becomes_what_the_reference_makes_of_it() {
    let steps = [RESIZED, "mode = 'nearest'\n", MINMAX, LABELS_BACK].concat();
    let spec = spec(3, 8, &steps);
    let plan = Plan::of(&spec).expect("there are kernels for all of it");
    let mut engine = Sums::new(3);
    let like = phantom();
    let voxels = Voxels::I16(vec![700; like.voxels().len()]);
    let flat = Volume::new(voxels, like.rescale(), like.dims(), *like.affine()).expect("valid");
    let ours = segment(&spec, &plan, &mut engine, &mut None, &flat, &mut |_, _| {}).expect("runs");
    let theirs = crate::pipeline::segment(&spec, &mut engine, &flat, &mut |_, _| {}).expect("runs");
    assert_eq!(ours, theirs);
}

#[test]
fn kernels_that_give_other_labels_are_passed_over() {
    let spec = spec(3, 8, &[SPACED, NORMAL, LABELS_BACK].concat());
    let mut engine = Sums::new(3);
    assert_eq!(held_to_reference(&spec, &mut engine), Ok(()));
    engine.broken = true;
    let reason = held_to_reference(&spec, &mut engine).expect_err("all labels are 0");
    assert!(reason.contains("% of the labels differ"), "{reason}");
    let area = self::spec(3, 8, &[RESIZED, "mode = 'area'\n", LABELS_BACK].concat());
    let reason = held_to_reference(&area, &mut engine).expect_err("it has no kernel");
    assert_eq!(reason, "the GPU's kernels have no Resize by area");
}
