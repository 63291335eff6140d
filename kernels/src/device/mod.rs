//! Kernels on a device: memory, launches, and what can go wrong. Each operation's folder has its kernels' launcher.
//!
//! A [`Device`] is a CUDA GPU (libcuda is looked for when the program runs, so everything builds and starts without
//! one) or, in tests, the host: the same kernel text compiled by g++. Launches are queued on one stream and run in
//! order; [`Device::finish`] and downloads wait for them. Every failure is a [`DeviceError`], none a panic.
//!
//! ```no_run
//! use swarm_kernels::device::Device;
//! let device = Device::cuda(0)?; // Err(NoDriver) where there is no NVIDIA driver
//! let voxels = device.upload(&[1i16, 2, 3])?;
//! assert_eq!(voxels.download()?, [1, 2, 3]);
//! # Ok::<(), swarm_kernels::device::DeviceError>(())
//! ```

mod buffer;
#[cfg(any(test, feature = "checks"))]
pub mod check;
mod cuda;
mod driver;
mod half;
#[cfg(any(test, feature = "shim"))]
pub(crate) mod shim;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

pub use buffer::{Buffer, Plain};
pub use driver::Graph;
pub use half::Half;

pub(crate) use buffer::Arguments;
use buffer::Memory;
use driver::Driver;

/// Threads of a block; every kernel is compiled for at most this many.
pub(crate) const BLOCK: u32 = 256;
/// CUDA's limit on the second and third dimension of a grid.
pub(crate) const GRID_YZ_MAX: usize = 65_535;

/// Why the device could not do it.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum DeviceError {
    /// libcuda is not on this machine.
    #[error("there is no NVIDIA driver on this machine (libcuda.so.1 is not found)")]
    NoDriver,
    /// There is a driver, and no such GPU.
    #[error("GPU {ordinal} does not exist: the driver sees {count}")]
    NoDevice {
        /// The number that was asked for, from 0.
        ordinal: usize,
        /// How many the driver sees.
        count: usize,
    },
    /// The committed kernels do not cover this GPU.
    #[error("the GPU has compute capability {major}.{minor}, the kernels need 8.0 or later")]
    Unsupported {
        /// Before the point.
        major: i32,
        /// After it.
        minor: i32,
    },
    /// Not enough memory on the device.
    #[error("{bytes} bytes of device memory are not to be had")]
    Memory {
        /// The size of the request.
        bytes: usize,
    },
    /// A call of the driver failed; after most of these the device is lost to this process.
    #[error("{call} failed: {reason}")]
    Driver {
        /// The call.
        call: &'static str,
        /// CUDA's name of the error.
        reason: String,
    },
    /// A buffer of another device was given.
    #[error("{name} is a buffer of another device")]
    OtherDevice {
        /// The parameter.
        name: &'static str,
    },
    /// A buffer has another length than the operation needs.
    #[error("{name} has {length} elements, {needed} are needed")]
    Length {
        /// The parameter.
        name: &'static str,
        /// What was given.
        length: usize,
        /// What is needed.
        needed: usize,
    },
    /// An axis is longer than a launch can address.
    #[error("an axis of {length} voxels is longer than a launch can address (65535)")]
    Axis {
        /// Its length.
        length: usize,
    },
    /// The operation is not defined for its parameters.
    #[error("the operation refused its parameters")]
    Kernel(#[source] crate::KernelError),
}

/// One device. Clones share it.
#[derive(Clone)]
pub struct Device {
    driver: Arc<dyn Driver>,
    /// While launches are recorded: the memory that they use.
    recorded: Arc<Mutex<Option<Vec<Arc<Memory>>>>>,
}

impl Device {
    /// The GPU of this number, with the committed kernels loaded.
    pub fn cuda(ordinal: usize) -> Result<Self, DeviceError> {
        Ok(Self::of(Arc::new(cuda::Cuda::open(ordinal)?)))
    }

    /// The host: the same kernels, compiled by g++, thread after thread. For tests, which it makes fail where there is no
    /// compiler.
    #[cfg(any(test, feature = "shim"))]
    pub fn shim() -> Self {
        Self::of(Arc::new(shim::Shim::default()))
    }

