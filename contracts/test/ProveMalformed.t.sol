// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {Leaf, Receipt, Status} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {vm} from "./utils/Vm.sol";

contract ProveMalformedTest is EscrowTest {
    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            _deposit(i, 10e6);
        }
    }

    /// Settles an epoch of four receipts of which number 2 is `data`.
    function _settleWithLeaf(bytes memory data) private returns (Draft memory d) {
        d = _draft(_counts(2, 1, 1), payees[0]);
        d.leaves[2] = data;
        _seal(d);
        _settle(d);
    }

    function _proves(bytes memory data) private {
        uint256 state = vm.snapshotState();
        Draft memory d = _settleWithLeaf(data);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.EpochVoided(1, "malformed leaf");
        vm.prank(stranger);
        escrow.proveMalformedLeaf(1, _leaf(d, 2));
        assertEq(uint256(escrow.epochs(1).status), uint256(Status.Void), "status");
        vm.revertToState(state);
    }

    function _dirty(bytes memory data, uint256 word, uint256 bit) private pure returns (bytes memory dirty) {
        dirty = bytes.concat(data);
        uint256 place = word * 32 + 31 - bit / 8;
        dirty[place] = bytes1(uint8(dirty[place]) | uint8(1 << (bit % 8)));
    }

    function test_a_leaf_of_another_length() public {
        bytes memory good = _draft(_counts(1, 0, 0), payees[0]).leaves[0];
        _proves("");
        _proves(new bytes(479));
        _proves(bytes.concat(good, hex"00"));
        _proves(new bytes(64));
    }

    /// Any bit above a field's width, in any word that has such bits, and in no other.
    function testFuzz_bits_above_the_fields(uint256 word, uint256 bit) public {
        word %= 15;
        bit %= 256;
        bytes memory good = _draft(_counts(1, 0, 0), payees[0]).leaves[0];
        bool number = word < 2 || word > 9;
        bool addr = word == 2 || word == 3;
        bytes memory dirty = _dirty(good, word, bit);
        if ((number && bit >= 64) || (addr && bit >= 160)) {
            _proves(dirty);
        } else {
            Draft memory d = _settleWithLeaf(dirty);
            Leaf memory leaf = _leaf(d, 2);
            vm.expectRevert(ISwarmEscrow.NoFault.selector);
            escrow.proveMalformedLeaf(1, leaf);
        }
    }

    function test_honest_leaves_are_no_fault() public {
        Draft memory d = _settleJobs(2, 1, 1);
        for (uint256 i; i < 4; ++i) {
            Leaf memory leaf = _leaf(d, i);
            vm.expectRevert(ISwarmEscrow.NoFault.selector);
            escrow.proveMalformedLeaf(1, leaf);
        }
    }

    /// What is not in the tree proves nothing: wrong index, path, length, epoch; a node is no leaf.
    function test_only_what_is_in_the_tree() public {
        Draft memory d = _settleWithLeaf("bad");
        Leaf memory leaf = _leaf(d, 2);
        bytes memory why = abi.encodeWithSelector(ISwarmEscrow.NotIncluded.selector, 1, 2);
        leaf.data = "other";
        vm.expectRevert(why);
        escrow.proveMalformedLeaf(1, leaf);
        leaf = _leaf(d, 2);
        leaf.path = new bytes32[](1);
        vm.expectRevert(why);
        escrow.proveMalformedLeaf(1, leaf);
        leaf.path = new bytes32[](3);
        (leaf.path[0], leaf.path[1]) = (_leaf(d, 2).path[0], _leaf(d, 2).path[1]);
        vm.expectRevert(why);
        escrow.proveMalformedLeaf(1, leaf);
        leaf = _leaf(d, 2);
        uint64[4] memory places = [uint64(0), 3, 4, type(uint64).max];
        for (uint256 i; i < places.length; ++i) {
            leaf.index = places[i];
            vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NotIncluded.selector, 1, places[i]));
            escrow.proveMalformedLeaf(1, leaf);
        }
        // The node over leaves 0 and 1 as if it were a leaf of 65 bytes (its hash has prefix 1, a leaf's 0).
        bytes32[] memory h = _hashes(d);
        leaf.index = 0;
        leaf.data = abi.encodePacked(h[0], h[1]);
        leaf.path = new bytes32[](1);
        leaf.path[0] = sha256(abi.encodePacked(bytes1(0x01), h[2], h[3]));
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NotIncluded.selector, 1, 0));
        escrow.proveMalformedLeaf(1, leaf);
    }

    function test_only_within_the_window() public {
        Draft memory d = _settleWithLeaf("bad");
        Leaf memory leaf = _leaf(d, 2);
        vm.warp(START + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NotPending.selector, 1, Status.Final));
        escrow.proveMalformedLeaf(1, leaf);
        vm.warp(START + WINDOW - 1);
        escrow.proveMalformedLeaf(1, leaf);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NotPending.selector, 1, Status.Void));
        escrow.proveMalformedLeaf(1, leaf);
    }

    // --- orders --------------------------------------------------------------------------------------

    function _settleWithOrder(bytes memory order) private returns (Draft memory d) {
        d = _draft(_counts(2, 1, 1), payees[0]);
        Receipt memory receipt = _receiptOf(d, 2);
        receipt.order = sha256(order);
        d.leaves[2] = abi.encode(receipt);
        _seal(d);
        _settle(d);
    }

    function _provesOrder(bytes memory order) private {
        uint256 state = vm.snapshotState();
        Draft memory d = _settleWithOrder(order);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.EpochVoided(1, "malformed order");
        vm.prank(stranger);
        escrow.proveMalformedOrder(1, _leaf(d, 2), order);
        vm.revertToState(state);
    }

    function test_an_order_of_another_length() public {
        bytes memory good = _draft(_counts(1, 0, 0), payees[0]).orders[0];
        assertEq(good.length, 257, "a signed order");
        bytes memory short = new bytes(256);
        for (uint256 i; i < 256; ++i) {
            short[i] = good[i];
        }
        _provesOrder(short);
        _provesOrder(bytes.concat(good, hex"00"));
        _provesOrder("");
    }

    function testFuzz_bits_above_the_orders_fields(uint256 word, uint256 bit) public {
        word %= 6;
        bit %= 256;
        bytes memory good = _draft(_counts(1, 0, 0), payees[0]).orders[0];
        bytes memory dirty = _dirty(good, word, bit);
        if ((word == 0 && bit >= 160) || (word > 2 && bit >= 64)) {
            _provesOrder(dirty);
        } else {
            Draft memory d = _settleWithOrder(dirty);
            Leaf memory leaf = _leaf(d, 2);
            vm.expectRevert(ISwarmEscrow.NoFault.selector);
            escrow.proveMalformedOrder(1, leaf, dirty);
        }
    }

    function test_honest_orders_and_other_bytes_are_no_fault() public {
        Draft memory d = _settleJobs(2, 1, 1);
        Leaf memory leaf = _leaf(d, 2);
        vm.expectRevert(ISwarmEscrow.NoFault.selector);
        escrow.proveMalformedOrder(1, leaf, d.orders[2]);
        vm.expectRevert(
            abi.encodeWithSelector(ISwarmEscrow.WrongOrderPreimage.selector, sha256(d.orders[1]), sha256(d.orders[2]))
        );
        escrow.proveMalformedOrder(1, leaf, d.orders[1]);
        vm.expectRevert(
            abi.encodeWithSelector(ISwarmEscrow.WrongOrderPreimage.selector, sha256(""), sha256(d.orders[2]))
        );
        escrow.proveMalformedOrder(1, leaf, "");
    }

    function test_a_malformed_leaf_is_no_receipt_to_other_proofs() public {
        Draft memory d = _settleWithLeaf("bad");
        Leaf memory leaf = _leaf(d, 2);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.MalformedLeaf.selector, 2));
        escrow.proveMalformedOrder(1, leaf, "");
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.MalformedLeaf.selector, 2));
        escrow.proveUnauthorised(1, leaf, "");
    }
}
