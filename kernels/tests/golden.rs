//! The CPU reference against what MONAI 1.6.1 computed: `golden/make.py` wrote the values.
//!
//! Voxels that only move, and labels, are equal; computed ones agree within 1e-6 of the output's range.

use serde_json::Value;
use swarm_kernels::components::{Connectivity, keep_largest};
use swarm_kernels::foreground::foreground_box;
use swarm_kernels::holes::fill_holes;
use swarm_kernels::intensity::{self, Normalize, ScaleRange};
use swarm_kernels::invert::invert;
use swarm_kernels::orientation::{AxisCodes, AxisMap};
use swarm_kernels::pad::{self, PadMethod};
use swarm_kernels::percentile::percentiles;
use swarm_kernels::resample::Interpolation;
use swarm_kernels::resize::{ResizeMode, resize};
use swarm_kernels::spacing::{spaced_grid, spacing};
use swarm_kernels::window::{Blend, Stitch, positions};
use swarm_kernels::{Field, Grid, activation, discrete, layout};

const GOLDEN: &str = include_str!("../golden/monai.json");
const TOLERANCE_OF_RANGE: f32 = 1e-6;

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is not a number"))
}

fn three(value: &Value) -> [f64; 3] {
    std::array::from_fn(|i| number(&value[i]))
}

fn dims(value: &Value) -> [usize; 3] {
    three(value).map(|v| v as usize)
}

/// The margin and the like, which MONAI takes once for all axes.
fn same(value: &Value) -> [usize; 3] {
    [number(value) as usize; 3]
}

fn noise(seed: u64, count: usize) -> Vec<f32> {
    (1..=count as u64)
        .map(|i| {
            let mut z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ z >> 31) >> 40) as f32 / (1 << 24) as f32
        })
        .collect()
}

fn voxels(case: &Value) -> Vec<f32> {
    let (scale, offset) = (
        number(&case["scale"]) as f32,
        number(&case["offset"]) as f32,
    );
    let count = dims(&case["dims"]).iter().product();
    noise(number(&case["seed"]) as u64, count)
        .into_iter()
        .map(|v| v * scale + offset)
        .collect()
}

fn affine(value: &Value) -> [[f64; 4]; 4] {
    std::array::from_fn(|i| std::array::from_fn(|j| number(&value[i][j])))
}

fn field(case: &Value) -> Field<f32> {
    let grid =
        Grid::new(dims(&case["dims"]), affine(&case["affine"])).expect("golden grids are valid");
    Field::new(grid, voxels(case)).expect("as many voxels as the grid has")
}

fn labels(case: &Value) -> Field<u8> {
    let cuts = &case["parameters"]["cuts"];
    let cuts = [number(&cuts[0]) as f32, number(&cuts[1]) as f32];
    let (grid, voxels) = field(case).into_parts();
    Field::new(
        grid,
        voxels
            .iter()
            .map(|&v| u8::from(v >= cuts[0]) + u8::from(v >= cuts[1]))
            .collect(),
    )
    .expect("same dims")
}

fn connectivity(parameters: &Value) -> Connectivity {
    match number(&parameters["connectivity"]) as u32 {
        1 => Connectivity::Faces,
        2 => Connectivity::Edges,
        _ => Connectivity::Corners,
    }
}

fn as_numbers(labels: Field<u8>) -> Field<f32> {
    let (grid, voxels) = labels.into_parts();
    Field::new(grid, voxels.into_iter().map(f32::from).collect()).expect("same dims")
}

fn in_place(case: &Value, change: impl Fn(&mut [f32])) -> Field<f32> {
    let mut field = field(case);
    change(field.voxels_mut());
    field
}

/// Channels by consecutive seeds, one after the other.
fn stacked(case: &Value, channels: usize) -> Vec<f32> {
    let mut all = Vec::new();
    for channel in 0..channels as u64 {
        let mut one = case.clone();
        one["seed"] = Value::from(number(&case["seed"]) as u64 + channel);
        all.extend(voxels(&one));
    }
    all
}

fn stitched(case: &Value) -> Field<f32> {
    let p = &case["parameters"];
    let field = field(case);
    let (image, roi) = (field.grid().dims(), dims(&p["roi"]));
    let (start, padded) = pad::padded_box(image, roi, PadMethod::Symmetric);
    let input = pad::cut(&field, start, padded, 0.0).expect("valid");
    let blend = match p["mode"].as_str() {
        Some("constant") => Blend::Constant,
        _ => Blend::Gaussian { sigma_scale: 0.125 },
    };
    let mut stitch = Stitch::new(2, padded, roi, blend);
    for at in positions(padded, roi, [number(&p["overlap"]); 3]).expect("valid") {
        let mut window = layout::to_tensor(&input, at, roi).expect("inside");
        let second: Vec<f32> = window
            .iter()
            .enumerate()
            .map(|(i, v)| v + 0.1 * (i % roi[2]) as f32)
            .collect();
        window.extend(second);
        stitch.add(at, &window).expect("fits");
    }
    let out = stitch.finish();
    let channel = number(&p["channel"]) as usize;
    let count = input.grid().voxels();
    let output = layout::from_tensor(&out[channel * count..][..count], input.grid().clone())
        .expect("same dims");
    pad::cut(&output, start.map(|v| -v), image, 0.0).expect("valid")
}