    /// The same as a small card: no allocation may be larger than `bytes`.
    #[cfg(any(test, feature = "shim"))]
    pub fn small_shim(bytes: usize) -> Self {
        Self::of(Arc::new(shim::Shim::with_allocations_up_to(bytes)))
    }

    fn of(driver: Arc<dyn Driver>) -> Self {
        Self {
            driver,
            recorded: Arc::default(),
        }
    }

    fn recorded(&self) -> MutexGuard<'_, Option<Vec<Arc<Memory>>>> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is, for records and benchmarks: name and compute capability.
    pub fn name(&self) -> String {
        self.driver.name()
    }

    /// Compute capability, before and after the point.
    pub fn capability(&self) -> (i32, i32) {
        self.driver.capability()
    }

    /// The `CUstream` on which kernels are queued, for an engine that queues its own work behind them. The device's
    /// context is current on this thread afterwards.
    pub fn stream(&self) -> Result<*mut std::ffi::c_void, DeviceError> {
        self.driver.stream()
    }

    /// Memory for `length` elements, with unspecified content.
    pub fn allocate<T: Plain>(&self, length: usize) -> Result<Buffer<T>, DeviceError> {
        Buffer::allocate(Arc::clone(&self.driver), length)
    }

    /// A buffer with this content.
    pub fn upload<T: Plain>(&self, elements: &[T]) -> Result<Buffer<T>, DeviceError> {
        let buffer = self.allocate(elements.len())?;
        self.driver
            .upload(buffer.address(), buffer::bytes_of(elements))?;
        Ok(buffer)
    }

    /// Sets every byte of the buffer.
    pub fn fill<T: Plain>(&self, buffer: &Buffer<T>, byte: u8) -> Result<(), DeviceError> {
        let address = self.address("buffer", buffer)?;
        self.driver.fill(address, byte, buffer.bytes())
    }

    /// Copies to `buffer` from element `first` on through pinned memory, beside the kernels that run. Kernels that
    /// are launched after [`Device::join`] see it.
    pub fn stage<T: Plain>(
        &self,
        buffer: &Buffer<T>,
        first: usize,
        elements: &[T],
    ) -> Result<(), DeviceError> {
        let address = self.address("buffer", buffer)?;
        let needed = first.saturating_add(elements.len());
        if needed > buffer.len() {
            return Err(DeviceError::Length {
                name: "buffer",
                length: buffer.len(),
                needed,
            });
        }
        self.driver.stage(
            address + (first * size_of::<T>()) as u64,
            buffer::bytes_of(elements),
        )
    }

    /// Kernels launched from now on wait for all that was staged before.
    pub fn join(&self) -> Result<(), DeviceError> {
        self.driver.join()
    }

    /// Waits until everything queued has run; reports what failed on the way.
    pub fn finish(&self) -> Result<(), DeviceError> {
        self.driver.finish()
    }

    /// Microseconds between the start and the end of what `work` queues, by the device's clock.
    pub fn stopwatch(
        &self,
        work: impl FnOnce() -> Result<(), DeviceError>,
    ) -> Result<f64, DeviceError> {
        self.driver.mark(0)?;
        work()?;
        self.driver.mark(1)?;
        self.driver.elapsed()
    }

    /// Records what `work` launches, without running it, as one graph: for one shape, since sizes and addresses are
    /// recorded with it. `work` may launch and fill, not allocate, copy or wait; nobody else uses the device meanwhile.
    pub fn record(
        &self,
        work: impl FnOnce() -> Result<(), DeviceError>,
    ) -> Result<Graph, DeviceError> {
        *self.recorded() = Some(Vec::new());
        let begun = self.driver.begin_capture();
        let outcome = begun.and_then(|()| {
            let result = work();
            // The capture ends also where the work failed, or the stream would stay unusable.
            let id = self.driver.end_capture()?;
            Ok((result, id))
        });
        let memory = self.recorded().take().unwrap_or_default();
        let (result, id) = outcome?;
        let graph = Graph::new(Arc::clone(&self.driver), id, memory);
        result.map(|()| graph)
    }

