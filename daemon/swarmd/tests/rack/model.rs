//! A model package that real bees accept and that computes in no time: one voxel in, two scores out.

use std::path::Path;

use swarm_hostile::onnx::{Attribute, Graph, attribute, model, node, value, weights};
use swarm_imaging::{Affine, Rescale, Volume, Voxels, write_labels};
use swarm_inference::golden::noise;
use swarm_types::B256;
use swarm_types::digest::manifest_digest;

/// What clients ask for.
pub const JOB_TYPE: &str = "tiny";
/// Input values are scores of label 1, what is missing to 1 of label 0.
const WEIGHTS: [f32; 2] = [-1.0, 1.0];
const BIASES: [f32; 2] = [1.0, 0.0];
/// Seed and side of the golden case.
const GOLDEN: (u64, usize) = (7, 4);

/// Writes the package to `dir`; answers its digest.
pub fn write(dir: &Path) -> B256 {
    std::fs::create_dir_all(dir).expect("a directory");
    let files = [
        ("model.onnx".to_owned(), onnx()),
        ("model.toml".to_owned(), description().into_bytes()),
    ];
    for (name, bytes) in &files {
        std::fs::write(dir.join(name), bytes).expect("written");
    }
    manifest_digest(&files)
}

/// A scan, as a client has it: 8×8×8 voxels, those of `seed`.
pub fn scan(seed: u8) -> Vec<u8> {
    let labels: Vec<u8> = (0..512u32)
        .map(|i| (i as u8).wrapping_mul(seed | 1))
        .collect();
    let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let affine = Affine::from_columns(axes, [0.0; 3]);
    let voxels = Voxels::U8(labels.clone());
    let volume = Volume::new(voxels, Rescale::IDENTITY, [8, 8, 8], affine).expect("a volume");
    write_labels(&volume, &labels).expect("a NIfTI file")
}

fn description() -> String {
    let (seed, side) = GOLDEN;
    let voxels = side * side * side;
    let input = noise(seed, voxels);
    let points: String = [0, voxels / 2, voxels - 1]
        .iter()
        .flat_map(|&i| (0..2).map(move |channel| (channel, i)))
        .map(|(channel, i)| {
            let value = WEIGHTS[channel] * input[i] + BIASES[channel];
            format!(
                "    {{ index = {}, value = {value} }},\n",
                channel * voxels + i
            )
        })
        .collect();
    format!(
        r#"format = 1
name = "tiny"
version = "1.0.0"
licence = "Apache-2.0"
job_type = "{JOB_TYPE}"
description = "Marks what is brighter than the middle. For tests of everything around it."

[input]
tensor = "input"
channels = 1
modalities = ["MR"]
size_multiple = 1

[output]
tensor = "output"
channels = 2

[[preprocessing]]
op = "ScaleIntensity"
minv = 0.0
maxv = 1.0

[window]
mode = "whole"

[[postprocessing]]
op = "AsDiscrete"
argmax = true

[[postprocessing]]
op = "Invert"
mode = "nearest"

[[labels]]
value = 1
name = "bright"

[[golden]]
tolerance = 0.001
seed = {seed}
input_shape = [1, 1, {side}, {side}, {side}]
output_shape = [1, 2, {side}, {side}, {side}]
points = [
{points}]
"#
    )
}

/// The network as ONNX: one convolution over one voxel.
fn onnx() -> Vec<u8> {
    let graph = Graph {
        nodes: vec![node("Conv", &["input", "weights", "biases"], "output", &[])],
        weights: vec![
            weights("weights", &[2, 1, 1, 1, 1], &WEIGHTS),
            weights("biases", &[2], &BIASES),
        ],
        inputs: vec![value("input", &["1", "1", "x", "y", "z"])],
        outputs: vec![value("output", &["1", "2", "x", "y", "z"])],
    };
    model(17, &graph)
}

/// What clients ask for who have a matrix of costs.
pub const ROUTE: &str = "route";

/// A package whose network relaxes a matrix of costs once: from i to j by whichever k is the shortest way. One whose golden
/// case is `wrong` promises what the network does not do.
pub fn relax(version: &str, nonfinite: &str, wrong: bool) -> Vec<(String, Vec<u8>)> {
    let (seed, side) = GOLDEN;
    let mut relaxed = relaxed(&noise(seed, side * side), side);
    if wrong {
        relaxed[side] += 0.5;
    }
    let points: String = (0..side * side)
        .map(|i| format!("    {{ index = {i}, value = {:?} }},\n", relaxed[i]))
        .collect();
    let toml = format!(
        r#"format = 1
kind = "tensor"
name = "relax"
version = "{version}"
licence = "Apache-2.0"
job_type = "{ROUTE}"
description = "Shortest ways over one stop. For tests of everything around it."

[input]
tensor = "costs"
shape = [0, 0]
nonfinite = "{nonfinite}"

[output]
tensor = "relaxed"
shape = [0, 0]

[[golden]]
tolerance = 0.0001
seed = {seed}
input_shape = [{side}, {side}]
output_shape = [{side}, {side}]
points = [
{points}]
"#
    );
    vec![
        ("model.onnx".to_owned(), relax_onnx()),
        ("model.toml".to_owned(), toml.into_bytes()),
    ]
}

/// What [`relax`]'s network computes.
pub fn relaxed(costs: &[f32], side: usize) -> Vec<f32> {
    let way = |i: usize, j: usize| {
        let over = |k: usize| costs[i * side + k] + costs[k * side + j];
        (0..side).map(over).fold(f32::INFINITY, f32::min)
    };
    (0..side * side)
        .map(|at| way(at / side, at % side))
        .collect()
}

/// (i, k, 1) + (1, k, j), and the smallest over k.
fn relax_onnx() -> Vec<u8> {
    let axis = |axis| attribute("axes", Attribute::Ints(axis));
    let drop = attribute("keepdims", Attribute::Int(0));
    let graph = Graph {
        nodes: vec![
            node("Unsqueeze", &["costs"], "from", &[axis(2)]),
            node("Unsqueeze", &["costs"], "to", &[axis(0)]),
            node("Add", &["from", "to"], "ways", &[]),
            node("ReduceMin", &["ways"], "relaxed", &[axis(1), drop]),
        ],
        weights: Vec::new(),
        inputs: vec![value("costs", &["n", "n"])],
        outputs: vec![value("relaxed", &["n", "n"])],
    };
    // The last version in which axes are attributes.
    model(11, &graph)
}
