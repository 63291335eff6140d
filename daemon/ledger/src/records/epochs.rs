//! What the ledger answers about epochs and their way to the chain.

use serde::{Deserialize, Serialize};
use swarm_types::bundle::{Agent, Seal, SettlerSignature, WorkerEpoch};
use swarm_types::eip712::Entry;
use swarm_types::{Address, B256, EpochId, JobId, MicroUsdc};

use super::{EpochState, SealTrigger};

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

/// An epoch that the chain has and the ledger has not, or with another seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownEpoch {
    /// Its number.
    pub epoch: EpochId,
    /// Transaction in which the escrow settled it.
    pub tx: B256,
    /// Struct hash of the seal that the escrow accepted.
    pub seal_hash: B256,
}

/// What a completed job charges its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobCharge {
    /// Who pays.
    pub client: Address,
    /// For what.
    pub job: JobId,
    /// How much.
    pub fee: MicroUsdc,
}

/// What an epoch's seal depends on; what [`swarm_types::bundle::EpochInput`] wants from the ledger. The
/// jobs themselves come page by page, from [`crate::Ledger::settled_jobs`].
#[derive(Clone, Debug)]
pub struct SealContents {
    /// The epoch.
    pub epoch: EpochId,
    /// Unix seconds to name in the seal.
    pub sealed_at: u64,
    /// Struct hash of the seal before; 0 for the first.
    pub previous: B256,
    /// The jobs in the order of the leaves: by client, then job.
    pub jobs: Vec<JobCharge>,
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
