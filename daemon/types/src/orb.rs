//! What SwarmOrb shows of an escrow: `index.json` and the files beside it, rebuilt from the chain and the
//! bundles alone. A queen and a static site serve the same files at the same places:
//!
//! ```text
//! index.json                  the escrow, the contract's state, a row an epoch
//! chain/epoch-001.json        what the chain emitted for an epoch: charges and credits
//! accounts/0x….json           what the chain and the bundles say of one address
//! audit/epoch-001/…           the bundle, byte for byte
//! ```
//!
//! JSON is canonical (RFC 8785); integers of 64 bits are decimal strings; what is not known is null.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::{BoundName, EpochStatus};
use crate::payout::{Pools, Rates};
use crate::{EpochId, MicroUsdc, dec, schema};

/// Version of these formats.
pub const INDEX_VERSION: u32 = 1;
/// Name of the index.
pub const INDEX: &str = "index.json";

/// Name of the file with what the chain emitted for an epoch.
pub fn epoch_file_name(epoch: EpochId) -> String {
    format!("chain/{epoch}.json")
}

/// Name of the file of an address, in lower case.
pub fn account_file_name(account: &Address) -> String {
    format!("accounts/{}.json", crate::bundle::hex_address(account))
}

/// `index.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Index {
    /// Version of this format.
    pub version: u32,
    /// How the site that serves this file is set up; the only part that is not from the chain or a bundle.
    #[serde(flatten)]
    pub site: Site,
    /// EIP-155 chain id.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub chain_id: u64,
    /// The escrow.
    #[schema(value_type = schema::Address)]
    pub escrow: Address,
    /// The USDC contract.
    #[schema(value_type = schema::Address)]
    pub token: Address,
    /// First block that was read: the escrow's deployment, or before it.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub deployed_block: u64,
    /// The newest block that was read: everything here is as of it.
    pub block: IndexBlock,
    /// The contract's state at that block.
    pub contract: IndexContract,
    /// Every epoch that was settled, ascending.
    pub epochs: Vec<IndexEpoch>,
    /// Names that the registry has for the addresses here, each confirmed in both directions.
    #[schema(value_type = std::collections::BTreeMap<String, BoundName>)]
    pub names: BTreeMap<Address, BoundName>,
}

/// How a site is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Site {
    /// A queen serves this: her API and her events are there too.
    pub live: bool,
    /// The site's name for people.
    pub name: Option<String>,
    /// Base URL of a block explorer, without a slash at its end: `{explorer}/tx/0x…`, `/address/`, `/block/`.
    pub explorer: Option<String>,
    /// JSON-RPC nodes that a page may read the chain from; empty: ask the user.
    pub rpcs: Vec<String>,
    /// Where names are resolved; null: nowhere.
    pub ens: Option<NameRegistry>,
}

/// An ENS registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NameRegistry {
    /// EIP-155 id of the chain that holds it.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub chain_id: u64,
    /// The registry.
    #[schema(value_type = schema::Address)]
    pub registry: Address,
}

/// A block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexBlock {
    /// Height.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub number: u64,
    /// Hash.
    #[schema(value_type = schema::Hash)]
    pub hash: B256,
    /// Unix seconds of the chain.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub time: u64,
}

