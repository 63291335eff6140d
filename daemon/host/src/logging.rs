//! The log: to the journal with structured fields when systemd connected this process to it, otherwise plain text to
//! standard error, so that standard output stays free for answers.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

use crate::journal::JournalLayer;

/// What is logged unless somebody says otherwise.
const DEFAULT_FILTER: &str = "info";
/// Says otherwise, before any configuration.
const VARIABLE: &str = "RUST_LOG";

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not a filter.
    #[error("{from}: '{text}' is not a filter such as 'info' or 'swarm_queen=debug,warn'")]
    Filter {
        /// `RUST_LOG`, or the configuration's key.
        from: &'static str,
        /// What it says.
        text: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The log was set up before.
    #[error("the log was set up twice")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// The log of this process, once it is set up.
#[derive(Debug)]
pub struct Log(reload::Handle<EnvFilter, Registry>);

impl Log {
    /// Logs what `configured` says from now on. `RUST_LOG` still wins.
    ///
    /// # Errors
    /// [`LogError::Filter`]; the filter stays as it was.
    pub fn set(&self, configured: Option<&str>) -> Result<(), LogError> {
        let filter = filter(configured)?;
        // It fails only when the subscriber is gone, and then nothing is logged at all.
        let _ = self.0.reload(filter);
        Ok(())
    }
}

/// Whether this is a filter; for a configuration's key `log`.
///
/// # Errors
/// [`LogError::Filter`].
pub fn check(text: &str) -> Result<(), LogError> {
    parse("log", text).map(|_| ())
}

fn parse(from: &'static str, text: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(text).map_err(|source| LogError::Filter {
        from,
        text: text.into(),
        source,
    })
}

fn filter(configured: Option<&str>) -> Result<EnvFilter, LogError> {
    match std::env::var(VARIABLE) {
        Ok(text) => parse(VARIABLE, &text),
        Err(_) => parse("log", configured.unwrap_or(DEFAULT_FILTER)),
    }
}

/// Sets up the log of this process. Call it once. `configured` is the configuration's filter, `fields` are fields of
/// every entry of the journal.
///
/// # Errors
/// [`LogError`].
pub fn init(configured: Option<&str>, fields: &[(&str, &str)]) -> Result<Log, LogError> {
    let (filter, handle) = reload::Layer::new(filter(configured)?);
    let registry = tracing_subscriber::registry().with(filter);
    let journal = under_journal()
        .then(|| JournalLayer::new(fields).ok())
        .flatten();
    match journal {
        Some(journal) => registry.with(journal).try_init(),
        None => {
            let text = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false);
            registry.with(text).try_init()
        }
    }
    .map_err(LogError::Twice)?;
    Ok(Log(handle))
}

/// Whether standard error is the journal's stream: `JOURNAL_STREAM` names its device and inode.
fn under_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let here = std::fs::metadata("/proc/self/fd/2");
    here.is_ok_and(|m| names(&stream, m.dev(), m.ino()))
}

fn names(stream: &str, device: u64, inode: u64) -> bool {
    stream
        .split_once(':')
        .is_some_and(|(d, i)| d.parse() == Ok(device) && i.parse() == Ok(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_named() {
        assert!(check("swarm_queen=debug,warn").is_ok());
        let error = check("swarm_queen=loud").expect_err("no level").to_string();
        assert!(error.starts_with("log: 'swarm_queen=loud'"), "{error}");
    }

    #[test]
    fn only_the_stream_itself_counts_as_the_journal() {
        assert!(names("8:131", 8, 131));
        for other in ["8:132", "9:131", "", "8", "8:131:1", "x:y"] {
            assert!(!names(other, 8, 131), "{other}");
        }
    }
}
