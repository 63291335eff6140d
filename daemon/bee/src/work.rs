//! The computation of one job, from ciphertext to ciphertext, without a network and without async.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use swarm_host::gpu::Energy;
use swarm_imaging::LoadOptions;
use swarm_inference::PipelineError;
use swarm_inference::pipeline::Progress;
use swarm_package::{Kind, npy};
use swarm_store::age::{self, AgeError, Identity, Recipient};
use swarm_store::archive::{self, ArchiveLimits, Files};
use swarm_types::api::Lease;
use swarm_types::power::PowerRecord;
use swarm_types::{B256, digest};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use zeroize::Zeroizing;

use crate::models::{Input, Models, Ran};
use crate::power::{POWER_FILE, power_file};

/// Longest reason in bytes that the queen is told; she takes 512.
const REASON_BYTES_MAX: usize = 500;

/// Why a job was not done. Goes to the queen and to the client, so it holds nothing of the scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In one sentence.
    pub reason: String,
    /// Whether another attempt, perhaps on another bee, could succeed.
    pub retryable: bool,
}

impl Failure {
    /// Another attempt could succeed.
    pub(crate) fn passing(reason: impl AsRef<str>) -> Self {
        Self {
            reason: plain(reason.as_ref()),
            retryable: true,
        }
    }

    /// The same input would fail again.
    pub(crate) fn lasting(reason: impl AsRef<str>) -> Self {
        Self {
            reason: plain(reason.as_ref()),
            retryable: false,
        }
    }
}

/// What was computed, ready to upload.
pub(crate) struct Done {
    /// The encrypted result.
    pub ciphertext: Bytes,
    /// SHA-256 of the result manifest.
    pub manifest: B256,
    /// The engine's descriptive string.
    pub engine: String,
    /// Unix seconds.
    pub started_at: u64,
    /// Unix seconds.
    pub completed_at: u64,
    /// What it ran on.
    pub power: PowerRecord,
    /// Milliseconds in between, by a clock that does not jump.
    pub execution_ms: u64,
    /// What the device drew meanwhile; whoever runs the computation measures it.
    pub energy: Option<Energy>,
}

/// The whole computation. `power` says what it ran on, asked when it ran; `crashed` is told when the engine panicked.
#[expect(
    clippy::too_many_arguments,
    reason = "what a thread is given, each once"
)]
pub(crate) fn compute(
    models: &Models,
    identity: &Identity,
    lease: &Lease,
    ciphertext: Vec<u8>,
    reply_to: &Recipient,
    progress: Progress<'_>,
    power: &dyn Fn() -> PowerRecord,
    crashed: &mut bool,
) -> Result<Done, Failure> {
    let (started_at, started) = (unix_seconds(), Instant::now());
    let no_model = || Failure::passing("this bee does not have the model");
    let kind = models
        .takes(&lease.order.order.model)
        .ok_or_else(no_model)?;
    let input = open(&ciphertext, identity, lease, kind)?;
    drop(ciphertext);
    let ran = models.with(&lease.order.order.model, |runner| {
        let results = runner.run(&input, progress);
        (runner.engine(), results)
    });
    drop(input);
    let (engine, results) = match ran {
        Ran::Done(done) => done,
        Ran::NoModel => return Err(no_model()),
        Ran::Failed(why) => return Err(Failure::passing(why)),
        Ran::Crashed => {
            *crashed = true;
            return Err(Failure::passing("the engine crashed"));
        }
    };
    let mut results = results.map_err(|error| refused_by_pipeline(&error))?;
    let power = power();
    results.extend(power_file(&power).map(|file| (POWER_FILE.to_owned(), file)));
    let results = Files::from(results);
    let manifest = digest::manifest_digest(&results);
    let ciphertext = seal(&results, reply_to)?;
    Ok(Done {
        ciphertext: ciphertext.into(),
        manifest,
        engine,
        started_at,
        completed_at: unix_seconds().max(started_at),
        power,
        execution_ms: started.elapsed().as_millis() as u64,
        energy: None,
    })
}

