// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {Approval} from "./Types.sol";

/// @title Owner, guardian and settlers, and how they change
/// @notice Each change is scheduled by the owner, visible for `roleDelay`, and then applied by the owner
/// within another `roleDelay`, or it lapses. One change of a kind is on its way at a time: scheduling
/// another replaces it, which is also how to take one back.
abstract contract Roles {
    /// What the owner may change.
    enum Role {
        Owner,
        Guardian,
        Settlers
    }

    /// @param change keccak256(abi.encode(new value)).
    /// @param readyAt When it may be applied; 0: none is on its way.
    struct Change {
        bytes32 change;
        uint64 readyAt;
    }

    /// The largest set of settlers; bounds the signature loop.
    uint256 public constant MAX_SETTLERS = 16;

    address public owner;
    address public guardian;
    /// How many settlers have to sign.
    uint64 public threshold;
    /// Number of the current set; a settler belongs to it when `_settlerSetOf` says this number.
    uint64 private _settlerSet;
    mapping(address settler => uint64 set) private _settlerSetOf;
    address[] private _settlers;
    /// What is on its way for each role.
    mapping(Role role => Change change) public pendingChange;

    /// Delay of every change.
    uint64 public immutable roleDelay;

    event OwnerScheduled(address owner, uint64 readyAt);
    event OwnerChanged(address owner);
    event GuardianScheduled(address guardian, uint64 readyAt);
    event GuardianChanged(address guardian);
    event SettlersScheduled(address[] settlers, uint64 threshold, uint64 readyAt);
    event SettlersChanged(address[] settlers, uint64 threshold);

    error NotOwner(address caller);
    error NotGuardian(address caller);
    error NullRole(Role role);
    error GuardianIsSettler(address guardian);
    error BadThreshold(uint64 threshold, uint256 settlers);
    error SettlersNotAscending(address settler);
    error ChangeNotScheduled(Role role);
    error ChangeNotReady(uint64 readyAt);
    /// It could be applied until then; nobody should have to fear an old announcement.
    error ChangeLapsed(uint64 lapsedAt);
    error TooFewApprovals(uint256 given, uint64 threshold);
    error ApprovalsNotAscending(address signer);
    error NotSettler(address signer);
    error BadSignature(address signer);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    modifier onlyGuardian() {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        _;
    }

    constructor(address owner_, address guardian_, address[] memory settlers_, uint64 threshold_, uint64 roleDelay_) {
        roleDelay = roleDelay_;
        _setOwner(owner_);
        _setSettlers(settlers_, threshold_);
        _setGuardian(guardian_);
    }

    /// @notice Owner: announces a new owner.
    function scheduleOwner(address next) external onlyOwner {
        emit OwnerScheduled(next, _schedule(Role.Owner, abi.encode(next)));
    }

    /// @notice Owner: makes the announced owner the owner.
    function applyOwner(address next) external onlyOwner {
        _take(Role.Owner, abi.encode(next));
        _setOwner(next);
    }

    /// @notice Owner: announces a new guardian.
    function scheduleGuardian(address next) external onlyOwner {
        emit GuardianScheduled(next, _schedule(Role.Guardian, abi.encode(next)));
    }

    /// @notice Owner: makes the announced guardian the guardian.
    function applyGuardian(address next) external onlyOwner {
        _take(Role.Guardian, abi.encode(next));
        _setGuardian(next);
    }

    /// @notice Owner: announces a new set of settlers, strictly ascending, and how many have to sign.
    function scheduleSettlers(address[] calldata next, uint64 nextThreshold) external onlyOwner {
        emit SettlersScheduled(next, nextThreshold, _schedule(Role.Settlers, abi.encode(next, nextThreshold)));
    }

    /// @notice Owner: makes the announced settlers the settlers.
    function applySettlers(address[] calldata next, uint64 nextThreshold) external onlyOwner {
        _take(Role.Settlers, abi.encode(next, nextThreshold));
        _setSettlers(next, nextThreshold);
    }

    /// @notice The current settlers.
    function settlers() external view returns (address[] memory) {
        return _settlers;
    }

    /// @notice Whether `account` is one of them.
    function isSettler(address account) public view returns (bool) {
        return _settlerSetOf[account] == _settlerSet;
    }

    /// Reverts unless enough settlers signed `digest`. Signers are strictly ascending, so the loop ends
    /// after MAX_SETTLERS and nobody counts twice.
    function _requireApproved(bytes32 digest, Approval[] calldata approvals) internal view {
        if (approvals.length < threshold) revert TooFewApprovals(approvals.length, threshold);
        address last;
        for (uint256 i; i < approvals.length; ++i) {
            address signer = approvals[i].signer;
            if (signer <= last) revert ApprovalsNotAscending(signer);
            if (!isSettler(signer)) revert NotSettler(signer);
            if (!SignatureChecker.isValidSignatureNowCalldata(signer, digest, approvals[i].signature)) {
                revert BadSignature(signer);
            }
            last = signer;
        }
    }

    function _schedule(Role role, bytes memory value) private returns (uint64 readyAt) {
        readyAt = uint64(block.timestamp) + roleDelay;
        pendingChange[role] = Change(keccak256(value), readyAt);
    }

    function _take(Role role, bytes memory value) private {
        Change memory change = pendingChange[role];
        if (change.readyAt == 0 || change.change != keccak256(value)) revert ChangeNotScheduled(role);
        if (block.timestamp < change.readyAt) revert ChangeNotReady(change.readyAt);
        uint64 lapsesAt = change.readyAt + roleDelay;
        if (block.timestamp >= lapsesAt) revert ChangeLapsed(lapsesAt);
        delete pendingChange[role];
    }

    function _setOwner(address next) private {
        if (next == address(0)) revert NullRole(Role.Owner);
        owner = next;
        emit OwnerChanged(next);
    }

    function _setGuardian(address next) private {
        if (next == address(0)) revert NullRole(Role.Guardian);
        if (isSettler(next)) revert GuardianIsSettler(next);
        guardian = next;
        emit GuardianChanged(next);
    }

    function _setSettlers(address[] memory next, uint64 nextThreshold) private {
        if (nextThreshold == 0 || nextThreshold > next.length || next.length > MAX_SETTLERS) {
            revert BadThreshold(nextThreshold, next.length);
        }
        uint64 set = ++_settlerSet;
        address last;
        for (uint256 i; i < next.length; ++i) {
            if (next[i] <= last) revert SettlersNotAscending(next[i]);
            if (next[i] == guardian) revert GuardianIsSettler(next[i]);
            last = next[i];
            _settlerSetOf[last] = set;
        }
        _settlers = next;
        threshold = nextThreshold;
        emit SettlersChanged(next, nextThreshold);
    }
}
