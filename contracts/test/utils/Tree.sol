// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev RFC 9162, sections 2.1.1 and 2.1.3.1, as they are written there: by recursion over the largest
/// power of two below n. Shares nothing with the contract's verifier.
library Tree {
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        if (leaves.length == 0) return sha256("");
        return _root(leaves, 0, leaves.length);
    }

    function path(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory) {
        bytes32[] memory longest = new bytes32[](64);
        uint256 length = _path(leaves, 0, leaves.length, index, longest, 0);
        bytes32[] memory found = new bytes32[](length);
        for (uint256 i; i < length; ++i) {
            found[i] = longest[i];
        }
        return found;
    }

    function _split(uint256 n) private pure returns (uint256 k) {
        k = 1;
        while (k * 2 < n) k *= 2;
    }

    function _root(bytes32[] memory leaves, uint256 from, uint256 to) private pure returns (bytes32) {
        if (to - from == 1) return leaves[from];
        uint256 middle = from + _split(to - from);
        return sha256(abi.encodePacked(bytes1(0x01), _root(leaves, from, middle), _root(leaves, middle, to)));
    }

    function _path(bytes32[] memory leaves, uint256 from, uint256 to, uint256 m, bytes32[] memory out, uint256 length)
        private
        pure
        returns (uint256)
    {
        if (to - from == 1) return length;
        uint256 k = _split(to - from);
        if (m < k) {
            length = _path(leaves, from, from + k, m, out, length);
            out[length] = _root(leaves, from + k, to);
        } else {
            length = _path(leaves, from + k, to, m - k, out, length);
            out[length] = _root(leaves, from, from + k);
        }
        return length + 1;
    }
}
