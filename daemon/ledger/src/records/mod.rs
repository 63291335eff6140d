//! What the ledger answers: jobs, leases, accounts, workers, epochs, events. Plain data, no storage.

mod around;
mod epochs;

use std::fmt;

use serde::{Deserialize, Serialize};
use swarm_types::order::SignedOrder;
use swarm_types::power::PowerRecord;
use swarm_types::receipt::Execution;
use swarm_types::{Address, B256, EpochId, JobId, MicroUsdc, Signature65};

pub use around::*;
pub use epochs::*;

/// Makes an enum whose values are stored and printed as fixed lower-case words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word it is stored and printed as.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The value of a word.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// Where a job is. A failed attempt is not a state of its own: it leads at once to pending (a
    /// retry) or dead.
    JobState {
        /// Waits for a bee.
        Pending = "pending",
        /// A bee holds the lease.
        Claimed = "claimed",
        /// The holder has reported progress.
        Processing = "processing",
        /// Done, fee booked.
        Completed = "completed",
        /// Failed for good; the fee was released.
        Dead = "dead",
        /// Called off by its client; the fee was released.
        Cancelled = "cancelled",
        /// Its deadline passed; the fee was released.
        Expired = "expired",
    }
}

impl JobState {
    /// Whether nothing can happen to the job any more.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::Claimed | Self::Processing)
    }
}

words! {
    /// Where an epoch is on its way to the chain.
    EpochState {
        /// Collects completions; exactly one epoch is open.
        Open = "open",
        /// Its jobs are fixed; bundle and seal are being made.
        Sealing = "sealing",
        /// Signed, not yet sent.
        Sealed = "sealed",
        /// A transaction was sent.
        Submitted = "submitted",
        /// The escrow settled it; its challenge window runs.
        Included = "included",
        /// The window closed: nothing of it can change.
        Final = "final",
        /// Voided on chain: its jobs settle again in a later epoch.
        Void = "void",
    }
}

words! {
    /// Why an epoch was sealed.
    SealTrigger {
        /// The time of day came.
        Schedule = "schedule",
        /// Somebody asked.
        Demand = "demand",
        /// The contract's limit of entries was near.
        EntryLimit = "entry_limit",
        /// A client with charges in it is about to take its money out.
        Leaving = "leaving",
    }
}

words! {
    /// Whether a bee may work.
    WorkerState {
        /// Known, waits for the operator.
        Registered = "registered",
        /// May work.
        Approved = "approved",
        /// May no longer work.
        Revoked = "revoked",
    }
}

words! {
    /// What a blob is.
    BlobKind {
        /// A client's (encrypted) input.
        Input = "input",
        /// A bee's (encrypted) result.
        Result = "result",
    }
}

words! {
    /// What moved on a client's account.
    HistoryKind {
        /// USDC came in.
        Deposit = "deposit",
        /// A job's fee: reserved, then charged or released.
        Job = "job",
        /// The fee of a completed job given back, because it could not be collected.
        Refund = "refund",
        /// USDC went out.
        Withdrawal = "withdrawal",
        /// The chain took events back.
        Reorg = "reorg",
    }
}

words! {
    /// How far a two-phase transfer is.
    TransferState {
        /// Money is set aside.
        Pending = "pending",
        /// Money moved.
        Posted = "posted",
        /// Nothing moved; what was set aside is free again.
        Voided = "voided",
    }
}

/// Names one lease of one job. A later lease of the same job has another, greater token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseToken(#[serde(with = "swarm_types::dec")] pub u64);

/// A lease as its holder names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRef {
    /// Which job.
    pub job: JobId,
    /// Which lease of it.
    pub token: LeaseToken,
}

/// A stored file by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// SHA-256 of the stored bytes (the ciphertext).
    pub sha256: B256,
    /// Length in bytes.
    pub size: u64,
}

/// All about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRecord {
    /// Its name.
    pub id: JobId,
    /// The client's order and signature.
    pub order: SignedOrder,
    /// The order's commitment.
    pub commitment: B256,
    /// What it costs, at most the order's `max_fee`; reserved until the job ends.
    pub fee: MicroUsdc,
    /// The client's salt; for queen and worker only.
    pub salt: B256,
    /// Such as `brain_mri`.
    pub job_type: String,
    /// The uploaded input.
    pub input: BlobRef,
    /// The client's own recipient (age), to which results are encrypted.
    pub reply_to: Option<String>,
    /// Workers that can decrypt the input; empty means any.
    pub recipients: Vec<Address>,
    /// A label of the client (its ENS name as it was resolved).
    pub label: Option<String>,
    /// Where the client wants to be told of the end.
    pub webhook: Option<String>,
    /// Leases it may use up.
    pub max_attempts: u32,
    /// Leases it has used, the present one included.
    pub attempts: u32,
    /// Where it is.
    pub state: JobState,
    /// Unix seconds.
    pub submitted_at: u64,
    /// Unix seconds of the last claim.
    pub claimed_at: Option<u64>,
    /// Unix seconds at which it reached a terminal state.
    pub ended_at: Option<u64>,
    /// Who holds or completed it.
    pub worker: Option<Address>,
    /// The present lease.
    pub lease: Option<(LeaseToken, u64)>,
    /// What the bee last said it is doing.
    pub stage: Option<String>,
    /// How far it is, in basis points.
    pub fraction_bps: u16,
    /// Why the last attempt, or the job, failed.
    pub error: Option<String>,
    /// The epoch it is settled in, once completed.
    pub settles_in: Option<EpochId>,
    /// Why its fee could not be collected, if so: it is in no receipt.
    pub uncollectable: Option<String>,
    /// How it was completed.
    pub completion: Option<Completion>,
}

