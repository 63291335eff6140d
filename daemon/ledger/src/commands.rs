//! What the ledger can be told to do. Each command is one transaction: it changes all or nothing,
//! and its answer comes after it is durable. `now` is Unix seconds of the caller's clock.

use std::collections::BTreeMap;

use swarm_types::bundle::{Agent, JobEntry, Seal, SettlerSignature};
use swarm_types::eip712::Entry;
use swarm_types::escrow::{BlockRef, EscrowLog};
use swarm_types::order::SignedOrder;
use swarm_types::power::PowerRecord;
use swarm_types::receipt::Execution;
use swarm_types::{Address, B256, EpochId, JobId, MicroUsdc, Signature65};

use crate::records::{BlobKind, BlobRef, LeaseRef, SealTrigger, Submission};

/// Accept an order: balance, cap, nonce, reservation and queue in one.
#[derive(Clone, Debug)]
pub struct Submit {
    /// Unix seconds.
    pub now: u64,
    /// The order; its signature was recovered by the caller.
    pub order: SignedOrder,
    /// [`SignedOrder::commitment`] of it.
    pub commitment: B256,
    /// [`SignedOrder::signers`] of it: one must be the client or one of its order signers.
    pub signers: [Address; 2],
    /// What the job costs, at most `max_fee`.
    pub fee: MicroUsdc,
    /// The client's salt.
    pub salt: B256,
    /// Such as `brain_mri`.
    pub job_type: String,
    /// The uploaded input.
    pub input: BlobRef,
    /// The client's recipient for results.
    pub reply_to: Option<String>,
    /// Workers that can decrypt the input; empty means any.
    pub recipients: Vec<Address>,
    /// The client's label.
    pub label: Option<String>,
    /// Where to push the job's end.
    pub webhook: Option<String>,
    /// Leases it may use up, at least 1.
    pub max_attempts: u32,
}

/// Lease the oldest pending job that the worker can take.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Unix seconds.
    pub now: u64,
    /// The bee; must be approved and not draining.
    pub worker: Address,
    /// Models it can run.
    pub models: Vec<B256>,
    /// This job and no other (the queen routed it).
    pub job: Option<JobId>,
    /// How long the lease holds without renewal.
    pub lease_seconds: u64,
}

/// Lease the oldest pending jobs that the worker can take, as [`Claim`] leases one.
#[derive(Clone, Debug)]
pub struct ClaimMany {
    /// Unix seconds.
    pub now: u64,
    /// The bee; must be approved and not draining.
    pub worker: Address,
    /// Models it can run.
    pub models: Vec<B256>,
    /// At most so many.
    pub jobs_max: u32,
    /// Workers without work that could take the same jobs: they are left their even share of what is pending.
    pub idle_others: u32,
    /// With this many jobs pending or fewer it gets none: they are for others.
    pub leave: u32,
    /// Only jobs whose deadline is at or before this, Unix seconds: others can wait.
    pub deadline_max: u64,
    /// How long each lease holds without renewal.
    pub lease_seconds: u64,
}

/// Keep leases alive.
#[derive(Clone, Debug)]
pub struct Renew {
    /// Unix seconds.
    pub now: u64,
    /// Their holder.
    pub worker: Address,
    /// Which.
    pub leases: Vec<LeaseRef>,
    /// How long from now.
    pub lease_seconds: u64,
}

/// Say how far a job is; renews its lease.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Unix seconds.
    pub now: u64,
    /// The holder.
    pub worker: Address,
    /// Its lease.
    pub lease: LeaseRef,
    /// Such as `preprocess`.
    pub stage: String,
    /// Basis points, at most 10 000.
    pub fraction_bps: u16,
    /// How long the lease holds from now.
    pub lease_seconds: u64,
}

/// Complete a job: posts its reservation to the open epoch. The execution's signature was checked by
/// the caller, the result is stored.
#[derive(Clone, Debug)]
pub struct Complete {
    /// Unix seconds.
    pub now: u64,
    /// The holder.
    pub worker: Address,
    /// Its lease.
    pub lease: LeaseRef,
    /// What it states.
    pub execution: Execution,
    /// Its signature of that.
    pub execution_signature: Signature65,
    /// The engine's descriptive string; `execution.engine` is its SHA-256.
    pub engine: String,
    /// The power record; `execution.power` is its digest.
    pub power: PowerRecord,
    /// The stored result.
    pub result: BlobRef,
    /// SHA-256 of the result's manifest; `execution.result` is that with the salt.
    pub manifest: B256,
}

/// Give a job back as failed.
#[derive(Clone, Debug)]
pub struct Fail {
    /// Unix seconds.
    pub now: u64,
    /// The holder.
    pub worker: Address,
    /// Its lease.
    pub lease: LeaseRef,
    /// Why, for people.
    pub reason: String,
    /// Whether another attempt could succeed.
    pub retryable: bool,
}

