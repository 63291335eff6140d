//! One life of the queen's process: from her start to the point at which she dies.
//!
//! Points lie before and after every command of the ledger and every request to the chain. At the point
//! where a life ends, the ledger's files are copied as a power cut would leave them, and nothing of that
//! process is ever heard again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use swarm_ledger::{Fate, Gate};
use tokio_util::sync::CancellationToken;

use crate::plant::Plant;
use crate::rng::Rng;

/// Bytes of the header of SQLite's log, whose salts change when the log begins anew.
const LOG_HEADER_BYTES: usize = 32;
/// Most bytes of rubbish behind a log that was being written.
const RUBBISH_BYTES_MAX: u64 = 9_000;

/// How a life ends.
#[derive(Clone, Debug)]
pub struct End {
    /// Points that are passed before.
    pub points: u64,
    /// Whether what was not synced yet reaches the disk in part.
    pub tear: bool,
}

/// A life of the queen's process.
pub struct Life {
    ledger: PathBuf,
    image: PathBuf,
    dead: CancellationToken,
    state: Mutex<State>,
    plant: Plant,
}

struct State {
    end: Option<End>,
    /// Commands for which the disk is full.
    full: u64,
    full_hits: u64,
    /// The log before the command that runs: its length, its header, the file beside it.
    before: Option<(u64, Vec<u8>, Vec<u8>)>,
    rng: Rng,
    /// Commands so far, by which two runs of a seed can be compared.
    commands: u64,
    point: &'static str,
}

impl Life {
    /// A life on the ledger at `ledger`; its files at the end are left in the directory `image`.
    pub fn new(ledger: PathBuf, image: PathBuf, rng: Rng, plant: Plant) -> Self {
        Self {
            ledger,
            image,
            dead: CancellationToken::new(),
            plant,
            state: Mutex::new(State {
                end: None,
                full: 0,
                full_hits: 0,
                before: None,
                rng,
                commands: 0,
                point: "",
            }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends after some more points.
    pub fn end_after(&self, end: End) {
        self.state().end = Some(end);
    }

    /// Has the disk full for the next `commands`.
    pub fn fill_disk(&self, commands: u64) {
        self.state().full = commands;
    }

    /// Nothing breaks any more.
    pub fn calm(&self) {
        let mut state = self.state();
        (state.end, state.full) = (None, 0);
    }

    /// How many commands met a full disk.
    pub fn full_hits(&self) -> u64 {
        self.state().full_hits
    }

    /// Commands so far.
    pub fn commands(&self) -> u64 {
        self.state().commands
    }

    /// Where it ended, in a word.
    pub fn ended_at(&self) -> &'static str {
        self.state().point
    }

    /// Waits until it is over.
    pub async fn died(&self) {
        self.dead.cancelled().await;
    }

    /// Whether it is over.
    pub fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }

    /// Ends it now.
    pub fn kill(&self) {
        if !self.is_dead() {
            let mut state = self.state();
            self.over(&mut state, "between", None);
        }
    }

    /// Passes a point; true when the life ends there or has ended.
    pub fn halts(&self, point: &'static str) -> bool {
        self.passes(point, false)
    }

    fn passes(&self, point: &'static str, committed: bool) -> bool {
        if self.is_dead() {
            return true;
        }
        let mut state = self.state();
        let Some(end) = &mut state.end else {
            return false;
        };
        if end.points > 0 {
            end.points -= 1;
            return false;
        }
        let tear = end.tear.then_some(committed);
        self.over(&mut state, point, tear);
        true
    }

    /// Copies the files and ends it. `tear`: the last commit (true) or what would follow it (false) is
    /// only in part on the disk.
    fn over(&self, state: &mut State, point: &'static str, tear: Option<bool>) {
        state.point = point;
        self.copy(state, tear)
            .expect("a file of the simulation's own directory can be copied");
        self.dead.cancel();
    }

    fn copy(&self, state: &mut State, tear: Option<bool>) -> std::io::Result<()> {
        fs::create_dir_all(&self.image)?;
        let name = self.ledger.file_name().expect("a file's name");
        let (file, log) = (self.image.join(name), beside(&self.image.join(name)));
        fs::copy(&self.ledger, &file)?;
        let old_log = beside(&self.ledger);
        if !old_log.exists() {
            return Ok(());
        }
        fs::copy(&old_log, &log)?;
        if self.plant == Plant::ForgetfulDisk {
            let length = fs::metadata(&log)?.len();
            let log = fs::OpenOptions::new().write(true).open(&log)?;
            return log.set_len(length / 2);
        }
        match tear {
            None => Ok(()),
            Some(false) => {
                // A transaction was being written behind the last one that is durable.
                let mut log = fs::OpenOptions::new().append(true).open(&log)?;
                let bytes = state.rng.below(RUBBISH_BYTES_MAX);
                let rubbish: Vec<u8> = (0..bytes).map(|_| state.rng.number() as u8).collect();
                log.write_all(&rubbish)
            }
            Some(true) => {
                let Some((length, header, whole)) = state.before.take() else {
                    return Ok(());
                };
                let after = fs::read(&log)?;
                let same = after.get(..LOG_HEADER_BYTES) == Some(&header[..]) || length == 0;
                // Had the log been carried over into the file, it was synced before.
                if !same || after.len() as u64 <= length || fs::read(&file)? != whole {
                    return Ok(());
                }
                let cut = state.rng.range(length, after.len() as u64);
                fs::OpenOptions::new().write(true).open(&log)?.set_len(cut)
            }
        }
    }
}

impl Gate for Life {
    fn before(&self, _: &'static str) -> Fate {
        if self.halts("command") {
            return Fate::Halt;
        }
        let mut state = self.state();
        state.commands += 1;
        // The next point is the one after this command: what the log is now can be all that survives.
        let last = state.end.as_ref();
        if last.is_some_and(|end| end.points == 0 && end.tear) {
            let log = fs::read(beside(&self.ledger)).unwrap_or_default();
            let header = log.get(..LOG_HEADER_BYTES).unwrap_or_default().to_vec();
            let whole = fs::read(&self.ledger).unwrap_or_default();
            state.before = Some((log.len() as u64, header, whole));
        }
        if state.full > 0 {
            state.full -= 1;
            state.full_hits += 1;
            return Fate::DiskFull;
        }
        Fate::Go
    }

    fn after(&self) -> Fate {
        match self.passes("command done", true) {
            true => Fate::Halt,
            false => Fate::Go,
        }
    }

    fn halted(&self) -> bool {
        self.is_dead()
    }
}

/// The log beside a file of SQLite.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
