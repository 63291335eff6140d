//! The client's order: what it says, who signed it, and its commitment.

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::digest::sha256_parts;
use crate::eip712::{Domain, JobOrder};
use crate::signature::{Signature65, SignatureError};
use crate::{MicroUsdc, dec, schema};

/// An order for one job, as signed by the client (EIP-712 `JobOrder`). Field names in JSON are those
/// of the typed data, so that any wallet's message object can be sent as it is.
///
/// Fields stand in the order of canonical JSON ([`crate::canonical::to_vec_in_order`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Order {
    /// Who pays.
    #[schema(value_type = schema::Address)]
    pub client: Address,
    /// Unix seconds by which the job must be completed.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub deadline: u64,
    /// SHA-256(salt ‖ input digest).
    #[schema(value_type = schema::Hash)]
    pub input: B256,
    /// The most the client pays for the job, µUSDC.
    pub max_fee: MicroUsdc,
    /// Digest of the model package.
    #[schema(value_type = schema::Hash)]
    pub model: B256,
    /// Unique for this client.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub nonce: u64,
}

/// An order with its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedOrder {
    /// What is ordered.
    pub order: Order,
    /// By the client or one of its order signers.
    pub signature: Signature65,
}

impl Order {
    /// The EIP-712 structure of this order.
    pub fn to_sol(&self) -> JobOrder {
        JobOrder {
            client: self.client,
            model: self.model,
            input: self.input,
            maxFee: self.max_fee.0,
            nonce: self.nonce,
            deadline: self.deadline,
        }
    }

    /// What the client signs.
    pub fn digest(&self, domain: &Domain) -> B256 {
        domain.digest(&self.to_sol())
    }
}

impl SignedOrder {
    /// SHA-256(abi.encode(JobOrder) ‖ signature), over 192 + 65 bytes: what receipt and execution name.
    pub fn commitment(&self) -> B256 {
        sha256_parts(&[&self.order.to_sol().abi_encode(), self.signature.as_bytes()])
    }

    /// The preimage of [`Self::commitment`], 257 bytes; fault proofs carry it.
    pub fn preimage(&self) -> Vec<u8> {
        let mut bytes = self.order.to_sol().abi_encode();
        bytes.extend_from_slice(self.signature.as_bytes());
        bytes
    }

    /// The two addresses for which the signature counts (EIP-712, and EIP-191 over its digest). One of
    /// them must be the client or one of the client's order signers in the escrow. When the first is the
    /// client, the second is too.
    pub fn signers(&self, domain: &Domain) -> Result<[Address; 2], SignatureError> {
        self.signature
            .recover_either(&self.order.digest(domain), &self.order.client)
    }
}
