//! What a device must be able to do, with plain addresses. Two things can: [`super::cuda`] and, in tests, the shim.

use std::ffi::c_void;
use std::sync::Arc;

use super::DeviceError;
use super::buffer::Memory;

pub(crate) trait Driver: Send + Sync {
    fn name(&self) -> String;
    /// Compute capability.
    fn capability(&self) -> (i32, i32);
    /// Makes the device current on this thread and gives the kernels' stream.
    fn stream(&self) -> Result<*mut c_void, DeviceError>;
    fn allocate(&self, bytes: usize) -> Result<u64, DeviceError>;
    /// Waits for what may still use it.
    fn free(&self, address: u64);
    /// Returns when `bytes` is on the device.
    fn upload(&self, to: u64, bytes: &[u8]) -> Result<(), DeviceError>;
    /// Waits for all that is queued, then copies.
    fn download(&self, from: u64, bytes: &mut [u8]) -> Result<(), DeviceError>;
    fn fill(&self, to: u64, byte: u8, bytes: usize) -> Result<(), DeviceError>;
    /// Copies beside the kernels; `bytes` may change as soon as this returns.
    fn stage(&self, to: u64, bytes: &[u8]) -> Result<(), DeviceError>;
    fn join(&self) -> Result<(), DeviceError>;
    fn finish(&self) -> Result<(), DeviceError>;
    fn mark(&self, which: usize) -> Result<(), DeviceError>;
    /// Microseconds from mark 0 to mark 1.
    fn elapsed(&self) -> Result<f64, DeviceError>;
    fn begin_capture(&self) -> Result<(), DeviceError>;
    fn end_capture(&self) -> Result<u64, DeviceError>;
    fn replay(&self, graph: u64) -> Result<(), DeviceError>;
    fn forget(&self, graph: u64);
    /// # Safety
    /// `arguments` points to `bytes` bytes, the kernel's struct; addresses in it are as [`super::Device::launch`] says.
    #[allow(unsafe_code)]
    unsafe fn launch(
        &self,
        kernel: &str,
        grid: [u32; 3],
        block: u32,
        arguments: *const c_void,
        bytes: usize,
    ) -> Result<(), DeviceError>;
}

/// Recorded launches that run again as one: for one shape, since addresses and sizes are recorded with them. It keeps all
/// memory that they use.
pub struct Graph {
    driver: Arc<dyn Driver>,
    id: u64,
    _memory: Vec<Arc<Memory>>,
}

impl Graph {
    pub(super) fn new(driver: Arc<dyn Driver>, id: u64, memory: Vec<Arc<Memory>>) -> Self {
        Self {
            driver,
            id,
            _memory: memory,
        }
    }

    /// Queues all recorded launches.
    pub fn replay(&self) -> Result<(), DeviceError> {
        self.driver.replay(self.id)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.driver.forget(self.id);
    }
}