/// Call a job off and release its fee.
#[derive(Clone, Debug)]
pub struct Cancel {
    /// Unix seconds.
    pub now: u64,
    /// Which.
    pub job: JobId,
    /// Who asks; must be the job's client.
    pub client: Address,
}

/// Move everything whose deadline or lease has passed; forget expired request nonces.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Unix seconds.
    pub now: u64,
}

/// Mirror blocks of the chain, in order. Knowing an event already is fine.
#[derive(Clone, Debug)]
pub struct ApplyBlocks {
    /// Unix seconds.
    pub now: u64,
    /// Blocks with their events; blocks without events may be left out.
    pub blocks: Vec<(BlockRef, Vec<EscrowLog>)>,
    /// The chain's `safe` block: deposits count up to it.
    pub safe: u64,
}

/// The chain has other blocks from this height on: take their events back.
#[derive(Clone, Debug)]
pub struct UndoBlocks {
    /// Unix seconds.
    pub now: u64,
    /// First block that is gone.
    pub from: u64,
}

/// A bee says hello, or what changed about it.
#[derive(Clone, Debug)]
pub struct RegisterWorker {
    /// Unix seconds.
    pub now: u64,
    /// Its key.
    pub worker: Address,
    /// A label.
    pub label: Option<String>,
    /// Its age recipient.
    pub recipient: Option<String>,
    /// What it says of itself; the queen's own format.
    pub profile: serde_json::Value,
    /// SHA-256 of the join code it brings.
    pub join_code: Option<B256>,
}

/// The operator lets a bee work and names its payee.
#[derive(Clone, Debug)]
pub struct ApproveWorker {
    /// Unix seconds.
    pub now: u64,
    /// Its key; need not have registered yet.
    pub worker: Address,
    /// Where its earnings go.
    pub payee: Address,
}

/// The operator lets a bee work no more. Its leases run on until they end or lapse.
#[derive(Clone, Debug)]
pub struct RevokeWorker {
    /// Unix seconds.
    pub now: u64,
    /// Its key.
    pub worker: Address,
}

/// The operator wants a bee to take no new jobs (or to take them again).
#[derive(Clone, Debug)]
pub struct SetDraining {
    /// Unix seconds.
    pub now: u64,
    /// Its key.
    pub worker: Address,
    /// Whether it drains.
    pub draining: bool,
}

/// A heartbeat of a bee; readiness is counted here and nowhere else.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// Unix milliseconds.
    pub now_millis: u64,
    /// Its key.
    pub worker: Address,
    /// Whether it passed its own self-check.
    pub ready: bool,
    /// Whether it takes no new jobs.
    pub draining: bool,
    /// What it measured; the queen's own format.
    pub stats: serde_json::Value,
}

/// Let whoever brings a code be approved, once.
#[derive(Clone, Debug)]
pub struct AddJoinCode {
    /// Unix seconds.
    pub now: u64,
    /// SHA-256 of the code.
    pub code: B256,
    /// Payee of the bee that will bring it.
    pub payee: Address,
    /// Unix seconds from which it no longer counts.
    pub expires_at: u64,
}

/// Fix the open epoch's jobs and open the next epoch.
#[derive(Clone, Debug)]
pub struct BeginSeal {
    /// Unix seconds.
    pub now: u64,
    /// Why.
    pub trigger: SealTrigger,
}

/// Leave jobs out of an epoch that is being sealed, because their client cannot be charged. Each stays
/// completed, is marked, and its fee is given back.
#[derive(Clone, Debug)]
pub struct DropUncollectable {
    /// Unix seconds.
    pub now: u64,
    /// The epoch, in state sealing.
    pub epoch: EpochId,
    /// Which.
    pub jobs: Vec<JobId>,
    /// Why; shown to the worker.
    pub reason: String,
}

/// Move jobs of an epoch that is being sealed to the open one: they settle there. Nothing is given back.
#[derive(Clone, Debug)]
pub struct DeferJobs {
    /// Unix seconds.
    pub now: u64,
    /// The epoch, in state sealing.
    pub epoch: EpochId,
    /// Which.
    pub jobs: Vec<JobId>,
}

/// Keep a signed seal with its vectors.
#[derive(Clone, Debug)]
pub struct RecordSealed {
    /// Unix seconds.
    pub now: u64,
    /// The epoch, in state sealing.
    pub epoch: EpochId,
    /// The seal.
    pub seal: Seal,
    /// Charge vector.
    pub charges: Vec<Entry>,
    /// Payout vector.
    pub payouts: Vec<Entry>,
    /// Each worker's part (`agents.json`).
    pub agents: Vec<Agent>,
    /// Settlers' signatures.
    pub signatures: Vec<SettlerSignature>,
}

