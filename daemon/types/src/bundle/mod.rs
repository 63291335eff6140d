//! The epoch bundle `audit/epoch-002/`: the files from which anyone recomputes root, charges and
//! payouts and compares them with the chain. All JSON is canonical (RFC 8785).

mod build;
mod verify;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolStruct, SolValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::eip712::{self, Domain, EpochSeal};
use crate::order::SignedOrder;
use crate::payout::{Pools, Rates};
use crate::power::PowerRecord;
use crate::receipt::{Execution, Receipt};
use crate::signature::{Signature65, eip191_digest};
use crate::tree::Subtree;
use crate::{EpochId, MicroUsdc, dec, schema};

pub use build::{
    BuildError, Builder, Built, BundleFile, EpochInput, SettledJob, WorkerEpoch, build,
};
pub use verify::{BundleError, Verified, verify};

/// Receipts in one `jobs/NNNNN.json`.
pub const PAGE_RECEIPTS: usize = 10_000;
/// Version of the bundle's format.
pub const BUNDLE_VERSION: u32 = 1;

/// Name of the summary file.
pub const SUMMARY: &str = "SUMMARY.json";
/// Name of the signature file.
pub const SIGNATURE: &str = "SIGNATURE.txt";
/// Name of the workers' file.
pub const AGENTS: &str = "agents.json";
/// Name of the charges' file.
pub const CLIENTS: &str = "clients.json";
/// Name of the payouts' file.
pub const PAYOUTS: &str = "payouts.json";

/// Name of page `number` of the receipts.
pub fn page_name(number: usize) -> String {
    format!("jobs/{number:05}.json")
}

/// One settled job in full.
///
/// Fields stand in the order of canonical JSON ([`crate::canonical::to_vec_in_order`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobEntry {
    /// The engine's descriptive string; its SHA-256 is `execution.engine`.
    pub engine: String,
    /// What the worker stated; its EIP-712 digest is `receipt.execution`.
    pub execution: Execution,
    /// The worker's signature of it.
    pub execution_signature: Signature65,
    /// The client's order and signature; its commitment is `receipt.order`.
    pub order: SignedOrder,
    /// The power record; its digest is `receipt.power`.
    pub power: PowerRecord,
    /// The leaf.
    pub receipt: Receipt,
}

/// `jobs/NNNNN.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobsPage {
    /// Index of the first receipt in the tree.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub first: u64,
    /// The receipts in the order of the leaves.
    pub jobs: Vec<JobEntry>,
}

/// A line of `agents.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Agent {
    /// The bee's key.
    #[schema(value_type = schema::Address)]
    pub worker: Address,
    /// Where its earnings go.
    #[schema(value_type = schema::Address)]
    pub payee: Address,
    /// How many receipts it has.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub receipts: u64,
    /// Σ fee of its receipts.
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

/// A line of `clients.json`: the charge vector, broken down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCharge {
    /// Who pays.
    #[schema(value_type = schema::Address)]
    pub client: Address,
    /// How many receipts.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub receipts: u64,
    /// Σ fee of them: the charge.
    pub amount: MicroUsdc,
}

/// Why a payee gets an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// The protocol fee.
    Protocol,
    /// The operator fee.
    Operator,
    /// A worker's share of the work pool.
    Work,
    /// A worker's share of the readiness pool.
    Readiness,
}

/// A part of a payee's amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayoutPart {
    /// Why.
    pub kind: PartKind,
    /// For work and readiness, the worker that earned it.
    #[schema(value_type = Option<schema::Address>)]
    pub worker: Option<Address>,
    /// How much.
    pub amount: MicroUsdc,
}

/// A line of `payouts.json`: the payout vector, broken down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Payout {
    /// Who is credited.
    #[schema(value_type = schema::Address)]
    pub payee: Address,
    /// Σ of the parts: the credit.
    pub amount: MicroUsdc,
    /// Where it comes from.
    pub parts: Vec<PayoutPart>,
}

/// Where a page of receipts stands in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PagePlace {
    /// File name.
    pub file: String,
    /// Index of its first receipt.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub first: u64,
    /// How many receipts.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub count: u64,
    /// The perfect subtrees that cover exactly its leaves.
    pub subtrees: Vec<Subtree>,
}

