//! Models: what can be ordered, and the packages that the queen holds.
//!
//! `POST /api/v1/models` (signed by the operator) takes a package as one tar; its digest is the model's identity, and a package
//! never changes. `…/{digest}/activate` lets it be ordered. Bees pull active packages from `…/{digest}/package`.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BlobRef, Job, JobResult};
use crate::{MicroUsdc, dec, schema};

/// Header of a streamed upload: SHA-256 of the body in hex. It stands for the body in the request's signature, so that a
/// signature is checked before the first byte is stored.
pub const HEADER_CONTENT_SHA256: &str = "swarm-content-sha256";
/// Longest that `POST /api/v1/inference/{model}` waits for the result, seconds.
pub const INFERENCE_WAIT_SECONDS_MAX: u64 = 50;

/// A model that can be ordered, or could be once it is activated (`GET /api/v1/models`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelInfo {
    /// Digest of the package; what orders name.
    #[schema(value_type = schema::Hash)]
    pub digest: B256,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Licence of the weights.
    pub licence: String,
    /// Job type it serves.
    pub job_type: String,
    /// What it takes: `scan` or `tensor`.
    pub kind: String,
    /// Whether it can be ordered.
    pub active: bool,
    /// Fee in µUSDC.
    pub fee: MicroUsdc,
    /// For display only.
    pub fee_usd: String,
    /// Device memory it needs, in MiB.
    pub memory_mib: u32,
    /// Approved bees online that can serve it.
    pub bees_online: u32,
    /// The package's tar, which approved bees and operators may pull; absent for a model of the queen's models directory,
    /// which bees have on their own disks.
    pub package: Option<BlobRef>,
}

/// `GET /api/v1/models/{digest}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelDetail {
    /// As in the list.
    pub model: ModelInfo,
    /// Open jobs that order it; while there are any it is not deleted.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub open_jobs: u64,
    /// Who uploaded it; absent for a model of the models directory.
    #[schema(value_type = Option<schema::Address>)]
    pub uploaded_by: Option<Address>,
    /// Unix seconds; absent for a model of the models directory.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub uploaded_at: Option<u64>,
    /// The bees that serve it, or say why they do not.
    pub bees: Vec<ModelBee>,
}

/// How a bee stands to a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelBee {
    /// The bee's key.
    #[schema(value_type = schema::Address)]
    pub worker: Address,
    /// Its name.
    pub name: String,
    /// It can serve the model.
    pub serves: bool,
    /// The model is in its memory.
    pub warm: bool,
    /// Why it does not serve it.
    pub fault: Option<String>,
}

/// Why a bee does not serve a model that it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFault {
    /// Digest of the package.
    #[schema(value_type = schema::Hash)]
    pub model: B256,
    /// In one sentence.
    #[schema(min_length = 1, max_length = 512)]
    pub reason: String,
}

/// Answer of `POST /api/v1/inference/{model}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Inference {
    /// The job that the order became.
    pub job: Job,
    /// Where its result is and what the worker signed about it; absent while it is not completed, or when it ended without one.
    pub result: Option<JobResult>,
}
