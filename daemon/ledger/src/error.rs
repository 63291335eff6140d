//! What goes wrong with the ledger itself, as opposed to a refusal.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use swarm_types::Address;

/// The cause, whatever storage it comes from: no storage type leaves this crate.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// The ledger could not do its work. Nothing was changed, unless the answer to a commit was lost; a
/// repeated command then gets the first answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be opened.
    #[error("the ledger {} cannot be opened", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
    /// Storage failed.
    #[error("the ledger's storage failed")]
    Storage {
        /// Why.
        #[source]
        source: Cause,
    },
    /// The file was written by a newer program.
    #[error("the ledger has schema {found} and this program knows {known}: use the newer program")]
    SchemaTooNew {
        /// In the file.
        found: u32,
        /// In this program.
        known: u32,
    },
    /// The file's version is this program's, and its schema is not: another build made it.
    #[error(
        "the ledger was made by another build, whose schema {version} is not this program's ({what}): use that \
         build, or begin with an empty state directory"
    )]
    SchemaOther {
        /// The version that both have.
        version: u32,
        /// The first table, index, trigger or view that differs, and how.
        what: String,
    },
    /// The file belongs to another escrow.
    #[error("the ledger belongs to escrow {escrow} on chain {chain_id}, not to the configured one")]
    OtherEscrow {
        /// The file's.
        escrow: Address,
        /// The file's.
        chain_id: u64,
    },
    /// A stored value is not what the schema says.
    #[error("the ledger is damaged: {what}")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// A backup cannot be written or restored.
    #[error("{what} {}", path.display())]
    Backup {
        /// What failed.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Option<Cause>,
    },
    /// The writer has stopped.
    #[error("the ledger's writer has stopped")]
    Stopped,
}

/// A command failed: it was refused, or the ledger could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<R: Error + 'static> {
    /// Refused; nothing changed.
    #[error(transparent)]
    Refused(R),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl<R: Error + 'static> CommandError<R> {
    /// The refusal, if it is one.
    pub fn refusal(self) -> Result<R, LedgerError> {
        match self {
            Self::Refused(refusal) => Ok(refusal),
            Self::Ledger(error) => Err(error),
        }
    }
}

impl From<CommandError<crate::refusals::Never>> for LedgerError {
    fn from(error: CommandError<crate::refusals::Never>) -> Self {
        match error {
            CommandError::Refused(never) => match never {},
            CommandError::Ledger(error) => error,
        }
    }
}

/// A rusqlite error on its way out.
impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage {
            source: Arc::new(error),
        }
    }
}

impl<R: Error + 'static> From<rusqlite::Error> for CommandError<R> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Ledger(error.into())
    }
}
