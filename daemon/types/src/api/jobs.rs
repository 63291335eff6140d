//! Jobs: quote, submission, status, `why`, result, receipt.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::BlobRef;
use crate::order::SignedOrder;
use crate::receipt::{Execution, Receipt};
use crate::signature::Signature65;
use crate::{EpochId, JobId, MicroUsdc, dec, schema};

/// Where a job stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Waits for a bee.
    Pending,
    /// A bee holds its lease.
    Claimed,
    /// The bee has begun.
    Processing,
    /// Done and charged.
    Completed,
    /// The last attempt failed; it is tried again or given up.
    Failed,
    /// Given up after the last attempt; nothing is charged.
    Dead,
    /// The client cancelled it; nothing is charged.
    Cancelled,
    /// Its deadline passed; nothing is charged.
    Expired,
}

impl JobStatus {
    /// Whether nothing more will happen to the job.
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Dead | Self::Cancelled | Self::Expired
        )
    }

    /// The word of the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Claimed => "claimed",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl std::fmt::Display for JobStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for JobStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use JobStatus::*;
        [
            Pending, Claimed, Processing, Completed, Failed, Dead, Cancelled, Expired,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| format!("'{text}' is not a job status"))
    }
}

/// `POST /api/v1/quotes`: asks what a job costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// Job type, such as `brain_mri`; or name the model by `model`.
    #[serde(default)]
    pub job_type: Option<String>,
    /// Digest of a model package.
    #[serde(default)]
    #[schema(value_type = Option<schema::Hash>)]
    pub model: Option<B256>,
}

/// A price the queen stands by until `expires_at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quote {
    /// Job type.
    pub job_type: String,
    /// The model the order must name.
    #[schema(value_type = schema::Hash)]
    pub model: B256,
    /// Fee in µUSDC.
    pub fee: MicroUsdc,
    /// For display only.
    pub fee_usd: String,
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub expires_at: u64,
    /// EIP-191 by the queen's key over the text `swarm-quote\n<model>\n<fee>\n<expires_at>`.
    pub signature: Signature65,
}

/// `POST /api/v1/jobs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitJob {
    /// Job type; must be that of the order's model.
    #[schema(min_length = 1, max_length = 64)]
    pub job_type: String,
    /// The order. Field names are those of its typed data.
    pub order: crate::order::Order,
    /// 65 bytes (v 27/28 or 0/1) or 64 (EIP-2098), over the EIP-712 digest or its EIP-191 form.
    pub signature: Signature65,
    /// The salt of `order.input`. Handed to the worker, never published.
    #[schema(value_type = schema::Hash)]
    pub salt: B256,
    /// The uploaded input: an age file whose plaintext is a tar of the input files.
    pub input: BlobRef,
    /// The client's age recipient (`age1…`), to which the results are encrypted.
    #[schema(pattern = "^age1[0-9a-z]{58}$")]
    pub reply_to: String,
    /// The client's name, as a label. It is shown only when the chain confirms it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    pub client_ens: Option<String>,
}

impl SubmitJob {
    /// The order with its signature.
    pub fn signed_order(&self) -> SignedOrder {
        SignedOrder {
            order: self.order.clone(),
            signature: self.signature,
        }
    }
}

