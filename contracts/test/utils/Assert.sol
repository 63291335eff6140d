// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {vm} from "./Vm.sol";

/// @dev Assertions that name what differs, and what forge's runner asks a test contract for.
abstract contract Assert {
    bool public constant IS_TEST = true;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    error Differ(string what, string left, string right);
    error NotTrue(string what);

    function assertEq(uint256 a, uint256 b, string memory what) internal pure {
        if (a != b) revert Differ(what, vm.toString(a), vm.toString(b));
    }

    function assertEq(address a, address b, string memory what) internal pure {
        if (a != b) revert Differ(what, vm.toString(a), vm.toString(b));
    }

    function assertEq(bytes32 a, bytes32 b, string memory what) internal pure {
        if (a != b) revert Differ(what, vm.toString(a), vm.toString(b));
    }

    function assertTrue(bool holds, string memory what) internal pure {
        if (!holds) revert NotTrue(what);
    }

    function assertLe(uint256 a, uint256 b, string memory what) internal pure {
        if (a > b) revert Differ(string.concat(what, " (at most)"), vm.toString(a), vm.toString(b));
    }

    /// `x` folded into low..high, both included.
    function bound(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        if (x >= low && x <= high) return x;
        uint256 size = high - low + 1;
        return size == 0 ? x : low + x % size;
    }
}
