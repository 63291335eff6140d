//! A CUDA GPU, through libcuda loaded when the program runs.
//!
//! Two streams: kernels, and copies from a ring of pinned memory that run beside them. What is here has no test
//! without a GPU beyond compiling and the refusal where there is no driver; `hardware-tests` runs it.
#![allow(unsafe_code)] // The driver's C interface.

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cudarc::driver::sys::{
    self, CUdevice_attribute as Attribute, CUevent, CUevent_flags, CUevent_wait_flags, CUfunction,
    CUgraphExec, CUstream, CUstreamCaptureMode,
};
use cudarc::driver::{DriverError, result};

use super::DeviceError;
use super::driver::Driver;

/// Compiled by `kernels/compile` from the sources beside it; a test compiles them again and compares.
static FATBIN: &Aligned<[u8]> = &Aligned(*include_bytes!("../../compiled/kernels.fatbin"));

/// The driver reads the image in words.
#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);

/// One piece of a staged copy, and how many may be on their way.
const PIECE_BYTES: usize = 8 << 20;
const PIECES: usize = 4;

pub(crate) struct Cuda {
    device: sys::CUdevice,
    context: sys::CUcontext,
    module: sys::CUmodule,
    kernels: CUstream,
    copies: CUstream,
    copied: CUevent,
    marks: [CUevent; 2],
    state: Mutex<State>,
    name: String,
    capability: (i32, i32),
}

struct State {
    functions: HashMap<String, CUfunction>,
    ring: Vec<Piece>,
    next: usize,
    graphs: HashMap<u64, CUgraphExec>,
    graphs_made: u64,
}

/// Pinned memory, and the event after the last copy out of it.
struct Piece {
    memory: *mut u8,
    done: CUevent,
}

// SAFETY: the handles may be used from any thread that has the context current, which every method sees to; what
// changes is behind the mutex.
unsafe impl Send for Cuda {}
// SAFETY: as above.
unsafe impl Sync for Cuda {}

fn failed(call: &'static str) -> impl Fn(DriverError) -> DeviceError {
    move |error| DeviceError::Driver {
        call,
        reason: error.error_name().map_or_else(
            |_| format!("error {}", error.0 as u32),
            |name| name.to_string_lossy().into_owned(),
        ),
    }
}

impl Cuda {
    pub(crate) fn open(ordinal: usize) -> Result<Self, DeviceError> {
        // SAFETY: looks whether the library can be opened; its initialisers are NVIDIA's.
        if !unsafe { sys::is_culib_present() } {
            return Err(DeviceError::NoDriver);
        }
        let count = match result::init() {
            Ok(()) => result::device::get_count().map_err(failed("cuDeviceGetCount"))? as usize,
            Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => 0,
            Err(error) => return Err(failed("cuInit")(error)),
        };
        if ordinal >= count {
            return Err(DeviceError::NoDevice { ordinal, count });
        }
        let device = result::device::get(ordinal as i32).map_err(failed("cuDeviceGet"))?;
        let attribute = |which| {
            // SAFETY: the device is one that cuDeviceGet gave.
            unsafe { result::device::get_attribute(device, which) }
                .map_err(failed("cuDeviceGetAttribute"))
        };
        let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        if major < 8 {
            return Err(DeviceError::Unsupported { major, minor });
        }
        let name = result::device::get_name(device).map_err(failed("cuDeviceGetName"))?;
        // SAFETY: a device that cuDeviceGet gave; released in `drop`.
        let context = unsafe { result::primary_ctx::retain(device) }
            .map_err(failed("cuDevicePrimaryCtxRetain"))?;
        Self::with_context(
            device,
            context,
            format!("{name}, compute capability {major}.{minor}"),
            (major, minor),
        )
        .inspect_err(|_| {
            // SAFETY: retained above, and nothing that needs it was kept.
            let _ = unsafe { result::primary_ctx::release(device) };
        })
    }

    /// Loads the kernels and makes the streams. What it made before an error goes with the context.
    fn with_context(
        device: sys::CUdevice,
        context: sys::CUcontext,
        name: String,
        capability: (i32, i32),
    ) -> Result<Self, DeviceError> {
        // SAFETY: a context that is retained.
        unsafe { result::ctx::set_current(context) }.map_err(failed("cuCtxSetCurrent"))?;
        // SAFETY: the image is a whole fatbin, aligned, and static.
        let module = unsafe { result::module::load_data(FATBIN.0.as_ptr().cast()) }
            .map_err(failed("cuModuleLoadData"))?;
        let stream = || {
            result::stream::create(result::stream::StreamKind::NonBlocking)
                .map_err(failed("cuStreamCreate"))
        };
        let event = |flags| result::event::create(flags).map_err(failed("cuEventCreate"));
        let (timed, plain) = (
            CUevent_flags::CU_EVENT_DEFAULT,
            CUevent_flags::CU_EVENT_DISABLE_TIMING,
        );
        Ok(Self {
            device,
            context,
            module,
            kernels: stream()?,
            copies: stream()?,
            copied: event(plain)?,
            marks: [event(timed)?, event(timed)?],
            state: Mutex::new(State {
                functions: HashMap::new(),
                ring: Vec::new(),
                next: 0,
                graphs: HashMap::new(),
                graphs_made: 0,
            }),
            name,
            capability,
        })
    }

