// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {Approval, Entry, EpochView, Status} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {IEscrow} from "./utils/IEscrow.sol";
import {vm} from "./utils/Vm.sol";

contract SettleTest is EscrowTest {
    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            _deposit(i, 10e6);
        }
    }

    function test_charges_and_credits_are_pending_then_final() public {
        Draft memory d = _settleJobs(2, 0, 1);
        assertEq(escrow.lastEpoch(), 1, "last epoch");
        assertEq(escrow.account(clients[0]).balance, 10e6 - 2 * FEE, "balance");
        assertEq(escrow.account(clients[0]).pending, 2 * FEE, "pending charge");
        (uint64 claimable, uint64 pending) = escrow.owed(payees[0]);
        assertEq(claimable, 0, "claimable while pending");
        assertEq(pending, 3 * FEE, "pending earnings");
        vm.warp(block.timestamp + WINDOW - 1);
        assertEq(uint256(escrow.epochs(1).status), uint256(Status.Pending), "a second before");
        vm.warp(block.timestamp + 1);
        EpochView memory e = escrow.epochs(1);
        assertEq(uint256(e.status), uint256(Status.Final), "at the end of the window");
        assertEq(e.sealHash, _sealHash(d.seal), "seal hash");
        assertEq(e.receiptsRoot, d.seal.receiptsRoot, "root");
        assertEq(e.receiptCount, 3, "count");
        assertEq(e.charged, 3 * FEE, "charged");
        assertEq(e.finalAt, block.timestamp, "final at");
        assertEq(escrow.account(clients[0]).pending, 0, "charge is booked");
        (claimable, pending) = escrow.owed(payees[0]);
        assertEq(claimable, 3 * FEE, "claimable");
        assertEq(pending, 0, "nothing pending");
        assertEq(escrow.liabilities(), 30e6, "liabilities do not move");
        _solvent();
    }
}
