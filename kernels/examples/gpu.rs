//! Every kernel on a GPU: compared with the CPU reference, then timed. `hardware-tests/kernels` runs it.
//!
//! Prints for each: microseconds (median of 21), bytes that it must move at least, and their rate as a share of what a
//! plain copy kernel reaches on this GPU; warm, and after 256 MB were written between the runs. Without a GPU it says so
//! and ends with 2.

use std::process::ExitCode;

use swarm_kernels::device::check::{CHECKS, noise, straight_grid};
use swarm_kernels::device::{Buffer, Device, DeviceError, Half};
use swarm_kernels::gather::launch::{Gather, Layout, Sampling};
use swarm_kernels::intensity::launch::{Moments, apply};
use swarm_kernels::intensity::{Intensity, Normalize};
use swarm_kernels::orientation::{AxisCodes, AxisMap};
use swarm_kernels::resample::Interpolation;
use swarm_kernels::spacing::spaced_grid;
use swarm_kernels::window::{Blend, positions};
use swarm_kernels::{components, foreground, invert, labels, percentile, stitch, window};

const RUNS: usize = 21;
const FLUSH_BYTES: usize = 256 << 20;
const CT: [usize; 3] = [512, 512, 400];
const MRI: [usize; 3] = [256; 3];

fn main() -> ExitCode {
    let device = match Device::cuda(0) {
        Ok(device) => device,
        Err(error) => {
            eprintln!("error: nothing was tested: {error}");
            return ExitCode::from(2);
        }
    };
    println!("device: {}", device.name());
    let mut failed = false;
    for (name, check) in CHECKS {
        match check(&device) {
            Ok(()) => println!("equal to the reference: {name}"),
            Err(failure) => {
                println!("DIFFERS: {name}: {failure}");
                failed = true;
            }
        }
    }
    if let Err(error) = benchmark(&device) {
        println!("FAILED: {error}");
        failed = true;
    }
    ExitCode::from(u8::from(failed))
}

type Work<'a> = &'a mut dyn FnMut() -> Result<(), DeviceError>;

struct Bench<'a> {
    device: &'a Device,
    flush: Buffer<u8>,
    /// Bytes per microsecond of the copy kernel, flushed.
    copy: f64,
}

impl Bench<'_> {
    fn median(&self, flush: bool, work: Work<'_>) -> Result<f64, DeviceError> {
        let mut times = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            if flush {
                self.device.fill(&self.flush, 1)?;
            }
            times.push(self.device.stopwatch(&mut *work)?);
        }
        times.sort_by(f64::total_cmp);
        Ok(times[RUNS / 2])
    }

    fn row(&self, name: &str, bytes: usize, work: Work<'_>) -> Result<(), DeviceError> {
        work()?;
        let (warm, cold) = (self.median(false, work)?, self.median(true, work)?);
        let share = |time: f64| 100.0 * bytes as f64 / time / self.copy;
        println!(
            "{name:<44} {warm:>9.1} {cold:>9.1} {:>9.1} {:>6.1} {:>6.1}",
            bytes as f64 / 1e6,
            share(warm),
            share(cold)
        );
        Ok(())
    }
}

fn benchmark(device: &Device) -> Result<(), DeviceError> {
    let count = 128 << 20;
    let from = device.allocate::<f32>(count)?;
    device.fill(&from, 0)?;
    let mut to = device.allocate::<f32>(count)?;
    let identity = device.upload(&[Intensity::IDENTITY])?;
    let mut bench = Bench {
        device,
        flush: device.allocate(FLUSH_BYTES)?,
        copy: 1.0,
    };
    let time = bench.median(true, &mut || apply(device, &from, &identity, &mut to))?;
    bench.copy = (8 * count) as f64 / time;
    println!(
        "copy kernel: {:.0} GB/s (f32 to f32, read and written)",
        bench.copy / 1e3
    );
    drop((from, to));
    println!(
        "{:<44} {:>9} {:>9} {:>9} {:>6} {:>6}",
        "kernel", "us warm", "us cold", "MB", "% warm", "% cold"
    );
    preprocessing(&bench)?;
    postprocessing(&bench)
}

