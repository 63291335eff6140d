//! What the ledger answers about the chain, events, blobs, pushes, names and itself.

use std::fmt;

use serde::Serialize;
use swarm_types::escrow::BlockRef;
use swarm_types::{Address, B256, EpochId, JobId, MicroUsdc};

use super::{BlobKind, BlobRef, EpochState, JobRecord, JobState, WorkerRecord, WorkerState};

/// What a batch of blocks changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Events that were new.
    pub events_new: u64,
    /// Deposits that became spendable: client, amount, transaction.
    pub credited: Vec<(Address, MicroUsdc, B256)>,
    /// Epochs whose state changed.
    pub epochs: Vec<(EpochId, EpochState)>,
    /// Newest block the ledger knows.
    pub head: Option<BlockRef>,
    /// What on chain contradicts the ledger (an unknown epoch, another seal): for the operator.
    pub contradictions: Vec<String>,
}

/// What a reorg took back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Events taken back.
    pub events: u64,
    /// Clients whose available balance is negative now, with the amount missing.
    pub overdrawn: Vec<(Address, MicroUsdc)>,
    /// Epochs whose state changed.
    pub epochs: Vec<(EpochId, EpochState)>,
    /// Newest block the ledger still knows.
    pub head: Option<BlockRef>,
    /// What could not be taken back by itself: for the operator.
    pub contradictions: Vec<String>,
}

/// Where the ledger is on the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainCursor {
    /// Newest block applied.
    pub head: Option<BlockRef>,
    /// Highest `safe` block seen.
    pub safe: u64,
    /// The blocks whose hashes are kept, newest first.
    pub recent: Vec<BlockRef>,
}

/// An entry of the journal: what happened, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// From 1, without gaps.
    pub seq: u64,
    /// Unix seconds.
    pub time: u64,
    /// Such as `job.submitted`; see [`crate::journal::kind`].
    pub kind: String,
    /// Canonical JSON.
    pub body: String,
    /// SHA-256 that chains it to the one before.
    pub hash: B256,
}

/// A blob's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRecord {
    /// Which bytes.
    pub blob: BlobRef,
    /// What it is.
    pub kind: BlobKind,
    /// Who brought it.
    pub uploader: Address,
    /// For a result, its job.
    pub job: Option<JobId>,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds at which all bytes were there and matched.
    pub completed_at: Option<u64>,
    /// Unix seconds at which the last job that needed it ended.
    pub released_at: Option<u64>,
    /// Unix seconds at which key and bytes were destroyed.
    pub deleted_at: Option<u64>,
    /// Why it was destroyed.
    pub deleted_reason: Option<String>,
}

/// A client's wish to be pushed events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its number.
    pub id: u64,
    /// Whose.
    pub client: Address,
    /// Where to.
    pub url: String,
    /// Kinds of events (`job.completed`); empty means all.
    pub events: Vec<String>,
    /// Unix seconds.
    pub created_at: u64,
}

/// An event to be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: u64,
    /// Where to.
    pub url: String,
    /// What.
    pub event: Event,
    /// Failed tries so far.
    pub attempts: u32,
}

/// A name bound to an address by resolution on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameBinding {
    /// The address.
    pub address: Address,
    /// The name.
    pub name: String,
    /// Chain that holds the name.
    pub chain_id: u64,
    /// Block at which it was seen.
    pub block: u64,
    /// Unix seconds.
    pub seen_at: u64,
}

/// What it takes to say why nobody has taken a job.
#[derive(Clone, Debug, PartialEq)]
pub struct WhyInputs {
    /// The job.
    pub job: JobRecord,
    /// Pending jobs that are older.
    pub ahead: u64,
    /// Every bee that is not revoked.
    pub workers: Vec<WorkerRecord>,
}

/// Counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Jobs that are open, by state, and completed ones.
    pub jobs: Vec<(JobState, u64)>,
    /// The open epoch.
    pub open_epoch: u64,
    /// Its revenue so far.
    pub open_epoch_revenue: MicroUsdc,
    /// Entries its vectors would have now (clients + payees), against the contract's limit.
    pub open_epoch_entries: u64,
    /// When the first withdrawal of a client with charges in it matures, Unix seconds.
    pub open_epoch_leaving_at: Option<u64>,
    /// Clients with an account.
    pub clients: u64,
    /// Workers by state.
    pub workers: Vec<(WorkerState, u64)>,
    /// Σ positive client balances, µUSDC.
    pub client_balances: u64,
    /// Entries of the journal.
    pub journal: u64,
    /// Epochs on their way to the chain.
    pub epochs_in_flight: u64,
}

/// One invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which invariant, in kebab-case.
    pub rule: &'static str,
    /// What was found.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}
