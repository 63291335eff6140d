// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {Approval} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {IEscrow} from "./utils/IEscrow.sol";
import {Usdc} from "./utils/Usdc.sol";
import {vm} from "./utils/Vm.sol";

/// @dev USDC that came by a pushed `transferWithAuthorization`, as x402 clients sign it.
contract CreditTransferTest is EscrowTest {
    bytes32 private constant NONCE = keccak256("x402");

    function setUp() public override {
        super.setUp();
        _deposit(1, 10e6);
        bytes memory encoded =
            abi.encode(Usdc.TRANSFER_TYPEHASH, clients[0], address(escrow), FEE, 0, block.timestamp + 1, NONCE);
        bytes memory signature = _sign(clientKeys[0], Usdc.digest(usdc, encoded));
        vm.prank(stranger);
        usdc.transferWithAuthorization(clients[0], address(escrow), FEE, 0, block.timestamp + 1, NONCE, signature);
    }

    function _signed(address from, bytes32 nonce, uint64 amount) private view returns (Approval[] memory) {
        return _approvals(keccak256(abi.encode(CREDIT_TYPEHASH, from, nonce, amount)));
    }

    function _credit(address from, bytes32 nonce, uint64 amount) private {
        Approval[] memory approvals = _signed(from, nonce, amount);
        vm.prank(stranger);
        escrow.creditTransfer(from, nonce, amount, approvals);
    }

    function _refused(address from, bytes32 nonce, uint64 amount, bytes memory why) private {
        Approval[] memory approvals = _signed(from, nonce, amount);
        vm.expectRevert(why);
        escrow.creditTransfer(from, nonce, amount, approvals);
    }

    function test_a_pushed_transfer_is_nobodys_until_it_is_credited() public view {
        assertEq(escrow.account(clients[0]).balance, 0, "balance");
        assertEq(escrow.liabilities(), 10e6, "liabilities");
        assertEq(usdc.balanceOf(address(escrow)), 10e6 + FEE, "USDC held");
    }

    function test_credited_to_the_payer_after_the_delay() public {
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.CreditScheduled(clients[0], NONCE, FEE, START + WINDOW);
        _credit(clients[0], NONCE, FEE);
        assertEq(escrow.liabilities(), 10e6 + FEE, "a liability at once");
        assertEq(escrow.account(clients[0]).balance, 0, "not yet in the account");
        vm.warp(START + WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.CreditNotReady.selector, START + WINDOW));
        escrow.applyCredit(clients[0], NONCE);
        vm.warp(START + WINDOW);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Deposited(clients[0], clients[0], FEE);
        vm.prank(stranger);
        escrow.applyCredit(clients[0], NONCE);
        assertEq(escrow.account(clients[0]).balance, FEE, "balance");
        assertEq(escrow.liabilities(), 10e6 + FEE, "liabilities");
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.CreditNotScheduled.selector, clients[0], NONCE));
        escrow.applyCredit(clients[0], NONCE);
        _solvent();
    }

    function test_the_guardian_refuses_within_the_delay() public {
        _credit(clients[0], NONCE, FEE);
        vm.warp(START + WINDOW);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.CreditReady.selector, START + WINDOW));
        escrow.refuseCredit(clients[0], NONCE);
        vm.warp(START + WINDOW - 1);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.CreditRefused(clients[0], NONCE, FEE);
        vm.prank(guardian);
        escrow.refuseCredit(clients[0], NONCE);
        assertEq(escrow.liabilities(), 10e6, "liabilities");
        vm.warp(START + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.CreditNotScheduled.selector, clients[0], NONCE));
        escrow.applyCredit(clients[0], NONCE);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.CreditNotScheduled.selector, clients[0], NONCE));
        escrow.refuseCredit(clients[0], NONCE);
        _refused(clients[0], NONCE, FEE, abi.encodeWithSelector(ISwarmEscrow.CreditUsed.selector, clients[0], NONCE));
    }

    function test_once_for_each_payer_and_nonce() public {
        _credit(clients[0], NONCE, 1);
        bytes memory used = abi.encodeWithSelector(ISwarmEscrow.CreditUsed.selector, clients[0], NONCE);
        _refused(clients[0], NONCE, 1, used);
        _refused(clients[0], NONCE, 2, used);
        _credit(clients[1], NONCE, 1);
        _credit(clients[0], keccak256("another"), 1);
    }

    function test_only_out_of_the_surplus() public {
        _refused(
            clients[0], NONCE, FEE + 1, abi.encodeWithSelector(ISwarmEscrow.CreditOverSurplus.selector, FEE + 1, FEE)
        );
        _credit(clients[0], NONCE, FEE);
        _refused(clients[0], 0, 1, abi.encodeWithSelector(ISwarmEscrow.CreditOverSurplus.selector, 1, 0));
    }

    function test_signed_by_the_settlers_as_it_is() public {
        Approval[] memory approvals = _signed(clients[0], NONCE, FEE);
        bytes memory why = abi.encodeWithSelector(IEscrow.BadSignature.selector, settlers[0]);
        vm.expectRevert(why);
        escrow.creditTransfer(stranger, NONCE, FEE, approvals);
        vm.expectRevert(why);
        escrow.creditTransfer(clients[0], 0, FEE, approvals);
        vm.expectRevert(why);
        escrow.creditTransfer(clients[0], NONCE, FEE - 1, approvals);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.TooFewApprovals.selector, 0, 2));
        escrow.creditTransfer(clients[0], NONCE, FEE, new Approval[](0));
    }

    function test_bad_input() public {
        _refused(address(0), NONCE, FEE, abi.encodeWithSelector(ISwarmEscrow.ZeroAddress.selector));
        _refused(clients[0], NONCE, 0, abi.encodeWithSelector(ISwarmEscrow.ZeroAmount.selector));
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.CreditNotScheduled.selector, clients[0], NONCE));
        escrow.applyCredit(clients[0], NONCE);
        vm.prank(guardian);
        escrow.pause();
        _refused(clients[0], NONCE, FEE, abi.encodeWithSelector(ISwarmEscrow.IsPaused.selector, START + MAX_PAUSE));
    }
}