    /// Every entry makes the context current: callers may be any thread.
    fn enter(&self) -> Result<MutexGuard<'_, State>, DeviceError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: retained until `drop`.
        unsafe { result::ctx::set_current(self.context) }.map_err(failed("cuCtxSetCurrent"))?;
        Ok(state)
    }

    /// The next piece of the ring, free to be written.
    fn piece(&self, state: &mut State) -> Result<(*mut u8, CUevent), DeviceError> {
        if state.ring.len() < PIECES {
            // SAFETY: plain pinned memory; freed in `drop`.
            let memory = unsafe { result::malloc_host(PIECE_BYTES, 0) }
                .map_err(|_| DeviceError::Memory { bytes: PIECE_BYTES })?;
            let done = result::event::create(CUevent_flags::CU_EVENT_DISABLE_TIMING)
                .map_err(failed("cuEventCreate"))?;
            state.ring.push(Piece {
                memory: memory.cast(),
                done,
            });
            state.next = state.ring.len() - 1;
        }
        let piece = &state.ring[state.next];
        state.next = (state.next + 1) % PIECES;
        // SAFETY: an event of this context; one never recorded counts as done.
        unsafe { result::event::synchronize(piece.done) }.map_err(failed("cuEventSynchronize"))?;
        Ok((piece.memory, piece.done))
    }
}

impl Driver for Cuda {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn capability(&self) -> (i32, i32) {
        self.capability
    }

    fn stream(&self) -> Result<*mut c_void, DeviceError> {
        let _state = self.enter()?;
        Ok(self.kernels.cast())
    }

    fn allocate(&self, bytes: usize) -> Result<u64, DeviceError> {
        let _state = self.enter()?;
        // SAFETY: content is unspecified, and Plain accepts any.
        unsafe { result::malloc_sync(bytes) }.map_err(|error| match error.0 {
            sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => DeviceError::Memory { bytes },
            _ => failed("cuMemAlloc")(error),
        })
    }

    fn free(&self, address: u64) {
        if let Ok(_state) = self.enter() {
            // Streams that do not block are not waited for by cuMemFree.
            // SAFETY: streams of this context; the address came from `allocate` and is freed once.
            unsafe {
                let _ = result::stream::synchronize(self.copies);
                let _ = result::stream::synchronize(self.kernels);
                let _ = result::free_sync(address);
            }
        }
    }

    fn upload(&self, to: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        let _state = self.enter()?;
        // SAFETY: the range is an allocation's; pageable memory is copied before the call returns, and the wait
        // makes that true for all.
        unsafe {
            result::memcpy_htod_async(to, bytes, self.kernels).map_err(failed("cuMemcpyHtoD"))?;
            result::stream::synchronize(self.kernels).map_err(failed("cuStreamSynchronize"))
        }
    }

    fn download(&self, from: u64, bytes: &mut [u8]) -> Result<(), DeviceError> {
        let _state = self.enter()?;
        // SAFETY: the range is an allocation's, and the destination lives until the wait is over.
        unsafe {
            result::stream::synchronize(self.copies).map_err(failed("cuStreamSynchronize"))?;
            result::memcpy_dtoh_async(bytes, from, self.kernels).map_err(failed("cuMemcpyDtoH"))?;
            result::stream::synchronize(self.kernels).map_err(failed("cuStreamSynchronize"))
        }
    }

    fn fill(&self, to: u64, byte: u8, bytes: usize) -> Result<(), DeviceError> {
        let _state = self.enter()?;
        // SAFETY: the range is an allocation's.
        unsafe { result::memset_d8_async(to, byte, bytes, self.kernels) }
            .map_err(failed("cuMemsetD8"))
    }

    fn stage(&self, to: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        let mut state = self.enter()?;
        for (number, part) in bytes.chunks(PIECE_BYTES).enumerate() {
            let (memory, done) = self.piece(&mut state)?;
            // SAFETY: the piece holds PIECE_BYTES, no copy out of it is on its way, and the state is locked; the
            // destination is an allocation's; the piece is not written again before its event.
            unsafe {
                std::ptr::copy_nonoverlapping(part.as_ptr(), memory, part.len());
                let pinned = std::slice::from_raw_parts(memory.cast_const(), part.len());
                let address = to + (number * PIECE_BYTES) as u64;
                result::memcpy_htod_async(address, pinned, self.copies)
                    .map_err(failed("cuMemcpyHtoD"))?;
                result::event::record(done, self.copies).map_err(failed("cuEventRecord"))?;
            }
        }
        Ok(())
    }