/// Our result, and whether it must equal MONAI's to the bit.
fn compute(case: &Value) -> (Field<f32>, bool) {
    let p = &case["parameters"];
    let pair = |a: &str, b: &str| (number(&p[a]) as f32, number(&p[b]) as f32);
    match case["op"].as_str().expect("every case names its operation") {
        "Resize" => {
            let (mode, exact) = match p["mode"].as_str() {
                Some("nearest") => (ResizeMode::Nearest, true),
                Some("nearest-exact") => (ResizeMode::NearestExact, true),
                Some("trilinear") => (ResizeMode::Trilinear, false),
                _ => (ResizeMode::Area, false),
            };
            (
                resize(field(case), dims(&p["spatial_size"]), mode).expect("valid"),
                exact,
            )
        }
        "Orientation" => {
            let field = field(case);
            let codes = AxisCodes::parse(p["axcodes"].as_str().expect("text")).expect("valid");
            (
                AxisMap::to_codes(field.grid(), codes)
                    .apply(&field)
                    .expect("valid"),
                true,
            )
        }
        "Spacing" => {
            let nearest = p["mode"] == "nearest";
            let mode = if nearest {
                Interpolation::Nearest
            } else {
                Interpolation::Linear
            };
            (
                spacing(&field(case), three(&p["pixdim"]), mode).expect("valid"),
                nearest,
            )
        }
        "ScaleIntensityRange" => {
            let (a_min, a_max) = pair("a_min", "a_max");
            let range = ScaleRange {
                a_min,
                a_max,
                target: Some(pair("b_min", "b_max")),
                clip: p["clip"] == true,
            };
            (
                in_place(case, |voxels| intensity::scale_range(voxels, &range)),
                false,
            )
        }
        "ScaleIntensityRangePercentiles" => {
            let ranks = (number(&p["lower"]), number(&p["upper"]));
            let target = Some(pair("b_min", "b_max"));
            let change = |voxels: &mut [f32]| {
                intensity::scale_range_percentiles(voxels, ranks, target, p["clip"] == true)
                    .expect("finite");
            };
            (in_place(case, change), false)
        }
        "NormalizeIntensity" => {
            let range = ScaleRange {
                a_min: 0.0,
                a_max: 1000.0,
                target: Some((0.0, 1.0)),
                clip: true,
            };
            let rule = Normalize {
                nonzero: p["nonzero"] == true,
                unbiased: false,
            };
            let change = |voxels: &mut [f32]| {
                intensity::scale_range(voxels, &range);
                intensity::normalize(voxels, rule).expect("finite");
            };
            (in_place(case, change), false)
        }
        "ScaleIntensity" => (
            in_place(case, |voxels| {
                intensity::scale(voxels, pair("minv", "maxv")).expect("finite")
            }),
            false,
        ),
        "CropForeground" => {
            let field = field(case);
            let (start, size) = foreground_box(&field, same(&p["margin"]), same(&p["k_divisible"]))
                .expect("has foreground");
            (pad::cut(&field, start, size, 0.0).expect("valid"), true)
        }
        "SpatialPad" => {
            let field = field(case);
            let method = if p["method"] == "end" {
                PadMethod::End
            } else {
                PadMethod::Symmetric
            };
            let (start, size) =
                pad::padded_box(field.grid().dims(), dims(&p["spatial_size"]), method);
            (pad::cut(&field, start, size, 0.0).expect("valid"), true)
        }
        "DivisiblePad" => {
            let field = field(case);
            let size = pad::divisible(field.grid().dims(), dims(&p["k"]));
            let (start, size) = pad::padded_box(field.grid().dims(), size, PadMethod::Symmetric);
            (pad::cut(&field, start, size, 0.0).expect("valid"), true)
        }
        "Activations" => {
            let channels = number(&p["channels"]) as usize;
            let mut values = stacked(case, channels);
            if p["kind"] == "softmax" {
                activation::softmax(&mut values, channels);
            } else {
                activation::sigmoid(&mut values);
            }
            let grid = field(case).grid().clone();
            let channel = number(&p["channel"]) as usize;
            let one = values[channel * grid.voxels()..][..grid.voxels()].to_vec();
            (Field::new(grid, one).expect("same dims"), false)
        }
        "AsDiscrete" if p["kind"] == "threshold" => {
            let mut scores = field(case);
            scores.voxels_mut().iter_mut().for_each(|v| *v = v.floor());
            let threshold = number(&p["threshold"]) as f32;
            (as_numbers(discrete::threshold(&scores, threshold)), true)
        }
        "AsDiscrete" => {
            let grid = field(case).grid().clone();
            let values = stacked(case, number(&p["channels"]) as usize);
            let channels: Vec<Field<f32>> = values
                .chunks(grid.voxels())
                .map(|one| {
                    let one = one.iter().map(|v| v.floor()).collect();
                    Field::new(grid.clone(), one).expect("same dims")
                })
                .collect();
            (
                as_numbers(discrete::argmax(&channels).expect("same dims")),
                true,
            )
        }
        "Invert" => {
            let native = Grid::new(dims(&case["dims"]), affine(&case["affine"])).expect("valid");
            let map = AxisMap::to_codes(&native, AxisCodes::RAS);
            let oriented = map.grid(&native).expect("valid");
            let work = spaced_grid(&oriented, three(&p["pixdim"])).expect("valid");
            assert_eq!(work.dims(), dims(&p["work"]), "the working grid");
            let nearest = p["nearest"] == true;
            let values = noise(number(&case["seed"]) as u64, work.voxels())
                .into_iter()
                .map(|v| v * number(&case["scale"]) as f32)
                .map(|v| if nearest { v.floor() } else { v })
                .collect();
            let result = Field::new(work, values).expect("as many voxels as the grid has");
            let mode = if nearest {
                Interpolation::Nearest
            } else {
                Interpolation::Linear
            };
            (
                invert(&result, &map, &native, mode).expect("valid"),
                nearest,
            )
        }
        "SlidingWindow" => (stitched(case), false),
        "KeepLargestConnectedComponent" => {
            let mut labels = labels(case);
            keep_largest(&mut labels, connectivity(p));
            (as_numbers(labels), true)
        }
        "FillHoles" => {
            let mut labels = labels(case);
            fill_holes(&mut labels, connectivity(p));
            (as_numbers(labels), true)
        }
        other => panic!("no operation is called {other}"),
    }
}