/// The contract's state. Durations are in seconds, times Unix seconds, amounts µUSDC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexContract {
    /// Schedules changes of roles.
    #[schema(value_type = schema::Address)]
    pub owner: Address,
    /// Voids, pauses, resumes.
    #[schema(value_type = schema::Address)]
    pub guardian: Address,
    /// Sign seals.
    #[schema(value_type = Vec<schema::Address>)]
    pub settlers: Vec<Address>,
    /// How many of them a seal needs.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub threshold: u64,
    /// Changes of roles on their way.
    pub pending: Vec<PendingChange>,
    /// Challenge window.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub window: u64,
    /// Delay of withdrawals, lowered caps and removed signers.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub exit_delay: u64,
    /// Delay of changes of roles.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub role_delay: u64,
    /// Without a final epoch for this long, clients leave at once.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub settlement_timeout: u64,
    /// A seal is taken until it is this old.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub max_seal_age: u64,
    /// The longest pause.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub max_pause: u64,
    /// Most charges and credits together in one epoch.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub max_entries: u64,
    /// Cap per epoch of a client that set none.
    pub default_cap: MicroUsdc,
    /// Number of the last settled epoch, void or not; 0 before the first.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub last_epoch: u64,
    /// A void epoch stopped settlement; the guardian has to resume it.
    pub stopped: bool,
    /// Until when deposits and settlement are paused; null when they are not.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub paused_until: Option<u64>,
    /// From when clients may leave at once, unless an epoch becomes final before.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub escape_at: u64,
    /// What the escrow owes to all clients and payees.
    pub liabilities: MicroUsdc,
    /// USDC that the escrow holds.
    pub token_balance: MicroUsdc,
}

/// A role of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Schedules changes of roles.
    Owner,
    /// Voids, pauses, resumes.
    Guardian,
    /// Sign seals.
    Settlers,
}

/// A change of a role that the owner announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingChange {
    /// Which role.
    pub role: Role,
    /// The new owner or guardian.
    #[schema(value_type = Option<schema::Address>)]
    pub account: Option<Address>,
    /// The new settlers.
    #[schema(value_type = Option<Vec<schema::Address>>)]
    pub settlers: Option<Vec<Address>>,
    /// How many of the new settlers a seal will need.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub threshold: Option<u64>,
    /// Unix seconds from which the owner may apply it.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub applies_at: u64,
    /// Unix seconds from which it can no longer be applied.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub lapses_at: u64,
}

/// How an epoch's bundle compares with the digest that the chain holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BundleState {
    /// Nobody looked yet.
    Unchecked,
    /// It is not here.
    Missing,
    /// SUMMARY.json is not the one that was settled.
    Differs,
    /// SUMMARY.json is the one that was settled; a file that it names is missing or another.
    Damaged,
    /// Every file is the one that was settled.
    Complete,
}

/// An epoch in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexEpoch {
    /// Number.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub epoch: u64,
    /// `epoch-002`.
    pub epoch_id: EpochId,
    /// `included`, `finalized` or `void`, as of the index's block.
    pub status: EpochStatus,
    /// Who voided it and why.
    pub void: Option<IndexVoid>,
    /// Unix seconds of the seal.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub sealed_at: u64,
    /// Unix seconds of the block that settled it.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub settled_at: u64,
    /// Unix seconds at which its window closes.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub final_at: u64,
    /// The settlement's transaction.
    #[schema(value_type = schema::Hash)]
    pub transaction: B256,
    /// Its block.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub block: u64,
    /// Root of the receipts' tree.
    #[schema(value_type = schema::Hash)]
    pub receipts_root: B256,
    /// Struct hash of its seal.
    #[schema(value_type = schema::Hash)]
    pub seal_hash: B256,
    /// Struct hash of the seal before; 0 for the first.
    #[schema(value_type = schema::Hash)]
    pub previous: B256,
    /// SHA-256 of SUMMARY.json, as the chain has it.
    #[schema(value_type = schema::Hash)]
    pub bundle: B256,
    /// Number of receipts.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub receipts: u64,
    /// Σ charges = Σ payouts.
    pub charged: MicroUsdc,
    /// Hash of the charge vector, computed from what the chain emitted.
    #[schema(value_type = schema::Hash)]
    pub charges: B256,
    /// Hash of the payout vector, likewise.
    #[schema(value_type = schema::Hash)]
    pub payouts: B256,
    /// Clients that were charged.
    pub clients: u32,
    /// Payees that were credited.
    pub payees: u32,
    /// How the bundle compares with `bundle`.
    pub bundle_state: BundleState,
    /// What is wrong with the bundle, in a sentence.
    pub bundle_detail: Option<String>,
    /// What a bundle that is the settled one adds.
    pub summary: Option<IndexSummary>,
}

