// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {JobOrder, Leaf, Receipt, Status} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {vm} from "./utils/Vm.sol";

contract ProveDuplicateTest is EscrowTest {
    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            _deposit(i, 10e6);
        }
    }

    function _proves(Draft memory d, uint256 i, Draft memory other, uint64 otherEpoch, uint256 j, bool withOrders)
        private
    {
        uint64 epoch = escrow.lastEpoch();
        bytes memory order = withOrders ? d.orders[i] : bytes("");
        bytes memory otherOrder = withOrders ? other.orders[j] : bytes("");
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.EpochVoided(epoch, "duplicate");
        vm.prank(stranger);
        escrow.proveDuplicate(epoch, _leaf(d, i), order, otherEpoch, _leaf(other, j), otherOrder);
        assertEq(uint256(escrow.epochs(epoch).status), uint256(Status.Void), "status");
    }

    function _refused(Draft memory d, uint256 i, Draft memory other, uint64 otherEpoch, uint256 j, bytes memory why)
        private
    {
        uint64 epoch = escrow.lastEpoch();
        Leaf memory a = _leaf(d, i);
        Leaf memory b = _leaf(other, j);
        vm.expectRevert(why);
        escrow.proveDuplicate(epoch, a, d.orders[i], otherEpoch, b, other.orders[j]);
    }

    function _twoPlaces() private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISwarmEscrow.NotTwoPlaces.selector);
    }

    function test_a_job_twice_in_an_epoch() public {
        Draft memory d = _draft(_counts(2, 0, 0), payees[0]);
        Receipt memory a = _receiptOf(d, 0);
        Receipt memory b = _receiptOf(d, 1);
        (b.jobEpoch, b.jobSeq) = (a.jobEpoch, a.jobSeq);
        d.leaves[1] = abi.encode(b);
        _seal(d);
        _settle(d);
        _proves(d, 1, d, 1, 0, false);
    }

    function test_a_job_of_two_clients() public {
        Draft memory d = _draft(_counts(1, 1, 0), payees[0]);
        Receipt memory a = _receiptOf(d, 0);
        Receipt memory b = _receiptOf(d, 1);
        (b.jobEpoch, b.jobSeq) = (a.jobEpoch, a.jobSeq);
        d.leaves[1] = abi.encode(b);
        _seal(d);
        _settle(d);
        _proves(d, 0, d, 1, 1, false);
    }

    function test_the_same_number_in_another_job_epoch_is_another_job() public {
        Draft memory d = _draft(_counts(2, 0, 0), payees[0]);
        Receipt memory a = _receiptOf(d, 0);
        Receipt memory b = _receiptOf(d, 1);
        (a.jobEpoch, b.jobSeq) = (0, a.jobSeq);
        d.leaves[0] = abi.encode(a);
        d.leaves[1] = abi.encode(b);
        _seal(d);
        _settle(d);
        _refused(d, 0, d, 1, 1, abi.encodeWithSelector(ISwarmEscrow.NoFault.selector));
    }

    function test_an_order_twice() public {
        Draft memory d = _draft(_counts(2, 0, 0), payees[0]);
        Receipt memory b = _receiptOf(d, 1);
        b.order = sha256(d.orders[0]);
        d.leaves[1] = abi.encode(b);
        _seal(d);
        _settle(d);
        _proves(d, 0, d, 1, 1, false);
    }

    function test_two_orders_with_one_nonce() public {
        Draft memory d = _draft(_counts(2, 0, 0), payees[0]);
        JobOrder memory order = _newOrder(clients[0]);
        order.nonce = nextNonce - 3; // that of the first job
        order.maxFee += 1; // another body
        d.orders[1] = _signOrder(clientKeys[0], order);
        Receipt memory b = _receiptOf(d, 1);
        b.order = sha256(d.orders[1]);
        d.leaves[1] = abi.encode(b);
        _seal(d);
        _settle(d);
        uint256 state = vm.snapshotState();
        _proves(d, 0, d, 1, 1, true);
        vm.revertToState(state);
        // The orders are needed for it.
        Leaf memory x = _leaf(d, 0);
        Leaf memory y = _leaf(d, 1);
        vm.expectRevert(
            abi.encodeWithSelector(ISwarmEscrow.WrongOrderPreimage.selector, sha256(""), sha256(d.orders[0]))
        );
        escrow.proveDuplicate(1, x, "", 1, y, "");
        vm.expectRevert(
            abi.encodeWithSelector(ISwarmEscrow.WrongOrderPreimage.selector, sha256(d.orders[0]), sha256(d.orders[1]))
        );
        escrow.proveDuplicate(1, x, d.orders[0], 1, y, d.orders[0]);
    }

    function test_one_nonce_of_two_clients_is_no_fault() public {
        Draft memory d = _draft(_counts(1, 1, 0), payees[0]);
        JobOrder memory order = _newOrder(clients[1]);
        order.nonce = nextNonce - 3;
        d.orders[1] = _signOrder(clientKeys[1], order);
        Receipt memory b = _receiptOf(d, 1);
        b.order = sha256(d.orders[1]);
        d.leaves[1] = abi.encode(b);
        _seal(d);
        _settle(d);
        _refused(d, 0, d, 1, 1, abi.encodeWithSelector(ISwarmEscrow.NoFault.selector));
    }

    function test_settled_again_after_it_was_final() public {
        Draft memory first = _settleJobs(2, 1, 0);
        _closeWindow();
        Draft memory second = _draft(_counts(2, 0, 0), payees[0]);
        second.leaves[0] = first.leaves[1];
        second.orders[0] = first.orders[1];
        _seal(second);
        _settle(second);
        _refused(second, 1, first, 1, 0, abi.encodeWithSelector(ISwarmEscrow.NoFault.selector));
        _proves(second, 0, first, 1, 1, false);
    }

    function test_settled_again_after_a_void_is_no_fault() public {
        Draft memory d = _settleJobs(2, 1, 0);
        vm.startPrank(guardian);
        escrow.voidEpoch(1);
        escrow.resume();
        vm.stopPrank();
        vm.warp(START + 1);
        _seal(d);
        _settle(d);
        for (uint256 i; i < 3; ++i) {
            _refused(d, i, d, 1, i, _twoPlaces());
        }
    }

    function test_one_place_is_not_two() public {
        Draft memory d = _settleJobs(2, 1, 0);
        for (uint256 i; i < 3; ++i) {
            _refused(d, i, d, 1, i, _twoPlaces());
        }
        _refused(d, 0, d, 2, 1, _twoPlaces());
        _refused(d, 0, d, 0, 1, _twoPlaces());
    }

    function test_honest_jobs_are_no_fault() public {
        Draft memory first = _settleJobs(2, 1, 1);
        for (uint256 i; i < 4; ++i) {
            for (uint256 j; j < 4; ++j) {
                if (i != j) _refused(first, i, first, 1, j, abi.encodeWithSelector(ISwarmEscrow.NoFault.selector));
            }
        }
        _closeWindow();
        Draft memory second = _settleJobs(1, 1, 1);
        for (uint256 i; i < 3; ++i) {
            for (uint256 j; j < 4; ++j) {
                _refused(second, i, first, 1, j, abi.encodeWithSelector(ISwarmEscrow.NoFault.selector));
            }
        }
    }

    function test_both_leaves_must_be_in_their_trees() public {
        Draft memory d = _settleJobs(2, 1, 0);
        Leaf memory a = _leaf(d, 0);
        Leaf memory b = _leaf(d, 1);
        b.index = 2;
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NotIncluded.selector, 1, 2));
        escrow.proveDuplicate(1, a, "", 1, b, "");
        a.index = 2;
        b.index = 1;
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NotIncluded.selector, 1, 2));
        escrow.proveDuplicate(1, a, "", 1, b, "");
    }

    function test_only_within_the_window() public {
        Draft memory d = _settleJobs(2, 1, 0);
        vm.warp(START + WINDOW);
        _refused(d, 0, d, 1, 1, abi.encodeWithSelector(ISwarmEscrow.NotPending.selector, 1, Status.Final));
    }
}
