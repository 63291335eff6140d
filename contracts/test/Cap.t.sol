// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {vm} from "./utils/Vm.sol";

contract CapTest is EscrowTest {
    function _setCap(uint64 cap) private {
        vm.prank(clients[0]);
        escrow.setCap(cap);
    }

    function _cap() private view returns (uint64) {
        return escrow.account(clients[0]).cap;
    }

    function test_the_default_holds_until_the_client_says_otherwise() public view {
        assertEq(_cap(), CAP, "default");
    }

    function test_raising_counts_at_once() public {
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.CapChanged(clients[0], CAP + 1, START);
        _setCap(CAP + 1);
        assertEq(_cap(), CAP + 1, "cap");
        assertEq(escrow.account(clients[0]).nextCapAt, 0, "nothing on its way");
    }

    function test_lowering_counts_after_the_exit_delay() public {
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.CapChanged(clients[0], 7, START + EXIT_DELAY);
        _setCap(7);
        vm.warp(START + EXIT_DELAY - 1);
        assertEq(_cap(), CAP, "a second before");
        assertEq(escrow.account(clients[0]).nextCap, 7, "on its way");
        assertEq(escrow.account(clients[0]).nextCapAt, START + EXIT_DELAY, "on its way");
        vm.warp(START + EXIT_DELAY);
        assertEq(_cap(), 7, "cap");
        assertEq(escrow.account(clients[0]).nextCapAt, 0, "arrived");
    }

    function test_zero_is_a_cap() public {
        _setCap(0);
        vm.warp(START + EXIT_DELAY);
        assertEq(_cap(), 0, "cap");
    }

    function test_a_change_replaces_the_one_on_its_way() public {
        _setCap(7);
        vm.warp(START + 1 days);
        _setCap(50);
        vm.warp(START + EXIT_DELAY);
        assertEq(_cap(), CAP, "the first one is gone");
        vm.warp(START + 1 days + EXIT_DELAY);
        assertEq(_cap(), 50, "cap");
        _setCap(60);
        assertEq(_cap(), 60, "raised from what was lowered");
    }

    function test_raising_takes_back_a_lowering() public {
        _setCap(7);
        _setCap(CAP);
        vm.warp(START + EXIT_DELAY);
        assertEq(_cap(), CAP, "cap");
    }

    function test_lowering_again_keeps_what_was_lowered() public {
        _setCap(50);
        vm.warp(START + EXIT_DELAY);
        _setCap(7);
        assertEq(_cap(), 50, "until then");
        vm.warp(START + 2 * EXIT_DELAY);
        assertEq(_cap(), 7, "cap");
    }

    /// Whatever a client does to its cap, within the seal's age it never falls below the least that anybody could
    /// see coming: that is what a queen counts with when it seals.
    function testFuzz_no_change_lowers_the_cap_within_the_seal_age(uint64[4] calldata caps, uint32[4] calldata waits)
        public
    {
        for (uint256 i; i < caps.length; ++i) {
            _setCap(caps[i]);
            vm.warp(block.timestamp + waits[i] % (2 * EXIT_DELAY));
        }
        uint64 seen = _cap();
        if (
            escrow.account(clients[0]).nextCapAt != 0
                && escrow.account(clients[0]).nextCapAt < block.timestamp + SEAL_AGE
        ) {
            seen = escrow.account(clients[0]).nextCap < seen ? escrow.account(clients[0]).nextCap : seen;
        }
        uint256 sealedAt = block.timestamp;
        _setCap(caps[0] / 2);
        vm.warp(sealedAt + SEAL_AGE - 1);
        assertLe(seen, _cap(), "what was seen against what counts");
    }
}
