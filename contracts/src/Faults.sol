// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {Book} from "./Book.sol";
import {ISwarmEscrow} from "./ISwarmEscrow.sol";
import {JobOrder, Leaf, Receipt, Status} from "./Types.sol";
import {Preimage} from "./libraries/Preimage.sol";
import {Rfc9162} from "./libraries/Rfc9162.sol";

/// @title What makes a pending epoch void: the guardian, or a proof of fault
/// @dev A proof must be impossible for an honest epoch: each rule below is one that an honest queen
/// keeps whatever clients do, and that anybody can check from the public bundle.
abstract contract Faults is Book {
    bytes32 private constant ORDER_TYPEHASH =
        keccak256("JobOrder(address client,bytes32 model,bytes32 input,uint64 maxFee,uint64 nonce,uint64 deadline)");

    /// @inheritdoc ISwarmEscrow
    function voidEpoch(uint64 epoch) external onlyGuardian {
        _requirePending(epoch);
        _void(epoch, "guardian");
    }

    /// @inheritdoc ISwarmEscrow
    function proveMalformedLeaf(uint64 epoch, Leaf calldata leaf) external {
        _requirePending(epoch);
        _requireIncluded(epoch, leaf);
        if (Preimage.isReceipt(leaf.data)) revert NoFault();
        _void(epoch, "malformed leaf");
    }

    /// @inheritdoc ISwarmEscrow
    function proveMalformedOrder(uint64 epoch, Leaf calldata leaf, bytes calldata order) external {
        _requirePending(epoch);
        _requirePreimage(_receipt(epoch, leaf), order);
        if (Preimage.isSignedOrder(order)) revert NoFault();
        _void(epoch, "malformed order");
    }

    /// @inheritdoc ISwarmEscrow
    function proveUnauthorised(uint64 epoch, Leaf calldata leaf, bytes calldata order) external {
        _requirePending(epoch);
        Receipt memory r = _receipt(epoch, leaf);
        // What the leaf shows by itself needs no order: a thief may not have given it out.
        bool timely = r.completedAt <= _epochs[epoch].sealedAt && r.jobEpoch <= epoch;
        if (timely && _covers(r, order)) revert NoFault();
        _void(epoch, "unauthorised");
    }

    /// @inheritdoc ISwarmEscrow
    function proveDuplicate(
        uint64 epoch,
        Leaf calldata leaf,
        bytes calldata order,
        uint64 otherEpoch,
        Leaf calldata otherLeaf,
        bytes calldata otherOrder
    ) external {
        _requirePending(epoch);
        if (otherEpoch == epoch ? leaf.index == otherLeaf.index : _status(otherEpoch) != Status.Final) {
            revert NotTwoPlaces();
        }
        Receipt memory a = _receipt(epoch, leaf);
        Receipt memory b = _receipt(otherEpoch, otherLeaf);
        bool same = (a.jobEpoch == b.jobEpoch && a.jobSeq == b.jobSeq) || a.order == b.order;
        if (!same) {
            JobOrder memory x = _order(a, order);
            JobOrder memory y = _order(b, otherOrder);
            same = x.client == y.client && x.nonce == y.nonce;
        }
        if (!same) revert NoFault();
        _void(epoch, "duplicate");
    }

    /// @inheritdoc ISwarmEscrow
    function proveOvercharge(uint64 epoch, uint64 gap, Leaf calldata left, Leaf calldata right, address absent)
        external
    {
        _requirePending(epoch);
        bool hasLeft = gap != 0;
        bool hasRight = gap < _epochs[epoch].receiptCount;
        Receipt memory l;
        Receipt memory r;
        if (hasLeft) {
            if (left.index != gap - 1) revert LeavesNotNeighbours(left.index, gap);
            l = _receipt(epoch, left);
        }
        if (hasRight) {
            if (right.index != gap) revert LeavesNotNeighbours(gap, right.index);
            r = _receipt(epoch, right);
        }
        bool sameClient = hasLeft && hasRight && l.client == r.client;
        bool fault = hasLeft && hasRight && !_before(l, r);
        // The running total goes on, or starts with the client's first fee.
        if (hasRight && r.clientTotal != uint256(r.fee) + (sameClient ? l.clientTotal : 0)) fault = true;
        // A client's last total is what it is charged.
        if (hasLeft && !sameClient && l.clientTotal != _pendingCharge(l.client, epoch)) fault = true;
        // Who is charged has a leaf.
        if ((!hasLeft || l.client < absent) && (!hasRight || absent < r.client) && _pendingCharge(absent, epoch) != 0) {
            fault = true;
        }
        if (!fault) revert NoFault();
        _void(epoch, "overcharge");
    }

    // --- inside --------------------------------------------------------------------------------------

    function _requirePending(uint64 epoch) private view {
        Status s = _status(epoch);
        if (s != Status.Pending) revert NotPending(epoch, s);
    }

    function _void(uint64 epoch, string memory reason) private {
        _voids[epoch >> 8] |= 1 << (epoch & 0xff);
        _progress.stopped = true;
        emit EpochVoided(epoch, reason);
    }

    function _requireIncluded(uint64 epoch, Leaf calldata leaf) private view {
        Epoch storage e = _epochs[epoch];
        bytes32 hash = Rfc9162.leafInPlace(leaf.data);
        if (!Rfc9162.includes(e.receiptsRoot, e.receiptCount, leaf.index, hash, leaf.path)) {
            revert NotIncluded(epoch, leaf.index);
        }
    }

    /// The receipt at a leaf of the epoch.
    function _receipt(uint64 epoch, Leaf calldata leaf) private view returns (Receipt memory) {
        _requireIncluded(epoch, leaf);
        if (!Preimage.isReceipt(leaf.data)) revert MalformedLeaf(leaf.index);
        return abi.decode(leaf.data, (Receipt));
    }

    function _requirePreimage(Receipt memory receipt, bytes calldata order) private pure {
        bytes32 found = sha256(order);
        if (found != receipt.order) revert WrongOrderPreimage(found, receipt.order);
    }

    /// The order behind a receipt.
    function _order(Receipt memory receipt, bytes calldata order) private pure returns (JobOrder memory o) {
        _requirePreimage(receipt, order);
        if (!Preimage.isSignedOrder(order)) revert MalformedOrder();
        (o,) = Preimage.splitOrder(order);
    }

    /// Whether the order covers the receipt.
    function _covers(Receipt memory r, bytes calldata order) private view returns (bool) {
        JobOrder memory o = _order(r, order);
        if (o.client != r.client || o.model != r.model || o.input != r.input) return false;
        if (r.fee > o.maxFee || r.completedAt > o.deadline) return false;
        (, bytes calldata signature) = Preimage.splitOrder(order);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(ORDER_TYPEHASH, o)));
        return _signed(r.client, digest, signature)
            || _signed(r.client, MessageHashUtils.toEthSignedMessageHash(digest), signature);
    }

    /// Whether the client, or a key that may sign its orders, signed `digest`.
    function _signed(address client, bytes32 digest, bytes calldata signature) private view returns (bool) {
        (address signer, ECDSA.RecoverError err,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (err != ECDSA.RecoverError.NoError) return false;
        if (signer == client) return true;
        OrderSigner memory s = _orderSigners[client][signer];
        return s.added && (s.removedAt == 0 || s.removedAt >= _progress.finalSealedAt);
    }

    /// Whether `l` comes before `r`: by client, then job, numerically.
    function _before(Receipt memory l, Receipt memory r) private pure returns (bool) {
        if (l.client != r.client) return l.client < r.client;
        if (l.jobEpoch != r.jobEpoch) return l.jobEpoch < r.jobEpoch;
        return l.jobSeq < r.jobSeq;
    }

    /// What the pending epoch charges a client.
    function _pendingCharge(address client, uint64 epoch) private view returns (uint64) {
        Account storage a = _accounts[client];
        return a.pendingEpoch == epoch ? a.pending : 0;
    }
}
