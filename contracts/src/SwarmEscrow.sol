// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Accounts} from "./Accounts.sol";
import {Book} from "./Book.sol";
import {Faults} from "./Faults.sol";
import {ISwarmEscrow} from "./ISwarmEscrow.sol";
import {Approval, Config, Entry, EpochSeal, Receipt, Status} from "./Types.sol";
import {Preimage} from "./libraries/Preimage.sol";
import {Rfc9162} from "./libraries/Rfc9162.sol";

/// @title SwarmEscrow
/// @notice See ISwarmEscrow for what it assumes and what each role may do. Book holds the state,
/// Accounts moves money in and out, Faults voids epochs, and here is how an epoch is settled.
contract SwarmEscrow is Accounts, Faults {
    bytes32 private constant SEAL_TYPEHASH = keccak256(
        "EpochSeal(uint64 epoch,bytes32 previous,bytes32 receiptsRoot,uint64 receiptCount,bytes32 bundle,uint128 charged,bytes32 charges,bytes32 payouts,uint64 sealedAt)"
    );

    /// Charges and payouts of one epoch together: one call stays under 14 000 000 gas and 128 KiB.
    uint256 public constant MAX_ENTRIES = 512;

    constructor(Config memory config) Book(config) {}

    /// @inheritdoc ISwarmEscrow
    function settle(
        EpochSeal calldata epochSeal,
        Entry[] calldata charges,
        Entry[] calldata payouts,
        Approval[] calldata approvals
    ) external whenNotPaused {
        if (charges.length + payouts.length > MAX_ENTRIES) {
            revert TooManyEntries(charges.length + payouts.length, MAX_ENTRIES);
        }
        bytes32 sealHash = keccak256(abi.encode(SEAL_TYPEHASH, epochSeal));
        _requireApproved(_hashTypedDataV4(sealHash), approvals);
        _requireNext(epochSeal);
        _requireVectors(epochSeal, charges, payouts);

        _advance(epochSeal, sealHash);
        uint256 sum = _charge(epochSeal.epoch, charges);
        if (sum != epochSeal.charged) revert WrongChargesSum(epochSeal.charged, sum);
        sum = _credit(epochSeal.epoch, payouts);
        if (sum != epochSeal.charged) revert WrongPayoutsSum(epochSeal.charged, sum);
    }

    /// Reverts unless this seal may be the next one now.
    function _requireNext(EpochSeal calldata epochSeal) private view {
        Progress memory p = _progress;
        Epoch storage last = _epochs[p.epoch];
        if (p.stopped) revert SettlementStopped();
        if (epochSeal.epoch != uint256(p.epoch) + 1) revert WrongEpoch(epochSeal.epoch, uint64(p.epoch) + 1);
        if (epochSeal.previous != last.sealHash) revert WrongPrevious(epochSeal.previous, last.sealHash);
        if (_status(p.epoch) == Status.Pending) revert PreviousPending(last.settledAt + window);
        if (epochSeal.sealedAt <= last.sealedAt) revert SealNotAfterPrevious(epochSeal.sealedAt, last.sealedAt);
        if (epochSeal.sealedAt > block.timestamp) revert SealFromTheFuture(epochSeal.sealedAt, _now());
        if (block.timestamp >= uint256(epochSeal.sealedAt) + maxSealAge) {
            revert SealTooOld(epochSeal.sealedAt, _now());
        }
        // Clients may be leaving: no charge could be relied on until an epoch is final again.
        if (epochSeal.receiptCount != 0 && block.timestamp >= escapeAt()) revert OnlyEmptyEpoch();
    }

    /// Reverts unless the vectors are those of the seal.
    function _requireVectors(EpochSeal calldata epochSeal, Entry[] calldata charges, Entry[] calldata payouts)
        private
        pure
    {
        bytes32 found = _vectorHash(charges);
        if (found != epochSeal.charges) revert WrongChargesHash(epochSeal.charges, found);
        found = _vectorHash(payouts);
        if (found != epochSeal.payouts) revert WrongPayoutsHash(epochSeal.payouts, found);
        if (
            epochSeal.receiptCount == 0
                && (charges.length + payouts.length != 0 || epochSeal.receiptsRoot != Rfc9162.EMPTY_ROOT)
        ) revert NotEmpty();
    }

    /// Stores the epoch, and what the one before it came to.
    function _advance(EpochSeal calldata epochSeal, bytes32 sealHash) private {
        Progress storage p = _progress;
        uint256 previous = p.epoch;
        if (_status(previous) == Status.Final) {
            p.finalAt = uint40(_epochs[previous].settledAt + window);
            p.finalSealedAt = uint40(_epochs[previous].sealedAt);
        }
        p.epoch = uint48(epochSeal.epoch);
        uint64 settledAt = _now();
        uint64 charged = uint64(epochSeal.charged);
        _epochs[epochSeal.epoch] = Epoch({
            sealHash: sealHash,
            receiptsRoot: epochSeal.receiptsRoot,
            receiptCount: epochSeal.receiptCount,
            charged: charged,
            sealedAt: epochSeal.sealedAt,
            settledAt: settledAt
        });
        emit EpochSettled(
            epochSeal.epoch,
            sealHash,
            epochSeal.receiptsRoot,
            epochSeal.receiptCount,
            charged,
            epochSeal.bundle,
            epochSeal.sealedAt,
            settledAt + window
        );
    }

    /// Moves what each client pays from its balance to its pending amount.
    function _charge(uint64 epoch, Entry[] calldata charges) private returns (uint256 sum) {
        address last;
        for (uint256 i; i < charges.length; ++i) {
            Entry calldata entry = charges[i];
            (address client, uint256 amount) = (entry.account, entry.amount);
            if (client <= last) revert EntriesNotAscending(client);
            if (amount == 0) revert ZeroAmount();
            Account storage a = _accounts[client];
            (uint64 balance, uint64 pending) = (a.balance, a.pending);
            // The epoch before is final or void: what it charged is gone, or back.
            if (pending != 0 && _isVoid(a.pendingEpoch)) balance += pending;
            uint64 chargeable = balance - _matured(a, balance);
            if (amount > chargeable) revert ChargeOverBalance(client, amount, chargeable);
            uint64 cap = _cap(a);
            if (amount > cap) revert ChargeOverCap(client, amount, cap);
            // `amount` fits: it is at most the balance.
            (a.balance, a.pending, a.pendingEpoch) = (balance - uint64(amount), uint64(amount), uint48(epoch));
            emit Charged(epoch, client, uint64(amount));
            last = client;
            sum += amount;
        }
    }

    /// Makes each payee's earnings its pending amount, after booking the one before.
    function _credit(uint64 epoch, Entry[] calldata payouts) private returns (uint256 sum) {
        address last;
        for (uint256 i; i < payouts.length; ++i) {
            Entry calldata entry = payouts[i];
            (address payee, uint256 amount) = (entry.account, entry.amount);
            if (payee <= last) revert EntriesNotAscending(payee);
            if (amount == 0) revert ZeroAmount();
            Payee storage p = _payees[payee];
            (uint64 claimable, uint64 pending) = (p.claimable, p.pending);
            if (pending != 0 && !_isVoid(p.pendingEpoch)) claimable += pending;
            // An amount over 64 bits makes the sum differ from `charged`, which held balances pay for.
            (p.claimable, p.pending, p.pendingEpoch) = (claimable, uint64(amount), epoch);
            emit Credited(epoch, payee, uint64(amount));
            last = payee;
            sum += amount;
        }
    }

    /// keccak256(abi.encode(entries)): the entries lie in calldata as they are encoded, after their number.
    function _vectorHash(Entry[] calldata entries) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            let length := add(32, shl(6, entries.length))
            mstore(free, 32)
            calldatacopy(add(free, 32), sub(entries.offset, 32), length)
            hash := keccak256(free, add(length, 32))
        }
    }

    // --- guardian ------------------------------------------------------------------------------------

    /// @inheritdoc ISwarmEscrow
    function resume() external onlyGuardian {
        if (!_progress.stopped) revert SettlementNotStopped();
        _progress.stopped = false;
        emit SettlementResumed();
    }

    /// @inheritdoc ISwarmEscrow
    function pause() external onlyGuardian {
        Progress storage p = _progress;
        uint64 allowedAt = p.pausedAt == 0 ? 0 : p.pausedAt + 2 * maxPause;
        if (block.timestamp < allowedAt) revert PauseTooSoon(allowedAt);
        p.pausedAt = uint40(block.timestamp);
        p.pausedUntil = uint40(block.timestamp + maxPause);
        emit Paused(p.pausedUntil);
    }

    /// @inheritdoc ISwarmEscrow
    function unpause() external onlyGuardian {
        if (block.timestamp >= _progress.pausedUntil) revert NotPaused();
        _progress.pausedUntil = uint40(block.timestamp);
        emit Unpaused();
    }

    // --- views ---------------------------------------------------------------------------------------

    /// @inheritdoc ISwarmEscrow
    function verifyReceipt(uint64 epoch, uint64 index, Receipt calldata receipt, bytes32[] calldata path)
        external
        view
        returns (bool, Status)
    {
        Epoch storage e = _epochs[epoch];
        bool included = Rfc9162.includes(e.receiptsRoot, e.receiptCount, index, Preimage.leaf(receipt), path);
        return (included, _status(epoch));
    }

    /// @inheritdoc ISwarmEscrow
    function receiptLeaf(Receipt calldata receipt) external view returns (bytes32) {
        return Preimage.leaf(receipt);
    }
}
