// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {Status} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {IEscrow} from "./utils/IEscrow.sol";
import {vm} from "./utils/Vm.sol";

/// @dev The guardian's powers: void, resume, pause, unpause.
contract VoidTest is EscrowTest {
    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            _deposit(i, 10e6);
        }
    }

    function _void(uint64 epoch) private {
        vm.prank(guardian);
        escrow.voidEpoch(epoch);
    }

    function _notPending(uint64 epoch, Status status) private {
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NotPending.selector, epoch, status));
    }

    function test_a_void_epoch_gives_everything_back() public {
        _settleJobs(2, 1, 0);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.EpochVoided(1, "guardian");
        _void(1);
        assertEq(uint256(escrow.epochs(1).status), uint256(Status.Void), "status");
        for (uint256 i; i < 3; ++i) {
            assertEq(escrow.account(clients[i]).balance, 10e6, "balance");
            assertEq(escrow.account(clients[i]).chargeable, 10e6, "chargeable");
            assertEq(escrow.account(clients[i]).pending, 0, "pending");
        }
        (uint64 claimable, uint64 pending) = escrow.owed(payees[0]);
        assertEq(claimable, 0, "claimable");
        assertEq(pending, 0, "pending earnings");
        assertEq(escrow.liabilities(), 30e6, "liabilities");
        vm.warp(START + WINDOW);
        (claimable,) = escrow.owed(payees[0]);
        assertEq(claimable, 0, "void for ever");
    }

    function test_only_within_the_window() public {
        _settleJobs(1, 0, 0);
        vm.warp(START + WINDOW);
        _notPending(1, Status.Final);
        _void(1);
        vm.warp(START + WINDOW - 1);
        _void(1);
        _notPending(1, Status.Void);
        _void(1);
    }

    function test_only_an_epoch_that_is_there() public {
        _notPending(0, Status.None);
        _void(0);
        _notPending(1, Status.None);
        _void(1);
        _settleJobs(1, 0, 0);
        _closeWindow();
        _settleJobs(1, 0, 0);
        _notPending(1, Status.Final);
        _void(1);
        _notPending(type(uint64).max, Status.None);
        _void(type(uint64).max);
        _void(2);
    }

    function test_settlement_stops_until_resumed_and_the_number_is_gone() public {
        Draft memory first = _settleJobs(1, 0, 0);
        _void(1);
        assertTrue(escrow.stopped(), "stopped");
        vm.warp(START + 1);
        Draft memory second = _draft(_counts(2, 0, 0), payees[0]);
        _settleReverts(second, abi.encodeWithSelector(ISwarmEscrow.SettlementStopped.selector));
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.SettlementResumed();
        vm.prank(guardian);
        escrow.resume();
        _settleReverts(first, abi.encodeWithSelector(ISwarmEscrow.WrongEpoch.selector, 1, 2));
        // No window to wait for: the epoch before is void. Its hash still chains.
        assertEq(second.seal.previous, _sealHash(first.seal), "previous");
        _settle(second);
        assertEq(escrow.account(clients[0]).balance, 10e6 - 2 * FEE, "charged out of what came back");
        assertEq(escrow.account(clients[0]).pending, 2 * FEE, "pending");
        (, uint64 pending) = escrow.owed(payees[0]);
        assertEq(pending, 2 * FEE, "only the second one's earnings");
        _closeWindow();
        (uint64 claimable,) = escrow.owed(payees[0]);
        assertEq(claimable, 2 * FEE, "final");
        _solvent();
    }

    function test_void_after_final_keeps_what_was_final() public {
        _settleJobs(1, 0, 0);
        _closeWindow();
        _settleJobs(2, 0, 0);
        _void(2);
        assertEq(escrow.account(clients[0]).balance, 10e6 - FEE, "the first is charged");
        (uint64 claimable, uint64 pending) = escrow.owed(payees[0]);
        assertEq(claimable, FEE, "the first is earned");
        assertEq(pending, 0, "the second is not");
    }

    function test_many_voids_in_a_row() public {
        for (uint64 n = 1; n <= 300; ++n) {
            vm.warp(block.timestamp + 1);
            _settleJobs(0, 0, 0);
            _void(n);
            vm.prank(guardian);
            escrow.resume();
        }
        assertEq(uint256(escrow.epochs(255).status), uint256(Status.Void), "end of a word");
        assertEq(uint256(escrow.epochs(256).status), uint256(Status.Void), "begin of the next");
        vm.warp(block.timestamp + 1);
        _settleJobs(1, 0, 0);
        assertEq(uint256(escrow.epochs(301).status), uint256(Status.Pending), "the next is not void");
    }

    // --- who -----------------------------------------------------------------------------------------

    function test_only_the_guardian() public {
        _settleJobs(1, 0, 0);
        address[4] memory others = [owner, settlers[0], clients[0], stranger];
        for (uint256 i; i < others.length; ++i) {
            bytes memory why = abi.encodeWithSelector(IEscrow.NotGuardian.selector, others[i]);
            vm.startPrank(others[i]);
            vm.expectRevert(why);
            escrow.voidEpoch(1);
            vm.expectRevert(why);
            escrow.resume();
            vm.expectRevert(why);
            escrow.pause();
            vm.expectRevert(why);
            escrow.unpause();
            vm.expectRevert(why);
            escrow.refuseCredit(clients[0], 0);
            vm.stopPrank();
        }
    }

    function test_resume_needs_a_stop() public {
        vm.prank(guardian);
        vm.expectRevert(ISwarmEscrow.SettlementNotStopped.selector);
        escrow.resume();
    }

    // --- pause ---------------------------------------------------------------------------------------

    function test_a_pause_lapses_and_cannot_be_renewed_at_once() public {
        vm.startPrank(guardian);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Paused(START + MAX_PAUSE);
        escrow.pause();
        assertEq(escrow.pausedUntil(), START + MAX_PAUSE, "until");
        bytes memory why = abi.encodeWithSelector(ISwarmEscrow.PauseTooSoon.selector, START + 2 * MAX_PAUSE);
        vm.expectRevert(why);
        escrow.pause();
        vm.warp(START + 2 * MAX_PAUSE - 1);
        vm.expectRevert(why);
        escrow.pause();
        vm.warp(START + 2 * MAX_PAUSE);
        escrow.pause();
    }

    function test_unpause() public {
        vm.startPrank(guardian);
        vm.expectRevert(ISwarmEscrow.NotPaused.selector);
        escrow.unpause();
        escrow.pause();
        vm.warp(START + 5);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Unpaused();
        escrow.unpause();
        vm.expectRevert(ISwarmEscrow.NotPaused.selector);
        escrow.unpause();
        vm.stopPrank();
        _deposit(0, 1);
        _settleJobs(1, 0, 0);
    }

    function test_a_pause_does_not_hold_up_finality_or_voids() public {
        _settleJobs(1, 0, 0);
        vm.prank(guardian);
        escrow.pause();
        _void(1);
        assertEq(uint256(escrow.epochs(1).status), uint256(Status.Void), "void while paused");
    }
}