/// Seal an epoch anew whose seal grew too old to be accepted by the escrow (`maxSealAge`).
#[derive(Clone, Debug)]
pub struct ReopenSeal {
    /// Unix seconds.
    pub now: u64,
    /// The epoch, in state sealed or submitted.
    pub epoch: EpochId,
    /// The contract's `maxSealAge`, seconds: until then the old seal could still be included.
    pub max_seal_age: u64,
}

/// Seal an epoch anew that the chain has settled with another seal than this ledger's: it is to be taken over.
#[derive(Clone, Debug)]
pub struct ReopenAdopted {
    /// Unix seconds.
    pub now: u64,
    /// The epoch, in state sealing, sealed or submitted.
    pub epoch: EpochId,
    /// The seal with which the chain settled it.
    pub seal_hash: B256,
    /// When that was sealed, Unix seconds.
    pub sealed_at: u64,
}

/// Take over jobs that the chain has settled and this ledger has not: an older copy does not have them, or not their
/// end. Those that it has are left as they are, in the epoch that the chain has them in.
#[derive(Clone, Debug)]
pub struct AdoptJobs {
    /// Unix seconds.
    pub now: u64,
    /// The open epoch, or the one that is being sealed.
    pub epoch: EpochId,
    /// The seal with which the chain settled it.
    pub seal_hash: B256,
    /// From its bundle, which was verified.
    pub jobs: Vec<JobEntry>,
    /// Where their workers' earnings went, by worker, from the bundle too.
    pub payees: BTreeMap<Address, Address>,
}

/// Note that an epoch, sealed again from its bundle, is on the chain already.
#[derive(Clone, Debug)]
pub struct AdoptSettled {
    /// Unix seconds.
    pub now: u64,
    /// The epoch.
    pub epoch: EpochId,
}

/// Remember a settlement transaction before it is sent.
#[derive(Clone, Debug)]
pub struct RecordSubmission {
    /// Unix seconds.
    pub now: u64,
    /// The epoch.
    pub epoch: EpochId,
    /// The transaction.
    pub submission: Submission,
}

/// An epoch's window has closed at the chain's `finalized` block.
#[derive(Clone, Debug)]
pub struct Finalise {
    /// Unix seconds.
    pub now: u64,
    /// The epoch, in state included.
    pub epoch: EpochId,
    /// The chain's `finalized` block.
    pub finalized: BlockRef,
}

/// An upload begins (or is taken up again).
#[derive(Clone, Debug)]
pub struct BlobBegin {
    /// Unix seconds.
    pub now: u64,
    /// Which bytes.
    pub blob: BlobRef,
    /// What they are.
    pub kind: BlobKind,
    /// Who brings them.
    pub uploader: Address,
    /// For a result, its job.
    pub job: Option<JobId>,
}

/// All bytes are stored and match.
#[derive(Clone, Debug)]
pub struct BlobComplete {
    /// Unix seconds.
    pub now: u64,
    /// Which.
    pub sha256: B256,
}

/// Key and bytes were destroyed.
#[derive(Clone, Debug)]
pub struct BlobDeleted {
    /// Unix seconds.
    pub now: u64,
    /// Which.
    pub sha256: B256,
    /// Why.
    pub reason: String,
}

/// Use up the nonce of a signed request.
#[derive(Clone, Debug)]
pub struct UseRequestNonce {
    /// Unix seconds.
    pub now: u64,
    /// Who signed.
    pub address: Address,
    /// The nonce.
    pub nonce: u64,
    /// Unix seconds from which the request's own timestamp refuses it.
    pub expires_at: u64,
}

/// Push events to a client.
#[derive(Clone, Debug)]
pub struct AddWebhook {
    /// Unix seconds.
    pub now: u64,
    /// Whose events.
    pub client: Address,
    /// Where to.
    pub url: String,
    /// Kinds; empty means all.
    pub events: Vec<String>,
}

/// Push no more.
#[derive(Clone, Debug)]
pub struct RemoveWebhook {
    /// Unix seconds.
    pub now: u64,
    /// Whose.
    pub client: Address,
    /// Which.
    pub id: u64,
}

/// How a push went.
#[derive(Clone, Debug)]
pub struct RecordDelivery {
    /// Unix seconds.
    pub now: u64,
    /// Which.
    pub id: u64,
    /// `None` when it arrived (or is given up); otherwise when to try again, Unix seconds.
    pub retry_at: Option<u64>,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// Note that a restored ledger was compared with the chain.
#[derive(Clone, Copy, Debug)]
pub struct Compared;

/// Keep the name that an address resolved to.
#[derive(Clone, Debug)]
pub struct BindName {
    /// Unix seconds.
    pub now: u64,
    /// The address.
    pub address: Address,
    /// The name; `None` forgets it.
    pub name: Option<String>,
    /// Chain that holds the name.
    pub chain_id: u64,
    /// Block at which it was seen.
    pub block: u64,
}
