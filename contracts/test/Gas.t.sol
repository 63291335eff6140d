// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Entry, Receipt, Status} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {vm} from "./utils/Vm.sol";

/// @dev What whole transactions cost, on the real token: run with `forge test --isolate` (test.sh does),
/// which makes each call a transaction of its own with its 21 000 gas and its calldata. The numbers
/// are kept in snapshots/ and compared there.
contract GasTest is EscrowTest {
    uint256 private constant MANY = 256;

    address[] private manyClients;
    address[] private manyPayees;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 1; i <= MANY; ++i) {
            manyClients.push(_address(1, i));
            manyPayees.push(_address(2, i));
        }
        usdc.mint(address(this), 1_000_000e6);
        usdc.approve(address(escrow), type(uint256).max);
        // Next to nothing costs what a transaction costs, or the numbers here mean something else.
        assertTrue(vm.lastCallGas().gasTotalUsed > 21_000, "run with --isolate");
        for (uint256 i; i < MANY; ++i) {
            escrow.depositFor(manyClients[i], 100e6);
        }
    }

    function test_settle_in_steady_state() public {
        _settleMany(MANY, MANY, "settle 256 clients, 256 payees, all payees new");
        _closeWindow();
        _settleMany(MANY, MANY, "settle 256 clients, 256 payees");
        uint256[5] memory c = [uint256(0), 1, 10, 100, 100];
        uint256[5] memory p = [uint256(0), 1, 10, 10, 100];
        for (uint256 i; i < c.length; ++i) {
            _closeWindow();
            string memory name = string.concat("settle ", vm.toString(c[i]), " clients, ", vm.toString(p[i]), " payees");
            assertLe(_settleMany(c[i], p[i], name), 150_000 + 12_000 * c[i] + 9_000 * p[i], name);
        }
        _closeWindow();
        assertLe(_settleMany(MANY, MANY, ""), 150_000 + 21_000 * MANY, "256 of each");
    }

    function test_settle_after_a_claim_costs_the_same() public {
        _settleMany(10, 10, "");
        _closeWindow();
        _settleMany(10, 10, "");
        _closeWindow();
        for (uint256 i; i < 10; ++i) {
            escrow.claimFor(manyPayees[i]);
        }
        uint256 gas = _settleMany(10, 10, "settle 10 clients, 10 payees who claimed");
        assertLe(gas, 150_000 + 21_000 * 10, "a claimed slot stays non-zero");
    }

    function test_settle_new_payees() public {
        _settleMany(1, 0 + 1, "");
        _closeWindow();
        uint256 base = _settleMany(1, 1, "");
        _closeWindow();
        uint256 gas = _settleMany(1, 101, "settle 1 client, 100 new payees and one");
        assertLe(gas - base, 27_000 * 100, "each new payee");
    }

    function test_settle_the_most_expensive_epoch() public {
        // One client pays, every payee is new: the dearest mix of 512 entries.
        for (uint256 i = MANY + 1; i <= 511; ++i) {
            manyPayees.push(_address(2, i));
        }
        uint256 gas = _settleMany(1, 511, "settle 1 client, 511 new payees");
        assertLe(gas, 14_000_000, "one call");
    }

    function test_verify_receipt_at_depth_20() public {
        Draft memory d = _draft(_counts(1, 0, 0), payees[0]);
        _deposit(0, 10e6);
        bytes32[] memory path = new bytes32[](20);
        bytes32 hash = _hashes(d)[0];
        uint256 index = 0x5a5a5;
        for (uint256 i; i < 20; ++i) {
            path[i] = keccak256(abi.encode(i));
            bool right = (index >> i) & 1 == 1;
            hash = sha256(abi.encodePacked(bytes1(0x01), right ? path[i] : hash, right ? hash : path[i]));
        }
        (d.seal.receiptsRoot, d.seal.receiptCount) = (hash, 1 << 20);
        _settle(d);
        Receipt memory receipt = _receiptOf(d, 0);
        vm.cool(address(escrow));
        (bool included, Status status) = escrow.verifyReceipt(1, uint64(index), receipt, path);
        // A view is no transaction, even here: this is execution alone.
        uint256 gas = vm.snapshotGasLastCall("verifyReceipt at depth 20, execution");
        assertTrue(included && status == Status.Pending, "included");
        assertLe(gas, 20_000, "execution gas");
    }

    function test_the_rest() public {
        vm.prank(clients[0]);
        escrow.deposit(10e6);
        vm.snapshotGasLastCall("deposit, first");
        vm.prank(clients[0]);
        escrow.deposit(10e6);
        vm.snapshotGasLastCall("deposit, again");
        vm.prank(clients[0]);
        escrow.requestWithdrawal(1e6);
        vm.snapshotGasLastCall("requestWithdrawal");
        _settleJobs(1, 0, 0);
        _closeWindow();
        vm.prank(payees[0]);
        escrow.claim(payees[0]);
        vm.snapshotGasLastCall("claim, first USDC of the payee");
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(clients[0]);
        escrow.withdraw(clients[0]);
        vm.snapshotGasLastCall("withdraw");
    }

    /// Settles an epoch in which the first c clients pay the first p payees; what the transaction costs.
    function _settleMany(uint256 c, uint256 p, string memory name) private returns (uint256) {
        Draft memory d;
        d.charges = new Entry[](c);
        d.payouts = new Entry[](p);
        for (uint256 i; i < c; ++i) {
            d.charges[i] = Entry(manyClients[i], uint96(p * 0x10101));
        }
        for (uint256 i; i < p; ++i) {
            d.payouts[i] = Entry(manyPayees[i], uint96(c * 0x10101));
        }
        d.leaves = new bytes[](c == 0 ? 0 : 1);
        vm.warp(block.timestamp + 1);
        _seal(d);
        _settle(d);
        return bytes(name).length == 0 ? vm.lastCallGas().gasTotalUsed : vm.snapshotGasLastCall(name);
    }

    /// The i-th of a family of ascending addresses without zero bytes, as real ones are: those are cheaper calldata.
    function _address(uint160 family, uint256 i) private pure returns (address) {
        return address(family * (type(uint160).max / 15) + uint160(i) * 0x010101);
    }
}
