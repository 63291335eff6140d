//! How a daemon that keeps crashing finds that out about itself.
//!
//! Each start leaves a note in the daemon's state directory, each end that was asked for strikes it out. A start that
//! finds the note of the last one still there counts an unclean end. Too many of them within a while: quarantine, until
//! a person ends it. A daemon in quarantine runs and says why, and touches nothing that could have been the cause.
//!
//! An end by power cut or reset is nobody's fault here: the note says in which boot it was made.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file in the state directory.
const FILE: &str = "starts.json";
/// So many unclean ends are one too many …
const UNCLEAN_MAX: usize = 5;
/// … within so many seconds.
const WITHIN_SECONDS: u64 = 600;
/// Longest reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 300;
/// Where the kernel names the boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Said of an end about which nothing is known.
const UNKNOWN: &str = "killed, or crashed without a word";

/// The state directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be used")]
pub struct StateError {
    path: PathBuf,
    source: io::Error,
}

/// Why a daemon does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Unix seconds.
    pub since: u64,
    /// For people.
    pub why: String,
}

/// An end that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Unclean {
    at: u64,
    why: String,
}

/// The start that the note is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Running {
    since: u64,
    boot: String,
    /// How it failed, when it could still say so.
    failed: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    running: Option<Running>,
    unclean: Vec<Unclean>,
    quarantine: Option<Quarantine>,
}

impl State {
    /// What is known at `now` in `boot`, with a new note.
    fn started(mut self, now: u64, boot: &str) -> Self {
        if let Some(last) = self.running.take()
            && last.boot == boot
        {
            let why = last.failed.unwrap_or_else(|| UNKNOWN.into());
            self.unclean.push(Unclean { at: now, why });
        }
        // A clock that was set makes an end old early or late; nothing worse.
        self.unclean
            .retain(|end| now.abs_diff(end.at) <= WITHIN_SECONDS);
        if self.quarantine.is_none()
            && self.unclean.len() >= UNCLEAN_MAX
            && let Some(last) = self.unclean.last()
        {
            let why = format!(
                "quarantined because it ended {} times within {} minutes without being asked to; the last time: {}",
                self.unclean.len(),
                WITHIN_SECONDS / 60,
                last.why
            );
            self.quarantine = Some(Quarantine { since: now, why });
        }
        self.running = Some(Running {
            since: now,
            boot: boot.into(),
            failed: None,
        });
        self
    }
}

/// The note of this start.
#[derive(Debug)]
pub struct Start {
    dir: PathBuf,
    state: State,
}

impl Start {
    /// Leaves the note of a start at `now` (Unix seconds) in `dir`.
    ///
    /// # Errors
    /// When the directory cannot be written: full, read-only, or not ours.
    pub fn begin(dir: &Path, now: u64) -> Result<Self, StateError> {
        let boot = fs::read_to_string(BOOT_ID).unwrap_or_default();
        Self::begin_in(dir, now, boot.trim())
    }

    fn begin_in(dir: &Path, now: u64, boot: &str) -> Result<Self, StateError> {
        let start = Self {
            dir: dir.to_owned(),
            state: read(dir)?.started(now, boot),
        };
        start.write()?;
        Ok(start)
    }

    /// Why this daemon must do nothing; `None` when it may.
    pub fn quarantine(&self) -> Option<&Quarantine> {
        self.state.quarantine.as_ref()
    }

    /// It ends because it was asked to, or because its configuration is wrong: the note goes.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn ended(mut self) -> Result<(), StateError> {
        self.state.running = None;
        self.write()
    }

    /// It ends by itself: the next start will count that, with this reason.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn failed(mut self, why: &str) -> Result<(), StateError> {
        let why = &why[..why.floor_char_boundary(REASON_BYTES_MAX)];
        if let Some(running) = &mut self.state.running {
            running.failed = Some(why.into());
        }
        self.write()
    }

    fn write(&self) -> Result<(), StateError> {
        let (path, new) = (self.dir.join(FILE), self.dir.join("starts.json.new"));
        let text = serde_json::to_vec_pretty(&self.state).map_err(io::Error::other);
        let written = text.and_then(|text| {
            let mut file = File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &path)
        });
        written.map_err(|source| StateError { path, source })
    }
}

/// Ends a quarantine: the ends so far are forgotten. Says what it was.
///
/// # Errors
/// When the file cannot be read or removed.
pub fn clear(dir: &Path) -> Result<Option<Quarantine>, StateError> {
    let path = dir.join(FILE);
    let before = read(dir)?.quarantine;
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StateError { path, source }),
        _ => Ok(before),
    }
}

fn read(dir: &Path) -> Result<State, StateError> {
    let path = dir.join(FILE);
    match fs::read(&path) {
        // One that a power cut damaged counts from nothing.
        Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
        Err(source) => Err(StateError { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory")
    }

    fn begin(dir: &Path, now: u64) -> Start {
        Start::begin_in(dir, now, "boot").expect("writes")
    }

    #[test]
    fn five_ends_that_nobody_asked_for_are_one_too_many() {
        let dir = dir();
        for now in 0..5 {
            assert_eq!(begin(dir.path(), 1000 + now).quarantine(), None);
        }
        let start = begin(dir.path(), 1010);
        let quarantine = start.quarantine().expect("quarantined").clone();
        assert!(quarantine.why.contains("5 times within 10 minutes"));
        assert!(quarantine.why.contains(UNKNOWN), "{}", quarantine.why);
        // It lasts, however the daemon ends and however long it takes.
        start.ended().expect("writes");
        let start = begin(dir.path(), 1_000_000);
        assert_eq!(start.quarantine(), Some(&quarantine));
        assert_eq!(clear(dir.path()).expect("clears"), Some(quarantine));
        assert_eq!(clear(dir.path()).expect("clears"), None);
        assert_eq!(begin(dir.path(), 1_000_001).quarantine(), None);
    }

    #[test]
    fn a_failure_says_why_and_one_that_is_asked_for_does_not_count() {
        let dir = dir();
        for now in 0..50 {
            begin(dir.path(), now).ended().expect("writes");
        }
        for now in 50..55 {
            let start = begin(dir.path(), now);
            assert_eq!(start.quarantine(), None, "{now}");
            start.failed(&"no device ä".repeat(40)).expect("writes");
        }
        let start = begin(dir.path(), 55);
        let why = &start.quarantine().expect("quarantined").why;
        assert!(why.contains("no device ä") && why.len() < 450, "{why}");
    }

    #[test]
    fn slow_crashes_and_power_cuts_are_no_loop() {
        let slow = dir();
        for now in 0..50 {
            let start = begin(slow.path(), now * 200);
            assert_eq!(start.quarantine(), None, "{now}");
        }
        let cut = dir();
        for boot in 0..50 {
            let start = Start::begin_in(cut.path(), 1000, &boot.to_string()).expect("writes");
            assert_eq!(start.quarantine(), None, "{boot}");
        }
    }

    #[test]
    fn a_damaged_file_counts_from_nothing_and_a_missing_directory_is_named() {
        let dir = dir();
        fs::write(dir.path().join(FILE), "{\"unclean\":[").expect("written");
        assert_eq!(begin(dir.path(), 1).quarantine(), None);
        let nowhere = dir.path().join("nowhere");
        let error = Start::begin(&nowhere, 1).expect_err("no directory");
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}
