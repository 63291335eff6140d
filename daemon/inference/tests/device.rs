//! The GPU's way of the real network on a real head: the same kernels on the host, and ONNX Runtime between them. What runs
//! on a GPU is this code with another driver below it and TensorRT in the middle.

mod common;

use swarm_imaging::{LoadOptions, load};
use swarm_inference::engine::{CpuEngine, Engine, EngineError, EngineInfo, Resident};
use swarm_inference::{ModelPackage, Pipeline, Results};
use swarm_kernels::device::{Buffer, Device};
use swarm_kernels::{DEVICE_KERNEL_SET, KERNEL_SET};

/// Labels that may differ: the last bits of float32 decide on the mask's edge.
const DIFFERENT_MAX: f64 = 1e-5;

/// ONNX Runtime on the CPU, on memory that the kernels see.
struct Hosted {
    engine: CpuEngine,
    device: Device,
    channels: usize,
}

impl Hosted {
    fn load(package: &ModelPackage, device: Device) -> Self {
        let config = common::config();
        Self {
            engine: CpuEngine::load(package, &config.library, config.threads).expect("loads"),
            device,
            channels: package.spec().output.channels,
        }
    }
}

impl Engine for Hosted {
    fn info(&self) -> &EngineInfo {
        self.engine.info()
    }

    fn infer(&mut self, input: Vec<f32>, dims: [usize; 3]) -> Result<Vec<f32>, EngineError> {
        self.engine.infer(input, dims)
    }

    fn resident(&mut self) -> Option<&mut dyn Resident> {
        Some(self)
    }
}

impl Resident for Hosted {
    fn device(&self) -> &Device {
        &self.device
    }

    fn queue(
        &mut self,
        input: &Buffer<f32>,
        dims: [usize; 3],
        output: &mut Buffer<f32>,
    ) -> Result<(), EngineError> {
        assert_eq!(output.len(), self.channels * input.len());
        let scores = self.engine.infer(input.download()?, dims)?;
        Ok(self.device.stage(output, 0, &scores)?)
    }
}

#[test]
fn the_kernels_find_the_brain_that_the_reference_finds() {
    let package = common::brain_package();
    let config = common::config();
    let mut reference = Pipeline::load(package.clone(), &config).expect("loads");
    let pipeline = |device| {
        let engine = Box::new(Hosted::load(&package, device));
        Pipeline::with_engine(package.clone(), engine, config.threads).expect("loads")
    };
    let mut device = pipeline(Device::shim());
    assert_eq!(reference.engine().kernels, KERNEL_SET);
    assert_eq!(device.engine().kernels, DEVICE_KERNEL_SET);

    let bytes = std::fs::read(common::cached("scan/ch2.nii.gz")).expect("readable");
    let scan = load(&[("ch2.nii.gz".to_owned(), bytes)], &LoadOptions::default()).expect("valid");
    let run = |pipeline: &mut Pipeline| pipeline.run(&scan, &mut |_, _| {}).expect("runs");
    let (theirs, ours) = (run(&mut reference), run(&mut device));
    assert!(ours.report.engine.ends_with(DEVICE_KERNEL_SET));
    let labels = |results: &Results| {
        let mask = load(&results.files[..1], &LoadOptions::default()).expect("our own mask");
        mask.to_f32()
    };
    let [a, b] = [&ours, &theirs].map(labels);
    let brain = b.iter().filter(|&&v| v == 1.0).count();
    assert!(brain > 1_000_000, "{brain} voxels of brain");
    let different = a.iter().zip(&b).filter(|(a, b)| a != b).count();
    println!("{different} of {} labels differ", a.len());
    let part = different as f64 / a.len() as f64;
    assert!(part <= DIFFERENT_MAX, "{different} labels differ");

    // A card that holds the network, and not two scores for each voxel of this head: the result says what made it.
    let mut small = pipeline(Device::small_shim(32 << 20));
    assert_eq!(small.engine().kernels, DEVICE_KERNEL_SET);
    let made = run(&mut small);
    assert_eq!(small.engine().kernels, KERNEL_SET);
    assert_eq!(made.digest(), theirs.digest());
}
