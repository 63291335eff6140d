//! Our side of `scripts/bench imaging`. The last line of its output is JSON.
//!
//! - `prepare CHAINS NAME SCAN OUT`: times the preprocessing chain NAME on a scan in memory, and writes its result;
//! - `whole PACKAGE SCAN`: times a scan's whole way through a model, by stage, beside the bare calls of the network.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;
use serde_json::json;
use swarm_imaging::{Limits, LoadOptions, Volume, load, read_path};
use swarm_inference::engine::{CpuEngine, Engine, EngineError, EngineInfo};
use swarm_inference::golden::noise;
use swarm_inference::package::step::Preprocess;
use swarm_inference::{ModelPackage, Pipeline, default_runtime_path, pipeline};

type Failure = Box<dyn std::error::Error>;

/// Runs of each measurement; the fastest counts.
const ROUNDS: usize = 3;
/// As the peer has.
const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("2 is not 0");

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["prepare", chains, name, scan, out] => prepare(chains, name, scan, out)?,
        ["whole", package, scan] => whole(package, scan)?,
        _ => {
            return Err(
                "usage: imaging prepare CHAINS NAME SCAN OUT | imaging whole PACKAGE SCAN".into(),
            );
        }
    };
    println!("{result}");
    Ok(())
}

fn scan(path: &str) -> Result<Volume, Failure> {
    let limits = Limits::default();
    let options = LoadOptions {
        limits,
        ..LoadOptions::default()
    };
    Ok(load(&read_path(Path::new(path), &limits)?, &options)?)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Milliseconds of all threads of this process on a processor: what a loaded machine does not stretch.
fn processor_ms() -> Result<f64, Failure> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e6)
}

/// How long the pool's threads copy memory, `bytes` read and written together: no preparation of a scan that reads and
/// writes so many can be faster.
fn copy_ms(pool: &rayon::ThreadPool, bytes: usize) -> f64 {
    const PART_BYTES: usize = 1 << 20;
    let from = vec![1_u8; bytes / 2];
    let mut to = vec![2_u8; bytes / 2];
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        pool.install(|| {
            let parts = to
                .par_chunks_mut(PART_BYTES)
                .zip(from.par_chunks(PART_BYTES));
            parts.for_each(|(to, from)| to.copy_from_slice(from));
        });
        best = best.min(milliseconds(begin));
    }
    best
}

fn prepare(chains: &str, name: &str, path: &str, out: &str) -> Result<serde_json::Value, Failure> {
    let mut chains: BTreeMap<String, Vec<Preprocess>> =
        serde_json::from_slice(&std::fs::read(chains)?)?;
    let steps = chains.remove(name).ok_or("no such chain")?;
    let volume = scan(path)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(THREADS.get())
        .build()?;
    let (mut best, mut processor) = (f64::INFINITY, f64::INFINITY);
    let mut field = None;
    for _ in 0..ROUNDS {
        // Its memory goes back before the clock starts.
        drop(field.take());
        let (begin, before) = (Instant::now(), processor_ms()?);
        field = Some(pool.install(|| pipeline::prepare(&volume, &steps))?);
        best = best.min(milliseconds(begin));
        processor = processor.min(processor_ms()? - before);
    }
    for number in 1..=steps.len() {
        let begin = Instant::now();
        pool.install(|| pipeline::prepare(&volume, &steps[..number]))?;
        println!("first {number} steps: {:.0} ms", milliseconds(begin));
    }
    let field = field.ok_or("no rounds")?;
    let bytes: Vec<u8> = field
        .voxels()
        .iter()
        .flat_map(|v| v.to_ne_bytes())
        .collect();
    std::fs::write(out, &bytes)?;
    // The scan is not compressed: its file is as large as its voxels.
    let limit = copy_ms(&pool, std::fs::metadata(path)?.len() as usize + bytes.len());
    Ok(json!({
        "ms": best, "processor_ms": processor, "limit_ms": limit, "dims": field.grid().dims()
    }))
}

/// One session for the bare calls and for the pipeline: where its buffers lie makes two sessions of one network differ by a
/// fifth.
#[derive(Clone)]
struct Shared {
    engine: Arc<Mutex<CpuEngine>>,
    info: EngineInfo,
}

impl Engine for Shared {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn infer(&mut self, input: Vec<f32>, dims: [usize; 3]) -> Result<Vec<f32>, EngineError> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.infer(input, dims)
    }
}

fn whole(package: &str, path: &str) -> Result<serde_json::Value, Failure> {
    let package = ModelPackage::from_dir(Path::new(package))?;
    let volume = scan(path)?;
    let dims = [128; 3];
    let engine = CpuEngine::load(&package, &default_runtime_path(), THREADS)?;
    let mut bare = Shared {
        info: engine.info().clone(),
        engine: Arc::new(Mutex::new(engine)),
    };
    let mut pipeline = Pipeline::with_engine(package, Box::new(bare.clone()), THREADS)?;
    let (mut network, mut whole) = (f64::INFINITY, f64::INFINITY);
    let (mut network_processor, mut processor) = (f64::INFINITY, f64::INFINITY);
    let mut stages = BTreeMap::new();
    for _ in 0..ROUNDS {
        // What goes in does not change how long a convolution takes.
        let input = noise(7, dims.iter().product());
        let (begin, before) = (Instant::now(), processor_ms()?);
        bare.infer(input, dims)?;
        network = network.min(milliseconds(begin));
        network_processor = network_processor.min(processor_ms()? - before);

        let (begin, before) = (Instant::now(), processor_ms()?);
        let mut last = begin;
        let mut laps = BTreeMap::new();
        pipeline.run(&volume, &mut |stage, part| {
            if part == 1.0 {
                laps.insert(stage.name(), milliseconds(last));
                last = Instant::now();
            }
        })?;
        let time = milliseconds(begin);
        processor = processor.min(processor_ms()? - before);
        if time < whole {
            (whole, stages) = (time, laps);
        }
    }
    Ok(json!({
        "whole_ms": whole, "network_ms": network, "stages_ms": stages,
        "processor_ms": processor, "network_processor_ms": network_processor
    }))
}