fn preprocessing(bench: &Bench<'_>) -> Result<(), DeviceError> {
    let device = bench.device;
    let native = straight_grid(CT, [0.8, 0.8, 1.0]);
    let map = AxisMap::to_codes(&native, AxisCodes::RAS);
    let target = spaced_grid(&native, [1.5; 3]).map_err(DeviceError::Kernel)?;
    let stored: Vec<i16> = noise(1, native.voxels())
        .into_iter()
        .map(|v| (v * 4000.0) as i16 - 1024)
        .collect();
    let input = device.upload(&stored)?;
    let intensity = device.upload(&[Intensity::IDENTITY])?;
    let mut halves = device.allocate::<Half>(target.voxels())?;
    let sampling = Sampling::onto(
        &native,
        &map,
        &target,
        Interpolation::Linear,
        Layout::ZFastest,
    );
    let gather = Gather::new(device, sampling.map_err(DeviceError::Kernel)?, None)?;
    let bytes = 2 * native.voxels() + 2 * target.voxels();
    bench.row("gather CT i16 to f16, 1.5 mm", bytes, &mut || {
        gather.run(device, &input, Some(&intensity), &mut halves)
    })?;
    let started = std::time::Instant::now();
    gather.stream(device, &stored, &input, Some(&intensity), &mut halves, 16)?;
    device.finish()?;
    println!(
        "the same with upload, slab by slab: {:.1} ms",
        started.elapsed().as_secs_f64() * 1e3
    );

    let voxels = MRI.iter().product::<usize>();
    let mri = device.upload(&noise(2, voxels))?;
    let mut scalars = device.allocate::<Intensity>(1)?;
    let select = percentile::launch::Percentiles::<f32>::new(device, voxels, (0.5, 99.5))?;
    bench.row(
        "percentiles MRI f32 (three passes)",
        12 * voxels,
        &mut || select.run(device, &mri, (0.0, 1.0), true, &mut scalars),
    )?;
    let select = percentile::launch::Percentiles::<i16>::new(device, stored.len(), (0.5, 99.5))?;
    bench.row(
        "percentiles CT i16 (two passes)",
        4 * stored.len(),
        &mut || select.run(device, &input, (0.0, 1.0), true, &mut scalars),
    )?;
    let moments = Moments::new(device, voxels, Normalize::default())?;
    bench.row("mean and deviation MRI f32", 4 * voxels, &mut || {
        moments.run(device, &mri, &mut scalars)
    })?;
    bench.row(
        "foreground box MRI f32 (with its copy)",
        4 * voxels,
        &mut || foreground::launch::foreground_box(device, &mri, MRI, [0; 3], [0; 3]).map(|_| ()),
    )?;
    let roi = [96; 3];
    let all = positions(MRI, roi, [0.25; 3]).map_err(DeviceError::Kernel)?;
    let starts: Vec<i32> = all.iter().flatten().map(|&v| v as i32).collect();
    let starts = device.upload(&starts)?;
    let size = all.len() * roi.iter().product::<usize>();
    let mut windows = device.allocate::<Half>(size)?;
    bench.row(
        "window extraction MRI f32 to f16",
        4 * voxels + 2 * size,
        &mut || {
            window::launch::extract(
                device,
                &mri,
                MRI,
                &starts,
                roi,
                Some(&scalars),
                0.0,
                &mut windows,
            )
        },
    )
}

fn postprocessing(bench: &Bench<'_>) -> Result<(), DeviceError> {
    let device = bench.device;
    let native = straight_grid(CT, [0.8, 0.8, 1.0]);
    let map = AxisMap::to_codes(&native, AxisCodes::RAS);
    let work = spaced_grid(&native, [1.5; 3]).map_err(DeviceError::Kernel)?;
    let (image, roi, overlap) = (work.dims(), [96; 3], [0.25; 3]);
    let blend = Blend::Gaussian { sigma_scale: 0.125 };
    let stitcher = stitch::launch::Stitcher::new(device, image, roi, overlap, blend)?;
    let mut found = device.allocate::<u8>(work.voxels())?;
    for channels in [2, 14] {
        let size = stitcher.windows() * channels * roi.iter().product::<usize>();
        let logits = device.allocate::<Half>(size)?;
        device.fill(&logits, 0x3c)?;
        let name = format!("stitch and argmax, {channels} channels f16");
        bench.row(&name, 2 * size + work.voxels(), &mut || {
            stitcher.run(device, &logits, channels, 0.5, &mut found, None)
        })?;
    }
    let blobs: Vec<u8> = (0..work.voxels())
        .map(|i| (i / 7 % image[2] * 3 / image[2]) as u8)
        .collect();
    let mut found = device.upload(&blobs)?;
    let keep = components::launch::KeepLargest::new(device, image)?;
    bench.row(
        "largest components, 26 neighbours",
        4 * work.voxels(),
        &mut || keep.run(device, &mut found),
    )?;
    let mut output = device.allocate::<u8>(native.voxels())?;
    let back = invert::launch::Invert::new(device, &work, &map, &native)?;
    bench.row(
        "invert u8 to the native CT",
        work.voxels() + native.voxels(),
        &mut || back.run(device, &found, &mut output),
    )?;
    let packer = labels::launch::Packer::new(device, native.voxels(), 4)?;
    bench.row(
        "pack labels, 2 bits",
        native.voxels() + native.voxels() / 4,
        &mut || packer.run(device, &output),
    )
}
