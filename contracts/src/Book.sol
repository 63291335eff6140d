// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {ISwarmEscrow} from "./ISwarmEscrow.sol";
import {IUsdc} from "./IUsdc.sol";
import {Roles} from "./Roles.sol";
import {AccountView, Config, EpochView, Status} from "./Types.sol";

/// @title What the escrow remembers, and how it reads it
/// @dev At most one epoch is pending at a time, so an account needs one pending amount. What an epoch
/// moved is booked lazily: whoever touches an account next looks up whether that epoch became final
/// or void. Nothing loops over accounts but `settle`, over the vectors it is given.
abstract contract Book is ISwarmEscrow, Roles, EIP712 {
    /// A client. The first word is all that a settlement writes.
    struct Account {
        uint64 balance;
        uint64 pending;
        uint64 cap;
        uint48 pendingEpoch;
        bool capSet;
        uint64 withdrawing;
        uint64 maturesAt;
        uint64 nextCap;
        uint64 nextCapAt;
    }

    /// A payee, in one word that stays non-zero after a claim because of `pendingEpoch`.
    struct Payee {
        uint64 claimable;
        uint64 pending;
        uint64 pendingEpoch;
    }

    struct Epoch {
        bytes32 sealHash;
        bytes32 receiptsRoot;
        uint64 receiptCount;
        uint64 charged;
        uint64 sealedAt;
        uint64 settledAt;
    }

    /// Where settlement stands, in one word.
    struct Progress {
        /// The last epoch that was settled.
        uint48 epoch;
        /// When the last final epoch before that one became final; the deployment, before the first.
        uint40 finalAt;
        /// When that final epoch was sealed.
        uint40 finalSealedAt;
        uint40 pausedAt;
        uint40 pausedUntil;
        /// A void epoch stopped settlement.
        bool stopped;
    }

    struct OrderSigner {
        bool added;
        uint64 removedAt;
    }

    /// A stray transfer: used once `readyAt` is set, open while `amount` is not 0.
    struct Credit {
        uint64 amount;
        uint64 readyAt;
    }

    /// No delay is longer: times fit their fields for 30 000 years.
    uint64 private constant MAX_DELAY = 365 days;

    IUsdc public immutable token;
    uint64 public immutable defaultCap;
    uint64 public immutable window;
    uint64 public immutable exitDelay;
    uint64 public immutable settlementTimeout;
    uint64 public immutable maxSealAge;
    uint64 public immutable maxPause;

    Progress internal _progress;
    uint64 public liabilities;
    mapping(address client => Account) internal _accounts;
    mapping(address payee => Payee) internal _payees;
    mapping(uint256 epoch => Epoch) internal _epochs;
    /// Bit `epoch % 256` of word `epoch / 256`: the epoch is void.
    mapping(uint256 word => uint256 bits) internal _voids;
    mapping(address client => mapping(address signer => OrderSigner)) internal _orderSigners;
    mapping(address from => mapping(bytes32 nonce => Credit)) internal _credits;

    constructor(Config memory config)
        Roles(config.owner, config.guardian, config.settlers, config.threshold, config.roleDelay)
        EIP712("SwarmEscrow", "1")
    {
        if (config.token.code.length == 0) revert BadConfig("token is a contract");
        if (config.window == 0) revert BadConfig("window > 0");
        if (config.maxSealAge == 0) revert BadConfig("maxSealAge > 0");
        if (config.maxPause == 0) revert BadConfig("maxPause > 0");
        if (config.window >= config.exitDelay) revert BadConfig("window < exitDelay");
        if (config.maxSealAge >= config.exitDelay) revert BadConfig("maxSealAge < exitDelay");
        if (config.exitDelay >= config.roleDelay) revert BadConfig("exitDelay < roleDelay");
        if (config.roleDelay >= config.settlementTimeout) revert BadConfig("roleDelay < settlementTimeout");
        if (config.maxPause >= config.settlementTimeout) revert BadConfig("maxPause < settlementTimeout");
        if (config.settlementTimeout > MAX_DELAY) revert BadConfig("settlementTimeout <= 365 days");
        token = IUsdc(config.token);
        defaultCap = config.defaultCap;
        window = config.window;
        exitDelay = config.exitDelay;
        settlementTimeout = config.settlementTimeout;
        maxSealAge = config.maxSealAge;
        maxPause = config.maxPause;
        _progress.finalAt = uint40(block.timestamp);
    }

    modifier whenNotPaused() {
        if (block.timestamp < _progress.pausedUntil) revert IsPaused(_progress.pausedUntil);
        _;
    }

    // --- views ---------------------------------------------------------------------------------------

    /// @inheritdoc ISwarmEscrow
    function epochs(uint64 epoch) external view returns (EpochView memory) {
        Epoch memory e = _epochs[epoch];
        return EpochView({
            status: _status(epoch),
            sealHash: e.sealHash,
            receiptsRoot: e.receiptsRoot,
            receiptCount: e.receiptCount,
            charged: e.charged,
            sealedAt: e.sealedAt,
            settledAt: e.settledAt,
            finalAt: e.settledAt == 0 ? 0 : e.settledAt + window
        });
    }

    /// @inheritdoc ISwarmEscrow
    function account(address client) external view returns (AccountView memory v) {
        Account storage a = _accounts[client];
        (v.balance, v.pending) = _bookedClient(a);
        v.chargeable = v.balance - _matured(a, v.balance);
        v.cap = _cap(a);
        if (block.timestamp < a.nextCapAt) (v.nextCap, v.nextCapAt) = (a.nextCap, a.nextCapAt);
        (v.withdrawing, v.maturesAt) = (a.withdrawing, a.maturesAt);
    }

    /// @inheritdoc ISwarmEscrow
    function owed(address payee) external view returns (uint64 claimable, uint64 pending) {
        return _bookedPayee(_payees[payee]);
    }

    /// @inheritdoc ISwarmEscrow
    function lastEpoch() external view returns (uint64) {
        return _progress.epoch;
    }

    /// @inheritdoc ISwarmEscrow
    function stopped() external view returns (bool) {
        return _progress.stopped;
    }

    /// @inheritdoc ISwarmEscrow
    function pausedUntil() external view returns (uint64) {
        return _progress.pausedUntil;
    }

    /// @inheritdoc ISwarmEscrow
    function escapeAt() public view returns (uint64) {
        uint256 last = _progress.epoch;
        uint64 finalAt = _status(last) == Status.Final ? _epochs[last].settledAt + window : uint64(_progress.finalAt);
        return finalAt + settlementTimeout;
    }

    /// @inheritdoc ISwarmEscrow
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    // --- epochs, inside ------------------------------------------------------------------------------

    function _now() internal view returns (uint64) {
        return uint64(block.timestamp);
    }

    function _isVoid(uint256 epoch) internal view returns (bool) {
        return (_voids[epoch >> 8] >> (epoch & 0xff)) & 1 == 1;
    }

    function _status(uint256 epoch) internal view returns (Status) {
        uint256 last = _progress.epoch;
        if (epoch == 0 || epoch > last) return Status.None;
        if (_isVoid(epoch)) return Status.Void;
        if (epoch == last && block.timestamp < _epochs[epoch].settledAt + window) return Status.Pending;
        return Status.Final;
    }

    // --- money, inside -------------------------------------------------------------------------------

    /// What a client has and what is pending, with the epoch of the pending amount booked if it is over.
    function _bookedClient(Account storage a) internal view returns (uint64 balance, uint64 pending) {
        if (a.pending == 0) return (a.balance, 0);
        Status s = _status(a.pendingEpoch);
        if (s == Status.Pending) return (a.balance, a.pending);
        return (s == Status.Void ? a.balance + a.pending : a.balance, 0);
    }

    function _bookedPayee(Payee storage p) internal view returns (uint64 claimable, uint64 pending) {
        if (p.pending == 0) return (p.claimable, 0);
        Status s = _status(p.pendingEpoch);
        if (s == Status.Pending) return (p.claimable, p.pending);
        return (s == Status.Final ? p.claimable + p.pending : p.claimable, 0);
    }

    /// What a matured request takes out of the balance.
    function _matured(Account storage a, uint64 balance) internal view returns (uint64) {
        uint64 maturesAt = a.maturesAt;
        if (maturesAt == 0 || block.timestamp < maturesAt) return 0;
        return a.withdrawing < balance ? a.withdrawing : balance;
    }

    function _cap(Account storage a) internal view returns (uint64) {
        uint64 nextCapAt = a.nextCapAt;
        if (nextCapAt != 0 && block.timestamp >= nextCapAt) return a.nextCap;
        return a.capSet ? a.cap : defaultCap;
    }
}