fn cases() -> Vec<Value> {
    let golden: Value = serde_json::from_str(GOLDEN).expect("make.py writes JSON");
    golden["cases"].as_array().expect("a list").clone()
}

#[test]
fn operations_equal_monai() {
    let mut compared = 0;
    for case in cases().iter().filter(|case| case["op"] != "percentiles") {
        let name = format!("{} {}", case["op"], case["parameters"]);
        let (ours, exact) = compute(case);
        let expected: Vec<f32> = case["values"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|v| number(v) as f32)
            .collect();
        assert_eq!(ours.grid().dims(), dims(&case["out_dims"]), "{name}");
        if let Some(theirs) = case.get("out_affine").filter(|_| case["op"] != "FillHoles") {
            for (a, b) in ours
                .grid()
                .affine()
                .iter()
                .flatten()
                .zip(affine(theirs).iter().flatten())
            {
                assert!(
                    (a - b).abs() < 1e-9,
                    "{name}: affine {:?} not {theirs}",
                    ours.grid().affine()
                );
            }
        }
        let range = expected.iter().copied().fold(f32::NEG_INFINITY, f32::max)
            - expected.iter().copied().fold(f32::INFINITY, f32::min);
        let allowed = if exact {
            0.0
        } else {
            TOLERANCE_OF_RANGE * range
        };
        for (voxel, (a, b)) in ours.voxels().iter().zip(&expected).enumerate() {
            assert!(
                (a - b).abs() <= allowed,
                "{name}: voxel {voxel} is {a}, MONAI has {b}"
            );
        }
        compared += expected.len();
    }
    assert!(compared > 10_000, "only {compared} voxels were compared");
}

#[test]
fn percentiles_of_a_million_voxels_equal_numpy() {
    let case = cases()
        .into_iter()
        .find(|case| case["op"] == "percentiles")
        .expect("one case");
    let ranks: [f64; 4] = std::array::from_fn(|i| number(&case["ranks"][i]));
    let ours = percentiles(&voxels(&case), ranks).expect("finite");
    for (i, value) in ours.into_iter().enumerate() {
        let theirs = number(&case["values"][i]) as f32;
        assert!(
            value.to_bits().abs_diff(theirs.to_bits()) <= 1,
            "percentile {}: {value} {theirs}",
            ranks[i]
        );
    }
}
