// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISwarmEscrow} from "../src/ISwarmEscrow.sol";
import {Approval, Entry, EpochSeal, EpochView, Status} from "../src/Types.sol";
import {EscrowTest} from "./utils/EscrowTest.sol";
import {IEscrow} from "./utils/IEscrow.sol";
import {Wallet1271} from "./utils/Wallet1271.sol";
import {vm} from "./utils/Vm.sol";

contract SettleTest is EscrowTest {
    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            _deposit(i, 10e6);
        }
    }

    function _err(bytes4 selector, uint256 a, uint256 b) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    /// An epoch in which the first client pays for one job.
    function _one() private returns (Draft memory) {
        return _draft(_counts(1, 0, 0), payees[0]);
    }

    // --- what it does --------------------------------------------------------------------------------

    function test_charges_and_credits_are_pending_then_final() public {
        Draft memory d = _settleJobs(2, 0, 1);
        assertEq(escrow.lastEpoch(), 1, "last epoch");
        assertEq(escrow.account(clients[0]).balance, 10e6 - 2 * FEE, "balance");
        assertEq(escrow.account(clients[0]).pending, 2 * FEE, "pending charge");
        (uint64 claimable, uint64 pending) = escrow.owed(payees[0]);
        assertEq(claimable, 0, "claimable while pending");
        assertEq(pending, 3 * FEE, "pending earnings");
        vm.warp(START + WINDOW - 1);
        assertEq(uint256(escrow.epochs(1).status), uint256(Status.Pending), "a second before");
        vm.warp(START + WINDOW);
        EpochView memory e = escrow.epochs(1);
        assertEq(uint256(e.status), uint256(Status.Final), "at the end of the window");
        assertEq(e.sealHash, _sealHash(d.seal), "seal hash");
        assertEq(e.receiptsRoot, d.seal.receiptsRoot, "root");
        assertEq(e.receiptCount, 3, "count");
        assertEq(e.charged, 3 * FEE, "charged");
        assertEq(e.sealedAt, START, "sealed at");
        assertEq(e.settledAt, START, "settled at");
        assertEq(e.finalAt, START + WINDOW, "final at");
        assertEq(escrow.account(clients[0]).pending, 0, "charge is booked");
        (claimable, pending) = escrow.owed(payees[0]);
        assertEq(claimable, 3 * FEE, "claimable");
        assertEq(pending, 0, "nothing pending");
        assertEq(escrow.liabilities(), 30e6, "liabilities do not move");
        _solvent();
    }

    function test_events_show_it_all() public {
        Draft memory d = _draft(_counts(2, 0, 1), payees[0]);
        Approval[] memory approvals = _approvals(_sealHash(d.seal));
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.EpochSettled(
            1, _sealHash(d.seal), d.seal.receiptsRoot, 3, 3 * FEE, d.seal.bundle, START, START + WINDOW
        );
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Charged(1, clients[0], 2 * FEE);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Charged(1, clients[2], FEE);
        vm.expectEmit(address(escrow));
        emit ISwarmEscrow.Credited(1, payees[0], 3 * FEE);
        escrow.settle(d.seal, d.charges, d.payouts, approvals);
    }

    function test_epochs_follow_each_other() public {
        for (uint64 n = 1; n <= 5; ++n) {
            _settleJobs(1, n % 2, 0);
            assertEq(escrow.lastEpoch(), n, "last epoch");
            _closeWindow();
        }
        assertEq(escrow.account(clients[0]).balance, 10e6 - 5 * FEE, "first client");
        assertEq(escrow.account(clients[1]).balance, 10e6 - 3 * FEE, "second client");
        (uint64 claimable,) = escrow.owed(payees[0]);
        assertEq(claimable, 8 * FEE, "payee");
        _solvent();
    }

    function test_an_empty_epoch_settles() public {
        _settleJobs(0, 0, 0);
        assertEq(escrow.epochs(1).receiptCount, 0, "count");
        assertEq(escrow.epochs(1).receiptsRoot, sha256(""), "root");
    }

    function test_fees_of_zero_need_no_charge() public {
        Draft memory d;
        d.leaves = new bytes[](1);
        d.leaves[0] = "any";
        _seal(d);
        _settle(d);
        assertEq(escrow.epochs(1).charged, 0, "charged");
    }

    function test_a_client_may_be_a_payee() public {
        _settle(_draft(_counts(1, 0, 0), clients[0]));
        _closeWindow();
        (uint64 claimable,) = escrow.owed(clients[0]);
        assertEq(claimable, FEE, "earned");
        assertEq(escrow.account(clients[0]).balance, 10e6 - FEE, "balance");
    }

    // --- who signed ----------------------------------------------------------------------------------

    function _settleWith(Draft memory d, Approval[] memory approvals, bytes memory why) private {
        vm.expectRevert(why);
        escrow.settle(d.seal, d.charges, d.payouts, approvals);
    }

    function test_too_few_signatures() public {
        Draft memory d = _one();
        Approval[] memory one = new Approval[](1);
        one[0] = _approvals(_sealHash(d.seal))[0];
        _settleWith(d, one, _err(IEscrow.TooFewApprovals.selector, 1, 2));
        _settleWith(d, new Approval[](0), _err(IEscrow.TooFewApprovals.selector, 0, 2));
    }

    function test_nobody_counts_twice_or_out_of_order() public {
        Draft memory d = _one();
        Approval[] memory approvals = _approvals(_sealHash(d.seal));
        (approvals[0], approvals[1]) = (approvals[1], approvals[0]);
        _settleWith(d, approvals, abi.encodeWithSelector(IEscrow.ApprovalsNotAscending.selector, settlers[0]));
        approvals[0] = approvals[1];
        _settleWith(d, approvals, abi.encodeWithSelector(IEscrow.ApprovalsNotAscending.selector, settlers[0]));
    }

    function test_strangers_and_the_zero_address_do_not_count() public {
        Draft memory d = _one();
        Approval[] memory approvals = _approvals(_sealHash(d.seal));
        bytes32 digest = _digest(_sealHash(d.seal));
        (uint256[] memory keys, address[] memory others) = _keys(0x0ddba11, 8);
        uint256 i;
        while (others[i] < settlers[0]) ++i;
        approvals[1] = Approval(others[i], _sign(keys[i], digest));
        _settleWith(d, approvals, abi.encodeWithSelector(IEscrow.NotSettler.selector, others[i]));
        approvals[0] = Approval(address(0), _sign(keys[i], digest));
        _settleWith(d, approvals, abi.encodeWithSelector(IEscrow.ApprovalsNotAscending.selector, address(0)));
    }

    function test_all_settlers_may_sign() public {
        Draft memory d = _one();
        bytes32 digest = _digest(_sealHash(d.seal));
        Approval[] memory approvals = new Approval[](3);
        for (uint256 i; i < 3; ++i) {
            approvals[i] = Approval(settlers[i], _sign(settlerKeys[i], digest));
        }
        escrow.settle(d.seal, d.charges, d.payouts, approvals);
        assertEq(escrow.lastEpoch(), 1, "last epoch");
    }

    function test_odd_signatures_do_not_count() public {
        Draft memory d = _one();
        Approval[] memory approvals = _approvals(_sealHash(d.seal));
        bytes memory good = approvals[1].signature;
        bytes memory why = abi.encodeWithSelector(IEscrow.BadSignature.selector, settlers[1]);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(settlerKeys[1], _digest(_sealHash(d.seal)));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

        bytes[7] memory odd;
        odd[0] = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27)); // high s
        odd[1] = abi.encodePacked(r, s, v - 27); // v 0 or 1
        odd[2] = abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255))); // 64 bytes, EIP-2098
        odd[3] = abi.encodePacked(good, uint8(0)); // 66 bytes
        odd[4] = "";
        odd[5] = new bytes(65);
        odd[6] = _sign(settlerKeys[0], _digest(_sealHash(d.seal))); // another settler's
        for (uint256 i; i < odd.length; ++i) {
            approvals[1].signature = odd[i];
            _settleWith(d, approvals, why);
        }
        approvals[1].signature = good;
        escrow.settle(d.seal, d.charges, d.payouts, approvals);
    }

    function test_signatures_bind_chain_and_contract() public {
        Draft memory d = _one();
        bytes memory why = abi.encodeWithSelector(IEscrow.BadSignature.selector, settlers[0]);
        bytes32 typehash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        uint256[2] memory chains = [block.chainid + 1, block.chainid];
        address[2] memory contracts = [address(escrow), address(this)];
        for (uint256 i; i < 2; ++i) {
            bytes32 domain =
                keccak256(abi.encode(typehash, keccak256("SwarmEscrow"), keccak256("1"), chains[i], contracts[i]));
            bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, _sealHash(d.seal)));
            Approval[] memory approvals = new Approval[](2);
            for (uint256 j; j < 2; ++j) {
                approvals[j] = Approval(settlers[j], _sign(settlerKeys[j], digest));
            }
            _settleWith(d, approvals, why);
        }
        assertEq(
            escrow.domainSeparator(),
            keccak256(abi.encode(typehash, keccak256("SwarmEscrow"), keccak256("1"), block.chainid, address(escrow))),
            "domain separator"
        );
    }

    function testFuzz_every_field_of_the_seal_is_signed(uint8 field) public {
        Draft memory d = _one();
        Approval[] memory approvals = _approvals(_sealHash(d.seal));
        EpochSeal memory s = d.seal;
        field %= 9;
        if (field == 0) s.epoch ^= 1;
        if (field == 1) s.previous ^= bytes32(uint256(1));
        if (field == 2) s.receiptsRoot ^= bytes32(uint256(1));
        if (field == 3) s.receiptCount ^= 1;
        if (field == 4) s.bundle ^= bytes32(uint256(1));
        if (field == 5) s.charged ^= 1;
        if (field == 6) s.charges ^= bytes32(uint256(1));
        if (field == 7) s.payouts ^= bytes32(uint256(1));
        if (field == 8) s.sealedAt ^= 1;
        vm.expectRevert(abi.encodeWithSelector(IEscrow.BadSignature.selector, settlers[0]));
        escrow.settle(s, d.charges, d.payouts, approvals);
    }

    function test_a_settler_may_be_a_contract() public {
        Wallet1271 wallet = new Wallet1271(stranger);
        (uint256[] memory keys, address[] memory addrs) = _keys(0x7a11e7, 1);
        wallet.setKey(addrs[0]);
        address[] memory set = new address[](1);
        set[0] = address(wallet);
        vm.prank(owner);
        escrow.scheduleSettlers(set, 1);
        vm.warp(START + ROLE_DELAY);
        vm.prank(owner);
        escrow.applySettlers(set, 1);
        Draft memory d = _one();
        Approval[] memory approvals = new Approval[](1);
        approvals[0] = Approval(address(wallet), _sign(keys[0], _digest(_sealHash(d.seal))));
        wallet.setKey(stranger);
        _settleWith(d, approvals, abi.encodeWithSelector(IEscrow.BadSignature.selector, address(wallet)));
        wallet.setKey(addrs[0]);
        escrow.settle(d.seal, d.charges, d.payouts, approvals);
        assertEq(escrow.lastEpoch(), 1, "last epoch");
    }

    // --- which epoch ---------------------------------------------------------------------------------

    function test_numbers_are_used_once_and_in_order() public {
        Draft memory d = _one();
        d.seal.epoch = 0;
        _settleReverts(d, _err(ISwarmEscrow.WrongEpoch.selector, 0, 1));
        d.seal.epoch = 2;
        _settleReverts(d, _err(ISwarmEscrow.WrongEpoch.selector, 2, 1));
        d.seal.epoch = type(uint64).max;
        _settleReverts(d, _err(ISwarmEscrow.WrongEpoch.selector, type(uint64).max, 1));
        d.seal.epoch = 1;
        _settle(d);
        _settleReverts(d, _err(ISwarmEscrow.WrongEpoch.selector, 1, 2));
        _closeWindow();
        _settleReverts(d, _err(ISwarmEscrow.WrongEpoch.selector, 1, 2));
    }

    function test_previous_chains_the_seals() public {
        Draft memory d = _one();
        d.seal.previous = keccak256("other");
        _settleReverts(d, abi.encodeWithSelector(ISwarmEscrow.WrongPrevious.selector, keccak256("other"), 0));
        _settleJobs(1, 0, 0);
        _closeWindow();
        bytes32 first = escrow.epochs(1).sealHash;
        d = _one();
        assertEq(d.seal.previous, first, "previous");
        d.seal.previous = 0;
        _settleReverts(d, abi.encodeWithSelector(ISwarmEscrow.WrongPrevious.selector, 0, first));
    }

    function test_the_previous_epoch_must_be_final() public {
        _settleJobs(1, 0, 0);
        vm.warp(START + WINDOW - 1);
        Draft memory d = _one();
        _settleReverts(d, abi.encodeWithSelector(ISwarmEscrow.PreviousPending.selector, START + WINDOW));
        vm.warp(START + WINDOW);
        _settle(d);
    }

    function test_sealed_after_the_previous_seal() public {
        _settleJobs(1, 0, 0);
        _closeWindow();
        Draft memory d = _one();
        d.seal.sealedAt = START;
        _settleReverts(d, _err(ISwarmEscrow.SealNotAfterPrevious.selector, START, START));
        d.seal.sealedAt = START + 1;
        _settle(d);
    }

    function test_not_sealed_in_the_future() public {
        Draft memory d = _one();
        d.seal.sealedAt = START + 1;
        _settleReverts(d, _err(ISwarmEscrow.SealFromTheFuture.selector, START + 1, START));
        vm.warp(START + 1);
        _settle(d);
    }

    function test_a_seal_ages() public {
        Draft memory d = _one();
        vm.warp(START + SEAL_AGE);
        _settleReverts(d, _err(ISwarmEscrow.SealTooOld.selector, START, START + SEAL_AGE));
        vm.warp(START + SEAL_AGE - 1);
        _settle(d);
    }

    function test_a_time_at_the_end_of_64_bits_does_not_wrap() public {
        Draft memory d = _one();
        d.seal.sealedAt = type(uint64).max;
        _settleReverts(d, _err(ISwarmEscrow.SealFromTheFuture.selector, type(uint64).max, START));
    }

    function test_a_pause_stops_settlement_until_it_lapses() public {
        vm.prank(guardian);
        escrow.pause();
        vm.warp(START + MAX_PAUSE - 1);
        Draft memory d = _one();
        _settleReverts(d, abi.encodeWithSelector(ISwarmEscrow.IsPaused.selector, START + MAX_PAUSE));
        vm.warp(START + MAX_PAUSE);
        _settle(d);
    }

    function test_while_clients_may_leave_only_an_empty_epoch_settles() public {
        vm.warp(START + TIMEOUT - 1);
        Draft memory d = _one();
        vm.warp(START + TIMEOUT);
        _settleReverts(d, abi.encodeWithSelector(ISwarmEscrow.OnlyEmptyEpoch.selector));
        _settleJobs(0, 0, 0);
        vm.warp(START + TIMEOUT + WINDOW - 1);
        assertLe(escrow.escapeAt(), block.timestamp, "still open while it is pending");
        vm.warp(START + TIMEOUT + WINDOW);
        _settleJobs(1, 0, 0);
        assertEq(escrow.lastEpoch(), 2, "settling again");
    }

    // --- the vectors ---------------------------------------------------------------------------------

    function test_vectors_must_be_the_signed_ones() public {
        Draft memory d = _one();
        bytes32 given = d.seal.charges;
        d.charges[0].amount += 1;
        _settleReverts(
            d, abi.encodeWithSelector(ISwarmEscrow.WrongChargesHash.selector, given, keccak256(abi.encode(d.charges)))
        );
        d.charges[0].amount -= 1;
        given = d.seal.payouts;
        d.payouts[0].account = payees[1];
        _settleReverts(
            d, abi.encodeWithSelector(ISwarmEscrow.WrongPayoutsHash.selector, given, keccak256(abi.encode(d.payouts)))
        );
    }

    function test_an_epoch_without_receipts_has_nothing_else() public {
        Draft memory d = _one();
        d.seal.receiptCount = 0;
        _settleReverts(d, abi.encodeWithSelector(ISwarmEscrow.NotEmpty.selector));
        d = _draft(_counts(0, 0, 0), payees[0]);
        d.seal.receiptsRoot = keccak256("root");
        _settleReverts(d, abi.encodeWithSelector(ISwarmEscrow.NotEmpty.selector));
        d = _draft(_counts(0, 0, 0), payees[0]);
        d.payouts = new Entry[](1);
        d.payouts[0] = Entry(payees[0], 1);
        d.seal.payouts = keccak256(abi.encode(d.payouts));
        _settleReverts(d, abi.encodeWithSelector(ISwarmEscrow.NotEmpty.selector));
    }

    function test_sums_must_agree() public {
        Draft memory d = _one();
        d.seal.charged += 1;
        _settleReverts(d, _err(ISwarmEscrow.WrongChargesSum.selector, FEE + 1, FEE));
        d.seal.charged = uint128(FEE) | (1 << 64);
        _settleReverts(d, _err(ISwarmEscrow.WrongChargesSum.selector, uint256(FEE) | (1 << 64), FEE));
        d.seal.charged = FEE;
        d.payouts[0].amount -= 1;
        d.seal.payouts = keccak256(abi.encode(d.payouts));
        _settleReverts(d, _err(ISwarmEscrow.WrongPayoutsSum.selector, FEE, FEE - 1));
        // An amount whose low 64 bits would fit.
        d.payouts[0].amount = uint96(FEE) | (1 << 64);
        d.seal.payouts = keccak256(abi.encode(d.payouts));
        _settleReverts(d, _err(ISwarmEscrow.WrongPayoutsSum.selector, FEE, uint256(FEE) | (1 << 64)));
    }

    function test_entries_ascend_strictly() public {
        Draft memory d = _draft(_counts(1, 1, 0), payees[0]);
        bytes4 why = ISwarmEscrow.EntriesNotAscending.selector;
        (d.charges[0], d.charges[1]) = (d.charges[1], d.charges[0]);
        d.seal.charges = keccak256(abi.encode(d.charges));
        _settleReverts(d, abi.encodeWithSelector(why, clients[0]));
        d.charges[1] = d.charges[0];
        d.seal.charges = keccak256(abi.encode(d.charges));
        _settleReverts(d, abi.encodeWithSelector(why, clients[1]));
        d.charges[0].account = address(0);
        d.seal.charges = keccak256(abi.encode(d.charges));
        _settleReverts(d, abi.encodeWithSelector(why, address(0)));

        d = _draft(_counts(1, 1, 0), payees[0]);
        d.payouts = new Entry[](2);
        (d.payouts[0], d.payouts[1]) = (Entry(payees[0], FEE), Entry(payees[0], FEE));
        d.seal.payouts = keccak256(abi.encode(d.payouts));
        _settleReverts(d, abi.encodeWithSelector(why, payees[0]));
        (d.payouts[0], d.payouts[1]) = (Entry(payees[1], FEE), Entry(payees[0], FEE));
        d.seal.payouts = keccak256(abi.encode(d.payouts));
        _settleReverts(d, abi.encodeWithSelector(why, payees[0]));
        d.payouts[0].account = address(0);
        d.seal.payouts = keccak256(abi.encode(d.payouts));
        _settleReverts(d, abi.encodeWithSelector(why, address(0)));
    }

    function test_zero_amounts() public {
        Draft memory d = _draft(_counts(1, 1, 0), payees[0]);
        d.charges[0].amount = 0;
        d.seal.charges = keccak256(abi.encode(d.charges));
        _settleReverts(d, abi.encodeWithSelector(ISwarmEscrow.ZeroAmount.selector));
        d = _draft(_counts(1, 1, 0), payees[0]);
        d.payouts[0].amount = 0;
        d.seal.payouts = keccak256(abi.encode(d.payouts));
        _settleReverts(d, abi.encodeWithSelector(ISwarmEscrow.ZeroAmount.selector));
    }

    function test_entry_limit() public {
        Draft memory d;
        d.leaves = new bytes[](1);
        d.payouts = new Entry[](512);
        for (uint256 i; i < 512; ++i) {
            d.payouts[i] = Entry(address(uint160(1 + i)), 1);
        }
        d.charges = new Entry[](1);
        d.charges[0] = Entry(clients[0], 512);
        _seal(d);
        _settleReverts(d, _err(ISwarmEscrow.TooManyEntries.selector, 513, 512));
        assertEq(escrow.MAX_ENTRIES(), 512, "limit");
        Entry[] memory fewer = new Entry[](511);
        for (uint256 i; i < 511; ++i) {
            fewer[i] = d.payouts[i];
        }
        (d.payouts, d.charges[0].amount) = (fewer, 511);
        _seal(d);
        _settle(d);
    }

    // --- what a client can be charged ----------------------------------------------------------------

    function _chargeReverts(uint96 amount, bytes memory why) private {
        Draft memory d = _one();
        d.charges[0].amount = amount;
        d.payouts[0].amount = amount;
        _seal(d);
        _settleReverts(d, why);
    }

    function _charge(uint96 amount) private {
        Draft memory d = _one();
        d.charges[0].amount = amount;
        d.payouts[0].amount = amount;
        _seal(d);
        _settle(d);
    }

    function test_no_more_than_the_balance() public {
        _chargeReverts(
            10e6 + 1, abi.encodeWithSelector(ISwarmEscrow.ChargeOverBalance.selector, clients[0], 10e6 + 1, 10e6)
        );
        _charge(10e6);
    }

    function test_no_charge_of_somebody_without_an_account() public {
        Draft memory d = _one();
        d.charges[0].account = stranger;
        _seal(d);
        _settleReverts(d, abi.encodeWithSelector(ISwarmEscrow.ChargeOverBalance.selector, stranger, FEE, 0));
    }

    function test_no_more_than_the_cap() public {
        vm.prank(clients[0]);
        escrow.setCap(FEE);
        vm.warp(START + EXIT_DELAY - 1);
        _charge(FEE + 1);
        _closeWindow();
        _chargeReverts(FEE + 1, abi.encodeWithSelector(ISwarmEscrow.ChargeOverCap.selector, clients[0], FEE + 1, FEE));
        _charge(FEE);
    }

    function test_the_default_cap() public {
        usdc.mint(clients[0], 1_000e6);
        _deposit(0, 1_000e6);
        _chargeReverts(CAP + 1, abi.encodeWithSelector(ISwarmEscrow.ChargeOverCap.selector, clients[0], CAP + 1, CAP));
        _charge(CAP);
    }

    function test_a_matured_withdrawal_cannot_be_charged() public {
        vm.prank(clients[0]);
        escrow.requestWithdrawal(9e6);
        vm.warp(START + EXIT_DELAY - 1);
        _charge(1e6);
        vm.warp(START + EXIT_DELAY - 1 + WINDOW);
        // 9 are left, and 9 are requested.
        _chargeReverts(1, abi.encodeWithSelector(ISwarmEscrow.ChargeOverBalance.selector, clients[0], 1, 0));
    }

    /// Whatever a client asks for after a seal was made, the charge that was covered then is covered until the
    /// seal is too old.
    function testFuzz_no_client_can_make_a_settlement_revert(uint64[3] calldata amounts, uint32 wait, uint8 what)
        public
    {
        vm.prank(clients[0]);
        escrow.requestWithdrawal(uint64(bound(amounts[0], 1, 10e6)));
        vm.warp(START + wait % (5 days));
        uint64 chargeable = escrow.account(clients[0]).chargeable;
        uint64 maturesAt = escrow.account(clients[0]).maturesAt;
        uint64 withdrawing = escrow.account(clients[0]).withdrawing;
        // The queen's rule: what matures within the seal's age does not count.
        if (block.timestamp < maturesAt && maturesAt < block.timestamp + SEAL_AGE) chargeable = 10e6 - withdrawing;
        if (chargeable == 0) return;
        Draft memory d = _one();
        (d.charges[0].amount, d.payouts[0].amount) = (chargeable, chargeable);
        _seal(d);
        vm.startPrank(clients[0]);
        if (what & 1 != 0) try escrow.withdraw(clients[0]) {} catch {}
        if (what & 2 != 0) escrow.requestWithdrawal(uint64(bound(amounts[1], 1, 10e6)));
        if (what & 4 != 0) escrow.setCap(uint64(bound(amounts[2], 0, 10e6)));
        vm.warp(d.seal.sealedAt + SEAL_AGE - 1);
        if (what & 8 != 0) try escrow.withdraw(clients[0]) {} catch {}
        if (what & 16 != 0) escrow.setCap(0);
        vm.stopPrank();
        _settle(d);
    }
}
