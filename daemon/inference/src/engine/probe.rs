//! Trying an engine in a process of its own, so that a crash, a hang or kept memory in a vendor's library is a reason
//! and not a dead bee.
//!
//! `swarmd engine-probe` reads one [`Request`] as JSON, does it with [`answer`], and writes one [`Answer`] as the last
//! line of its output. [`ask`] is the other side.

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Accelerators, EngineKind, Gpu, select};
use crate::package::ModelPackage;
use crate::pipeline::{Pipeline, PipelineConfig, PipelineError};

/// The hidden command of `swarmd`.
pub const COMMAND: &str = "engine-probe";
/// Most bytes of a request or an answer, with what libraries print before it.
pub const BYTES_MAX: u64 = 1 << 20;
/// Longest time of one probe: a first run on a card compiles kernels for it.
const TIME_MAX: Duration = Duration::from_secs(180);
/// How often a running probe is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What to try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Is there a GPU, and which?
    Gpu,
    /// Does this engine run here?
    Engine(Box<Trial>),
}

/// One engine, with one package or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Which.
    pub engine: EngineKind,
    /// The package's folder, or its tar, whose golden cases the engine must pass. Without one its library is only loaded.
    pub package: Option<PathBuf>,
    /// ONNX Runtime's library.
    pub library: PathBuf,
    /// Threads on the processor.
    pub threads: NonZeroUsize,
    /// Where it is to run.
    pub gpu: Gpu,
    /// Where the rest is found.
    pub accelerators: Accelerators,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// There is a GPU.
    Gpu(Gpu),
    /// The engine ran, or its library is there.
    Ran,
    /// It did not.
    Failed {
        /// Without paths.
        reason: String,
        /// More, for the operator.
        detail: Option<String>,
    },
}

impl Answer {
    fn failed(reason: impl Into<String>, detail: Option<String>) -> Self {
        Self::Failed {
            reason: reason.into(),
            detail,
        }
    }
}

/// `swarmd` in the folder of the running program.
pub fn beside() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name("swarmd");
    path.is_file().then_some(path)
}

/// Does what is asked, in this process.
pub fn answer(request: &Request) -> Answer {
    let done = match request {
        Request::Gpu => match select::open_gpu(0) {
            Ok(gpu) => return Answer::Gpu(gpu),
            Err(error) => Err(error.into()),
        },
        Request::Engine(trial) => attempt(trial),
    };
    match done {
        Ok(()) => Answer::Ran,
        Err(error) => {
            let (reason, detail) = select::reason(&error);
            Answer::Failed { reason, detail }
        }
    }
}

fn attempt(trial: &Trial) -> Result<(), PipelineError> {
    let Trial {
        engine,
        package,
        library,
        threads,
        gpu,
        accelerators,
    } = trial;
    let Some(package) = package else {
        return Ok(select::look(*engine, library, accelerators)?);
    };
    let package = ModelPackage::from_path(package).map_err(PipelineError::Package)?;
    let loaded = select::load(*engine, &package, library, *threads, gpu, accelerators)?;
    let config = PipelineConfig {
        library: library.clone(),
        threads: *threads,
    };
    Pipeline::with_engine(package, loaded, config.threads).map(drop)
}

/// Runs `program` as the probe. Whatever becomes of it is an answer.
pub fn ask(program: &Path, request: &Request) -> Answer {
    ask_within(program, request, TIME_MAX)
}

fn ask_within(program: &Path, request: &Request, limit: Duration) -> Answer {
    let started = Command::new(program)
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return Answer::failed("the probe does not start", Some(error.to_string())),
    };
    let text = serde_json::to_vec(request).expect("a request is plain data");
    if let Some(mut input) = child.stdin.take() {
        // A probe that does not read will not answer either.
        let _ = input.write_all(&text);
    }
    let output = child.stdout.take().expect("it was asked for");
    // Its own thread: a library may print more than a pipe holds.
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = output.take(BYTES_MAX).read_to_end(&mut text);
        text
    });
    match wait(&mut child, limit) {
        Ok(Some(status)) if status.success() => {
            let text = reader.join().unwrap_or_default();
            last_line(&text).unwrap_or_else(|| Answer::failed("the probe gave no answer", None))
        }
        Ok(Some(status)) => Answer::failed("it crashed when it was tried", Some(ending(status))),
        Ok(None) => Answer::failed(
            "it hung when it was tried",
            Some(format!("for {} s", limit.as_secs())),
        ),
        Err(error) => Answer::failed("the probe was lost", Some(error.to_string())),
    }
}

/// How it ended; nothing where it was killed because its time was up.
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begin.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    }
}

fn last_line(text: &[u8]) -> Option<Answer> {
    let line = text.trim_ascii_end().rsplit(|byte| *byte == b'\n').next()?;
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A probe that does what the shell lines say.
    fn probe(lines: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("swarmd");
        std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("own file");
        (dir, path)
    }

    fn reason(lines: &str, limit: Duration) -> (String, Option<String>) {
        let (_dir, path) = probe(lines);
        match ask_within(&path, &Request::Gpu, limit) {
            Answer::Failed { reason, detail } => (reason, detail),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_crash_a_hang_and_nonsense_are_reasons() {
        let long = Duration::from_secs(60);
        let (words, detail) = reason("kill -SEGV $$", long);
        assert_eq!(words, "it crashed when it was tried");
        assert_eq!(detail.as_deref(), Some("signal 11"));
        let (words, _) = reason("exec sleep 60", Duration::from_millis(50));
        assert_eq!(words, "it hung when it was tried");
        let (words, _) = reason("echo '{\"gpu\":3}'", long);
        assert_eq!(words, "the probe gave no answer");
        match ask(Path::new("/nonexistent/swarmd"), &Request::Gpu) {
            Answer::Failed { reason, .. } => assert_eq!(reason, "the probe does not start"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_answer_is_the_last_line_after_what_libraries_print() {
        let gpu = Gpu {
            ordinal: 0,
            name: "NVIDIA GeForce RTX 3090, compute capability 8.6".to_owned(),
            capability: (8, 6),
        };
        let answer = Answer::Gpu(gpu);
        let line = serde_json::to_string(&answer).expect("plain data");
        let noise = "yes noise | head -c 100000; cat >/dev/null";
        let (_dir, path) = probe(&format!("{noise}; echo; echo '{line}'"));
        assert_eq!(ask(&path, &Request::Gpu), answer);
    }
}