    fn join(&self) -> Result<(), DeviceError> {
        let _state = self.enter()?;
        // SAFETY: event and streams of this context. A wait holds the event's state at the time of the call, so
        // one event serves all joins.
        unsafe {
            result::event::record(self.copied, self.copies).map_err(failed("cuEventRecord"))?;
            result::stream::wait_event(
                self.kernels,
                self.copied,
                CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT,
            )
            .map_err(failed("cuStreamWaitEvent"))
        }
    }

    fn finish(&self) -> Result<(), DeviceError> {
        let _state = self.enter()?;
        // SAFETY: streams of this context.
        unsafe {
            result::stream::synchronize(self.copies).map_err(failed("cuStreamSynchronize"))?;
            result::stream::synchronize(self.kernels).map_err(failed("cuStreamSynchronize"))
        }
    }

    fn mark(&self, which: usize) -> Result<(), DeviceError> {
        let _state = self.enter()?;
        // SAFETY: event and stream of this context.
        unsafe { result::event::record(self.marks[which], self.kernels) }
            .map_err(failed("cuEventRecord"))
    }

    fn elapsed(&self) -> Result<f64, DeviceError> {
        let _state = self.enter()?;
        // SAFETY: timed events of this context, recorded by `mark`.
        unsafe {
            result::event::synchronize(self.marks[1]).map_err(failed("cuEventSynchronize"))?;
            result::event::elapsed(self.marks[0], self.marks[1])
                .map(|milliseconds| f64::from(milliseconds) * 1e3)
                .map_err(failed("cuEventElapsedTime"))
        }
    }

    fn begin_capture(&self) -> Result<(), DeviceError> {
        let _state = self.enter()?;
        // Functions are looked up before or in the capture alike; neither is a stream operation.
        // SAFETY: a stream of this context.
        unsafe {
            result::stream::begin_capture(
                self.kernels,
                CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED,
            )
        }
        .map_err(failed("cuStreamBeginCapture"))
    }

    fn end_capture(&self) -> Result<u64, DeviceError> {
        let mut state = self.enter()?;
        // SAFETY: a stream of this context that captures; the graph is not used after it is destroyed.
        let executable = unsafe {
            let graph =
                result::stream::end_capture(self.kernels).map_err(failed("cuStreamEndCapture"))?;
            let executable = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            let _ = result::graph::destroy(graph);
            executable.map_err(failed("cuGraphInstantiate"))?
        };
        state.graphs_made += 1;
        let id = state.graphs_made;
        state.graphs.insert(id, executable);
        Ok(id)
    }

    fn replay(&self, graph: u64) -> Result<(), DeviceError> {
        let state = self.enter()?;
        let executable = state.graphs.get(&graph).ok_or(DeviceError::Driver {
            call: "cuGraphLaunch",
            reason: "no such graph".to_owned(),
        })?;
        // SAFETY: an executable graph and a stream of this context.
        unsafe { result::graph::launch(*executable, self.kernels) }.map_err(failed("cuGraphLaunch"))
    }

    fn forget(&self, graph: u64) {
        if let Ok(mut state) = self.enter()
            && let Some(executable) = state.graphs.remove(&graph)
        {
            // SAFETY: taken out of the table, so it is destroyed once.
            let _ = unsafe { result::graph::exec_destroy(executable) };
        }
    }

    unsafe fn launch(
        &self,
        kernel: &str,
        grid: [u32; 3],
        block: u32,
        arguments: *const c_void,
        _bytes: usize,
    ) -> Result<(), DeviceError> {
        let mut state = self.enter()?;
        let function = match state.functions.get(kernel) {
            Some(&function) => function,
            None => {
                let name = CString::new(kernel).map_err(|_| DeviceError::Driver {
                    call: "cuModuleGetFunction",
                    reason: "the name has a NUL".to_owned(),
                })?;
                // SAFETY: the module stays loaded until `drop`.
                let function = unsafe { result::module::get_function(self.module, name) }
                    .map_err(failed("cuModuleGetFunction"))?;
                state.functions.insert(kernel.to_owned(), function);
                function
            }
        };
        // SAFETY: one parameter, the struct that the caller promises; cuLaunchKernel copies it before it returns.
        unsafe {
            result::launch_kernel(
                function,
                (grid[0], grid[1], grid[2]),
                (block, 1, 1),
                0,
                self.kernels,
                &mut [arguments.cast_mut()],
            )
        }
        .map_err(failed("cuLaunchKernel"))
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        let Ok(state) = self.enter() else { return };
        // SAFETY: everything was made by this struct, is waited for, and is released once; buffers and graphs hold
        // the driver, so none is left.
        unsafe {
            let _ = result::stream::synchronize(self.copies);
            let _ = result::stream::synchronize(self.kernels);
            for piece in &state.ring {
                let _ = result::event::destroy(piece.done);
                let _ = result::free_host(piece.memory.cast());
            }
            for event in [self.copied, self.marks[0], self.marks[1]] {
                let _ = result::event::destroy(event);
            }
            for stream in [self.copies, self.kernels] {
                let _ = result::stream::destroy(stream);
            }
            let _ = result::module::unload(self.module);
            let _ = result::primary_ctx::release(self.device);
        }
    }
}
