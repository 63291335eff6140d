//! A compiled engine on a GPU, on the kernels' stream and in the kernels' memory.
//!
//! No machine with a card that it suits was at hand: this is compiled and tested as far as the refusal where there is
//! no driver. `hardware-tests/engine` runs it.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use swarm_kernels::device::{Buffer, Device};

use super::artefact::{put, read};
use super::compile::check_tensors;
use super::library::Loaded;
use super::{Artefact, Library, Profile};
use crate::engine::{Engine, EngineError, EngineInfo, Gpu, Resident};
use crate::package::ModelPackage;

/// Most bytes of kernels that are kept for the next start.
const CACHE_BYTES_MAX: u64 = 1 << 30;

/// A network on a GPU, through TensorRT.
pub struct TensorRtEngine {
    /// Always there until `drop`, which closes it while the GPU's context is current.
    loaded: Option<Loaded>,
    device: Device,
    artefact: Artefact,
    folder: PathBuf,
    input: CString,
    output: CString,
    channels: usize,
    profile: Profile,
    info: EngineInfo,
}

impl TensorRtEngine {
    /// Puts the artefact on the GPU. `folder` is where artefacts are kept, and this card's kernels beside them.
    pub fn load(
        package: &ModelPackage,
        library: &Library,
        artefact: Artefact,
        folder: &Path,
        gpu: &Gpu,
    ) -> Result<Self, EngineError> {
        let device = Device::cuda(gpu.ordinal)?;
        device.stream()?;
        let description = artefact.description();
        let cached = read(&cache_path(folder, &artefact), CACHE_BYTES_MAX)?.unwrap_or_default();
        let (loaded, tensors) = library.open(artefact.engine(), &cached)?;
        let spec = package.spec();
        check_tensors(spec, &tensors)?;
        let name = |text: &str| {
            CString::new(text).map_err(|_| EngineError::Tensors {
                found: tensors.clone(),
            })
        };
        Ok(Self {
            input: name(&spec.input.tensor)?,
            output: name(&spec.output.tensor)?,
            channels: spec.output.channels,
            profile: description.profile,
            info: EngineInfo {
                backend: description.flavour.kind().name().to_owned(),
                version: description.version.clone(),
                precision: description.precision.name(),
                architecture: gpu.architecture(),
                kernels: swarm_kernels::KERNEL_SET,
            },
            loaded: Some(loaded),
            device,
            artefact,
            folder: folder.to_path_buf(),
        })
    }

    fn keep(&mut self) -> Result<(), EngineError> {
        let gpu = self.info.architecture.clone();
        self.artefact.ran(gpu, &self.folder)?;
        self.device.stream()?;
        match self.loaded.as_ref().and_then(Loaded::cache) {
            Some(kernels) => put(&cache_path(&self.folder, &self.artefact), &kernels),
            None => Ok(()),
        }
    }
}

fn cache_path(folder: &Path, artefact: &Artefact) -> PathBuf {
    folder.join(format!("{}.kernels", artefact.description().key()))
}

impl Resident for TensorRtEngine {
    fn device(&self) -> &Device {
        &self.device
    }

    fn queue(
        &mut self,
        input: &Buffer<f32>,
        dims: [usize; 3],
        output: &mut Buffer<f32>,
    ) -> Result<(), EngineError> {
        let Profile { least, most, .. } = self.profile;
        if (0..3).any(|axis| !(least[axis]..=most[axis]).contains(&dims[axis])) {
            return Err(EngineError::Dims { dims, least, most });
        }
        let loaded = self.loaded.as_mut().expect("only `drop` takes it");
        loaded.enqueue(
            &self.device,
            (&self.input, dims, input),
            (&self.output, self.channels, output),
        )
    }
}

impl Engine for TensorRtEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn infer(&mut self, input: Vec<f32>, dims: [usize; 3]) -> Result<Vec<f32>, EngineError> {
        let from = self.device.upload(&input)?;
        let mut to = self.device.allocate(input.len() * self.channels)?;
        self.queue(&from, dims, &mut to)?;
        Ok(to.download()?)
    }

    fn resident(&mut self) -> Option<&mut dyn Resident> {
        Some(self)
    }

    fn passed(&mut self) -> Result<(), EngineError> {
        self.keep()
    }
}

impl Drop for TensorRtEngine {
    fn drop(&mut self) {
        // Where the context is lost there is nothing left to free.
        if self.device.stream().is_err() {
            std::mem::forget(self.loaded.take());
        }
    }
}
