//! The shim (`tensorrt/shim.cpp`) and, behind it, NVIDIA's libraries: loaded once a process, from a folder.
#![allow(unsafe_code)] // C functions of a library that is loaded when the program runs. The crate has no other.

use std::ffi::{CStr, CString, c_char, c_void};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::Mutex;

use swarm_kernels::device::{Buffer, Device};

use super::{Flavour, Profile, Tensor};
use crate::engine::EngineError;

/// Our shim, in each flavour's folder.
const SHIM: &str = "libswarm_tensorrt.so";
/// Longest text that the shim writes.
const TEXT_BYTES: usize = 16 << 10;

/// As in `shim.cpp`.
#[repr(C)]
struct CompileJob {
    onnx: *const c_void,
    onnx_bytes: usize,
    input: *const c_char,
    least: [i64; 5],
    best: [i64; 5],
    most: [i64; 5],
    target: i32,
    threads: i32,
    half: i32,
}

type Handle = *mut c_void;

/// The shim's functions, as `shim.cpp` declares them.
struct Functions {
    version: unsafe extern "C" fn(Handle) -> i32,
    compile: unsafe extern "C" fn(
        Handle,
        *const CompileJob,
        *mut *const c_void,
        *mut usize,
        *mut c_char,
        usize,
        *mut c_char,
        usize,
    ) -> Handle,
    free: unsafe extern "C" fn(Handle),
    validity:
        unsafe extern "C" fn(Handle, *const c_void, usize, *mut u64, *mut c_char, usize) -> i32,
    open: unsafe extern "C" fn(
        Handle,
        *const c_void,
        usize,
        *const c_void,
        usize,
        *mut c_char,
        usize,
        *mut c_char,
        usize,
    ) -> Handle,
    close: unsafe extern "C" fn(Handle),
    cache: unsafe extern "C" fn(Handle, *mut *const c_void, *mut usize) -> Handle,
    enqueue: unsafe extern "C" fn(
        Handle,
        Handle,
        *const c_char,
        *const i64,
        Handle,
        *const c_char,
        Handle,
        *mut c_char,
        usize,
    ) -> bool,
}

/// A loaded TensorRT. It stays loaded until the process ends, so copies are cheap.
#[derive(Clone, Copy)]
pub struct Library {
    flavour: Flavour,
    functions: &'static Functions,
    handle: Handle,
}

// SAFETY: the handle is a table that the shim only reads, and a log behind a mutex.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

static LOADED: Mutex<Vec<(PathBuf, Library)>> = Mutex::new(Vec::new());

/// What an engine's header says, as far as this machine can judge it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// It would run here.
    pub here: bool,
    /// NVIDIA's bits of reasons; 0 where there is none.
    pub diagnostics: u64,
}

impl Validity {
    /// The header is no engine's.
    pub const MALFORMED: u64 = 1 << 5;
    /// It was made by another version.
    pub const VERSION: u64 = 1 << 0;

    /// Whether the header is one of an engine of this version. (Whether the GPU suits is another matter.)
    pub fn is_sound(self) -> bool {
        self.diagnostics & (Self::MALFORMED | Self::VERSION) == 0
    }
}

/// A buffer for the shim's texts.
struct Text(Vec<u8>);

impl Text {
    fn new() -> Self {
        Self(vec![0; TEXT_BYTES])
    }

    fn pointer(&mut self) -> *mut c_char {
        self.0.as_mut_ptr().cast()
    }

