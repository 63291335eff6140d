//! Epochs as the API shows them.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bundle::PayoutPart;
use crate::{EpochId, MicroUsdc, dec, schema};

/// Where an epoch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EpochStatus {
    /// Open: jobs that complete now belong to it.
    Active,
    /// Closed; its bundle is being built.
    Sealing,
    /// Signed; waits to be sent to the chain.
    Sealed,
    /// Sent to the chain.
    Submitted,
    /// On the chain; its challenge window is open.
    Included,
    /// The window closed: final.
    Finalized,
    /// Void: its jobs settle again in another epoch.
    Void,
}

impl EpochStatus {
    /// The word of the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Sealing => "sealing",
            Self::Sealed => "sealed",
            Self::Submitted => "submitted",
            Self::Included => "included",
            Self::Finalized => "finalized",
            Self::Void => "void",
        }
    }
}

impl std::fmt::Display for EpochStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for EpochStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use EpochStatus::*;
        [
            Active, Sealing, Sealed, Submitted, Included, Finalized, Void,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| format!("'{text}' is not an epoch status"))
    }
}

/// `GET /api/v1/epochs/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Epoch {
    /// `epoch-002`.
    pub epoch_id: EpochId,
    /// Where it stands.
    pub status: EpochStatus,
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub started_at: u64,
    /// Unix seconds of the seal.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub sealed_at: Option<u64>,
    /// Number of receipts (so far, while it is open).
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub jobs_count: u64,
    /// Σ fees.
    pub total_revenue: MicroUsdc,
    /// For display only.
    pub total_revenue_usd: String,
    /// Root of the receipts' tree.
    #[schema(value_type = Option<schema::Hash>)]
    pub receipts_root: Option<B256>,
    /// Struct hash of the seal.
    #[schema(value_type = Option<schema::Hash>)]
    pub seal_hash: Option<B256>,
    /// SHA-256 of SUMMARY.json.
    #[schema(value_type = Option<schema::Hash>)]
    pub bundle: Option<B256>,
    /// CIDv1 of the bundle's directory.
    pub cid: Option<String>,
    /// The settlement's transaction.
    #[schema(value_type = Option<schema::Hash>)]
    pub transaction: Option<B256>,
    /// Unix seconds at which the challenge window closes.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub final_at: Option<u64>,
    /// Why it waits, or why it is void.
    pub note: Option<String>,
}

/// A line of `GET /api/v1/epochs/{id}/payouts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EpochPayout {
    /// Who is credited.
    #[schema(value_type = schema::Address)]
    pub payee: Address,
    /// How much.
    pub amount: MicroUsdc,
    /// For display only.
    pub amount_usd: String,
    /// Where it comes from.
    pub parts: Vec<PayoutPart>,
    /// `pending` until the epoch is final, then `paid` into the payee's account in the escrow.
    pub status: String,
}

/// `POST /api/v1/epochs/seal`, by the operator: seals now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SealAnswer {
    /// The epoch that is being sealed.
    pub epoch_id: EpochId,
}
