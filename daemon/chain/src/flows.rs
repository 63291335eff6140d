//! What clients, payees and the guardian send: each function makes a [`Call`]; [`Chain::send`] dry-runs
//! and sends it, [`crate::rpc::Rpc::wait_for`] follows it.

use alloy::primitives::{Bytes, U256};
use alloy::sol_types::{SolCall, SolStruct};
use swarm_contracts::{Permit, ReceiveWithAuthorization, SwarmEscrow, Usdc};
use swarm_types::{Address, B256, MicroUsdc, Signature65};

use crate::chain::Chain;
use crate::error::ChainError;
use crate::rpc::At;
use crate::tx::Call;
use crate::wallet::Wallet;

/// Gas of a call that moves USDC through its proxy (measured: at most 111 000).
const TRANSFER_GAS: u64 = 350_000;
/// Gas of a call that only changes the escrow's own storage (measured: at most 58 000).
const BOOK_GAS: u64 = 200_000;

/// A client's signed EIP-3009 authorization for a deposit: it needs no ETH, anybody may bring it to the
/// chain, and it can credit nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Whose USDC, and whose account.
    pub from: Address,
    /// How much.
    pub amount: MicroUsdc,
    /// Unix seconds from which it no longer counts.
    pub valid_before: u64,
    /// Random; used once.
    pub nonce: B256,
    /// The client's signature.
    pub signature: Signature65,
}

impl Chain {
    /// Lets the escrow take `amount` of the caller's USDC; [`Self::deposit`] then does.
    pub fn approve(&self, amount: MicroUsdc) -> Call {
        let call = Usdc::approveCall {
            spender: self.escrow(),
            value: U256::from(amount.0),
        };
        Call {
            to: self.token(),
            data: call.abi_encode().into(),
            gas_limit: TRANSFER_GAS,
        }
    }

    /// Deposits `amount` that was approved.
    pub fn deposit(&self, amount: MicroUsdc) -> Call {
        self.escrow_call(&SwarmEscrow::depositCall { amount: amount.0 }, TRANSFER_GAS)
    }

    /// Deposits `amount` that the caller approved into `client`'s account.
    pub fn deposit_for(&self, client: Address, amount: MicroUsdc) -> Call {
        let call = SwarmEscrow::depositForCall {
            client,
            amount: amount.0,
        };
        self.escrow_call(&call, TRANSFER_GAS)
    }

    /// Deposits `amount` in one transaction, with `wallet`'s EIP-2612 permit until `deadline` (Unix
    /// seconds). `wallet` must send it itself.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn deposit_with_permit(
        &self,
        wallet: &Wallet,
        amount: MicroUsdc,
        deadline: u64,
    ) -> Result<Call, ChainError> {
        let owner = wallet.address();
        let nonce = Usdc::noncesCall { owner };
        let permit = Permit {
            owner,
            spender: self.escrow(),
            value: U256::from(amount.0),
            nonce: self.rpc().call(self.token(), &nonce, At::Latest).await?,
            deadline: U256::from(deadline),
        };
        let domain = self.token_domain(self.token_name().await?);
        let signature = wallet.sign(&permit.eip712_signing_hash(&domain));
        let bytes = signature.as_bytes();
        let call = SwarmEscrow::depositWithPermitCall {
            amount: amount.0,
            deadline: permit.deadline,
            v: bytes[64],
            r: B256::from_slice(&bytes[..32]),
            s: B256::from_slice(&bytes[32..64]),
        };
        Ok(self.escrow_call(&call, TRANSFER_GAS))
    }

    /// Signs an authorization of `wallet` for a deposit of `amount`.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn authorize_deposit(
        &self,
        wallet: &Wallet,
        amount: MicroUsdc,
        valid_before: u64,
        nonce: B256,
    ) -> Result<Authorization, ChainError> {
        let message = ReceiveWithAuthorization {
            from: wallet.address(),
            to: self.escrow(),
            value: U256::from(amount.0),
            validAfter: U256::ZERO,
            validBefore: U256::from(valid_before),
            nonce,
        };
        let domain = self.token_domain(self.token_name().await?);
        Ok(Authorization {
            from: wallet.address(),
            amount,
            valid_before,
            nonce,
            signature: wallet.sign(&message.eip712_signing_hash(&domain)),
        })
    }

    /// Brings a client's authorization to the chain.
    pub fn deposit_authorized(&self, authorization: &Authorization) -> Call {
        let call = SwarmEscrow::depositWithAuthorizationCall {
            from: authorization.from,
            amount: authorization.amount.0,
            validAfter: U256::ZERO,
            validBefore: U256::from(authorization.valid_before),
            nonce: authorization.nonce,
            signature: Bytes::copy_from_slice(authorization.signature.as_bytes()),
        };
        self.escrow_call(&call, TRANSFER_GAS)
    }

    /// Sets the most that one epoch may charge the caller.
    pub fn set_cap(&self, cap: MicroUsdc) -> Call {
        self.escrow_call(&SwarmEscrow::setCapCall { cap: cap.0 }, BOOK_GAS)
    }

    /// Lets `signer` sign orders for the caller.
    pub fn add_order_signer(&self, signer: Address) -> Call {
        self.escrow_call(&SwarmEscrow::addOrderSignerCall { signer }, BOOK_GAS)
    }

    /// Ends that after the escrow's exit delay.
    pub fn remove_order_signer(&self, signer: Address) -> Call {
        self.escrow_call(&SwarmEscrow::removeOrderSignerCall { signer }, BOOK_GAS)
    }

    /// Asks for `amount` back; replaces an earlier request.
    pub fn request_withdrawal(&self, amount: MicroUsdc) -> Call {
        let call = SwarmEscrow::requestWithdrawalCall { amount: amount.0 };
        self.escrow_call(&call, BOOK_GAS)
    }

    /// Pays the caller's matured request to `to`.
    pub fn withdraw(&self, to: Address) -> Call {
        self.escrow_call(&SwarmEscrow::withdrawCall { to }, TRANSFER_GAS)
    }

    /// Pays what is final for the caller to `to`.
    pub fn claim(&self, to: Address) -> Call {
        self.escrow_call(&SwarmEscrow::claimCall { to }, TRANSFER_GAS)
    }

    /// Pays what is final for `payee` to it; anybody may send this.
    pub fn claim_for(&self, payee: Address) -> Call {
        self.escrow_call(&SwarmEscrow::claimForCall { payee }, TRANSFER_GAS)
    }

    /// Guardian: voids the epoch whose window is open.
    pub fn void_epoch(&self, epoch: u64) -> Call {
        self.escrow_call(&SwarmEscrow::voidEpochCall { epoch }, BOOK_GAS)
    }

    /// Guardian: lets settlement go on after a void.
    pub fn resume(&self) -> Call {
        self.escrow_call(&SwarmEscrow::resumeCall {}, BOOK_GAS)
    }

    /// Guardian: rests deposits and settlement.
    pub fn pause(&self) -> Call {
        self.escrow_call(&SwarmEscrow::pauseCall {}, BOOK_GAS)
    }

    /// Guardian: ends a pause.
    pub fn unpause(&self) -> Call {
        self.escrow_call(&SwarmEscrow::unpauseCall {}, BOOK_GAS)
    }

    pub(crate) fn escrow_call<C: SolCall>(&self, call: &C, gas_limit: u64) -> Call {
        Call {
            to: self.escrow(),
            data: call.abi_encode().into(),
            gas_limit,
        }
    }
}