    fn read(&self) -> String {
        CStr::from_bytes_until_nul(&self.0)
            .map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

impl Library {
    /// Loads the flavour from `folder`, where `tensorrt/build` and the operator put it.
    pub fn load(flavour: Flavour, folder: &Path) -> Result<Self, EngineError> {
        let mut loaded = LOADED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, library)) = loaded.iter().find(|(from, _)| from == folder) {
            return Ok(*library);
        }
        let failed = |words: String| EngineError::TensorRt {
            action: "start",
            words,
        };
        let shim = folder.join(SHIM);
        if !shim.exists() {
            return Err(EngineError::NotInstalled {
                engine: flavour.kind(),
                path: shim.display().to_string(),
            });
        }
        let functions = functions(&shim).map_err(|error| failed(error.to_string()))?;
        // NVIDIA's own may also lie where the system looks.
        let place = |file: &str| {
            let here = folder.join(file);
            let path = if here.exists() {
                here
            } else {
                PathBuf::from(file)
            };
            text(&path.to_string_lossy())
        };
        let [runtime, parser] = flavour.files();
        let (runtime, parser) = (place(runtime)?, place(parser)?);
        let mut error = Text::new();
        // SAFETY: two terminated paths, and a buffer with its size. What NVIDIA's initialisers do is theirs.
        let handle = unsafe {
            (functions.0)(
                runtime.as_ptr(),
                parser.as_ptr(),
                error.pointer(),
                TEXT_BYTES,
            )
        };
        if handle.is_null() {
            return Err(failed(error.read()));
        }
        let library = Self {
            flavour,
            functions: Box::leak(Box::new(functions.1)),
            handle,
        };
        loaded.push((folder.to_path_buf(), library));
        Ok(library)
    }

    /// Which of the two.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Such as `1.7.1`.
    pub fn version(&self) -> String {
        // SAFETY: a live handle.
        let packed = unsafe { (self.functions.version)(self.handle) };
        format!(
            "{}.{}.{}",
            packed / 10_000,
            packed / 100 % 100,
            packed % 100
        )
    }

    /// Compiles a network of one input of `channels`. `target` is such as 86; 0 is this machine's GPU.
    pub(super) fn compile(
        &self,
        onnx: &[u8],
        input: &str,
        profile: &Profile,
        target: i32,
        half: bool,
        threads: NonZeroUsize,
    ) -> Result<(Vec<u8>, Vec<Tensor>), EngineError> {
        let input = text(input)?;
        let job = CompileJob {
            onnx: onnx.as_ptr().cast(),
            onnx_bytes: onnx.len(),
            input: input.as_ptr(),
            least: whole(profile.least),
            best: whole(profile.best),
            most: whole(profile.most),
            target,
            threads: i32::try_from(threads.get()).unwrap_or(i32::MAX),
            half: i32::from(half),
        };
        let (mut bytes, mut size) = (null(), 0);
        let (mut tensors, mut error) = (Text::new(), Text::new());
        // SAFETY: a live handle, a job whose pointers live until the call returns, and buffers with their sizes.
        let memory = unsafe {
            (self.functions.compile)(
                self.handle,
                &job,
                &mut bytes,
                &mut size,
                tensors.pointer(),
                TEXT_BYTES,
                error.pointer(),
                TEXT_BYTES,
            )
        };
        if memory.is_null() {
            return Err(EngineError::TensorRt {
                action: "compile the network",
                words: error.read(),
            });
        }
        // SAFETY: the shim gave memory of that size.
        let engine = unsafe { self.taken(memory, bytes, size) };
        Ok((engine, Tensor::parse(&tensors.read())))
    }

    /// Reads an engine's header, where the library can do so without a GPU.
    pub fn validity(&self, engine: &[u8]) -> Result<Validity, EngineError> {
        let (mut diagnostics, mut error) = (0, Text::new());
        // SAFETY: a live handle, bytes with their size, and a buffer with its.
        let verdict = unsafe {
            (self.functions.validity)(
                self.handle,
                engine.as_ptr().cast(),
                engine.len(),
                &mut diagnostics,
                error.pointer(),
                TEXT_BYTES,
            )
        };
        if verdict < 0 {
            return Err(EngineError::TensorRt {
                action: "read the engine's header",
                words: error.read(),
            });
        }
        Ok(Validity {
            here: verdict < 2,
            diagnostics,
        })
    }

    /// Puts an engine on the GPU whose context is current on this thread. `cached` is what [`Loaded::cache`] gave before.
    pub(super) fn open(
        &self,
        engine: &[u8],
        cached: &[u8],
    ) -> Result<(Loaded, Vec<Tensor>), EngineError> {
        let (mut tensors, mut error) = (Text::new(), Text::new());
        // SAFETY: a live handle, bytes with their sizes, and buffers with theirs.
        let opened = unsafe {
            (self.functions.open)(
                self.handle,
                engine.as_ptr().cast(),
                engine.len(),
                cached.as_ptr().cast(),
                cached.len(),
                tensors.pointer(),
                TEXT_BYTES,
                error.pointer(),
                TEXT_BYTES,
            )
        };
        if opened.is_null() {
            return Err(EngineError::TensorRt {
                action: "load the engine",
                words: error.read(),
            });
        }
        let loaded = Loaded {
            library: *self,
            engine: opened,
        };
        Ok((loaded, Tensor::parse(&tensors.read())))
    }

