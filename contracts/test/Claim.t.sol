// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {vm} from "./utils/Vm.sol";

contract ClaimTest is EscrowTest {
    function setUp() public override {
        super.setUp();
        _deposit(0, 10e6);
        _settleJobs(3, 0, 0);
    }

    function _nothing() private {
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NothingToClaim.selector, payees[0]));
    }

    function test_claim_pays_what_is_final_and_only_once() public {
        vm.startPrank(payees[0]);
        vm.warp(START + WINDOW - 1);
        _nothing();
        escrow.claim(stranger);
        vm.warp(START + WINDOW);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Claimed(payees[0], stranger, 3 * FEE);
        assertEq(escrow.claim(stranger), 3 * FEE, "paid");
        assertEq(usdc.balanceOf(stranger), 3 * FEE, "received");
        assertEq(escrow.liabilities(), 10e6 - 3 * FEE, "liabilities");
        _nothing();
        escrow.claim(stranger);
    }

    function test_claimFor_pays_the_payee_whoever_calls() public {
        _closeWindow();
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Claimed(payees[0], payees[0], 3 * FEE);
        vm.prank(stranger);
        assertEq(escrow.claimFor(payees[0]), 3 * FEE, "paid");
        assertEq(usdc.balanceOf(payees[0]), 3 * FEE, "received");
        _nothing();
        escrow.claimFor(payees[0]);
    }

    function test_a_claim_leaves_what_is_pending() public {
        _closeWindow();
        _settleJobs(2, 0, 0);
        vm.prank(payees[0]);
        assertEq(escrow.claim(payees[0]), 3 * FEE, "the first epoch");
        (uint64 claimable, uint64 pending) = escrow.owed(payees[0]);
        assertEq(claimable, 0, "claimable");
        assertEq(pending, 2 * FEE, "pending");
        _closeWindow();
        vm.prank(payees[0]);
        assertEq(escrow.claim(payees[0]), 2 * FEE, "the second epoch");
    }

    function test_earnings_add_up_unclaimed() public {
        for (uint256 i; i < 4; ++i) {
            _closeWindow();
            _settleJobs(1, 0, 0);
        }
        _closeWindow();
        assertEq(escrow.claimFor(payees[0]), 7 * FEE, "all five epochs");
        assertEq(escrow.liabilities(), 10e6 - 7 * FEE, "liabilities");
    }

    function test_a_void_epoch_pays_nothing() public {
        vm.prank(guardian);
        escrow.voidEpoch(1);
        _closeWindow();
        _nothing();
        escrow.claimFor(payees[0]);
    }

    function test_a_payee_without_earnings() public {
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NothingToClaim.selector, address(0)));
        escrow.claimFor(address(0));
    }

    function test_recipients_that_would_lose_the_money_are_refused() public {
        _closeWindow();
        vm.startPrank(payees[0]);
        vm.expectRevert(ISwarmEscrow.ZeroAddress.selector);
        escrow.claim(address(0));
        vm.expectRevert(ISwarmEscrow.PaymentToEscrow.selector);
        escrow.claim(address(escrow));
        assertEq(escrow.claim(payees[0]), 3 * FEE, "paid");
    }

    function test_a_blacklisted_payee_stops_only_its_own_claim() public {
        usdc.blacklist(payees[0]);
        _closeWindow();
        _settleJobs(1, 0, 0);
        _closeWindow();
        vm.expectRevert("Blacklistable: account is blacklisted");
        escrow.claimFor(payees[0]);
        vm.prank(payees[0]);
        assertEq(escrow.claim(payees[1]), 4 * FEE, "to an address of its own that is not");
    }

    function test_a_paused_token_and_a_pause_here() public {
        _closeWindow();
        vm.prank(guardian);
        escrow.pause();
        usdc.pause();
        vm.expectRevert("Pausable: paused");
        escrow.claimFor(payees[0]);
        usdc.unpause();
        assertEq(escrow.claimFor(payees[0]), 3 * FEE, "our pause stops no claim");
    }

    function test_a_blacklisted_escrow_is_frozen_until_it_is_not() public {
        _closeWindow();
        usdc.blacklist(address(escrow));
        vm.expectRevert("Blacklistable: account is blacklisted");
        escrow.claimFor(payees[0]);
        // Settlement needs no transfer and goes on.
        _settleJobs(1, 0, 0);
        usdc.unBlacklist(address(escrow));
        assertEq(escrow.claimFor(payees[0]), 3 * FEE, "paid");
    }
}
