//! What the queen is: chain, models, limits, health, statistics, events.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::payout::Rates;
use crate::{EpochId, JobId, MicroUsdc, dec, schema};

/// `GET /api/v1/info`: what a client needs before it orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Info {
    /// Name of this queen.
    pub name: String,
    /// Program version.
    pub version: String,
    /// EIP-155 chain id.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub chain_id: u64,
    /// The escrow; orders are signed for it.
    #[schema(value_type = schema::Address)]
    pub escrow: Address,
    /// The USDC contract.
    #[schema(value_type = schema::Address)]
    pub token: Address,
    /// The queen's key: signs quotes and webhooks.
    #[schema(value_type = schema::Address)]
    pub queen: Address,
    /// The open epoch.
    pub open_epoch: EpochId,
    /// Rates of the payout rule.
    pub rates: Rates,
    /// Farthest deadline of an order, in seconds from now.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub max_order_life_seconds: u64,
    /// Largest input in bytes.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub max_input_bytes: u64,
    /// Days a result is kept.
    pub result_days: u32,
    /// The queen's clock, Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub now: u64,
}

/// `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or `degraded` when the chain is away or a seal is refused.
    pub status: String,
    /// Program version.
    pub version: String,
    /// Whether the ledger answers, and could store the newest change.
    pub ledger: bool,
    /// `ok`, or what is wrong with the chain.
    pub chain: String,
    /// Approved bees heard within the ready gap.
    pub bees_online: u32,
    /// What needs a person, in sentences.
    pub notes: Vec<String>,
}

/// `GET /api/v1/stats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// Jobs by status.
    pub jobs: std::collections::BTreeMap<String, u64>,
    /// Registered bees by status.
    pub bees: std::collections::BTreeMap<String, u64>,
    /// Mean milliseconds of execution over the last completed jobs; absent before the first.
    pub mean_execution_ms: Option<u64>,
    /// Σ fees of final epochs.
    pub total_revenue: MicroUsdc,
}

/// A line of `GET /api/v1/events` (server-sent events; `id` is `seq`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Position in the feed.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub seq: u64,
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub at: u64,
    /// Such as `job.completed`, `job.progress`, `epoch.sealed`, `worker.online`, `deposit.safe`.
    pub kind: String,
    /// The job it is about.
    pub job: Option<JobId>,
    /// The client it is about.
    #[schema(value_type = Option<schema::Address>)]
    pub client: Option<Address>,
    /// The bee it is about.
    #[schema(value_type = Option<schema::Address>)]
    pub worker: Option<Address>,
    /// The epoch it is about.
    pub epoch: Option<EpochId>,
    /// More, by kind.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}
