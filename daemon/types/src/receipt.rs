//! Executions and receipts: what a worker signed, and the leaf that settles it.

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::digest::sha256_parts;
use crate::eip712::{self, Domain};
use crate::signature::{Signature65, SignatureError};
use crate::{JobId, MicroUsdc, dec, schema};

/// `energyMillijoules` when nothing measured it: unknown is never 0.
pub const ENERGY_UNKNOWN: u64 = u64::MAX;

/// What a worker states and signs about one job (EIP-712 `Execution`).
///
/// Fields stand in the order of canonical JSON ([`crate::canonical::to_vec_in_order`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Execution {
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub completed_at: u64,
    /// SHA-256 of the GPU UUID, or of `cpu:<model name>`.
    #[schema(value_type = schema::Hash)]
    pub device: B256,
    /// Energy of the device during the job; 2⁶⁴ − 1 when it was not measured.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub energy_millijoules: u64,
    /// SHA-256 of the engine's descriptive string.
    #[schema(value_type = schema::Hash)]
    pub engine: B256,
    /// The order's salted input digest.
    #[schema(value_type = schema::Hash)]
    pub input: B256,
    /// Epoch in which the job was submitted.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub job_epoch: u64,
    /// The job's number in that epoch.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub job_seq: u64,
    /// Digest of the model package that ran.
    #[schema(value_type = schema::Hash)]
    pub model: B256,
    /// The order's commitment.
    #[schema(value_type = schema::Hash)]
    pub order: B256,
    /// SHA-256 of the canonical JSON of the power record.
    #[schema(value_type = schema::Hash)]
    pub power: B256,
    /// SHA-256(salt ‖ SHA-256(result manifest)).
    #[schema(value_type = schema::Hash)]
    pub result: B256,
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub started_at: u64,
}

impl Execution {
    /// The job it is about.
    pub fn job(&self) -> JobId {
        JobId {
            epoch: self.job_epoch,
            seq: self.job_seq,
        }
    }

    /// What the worker signs.
    pub fn digest(&self, domain: &Domain) -> B256 {
        domain.digest(&eip712::Execution {
            jobEpoch: self.job_epoch,
            jobSeq: self.job_seq,
            order: self.order,
            model: self.model,
            input: self.input,
            result: self.result,
            engine: self.engine,
            device: self.device,
            startedAt: self.started_at,
            completedAt: self.completed_at,
            energyMillijoules: self.energy_millijoules,
            power: self.power,
        })
    }

    /// The address that signed this execution.
    pub fn signer(
        &self,
        domain: &Domain,
        signature: &Signature65,
    ) -> Result<Address, SignatureError> {
        signature.recover(&self.digest(domain))
    }
}

/// One settled job: a leaf of the epoch's tree.
///
/// Fields stand in the order of canonical JSON ([`crate::canonical::to_vec_in_order`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// Who pays.
    #[schema(value_type = schema::Address)]
    pub client: Address,
    /// Running total of this client's fees in this epoch, this receipt included.
    pub client_total: MicroUsdc,
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub completed_at: u64,
    /// Millijoules; 2⁶⁴ − 1 when not measured.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub energy_millijoules: u64,
    /// EIP-712 digest of the execution: binds chain and escrow.
    #[schema(value_type = schema::Hash)]
    pub execution: B256,
    /// What the client pays, at most the order's `maxFee`.
    pub fee: MicroUsdc,
    /// Salted input digest.
    #[schema(value_type = schema::Hash)]
    pub input: B256,
    /// Epoch in which the job was submitted.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub job_epoch: u64,
    /// The job's number in that epoch.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub job_seq: u64,
    /// Digest of the model package.
    #[schema(value_type = schema::Hash)]
    pub model: B256,
    /// The order's commitment.
    #[schema(value_type = schema::Hash)]
    pub order: B256,
    /// SHA-256 of the power record.
    #[schema(value_type = schema::Hash)]
    pub power: B256,
    /// Salted result digest.
    #[schema(value_type = schema::Hash)]
    pub result: B256,
    /// Unix seconds.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub started_at: u64,
    /// The bee's key that signed the execution.
    #[schema(value_type = schema::Address)]
    pub worker: Address,
}

impl Receipt {
    /// The job it settles.
    pub fn job(&self) -> JobId {
        JobId {
            epoch: self.job_epoch,
            seq: self.job_seq,
        }
    }

    /// Where it stands among the leaves: by client, then job, numerically.
    pub fn key(&self) -> (Address, JobId) {
        (self.client, self.job())
    }

    /// abi.encode(receipt): 15 words, 480 bytes.
    pub fn encode(&self) -> Vec<u8> {
        eip712::Receipt {
            jobEpoch: self.job_epoch,
            jobSeq: self.job_seq,
            client: self.client,
            worker: self.worker,
            order: self.order,
            model: self.model,
            input: self.input,
            result: self.result,
            execution: self.execution,
            power: self.power,
            fee: self.fee.0,
            clientTotal: self.client_total.0,
            startedAt: self.started_at,
            completedAt: self.completed_at,
            energyMillijoules: self.energy_millijoules,
        }
        .abi_encode()
    }

    /// SHA-256(0x00 ‖ abi.encode(receipt)).
    pub fn leaf(&self) -> B256 {
        sha256_parts(&[&[0], &self.encode()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_preimage_has_480_bytes() {
        let receipt = Receipt {
            job_epoch: 2,
            job_seq: 848,
            client: Address::repeat_byte(1),
            worker: Address::repeat_byte(2),
            order: B256::repeat_byte(3),
            model: B256::repeat_byte(4),
            input: B256::repeat_byte(5),
            result: B256::repeat_byte(6),
            execution: B256::repeat_byte(7),
            power: B256::repeat_byte(8),
            fee: MicroUsdc(100_000),
            client_total: MicroUsdc(300_000),
            started_at: 1_700_000_000,
            completed_at: 1_700_000_009,
            energy_millijoules: ENERGY_UNKNOWN,
        };
        let bytes = receipt.encode();
        assert_eq!(bytes.len(), 480);
        assert_eq!(bytes[31], 2);
        assert_eq!(&bytes[11 * 32 + 24..12 * 32], &300_000u64.to_be_bytes());
        assert_eq!(&bytes[14 * 32 + 24..], &[0xff; 8]);
    }
}
