//! A model package that real bees accept and that computes in no time: one voxel in, two scores out.

use std::path::Path;

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

/// The network as ONNX: one convolution over one voxel. Field numbers are those of onnx.proto.
fn onnx() -> Vec<u8> {
    let node = [
        bytes(1, b"input"),
        bytes(1, b"weights"),
        bytes(1, b"biases"),
        bytes(2, b"output"),
        bytes(4, b"Conv"),
    ]
    .concat();
    let graph = [
        bytes(1, &node),
        bytes(2, b"tiny"),
        bytes(5, &tensor("weights", &[2, 1, 1, 1, 1], &WEIGHTS)),
        bytes(5, &tensor("biases", &[2], &BIASES)),
        bytes(11, &value("input", 1)),
        bytes(12, &value("output", 2)),
    ]
    .concat();
    [number(1, 8), bytes(8, &number(2, 17)), bytes(7, &graph)].concat()
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
    let ints =
        |name: &[u8], value: u8| [bytes(1, name), number(8, value), wide_number(20, 7)].concat();
    let node = |inputs: &[&[u8]], output: &[u8], kind: &[u8], attributes: &[Vec<u8>]| {
        let inputs = inputs.iter().map(|name| bytes(1, name));
        let attributes = attributes.iter().map(|attribute| bytes(5, attribute));
        let parts: Vec<Vec<u8>> = inputs
            .chain([bytes(2, output), bytes(4, kind)])
            .chain(attributes)
            .collect();
        bytes(1, &parts.concat())
    };
    let keep = [bytes(1, b"keepdims"), number(3, 0), wide_number(20, 2)].concat();
    let matrix = |name: &str| {
        let dims = [b"n", b"n"].map(|n| bytes(1, &bytes(2, n))).concat();
        let tensor = [number(1, 1), bytes(2, &dims)].concat();
        [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
    };
    let graph = [
        node(&[b"costs"], b"from", b"Unsqueeze", &[ints(b"axes", 2)]),
        node(&[b"costs"], b"to", b"Unsqueeze", &[ints(b"axes", 0)]),
        node(&[b"from", b"to"], b"ways", b"Add", &[]),
        node(
            &[b"ways"],
            b"relaxed",
            b"ReduceMin",
            &[ints(b"axes", 1), keep],
        ),
        bytes(2, b"relax"),
        bytes(11, &matrix("costs")),
        bytes(12, &matrix("relaxed")),
    ]
    .concat();
    // Opset 11: the last in which axes are attributes.
    [number(1, 6), bytes(8, &number(2, 11)), bytes(7, &graph)].concat()
}

fn tensor(name: &str, dims: &[u8], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let dims: Vec<u8> = dims.iter().flat_map(|&dim| number(1, dim)).collect();
    [
        dims,
        number(2, 1),
        bytes(8, name.as_bytes()),
        bytes(9, &raw),
    ]
    .concat()
}

/// A float tensor of shape (1, channels, x, y, z).
fn value(name: &str, channels: u8) -> Vec<u8> {
    let fixed = [1, channels].map(|n| bytes(1, &number(1, n)));
    let free = [b"x", b"y", b"z"].map(|n| bytes(1, &bytes(2, n)));
    let shape = [fixed.concat(), free.concat()].concat();
    let tensor = [number(1, 1), bytes(2, &shape)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

/// A protobuf field with bytes.
fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    let mut rest = content.len();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out.extend_from_slice(content);
    out
}

/// A protobuf field above 15 with a number below 128.
fn wide_number(field: u16, value: u8) -> Vec<u8> {
    let key = field << 3;
    vec![(key & 0x7f) as u8 | 0x80, (key >> 7) as u8, value]
}

/// A protobuf field with a number below 128.
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}