/// A job as the API shows it. Neither salt nor input or result are in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// `job-002-0848`.
    pub job_id: JobId,
    /// Where it stands.
    pub status: JobStatus,
    /// Job type.
    pub job_type: String,
    /// Who pays.
    #[schema(value_type = schema::Address)]
    pub client: Address,
    /// The client's name, if the chain confirms it.
    pub client_ens: Option<String>,
    /// Digest of the model package.
    #[schema(value_type = schema::Hash)]
    pub model: B256,
    /// Fee in µUSDC; charged only when the job completes.
    pub fee: MicroUsdc,
    /// For display only.
    pub fee_usd: String,
    /// The bee that holds or did it.
    #[schema(value_type = Option<schema::Address>)]
    pub worker: Option<Address>,
    /// How often it was leased.
    pub attempts: u32,
    /// What the bee does now.
    pub stage: Option<String>,
    /// How far that is, 0 to 10 000.
    pub progress_bps: Option<u32>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub submitted_at: u64,
    /// Unix seconds by which it must be completed.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub deadline: u64,
    /// Unix seconds of the worker's start.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub started_at: Option<u64>,
    /// Unix seconds of completion.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub completed_at: Option<u64>,
    /// Milliseconds of execution, to the second: what lies between the signed `started_at` and
    /// `completed_at`.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub execution_ms: Option<u64>,
    /// The epoch that settles it.
    pub settled_in: Option<EpochId>,
    /// sha256(job_id + result_hash + worker_ens): a commitment, not evidence.
    #[schema(value_type = Option<schema::Hash>)]
    pub poe_hash: Option<B256>,
    /// Descriptive string of the engine that ran it.
    #[serde(default)]
    pub engine: Option<String>,
    /// Millijoules that it took; null when nobody measured.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub energy_millijoules: Option<u64>,
}

/// One reason why a bee has not taken a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyBee {
    /// The bee's key.
    #[schema(value_type = schema::Address)]
    pub worker: Address,
    /// The bee's name.
    pub name: Option<String>,
    /// Whether the bee could take the job now.
    pub eligible: bool,
    /// Stable code: `eligible`, `not-approved`, `offline`, `draining`, `not-ready`, `busy`, `model-missing`,
    /// `memory`, `energy`, `not-a-recipient`.
    pub code: String,
    /// The same in words.
    pub reason: String,
}

/// `GET /api/v1/jobs/{id}/why`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The job.
    pub job_id: JobId,
    /// Where it stands.
    pub status: JobStatus,
    /// In one sentence.
    pub summary: String,
    /// Unix seconds at which the present state ends by itself.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub moves_on_at: Option<u64>,
    /// Jobs before it in the queue.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub ahead: u64,
    /// Every bee and why it has not taken the job.
    pub bees: Vec<WhyBee>,
}

/// `GET /api/v1/jobs/{id}/result`, for the client only (signed request).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobResult {
    /// The job.
    pub job_id: JobId,
    /// The encrypted result: an age file to the client's recipient; its plaintext is a tar.
    pub result: BlobRef,
    /// `sha256:<64 hex>`: where it is, by content.
    pub result_ref: String,
    /// CIDv1 of the ciphertext.
    pub cid: String,
    /// SHA-256 of the result manifest.
    #[schema(value_type = schema::Hash)]
    pub manifest: B256,
    /// The salt, with which the client checks `execution.result`.
    #[schema(value_type = schema::Hash)]
    pub salt: B256,
    /// What the worker stated.
    pub execution: Execution,
    /// The worker's signature.
    pub worker_signature: Signature65,
    /// The engine's descriptive string.
    pub engine: String,
    /// The origin's proof-of-execution hash.
    #[schema(value_type = schema::Hash)]
    pub poe_hash: B256,
    /// Unix seconds after which the result is deleted.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub kept_until: u64,
}

/// `GET /api/v1/jobs/{id}/receipt`: everything that shows a job was settled. With it and one read of the
/// contract (`verifyReceipt`) anyone checks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptProof {
    /// The leaf.
    pub receipt: Receipt,
    /// The client's order.
    pub order: SignedOrder,
    /// What the worker stated.
    pub execution: Execution,
    /// The worker's signature.
    pub execution_signature: Signature65,
    /// The settling epoch.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub epoch: u64,
    /// Index of the leaf.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub index: u64,
    /// Leaves in the tree.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub size: u64,
    /// Audit path, from the leaf upwards.
    #[schema(value_type = Vec<schema::Hash>)]
    pub path: Vec<B256>,
    /// The root it leads to.
    #[schema(value_type = schema::Hash)]
    pub root: B256,
    /// Chain of the escrow.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub chain_id: u64,
    /// The escrow.
    #[schema(value_type = schema::Address)]
    pub escrow: Address,
    /// The settlement's transaction, once there is one.
    #[schema(value_type = Option<schema::Hash>)]
    pub transaction: Option<B256>,
}