/// SUMMARY.json. Its SHA-256 is the seal's `bundle`; with it, it fixes every field of the seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Summary {
    /// Version of this format.
    pub version: u32,
    /// The epoch by name.
    pub epoch_id: EpochId,
    /// The epoch's number.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub epoch: u64,
    /// EIP-155 chain id.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub chain_id: u64,
    /// The escrow.
    #[schema(value_type = schema::Address)]
    pub escrow: Address,
    /// Struct hash of the seal before this one; 0 for the first.
    #[schema(value_type = schema::Hash)]
    pub previous: B256,
    /// Root of the receipts' tree.
    #[schema(value_type = schema::Hash)]
    pub receipts_root: B256,
    /// Number of receipts.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub receipt_count: u64,
    /// Σ charges = Σ payouts, µUSDC.
    pub charged: MicroUsdc,
    /// keccak256(abi.encode(Entry[])) of the charge vector.
    #[schema(value_type = schema::Hash)]
    pub charges: B256,
    /// The same of the payout vector.
    #[schema(value_type = schema::Hash)]
    pub payouts: B256,
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub sealed_at: u64,
    /// The rates that divided the revenue.
    pub rates: Rates,
    /// Payee of the protocol fee.
    #[schema(value_type = schema::Address)]
    pub protocol_payee: Address,
    /// Payee of the operator fee.
    #[schema(value_type = schema::Address)]
    pub operator_payee: Address,
    /// The revenue, divided.
    pub pools: Pools,
    /// Where each page stands in the tree.
    pub pages: Vec<PagePlace>,
    /// SHA-256 of every other file except SIGNATURE.txt.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub files: BTreeMap<String, B256>,
}

impl Summary {
    /// The seal that this summary fixes; `bytes` are those of SUMMARY.json.
    pub fn seal(&self, bytes: &[u8]) -> Seal {
        Seal(EpochSeal {
            epoch: self.epoch,
            previous: self.previous,
            receiptsRoot: self.receipts_root,
            receiptCount: self.receipt_count,
            bundle: crate::sha256(bytes),
            charged: u128::from(self.charged.0),
            charges: self.charges,
            payouts: self.payouts,
            sealedAt: self.sealed_at,
        })
    }
}

/// An epoch's seal: what the settlers sign and the contract checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal(pub EpochSeal);

impl Seal {
    /// The EIP-712 digest that settlers sign.
    pub fn digest(&self, domain: &Domain) -> B256 {
        domain.digest(&self.0)
    }

    /// The struct hash: the next seal's `previous`.
    pub fn struct_hash(&self) -> B256 {
        self.0.eip712_hash_struct()
    }
}

/// keccak256(abi.encode(Entry[])) of a vector, as the seal names it.
pub fn vector_hash(entries: &[eip712::Entry]) -> B256 {
    keccak256(entries.to_vec().abi_encode())
}

/// The vector of `amounts`: ascending by address, without zero amounts.
pub fn vector(amounts: &BTreeMap<Address, MicroUsdc>) -> Vec<eip712::Entry> {
    amounts
        .iter()
        .filter(|(_, amount)| amount.0 > 0)
        .map(|(account, amount)| eip712::Entry {
            account: *account,
            amount: U256::from(amount.0).to(),
        })
        .collect()
}

/// A settler's two signatures in SIGNATURE.txt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlerSignature {
    /// Who signs.
    pub settler: Address,
    /// Over the seal's EIP-712 digest; what the contract checks.
    pub seal: Signature65,
    /// EIP-191 over the raw 32 bytes of SHA-256(SUMMARY.json); what the origin asks for.
    pub summary: Signature65,
}

/// What a settler signs for the EIP-191 line.
pub fn summary_digest(summary: &[u8]) -> B256 {
    eip191_digest(&crate::sha256(summary))
}

/// The text of SIGNATURE.txt: one line a settler, `settler seal-signature summary-signature`, in
/// ascending order of addresses.
pub fn signature_file(signatures: &[SettlerSignature]) -> String {
    let mut signatures: Vec<_> = signatures.iter().collect();
    signatures.sort_by_key(|s| s.settler);
    let line =
        |s: &&SettlerSignature| format!("{} {} {}\n", hex_address(&s.settler), s.seal, s.summary);
    signatures.iter().map(line).collect()
}

/// Reads SIGNATURE.txt; `None` when a line is not as [`signature_file`] writes it.
pub fn parse_signature_file(text: &str) -> Option<Vec<SettlerSignature>> {
    let parse = |line: &str| {
        let mut words = line.split(' ');
        let signature = SettlerSignature {
            settler: words.next()?.parse().ok()?,
            seal: words.next()?.parse().ok()?,
            summary: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(signature)
    };
    let signatures: Vec<_> = text.lines().map(parse).collect::<Option<_>>()?;
    (signature_file(&signatures) == text).then_some(signatures)
}

/// An address as every page prints it: lower-case hex with 0x.
pub fn hex_address(address: &Address) -> String {
    format!("0x{}", hex::encode(address))
}

#[cfg(test)]
mod tests;
