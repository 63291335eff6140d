//! The tests' device, of this crate's and, with the feature `shim`, of others': `all.cu` compiled as host C++ by the machine's compiler, loaded, and called. Device memory is
//! the host's. With `SWARM_SHIM_SANITIZE=1` (and the address sanitizer's library preloaded, as `kernels/check` does)
//! every access out of bounds and every undefined operation ends the test.
#![allow(unsafe_code)] // A C interface, and addresses that are pointers.

use std::collections::HashMap;
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use libloading::Library;

use super::DeviceError;
use super::driver::Driver;

struct Api {
    launch: unsafe extern "C" fn(*const c_char, *const u32, u32, *const c_void, usize) -> c_int,
    allocate: unsafe extern "C" fn(usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    sanitized: unsafe extern "C" fn() -> c_int,
    _library: Library,
}

fn sanitize() -> bool {
    std::env::var_os("SWARM_SHIM_SANITIZE").is_some_and(|value| value == "1")
}

/// Compiled once a process. Tests of kernels fail where there is no C++ compiler: they cannot pass without having run.
fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = folder.path().join("kernels.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/device/all.cu");
        let mut compiler = Command::new("g++");
        compiler.args([
            "-std=c++20",
            "-x",
            "c++",
            "-DSWARM_SHIM",
            "-shared",
            "-fPIC",
        ]);
        // As nvcc with --fmad=false: the kernels say where they fuse.
        compiler.args(["-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]);
        compiler.args(["-Wno-dangling-pointer", "-Wno-unknown-pragmas"]);
        if sanitize() {
            compiler.args([
                "-fsanitize=address,undefined",
                "-fno-sanitize-recover=all",
                "-g1",
            ]);
            // Its own idea of what is uninitialised is wrong more often with the sanitizers on.
            compiler.arg("-Wno-maybe-uninitialized");
        }
        let output = compiler
            .arg("-o")
            .arg(&out)
            .arg(source)
            .output()
            .expect("g++ must be installed (Debian: apt install g++)");
        assert!(
            output.status.success(),
            "g++: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        // SAFETY: our own library; its initialisers fill a table of kernels. The functions have these types.
        unsafe {
            let library = Library::new(&out).expect("the library was just written");
            let api = Api {
                launch: *library.get(b"swarm_shim_launch").expect("exported"),
                allocate: *library.get(b"swarm_shim_allocate").expect("exported"),
                free: *library.get(b"swarm_shim_free").expect("exported"),
                sanitized: *library.get(b"swarm_shim_sanitized").expect("exported"),
                _library: library,
            };
            assert_eq!((api.sanitized)() == 1, sanitize());
            api
        }
    })
}

/// The shim has one set of thread indices: one launch at a time in the process.
static RUNNING: Mutex<()> = Mutex::new(());

#[derive(Default)]
pub(crate) struct Shim {
    state: Mutex<State>,
    /// Bytes of the largest allocation that is given.
    largest: Option<usize>,
}

#[derive(Default)]
struct State {
    capture: Option<Vec<Step>>,
    graphs: HashMap<u64, Vec<Step>>,
    graphs_made: u64,
    marks: [Option<Instant>; 2],
}

#[derive(Clone)]
enum Step {
    Launch(String, [u32; 3], u32, Vec<u64>, usize),
    Fill(u64, u8, usize),
}

impl Shim {
    pub(super) fn with_allocations_up_to(bytes: usize) -> Self {
        Self {
            largest: Some(bytes),
            ..Self::default()
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics while it holds this")
    }

    fn run(step: &Step) -> Result<(), DeviceError> {
        match step {
            Step::Fill(to, byte, bytes) => {
                // SAFETY: `Device::fill` names a whole allocation.
                unsafe { std::ptr::write_bytes(*to as *mut u8, *byte, *bytes) };
                Ok(())
            }
            Step::Launch(kernel, grid, block, words, bytes) => {
                let name = CString::new(kernel.as_str()).expect("no NUL in a kernel's name");
                let _running = RUNNING.lock().unwrap_or_else(|error| error.into_inner());
                // SAFETY: the words are a copy of the argument struct; its addresses are the caller's promise.
                let code = unsafe {
                    (api().launch)(
                        name.as_ptr(),
                        grid.as_ptr(),
                        *block,
                        words.as_ptr().cast(),
                        *bytes,
                    )
                };
                match code {
                    0 => Ok(()),
                    code => Err(DeviceError::Driver {
                        call: "shim launch",
                        reason: format!("{kernel}: {code}"),
                    }),
                }
            }
        }
    }

    fn queue(&self, step: Step) -> Result<(), DeviceError> {
        if let Some(steps) = &mut self.state().capture {
            steps.push(step);
            return Ok(());
        }
        Self::run(&step)
    }
}

impl Driver for Shim {
    fn name(&self) -> String {
        "host shim".to_owned()
    }