    /// # Safety
    /// `memory` came from the shim with these bytes, and nobody else frees it.
    unsafe fn taken(&self, memory: Handle, bytes: *const c_void, size: usize) -> Vec<u8> {
        // SAFETY: the caller's promise; copied before it is freed.
        unsafe {
            let copy = std::slice::from_raw_parts(bytes.cast::<u8>(), size).to_vec();
            (self.functions.free)(memory);
            copy
        }
    }
}

/// An engine on the GPU.
pub(super) struct Loaded {
    library: Library,
    engine: Handle,
}

// SAFETY: TensorRT's contexts may be used from one thread after the other; the owner sees that the GPU's context is
// current on it.
unsafe impl Send for Loaded {}

impl Loaded {
    /// Queues one run behind what the device's stream has: nothing is copied and nothing waits. `channels` is how many
    /// the output has.
    pub fn enqueue(
        &mut self,
        device: &Device,
        (input, dims, from): (&CStr, [usize; 3], &Buffer<f32>),
        (output, channels, to): (&CStr, usize, &mut Buffer<f32>),
    ) -> Result<(), EngineError> {
        let voxels: usize = dims.iter().product();
        let from = device.address_of("input", from, voxels)?;
        let to = device.address_of("output", to, voxels * channels)?;
        let stream = device.stream()?;
        let dims = whole(dims);
        let mut error = Text::new();
        // SAFETY: a live engine, terminated names, five dims; `stream` made the context current; the addresses are this
        // device's, with room for what was checked, and freeing a buffer waits for its stream.
        let queued = unsafe {
            (self.library.functions.enqueue)(
                self.engine,
                stream,
                input.as_ptr(),
                dims.as_ptr(),
                from as Handle,
                output.as_ptr(),
                to as Handle,
                error.pointer(),
                TEXT_BYTES,
            )
        };
        if queued {
            Ok(())
        } else {
            Err(EngineError::TensorRt {
                action: "run the network",
                words: error.read(),
            })
        }
    }

    /// The kernels that were made for this card, for the next start; nothing where there are none to keep.
    pub fn cache(&self) -> Option<Vec<u8>> {
        let (mut bytes, mut size) = (null(), 0);
        // SAFETY: a live engine.
        let memory = unsafe { (self.library.functions.cache)(self.engine, &mut bytes, &mut size) };
        // SAFETY: the shim gave memory of that size.
        (!memory.is_null()).then(|| unsafe { self.library.taken(memory, bytes, size) })
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: opened once, closed once.
        unsafe { (self.library.functions.close)(self.engine) };
        self.engine = null_mut();
    }
}

fn whole([x, y, z]: [usize; 3]) -> [i64; 5] {
    [1, 1, x as i64, y as i64, z as i64]
}

fn text(text: &str) -> Result<CString, EngineError> {
    CString::new(text).map_err(|_| EngineError::TensorRt {
        action: "start",
        words: format!("{text:?} holds a NUL"),
    })
}

type Load = unsafe extern "C" fn(*const c_char, *const c_char, *mut c_char, usize) -> Handle;

fn functions(shim: &Path) -> Result<(Load, Functions), libloading::Error> {
    // SAFETY: our own library, whose only initialisers are the C++ runtime's; the types are those of shim.cpp. It is
    // never closed, so the functions stay.
    unsafe {
        let library = Box::leak(Box::new(libloading::Library::new(shim)?));
        Ok((
            *library.get(c"swarm_tensorrt_load")?,
            Functions {
                version: *library.get(c"swarm_tensorrt_version")?,
                compile: *library.get(c"swarm_tensorrt_compile")?,
                free: *library.get(c"swarm_tensorrt_free")?,
                validity: *library.get(c"swarm_tensorrt_validity")?,
                open: *library.get(c"swarm_tensorrt_open")?,
                close: *library.get(c"swarm_tensorrt_close")?,
                cache: *library.get(c"swarm_tensorrt_cache")?,
                enqueue: *library.get(c"swarm_tensorrt_enqueue")?,
            },
        ))
    }
}
