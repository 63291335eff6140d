// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {Approval, Entry, Leaf, Receipt} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {IEscrow} from "./utils/IEscrow.sol";
import {vm} from "./utils/Vm.sol";

/// @dev The worst that each stolen key can do, as the README says it.
contract StolenKeysTest is EscrowTest {
    address private thief = address(0x7417ef);

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            usdc.mint(clients[i], 1_000e6);
            _deposit(i, 500e6);
        }
    }

    /// An epoch in which every client pays all that it can to the thief.
    function _heist(bytes memory leaf) private view returns (Draft memory d) {
        d.charges = new Entry[](3);
        for (uint256 i; i < 3; ++i) {
            d.charges[i] = Entry(clients[i], CAP);
        }
        d.payouts = new Entry[](1);
        d.payouts[0] = Entry(thief, 3 * CAP);
        d.leaves = new bytes[](1);
        d.leaves[0] = leaf;
        _seal(d);
    }

    // --- enough settlers -----------------------------------------------------------------------------

    function test_settlers_take_at_most_the_caps_once_a_window() public {
        _settle(_heist("bad"));
        vm.warp(block.timestamp + 1);
        Draft memory again = _heist("bad");
        _settleReverts(again, abi.encodeWithSelector(ISwarmEscrow.PreviousPending.selector, START + WINDOW));
        vm.prank(thief);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NothingToClaim.selector, thief));
        escrow.claim(thief);
        _closeWindow();
        vm.prank(thief);
        assertEq(escrow.claim(thief), 3 * CAP, "the caps, when nobody looks for a whole window");
        for (uint256 i; i < 3; ++i) {
            assertEq(escrow.account(clients[i]).balance, 500e6 - CAP, "the rest");
        }
    }

    function test_settlers_take_nothing_when_the_guardian_acts() public {
        _settle(_heist("bad"));
        vm.warp(START + WINDOW - 1);
        vm.prank(guardian);
        escrow.voidEpoch(1);
        _nothingTaken();
    }

    function test_settlers_take_nothing_when_anybody_with_the_bundle_acts() public {
        Draft memory d = _heist("bad");
        _settle(d);
        vm.warp(START + WINDOW - 1);
        vm.prank(stranger);
        escrow.proveMalformedLeaf(1, _leaf(d, 0));
        _nothingTaken();
    }

    function test_receipts_without_orders_do_not_help_them() public {
        Receipt memory r = _newReceipt(_newOrder(clients[0]), "made up", CAP, CAP);
        Draft memory d = _heist(abi.encode(r));
        _settle(d);
        vm.prank(stranger);
        escrow.proveOvercharge(1, 1, _leaf(d, 0), _none(), clients[2]);
        _nothingTaken();
    }

    function test_orders_signed_by_themselves_do_not_help_them() public {
        bytes memory order = _signOrder(settlerKeys[0], _newOrder(clients[0]));
        Receipt memory r = _newReceipt(_newOrder(clients[0]), order, FEE, FEE);
        Draft memory d = _heist(abi.encode(r));
        _settle(d);
        vm.prank(stranger);
        escrow.proveUnauthorised(1, _leaf(d, 0), order);
        _nothingTaken();
    }

    function _nothingTaken() private {
        vm.warp(START + 2 * WINDOW);
        vm.prank(thief);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NothingToClaim.selector, thief));
        escrow.claim(thief);
        for (uint256 i; i < 3; ++i) {
            assertEq(escrow.account(clients[i]).balance, 500e6, "balance");
        }
        // And it goes no further until somebody has looked.
        _settleReverts(_heist("bad"), abi.encodeWithSelector(ISwarmEscrow.SettlementStopped.selector));
    }

    function test_settlers_cannot_credit_themselves_out_of_deposits() public {
        Approval[] memory approvals = _approvals(keccak256(abi.encode(CREDIT_TYPEHASH, thief, bytes32(0), uint64(1))));
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.CreditOverSurplus.selector, 1, 0));
        escrow.creditTransfer(thief, 0, 1, approvals);
    }

    function test_one_settler_of_two_can_do_nothing() public {
        Draft memory d = _heist("bad");
        Approval[] memory one = new Approval[](1);
        one[0] = Approval(settlers[0], _sign(settlerKeys[0], _digest(_sealHash(d.seal))));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.TooFewApprovals.selector, 1, 2));
        escrow.settle(d.seal, d.charges, d.payouts, one);
    }

    // --- the owner -----------------------------------------------------------------------------------

    function test_everybody_is_out_before_a_thieving_owner_has_settlers() public {
        address[] memory own = new address[](1);
        own[0] = thief;
        vm.prank(owner);
        escrow.scheduleSettlers(own, 1);
        for (uint256 i; i < 3; ++i) {
            vm.prank(clients[i]);
            escrow.requestWithdrawal(type(uint64).max);
        }
        vm.warp(START + ROLE_DELAY);
        vm.prank(owner);
        escrow.applySettlers(own, 1);
        for (uint256 i; i < 3; ++i) {
            assertEq(escrow.account(clients[i]).chargeable, 0, "out of reach, withdrawn or not");
            vm.prank(clients[i]);
            assertEq(escrow.withdraw(clients[i]), 500e6, "paid");
        }
    }

    // --- the guardian --------------------------------------------------------------------------------

    function test_a_guardian_that_voids_everything_moves_no_money_and_lets_all_leave() public {
        uint64 time = START;
        for (uint64 n = 1; n <= 3; ++n) {
            _settleJobs(1, 1, 1);
            vm.startPrank(guardian);
            escrow.voidEpoch(n);
            escrow.resume();
            vm.stopPrank();
            vm.warp(time += 1 days);
        }
        vm.prank(guardian);
        escrow.pause();
        vm.warp(START + TIMEOUT);
        for (uint256 i; i < 3; ++i) {
            vm.prank(clients[i]);
            assertEq(escrow.withdraw(clients[i]), 500e6, "paid");
        }
        assertEq(escrow.liabilities(), 0, "liabilities");
    }

    // --- an order signer -----------------------------------------------------------------------------

    function test_an_order_signer_cannot_touch_the_account() public {
        vm.prank(clients[0]);
        escrow.addOrderSigner(thief);
        vm.startPrank(thief);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NothingToWithdraw.selector, thief));
        escrow.requestWithdrawal(1);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NothingToWithdraw.selector, thief));
        escrow.withdraw(thief);
        escrow.setCap(0);
        vm.stopPrank();
        assertEq(escrow.account(clients[0]).nextCapAt, 0, "its own cap, not the client's");
    }
}