    fn capability(&self) -> (i32, i32) {
        (0, 0)
    }

    fn stream(&self) -> Result<*mut c_void, DeviceError> {
        Err(DeviceError::NoDriver)
    }

    fn allocate(&self, bytes: usize) -> Result<u64, DeviceError> {
        if self.largest.is_some_and(|largest| bytes > largest) {
            return Err(DeviceError::Memory { bytes });
        }
        // SAFETY: plain memory.
        let memory = unsafe { (api().allocate)(bytes) };
        if memory.is_null() {
            return Err(DeviceError::Memory { bytes });
        }
        Ok(memory as u64)
    }

    fn free(&self, address: u64) {
        // SAFETY: from `allocate`, freed once by the buffer's drop.
        unsafe { (api().free)(address as *mut c_void) };
    }

    fn upload(&self, to: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        // SAFETY: the range is within one allocation, which the host cannot otherwise see.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to as *mut u8, bytes.len()) };
        Ok(())
    }

    fn download(&self, from: u64, bytes: &mut [u8]) -> Result<(), DeviceError> {
        // SAFETY: as `upload`.
        unsafe {
            std::ptr::copy_nonoverlapping(from as *const u8, bytes.as_mut_ptr(), bytes.len())
        };
        Ok(())
    }

    fn fill(&self, to: u64, byte: u8, bytes: usize) -> Result<(), DeviceError> {
        self.queue(Step::Fill(to, byte, bytes))
    }

    fn stage(&self, to: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        self.upload(to, bytes)
    }

    fn join(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn finish(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn mark(&self, which: usize) -> Result<(), DeviceError> {
        self.state().marks[which] = Some(Instant::now());
        Ok(())
    }

    fn elapsed(&self) -> Result<f64, DeviceError> {
        let marks = self.state().marks;
        let (start, end) = marks[0].zip(marks[1]).expect("both marks are set");
        Ok((end - start).as_secs_f64() * 1e6)
    }

    fn begin_capture(&self) -> Result<(), DeviceError> {
        self.state().capture = Some(Vec::new());
        Ok(())
    }

    fn end_capture(&self) -> Result<u64, DeviceError> {
        let mut state = self.state();
        let steps = state.capture.take().expect("a capture was begun");
        state.graphs_made += 1;
        let id = state.graphs_made;
        state.graphs.insert(id, steps);
        Ok(id)
    }

    fn replay(&self, graph: u64) -> Result<(), DeviceError> {
        let steps = self.state().graphs[&graph].clone();
        steps.iter().try_for_each(Self::run)
    }

    fn forget(&self, graph: u64) {
        self.state().graphs.remove(&graph);
    }

    unsafe fn launch(
        &self,
        kernel: &str,
        grid: [u32; 3],
        block: u32,
        arguments: *const c_void,
        bytes: usize,
    ) -> Result<(), DeviceError> {
        // Kept in words, so that the copy is aligned for the struct.
        let mut words = vec![0u64; bytes.div_ceil(8)];
        // SAFETY: the caller's struct of `bytes` bytes into a vector of at least as many.
        unsafe {
            std::ptr::copy_nonoverlapping(arguments.cast::<u8>(), words.as_mut_ptr().cast(), bytes);
        }
        self.queue(Step::Launch(kernel.to_owned(), grid, block, words, bytes))
    }
}