/// An epoch's void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexVoid {
    /// Why, in the contract's words.
    pub reason: String,
    /// Unix seconds of the block.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub at: u64,
    /// The block.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub block: u64,
    /// The transaction.
    #[schema(value_type = schema::Hash)]
    pub transaction: B256,
}

/// What the index takes from an epoch's bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexSummary {
    /// CIDv1 of the bundle's directory; null unless every file is there.
    pub cid: Option<String>,
    /// Bytes of all its files.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub bytes: u64,
    /// Files with receipts, of 10 000 receipts each.
    pub pages: u32,
    /// Workers that have receipts or ready seconds; null when their file is not there.
    pub workers: Option<u32>,
    /// Rates that divided the revenue.
    pub rates: Rates,
    /// The revenue, divided.
    pub pools: Pools,
    /// Settlers whose signature over the settled seal is in SIGNATURE.txt.
    #[schema(value_type = Vec<schema::Address>)]
    pub signers: Vec<Address>,
}

/// `chain/epoch-001.json`: the vectors of an epoch as the chain emitted them, ascending by address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EpochFile {
    /// Version of this format.
    pub version: u32,
    /// The epoch.
    pub epoch_id: EpochId,
    /// What each client was charged.
    pub charges: Vec<Amount>,
    /// What each payee was credited.
    pub credits: Vec<Amount>,
}

/// A line of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Amount {
    /// Whose.
    #[schema(value_type = schema::Address)]
    pub account: Address,
    /// How much.
    pub amount: MicroUsdc,
}

/// `accounts/0x….json`: everything that the chain and the bundles say of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountFile {
    /// Version of this format.
    pub version: u32,
    /// The address.
    #[schema(value_type = schema::Address)]
    pub account: Address,
    /// What happened to it in the escrow, in the order of the chain.
    pub lines: Vec<AccountLine>,
    /// What it did as a worker, by epoch, from the bundles that are here.
    pub work: Vec<AccountWork>,
}

/// What happened to an account in the escrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// USDC came in; `other` sent it.
    Deposited,
    /// A withdrawal was asked for; it matures at `effective_at`.
    WithdrawalRequested,
    /// A withdrawal was paid; `other` got it.
    Withdrawn,
    /// The cap per epoch is `amount` from `effective_at`.
    CapChanged,
    /// `other` may sign orders.
    SignerAdded,
    /// `other` may not sign orders from `effective_at`.
    SignerRemoved,
    /// An epoch charged it.
    Charged,
    /// An epoch credited it.
    Credited,
    /// It took its pay; `other` got it.
    Claimed,
}

/// A line of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountLine {
    /// Unix seconds of the block.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub at: u64,
    /// The block.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub block: u64,
    /// The transaction.
    #[schema(value_type = schema::Hash)]
    pub transaction: B256,
    /// What happened.
    pub kind: LineKind,
    /// How much; null for signers.
    pub amount: Option<MicroUsdc>,
    /// The other side.
    #[schema(value_type = Option<schema::Address>)]
    pub other: Option<Address>,
    /// Unix seconds from which it counts, where that is later.
    #[serde(with = "dec::option", default)]
    #[schema(value_type = Option<schema::Decimal>)]
    pub effective_at: Option<u64>,
    /// The epoch of a charge or credit.
    pub epoch: Option<EpochId>,
    /// Where that epoch stands; a void one undoes its charges and credits.
    pub status: Option<EpochStatus>,
}

/// What a worker did in an epoch, as its bundle says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountWork {
    /// The epoch.
    pub epoch: EpochId,
    /// Where it stands.
    pub status: EpochStatus,
    /// Where the worker's earnings went.
    #[schema(value_type = schema::Address)]
    pub payee: Address,
    /// How many receipts it has.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub receipts: u64,
    /// Σ fee of them.
    pub fees: MicroUsdc,
    /// Whole seconds it was ready.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub ready_seconds: u64,
    /// Its share of the work pool.
    pub work: MicroUsdc,
    /// Its share of the readiness pool.
    pub readiness: MicroUsdc,
}
