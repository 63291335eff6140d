//! Workers: registration, heartbeat, lease, progress, completion. Every request is signed by the bee's
//! key ([`crate::request`]).

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BeePower, BlobRef, Job, ModelFault};
use crate::order::SignedOrder;
use crate::power::PowerRecord;
use crate::problem::Problem;
use crate::receipt::Execution;
use crate::signature::Signature65;
use crate::{JobId, MicroUsdc, dec, schema};

/// Seconds between heartbeats.
pub const HEARTBEAT_SECONDS: u64 = 30;
/// Longest gap between two answered heartbeats that still counts as ready.
pub const READY_GAP_SECONDS_MAX: u64 = 95;
/// Longest wait of a long-poll for work.
pub const POLL_SECONDS_MAX: u64 = 30;
/// Jobs that one request leases or completes at most.
pub const JOBS_AT_ONCE_MAX: u32 = 64;

/// What a box computes with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// GPU model, or the CPU's model name.
    #[schema(min_length = 1, max_length = 512)]
    pub name: String,
    /// GPU UUID; absent on a box without one.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    pub uuid: Option<String>,
    /// Device memory in MiB; of a CPU bee, memory it may use.
    pub memory_mib: u32,
}

/// `POST /api/v1/workers/register`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterWorker {
    /// Name for people, such as `bee-01`.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// The bee's age recipient.
    #[schema(pattern = "^age1[0-9a-z]{58}$")]
    pub recipient: String,
    /// EIP-191 by the bee's key over [`super::recipient_message`].
    pub recipient_signature: Signature65,
    /// What it computes with.
    pub device: Device,
    /// Digests of the model packages it can serve.
    #[schema(max_items = 256, value_type = Vec<schema::Hash>)]
    pub models: Vec<B256>,
    /// Descriptive strings of its engines, best first.
    #[schema(min_items = 1, max_items = 16)]
    pub engines: Vec<String>,
    /// Jobs it takes at once.
    #[schema(minimum = 1, maximum = 64)]
    pub concurrency: u32,
    /// Program version.
    #[schema(min_length = 1, max_length = 64)]
    pub version: String,
    /// A one-time code of the operator; with it and a payee the bee is approved at once.
    #[serde(default)]
    #[schema(max_length = 64)]
    pub join_code: Option<String>,
    /// Where its earnings should go; counts only with a join code.
    #[serde(default)]
    #[schema(value_type = Option<schema::Address>)]
    pub payee: Option<Address>,
}

/// Whether a bee may work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// The operator has not approved it yet.
    Waiting,
    /// It may work.
    Approved,
}

/// Answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    /// Whether it may work.
    pub approval: Approval,
    /// Where its earnings go, once approved.
    #[schema(value_type = Option<schema::Address>)]
    pub payee: Option<Address>,
    /// Leases it still holds from before its restart.
    pub leases: Vec<Lease>,
    /// Chain of the escrow.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub chain_id: u64,
    /// The escrow, for the domain of executions.
    #[schema(value_type = schema::Address)]
    pub escrow: Address,
}

/// `POST /api/v1/workers/heartbeat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Its self-check passes: the device answers and its engine ran within the last ten minutes.
    pub ready: bool,
    /// Why not, if not.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 512)]
    pub not_ready_reason: Option<String>,
    /// It finishes what it has and takes nothing new.
    pub draining: bool,
    /// Lease tokens it works on; they are renewed.
    #[schema(max_items = 256)]
    pub leases: Vec<String>,
    /// Digests of models in memory.
    #[schema(max_items = 256, value_type = Vec<schema::Hash>)]
    pub warm_models: Vec<B256>,
    /// Active models that it cannot serve, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64)]
    pub model_faults: Vec<ModelFault>,
    /// Utilisation of the device in percent; absent when nothing measures it.
    #[serde(default)]
    #[schema(maximum = 100)]
    pub utilisation_percent: Option<u8>,
    /// Memory in use in MiB; absent when nothing measures it.
    #[serde(default)]
    pub memory_used_mib: Option<u32>,
    /// Temperature of the device in °C; absent when nothing measures it.
    #[serde(default)]
    pub temperature_celsius: Option<i16>,
    /// Power that the device draws in mW; absent when nothing measures it.
    #[serde(default)]
    pub power_milliwatts: Option<u32>,
}

/// Answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeartbeatAnswer {
    /// Whether it may work.
    pub approval: Approval,
    /// The operator wants it to drain.
    pub drain: bool,
    /// Lease tokens it no longer holds: drop that work.
    pub lost: Vec<String>,
    /// Seconds until the next heartbeat.
    pub next_seconds: u32,
    /// The site's power; null while no meter is configured.
    #[serde(default)]
    pub power: Option<BeePower>,
}

/// `POST /api/v1/workers/lease`: long-polls for work. 204 when there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// Seconds to wait at most.
    #[schema(maximum = 30)]
    pub wait_seconds: u32,
    /// Jobs to take at most, 1 to 64; 1 when absent. Not more than the bee can hold.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 64)]
    pub jobs_max: u32,
}

fn one() -> u32 {
    1
}

/// Answer to a [`LeaseRequest`]: at least one lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Leases {
    /// The oldest job first.
    pub leases: Vec<Lease>,
}

