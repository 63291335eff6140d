// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccountView, Status} from "../../src/Types.sol";
import {Assert} from "../utils/Assert.sol";
import {IEscrow} from "../utils/IEscrow.sol";
import {Handler} from "./Handler.sol";

/// @dev What holds after any sequence of what anybody does.
contract MoneyInvariants is Assert {
    uint256 private constant EXIT_DELAY_OF_HANDLER = 3 days - 1;

    Handler private handler;
    IEscrow private escrow;

    function setUp() public {
        handler = new Handler();
        handler.setUp();
        escrow = IEscrow(handler.theEscrow());
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](26);
        selectors[0] = Handler.wait.selector;
        selectors[1] = Handler.waitLong.selector;
        selectors[2] = Handler.deposit.selector;
        selectors[3] = Handler.requestWithdrawal.selector;
        selectors[4] = Handler.withdraw.selector;
        selectors[5] = Handler.setCap.selector;
        selectors[6] = Handler.claim.selector;
        selectors[7] = Handler.queenSeals.selector;
        selectors[8] = Handler.queenSubmits.selector;
        selectors[9] = Handler.thiefSettles.selector;
        selectors[10] = Handler.strangerProves.selector;
        selectors[11] = Handler.adversaryProves.selector;
        selectors[12] = Handler.orderSigner.selector;
        selectors[13] = Handler.replay.selector;
        selectors[14] = Handler.guardianVoids.selector;
        selectors[15] = Handler.guardianResumes.selector;
        selectors[16] = Handler.guardianPauses.selector;
        selectors[17] = Handler.strayArrives.selector;
        selectors[18] = Handler.settlersCredit.selector;
        selectors[19] = Handler.creditEnds.selector;
        selectors[20] = Handler.circlePauses.selector;
        selectors[21] = Handler.circleBlacklists.selector;
        // A queen that works is what most of the rest needs.
        selectors[22] = Handler.queenSeals.selector;
        selectors[23] = Handler.queenSubmits.selector;
        selectors[24] = Handler.clientRaces.selector;
        selectors[25] = Handler.clientRaces.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// A run of the handler that does all it can: without it, invariants of a handler that only reverts would hold.
    function test_the_handler_does_things() public {
        handler.orderSigner(0, true);
        handler.requestWithdrawal(1, 2e5);
        handler.queenSeals(0x030303);
        handler.queenSubmits(0);
        for (uint256 kind; kind < 6; ++kind) {
            handler.adversaryProves(kind, kind, kind + 1);
        }
        handler.claim(4);
        handler.thiefSettles(0);
        handler.strangerProves(0);
        handler.guardianResumes();
        handler.wait(1);
        handler.thiefSettles(1);
        handler.guardianVoids();
        handler.guardianResumes();
        handler.strayArrives(1e6);
        handler.settlersCredit(2, 1e5);
        handler.waitLong(uint32(EXIT_DELAY_OF_HANDLER));
        handler.creditEnds(0, false);
        handler.withdraw(1);
        assertEq(handler.honestSettled(), 1, "honest epochs");
        assertEq(handler.stolenSettled(), 2, "stolen epochs");
        assertEq(handler.attacks(), 6, "attacks");
        assertEq(handler.proved(), 1, "proofs");
        assertEq(handler.claims(), 1, "claims");
        assertEq(handler.withdrawals(), 1, "withdrawals");
        invariant_money();
        invariant_nothing_that_must_not_happen();
    }

    function invariant_money() public view {
        (uint256 accounts, uint256 charged, uint256 claimable, uint256 earned) = _sums();
        uint256 liabilities = escrow.liabilities();
        assertLe(liabilities, handler.held(), "liabilities against USDC held");
        assertEq(accounts + charged + claimable + handler.openCredits(), liabilities, "what is owed to whom");
        assertEq(charged, earned, "pending charges against pending earnings");
        uint64 last = escrow.lastEpoch();
        bool pending = escrow.epochs(last).status == Status.Pending;
        assertEq(charged, pending ? escrow.epochs(last).charged : 0, "pending against the epoch");
    }

    function invariant_nothing_that_must_not_happen() public view {
        string memory broken = handler.broken();
        assertTrue(bytes(broken).length == 0, broken);
    }

    function invariant_chargeable_is_within_the_balance() public view {
        for (uint256 i; i < handler.actorCount(); ++i) {
            AccountView memory a = escrow.account(handler.client(i));
            assertLe(a.chargeable, a.balance, "chargeable");
            if (a.maturesAt == 0) assertEq(a.withdrawing, 0, "a request has a time");
        }
    }

    function _sums() private view returns (uint256 accounts, uint256 charged, uint256 claimable, uint256 earned) {
        for (uint256 i; i < handler.actorCount(); ++i) {
            AccountView memory a = escrow.account(handler.client(i));
            accounts += a.balance;
            charged += a.pending;
            (uint64 c, uint64 p) = escrow.owed(handler.payee(i));
            claimable += c;
            earned += p;
        }
        (uint64 stolenFinal, uint64 stolenPending) = escrow.owed(handler.thief());
        claimable += stolenFinal;
        earned += stolenPending;
    }
}
