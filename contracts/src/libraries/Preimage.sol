// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {JobOrder, Receipt} from "../Types.sol";
import {Rfc9162} from "./Rfc9162.sol";

/// @title The bytes behind leaves and order commitments
/// @notice Raw bytes are canonical when they are what `abi.encode` gives: the right length, and no bit
/// set above the width of a field. Anything else decodes differently in different programs.
library Preimage {
    /// abi.encode(Receipt).
    uint256 internal constant RECEIPT_LENGTH = 480;
    /// abi.encode(JobOrder) without the signature.
    uint256 internal constant ORDER_LENGTH = 192;
    /// abi.encode(JobOrder) ‖ r ‖ s ‖ v.
    uint256 internal constant SIGNED_ORDER_LENGTH = 257;

    /// Bit i: word i of a receipt is a uint64.
    uint256 private constant RECEIPT_UINT64 = 0x7c03;
    /// Bit i: word i of a receipt is an address.
    uint256 private constant RECEIPT_ADDRESS = 0x000c;
    uint256 private constant ORDER_UINT64 = 0x38;
    uint256 private constant ORDER_ADDRESS = 0x01;

    /// The hash of a receipt's leaf.
    function leaf(Receipt calldata receipt) internal view returns (bytes32) {
        return Rfc9162.leafInPlace(abi.encode(receipt));
    }

    /// Whether `data` is 480 canonical bytes.
    function isReceipt(bytes memory data) internal pure returns (bool) {
        return data.length == RECEIPT_LENGTH && _fits(data, RECEIPT_LENGTH, RECEIPT_UINT64, RECEIPT_ADDRESS);
    }

    /// Whether `data` is 257 bytes, the first 192 of them canonical.
    function isSignedOrder(bytes memory data) internal pure returns (bool) {
        return data.length == SIGNED_ORDER_LENGTH && _fits(data, ORDER_LENGTH, ORDER_UINT64, ORDER_ADDRESS);
    }

    /// The order and the signature in a signed order's preimage, which must be canonical.
    function splitOrder(bytes calldata data) internal pure returns (JobOrder memory order, bytes calldata signature) {
        order = abi.decode(data[:ORDER_LENGTH], (JobOrder));
        signature = data[ORDER_LENGTH:];
    }

    function _fits(bytes memory data, uint256 length, uint256 uint64s, uint256 addresses) private pure returns (bool) {
        for (uint256 i; i < length / 32; ++i) {
            uint256 word;
            assembly ("memory-safe") {
                word := mload(add(add(data, 32), shl(5, i)))
            }
            if ((uint64s >> i) & 1 == 1 && word >> 64 != 0) return false;
            if ((addresses >> i) & 1 == 1 && word >> 160 != 0) return false;
        }
        return true;
    }
}
