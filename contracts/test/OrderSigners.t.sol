// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {vm} from "./utils/Vm.sol";

contract OrderSignersTest is EscrowTest {
    address private signer = address(0x51);

    function _state(bool added, uint64 removedAt) private view {
        (bool a, uint64 r) = escrow.orderSigner(clients[0], signer);
        assertTrue(a == added, "added");
        assertEq(r, removedAt, "removedAt");
    }

    function test_added_at_once_removed_after_the_exit_delay() public {
        _state(false, 0);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.OrderSignerAdded(clients[0], signer);
        vm.prank(clients[0]);
        escrow.addOrderSigner(signer);
        _state(true, 0);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.OrderSignerRemoved(clients[0], signer, START + EXIT_DELAY);
        vm.prank(clients[0]);
        escrow.removeOrderSigner(signer);
        _state(true, START + EXIT_DELAY);
        vm.prank(clients[0]);
        escrow.addOrderSigner(signer);
        _state(true, 0);
    }

    function test_signers_are_each_clients_own() public {
        vm.prank(clients[1]);
        escrow.addOrderSigner(signer);
        _state(false, 0);
    }

    function test_bad_input() public {
        vm.startPrank(clients[0]);
        vm.expectRevert(ISwarmEscrow.ZeroAddress.selector);
        escrow.addOrderSigner(address(0));
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.SignerNotAdded.selector, clients[0], signer));
        escrow.removeOrderSigner(signer);
        escrow.addOrderSigner(signer);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.SignerAlreadyAdded.selector, clients[0], signer));
        escrow.addOrderSigner(signer);
        escrow.removeOrderSigner(signer);
        vm.expectRevert(abi.encodeWithSelector(ISwarmEscrow.SignerNotAdded.selector, clients[0], signer));
        escrow.removeOrderSigner(signer);
    }
}
