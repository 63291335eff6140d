// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SwarmEscrow} from "../src/SwarmEscrow.sol";
import {AccountView, Approval, Config, Entry, EpochSeal} from "../src/Types.sol";

interface Vm {
    function assume(bool condition) external pure;
    function prank(address sender) external;
    function warp(uint256 time) external;
}

/// @dev A token that takes every transfer: the proofs are about the escrow's books.
contract AnyToken {
    function transferFrom(address, address, uint256) external pure returns (bool) {
        return true;
    }

    function transfer(address, uint256) external pure returns (bool) {
        return true;
    }
}

/// @dev A settler that signs everything (ERC-1271): the proofs are about what a signed seal can do.
contract Signer {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0x1626ba7e;
    }
}

/// @title Proofs for all amounts: two clients, two payees, one epoch after another
/// @dev Bounded: two entries in each vector, fixed addresses and times. Unbounded: every deposit,
/// charge and payout (96 bits, as entries allow), the sum that the seal states. Caps are the largest.
contract SettleProofs {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant START = 1_800_000_000;
    uint64 private constant WINDOW = 12 hours;
    address private constant GUARDIAN = address(0x22);
    address private constant CLIENT_A = address(0xa1);
    address private constant CLIENT_B = address(0xa2);
    address private constant PAYEE_A = address(0xb1);
    address private constant PAYEE_B = address(0xb2);

    SwarmEscrow private escrow;
    address private settler;

    struct Books {
        uint256 clients;
        uint256 pendingCharges;
        uint256 claimable;
        uint256 pendingPay;
    }

    function setUp() public {
        vm.warp(START);
        settler = address(new Signer());
        address[] memory settlers = new address[](1);
        settlers[0] = settler;
        escrow = new SwarmEscrow(
            Config({
                token: address(new AnyToken()),
                owner: address(0x11),
                guardian: GUARDIAN,
                settlers: settlers,
                threshold: 1,
                defaultCap: type(uint64).max,
                window: WINDOW,
                exitDelay: 3 days,
                roleDelay: 7 days,
                settlementTimeout: 14 days,
                maxSealAge: 2 days,
                maxPause: 3 days
            })
        );
    }

    /// Whatever a seal says, if it settles then charges = payouts = `charged`, and the books still sum
    /// to the liabilities, which settlement does not change.
    function check_settleConserves(uint64 a, uint64 b, uint96[4] memory amounts, uint128 charged) public {
        _deposit(a, b);
        uint256 before = escrow.liabilities();
        if (!_settle(1, 0, amounts, charged)) return;
        Books memory books = _books();
        assert(books.pendingCharges == charged);
        assert(books.pendingPay == charged);
        assert(books.clients + books.pendingCharges == before);
        assert(books.claimable == 0);
        assert(escrow.liabilities() == before);
    }

    /// Final: what was charged is gone from the clients and is the payees'.
    function check_finalPaysWhatWasCharged(uint64 a, uint64 b, uint96[4] memory amounts, uint128 charged) public {
        _deposit(a, b);
        uint256 before = escrow.liabilities();
        if (!_settle(1, 0, amounts, charged)) return;
        vm.warp(START + WINDOW);
        Books memory books = _books();
        assert(books.pendingCharges == 0 && books.pendingPay == 0);
        assert(books.claimable == charged);
        assert(books.clients + books.claimable == before);
        assert(escrow.liabilities() == before);
    }

    /// Void: every account is what it was, to the unit.
    function check_voidRestores(uint64 a, uint64 b, uint96[4] memory amounts, uint128 charged) public {
        _deposit(a, b);
        uint256 before = escrow.liabilities();
        if (!_settle(1, 0, amounts, charged)) return;
        vm.prank(GUARDIAN);
        escrow.voidEpoch(1);
        _isBefore(a, CLIENT_A);
        _isBefore(b, CLIENT_B);
        Books memory books = _books();
        assert(books.claimable == 0 && books.pendingPay == 0);
        assert(escrow.liabilities() == before);
        // And it stays so after the window.
        vm.warp(START + WINDOW);
        _isBefore(a, CLIENT_A);
        _isBefore(b, CLIENT_B);
        assert(_books().claimable == 0);
    }

    /// A void epoch and the one that settles it again: booked lazily, nothing is lost or doubled.
    function check_voidThenSettleConserves(uint64 a, uint64 b, uint96[4] memory amounts, uint128 charged) public {
        _deposit(a, b);
        uint256 before = escrow.liabilities();
        if (!_settle(1, 0, amounts, charged)) return;
        vm.prank(GUARDIAN);
        escrow.voidEpoch(1);
        vm.prank(GUARDIAN);
        escrow.resume();
        vm.warp(START + 1);
        // The same vectors under the next number must settle, since everything is back.
        assert(_settle(2, escrow.epochs(1).sealHash, amounts, charged));
        Books memory books = _books();
        assert(books.pendingCharges == charged && books.pendingPay == charged);
        assert(books.clients + books.pendingCharges == before);
        assert(books.claimable == 0);
        assert(escrow.liabilities() == before);
    }

    /// This must FAIL: settlement is possible, so the proofs above are about something.
    function check_nothingEverSettles(uint64 a, uint64 b, uint96[4] memory amounts, uint128 charged) public {
        _deposit(a, b);
        assert(!_settle(1, 0, amounts, charged));
    }

    function _deposit(uint64 a, uint64 b) private {
        vm.assume(a != 0 && b != 0 && uint256(a) + b <= type(uint64).max);
        escrow.depositFor(CLIENT_A, a);
        escrow.depositFor(CLIENT_B, b);
    }

    function _settle(uint64 epoch, bytes32 previous, uint96[4] memory amounts, uint128 charged)
        private
        returns (bool settled)
    {
        Entry[] memory charges = new Entry[](2);
        (charges[0], charges[1]) = (Entry(CLIENT_A, amounts[0]), Entry(CLIENT_B, amounts[1]));
        Entry[] memory payouts = new Entry[](2);
        (payouts[0], payouts[1]) = (Entry(PAYEE_A, amounts[2]), Entry(PAYEE_B, amounts[3]));
        EpochSeal memory epochSeal = EpochSeal({
            epoch: epoch,
            previous: previous,
            receiptsRoot: bytes32(uint256(1)),
            receiptCount: 2,
            bundle: bytes32(uint256(2)),
            charged: charged,
            charges: keccak256(abi.encode(charges)),
            payouts: keccak256(abi.encode(payouts)),
            sealedAt: uint64(block.timestamp)
        });
        Approval[] memory approvals = new Approval[](1);
        approvals[0] = Approval(settler, "");
        try escrow.settle(epochSeal, charges, payouts, approvals) {
            settled = true;
        } catch {}
    }

    function _books() private view returns (Books memory books) {
        AccountView memory x = escrow.account(CLIENT_A);
        AccountView memory y = escrow.account(CLIENT_B);
        books.clients = uint256(x.balance) + y.balance;
        books.pendingCharges = uint256(x.pending) + y.pending;
        (uint64 c, uint64 p) = escrow.owed(PAYEE_A);
        (uint64 d, uint64 q) = escrow.owed(PAYEE_B);
        books.claimable = uint256(c) + d;
        books.pendingPay = uint256(p) + q;
    }

    function _isBefore(uint64 deposited, address client) private view {
        AccountView memory v = escrow.account(client);
        assert(v.balance == deposited && v.pending == 0 && v.chargeable == deposited);
    }
}
