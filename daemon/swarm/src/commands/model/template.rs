//! `swarm model new`: an operator's own network in a package that is defined here.
//!
//! The network's names and channels go into the template, and its answers to seeded noise become the golden case: whatever
//! runs the package later, on whatever engine, must give the same.

use std::fs;

use anyhow::{Context, Result};
use swarm_inference::engine::{CpuEngine, Engine};
use swarm_inference::golden::noise;
use swarm_package::spec::{Spec, Window};
use swarm_package::{ModelPackage, ONNX_FILE, Package, SPEC_FILE, interface};

use super::local;
use crate::cli::NewModelArgs;
use crate::exit::Failure;
use crate::session::Session;

/// The definitions that come with the program.
const TEMPLATES: [(&str, &str); 1] = [(
    "spine_mri",
    include_str!("../../../../../scripts/model/spine_mri/model.toml"),
)];
/// Of the golden case's noise.
const SEED: u64 = 7;
/// Points of the golden case, spread evenly over the output.
const POINTS: usize = 64;
/// Allowed difference of a golden value, as a part of the largest one: engines add in different orders.
const TOLERANCE: f32 = 1e-3;
/// Multiples of the smallest size that the golden case of a network without a window has.
const SIZES: usize = 2;

/// `swarm model new`.
pub fn run(session: &Session, args: &NewModelArgs) -> Result<()> {
    if args.package.exists() {
        let text = format!(
            "{} is there already; name a new directory",
            args.package.display()
        );
        return Err(Failure::usage(text).into());
    }
    let template = template(&args.template)?;
    let onnx = fs::read(&args.onnx).with_context(|| format!("read {}", args.onnx.display()))?;
    let of_network = interface(&onnx).context("the network is refused")?;
    let channels = of_network.channels.map_or_else(
        // The labels say it then.
        || template.matches("[[labels]]").count() + 1,
        |channels| channels as usize,
    );
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let filled = template
        .replace("@NAME@", &quoted(&args.name))
        .replace("@VERSION@", &quoted(&args.version))
        .replace("@LICENCE@", &quoted(&args.licence))
        .replace("@INPUT@", &quoted(&of_network.input))
        .replace("@OUTPUT@", &quoted(&of_network.output))
        .replace("@CHANNELS@", &channels.to_string());
    let spec: Spec =
        toml::from_str(&filled.replace("@GOLDEN@", &golden([1; 3], channels, &[], 1.0)))
            .context("the template is no model.toml for scans")?;
    if channels != spec.labels.len() + 1 {
        let text = format!(
            "the network gives {channels} scores a voxel, the template names {} labels and the background: take a copy of the template, name your labels in it, and give its path",
            spec.labels.len()
        );
        return Err(Failure::usage(text).into());
    }
    let dims = match &spec.window {
        Window::Sliding { roi_size, .. } => *roi_size,
        Window::Whole {} => [SIZES * spec.input.size_multiple; 3],
    };
    // The network must run once before what it gives is known.
    let provisional = golden(dims, channels, &[(0, 0.0)], 1.0);
    let package = package(&filled.replace("@GOLDEN@", &provisional), &onnx)?;
    let config = local::config(args.onnxruntime.clone());
    let mut engine = CpuEngine::load(&package, &config.library, config.threads)
        .context("the network does not load")?;
    let input = noise(SEED, dims.iter().product());
    let output = engine
        .infer(input, dims)
        .context("the network does not run")?;
    let largest = output.iter().fold(0f32, |largest, v| largest.max(v.abs()));
    if !largest.is_finite() {
        let text =
            "the network answers noise with NaN or infinities; it cannot be proven by golden cases";
        return Err(Failure::refused(text).into());
    }
    let step = output.len().div_ceil(POINTS).max(1);
    // An odd step, so that the points do not all lie in one plane.
    let points: Vec<(usize, f32)> = (0..output.len())
        .step_by(step | 1)
        .map(|index| (index, output[index]))
        .collect();
    let case = golden(dims, channels, &points, TOLERANCE * largest.max(1e-3));
    let text = filled.replace("@GOLDEN@", &case);
    fs::create_dir_all(&args.package)
        .with_context(|| format!("create {}", args.package.display()))?;
    for (name, bytes) in [(SPEC_FILE, text.as_bytes()), (ONNX_FILE, &onnx)] {
        let path = args.package.join(name);
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
    }
    let verified = local::prove(&args.package, &config)?;
    session.out.print(&verified, |verified, out| {
        let dir = args.package.display();
        format!(
            "{}\nswarm model push {dir} --activate   brings it to the queen",
            local::describe(verified, out)
        )
    })
}

fn template(name: &str) -> Result<String> {
    if let Some((_, text)) = TEMPLATES.iter().find(|(known, _)| *known == name) {
        return Ok((*text).to_owned());
    }
    let known = TEMPLATES.map(|(known, _)| known).join(", ");
    fs::read_to_string(name).with_context(|| {
        format!("'{name}' is neither a template ({known}) nor a file that can be read")
    })
}

fn package(toml: &str, onnx: &[u8]) -> Result<ModelPackage> {
    let files = vec![
        (SPEC_FILE.to_owned(), toml.as_bytes().to_vec()),
        (ONNX_FILE.to_owned(), onnx.to_vec()),
    ];
    let package = Package::from_files(files).context("the filled template is refused")?;
    Ok(package.scan()?)
}

/// A golden case as `model.toml` has it.
fn golden(dims: [usize; 3], channels: usize, points: &[(usize, f32)], tolerance: f32) -> String {
    let [x, y, z] = dims;
    let point =
        |(index, value): &(usize, f32)| format!("    {{ index = {index}, value = {value:?} }},\n");
    let points: String = points.iter().map(point).collect();
    format!(
        "# From `swarm model new`: what ONNX Runtime computes on seeded noise.\n[[golden]]\ntolerance = {tolerance:?}\nseed = {SEED}\ninput_shape = [1, 1, {x}, {y}, {z}]\noutput_shape = [1, {channels}, {x}, {y}, {z}]\npoints = [\n{points}]"
    )
}