    /// The address of a buffer for a kernel, if it is one of this device.
    pub(crate) fn address<T: Plain>(
        &self,
        name: &'static str,
        buffer: &Buffer<T>,
    ) -> Result<u64, DeviceError> {
        if !buffer.belongs_to(&self.driver) {
            return Err(DeviceError::OtherDevice { name });
        }
        if let Some(recorded) = self.recorded().as_mut() {
            recorded.push(buffer.memory());
        }
        Ok(buffer.address())
    }

    /// The address of a buffer for a kernel or an engine, if it is one of this device with at least `needed` elements.
    pub fn address_of<T: Plain>(
        &self,
        name: &'static str,
        buffer: &Buffer<T>,
        needed: usize,
    ) -> Result<u64, DeviceError> {
        if buffer.len() < needed {
            return Err(DeviceError::Length {
                name,
                length: buffer.len(),
                needed,
            });
        }
        self.address(name, buffer)
    }

    /// Queues a kernel over `grid` blocks of [`BLOCK`] threads.
    ///
    /// # Safety
    /// `arguments` is the struct that the kernel is declared with, and every address in it belongs to a buffer of
    /// this device that is large enough for what the kernel does with it and outlives the launch's queueing
    /// (freeing memory waits for the kernels before).
    #[allow(unsafe_code)]
    pub(crate) unsafe fn launch<A: Arguments>(
        &self,
        kernel: &str,
        grid: [usize; 3],
        arguments: &A,
    ) -> Result<(), DeviceError> {
        if grid.contains(&0) {
            return Ok(());
        }
        if let Some(&length) = grid[1..].iter().find(|&&n| n > GRID_YZ_MAX) {
            return Err(DeviceError::Axis { length });
        }
        let grid = [
            u32::try_from(grid[0]).map_err(|_| DeviceError::Axis { length: grid[0] })?,
            grid[1] as u32,
            grid[2] as u32,
        ];
        // SAFETY: the caller's promise; the pointer is to a live struct of that size.
        unsafe {
            self.driver.launch(
                kernel,
                grid,
                BLOCK,
                std::ptr::from_ref(arguments).cast(),
                size_of::<A>(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_gpu_the_reason_is_a_value() {
        // Where there is one this opens it; where not, it must say why and not panic.
        match Device::cuda(usize::MAX >> 40) {
            Err(DeviceError::NoDriver | DeviceError::NoDevice { .. }) => {}
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("no machine has that many GPUs"),
        }
    }

    #[test]
    fn shim_graph_runs_what_was_recorded() {
        let device = Device::shim();
        let buffer = device.upload(&[7u32; 5]).expect("memory");
        let end = buffer.part(3, 2).expect("within");
        let graph = device.record(|| device.fill(&end, 0)).expect("recorded");
        // The graph keeps what it writes to.
        drop(end);
        assert_eq!(buffer.download().expect("read"), [7; 5]);
        graph.replay().expect("replayed");
        assert_eq!(buffer.download().expect("read"), [7, 7, 7, 0, 0]);
        drop(buffer);
        graph.replay().expect("its memory is still there");
        let failed = device.record(|| Err(DeviceError::NoDriver));
        assert_eq!(failed.map(drop), Err(DeviceError::NoDriver));
        assert!(device.recorded().is_none());
    }

    #[test]
    fn shim_parts_are_the_whole() {
        let device = Device::shim();
        let whole = device.upload(&[1u32, 2, 3, 4, 5]).expect("memory");
        let part = whole.part(1, 3).expect("within");
        let end = part.part(1, 2).expect("within");
        device.stage(&end, 1, &[9]).expect("within");
        assert_eq!(part.download().expect("read"), [2, 3, 9]);
        assert!(matches!(part.part(2, 2), Err(DeviceError::Length { .. })));
        drop((whole, part));
        assert_eq!(end.download().expect("its memory is still there"), [3, 9]);
    }

    #[test]
    fn shim_buffers_are_checked() {
        let (one, other) = (Device::shim(), Device::shim());
        let buffer = one.upload(&[1u8, 2]).expect("memory");
        assert_eq!(
            other.fill(&buffer, 0),
            Err(DeviceError::OtherDevice { name: "buffer" })
        );
        assert!(matches!(
            one.stage(&buffer, 1, &[0, 0]),
            Err(DeviceError::Length { .. })
        ));
    }
}
