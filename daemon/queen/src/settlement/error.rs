//! Why a round of settlement stopped.

use std::error::Error;
use std::path::PathBuf;

use swarm_chain::ChainError;
use swarm_ledger::{CommandError, LedgerError};
use swarm_types::EpochId;
use swarm_types::bundle::BuildError;

/// Why a round ended early. The next round tries again.
#[derive(Debug, thiserror::Error)]
pub enum SettlementError {
    /// The chain does not answer, or answers what cannot be.
    #[error("the chain cannot be read")]
    Chain(#[from] ChainError),
    /// The ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    /// The ledger refused a step that should have been possible.
    #[error("the ledger refuses to {step}: {reason}")]
    Refused {
        /// Which step.
        step: &'static str,
        /// Its reason.
        reason: String,
    },
    /// A bundle cannot be written.
    #[error("bundle {path}")]
    Bundle {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A bundle cannot be built from what the ledger gave.
    #[error("the jobs of {epoch} cannot be built into a bundle")]
    Jobs {
        /// Which epoch.
        epoch: EpochId,
        /// Why.
        source: BuildError,
    },
    /// The jobs ended before their time: whoever read them stopped.
    #[error("the bundle of {epoch} was given up after {receipts} of {expected} receipts")]
    Cut {
        /// Which epoch.
        epoch: EpochId,
        /// Receipts that came.
        receipts: u64,
        /// Receipts of the epoch.
        expected: u64,
    },
    /// No block that the ledger knows is on the node's chain.
    #[error(
        "the node's chain shares no block with the ledger: it is another chain, or a reorganisation deeper than the ledger remembers"
    )]
    UnknownChain,
}

impl SettlementError {
    /// A command's error: a refusal with the step it refuses, or the ledger's own.
    pub(super) fn of<R: Error + 'static>(step: &'static str, error: CommandError<R>) -> Self {
        match error {
            CommandError::Refused(refusal) => Self::Refused {
                step,
                reason: refusal.to_string(),
            },
            CommandError::Ledger(error) => Self::Ledger(error),
        }
    }

    /// The error and its causes in one sentence, for the status and the log.
    pub(super) fn in_words(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            let words = error.to_string();
            if !text.ends_with(&words) {
                text += &format!(": {words}");
            }
            source = error.source();
        }
        text
    }
}
