//! The ledger: the money and job state machine of SwarmOS over SQLite, and the only crate that holds
//! SQL.
//!
//! - [`Ledger`] is the handle. *Commands* ([`commands`]) go to the one writer thread, which runs what is
//!   waiting in one transaction, syncs it to disk and answers then. *Queries* run on reading connections
//!   and see one committed state.
//! - A command is refused ([`refusals`]) without changing anything, or the ledger itself fails
//!   ([`LedgerError`]). The same request again gets the first answer.
//! - Money is double entry in integer µUSDC: all accounts sum to zero. A job's fee is a two-phase
//!   transfer: set aside at submission, posted at completion, voided when the job ends otherwise.
//! - The [`journal`] has one entry for every command that changed something, chained by SHA-256; it is
//!   also the feed of events.
//! - No clock: times are the caller's, in Unix seconds.

mod apply;
mod backup;
mod books;
mod check;
mod checkpoint;
pub mod commands;
mod error;
mod filter;
mod hot;
pub mod journal;
mod ledger;
pub mod limits;
mod readers;
pub mod records;
pub mod refusals;
mod sql;
mod state;
mod stepped;
mod writer;

pub use error::{Cause, CommandError, LedgerError};
pub use filter::JobFilter;
pub use ledger::{Ledger, LedgerConfig};
pub use stepped::{Fate, Gate};
