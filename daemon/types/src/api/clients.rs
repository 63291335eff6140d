//! Clients: accounts, history, top-ups, webhooks. `{id}` is an address, or a name that the chain resolves.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{EpochId, JobId, MicroUsdc, dec, schema};

/// What a client has and may spend, µUSDC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Balance {
    /// Who.
    #[schema(value_type = schema::Address)]
    pub client: Address,
    /// In the escrow, less what settled epochs charged.
    pub balance: MicroUsdc,
    /// Deposited, but the block is not `safe` yet.
    pub unconfirmed: MicroUsdc,
    /// Reserved for open jobs.
    pub reserved: MicroUsdc,
    /// Charged for completed jobs that wait for settlement.
    pub unsettled: MicroUsdc,
    /// Requested for withdrawal.
    pub withdrawing: MicroUsdc,
    /// What new orders may use.
    pub available: MicroUsdc,
    /// `available` in dollars, for display only.
    pub available_usd: String,
    /// The client's cap per epoch, as the escrow has it.
    pub cap: MicroUsdc,
    /// How much of the cap this epoch has used.
    pub cap_used: MicroUsdc,
}

/// `GET /api/v1/clients/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Client {
    /// Who.
    #[schema(value_type = schema::Address)]
    pub client: Address,
    /// Its name, and the block at which the chain confirmed it.
    pub ens: Option<BoundName>,
    /// The account.
    pub balance: Balance,
    /// All it ever spent in settled epochs.
    pub total_spent: MicroUsdc,
    /// All jobs it ever submitted.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub total_jobs: u64,
}

/// A name bound to an address by resolution on chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoundName {
    /// The name.
    pub name: String,
    /// Block at which it was seen.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub block: u64,
}

/// What moved a client's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryKind {
    /// A deposit reached the escrow.
    Deposit,
    /// A completed job was charged.
    JobCharge,
    /// A charge was undone (void epoch, uncollectable receipt).
    Refund,
    /// Money left the escrow.
    Withdrawal,
}

/// A line of `GET /api/v1/clients/{id}/history`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryLine {
    /// Position in the client's history.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub seq: u64,
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub at: u64,
    /// What happened.
    pub kind: HistoryKind,
    /// How much.
    pub amount: MicroUsdc,
    /// For display only.
    pub amount_usd: String,
    /// The job, for charges and refunds.
    pub job: Option<JobId>,
    /// The epoch, for charges and refunds once settled.
    pub epoch: Option<EpochId>,
    /// The transaction, for deposits and withdrawals.
    #[schema(value_type = Option<schema::Hash>)]
    pub transaction: Option<B256>,
}

/// `POST /api/v1/clients/{id}/topup`: names a deposit's transaction, to be told where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopUp {
    /// The transaction.
    #[schema(value_type = schema::Hash)]
    pub transaction: B256,
}

/// Where a deposit stands. Only the chain credits; this answer never does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopUpStatus {
    /// `unknown`, `included` or `safe`.
    pub state: String,
    /// Its deposits for this client.
    pub amount: MicroUsdc,
}

/// `POST /api/v1/webhooks`, by the client (signed request). Deliveries are signed by the queen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to `POST` the client's job events.
    #[schema(max_length = 2048)]
    pub url: String,
}
