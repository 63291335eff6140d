// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccountView, Approval, Entry, EpochSeal, EpochView, Leaf, Receipt, Status} from "./Types.sol";

/// @title SwarmEscrow: clients' USDC in, workers' USDC out, every epoch open to challenge
///
/// @notice Units: amounts are µUSDC (the token's 6 decimals), times are Unix seconds, ranges are
/// half-open: what happens "at" a time counts from that second on.
///
/// Assumptions
/// - The token is Circle's FiatToken: no fee on transfer, no callback, total supply under 2^64 µUSDC.
///   Its issuer can pause it, blacklist addresses (this contract too, which freezes everything) and
///   upgrade it. No deadline of a user needs a transfer, so a paused token costs time only.
/// - Block time is off by seconds at most; every delay is hours or days.
/// - The bundle of an epoch (receipts, orders, signatures) is public while its window is open. The
///   guardian voids an epoch whose bundle cannot be fetched: proofs of fault need it.
/// - Who earns what share is not proved on chain: the contract proves what clients owe, and that no
///   more is paid out than is charged. Payees are protected by `audit` and by the guardian.
///
/// Roles, and the worst that each one's stolen key can do
/// - Owner (a multisig): schedules, and after `roleDelay` applies, new settlers, a new guardian, a new
///   owner. Worst: settlers of its own after `roleDelay`, which is longer than every exit.
/// - Settlers (k of n): sign seals and stray credits. Worst: one wrong epoch, within what clients have
///   in the contract and within their caps, if neither the guardian nor anybody with the bundle reacts
///   within the window.
/// - Guardian (never a settler): voids within the window, pauses, resumes, refuses stray credits.
///   Worst: stops settlement, which after `settlementTimeout` lets every client out.
/// - Anyone: submits a signed seal, proves a fault, claims for a payee.
///   No role can move a client's money except through a seal, and no role can stop an exit.
interface ISwarmEscrow {
    // --- events --------------------------------------------------------------------------------------

    /// `amount` came in for `client`; `from` paid it.
    event Deposited(address indexed client, address indexed from, uint64 amount);
    /// `client` wants `amount` back. Replaces its earlier request. From `maturesAt` on it cannot be charged.
    event WithdrawalRequested(address indexed client, uint64 amount, uint64 maturesAt);
    /// `amount` of `client` went to `to`; its request is done.
    event Withdrawn(address indexed client, address indexed to, uint64 amount);
    /// At most `cap` an epoch may be charged from `effectiveAt` on. Replaces a change that is on its way.
    event CapChanged(address indexed client, uint64 cap, uint64 effectiveAt);
    /// `signer` may sign orders of `client`.
    event OrderSignerAdded(address indexed client, address indexed signer);
    /// `signer` may no longer sign orders of `client` from `effectiveAt` on.
    event OrderSignerRemoved(address indexed client, address indexed signer, uint64 effectiveAt);
    /// An epoch was settled. It is final at `finalAt`, unless it is void before.
    event EpochSettled(
        uint64 indexed epoch,
        bytes32 indexed sealHash,
        bytes32 receiptsRoot,
        uint64 receiptCount,
        uint64 charged,
        bytes32 bundle,
        uint64 sealedAt,
        uint64 finalAt
    );
    /// `client` pays `amount` in `epoch`.
    event Charged(uint64 indexed epoch, address indexed client, uint64 amount);
    /// `payee` earns `amount` in `epoch`.
    event Credited(uint64 indexed epoch, address indexed payee, uint64 amount);
    /// What `epoch` charged and credited is undone, and settlement stops until it is resumed.
    event EpochVoided(uint64 indexed epoch, string reason);
    /// The guardian lets settlement go on.
    event SettlementResumed();
    /// `payee`'s final earnings went to `to`.
    event Claimed(address indexed payee, address indexed to, uint64 amount);
    /// Deposits and settlement rest until `until`.
    event Paused(uint64 until);
    /// The pause ended early.
    event Unpaused();
    /// USDC that arrived without a deposit is booked for `from` at `readyAt`.
    event CreditScheduled(address indexed from, bytes32 indexed nonce, uint64 amount, uint64 readyAt);
    /// The guardian refused it.
    event CreditRefused(address indexed from, bytes32 indexed nonce, uint64 amount);

    // --- errors --------------------------------------------------------------------------------------

