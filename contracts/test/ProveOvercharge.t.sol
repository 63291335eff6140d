// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {Entry, Leaf, Receipt, Status} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {vm} from "./utils/Vm.sol";

contract ProveOverchargeTest is EscrowTest {
    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            _deposit(i, 10e6);
        }
    }

    /// Clients 0, 1, 1, 2: four leaves, five gaps.
    function _four() private returns (Draft memory) {
        return _draft(_counts(1, 2, 1), payees[0]);
    }

    function _edit(Draft memory d, uint256 i, Receipt memory receipt) private pure {
        d.leaves[i] = abi.encode(receipt);
    }

    /// The leaves on both sides of a gap; what lies outside the tree is left empty.
    function _sides(Draft memory d, uint256 gap) private pure returns (Leaf memory left, Leaf memory right) {
        if (gap != 0) left = _leaf(d, gap - 1);
        if (gap < d.leaves.length) right = _leaf(d, gap);
    }

    /// In which gaps a fault shows, as a bit mask.
    function _faults(Draft memory d, address absent) private returns (uint256 mask) {
        _seal(d);
        uint256 state = vm.snapshotState();
        _settle(d);
        for (uint256 gap; gap <= d.leaves.length; ++gap) {
            (Leaf memory left, Leaf memory right) = _sides(d, gap);
            uint256 before = vm.snapshotState();
            try escrow.proveOvercharge(1, uint64(gap), left, right, absent) {
                mask |= 1 << gap;
                assertEq(uint256(escrow.epochs(1).status), uint256(Status.Void), "status");
            } catch (bytes memory why) {
                assertEq(bytes32(why), bytes32(ISwarmEscrow.NoFault.selector), "why not");
            }
            vm.revertToState(before);
        }
        vm.revertToState(state);
    }

    function test_honest_epochs_show_no_fault() public {
        assertEq(_faults(_four(), address(0)), 0, "four");
        for (uint256 i; i < 3; ++i) {
            assertEq(_faults(_four(), clients[i]), 0, "a charged client with leaves");
        }
        assertEq(_faults(_four(), stranger), 0, "a stranger");
        assertEq(_faults(_draft(_counts(1, 0, 0), payees[0]), clients[0]), 0, "one");
        assertEq(_faults(_draft(_counts(0, 0, 0), payees[0]), clients[0]), 0, "none");
        assertEq(_faults(_draft(_counts(0, 5, 0), payees[0]), clients[0]), 0, "one client");
    }

    function test_honest_free_jobs_show_no_fault() public {
        Draft memory d = _four();
        Receipt memory r = _receiptOf(d, 3);
        (r.fee, r.clientTotal) = (0, 0);
        _edit(d, 3, r);
        Entry[] memory charges = new Entry[](2);
        (charges[0], charges[1]) = (d.charges[0], d.charges[1]);
        d.charges = charges;
        d.payouts[0].amount -= FEE;
        assertEq(_faults(d, clients[2]), 0, "nothing charged, nothing owed");
    }

    function test_clients_out_of_order() public {
        Draft memory d = _four();
        (d.leaves[0], d.leaves[3]) = (d.leaves[3], d.leaves[0]);
        assertEq(_faults(d, address(0)), 0x0a, "beside both");
    }

    function test_jobs_out_of_order() public {
        Draft memory d = _four();
        Receipt memory a = _receiptOf(d, 1);
        Receipt memory b = _receiptOf(d, 2);
        (a.jobSeq, b.jobSeq) = (b.jobSeq, a.jobSeq);
        _edit(d, 1, a);
        _edit(d, 2, b);
        assertEq(_faults(d, address(0)), 0x04, "numbers");
        (b.jobEpoch, b.jobSeq) = (a.jobEpoch, a.jobSeq);
        _edit(d, 2, b);
        assertEq(_faults(d, address(0)), 0x04, "equal");
        (a.jobEpoch, b.jobEpoch) = (1, 0);
        (a.jobSeq, b.jobSeq) = (1, 2);
        _edit(d, 1, a);
        _edit(d, 2, b);
        assertEq(_faults(d, address(0)), 0x04, "epochs");
        (a.jobEpoch, b.jobEpoch) = (0, 1);
        (a.jobSeq, b.jobSeq) = (2, 1);
        _edit(d, 1, a);
        _edit(d, 2, b);
        assertEq(_faults(d, address(0)), 0, "the epoch goes first");
    }

    function test_totals_that_do_not_run_on() public {
        for (uint256 i; i < 4; ++i) {
            Draft memory d = _four();
            Receipt memory r = _receiptOf(d, i);
            r.clientTotal += 1;
            _edit(d, i, r);
            // On its left it does not follow; on its right nothing follows from it, or it is not the charge.
            assertEq(_faults(d, address(0)), (1 << i) | (2 << i), "one too much");
        }
    }

    function test_totals_that_wrap() public {
        Draft memory d = _four();
        Receipt memory a = _receiptOf(d, 1);
        Receipt memory b = _receiptOf(d, 2);
        (a.fee, a.clientTotal) = (type(uint64).max, type(uint64).max);
        (b.fee, b.clientTotal) = (2 * FEE + 1, 2 * FEE);
        _edit(d, 1, a);
        _edit(d, 2, b);
        assertEq(_faults(d, address(0)), 0x04, "in 64 bits it would run on");
    }

    function test_a_client_that_starts_with_anothers_total() public {
        Draft memory d = _four();
        Receipt memory r = _receiptOf(d, 3);
        r.clientTotal = 3 * FEE;
        _edit(d, 3, r);
        d.charges[2].amount = 3 * FEE;
        d.payouts[0].amount += 2 * FEE;
        assertEq(_faults(d, address(0)), 0x08, "runs on across clients");
    }

    function test_charged_more_or_less_than_the_last_total() public {
        for (uint256 i; i < 3; ++i) {
            uint256 gap = i == 0 ? 1 : i + 2;
            Draft memory d = _four();
            d.charges[i].amount += 1;
            d.payouts[0].amount += 1;
            assertEq(_faults(d, address(0)), 1 << gap, "more");
            d = _four();
            d.charges[i].amount -= 1;
            d.payouts[0].amount -= 1;
            assertEq(_faults(d, address(0)), 1 << gap, "less");
        }
    }

    function test_receipts_without_a_charge() public {
        Draft memory d = _four();
        Entry[] memory charges = new Entry[](2);
        (charges[0], charges[1]) = (d.charges[0], d.charges[2]);
        d.charges = charges;
        d.payouts[0].amount -= 2 * FEE;
        assertEq(_faults(d, address(0)), 0x08, "not charged at all");
    }

    function test_charged_without_a_leaf() public {
        uint256[3] memory gap = [uint256(0), 1, 2];
        for (uint256 i; i < 3; ++i) {
            uint256[] memory jobs = _counts(1, 1, 1);
            jobs[i] = 0;
            Draft memory d = _draft(jobs, payees[0]);
            d.charges = new Entry[](3);
            for (uint256 j; j < 3; ++j) {
                d.charges[j] = Entry(clients[j], FEE);
            }
            d.payouts[0].amount = 3 * FEE;
            assertEq(_faults(d, clients[i]), 1 << gap[i], "in the gap where it would be");
            assertEq(_faults(d, address(0)), 0, "only when it is named");
        }
    }

    function test_an_old_pending_charge_is_not_this_epochs() public {
        _settleJobs(1, 1, 1);
        _closeWindow();
        Draft memory d = _settleJobs(0, 1, 1);
        (Leaf memory left, Leaf memory right) = _sides(d, 0);
        vm.expectRevert(ISwarmEscrow.NoFault.selector);
        escrow.proveOvercharge(2, 0, left, right, clients[0]);
    }

    function test_touching_an_account_in_the_window_makes_no_fault() public {
        Draft memory d = _settleJobs(1, 0, 0);
        vm.startPrank(clients[0]);
        escrow.deposit(1e6);
        escrow.requestWithdrawal(1e6);
        vm.stopPrank();
        (Leaf memory left, Leaf memory right) = _sides(d, 1);
        vm.expectRevert(ISwarmEscrow.NoFault.selector);
        escrow.proveOvercharge(1, 1, left, right, clients[0]);
    }

    function test_leaves_must_be_the_neighbours_of_the_gap() public {
        Draft memory d = _settle4();
        Leaf memory l1 = _leaf(d, 1);
        Leaf memory l3 = _leaf(d, 3);
        Leaf memory l2 = _leaf(d, 2);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.LeavesNotNeighbours.selector, 1, 3));
        escrow.proveOvercharge(1, 3, l1, l3, address(0));
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.LeavesNotNeighbours.selector, 2, 3));
        escrow.proveOvercharge(1, 2, l1, l3, address(0));
        // A gap past the end has a left side that is in no tree.
        l2.index = 4;
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NotIncluded.selector, 1, 4));
        escrow.proveOvercharge(1, 5, l2, l3, address(0));
    }

    function test_only_within_the_window() public {
        Draft memory d = _settle4();
        (Leaf memory left, Leaf memory right) = _sides(d, 1);
        vm.warp(START + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NotPending.selector, 1, Status.Final));
        escrow.proveOvercharge(1, 1, left, right, address(0));
    }

    function _settle4() private returns (Draft memory d) {
        d = _four();
        _settle(d);
    }
}
