// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Approval} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {IEscrow} from "./utils/IEscrow.sol";
import {vm} from "./utils/Vm.sol";

contract RolesTest is EscrowTest {
    uint8 private constant OWNER = 0;
    uint8 private constant GUARDIAN = 1;
    uint8 private constant SETTLERS = 2;

    function _set(address a, address b) private pure returns (address[] memory set) {
        set = new address[](2);
        (set[0], set[1]) = (a, b);
    }

    function _notScheduled(uint8 role) private {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.ChangeNotScheduled.selector, role));
    }

    function _notReady(uint64 readyAt) private {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.ChangeNotReady.selector, readyAt));
    }

    // --- each change ---------------------------------------------------------------------------------

    function test_a_new_owner_after_the_delay() public {
        vm.startPrank(owner);
        vm.expectEmit(address(escrow));
        emit IEscrow.OwnerScheduled(stranger, START + ROLE_DELAY);
        escrow.scheduleOwner(stranger);
        (bytes32 change, uint64 readyAt) = escrow.pendingChange(OWNER);
        assertEq(change, keccak256(abi.encode(stranger)), "visible");
        assertEq(readyAt, START + ROLE_DELAY, "visible");
        vm.warp(START + ROLE_DELAY - 1);
        _notReady(START + ROLE_DELAY);
        escrow.applyOwner(stranger);
        vm.warp(START + ROLE_DELAY);
        vm.expectEmit(address(escrow));
        emit IEscrow.OwnerChanged(stranger);
        escrow.applyOwner(stranger);
        assertEq(escrow.owner(), stranger, "owner");
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotOwner.selector, owner));
        escrow.scheduleOwner(owner);
    }

    function test_a_new_guardian_after_the_delay() public {
        vm.startPrank(owner);
        vm.expectEmit(address(escrow));
        emit IEscrow.GuardianScheduled(stranger, START + ROLE_DELAY);
        escrow.scheduleGuardian(stranger);
        vm.warp(START + ROLE_DELAY - 1);
        _notReady(START + ROLE_DELAY);
        escrow.applyGuardian(stranger);
        vm.warp(START + ROLE_DELAY);
        vm.expectEmit(address(escrow));
        emit IEscrow.GuardianChanged(stranger);
        escrow.applyGuardian(stranger);
        assertEq(escrow.guardian(), stranger, "guardian");
        vm.stopPrank();
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotGuardian.selector, guardian));
        escrow.pause();
        vm.prank(stranger);
        escrow.pause();
    }

    function test_new_settlers_after_the_delay() public {
        address[] memory next = _set(address(0x10), settlers[1]);
        vm.startPrank(owner);
        vm.expectEmit(address(escrow));
        emit IEscrow.SettlersScheduled(next, 1, START + ROLE_DELAY);
        escrow.scheduleSettlers(next, 1);
        vm.warp(START + ROLE_DELAY - 1);
        _notReady(START + ROLE_DELAY);
        escrow.applySettlers(next, 1);
        vm.warp(START + ROLE_DELAY);
        vm.expectEmit(address(escrow));
        emit IEscrow.SettlersChanged(next, 1);
        escrow.applySettlers(next, 1);
        assertEq(escrow.threshold(), 1, "threshold");
        assertEq(escrow.settlers().length, 2, "settlers");
        assertEq(escrow.settlers()[1], settlers[1], "settlers");
        assertTrue(escrow.isSettler(address(0x10)) && escrow.isSettler(settlers[1]), "in");
        assertTrue(!escrow.isSettler(settlers[0]) && !escrow.isSettler(settlers[2]), "out");
        assertTrue(!escrow.isSettler(address(0)) && !escrow.isSettler(stranger), "never in");
    }

    function test_a_pending_epoch_outlives_its_settlers() public {
        vm.prank(owner);
        escrow.scheduleSettlers(_set(address(0x10), address(0x11)), 2);
        vm.warp(START + ROLE_DELAY);
        _deposit(0, 1e6);
        _settleJobs(1, 0, 0);
        vm.prank(owner);
        escrow.applySettlers(_set(address(0x10), address(0x11)), 2);
        _closeWindow();
        assertEq(escrow.claimFor(payees[0]), FEE, "final all the same");
        Draft memory d = _draft(_counts(1, 0, 0), payees[0]);
        _settleReverts(d, abi.encodeWithSelector(IEscrow.NotSettler.selector, settlers[0]));
    }

    // --- what is on its way --------------------------------------------------------------------------

    function test_only_what_was_announced() public {
        vm.startPrank(owner);
        _notScheduled(OWNER);
        escrow.applyOwner(stranger);
        _notScheduled(GUARDIAN);
        escrow.applyGuardian(stranger);
        _notScheduled(SETTLERS);
        escrow.applySettlers(settlers, 2);
        escrow.scheduleOwner(stranger);
        escrow.scheduleGuardian(stranger);
        escrow.scheduleSettlers(settlers, 2);
        vm.warp(START + ROLE_DELAY);
        _notScheduled(OWNER);
        escrow.applyOwner(address(0x10));
        _notScheduled(GUARDIAN);
        escrow.applyGuardian(address(0x10));
        _notScheduled(SETTLERS);
        escrow.applySettlers(settlers, 1);
        _notScheduled(SETTLERS);
        escrow.applySettlers(_set(settlers[0], settlers[1]), 2);
    }

    function test_once() public {
        vm.startPrank(owner);
        escrow.scheduleGuardian(stranger);
        vm.warp(START + ROLE_DELAY);
        escrow.applyGuardian(stranger);
        _notScheduled(GUARDIAN);
        escrow.applyGuardian(stranger);
    }

    function test_an_announcement_lapses() public {
        vm.startPrank(owner);
        escrow.scheduleGuardian(stranger);
        vm.warp(START + 2 * ROLE_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.ChangeLapsed.selector, START + 2 * ROLE_DELAY));
        escrow.applyGuardian(stranger);
        vm.warp(START + 2 * ROLE_DELAY - 1);
        escrow.applyGuardian(stranger);
        assertEq(escrow.guardian(), stranger, "guardian");
    }

    function test_another_announcement_replaces_the_one_before() public {
        vm.startPrank(owner);
        escrow.scheduleGuardian(stranger);
        vm.warp(START + 1);
        escrow.scheduleGuardian(address(0x10));
        vm.warp(START + ROLE_DELAY);
        _notScheduled(GUARDIAN);
        escrow.applyGuardian(stranger);
        _notReady(START + ROLE_DELAY + 1);
        escrow.applyGuardian(address(0x10));
    }

    // --- what is never allowed -----------------------------------------------------------------------

    function test_only_the_owner() public {
        address[3] memory others = [guardian, settlers[0], stranger];
        for (uint256 i; i < others.length; ++i) {
            bytes memory why = abi.encodeWithSelector(IEscrow.NotOwner.selector, others[i]);
            vm.startPrank(others[i]);
            vm.expectRevert(why);
            escrow.scheduleOwner(stranger);
            vm.expectRevert(why);
            escrow.applyOwner(stranger);
            vm.expectRevert(why);
            escrow.scheduleGuardian(stranger);
            vm.expectRevert(why);
            escrow.applyGuardian(stranger);
            vm.expectRevert(why);
            escrow.scheduleSettlers(settlers, 2);
            vm.expectRevert(why);
            escrow.applySettlers(settlers, 2);
            vm.stopPrank();
        }
    }

    function test_no_role_is_nobodys() public {
        vm.startPrank(owner);
        escrow.scheduleOwner(address(0));
        escrow.scheduleGuardian(address(0));
        vm.warp(START + ROLE_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NullRole.selector, OWNER));
        escrow.applyOwner(address(0));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NullRole.selector, GUARDIAN));
        escrow.applyGuardian(address(0));
    }

    function test_the_guardian_is_never_a_settler() public {
        vm.startPrank(owner);
        address[] memory withGuardian = _set(guardian, settlers[1]);
        escrow.scheduleGuardian(settlers[1]);
        escrow.scheduleSettlers(withGuardian, 1);
        vm.warp(START + ROLE_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.GuardianIsSettler.selector, settlers[1]));
        escrow.applyGuardian(settlers[1]);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.GuardianIsSettler.selector, guardian));
        escrow.applySettlers(withGuardian, 1);
    }

    function _settlersRefused(address[] memory set, uint64 threshold, bytes memory why) private {
        vm.startPrank(owner);
        escrow.scheduleSettlers(set, threshold);
        vm.warp(block.timestamp + ROLE_DELAY);
        vm.expectRevert(why);
        escrow.applySettlers(set, threshold);
        vm.stopPrank();
    }

    function test_sets_that_make_no_sense() public {
        bytes4 bad = IEscrow.BadThreshold.selector;
        bytes4 ascending = IEscrow.SettlersNotAscending.selector;
        _settlersRefused(settlers, 0, abi.encodeWithSelector(bad, 0, 3));
        _settlersRefused(settlers, 4, abi.encodeWithSelector(bad, 4, 3));
        _settlersRefused(new address[](0), 0, abi.encodeWithSelector(bad, 0, 0));
        _settlersRefused(new address[](17), 1, abi.encodeWithSelector(bad, 1, 17));
        _settlersRefused(_set(address(0), settlers[0]), 1, abi.encodeWithSelector(ascending, address(0)));
        _settlersRefused(_set(settlers[0], settlers[0]), 1, abi.encodeWithSelector(ascending, settlers[0]));
        _settlersRefused(_set(settlers[1], settlers[0]), 1, abi.encodeWithSelector(ascending, settlers[0]));
    }

    function test_the_largest_set_settles() public {
        (uint256[] memory keys, address[] memory set) = _keys(0x16, 16);
        vm.prank(owner);
        escrow.scheduleSettlers(set, 16);
        vm.warp(START + ROLE_DELAY);
        vm.prank(owner);
        escrow.applySettlers(set, 16);
        assertEq(escrow.MAX_SETTLERS(), 16, "limit");
        Draft memory d = _draft(_counts(0, 0, 0), payees[0]);
        bytes32 digest = _digest(_sealHash(d.seal));
        Approval[] memory approvals = new Approval[](16);
        for (uint256 i; i < 16; ++i) {
            approvals[i] = Approval(set[i], _sign(keys[i], digest));
        }
        escrow.settle(d.seal, d.charges, d.payouts, approvals);
        assertEq(escrow.lastEpoch(), 1, "last epoch");
    }
}