    error ZeroAddress();
    error ZeroAmount();
    /// A payment to the escrow itself would be nobody's.
    error PaymentToEscrow();
    /// Held amounts must fit 64 bits.
    error AmountTooLarge(uint64 amount);
    error IsPaused(uint64 until);
    error NotPaused();
    /// The last pause began too short a time ago.
    error PauseTooSoon(uint64 allowedAt);
    error NothingToWithdraw(address client);
    error NothingToClaim(address payee);
    error SignerAlreadyAdded(address client, address signer);
    error SignerNotAdded(address client, address signer);
    /// A void epoch stopped settlement; the guardian has to resume it.
    error SettlementStopped();
    error SettlementNotStopped();
    /// No epoch became final for `settlementTimeout`: clients may leave, so only an empty epoch settles.
    error OnlyEmptyEpoch();
    error WrongEpoch(uint64 given, uint64 expected);
    error WrongPrevious(bytes32 given, bytes32 expected);
    error PreviousPending(uint64 finalAt);
    error SealNotAfterPrevious(uint64 sealedAt, uint64 previousSealedAt);
    error SealFromTheFuture(uint64 sealedAt, uint64 blockTime);
    error SealTooOld(uint64 sealedAt, uint64 blockTime);
    error TooManyEntries(uint256 count, uint256 limit);
    error WrongChargesHash(bytes32 given, bytes32 found);
    error WrongPayoutsHash(bytes32 given, bytes32 found);
    error WrongChargesSum(uint256 given, uint256 found);
    error WrongPayoutsSum(uint256 given, uint256 found);
    /// An epoch without receipts has no vectors, and the root of the empty tree.
    error NotEmpty();
    error EntriesNotAscending(address account);
    error ChargeOverBalance(address client, uint256 amount, uint64 chargeable);
    error ChargeOverCap(address client, uint256 amount, uint64 cap);
    error NotPending(uint64 epoch, Status status);
    error NotIncluded(uint64 epoch, uint64 index);
    /// The leaf is not 480 canonical bytes: that is a fault of its own.
    error MalformedLeaf(uint64 index);
    /// The order is not 257 canonical bytes: that is a fault of its own.
    error MalformedOrder();
    /// The bytes are not the preimage of the receipt's order.
    error WrongOrderPreimage(bytes32 found, bytes32 expected);
    /// Both leaves are one and the same, or the other epoch does not count.
    error NotTwoPlaces();
    error LeavesNotNeighbours(uint64 left, uint64 right);
    /// The proof holds, and shows nothing wrong.
    error NoFault();
    error CreditUsed(address from, bytes32 nonce);
    error CreditOverSurplus(uint64 amount, uint256 surplus);
    error CreditNotScheduled(address from, bytes32 nonce);
    error CreditNotReady(uint64 readyAt);
    error CreditReady(uint64 readyAt);
    error BadConfig(string rule);

    // --- clients -------------------------------------------------------------------------------------

    /// @notice Adds `amount` of the caller's USDC (approved before) to the caller's account.
    function deposit(uint64 amount) external;

    /// @notice The same, for somebody else's account.
    function depositFor(address client, uint64 amount) external;

