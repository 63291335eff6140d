// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {Usdc} from "./utils/Usdc.sol";
import {Wallet1271} from "./utils/Wallet1271.sol";
import {vm} from "./utils/Vm.sol";

contract DepositTest is EscrowTest {
    bytes32 private constant NONCE = keccak256("nonce");

    function test_deposit_adds_to_the_callers_account() public {
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Deposited(clients[0], clients[0], 5e6);
        _deposit(0, 5e6);
        assertEq(escrow.account(clients[0]).balance, 5e6, "balance");
        assertEq(escrow.account(clients[0]).chargeable, 5e6, "chargeable");
        assertEq(escrow.liabilities(), 5e6, "liabilities");
        assertEq(usdc.balanceOf(address(escrow)), 5e6, "USDC held");
    }

    function test_depositFor_adds_to_anothers_account() public {
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Deposited(stranger, clients[0], 5e6);
        vm.prank(clients[0]);
        escrow.depositFor(stranger, 5e6);
        assertEq(escrow.account(stranger).balance, 5e6, "balance");
        assertEq(escrow.account(clients[0]).balance, 0, "the payer has no claim");
    }

    function testFuzz_liabilities_are_the_sum_of_deposits(uint64[6] calldata amounts, uint8[6] calldata who) public {
        usdc.mint(clients[0], type(uint128).max);
        uint256 sum;
        for (uint256 i; i < amounts.length; ++i) {
            uint64 amount = uint64(bound(amounts[i], 1, type(uint64).max / 6));
            vm.prank(clients[0]);
            escrow.depositFor(clients[who[i] % 3], amount);
            sum += amount;
        }
        uint256 held;
        for (uint256 i; i < 3; ++i) {
            held += escrow.account(clients[i]).balance;
        }
        assertEq(held, sum, "accounts");
        assertEq(escrow.liabilities(), sum, "liabilities");
        assertEq(usdc.balanceOf(address(escrow)), sum, "USDC held");
    }

    function test_zero_amounts_and_addresses_are_refused() public {
        vm.prank(clients[0]);
        vm.expectRevert(ISwarmEscrow.ZeroAmount.selector);
        escrow.deposit(0);
        vm.prank(clients[0]);
        vm.expectRevert(ISwarmEscrow.ZeroAddress.selector);
        escrow.depositFor(address(0), 1);
        vm.prank(clients[0]);
        vm.expectRevert(ISwarmEscrow.ZeroAmount.selector);
        escrow.depositWithPermit(0, 0, 0, 0, 0);
        vm.expectRevert(ISwarmEscrow.ZeroAmount.selector);
        escrow.depositWithAuthorization(clients[0], 0, 0, 0, 0, "");
        vm.expectRevert(ISwarmEscrow.ZeroAddress.selector);
        escrow.depositWithAuthorization(address(0), 1, 0, 0, 0, "");
    }

    function test_all_that_is_held_fits_64_bits() public {
        usdc.mint(clients[0], type(uint128).max);
        _deposit(0, type(uint64).max - 1);
        _deposit(0, 1);
        vm.prank(clients[0]);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.AmountTooLarge.selector, 1));
        escrow.deposit(1);
    }

    function test_no_allowance_no_deposit() public {
        vm.expectRevert("ERC20: transfer amount exceeds allowance");
        escrow.deposit(1);
        assertEq(escrow.liabilities(), 0, "liabilities");
    }

    function test_a_pause_refuses_deposits_until_it_lapses() public {
        vm.prank(guardian);
        escrow.pause();
        uint64 until = START + MAX_PAUSE;
        bytes memory why = abi.encodeWithSelector(ISwarmEscrow.IsPaused.selector, until);
        vm.warp(until - 1);
        vm.startPrank(clients[0]);
        vm.expectRevert(why);
        escrow.deposit(1);
        vm.expectRevert(why);
        escrow.depositFor(stranger, 1);
        vm.expectRevert(why);
        escrow.depositWithPermit(1, 0, 0, 0, 0);
        vm.expectRevert(why);
        escrow.depositWithAuthorization(clients[0], 1, 0, 0, 0, "");
        vm.warp(until);
        escrow.deposit(1);
    }

    // --- permit --------------------------------------------------------------------------------------

    function _permit(uint256 key, address from, uint64 amount) private view returns (uint8, bytes32, bytes32) {
        bytes memory encoded =
            abi.encode(Usdc.PERMIT_TYPEHASH, from, address(escrow), amount, usdc.nonces(from), block.timestamp);
        return vm.sign(key, Usdc.digest(usdc, encoded));
    }

    function test_permit_deposits_without_an_approval() public {
        vm.prank(clients[0]);
        usdc.approve(address(escrow), 0);
        (uint8 v, bytes32 r, bytes32 s) = _permit(clientKeys[0], clients[0], 5e6);
        vm.prank(clients[0]);
        escrow.depositWithPermit(5e6, block.timestamp, v, r, s);
        assertEq(escrow.account(clients[0]).balance, 5e6, "balance");
    }

    function test_permit_used_by_somebody_else_before_still_deposits() public {
        vm.prank(clients[0]);
        usdc.approve(address(escrow), 0);
        (uint8 v, bytes32 r, bytes32 s) = _permit(clientKeys[0], clients[0], 5e6);
        vm.prank(stranger);
        usdc.permit(clients[0], address(escrow), 5e6, block.timestamp, v, r, s);
        vm.prank(clients[0]);
        escrow.depositWithPermit(5e6, block.timestamp, v, r, s);
        assertEq(escrow.account(clients[0]).balance, 5e6, "balance");
    }

    function test_anothers_permit_moves_nothing_of_his() public {
        vm.prank(clients[0]);
        usdc.approve(address(escrow), 0);
        (uint8 v, bytes32 r, bytes32 s) = _permit(clientKeys[0], clients[0], 5e6);
        vm.prank(stranger);
        vm.expectRevert("ERC20: transfer amount exceeds allowance");
        escrow.depositWithPermit(5e6, block.timestamp, v, r, s);
        assertEq(escrow.account(stranger).balance, 0, "balance");
    }

    // --- authorization -------------------------------------------------------------------------------

    function _authorize(uint256 key, address from, uint64 amount) private view returns (bytes memory) {
        bytes memory encoded =
            abi.encode(Usdc.RECEIVE_TYPEHASH, from, address(escrow), amount, 0, block.timestamp + 1, NONCE);
        return _sign(key, Usdc.digest(usdc, encoded));
    }

    function test_authorization_deposits_for_its_signer_whoever_submits() public {
        bytes memory signature = _authorize(clientKeys[0], clients[0], 5e6);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Deposited(clients[0], clients[0], 5e6);
        vm.prank(stranger);
        escrow.depositWithAuthorization(clients[0], 5e6, 0, block.timestamp + 1, NONCE, signature);
        assertEq(escrow.account(clients[0]).balance, 5e6, "balance");
        assertEq(escrow.account(stranger).balance, 0, "the submitter has no claim");
    }

    function test_authorization_counts_once_and_only_as_signed() public {
        bytes memory signature = _authorize(clientKeys[0], clients[0], 5e6);
        vm.expectRevert("FiatTokenV2: invalid signature");
        escrow.depositWithAuthorization(clients[1], 5e6, 0, block.timestamp + 1, NONCE, signature);
        vm.expectRevert("FiatTokenV2: invalid signature");
        escrow.depositWithAuthorization(clients[0], 6e6, 0, block.timestamp + 1, NONCE, signature);
        escrow.depositWithAuthorization(clients[0], 5e6, 0, block.timestamp + 1, NONCE, signature);
        vm.expectRevert("FiatTokenV2: authorization is used or canceled");
        escrow.depositWithAuthorization(clients[0], 5e6, 0, block.timestamp + 1, NONCE, signature);
        assertEq(escrow.liabilities(), 5e6, "liabilities");
    }

    function test_authorization_cannot_be_pushed_past_the_escrow() public {
        bytes memory signature = _authorize(clientKeys[0], clients[0], 5e6);
        vm.prank(stranger);
        vm.expectRevert("FiatTokenV2: caller must be the payee");
        usdc.receiveWithAuthorization(clients[0], address(escrow), 5e6, 0, block.timestamp + 1, NONCE, signature);
    }

    function test_authorization_of_a_contract_wallet() public {
        Wallet1271 wallet = new Wallet1271(clients[0]);
        usdc.mint(address(wallet), 5e6);
        bytes memory signature = _authorize(clientKeys[0], address(wallet), 5e6);
        escrow.depositWithAuthorization(address(wallet), 5e6, 0, block.timestamp + 1, NONCE, signature);
        assertEq(escrow.account(address(wallet)).balance, 5e6, "balance");
    }

    // --- the token's issuer --------------------------------------------------------------------------

    function test_a_paused_token_or_a_blacklisted_payer_changes_nothing_here() public {
        usdc.pause();
        vm.prank(clients[0]);
        vm.expectRevert("Pausable: paused");
        escrow.deposit(1);
        usdc.unpause();
        usdc.blacklist(clients[0]);
        vm.prank(clients[0]);
        vm.expectRevert("Blacklistable: account is blacklisted");
        escrow.deposit(1);
        assertEq(escrow.liabilities(), 0, "liabilities");
        assertEq(escrow.account(clients[0]).balance, 0, "balance");
    }
}
