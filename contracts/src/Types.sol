// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Amounts are µUSDC (10⁻⁶ USDC), times are Unix seconds, ranges are half-open.

/// What is fixed at deployment.
struct Config {
    /// USDC: 6 decimals, EIP-2612, EIP-3009, no fee on transfer.
    address token;
    /// May rotate roles after `roleDelay`; should be a multisig.
    address owner;
    /// May void, pause, resume and refuse stray credits; never a settler.
    address guardian;
    /// Those who sign seals, strictly ascending.
    address[] settlers;
    /// How many of them a seal needs.
    uint64 threshold;
    /// Cap per epoch of a client that never set one.
    uint64 defaultCap;
    /// Challenge window of an epoch, and delay of a stray credit.
    uint64 window;
    /// Delay of withdrawals, lowered caps and removed order signers.
    uint64 exitDelay;
    /// Delay of a rotation of roles.
    uint64 roleDelay;
    /// With no epoch final for this long, clients withdraw at once.
    uint64 settlementTimeout;
    /// A seal is taken until it is this old.
    uint64 maxSealAge;
    /// The longest pause.
    uint64 maxPause;
}

/// What the settlers sign (EIP-712).
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

/// One line of a charge or payout vector.
struct Entry {
    address account;
    uint96 amount;
}

/// One settled job: `abi.encode` of it is 480 bytes, the data of a leaf.
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

/// What a client signs (EIP-712): `abi.encode` of it and 65 bytes of signature are an order's preimage.
struct JobOrder {
    address client;
    bytes32 model;
    bytes32 input;
    uint64 maxFee;
    uint64 nonce;
    uint64 deadline;
}

/// A settler's signature: 65 bytes r‖s‖v with low s, or what its ERC-1271 contract accepts.
struct Approval {
    address signer;
    bytes signature;
}

/// A leaf of an epoch's tree as raw bytes, with its audit path from the leaf upwards (RFC 9162).
struct Leaf {
    uint64 index;
    bytes data;
    bytes32[] path;
}

/// Where an epoch stands.
enum Status {
    None,
    Pending,
    Final,
    Void
}

/// What `epochs` says.
struct EpochView {
    Status status;
    bytes32 sealHash;
    bytes32 receiptsRoot;
    uint64 receiptCount;
    uint64 charged;
    uint64 sealedAt;
    uint64 settledAt;
    uint64 finalAt;
}

/// What `account` says, as if everything that is due had been booked.
struct AccountView {
    /// In the account and not pending.
    uint64 balance;
    /// Charged in the epoch whose window is open.
    uint64 pending;
    /// Of the balance, what a settlement may charge now (the cap aside).
    uint64 chargeable;
    /// Cap per epoch now.
    uint64 cap;
    /// A lower cap that is on its way, when `nextCapAt` is not 0.
    uint64 nextCap;
    uint64 nextCapAt;
    /// Requested for withdrawal and not paid out; may be more than the balance.
    uint64 withdrawing;
    /// When the request matures; 0 without one.
    uint64 maturesAt;
}