    /// @notice The same for the caller, with an EIP-2612 permit of the caller. Works too when somebody
    /// has used the permit already.
    function depositWithPermit(uint64 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Books what `from` sends by an EIP-3009 `receiveWithAuthorization` to this contract. Anyone
    /// may submit it; it credits `from` only. `from` may be a contract wallet (ERC-1271).
    function depositWithAuthorization(
        address from,
        uint64 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Asks for `amount` back, or for all there is when it is less. After `exitDelay` it cannot be
    /// charged any more, and `withdraw` pays it. Replaces an earlier request, also a matured one: asking for
    /// 1 takes back all but that.
    function requestWithdrawal(uint64 amount) external;

    /// @notice Pays a matured request, at most the balance; the request is done. With no epoch final
    /// for `settlementTimeout`, pays the whole balance, request or not.
    function withdraw(address to) external returns (uint64 amount);

    /// @notice The most that one epoch may charge the caller. Raising counts at once, lowering after `exitDelay`.
    function setCap(uint64 cap) external;

    /// @notice Lets `signer` sign orders for the caller, at once.
    function addOrderSigner(address signer) external;

    /// @notice Ends that after `exitDelay`.
    function removeOrderSigner(address signer) external;

    // --- settlement ----------------------------------------------------------------------------------

    /// @notice Settles the next epoch. Anyone may submit what enough settlers signed.
    /// @param epochSeal What they signed; its `previous` must be final or void.
    /// @param charges What each client pays: ascending by address, no zero amounts.
    /// @param payouts What each payee earns, in the same form; the sums are equal.
    /// @param approvals Signatures over the seal, ascending by signer.
    function settle(
        EpochSeal calldata epochSeal,
        Entry[] calldata charges,
        Entry[] calldata payouts,
        Approval[] calldata approvals
    ) external;

    /// @notice Guardian: voids the epoch whose window is open.
    function voidEpoch(uint64 epoch) external;

    /// @notice Fault: a leaf that is not 480 canonical bytes.
    function proveMalformedLeaf(uint64 epoch, Leaf calldata leaf) external;

    /// @notice Fault: the receipt's order commits to bytes that are not a signed order.
    function proveMalformedOrder(uint64 epoch, Leaf calldata leaf, bytes calldata order) external;

    /// @notice Fault: the order does not cover the receipt. Its signer is neither the client nor was ever
    /// its order signer, or was removed with effect before the seal of the last final epoch; it names
    /// another client, model or input; the fee is over its `maxFee`; the job completed after its
    /// deadline or after the seal, or was submitted in a later epoch.
    /// @param order The order's preimage; not read where the receipt by itself shows the last two.
    function proveUnauthorised(uint64 epoch, Leaf calldata leaf, bytes calldata order) external;

    /// @notice Fault: two places hold one job, one order, or two orders with one client and nonce. The other
    /// place is in the same epoch or in an earlier one that is final.
    /// @param order Preimage of the receipt's order; empty where job or order are the same.
    /// @param otherOrder Preimage of the other receipt's order; empty likewise.
    function proveDuplicate(
        uint64 epoch,
        Leaf calldata leaf,
        bytes calldata order,
        uint64 otherEpoch,
        Leaf calldata otherLeaf,
        bytes calldata otherOrder
    ) external;

    /// @notice Fault: what a client is charged is not what its receipts add up to. Looks at the gap before
    /// leaf `gap`: the leaf left of it (when `gap` > 0) and the leaf right of it (when `gap` is below the
    /// epoch's receipt count); the other argument is not read. Shows leaves out of order, a
    /// `clientTotal` that does not run on, a last total that is not the charge, or that the charged
    /// client `absent` has no leaf (its place would be this gap).
    function proveOvercharge(uint64 epoch, uint64 gap, Leaf calldata left, Leaf calldata right, address absent) external;

    /// @notice Guardian: lets settlement go on after a void epoch.
    function resume() external;

    /// @notice Guardian: rests deposits and settlement for `maxPause`; at most every 2 · `maxPause`.
    function pause() external;

    /// @notice Guardian: ends a pause.
    function unpause() external;

    // --- payees --------------------------------------------------------------------------------------

    /// @notice Sends the caller's final earnings to `to`.
    function claim(address to) external returns (uint64 amount);

    /// @notice Sends `payee`'s final earnings to `payee`. Anyone may call it.
    function claimFor(address payee) external returns (uint64 amount);

    // --- USDC that came without a deposit ------------------------------------------------------------

    /// @notice Books `amount` that `from` sent straight to this contract, out of what the contract holds
    /// beyond its liabilities; once for each (from, nonce), signed by the settlers over
    /// `CreditTransfer(address from,bytes32 nonce,uint64 amount)`. Counts after `window`.
    function creditTransfer(address from, bytes32 nonce, uint64 amount, Approval[] calldata approvals) external;

    /// @notice Guardian: refuses it before that. The (from, nonce) stays used.
    function refuseCredit(address from, bytes32 nonce) external;

    /// @notice Adds it to `from`'s account. Anyone may call it.
    function applyCredit(address from, bytes32 nonce) external;

    // --- views ---------------------------------------------------------------------------------------

    /// @notice Whether `receipt` is leaf `index` of `epoch`, and where that epoch stands.
    function verifyReceipt(uint64 epoch, uint64 index, Receipt calldata receipt, bytes32[] calldata path)
        external
        view
        returns (bool included, Status epochStatus);

    /// @notice SHA-256(0x00 ‖ abi.encode(receipt)).
    function receiptLeaf(Receipt calldata receipt) external view returns (bytes32);

    /// @notice What is stored of an epoch.
    function epochs(uint64 epoch) external view returns (EpochView memory);

    /// @notice A client's account.
    function account(address client) external view returns (AccountView memory);

    /// @notice A payee's final earnings, and those of the epoch whose window is open.
    function owed(address payee) external view returns (uint64 claimable, uint64 pending);

    /// @notice Σ of all accounts, pending charges, earnings and scheduled credits; never more than the USDC held.
    function liabilities() external view returns (uint64);

    /// @notice Whether `signer` was ever an order signer of `client`, and from when on it no longer is (0: it is).
    function orderSigner(address client, address signer) external view returns (bool added, uint64 removedAt);

    /// @notice Number of the last epoch that was settled, void or not; 0 before the first.
    function lastEpoch() external view returns (uint64);

    /// @notice Whether a void epoch stopped settlement.
    function stopped() external view returns (bool);

    /// @notice Until when deposits and settlement rest; a time in the past: they do not.
    function pausedUntil() external view returns (uint64);

    /// @notice From when on clients may withdraw at once, as things stand.
    function escapeAt() external view returns (uint64);

    /// @notice The EIP-712 domain separator of orders, executions and seals.
    function domainSeparator() external view returns (bytes32);
}
