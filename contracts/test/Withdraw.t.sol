// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {vm} from "./utils/Vm.sol";

contract WithdrawTest is EscrowTest {
    function setUp() public override {
        super.setUp();
        _deposit(0, 10e6);
    }

    function _request(uint64 amount) private {
        vm.prank(clients[0]);
        escrow.requestWithdrawal(amount);
    }

    function _withdraw() private returns (uint64) {
        vm.prank(clients[0]);
        return escrow.withdraw(clients[0]);
    }

    function _nothing() private {
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NothingToWithdraw.selector, clients[0]));
    }

    function test_a_request_matures_by_itself() public {
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.WithdrawalRequested(clients[0], 4e6, START + EXIT_DELAY);
        _request(4e6);
        vm.warp(START + EXIT_DELAY - 1);
        assertEq(escrow.account(clients[0]).chargeable, 10e6, "chargeable a second before");
        _nothing();
        _withdraw();
        vm.warp(START + EXIT_DELAY);
        assertEq(escrow.account(clients[0]).chargeable, 6e6, "chargeable when mature, not executed");
        assertEq(escrow.account(clients[0]).balance, 10e6, "balance");
        uint256 before = usdc.balanceOf(clients[0]);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Withdrawn(clients[0], clients[0], 4e6);
        assertEq(_withdraw(), 4e6, "paid");
        assertEq(usdc.balanceOf(clients[0]) - before, 4e6, "received");
        assertEq(escrow.account(clients[0]).balance, 6e6, "left");
        assertEq(escrow.account(clients[0]).withdrawing, 0, "the request is done");
        assertEq(escrow.account(clients[0]).maturesAt, 0, "the request is done");
        assertEq(escrow.liabilities(), 6e6, "liabilities");
        _nothing();
        _withdraw();
    }

    function test_a_matured_request_never_expires() public {
        _request(4e6);
        vm.warp(START + 10 * 365 days);
        assertEq(escrow.account(clients[0]).chargeable, 6e6, "chargeable");
        // By now nothing became final for longer than the timeout, so all of it goes.
        assertEq(_withdraw(), 10e6, "paid");
    }

    function test_a_request_for_more_is_for_all() public {
        _request(type(uint64).max);
        assertEq(escrow.account(clients[0]).withdrawing, 10e6, "withdrawing");
        _deposit(0, 1e6);
        vm.warp(START + EXIT_DELAY);
        assertEq(escrow.account(clients[0]).chargeable, 1e6, "a later deposit is not in the request");
        assertEq(_withdraw(), 10e6, "paid");
    }

    function test_a_new_request_replaces_the_one_before() public {
        _request(4e6);
        vm.warp(START + EXIT_DELAY);
        _request(2e6);
        assertEq(escrow.account(clients[0]).chargeable, 10e6, "chargeable again");
        _nothing();
        _withdraw();
        vm.warp(START + 2 * EXIT_DELAY);
        assertEq(_withdraw(), 2e6, "paid");
    }

    function test_zero_requests_and_empty_accounts_are_refused() public {
        vm.prank(clients[0]);
        vm.expectRevert(ISwarmEscrow.ZeroAmount.selector);
        escrow.requestWithdrawal(0);
        vm.prank(clients[1]);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NothingToWithdraw.selector, clients[1]));
        escrow.requestWithdrawal(1);
    }

    function test_a_request_pays_at_most_what_charges_left() public {
        _request(10e6);
        vm.warp(START + EXIT_DELAY - 1);
        _settleJobs(3, 0, 0);
        vm.warp(START + EXIT_DELAY);
        assertEq(_withdraw(), 10e6 - 3 * FEE, "paid");
        vm.warp(START + EXIT_DELAY - 1 + WINDOW);
        assertEq(escrow.account(clients[0]).balance, 0, "nothing left");
        assertEq(escrow.liabilities(), 3 * FEE, "what the payee earned");
    }

    function test_what_a_void_epoch_gives_back_is_in_a_request_made_before() public {
        _settleJobs(3, 0, 0);
        _request(type(uint64).max);
        assertEq(escrow.account(clients[0]).withdrawing, 10e6, "a pending charge may come back");
        vm.prank(guardian);
        escrow.voidEpoch(1);
        vm.warp(START + EXIT_DELAY);
        assertEq(_withdraw(), 10e6, "paid");
    }

    function test_recipients_that_would_lose_the_money_are_refused() public {
        _request(4e6);
        vm.warp(START + EXIT_DELAY);
        vm.prank(clients[0]);
        vm.expectRevert(ISwarmEscrow.ZeroAddress.selector);
        escrow.withdraw(address(0));
        vm.prank(clients[0]);
        vm.expectRevert(ISwarmEscrow.PaymentToEscrow.selector);
        escrow.withdraw(address(escrow));
        assertEq(_withdraw(), 4e6, "paid");
    }

    function test_a_paused_token_or_a_blacklisted_client_only_delays() public {
        _request(4e6);
        vm.warp(START + EXIT_DELAY);
        usdc.pause();
        vm.prank(clients[0]);
        vm.expectRevert("Pausable: paused");
        escrow.withdraw(clients[0]);
        usdc.unpause();
        usdc.blacklist(clients[0]);
        vm.prank(clients[0]);
        vm.expectRevert("Blacklistable: account is blacklisted");
        escrow.withdraw(clients[0]);
        assertEq(escrow.account(clients[0]).chargeable, 6e6, "still out of reach of a settlement");
        vm.prank(clients[0]);
        assertEq(escrow.withdraw(stranger), 4e6, "to another address");
    }

    function test_a_pause_stops_no_exit() public {
        vm.prank(guardian);
        escrow.pause();
        _request(4e6);
        vm.warp(START + EXIT_DELAY);
        assertEq(_withdraw(), 4e6, "paid");
    }

    // --- escape --------------------------------------------------------------------------------------

    function test_escape_opens_when_nothing_was_final_for_the_timeout() public {
        assertEq(escrow.escapeAt(), START + TIMEOUT, "from the deployment");
        vm.warp(START + TIMEOUT - 1);
        _nothing();
        _withdraw();
        vm.warp(START + TIMEOUT);
        assertEq(_withdraw(), 10e6, "paid");
    }

    function test_escape_leaves_what_is_pending() public {
        vm.warp(START + TIMEOUT - 1);
        _settleJobs(2, 0, 0);
        vm.warp(START + TIMEOUT);
        assertEq(_withdraw(), 10e6 - 2 * FEE, "all but the pending charge");
        vm.warp(START + TIMEOUT - 1 + WINDOW);
        assertEq(escrow.escapeAt(), START + TIMEOUT - 1 + WINDOW + TIMEOUT, "final: closed again");
        vm.prank(payees[0]);
        assertEq(escrow.claim(payees[0]), 2 * FEE, "the payee lost nothing");
    }

    function test_finality_moves_the_escape_and_a_void_epoch_does_not() public {
        _settleJobs(1, 0, 0);
        assertEq(escrow.escapeAt(), START + TIMEOUT, "pending");
        vm.prank(guardian);
        escrow.voidEpoch(1);
        vm.warp(START + WINDOW);
        assertEq(escrow.escapeAt(), START + TIMEOUT, "void");
        vm.prank(guardian);
        escrow.resume();
        _settleJobs(1, 0, 0);
        vm.warp(START + 2 * WINDOW);
        assertEq(escrow.escapeAt(), START + 2 * WINDOW + TIMEOUT, "final");
        // The next epoch does not take that back while it is pending.
        _settleJobs(1, 0, 0);
        assertEq(escrow.escapeAt(), START + 2 * WINDOW + TIMEOUT, "the next one is pending");
    }

    function test_a_dead_queen_and_a_dead_guardian_trap_nobody() public {
        _settleJobs(1, 0, 0);
        vm.prank(guardian);
        escrow.voidEpoch(1);
        vm.prank(guardian);
        escrow.pause();
        vm.warp(START + TIMEOUT);
        assertEq(_withdraw(), 10e6, "void charge and all");
        assertEq(escrow.liabilities(), 0, "liabilities");
    }

    function test_escape_ends_a_request_too() public {
        _request(4e6);
        vm.warp(START + TIMEOUT);
        assertEq(_withdraw(), 10e6, "paid");
        _deposit(0, 1e6);
        assertEq(escrow.account(clients[0]).withdrawing, 0, "no request left");
    }
}
