//! Every engine of this machine's GPU on a real scan: `hardware-tests/engine` runs it. It fails where there is no GPU.
//!
//! `engine PACKAGE SCAN SWARMD`: what each engine is or why not; the fastest one's labels beside the CPU's; and for
//! TensorRT kernel and network on one stream, without a copy between them, beside the same run with copies.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use swarm_imaging::{Limits, LoadOptions, Volume, load, read_path};
use swarm_inference::engine::select::survey;
use swarm_inference::engine::tensorrt::{
    Artefact, Flavour, Library, Precision, Target, TensorRtEngine, compile,
};
use swarm_inference::engine::{Engine, EngineKind, Gpu, Resident};
use swarm_inference::{Accelerators, ModelPackage, Pipeline, PipelineConfig, default_runtime_path};
use swarm_kernels::gather::launch::{Gather, Layout, Sampling};
use swarm_kernels::orientation::{AxisCodes, AxisMap};
use swarm_kernels::resample::Interpolation;
use swarm_kernels::resize::resized_grid;
use swarm_kernels::{Grid, KernelError};

type Failure = Box<dyn std::error::Error>;

/// What the demo's network takes.
const DIMS: [usize; 3] = [128; 3];
/// Labels that may differ between engines: the last bits of float32 decide on the mask's edge.
const DIFFERENT_MAX: f64 = 1e-3;

fn main() -> Result<(), Failure> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder, scan, swarmd] = arguments.as_slice() else {
        return Err("usage: engine PACKAGE SCAN SWARMD".into());
    };
    let package = ModelPackage::from_dir(folder)?;
    let limits = Limits::default();
    let options = LoadOptions {
        limits,
        ..LoadOptions::default()
    };
    let volume = load(&read_path(scan, &limits)?, &options)?;
    let config = PipelineConfig {
        library: default_runtime_path(),
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let accelerators = Accelerators {
        probe: Some(swarmd.clone()),
        ..Accelerators::default()
    };

    let found = survey(&config.library, &accelerators);
    for passed in &found.considered {
        println!("passed over: {passed}");
    }
    let gpu = found.gpu.ok_or("there is no GPU to test on")?;
    println!("device: {}", gpu.name);
    compare(&package, folder, &volume, &config, &accelerators)?;
    for flavour in [Flavour::Rtx, Flavour::Full] {
        if found.usable.contains(&flavour.kind()) {
            one_stream(flavour, &package, &volume, &config, &accelerators, &gpu)?;
        }
    }
    Ok(())
}

/// The fastest engine's labels beside the CPU's.
fn compare(
    package: &ModelPackage,
    folder: &Path,
    volume: &Volume,
    config: &PipelineConfig,
    accelerators: &Accelerators,
) -> Result<(), Failure> {
    let mut fastest = Pipeline::load_fastest(package.clone(), folder, config, accelerators)?;
    println!("engine: {}", fastest.engine());
    for passed in fastest.considered() {
        println!("passed over for this model: {passed}");
    }
    if fastest.engine().backend == EngineKind::Cpu.name() {
        return Err("no engine of the GPU runs the model".into());
    }
    let mut cpu = Pipeline::load(package.clone(), config)?;
    let [ours, theirs] = [&mut fastest, &mut cpu].map(|pipeline| {
        let begin = Instant::now();
        let milliseconds = || begin.elapsed().as_secs_f64() * 1e3;
        let labels = pipeline
            .segment(volume, &mut |stage, part| {
                if part == 1.0 {
                    println!("{:>10.1} ms: {} done", milliseconds(), stage.name());
                }
            })
            .map(|map| map.labels);
        println!("{:>10.1} ms on {}", milliseconds(), pipeline.engine());
        labels
    });
    let (ours, theirs) = (ours?, theirs?);
    let different = ours.iter().zip(&theirs).filter(|(a, b)| a != b).count();
    let part = different as f64 / ours.len() as f64;
    println!("labels that differ from the CPU's: {different} ({part:.1e})");
    if part > DIFFERENT_MAX {
        return Err("too many".into());
    }
    Ok(())
}

/// Gather and network on one stream.
fn one_stream(
    flavour: Flavour,
    package: &ModelPackage,
    volume: &Volume,
    config: &PipelineConfig,
    accelerators: &Accelerators,
    gpu: &Gpu,
) -> Result<(), Failure> {
    let library = Library::load(flavour, &flavour.default_folder())?;
    let target = match flavour {
        Flavour::Rtx => Target::of(gpu.capability),
        Flavour::Full => Target::Here,
    };
    let (version, folder) = (library.version(), &accelerators.artefacts);
    let precision = Precision::F32;
    let found = Artefact::find(
        folder,
        package.digest(),
        target,
        flavour,
        &version,
        precision,
    )?;
    let artefact = match found {
        Some(artefact) => artefact,
        None => compile(&library, package, target, precision, config.threads)?,
    };
    let mut engine = TensorRtEngine::load(package, &library, artefact, folder, gpu)?;
    let device = engine.device().clone();

    let gather = Gather::new(&device, sampling(volume)?, None)?;
    let voxels = device.upload(&volume.to_f32())?;
    let mut input = device.allocate::<f32>(DIMS.iter().product())?;
    let channels = package.spec().output.channels;
    let mut output = device.allocate::<f32>(input.len() * channels)?;
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(device.stopwatch(|| gather.run(&device, &voxels, None, &mut input))?);
        let begin = Instant::now();
        engine.queue(&input, DIMS, &mut output)?;
        device.finish()?;
        println!(
            "{flavour:?}: network {:.2} ms",
            begin.elapsed().as_secs_f64() * 1e3
        );
    }
    println!(
        "{flavour:?}: gather {:.1} us",
        times.into_iter().fold(f64::INFINITY, f64::min)
    );
    // The same run with its input brought by the host.
    let copied = engine.infer(input.download()?, DIMS)?;
    if output.download()? != copied {
        return Err("without copies the network gives other values".into());
    }
    println!("{flavour:?}: one stream gives the same bits as copies");
    Ok(())
}

/// The scan on the network's grid, oriented.
fn sampling(volume: &Volume) -> Result<Sampling, KernelError> {
    let source = Grid::new(volume.dims(), volume.affine().0)?;
    let map = AxisMap::to_codes(&source, AxisCodes::parse("RAS")?);
    let target = resized_grid(&map.grid(&source)?, DIMS)?;
    Sampling::onto(
        &source,
        &map,
        &target,
        Interpolation::Linear,
        Layout::ZFastest,
    )
}