/// The scan or array in `ciphertext`, if it is the one that the order names; a scan must say nothing of its patient.
fn open(
    ciphertext: &[u8],
    identity: &Identity,
    lease: &Lease,
    kind: Kind,
) -> Result<Input, Failure> {
    let tar =
        age::decrypt(ciphertext, identity, ciphertext.len() as u64).map_err(
            |error| match error {
                AgeError::Decrypt(_) => Failure::passing("the input is not encrypted to this bee"),
                _ => Failure::lasting("the input is not a whole age file"),
            },
        )?;
    let limits = ArchiveLimits {
        bytes_max: tar.len() as u64,
        ..ArchiveLimits::default()
    };
    // The reason stays here: it may hold a path that the client did not mean to show.
    let files = archive::unpack(&tar, &limits);
    drop(tar);
    let mut files = files
        .map_err(|_| Failure::lasting("the input is not a tar of plain files with safe paths"))?;
    if digest::salted(&lease.salt, &digest::input_digest(&files)) != lease.order.order.input {
        return Err(Failure::lasting(
            "the input is not the one that the order names",
        ));
    }
    if kind == Kind::Tensor {
        let [(_, bytes)] = &*files else {
            let reason = "the input is refused: this model takes one .npy array, alone";
            return Err(Failure::lasting(reason));
        };
        let array = npy::read(bytes);
        let refused = |error| Failure::lasting(format!("the input is refused: {error}"));
        return Ok(Input::Array(array.map_err(refused)?));
    }
    files.rename(|index| format!("file {}", index + 1));
    let options = LoadOptions {
        refuse_identified: true,
        ..LoadOptions::default()
    };
    swarm_imaging::load(&files, &options)
        .map(Input::Scan)
        .map_err(|error| Failure::lasting(format!("the input is refused: {}", error.explain())))
}

fn seal(results: &Files, reply_to: &Recipient) -> Result<Vec<u8>, Failure> {
    let failed = |what: &str| Failure::passing(format!("the result could not be {what}"));
    let tar = Zeroizing::new(archive::pack(results).map_err(|_| failed("packed"))?);
    age::encrypt(&tar, std::slice::from_ref(reply_to)).map_err(|_| failed("encrypted"))
}

fn refused_by_pipeline(error: &PipelineError) -> Failure {
    let reason = explain(error);
    match error {
        PipelineError::Engine(_) | PipelineError::Golden(_) | PipelineError::Threads { .. } => {
            Failure::passing(reason)
        }
        _ => Failure::lasting(reason),
    }
}

/// An error and what lies behind it, in one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    plain(&line)
}

/// One line of limited length: what it quotes may come from a stranger's file.
fn plain(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.chars().map(visible).collect();
    line.truncate(line.floor_char_boundary(REASON_BYTES_MAX));
    line
}

/// Runs `work` on a thread of its own, which keeps the permit until it ends, also when nobody waits any more. `None`
/// when it panicked. A thread and not a blocking task, because the runtime waits for those when the process ends.
pub(crate) async fn on_thread<T: Send + 'static>(
    name: &str,
    permit: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (send, receive) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.into());
    let spawned = thread.spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(work));
        drop(permit);
        // Nobody waits any more when the lease was lost meanwhile.
        let _ = send.send(result.ok());
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread for a computation");
        return None;
    }
    receive.await.ok().flatten()
}

/// Seconds since 1970; 0 on a machine whose clock is before that.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_one_short_line_whatever_they_quote() {
        let reason = plain(&format!("a\n\u{1b}[2J{}", "ü".repeat(400)));
        assert!(reason.starts_with("a  [2Jü") && reason.len() <= REASON_BYTES_MAX);
        assert!(!reason.contains(char::is_control));
    }
}