/// Work, and the right to complete it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lease {
    /// The job.
    pub job_id: JobId,
    /// Proves the lease.
    pub token: String,
    /// Unix seconds at which it lapses unless renewed.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub expires_at: u64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Job type.
    pub job_type: String,
    /// The client's order.
    pub order: SignedOrder,
    /// The fee.
    pub fee: MicroUsdc,
    /// The salt of input and result.
    #[schema(value_type = schema::Hash)]
    pub salt: B256,
    /// The encrypted input.
    pub input: BlobRef,
    /// The client's age recipient.
    pub reply_to: String,
}

/// `POST /api/v1/jobs/{id}/claim`: takes one named job, with the same answer as a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimJob {}

/// `POST /api/v1/jobs/{id}/progress`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobProgress {
    /// The lease.
    #[schema(pattern = "^(0|[1-9][0-9]{0,19})$")]
    pub token: String,
    /// What it does now, such as `infer`.
    #[schema(min_length = 1, max_length = 512)]
    pub stage: String,
    /// How far the job is, 0 to 10 000.
    #[schema(maximum = 10000)]
    pub progress_bps: u32,
}

/// `POST /api/v1/jobs/{id}/complete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteJob {
    /// The lease.
    pub token: String,
    /// What ran.
    pub execution: Execution,
    /// The bee's signature over the execution's EIP-712 digest.
    pub worker_signature: Signature65,
    /// The uploaded, encrypted result.
    pub result: BlobRef,
    /// SHA-256 of the result manifest.
    #[schema(value_type = schema::Hash)]
    pub manifest: B256,
    /// The engine's descriptive string.
    #[schema(min_length = 1, max_length = 512)]
    pub engine: String,
    /// The power record.
    pub power: PowerRecord,
    /// The origin's proof-of-execution hash, over the worker's lower-case address.
    #[schema(value_type = schema::Hash)]
    pub poe_hash: B256,
    /// Milliseconds of execution.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub execution_ms: u64,
}

/// `POST /api/v1/workers/complete`: several jobs in one signed request. Each is judged by itself, as
/// `POST /api/v1/jobs/{id}/complete` would judge it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteJobs {
    /// 1 to 64 completions; each names its job in its execution.
    #[schema(min_items = 1, max_items = 64)]
    pub jobs: Vec<CompleteJob>,
}

/// What became of one of several completions: `job`, or `problem`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Completion {
    /// The job that its execution names.
    pub job_id: JobId,
    /// The completed job.
    pub job: Option<Job>,
    /// Why it was not completed. Status 503 asks for a repetition.
    pub problem: Option<Problem>,
}

/// Answer to [`CompleteJobs`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Completions {
    /// One for each, in the order of the request.
    pub jobs: Vec<Completion>,
}

/// `POST /api/v1/jobs/{id}/fail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailJob {
    /// The lease.
    #[schema(pattern = "^(0|[1-9][0-9]{0,19})$")]
    pub token: String,
    /// What went wrong, without anything about the patient.
    #[schema(min_length = 1, max_length = 512)]
    pub reason: String,
    /// Whether another attempt could succeed.
    pub retryable: bool,
}

/// A bee as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// The bee's key.
    #[schema(value_type = schema::Address)]
    pub worker: Address,
    /// Name for people.
    pub name: String,
    /// `online`, `busy`, `draining` or `offline`.
    pub status: String,
    /// Whether it may work.
    pub approval: Approval,
    /// Where its earnings go.
    #[schema(value_type = Option<schema::Address>)]
    pub payee: Option<Address>,
    /// What it computes with.
    pub device: Device,
    /// Models it can serve.
    #[schema(value_type = Vec<schema::Hash>)]
    pub models: Vec<B256>,
    /// Its engines.
    pub engines: Vec<String>,
    /// Whether its last heartbeat passed its self-check.
    pub ready: bool,
    /// Why not, if not.
    pub not_ready_reason: Option<String>,
    /// Jobs it holds now.
    pub current_jobs: Vec<JobId>,
    /// Jobs it completed.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub jobs_completed: u64,
    /// Ready seconds in the open epoch.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub ready_seconds: u64,
    /// Unix seconds of its last heartbeat; 0 before the first.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub last_heartbeat: u64,
    /// Unix seconds of its registration.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub registered_at: u64,
}

/// `POST /api/v1/workers/{address}/approve`, by the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveWorker {
    /// Where its earnings go.
    #[schema(value_type = schema::Address)]
    pub payee: Address,
}

/// `POST /api/v1/workers/{address}/drain`, by the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainWorker {
    /// Whether it should drain.
    pub drain: bool,
}

/// `POST /api/v1/workers/join-codes`, by the operator: a one-time code with which a bee joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinCode {
    /// The code.
    pub code: String,
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub expires_at: u64,
}

/// A line of `GET /api/v1/workers/{address}/samples`: what a bee said in a heartbeat. What nothing measured
/// is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerSample {
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub at: u64,
    /// Whether it passed its self-check.
    pub ready: bool,
    /// Jobs in its hands.
    pub jobs: u32,
    /// Utilisation of the device in percent.
    pub utilisation_percent: Option<u8>,
    /// Memory in use in MiB.
    pub memory_used_mib: Option<u32>,
    /// Temperature of the device in °C.
    pub temperature_celsius: Option<i16>,
    /// Power that the device draws in mW.
    pub power_milliwatts: Option<u32>,
}
