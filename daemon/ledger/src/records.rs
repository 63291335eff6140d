//! What the ledger answers: jobs, leases, accounts, workers, epochs, events. Plain data, no storage.

use std::fmt;

use serde::{Deserialize, Serialize};
use swarm_types::bundle::{Agent, Seal, SettledJob, SettlerSignature, WorkerEpoch};
use swarm_types::eip712::Entry;
use swarm_types::escrow::BlockRef;
use swarm_types::order::SignedOrder;
use swarm_types::power::PowerRecord;
use swarm_types::receipt::Execution;
use swarm_types::{Address, B256, EpochId, JobId, MicroUsdc, Signature65};

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

/// An epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochRecord {
    /// Its number.
    pub id: EpochId,
    /// Where it is.
    pub state: EpochState,
    /// Unix seconds.
    pub opened_at: u64,
    /// Unix seconds named in the seal, once sealing began.
    pub sealed_at: Option<u64>,
    /// Why it was sealed.
    pub trigger: Option<SealTrigger>,
    /// Completed jobs that it settles.
    pub jobs: u64,
    /// Σ of their fees.
    pub revenue: MicroUsdc,
    /// Clients charged so far: entries of the charge vector.
    pub clients: u64,
    /// The seal, once signed.
    pub seal: Option<Seal>,
    /// Its struct hash, the next seal's `previous`.
    pub seal_hash: Option<B256>,
    /// Transaction in which the escrow settled it.
    pub settled_tx: Option<B256>,
    /// Block of that transaction.
    pub settled_block: Option<u64>,
    /// Unix seconds at which its window closes, once included.
    pub final_at: Option<u64>,
    /// Why it is void.
    pub void_reason: Option<String>,
}

/// Answer to the begin of sealing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealStart {
    /// The epoch whose jobs are fixed now.
    pub epoch: EpochId,
    /// Unix seconds to name in the seal.
    pub sealed_at: u64,
    /// The epoch that is open now.
    pub open: EpochId,
}

/// What an epoch's seal depends on; what [`swarm_types::bundle::EpochInput`] wants from the ledger.
#[derive(Clone, Debug)]
pub struct SealContents {
    /// The epoch.
    pub epoch: EpochId,
    /// Unix seconds to name in the seal.
    pub sealed_at: u64,
    /// Struct hash of the seal before; 0 for the first.
    pub previous: B256,
    /// The jobs, by client, then job.
    pub jobs: Vec<SettledJob>,
    /// Every worker with a job or ready seconds here, ascending.
    pub workers: Vec<WorkerEpoch>,
}

/// A transaction that was sent (or is about to be) to settle an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Its hash.
    pub tx: B256,
    /// Who pays its gas.
    pub sender: Address,
    /// The sender's nonce.
    pub nonce: u64,
    /// Gas limit.
    pub gas_limit: u64,
    /// Wei per gas.
    pub max_fee_per_gas: u128,
    /// Wei per gas.
    pub max_priority_fee_per_gas: u128,
    /// The signed transaction, so that the very same one can be sent again.
    pub raw: Vec<u8>,
    /// Unix seconds at which it was recorded.
    pub submitted_at: u64,
}

/// An epoch on its way to the chain, with all that sending it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEntry {
    /// The epoch.
    pub epoch: EpochRecord,
    /// The seal.
    pub seal: Seal,
    /// Charge vector.
    pub charges: Vec<Entry>,
    /// Payout vector.
    pub payouts: Vec<Entry>,
    /// Settlers' signatures.
    pub signatures: Vec<SettlerSignature>,
    /// What was sent so far, oldest first.
    pub submissions: Vec<Submission>,
}

/// What a sealed epoch pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochPayouts {
    /// Each worker's part, as in `agents.json`.
    pub agents: Vec<Agent>,
    /// Payout vector.
    pub payouts: Vec<(Address, MicroUsdc)>,
    /// Charge vector.
    pub charges: Vec<(Address, MicroUsdc)>,
}

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
