// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The Merkle tree of Certificate Transparency (RFC 9162) with SHA-256
/// @notice leaf = SHA-256(0x00 ‖ data), node = SHA-256(0x01 ‖ left ‖ right); a lone node moves up
/// unchanged; the empty tree is SHA-256(""). The prefixes keep a node from passing as a leaf.
library Rfc9162 {
    /// SHA-256("").
    bytes32 internal constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    /// The hash of a leaf with this data. Overwrites the length word of `data`: do not use it after.
    function leafInPlace(bytes memory data) internal view returns (bytes32 hash) {
        assembly ("memory-safe") {
            let length := mload(data)
            // The last byte of the length word becomes the prefix 0x00 in front of the data.
            mstore(data, 0)
            if iszero(staticcall(gas(), 2, add(data, 31), add(length, 1), 0, 32)) { revert(0, 0) }
            hash := mload(0)
        }
    }

    /// Whether `leaf` stands at `index` in the tree of `size` leaves with this `root` (RFC 9162, 2.1.3.2).
    /// False for an index past the end and for a path that is too short or too long.
    function includes(bytes32 root, uint256 size, uint256 index, bytes32 leaf, bytes32[] calldata path)
        internal
        view
        returns (bool)
    {
        if (index >= size) return false;
        bool complete;
        bytes32 hash = leaf;
        assembly ("memory-safe") {
            let fn := index
            let sn := sub(size, 1)
            let free := mload(0x40)
            mstore8(free, 1)
            let left := add(free, 1)
            let right := add(free, 33)
            let cursor := path.offset
            let end := add(cursor, shl(5, path.length))
            for {} and(lt(cursor, end), iszero(iszero(sn))) { cursor := add(cursor, 32) } {
                switch or(and(fn, 1), eq(fn, sn))
                case 0 {
                    mstore(left, hash)
                    mstore(right, calldataload(cursor))
                }
                default {
                    mstore(left, calldataload(cursor))
                    mstore(right, hash)
                    // A lone node moved up until it was a right child.
                    for {} iszero(or(and(fn, 1), iszero(fn))) {} {
                        fn := shr(1, fn)
                        sn := shr(1, sn)
                    }
                }
                if iszero(staticcall(gas(), 2, free, 65, 0, 32)) { revert(0, 0) }
                hash := mload(0)
                fn := shr(1, fn)
                sn := shr(1, sn)
            }
            complete := and(iszero(sn), eq(cursor, end))
        }
        return complete && hash == root;
    }
}
