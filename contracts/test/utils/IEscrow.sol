// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../../src/ISwarmEscrow.sol";

/// @dev All that the deployed contract answers. The tests do not import the implementation.
interface IEscrow is ISwarmEscrow {
    function token() external view returns (address);
    function owner() external view returns (address);
    function guardian() external view returns (address);
    function threshold() external view returns (uint64);
    function settlers() external view returns (address[] memory);
    function isSettler(address account) external view returns (bool);
    function pendingChange(uint8 role) external view returns (bytes32 change, uint64 readyAt);
    function defaultCap() external view returns (uint64);
    function window() external view returns (uint64);
    function exitDelay() external view returns (uint64);
    function roleDelay() external view returns (uint64);
    function settlementTimeout() external view returns (uint64);
    function maxSealAge() external view returns (uint64);
    function maxPause() external view returns (uint64);
    function MAX_ENTRIES() external view returns (uint256);
    function MAX_SETTLERS() external view returns (uint256);
    function scheduleOwner(address next) external;
    function applyOwner(address next) external;
    function scheduleGuardian(address next) external;
    function applyGuardian(address next) external;
    function scheduleSettlers(address[] calldata next, uint64 nextThreshold) external;
    function applySettlers(address[] calldata next, uint64 nextThreshold) external;

    event OwnerScheduled(address owner, uint64 readyAt);
    event OwnerChanged(address owner);
    event GuardianScheduled(address guardian, uint64 readyAt);
    event GuardianChanged(address guardian);
    event SettlersScheduled(address[] settlers, uint64 threshold, uint64 readyAt);
    event SettlersChanged(address[] settlers, uint64 threshold);

    error NotOwner(address caller);
    error NotGuardian(address caller);
    error NullRole(uint8 role);
    error GuardianIsSettler(address guardian);
    error BadThreshold(uint64 threshold, uint256 settlers);
    error SettlersNotAscending(address settler);
    error ChangeNotScheduled(uint8 role);
    error ChangeNotReady(uint64 readyAt);
    error ChangeLapsed(uint64 lapsedAt);
    error TooFewApprovals(uint256 given, uint64 threshold);
    error ApprovalsNotAscending(address signer);
    error NotSettler(address signer);
    error BadSignature(address signer);
    error ReentrancyGuardReentrantCall();
}
