//! What happens in the escrow, as the daemon sees it: its events, in the order of the chain.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::MicroUsdc;

/// A block by number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRef {
    /// Height.
    pub number: u64,
    /// Hash; what tells two blocks of one height apart.
    pub hash: B256,
    /// Hash of the block before it.
    pub parent: B256,
    /// Unix seconds of the chain.
    pub timestamp: u64,
}

/// An event with its place on the chain; (tx, log index) names it for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscrowLog {
    /// Height of its block.
    pub block_number: u64,
    /// Transaction.
    pub tx: B256,
    /// Position in the block.
    pub log_index: u64,
    /// What happened.
    pub event: EscrowEvent,
}

/// An event of the escrow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EscrowEvent {
    /// USDC came in for a client.
    Deposited {
        /// Whose account grew.
        client: Address,
        /// By how much.
        amount: MicroUsdc,
    },
    /// A client asked for money back; it leaves the chargeable balance at `matures_at` by itself.
    WithdrawalRequested {
        /// Who.
        client: Address,
        /// How much in all is requested and not yet withdrawn.
        amount: MicroUsdc,
        /// Unix seconds.
        matures_at: u64,
    },
    /// A matured withdrawal was paid out (or an escape after the settlement timeout).
    Withdrawn {
        /// From whose account.
        client: Address,
        /// How much.
        amount: MicroUsdc,
    },
    /// A client's cap per epoch changes.
    CapChanged {
        /// Whose.
        client: Address,
        /// The new cap.
        cap: MicroUsdc,
        /// Unix seconds from which it counts.
        effective_at: u64,
    },
    /// A key may sign orders for a client.
    SignerAdded {
        /// For whom.
        client: Address,
        /// The key.
        signer: Address,
    },
    /// A key may no longer sign orders.
    SignerRemoved {
        /// For whom.
        client: Address,
        /// The key.
        signer: Address,
        /// Unix seconds from which it no longer counts.
        effective_at: u64,
    },
    /// An epoch was settled; it is final when its window closes.
    EpochSettled {
        /// Number.
        epoch: u64,
        /// Struct hash of its seal: the next one's `previous`.
        seal_hash: B256,
        /// Root of its receipts.
        receipts_root: B256,
        /// How many receipts.
        receipt_count: u64,
        /// Σ charges.
        charged: MicroUsdc,
        /// SHA-256 of SUMMARY.json.
        bundle: B256,
        /// Unix seconds at which the challenge window closes.
        final_at: u64,
    },
    /// A client was charged in an epoch (pending until it is final).
    Charged {
        /// Epoch.
        epoch: u64,
        /// Who pays.
        client: Address,
        /// How much.
        amount: MicroUsdc,
    },
    /// A payee was credited in an epoch (pending until it is final).
    Credited {
        /// Epoch.
        epoch: u64,
        /// Who earns.
        payee: Address,
        /// How much.
        amount: MicroUsdc,
    },
    /// An epoch was voided: its charges and credits are undone.
    EpochVoided {
        /// Number.
        epoch: u64,
        /// Why, as the contract says.
        reason: String,
    },
    /// The guardian lets settlement go on after a void.
    SettlementResumed,
    /// A payee took its pay.
    Claimed {
        /// Who earned it.
        payee: Address,
        /// How much.
        amount: MicroUsdc,
    },
}

/// A client's account as the contract's view states it at one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscrowAccount {
    /// All that is in the account and not pending in an epoch.
    pub balance: MicroUsdc,
    /// Charged in the epoch whose window is open.
    pub pending: MicroUsdc,
    /// Of the balance, what is requested for withdrawal.
    pub withdrawing: MicroUsdc,
    /// Unix seconds at which the request matures; 0 without one.
    pub matures_at: u64,
    /// Cap per epoch now.
    pub cap: MicroUsdc,
}
