// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Receipt, Status} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {Tree} from "./utils/Tree.sol";
import {vm} from "./utils/Vm.sol";

contract VerifyReceiptTest is EscrowTest {
    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            _deposit(i, 10e6);
        }
    }

    function _verify(Draft memory d, uint256 i, uint64 index) private view returns (bool included, Status status) {
        return escrow.verifyReceipt(1, index, _receiptOf(d, i), Tree.path(_hashes(d), i));
    }

    function test_each_receipt_stands_at_its_place_and_at_no_other() public {
        Draft memory d = _settleJobs(3, 2, 2);
        for (uint256 i; i < 7; ++i) {
            for (uint64 index; index < 9; ++index) {
                (bool included, Status status) = _verify(d, i, index);
                assertTrue(included == (i == index), "place");
                assertTrue(status == Status.Pending, "status");
            }
        }
    }

    function test_the_epochs_status_goes_with_it() public {
        Draft memory d = _settleJobs(1, 0, 0);
        uint256 state = vm.snapshotState();
        vm.prank(guardian);
        escrow.voidEpoch(1);
        (bool included, Status status) = _verify(d, 0, 0);
        assertTrue(included && status == Status.Void, "void");
        vm.revertToState(state);
        _closeWindow();
        (included, status) = _verify(d, 0, 0);
        assertTrue(included && status == Status.Final, "final");
        (included, status) = escrow.verifyReceipt(2, 0, _receiptOf(d, 0), new bytes32[](0));
        assertTrue(!included && status == Status.None, "no such epoch");
    }

    function testFuzz_any_flipped_field_is_not_included(uint8 field, uint64 flip) public {
        Draft memory d = _settleJobs(2, 1, 0);
        bytes32[] memory path = Tree.path(_hashes(d), 1);
        bytes memory data = d.leaves[1];
        uint256 word = field % 15;
        uint64 bits = flip == 0 ? 1 : flip;
        assembly ("memory-safe") {
            let place := add(add(data, 32), shl(5, word))
            mstore(place, xor(mload(place), bits))
        }
        (bool included,) = escrow.verifyReceipt(1, 1, abi.decode(data, (Receipt)), path);
        assertTrue(!included, "not what was settled");
    }

    function testFuzz_the_leaf_is_sha256_of_zero_and_the_encoding(Receipt calldata receipt) public view {
        assertEq(escrow.receiptLeaf(receipt), sha256(abi.encodePacked(bytes1(0x00), abi.encode(receipt))), "leaf");
    }

    /// Trees of random size against the definition in RFC 9162.
    function testFuzz_paths_of_any_tree(uint256 seed, uint8 size_, uint8 index_) public {
        uint256 size = bound(size_, 1, 70);
        uint256 index = index_ % size;
        Draft memory d;
        d.leaves = new bytes[](size);
        Receipt memory receipt = _newReceipt(_newOrder(clients[0]), "", 0, 0);
        for (uint256 i; i < size; ++i) {
            receipt.jobSeq = uint64(uint256(keccak256(abi.encode(seed, i))));
            d.leaves[i] = abi.encode(receipt);
        }
        _seal(d);
        _settle(d);
        bytes32[] memory path = Tree.path(_hashes(d), index);
        (bool included,) = escrow.verifyReceipt(1, uint64(index), _receiptOf(d, index), path);
        assertTrue(included, "included");
        (included,) = escrow.verifyReceipt(1, uint64((index + 1) % size), _receiptOf(d, index), path);
        assertTrue(included == (size == 1), "elsewhere");
        // One step more, one less, one changed.
        bytes32[] memory longer = new bytes32[](path.length + 1);
        for (uint256 i; i < path.length; ++i) {
            longer[i] = path[i];
        }
        (included,) = escrow.verifyReceipt(1, uint64(index), _receiptOf(d, index), longer);
        assertTrue(!included, "too long");
        if (path.length == 0) return;
        bytes32[] memory shorter = new bytes32[](path.length - 1);
        for (uint256 i; i < shorter.length; ++i) {
            shorter[i] = path[i];
        }
        (included,) = escrow.verifyReceipt(1, uint64(index), _receiptOf(d, index), shorter);
        assertTrue(!included, "too short");
        path[seed % path.length] ^= bytes32(uint256(1));
        (included,) = escrow.verifyReceipt(1, uint64(index), _receiptOf(d, index), path);
        assertTrue(!included, "changed");
    }
}
