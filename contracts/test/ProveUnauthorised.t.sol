// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {JobOrder, Leaf, Receipt, Status} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {vm} from "./utils/Vm.sol";

contract ProveUnauthorisedTest is EscrowTest {
    uint256 private constant SIGNER_KEY = 0x519;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            _deposit(i, 10e6);
        }
    }

    /// Settles one job of the first client with this receipt and this signed order.
    function _settleOne(Receipt memory receipt, bytes memory order) private returns (Draft memory d) {
        d = _draft(_counts(1, 0, 0), payees[0]);
        d.leaves[0] = abi.encode(receipt);
        d.orders[0] = order;
        _seal(d);
        _settle(d);
    }

    function _fault(Receipt memory receipt, bytes memory order) private {
        uint256 state = vm.snapshotState();
        Draft memory d = _settleOne(receipt, order);
        uint64 epoch = escrow.lastEpoch();
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.EpochVoided(epoch, "unauthorised");
        vm.prank(stranger);
        escrow.proveUnauthorised(epoch, _leaf(d, 0), order);
        assertEq(uint256(escrow.epochs(epoch).status), uint256(Status.Void), "status");
        vm.revertToState(state);
    }

    function _noFault(Receipt memory receipt, bytes memory order) private {
        uint256 state = vm.snapshotState();
        Draft memory d = _settleOne(receipt, order);
        uint64 epoch = escrow.lastEpoch();
        Leaf memory leaf = _leaf(d, 0);
        vm.expectRevert(ISwarmEscrow.NoFault.selector);
        escrow.proveUnauthorised(epoch, leaf, order);
        vm.revertToState(state);
    }

    /// An honest order and its receipt.
    function _honest() private returns (Receipt memory receipt, JobOrder memory order, bytes memory signed) {
        order = _newOrder(clients[0]);
        signed = _signOrder(clientKeys[0], order);
        receipt = _newReceipt(order, signed, FEE, FEE);
    }

    function _signedBy(uint256 key) private returns (Receipt memory receipt, bytes memory signed) {
        JobOrder memory order = _newOrder(clients[0]);
        signed = _signOrder(key, order);
        receipt = _newReceipt(order, signed, FEE, FEE);
    }

    // --- what the order says -------------------------------------------------------------------------

    function test_honest_jobs_are_no_fault() public {
        (Receipt memory receipt,, bytes memory signed) = _honest();
        _noFault(receipt, signed);
    }

    function test_another_client_model_or_input() public {
        (Receipt memory receipt,, bytes memory signed) = _honest();
        receipt.client = clients[1];
        _fault(receipt, signed);
        (receipt,, signed) = _honest();
        receipt.model = keccak256("other");
        _fault(receipt, signed);
        (receipt,, signed) = _honest();
        receipt.input = keccak256("other");
        _fault(receipt, signed);
    }

    function test_fee_over_the_limit() public {
        (Receipt memory receipt, JobOrder memory order, bytes memory signed) = _honest();
        receipt.fee = order.maxFee;
        _noFault(receipt, signed);
        receipt.fee = order.maxFee + 1;
        _fault(receipt, signed);
    }

    function test_completed_after_the_deadline_or_the_seal() public {
        (Receipt memory receipt, JobOrder memory order, bytes memory signed) = _honest();
        vm.warp(order.deadline + 10);
        receipt.completedAt = order.deadline;
        _noFault(receipt, signed);
        receipt.completedAt = order.deadline + 1;
        _fault(receipt, signed);

        (receipt, order, signed) = _honest();
        receipt.completedAt = uint64(block.timestamp);
        _noFault(receipt, signed);
        receipt.completedAt = uint64(block.timestamp) + 1;
        _fault(receipt, signed);
    }

    function test_submitted_in_a_later_epoch() public {
        (Receipt memory receipt,, bytes memory signed) = _honest();
        receipt.jobEpoch = 1;
        _noFault(receipt, signed);
        receipt.jobEpoch = 2;
        _fault(receipt, signed);
        receipt.jobEpoch = 0;
        _noFault(receipt, signed);
    }

    function test_what_the_leaf_shows_needs_no_order() public {
        (Receipt memory receipt,, bytes memory signed) = _honest();
        receipt.jobEpoch = 2;
        uint256 state = vm.snapshotState();
        Draft memory d = _settleOne(receipt, signed);
        escrow.proveUnauthorised(1, _leaf(d, 0), "");
        assertTrue(escrow.stopped(), "void");
        vm.revertToState(state);
        (receipt.jobEpoch, receipt.completedAt) = (1, uint64(block.timestamp) + 1);
        d = _settleOne(receipt, signed);
        escrow.proveUnauthorised(1, _leaf(d, 0), "");
        assertTrue(escrow.stopped(), "void");
    }

    // --- who signed it -------------------------------------------------------------------------------

    function test_personal_sign_counts() public {
        JobOrder memory order = _newOrder(clients[0]);
        bytes32 digest = _digest(keccak256(abi.encode(ORDER_TYPEHASH, order)));
        bytes32 personal = keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", digest));
        bytes memory signed = abi.encodePacked(abi.encode(order), _sign(clientKeys[0], personal));
        _noFault(_newReceipt(order, signed, FEE, FEE), signed);
    }

    function test_a_stranger_or_another_client_signed() public {
        (Receipt memory receipt, bytes memory signed) = _signedBy(SIGNER_KEY);
        _fault(receipt, signed);
        (receipt, signed) = _signedBy(clientKeys[1]);
        _fault(receipt, signed);
    }

    function test_signatures_that_nobody_made() public {
        (Receipt memory receipt, JobOrder memory order, bytes memory signed) = _honest();
        bytes32 digest = _digest(keccak256(abi.encode(ORDER_TYPEHASH, order)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(clientKeys[0], digest);
        uint256 n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes[3] memory odd;
        odd[0] = abi.encodePacked(r, bytes32(n - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        odd[1] = abi.encodePacked(r, s, v - 27);
        odd[2] = new bytes(65);
        for (uint256 i; i < odd.length; ++i) {
            signed = abi.encodePacked(abi.encode(order), odd[i]);
            receipt.order = sha256(signed);
            _fault(receipt, signed);
        }
    }

    function test_another_contracts_order_does_not_count() public {
        JobOrder memory order = _newOrder(clients[0]);
        bytes32 digest = keccak256(
            abi.encodePacked(hex"1901", keccak256("another domain"), keccak256(abi.encode(ORDER_TYPEHASH, order)))
        );
        bytes memory signed = abi.encodePacked(abi.encode(order), _sign(clientKeys[0], digest));
        _fault(_newReceipt(order, signed, FEE, FEE), signed);
    }

    function test_order_signers() public {
        address signer = vm.addr(SIGNER_KEY);
        (Receipt memory receipt, bytes memory signed) = _signedBy(SIGNER_KEY);
        vm.prank(clients[1]);
        escrow.addOrderSigner(signer);
        _fault(receipt, signed); // another client's
        vm.prank(clients[0]);
        escrow.addOrderSigner(signer);
        _noFault(receipt, signed);
        // Removing it does not reach back: before it takes effect, and until an epoch sealed after that is final.
        vm.prank(clients[0]);
        escrow.removeOrderSigner(signer);
        _noFault(receipt, signed);
        vm.warp(START + EXIT_DELAY + 1);
        (receipt, signed) = _signedBy(SIGNER_KEY);
        _noFault(receipt, signed);
    }

    function test_a_signer_removed_before_the_last_final_seal() public {
        address signer = vm.addr(SIGNER_KEY);
        vm.startPrank(clients[0]);
        escrow.addOrderSigner(signer);
        escrow.removeOrderSigner(signer);
        vm.stopPrank();
        // Sealed in the very second: the removal is not before it.
        vm.warp(START + EXIT_DELAY);
        uint256 state = vm.snapshotState();
        _settleJobs(0, 0, 0);
        _closeWindow();
        (Receipt memory receipt, bytes memory signed) = _signedBy(SIGNER_KEY);
        _noFault(receipt, signed);
        vm.revertToState(state);
        // A second later it is.
        vm.warp(START + EXIT_DELAY + 1);
        _settleJobs(0, 0, 0);
        _closeWindow();
        (receipt, signed) = _signedBy(SIGNER_KEY);
        _fault(receipt, signed);
        // Added again, it signs again.
        vm.prank(clients[0]);
        escrow.addOrderSigner(signer);
        (receipt, signed) = _signedBy(SIGNER_KEY);
        _noFault(receipt, signed);
    }

    /// A job that a void epoch held settles with the next, though its signer was removed in between.
    function test_a_void_epoch_does_not_turn_its_jobs_into_faults() public {
        address signer = vm.addr(SIGNER_KEY);
        vm.startPrank(clients[0]);
        escrow.addOrderSigner(signer);
        escrow.removeOrderSigner(signer);
        vm.stopPrank();
        (Receipt memory receipt, bytes memory signed) = _signedBy(SIGNER_KEY);
        vm.warp(START + EXIT_DELAY + 1);
        _settleOne(receipt, signed);
        vm.startPrank(guardian);
        escrow.voidEpoch(1);
        escrow.resume();
        vm.stopPrank();
        vm.warp(START + EXIT_DELAY + 2);
        _noFault(receipt, signed);
    }

    // --- proofs that are none ------------------------------------------------------------------------

    function test_bad_proofs() public {
        (Receipt memory receipt,, bytes memory signed) = _honest();
        Draft memory d = _settleOne(receipt, signed);
        Leaf memory leaf = _leaf(d, 0);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.WrongOrderPreimage.selector, sha256("x"), sha256(signed)));
        escrow.proveUnauthorised(1, leaf, "x");
        leaf.data = abi.encode(_newReceipt(_newOrder(clients[0]), signed, FEE, FEE));
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NotIncluded.selector, 1, 0));
        escrow.proveUnauthorised(1, leaf, signed);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.NotPending.selector, 2, Status.None));
        escrow.proveUnauthorised(2, leaf, signed);
    }

    function test_a_malformed_order_is_another_fault() public {
        (Receipt memory receipt,,) = _honest();
        receipt.order = sha256("x");
        Draft memory d = _settleOne(receipt, "x");
        Leaf memory leaf = _leaf(d, 0);
        vm.expectRevert(ISwarmEscrow.MalformedOrder.selector);
        escrow.proveUnauthorised(1, leaf, "x");
    }
}
