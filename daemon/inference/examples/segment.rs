//! Runs a model package on a scan and prints where the time goes:
//! `cargo run -p swarm-inference --example segment -- <package> <scan file or directory> <output directory>`

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use swarm_imaging::{Limits, LoadOptions, load, read_path};
use swarm_inference::{ModelPackage, Pipeline, PipelineConfig, default_runtime_path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [package, scan, out] = arguments.as_slice() else {
        return Err("usage: segment <package> <scan file or directory> <output directory>".into());
    };
    let mut last = Instant::now();
    let mut lap = |what: &str| {
        println!("{what:>10} {:7.0} ms", last.elapsed().as_secs_f64() * 1e3);
        last = Instant::now();
    };
    let package = ModelPackage::from_dir(Path::new(package))?;
    lap("package");
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let mut pipeline = Pipeline::load(
        package,
        &PipelineConfig {
            library: default_runtime_path(),
            threads,
        },
    )?;
    lap("model");
    let limits = Limits::default();
    let options = LoadOptions {
        limits,
        ..LoadOptions::default()
    };
    let volume = load(&read_path(Path::new(scan), &limits)?, &options)?;
    lap("scan");
    let mut stage = None;
    let begin = Instant::now();
    let results = pipeline.run(&volume, &mut |now, part| {
        if part == 1.0 && stage != Some(now) {
            stage = Some(now);
            println!(
                "{:>10} done at {:5.0} ms",
                now.name(),
                begin.elapsed().as_secs_f64() * 1e3
            );
        }
    })?;
    for (name, bytes) in &results.files {
        std::fs::write(Path::new(out).join(name), bytes)?;
    }
    println!("{}", serde_json::to_string_pretty(&results.report)?);
    Ok(())
}
