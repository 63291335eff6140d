//! The EIP-712 structures of the protocol and the domain they are signed in.
//!
//! The Rust structs of [`crate::order`] and [`crate::receipt`] are what the daemon works with; these
//! are their wire form for hashing and for the contract's ABI.

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct, eip712_domain, sol};

sol! {
    /// A client's order for one job.
    #[derive(Debug, PartialEq, Eq)]
    struct JobOrder {
        address client;
        bytes32 model;
        bytes32 input;
        uint64 maxFee;
        uint64 nonce;
        uint64 deadline;
    }

    /// A worker's statement of what it ran.
    #[derive(Debug, PartialEq, Eq)]
    struct Execution {
        uint64 jobEpoch;
        uint64 jobSeq;
        bytes32 order;
        bytes32 model;
        bytes32 input;
        bytes32 result;
        bytes32 engine;
        bytes32 device;
        uint64 startedAt;
        uint64 completedAt;
        uint64 energyMillijoules;
        bytes32 power;
    }

    /// One settled job, a leaf of the epoch's tree.
    #[derive(Debug, PartialEq, Eq)]
    struct Receipt {
        uint64 jobEpoch;
        uint64 jobSeq;
        address client;
        address worker;
        bytes32 order;
        bytes32 model;
        bytes32 input;
        bytes32 result;
        bytes32 execution;
        bytes32 power;
        uint64 fee;
        uint64 clientTotal;
        uint64 startedAt;
        uint64 completedAt;
        uint64 energyMillijoules;
    }

    /// One line of a charge or payout vector, in µUSDC.
    #[derive(Debug, PartialEq, Eq)]
    struct Entry {
        address account;
        uint96 amount;
    }

    /// What the settlers sign for an epoch.
    #[derive(Debug, PartialEq, Eq)]
    struct EpochSeal {
        uint64 epoch;
        bytes32 previous;
        bytes32 receiptsRoot;
        uint64 receiptCount;
        bytes32 bundle;
        uint128 charged;
        bytes32 charges;
        bytes32 payouts;
        uint64 sealedAt;
    }
}

/// `{name: "SwarmEscrow", version: "1", chainId, verifyingContract: escrow}`.
pub fn domain(chain_id: u64, escrow: Address) -> Eip712Domain {
    eip712_domain! {
        name: "SwarmEscrow",
        version: "1",
        chain_id: chain_id,
        verifying_contract: escrow,
    }
}

/// Where signatures count: one escrow on one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Address of the SwarmEscrow contract.
    pub escrow: Address,
    separator: B256,
}

impl Domain {
    /// The domain of the escrow at `escrow` on chain `chain_id`.
    pub fn new(chain_id: u64, escrow: Address) -> Self {
        Self {
            chain_id,
            escrow,
            separator: domain(chain_id, escrow).separator(),
        }
    }

    /// The EIP-712 signing hash of `message` in this domain.
    pub fn digest<T: SolStruct>(&self, message: &T) -> B256 {
        let mut bytes = [0; 66];
        bytes[..2].copy_from_slice(b"\x19\x01");
        bytes[2..34].copy_from_slice(self.separator.as_slice());
        bytes[34..].copy_from_slice(message.eip712_hash_struct().as_slice());
        keccak256(bytes)
    }
}