/// How a job was completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What the worker stated.
    pub execution: Execution,
    /// Its signature.
    pub execution_signature: Signature65,
    /// The engine's descriptive string.
    pub engine: String,
    /// The power record.
    pub power: PowerRecord,
    /// The stored (encrypted) result.
    pub result: BlobRef,
    /// SHA-256 of the result's manifest.
    pub manifest: B256,
}

/// A job in a bee's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: JobRecord,
    /// Names this lease.
    pub token: LeaseToken,
    /// Unix seconds at which it lapses unless renewed.
    pub expires_at: u64,
    /// 1 for the first attempt.
    pub attempt: u32,
}

impl Lease {
    /// The lease as its holder names it.
    pub fn lease_ref(&self) -> LeaseRef {
        LeaseRef {
            job: self.job.id,
            token: self.token,
        }
    }
}

/// Answer to a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The job.
    pub job: JobRecord,
    /// Whether this very order had been accepted before.
    pub replayed: bool,
}

/// Answer to a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The job.
    pub job: JobId,
    /// The epoch in which it is settled.
    pub epoch: EpochId,
    /// What was charged.
    pub fee: MicroUsdc,
    /// Whether this very completion had been accepted before.
    pub replayed: bool,
}

/// Answer to a reported failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The job.
    pub job: JobId,
    /// Pending (it is tried again), expired or dead.
    pub state: JobState,
    /// Leases used up.
    pub attempts: u32,
}

/// What a sweep moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Jobs past their deadline; their fee was released.
    pub expired: Vec<JobId>,
    /// Jobs whose lease lapsed; they are pending again.
    pub requeued: Vec<JobId>,
    /// Jobs whose last lease lapsed; their fee was released.
    pub dead: Vec<JobId>,
    /// Whether more was due than one sweep moves: sweep again.
    pub more: bool,
}

/// A client's account as the queen sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAccount {
    /// Who.
    pub client: Address,
    /// Deposits that count, less withdrawals and charges. Negative when the chain took a deposit back.
    pub balance: i64,
    /// Of that, set aside for open jobs.
    pub reserved: MicroUsdc,
    /// Of that, requested for withdrawal.
    pub withdrawing: MicroUsdc,
    /// Unix seconds at which the request matures; 0 without one.
    pub withdrawing_matures_at: u64,
    /// What new orders may use.
    pub available: MicroUsdc,
    /// Deposits seen, not yet safe.
    pub unconfirmed: MicroUsdc,
    /// Cap per epoch that counts for new orders (the lower, while a change is pending).
    pub cap: MicroUsdc,
    /// Charged in the open epoch so far.
    pub charged_open_epoch: MicroUsdc,
    /// Charged in all.
    pub spent: MicroUsdc,
    /// Jobs submitted.
    pub jobs: u64,
    /// Unix seconds.
    pub created_at: u64,
}

/// A client's account on chain, by the events the ledger has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorAccount {
    /// Deposited, less withdrawn, less charged in epochs that are not void: `account().balance`.
    pub balance: i64,
    /// Of the balance, requested for withdrawal.
    pub withdrawing: u64,
    /// Unix seconds at which the request matures; 0 without one.
    pub matures_at: u64,
    /// Last cap that was set; `None` when the deployment's default holds.
    pub cap: Option<u64>,
    /// Unix seconds from which `cap` counts.
    pub cap_effective_at: u64,
    /// Cap before that; `None` for the default.
    pub cap_before: Option<u64>,
}

/// A line of a client's history, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Grows with time; the cursor of pages.
    pub id: u64,
    /// What moved.
    pub kind: HistoryKind,
    /// How far.
    pub state: TransferState,
    /// How much.
    pub amount: MicroUsdc,
    /// Whether it came in (a deposit, a refund).
    pub credit: bool,
    /// Job, if it is about one.
    pub job: Option<JobId>,
    /// Transaction on chain, if it comes from there.
    pub tx: Option<B256>,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds at which it was posted or voided.
    pub settled_at: Option<u64>,
}

/// A bee as the queen knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerRecord {
    /// Its key.
    pub worker: Address,
    /// Where its earnings go; `None` until approved.
    pub payee: Option<Address>,
    /// Whether it may work.
    pub state: WorkerState,
    /// A label (ENS name, host name).
    pub label: Option<String>,
    /// Its age recipient.
    pub recipient: Option<String>,
    /// What it said of itself (GPU, memory, models); the queen's own format.
    pub profile: serde_json::Value,
    /// What the last heartbeat carried.
    pub stats: serde_json::Value,
    /// Whether it takes no new jobs, by its own word or the operator's.
    pub draining: bool,
    /// Whether the last heartbeat said ready.
    pub ready: bool,
    /// Unix milliseconds; `None` before the first.
    pub last_heartbeat_millis: Option<u64>,
    /// Whole seconds it was ready in the open epoch.
    pub ready_seconds_open_epoch: u64,
    /// Jobs in its hands.
    pub leases: Vec<LeaseRef>,
    /// Jobs it completed.
    pub jobs_completed: u64,
    /// Σ shares of sealed epochs that are not void.
    pub earned: MicroUsdc,
    /// Unix seconds.
    pub registered_at: u64,
}

/// Answer to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatAnswer {
    /// Whether the bee may work.
    pub state: WorkerState,
    /// Whether the operator wants it to drain.
    pub draining: bool,
    /// Milliseconds of readiness that this heartbeat earned.
    pub counted_millis: u64,
}
