// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccountView, Approval, Entry, Leaf, Receipt, Status} from "../../src/Types.sol";
import {EscrowTest} from "../utils/EscrowTest.sol";
import {vm} from "../utils/Vm.sol";

/// @dev Everybody who can touch the escrow, driven by the fuzzer. What must never happen is written into
/// `broken`; the invariants look there, because a revert of the handler itself would be forgiven.
contract Handler is EscrowTest {
    string public broken;

    address public thief = address(0x7417ef);
    /// The honest seal that waits to be submitted, encoded; empty: none.
    bytes private sealed_;
    /// Every epoch that was settled, encoded, for replays and proofs; index is the number less one.
    bytes[] private settled;
    bool[] public stolen;
    bool[] public voidedByGuardian;
    bytes32[] private credits;
    mapping(bytes32 nonce => uint64) public scheduled;
    mapping(bytes32 nonce => address) private creditedTo;

    // What happened, so that a run that did nothing is seen.
    uint256 public honestSettled;
    uint256 public stolenSettled;
    uint256 public attacks;
    uint256 public proved;
    uint256 public claims;
    uint256 public withdrawals;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            _deposit(i, 10e6);
        }
    }

    function _broken(string memory what) private {
        if (bytes(broken).length == 0) broken = what;
    }

    function _client(uint256 seed) private pure returns (uint256) {
        return seed % 3;
    }

    function actorCount() external pure returns (uint256) {
        return 3;
    }

    function client(uint256 i) external view returns (address) {
        return clients[i];
    }

    function payee(uint256 i) external view returns (address) {
        return payees[i];
    }

    function theEscrow() external view returns (address) {
        return address(escrow);
    }

    function held() external view returns (uint256) {
        return usdc.balanceOf(address(escrow));
    }

    function openCredits() external view returns (uint256 sum) {
        for (uint256 i; i < credits.length; ++i) {
            sum += scheduled[credits[i]];
        }
    }

    // --- time and clients ----------------------------------------------------------------------------

    function wait(uint32 time) external {
        vm.warp(block.timestamp + bound(time, 1, 1 days));
    }

    function waitLong(uint32 time) external {
        // Rarely long enough for the escape.
        vm.warp(block.timestamp + bound(time, 1, time % 16 == 0 ? TIMEOUT : EXIT_DELAY));
    }

    function deposit(uint256 who, uint64 amount) external {
        amount = uint64(bound(amount, 1, 1e6));
        usdc.mint(clients[_client(who)], amount);
        _deposit(_client(who), amount);
    }

    function requestWithdrawal(uint256 who, uint64 amount) external {
        vm.prank(clients[_client(who)]);
        escrow.requestWithdrawal(uint64(bound(amount, 1, 2e6)));
    }

    function withdraw(uint256 who) external {
        address c = clients[_client(who)];
        uint64 maturesAt = escrow.account(c).maturesAt;
        if (maturesAt == 0) {
            vm.prank(c);
            escrow.requestWithdrawal(uint64(bound(who, 1, 1e6)));
            maturesAt = escrow.account(c).maturesAt;
        }
        if (who % 5 != 0 && block.timestamp < maturesAt) vm.warp(maturesAt);
        AccountView memory before = escrow.account(c);
        uint256 had = usdc.balanceOf(c);
        bool escape = block.timestamp >= escrow.escapeAt();
        vm.prank(c);
        uint64 paid = escrow.withdraw(c);
        if (usdc.balanceOf(c) - had != paid) _broken("withdraw paid another amount than it says");
        if (!escape && paid > before.withdrawing) _broken("withdraw paid more than was requested");
        if (paid > before.balance) _broken("withdraw paid more than the balance");
        withdrawals += 1;
    }

    function setCap(uint256 who, uint64 cap) external {
        vm.prank(clients[_client(who)]);
        escrow.setCap(uint64(bound(cap, 0, 2e6)));
    }

    /// Somebody who has earned something, if anybody has.
    function _earner(uint256 who) private view returns (address p) {
        for (uint256 i; i < 4; ++i) {
            p = (who % 4 + i) % 4 == 3 ? thief : payees[(who % 4 + i) % 4];
            (uint64 claimable, uint64 pending) = escrow.owed(p);
            if (claimable + pending != 0) break;
        }
    }

    function claim(uint256 who) external {
        address p = _earner(who);
        uint64 finalAt = escrow.epochs(escrow.lastEpoch()).finalAt;
        if (who % 5 != 0 && block.timestamp < finalAt) vm.warp(finalAt);
        (uint64 claimable,) = escrow.owed(p);
        uint256 had = usdc.balanceOf(p);
        if (escrow.claimFor(p) != claimable) _broken("claim paid another amount than was owed");
        if (usdc.balanceOf(p) - had != claimable) _broken("claim paid another amount than it says");
        claims += 1;
    }

    // --- an honest queen -----------------------------------------------------------------------------

    /// What a queen counts on until the seal is too old: nothing that matures by then, and the lower cap.
    function _collectable(address c) private view returns (uint64 amount) {
        AccountView memory a = escrow.account(c);
        amount = a.chargeable;
        uint256 horizon = block.timestamp + SEAL_AGE;
        if (a.maturesAt != 0 && block.timestamp < a.maturesAt && a.maturesAt < horizon) {
            amount = a.withdrawing < a.balance ? a.balance - a.withdrawing : 0;
        }
        uint64 cap = a.cap;
        if (a.nextCapAt != 0 && a.nextCapAt < horizon && a.nextCap < cap) cap = a.nextCap;
        if (cap < amount) amount = cap;
    }

    /// Seals an epoch; it is submitted later, whatever happens in between.
    function queenSeals(uint256 jobs) public {
        uint256[] memory counts = new uint256[](3);
        for (uint256 i; i < 3; ++i) {
            uint256 n = _collectable(clients[i]) / FEE;
            uint256 want = (jobs >> (8 * i)) % 8;
            counts[i] = want < n ? want : n;
        }
        if (block.timestamp + SEAL_AGE > escrow.escapeAt()) (counts[0], counts[1], counts[2]) = (0, 0, 0);
        sealed_ = abi.encode(_draft(counts, payees[jobs % 3]));
    }

    /// Submits it; nothing that clients did may make that fail.
    function queenSubmits(uint8 patience) public {
        if (sealed_.length == 0) return;
        uint64 finalAt = escrow.epochs(escrow.lastEpoch()).finalAt;
        if (patience % 4 != 0 && block.timestamp < finalAt) vm.warp(finalAt);
        Draft memory d = abi.decode(sealed_, (Draft));
        uint64 last = escrow.lastEpoch();
        bool mayFail = block.timestamp >= d.seal.sealedAt + SEAL_AGE || d.seal.epoch != last + 1
            || block.timestamp < escrow.pausedUntil() || escrow.stopped()
            || escrow.epochs(last).status == Status.Pending || d.seal.sealedAt <= escrow.epochs(last).sealedAt
            || (d.seal.receiptCount != 0 && block.timestamp >= escrow.escapeAt());
        Approval[] memory approvals = _approvals(_sealHash(d.seal));
        try escrow.settle(d.seal, d.charges, d.payouts, approvals) {
            if (mayFail) _broken("an honest seal settled when it must not");
            _remember(d, false);
            honestSettled += 1;
        } catch {
            if (!mayFail) _broken("a client made a settlement revert");
        }
        delete sealed_;
    }

    /// A client does all that it can between a seal and its settlement.
    function clientRaces(uint256 who, uint8 what, uint32 time) external {
        queenSeals(0x070707);
        address c = clients[_client(who)];
        vm.startPrank(c);
        if (what & 1 != 0) try escrow.requestWithdrawal(type(uint64).max) {} catch {}
        if (what & 2 != 0) escrow.setCap(0);
        if (what & 4 != 0) try escrow.withdraw(c) {} catch {}
        vm.stopPrank();
        vm.warp(block.timestamp + bound(time, 0, SEAL_AGE - 1));
        if (what & 8 != 0) {
            vm.prank(c);
            try escrow.withdraw(c) {} catch {}
        }
        queenSubmits(0);
    }

    function _remember(Draft memory d, bool isStolen) private {
        settled.push(abi.encode(d));
        stolen.push(isStolen);
        voidedByGuardian.push(false);
    }

    // --- a thief with the settlers' keys -------------------------------------------------------------

    /// Takes all it can: each client up to balance and cap, to itself, with receipts or without.
    function thiefSettles(uint256 how) external {
        Draft memory d;
        uint256 n;
        uint256 sum;
        Entry[] memory most = new Entry[](3);
        for (uint256 i; i < 3; ++i) {
            AccountView memory a = escrow.account(clients[i]);
            uint64 take = a.chargeable < a.cap ? a.chargeable : a.cap;
            if (how % 8 == 7) take += 1;
            if (take == 0) continue;
            most[n++] = Entry(clients[i], take);
            sum += take;
        }
        d.charges = new Entry[](n);
        for (uint256 i; i < n; ++i) {
            d.charges[i] = most[i];
        }
        if (sum != 0) {
            d.payouts = new Entry[](1);
            d.payouts[0] = Entry(thief, uint96(sum));
        }
        d.leaves = new bytes[](1);
        d.leaves[0] = how % 2 == 0 ? bytes("junk") : abi.encode(_newReceipt(_newOrder(clients[0]), "", 0, 0));
        _seal(d);
        Approval[] memory approvals = _approvals(_sealHash(d.seal));
        uint64 last = escrow.lastEpoch();
        bool pendingBefore = escrow.epochs(last).status == Status.Pending;
        escrow.settle(d.seal, d.charges, d.payouts, approvals);
        if (how % 8 == 7 && n != 0) _broken("charged over balance or cap");
        if (pendingBefore) _broken("two epochs pending at once");
        _remember(d, true);
        stolenSettled += 1;
    }

    /// Anybody with the bundle voids it, if there is something to see.
    function strangerProves(uint256 gap) external {
        uint64 last = escrow.lastEpoch();
        if (last == 0) return;
        Draft memory d = abi.decode(settled[last - 1], (Draft));
        Leaf memory leaf = _leaf(d, 0);
        if (stolen[last - 1] && d.leaves[0].length != 480) {
            bool pending = escrow.epochs(last).status == Status.Pending;
            try escrow.proveMalformedLeaf(last, leaf) {
                if (!pending) _broken("voided outside the window");
                proved += 1;
            } catch {
                if (pending) _broken("a fault could not be proved");
            }
        } else {
            gap %= 2;
            try escrow.proveOvercharge(last, uint64(gap), leaf, leaf, clients[gap]) {
                if (!stolen[last - 1]) _broken("an honest epoch was voided");
            } catch {}
        }
    }

    // --- an adversary with every client's key against an honest epoch --------------------------------

    function adversaryProves(uint256 kind, uint256 i, uint256 j) external {
        uint64 last = escrow.lastEpoch();
        if (last == 0 || stolen[last - 1]) return;
        Draft memory d = abi.decode(settled[last - 1], (Draft));
        if (d.leaves.length == 0) return;
        attacks += 1;
        i %= d.leaves.length;
        Leaf memory a = _leaf(d, i);
        kind %= 6;
        if (kind == 0) {
            try escrow.proveMalformedLeaf(last, a) {} catch {}
        } else if (kind == 1) {
            try escrow.proveMalformedOrder(last, a, d.orders[i]) {} catch {}
        } else if (kind == 2) {
            try escrow.proveUnauthorised(last, a, d.orders[i]) {} catch {}
        } else if (kind == 3) {
            j %= d.leaves.length;
            try escrow.proveDuplicate(last, a, d.orders[i], last, _leaf(d, j), d.orders[j]) {} catch {}
        } else if (kind == 4) {
            uint64 other = uint64(1 + j % last);
            Draft memory e = abi.decode(settled[other - 1], (Draft));
            if (e.leaves.length == 0 || e.orders.length == 0) return;
            j %= e.leaves.length;
            try escrow.proveDuplicate(last, a, d.orders[i], other, _leaf(e, j), e.orders[j]) {} catch {}
        } else {
            uint256 gap = j % (d.leaves.length + 1);
            Leaf memory left;
            Leaf memory right;
            if (gap != 0) left = _leaf(d, gap - 1);
            if (gap < d.leaves.length) right = _leaf(d, gap);
            try escrow.proveOvercharge(last, uint64(gap), left, right, clients[i % 3]) {} catch {}
        }
        if (escrow.epochs(last).status == Status.Void && !voidedByGuardian[last - 1]) {
            _broken("an honest epoch was voided");
        }
    }

    function orderSigner(uint256 who, bool add) external {
        vm.prank(clients[_client(who)]);
        if (add) escrow.addOrderSigner(stranger);
        else escrow.removeOrderSigner(stranger);
    }

    // --- replays -------------------------------------------------------------------------------------

    function replay(uint256 which) external {
        if (settled.length == 0) return;
        Draft memory d = abi.decode(settled[which % settled.length], (Draft));
        Approval[] memory approvals = _approvals(_sealHash(d.seal));
        try escrow.settle(d.seal, d.charges, d.payouts, approvals) {
            _broken("a seal settled twice");
        } catch {}
    }

    // --- the guardian --------------------------------------------------------------------------------

    function guardianVoids() external {
        uint64 last = escrow.lastEpoch();
        vm.prank(guardian);
        escrow.voidEpoch(last);
        voidedByGuardian[last - 1] = true;
    }

    function guardianResumes() external {
        vm.prank(guardian);
        escrow.resume();
    }

    function guardianPauses(uint8 on) external {
        vm.prank(guardian);
        if (on % 4 == 0) escrow.pause();
        else escrow.unpause();
    }

    // --- stray USDC ----------------------------------------------------------------------------------

    function strayArrives(uint64 amount) external {
        usdc.mint(address(escrow), bound(amount, 1, 1e6));
    }

    function settlersCredit(uint256 who, uint64 amount) external {
        amount = uint64(bound(amount, 1, 2e6));
        bytes32 nonce = keccak256(abi.encode(credits.length));
        address to = clients[_client(who)];
        Approval[] memory approvals = _approvals(keccak256(abi.encode(CREDIT_TYPEHASH, to, nonce, amount)));
        escrow.creditTransfer(to, nonce, amount, approvals);
        credits.push(nonce);
        (scheduled[nonce], creditedTo[nonce]) = (amount, to);
    }

    function creditEnds(uint256 which, bool refuse) external {
        if (credits.length == 0) return;
        bytes32 nonce = credits[which % credits.length];
        if (refuse) {
            vm.prank(guardian);
            escrow.refuseCredit(creditedTo[nonce], nonce);
        } else {
            escrow.applyCredit(creditedTo[nonce], nonce);
        }
        delete scheduled[nonce];
    }

    // --- the token's issuer --------------------------------------------------------------------------

    function circlePauses(uint8 on) external {
        if (on % 8 == 0) usdc.pause();
        else usdc.unpause();
    }

    function circleBlacklists(uint256 who, uint8 on) external {
        address target = who % 4 == 3 ? address(escrow) : clients[who % 4];
        if (on % 8 == 0) {
            usdc.blacklist(target);
        } else {
            for (uint256 i; i < 4; ++i) {
                usdc.unBlacklist(i == 3 ? address(escrow) : clients[i]);
            }
        }
    }
}
