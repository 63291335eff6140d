//! The log: to the journal with structured fields when systemd connected this process to it, otherwise plain text to
//! standard error, so that standard output stays free for answers.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::prelude::*;

use crate::journal::JournalLayer;

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT_FILTER: &str = "info";

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `RUST_LOG` is not a filter.
    #[error("RUST_LOG is not a filter such as 'info' or 'swarm_queen=debug,warn'")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// The log was set up before.
    #[error("the log was set up twice")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sets up the log of this process. Call it once, first thing in `main`.
pub fn init() -> Result<(), LogError> {
    let text = std::env::var("RUST_LOG").unwrap_or_else(|_| DEFAULT_FILTER.into());
    let filter = EnvFilter::try_new(text).map_err(LogError::Filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let journal = under_journal().then(|| JournalLayer::new().ok()).flatten();
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
    .map_err(LogError::Twice)
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
    fn only_the_stream_itself_counts_as_the_journal() {
        assert!(names("8:131", 8, 131));
        for other in ["8:132", "9:131", "", "8", "8:131:1", "x:y"] {
            assert!(!names(other, 8, 131), "{other}");
        }
    }
}
