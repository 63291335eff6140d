//! The settlement call: a signed seal with its vectors.

use alloy::primitives::Bytes;
use alloy::sol_types::SolCall;
use swarm_contracts::SwarmEscrow;
use swarm_types::Address;
use swarm_types::bundle::{Seal, SettlerSignature};
use swarm_types::eip712::Entry;

use crate::chain::Chain;
use crate::error::ChainError;
use crate::rpc::At;
use crate::tx::Call;

/// Gas of a settlement apart from its entries and signatures.
const SETTLE_BASE_GAS: u64 = 300_000;
/// Gas of one charge or credit, its calldata included; one charge and three credits with all the rest
/// measure 215 000 together.
const SETTLE_ENTRY_GAS: u64 = 40_000;
/// Gas of one signature, a contract wallet's among them.
const SETTLE_SIGNATURE_GAS: u64 = 60_000;
/// No transaction uses more: above some 14 million a Base block takes long to fit it, and 2²⁴ is the
/// protocol's limit (EIP-7825).
const SETTLE_GAS_MAX: u64 = 16_000_000;

/// An epoch, signed and ready for the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedEpoch {
    /// What the settlers signed.
    pub seal: Seal,
    /// What each client pays.
    pub charges: Vec<Entry>,
    /// What each payee earns.
    pub payouts: Vec<Entry>,
    /// The settlers' signatures.
    pub signatures: Vec<SettlerSignature>,
}

impl Chain {
    /// The transaction that settles `epoch`. The same epoch gives the same bytes.
    pub fn settle(&self, epoch: &SealedEpoch) -> Call {
        let mut signatures: Vec<_> = epoch.signatures.iter().collect();
        signatures.sort_by_key(|signature| signature.settler);
        let call = SwarmEscrow::settleCall {
            epochSeal: (&epoch.seal.0).into(),
            charges: epoch.charges.iter().map(Into::into).collect(),
            payouts: epoch.payouts.iter().map(Into::into).collect(),
            approvals: signatures
                .iter()
                .map(|signature| SwarmEscrow::Approval {
                    signer: signature.settler,
                    signature: Bytes::copy_from_slice(signature.seal.as_bytes()),
                })
                .collect(),
        };
        let lines = (epoch.charges.len() + epoch.payouts.len()) as u64;
        let gas = SETTLE_BASE_GAS
            + lines * SETTLE_ENTRY_GAS
            + signatures.len() as u64 * SETTLE_SIGNATURE_GAS;
        self.escrow_call(&call, gas.min(SETTLE_GAS_MAX))
    }

    /// Runs the settlement of `epoch` in the state of block `at`, as `sender` would send it.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] with the contract's reason when it would not settle.
    pub async fn simulate_settle(
        &self,
        epoch: &SealedEpoch,
        sender: Address,
        at: At,
    ) -> Result<(), ChainError> {
        let call = self.settle(epoch);
        let data = call.data.to_vec();
        self.rpc()
            .call_raw(
                SwarmEscrow::settleCall::SIGNATURE,
                Some(sender),
                call.to,
                data,
                at,
            )
            .await
            .map(|_| ())
    }

    /// The settlers and how many of them a seal needs.
    ///
    /// # Errors
    /// As [`crate::rpc::Rpc::call`].
    pub async fn settlers(&self, at: At) -> Result<(Vec<Address>, u64), ChainError> {
        let settlers = self.view(&SwarmEscrow::settlersCall {}, at).await?;
        let threshold = self.view(&SwarmEscrow::thresholdCall {}, at).await?;
        Ok((settlers, threshold))
    }
}
