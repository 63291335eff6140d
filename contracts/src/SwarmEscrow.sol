// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {ISwarmEscrow} from "./ISwarmEscrow.sol";
import {IUsdc} from "./IUsdc.sol";
import {Roles} from "./Roles.sol";
import {
    AccountView,
    Approval,
    Config,
    Entry,
    EpochSeal,
    EpochView,
    JobOrder,
    Leaf,
    Receipt,
    Status
} from "./Types.sol";
import {Preimage} from "./libraries/Preimage.sol";
import {Rfc9162} from "./libraries/Rfc9162.sol";

/// @title SwarmEscrow
/// @notice See ISwarmEscrow for what it assumes and what each role may do.
/// @dev At most one epoch is pending at a time, so an account needs one pending amount. What an epoch
/// moved is booked lazily: whoever touches an account next looks up whether that epoch became final
/// or void. Nothing ever loops over accounts but `settle`, over the vectors it is given.
contract SwarmEscrow is ISwarmEscrow, Roles, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IUsdc;

    /// A client. The first word is all that a settlement writes.
    struct Account {
        uint64 balance;
        uint64 pending;
        uint64 cap;
        uint48 pendingEpoch;
        bool capSet;
        uint64 withdrawing;
        uint64 maturesAt;
        uint64 nextCap;
        uint64 nextCapAt;
    }

    /// A payee, in one word that stays non-zero after a claim because of `pendingEpoch`.
    struct Payee {
        uint64 claimable;
        uint64 pending;
        uint64 pendingEpoch;
    }

    struct Epoch {
        bytes32 sealHash;
        bytes32 receiptsRoot;
        uint64 receiptCount;
        uint64 charged;
        uint64 sealedAt;
        uint64 settledAt;
    }

    /// Where settlement stands, in one word.
    struct Progress {
        /// The last epoch that was settled.
        uint48 epoch;
        /// When the last final epoch before that one became final; the deployment, before the first.
        uint40 finalAt;
        /// When that final epoch was sealed.
        uint40 finalSealedAt;
        uint40 pausedAt;
        uint40 pausedUntil;
        /// A void epoch stopped settlement.
        bool stopped;
    }

    struct OrderSigner {
        bool added;
        uint64 removedAt;
    }

    /// A stray transfer: used once `readyAt` is set, open while `amount` is not 0.
    struct Credit {
        uint64 amount;
        uint64 readyAt;
    }

    bytes32 private constant SEAL_TYPEHASH = keccak256(
        "EpochSeal(uint64 epoch,bytes32 previous,bytes32 receiptsRoot,uint64 receiptCount,bytes32 bundle,uint128 charged,bytes32 charges,bytes32 payouts,uint64 sealedAt)"
    );
    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "JobOrder(address client,bytes32 model,bytes32 input,uint64 maxFee,uint64 nonce,uint64 deadline)"
    );
    bytes32 private constant CREDIT_TYPEHASH =
        keccak256("CreditTransfer(address from,bytes32 nonce,uint64 amount)");

    /// Charges and payouts of one epoch together: one call stays under 14 000 000 gas and 128 KiB.
    uint256 public constant MAX_ENTRIES = 512;
    /// No delay is longer: times fit their fields for 30 000 years.
    uint64 private constant MAX_DELAY = 365 days;

    IUsdc public immutable token;
    uint64 public immutable defaultCap;
    uint64 public immutable window;
    uint64 public immutable exitDelay;
    uint64 public immutable settlementTimeout;
    uint64 public immutable maxSealAge;
    uint64 public immutable maxPause;

    Progress private _progress;
    uint64 public liabilities;
    mapping(address client => Account) private _accounts;
    mapping(address payee => Payee) private _payees;
    mapping(uint256 epoch => Epoch) private _epochs;
    /// Bit `epoch % 256` of word `epoch / 256`: the epoch is void.
    mapping(uint256 word => uint256 bits) private _voids;
    mapping(address client => mapping(address signer => OrderSigner)) private _orderSigners;
    mapping(address from => mapping(bytes32 nonce => Credit)) private _credits;

    constructor(Config memory config)
        Roles(config.owner, config.guardian, config.settlers, config.threshold, config.roleDelay)
        EIP712("SwarmEscrow", "1")
    {
        if (config.token.code.length == 0) revert BadConfig("token is a contract");
        if (config.window == 0) revert BadConfig("window > 0");
        if (config.maxSealAge == 0) revert BadConfig("maxSealAge > 0");
        if (config.maxPause == 0) revert BadConfig("maxPause > 0");
        if (config.window >= config.exitDelay) revert BadConfig("window < exitDelay");
        if (config.maxSealAge >= config.exitDelay) revert BadConfig("maxSealAge < exitDelay");
        if (config.exitDelay >= config.roleDelay) revert BadConfig("exitDelay < roleDelay");
        if (config.roleDelay >= config.settlementTimeout) revert BadConfig("roleDelay < settlementTimeout");
        if (config.maxPause >= config.settlementTimeout) revert BadConfig("maxPause < settlementTimeout");
        if (config.settlementTimeout > MAX_DELAY) revert BadConfig("settlementTimeout <= 365 days");
        token = IUsdc(config.token);
        defaultCap = config.defaultCap;
        window = config.window;
        exitDelay = config.exitDelay;
        settlementTimeout = config.settlementTimeout;
        maxSealAge = config.maxSealAge;
        maxPause = config.maxPause;
        _progress.finalAt = uint40(block.timestamp);
    }

    modifier whenNotPaused() {
        if (block.timestamp < _progress.pausedUntil) revert IsPaused(_progress.pausedUntil);
        _;
    }

    // --- clients -------------------------------------------------------------------------------------

    /// @inheritdoc ISwarmEscrow
    function deposit(uint64 amount) external whenNotPaused nonReentrant {
        _depositFromCaller(msg.sender, amount);
    }

    /// @inheritdoc ISwarmEscrow
    function depositFor(address client, uint64 amount) external whenNotPaused nonReentrant {
        _depositFromCaller(client, amount);
    }

    /// @inheritdoc ISwarmEscrow
    function depositWithPermit(uint64 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        whenNotPaused
        nonReentrant
    {
        // Somebody may have used the permit before us: then the allowance is there all the same.
        try token.permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _depositFromCaller(msg.sender, amount);
    }

    /// @inheritdoc ISwarmEscrow
    function depositWithAuthorization(
        address from,
        uint64 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external whenNotPaused nonReentrant {
        _owe(amount);
        _book(from, from, amount);
        token.receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, signature);
    }

    /// @inheritdoc ISwarmEscrow
    function requestWithdrawal(uint64 amount) external {
        if (amount == 0) revert ZeroAmount();
        Account storage a = _accounts[msg.sender];
        _bookClient(a);
        // A pending charge may come back, if its epoch is voided.
        uint64 all = a.balance + a.pending;
        if (all == 0) revert NothingToWithdraw(msg.sender);
        if (amount > all) amount = all;
        uint64 maturesAt = _now() + exitDelay;
        (a.withdrawing, a.maturesAt) = (amount, maturesAt);
        emit WithdrawalRequested(msg.sender, amount, maturesAt);
    }

    /// @inheritdoc ISwarmEscrow
    function withdraw(address to) external nonReentrant returns (uint64 amount) {
        Account storage a = _accounts[msg.sender];
        _bookClient(a);
        amount = block.timestamp < escapeAt() ? _matured(a) : a.balance;
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        a.balance -= amount;
        (a.withdrawing, a.maturesAt) = (0, 0);
        emit Withdrawn(msg.sender, to, amount);
        _pay(to, amount);
    }

    /// @inheritdoc ISwarmEscrow
    function setCap(uint64 cap) external {
        Account storage a = _accounts[msg.sender];
        uint64 current = _cap(a);
        uint64 effectiveAt = _now();
        if (cap >= current) {
            (a.cap, a.nextCap, a.nextCapAt) = (cap, 0, 0);
        } else {
            effectiveAt += exitDelay;
            (a.cap, a.nextCap, a.nextCapAt) = (current, cap, effectiveAt);
        }
        a.capSet = true;
        emit CapChanged(msg.sender, cap, effectiveAt);
    }

    /// @inheritdoc ISwarmEscrow
    function addOrderSigner(address signer) external {
        if (signer == address(0)) revert ZeroAddress();
        OrderSigner storage s = _orderSigners[msg.sender][signer];
        if (s.added && s.removedAt == 0) revert SignerAlreadyAdded(msg.sender, signer);
        (s.added, s.removedAt) = (true, 0);
        emit OrderSignerAdded(msg.sender, signer);
    }

    /// @inheritdoc ISwarmEscrow
    function removeOrderSigner(address signer) external {
        OrderSigner storage s = _orderSigners[msg.sender][signer];
        if (!s.added || s.removedAt != 0) revert SignerNotAdded(msg.sender, signer);
        s.removedAt = _now() + exitDelay;
        emit OrderSignerRemoved(msg.sender, signer, s.removedAt);
    }

    // --- settlement ----------------------------------------------------------------------------------

    /// @inheritdoc ISwarmEscrow
    function settle(
        EpochSeal calldata epochSeal,
        Entry[] calldata charges,
        Entry[] calldata payouts,
        Approval[] calldata approvals
    ) external whenNotPaused {
        if (charges.length + payouts.length > MAX_ENTRIES) {
            revert TooManyEntries(charges.length + payouts.length, MAX_ENTRIES);
        }
        bytes32 sealHash = keccak256(abi.encode(SEAL_TYPEHASH, epochSeal));
        _requireApproved(_hashTypedDataV4(sealHash), approvals);
        _requireNext(epochSeal);
        _requireVectors(epochSeal, charges, payouts);

        uint256 sum = _charge(epochSeal.epoch, charges);
        if (sum != epochSeal.charged) revert WrongChargesSum(epochSeal.charged, sum);
        sum = _credit(epochSeal.epoch, payouts);
        if (sum != epochSeal.charged) revert WrongPayoutsSum(epochSeal.charged, sum);

        _advance(epochSeal, sealHash);
    }

    /// Reverts unless this seal may be the next one now.
    function _requireNext(EpochSeal calldata epochSeal) private view {
        Progress memory p = _progress;
        Epoch storage last = _epochs[p.epoch];
        if (p.stopped) revert SettlementStopped();
        if (epochSeal.epoch != uint256(p.epoch) + 1) revert WrongEpoch(epochSeal.epoch, uint64(p.epoch) + 1);
        if (epochSeal.previous != last.sealHash) revert WrongPrevious(epochSeal.previous, last.sealHash);
        if (_status(p.epoch) == Status.Pending) revert PreviousPending(last.settledAt + window);
        if (epochSeal.sealedAt <= last.sealedAt) revert SealNotAfterPrevious(epochSeal.sealedAt, last.sealedAt);
        if (epochSeal.sealedAt > block.timestamp) revert SealFromTheFuture(epochSeal.sealedAt, _now());
        if (block.timestamp >= uint256(epochSeal.sealedAt) + maxSealAge) {
            revert SealTooOld(epochSeal.sealedAt, _now());
        }
        // Clients may be leaving: no charge could be relied on until an epoch is final again.
        if (epochSeal.receiptCount != 0 && block.timestamp >= escapeAt()) revert OnlyEmptyEpoch();
    }

    /// Reverts unless the vectors are those of the seal.
    function _requireVectors(EpochSeal calldata epochSeal, Entry[] calldata charges, Entry[] calldata payouts)
        private
        pure
    {
        bytes32 found = _vectorHash(charges);
        if (found != epochSeal.charges) revert WrongChargesHash(epochSeal.charges, found);
        found = _vectorHash(payouts);
        if (found != epochSeal.payouts) revert WrongPayoutsHash(epochSeal.payouts, found);
        if (
            epochSeal.receiptCount == 0
                && (charges.length + payouts.length != 0 || epochSeal.receiptsRoot != Rfc9162.EMPTY_ROOT)
        ) revert NotEmpty();
    }

    /// Moves what each client pays from its balance to its pending amount.
    function _charge(uint64 epoch, Entry[] calldata charges) private returns (uint256 sum) {
        address last;
        for (uint256 i; i < charges.length; ++i) {
            address client = charges[i].account;
            uint256 amount = charges[i].amount;
            if (client <= last) revert EntriesNotAscending(client);
            if (amount == 0) revert ZeroAmount();
            Account memory a = _accounts[client];
            uint64 balance = a.balance;
            if (a.pending != 0 && _isVoid(a.pendingEpoch)) balance += a.pending;
            a.balance = balance;
            uint64 chargeable = balance - _matured(a);
            if (amount > chargeable) revert ChargeOverBalance(client, amount, chargeable);
            if (amount > _cap(a)) revert ChargeOverCap(client, amount, _cap(a));
            Account storage s = _accounts[client];
            // `amount` fits: it is at most the balance.
            (s.balance, s.pending, s.pendingEpoch) = (balance - uint64(amount), uint64(amount), uint48(epoch));
            emit Charged(epoch, client, uint64(amount));
            last = client;
            sum += amount;
        }
    }

    /// Makes each payee's earnings its pending amount, after booking the one before.
    function _credit(uint64 epoch, Entry[] calldata payouts) private returns (uint256 sum) {
        address last;
        for (uint256 i; i < payouts.length; ++i) {
            address payee = payouts[i].account;
            uint256 amount = payouts[i].amount;
            if (payee <= last) revert EntriesNotAscending(payee);
            if (amount == 0) revert ZeroAmount();
            Payee memory p = _payees[payee];
            if (p.pending != 0 && !_isVoid(p.pendingEpoch)) p.claimable += p.pending;
            // An amount over 64 bits makes the sum differ from `charged`, which held balances pay for.
            _payees[payee] = Payee(p.claimable, uint64(amount), epoch);
            emit Credited(epoch, payee, uint64(amount));
            last = payee;
            sum += amount;
        }
    }

    /// Stores the epoch, and what the one before it came to.
    function _advance(EpochSeal calldata epochSeal, bytes32 sealHash) private {
        Progress storage p = _progress;
        uint256 previous = p.epoch;
        if (_status(previous) == Status.Final) {
            p.finalAt = uint40(_epochs[previous].settledAt + window);
            p.finalSealedAt = uint40(_epochs[previous].sealedAt);
        }
        p.epoch = uint48(epochSeal.epoch);
        uint64 settledAt = _now();
        uint64 charged = uint64(epochSeal.charged);
        _epochs[epochSeal.epoch] = Epoch({
            sealHash: sealHash,
            receiptsRoot: epochSeal.receiptsRoot,
            receiptCount: epochSeal.receiptCount,
            charged: charged,
            sealedAt: epochSeal.sealedAt,
            settledAt: settledAt
        });
        emit EpochSettled(
            epochSeal.epoch,
            sealHash,
            epochSeal.receiptsRoot,
            epochSeal.receiptCount,
            charged,
            epochSeal.bundle,
            epochSeal.sealedAt,
            settledAt + window
        );
    }

    // --- faults --------------------------------------------------------------------------------------

    /// @inheritdoc ISwarmEscrow
    function voidEpoch(uint64 epoch) external onlyGuardian {
        _requirePending(epoch);
        _void(epoch, "guardian");
    }

    /// @inheritdoc ISwarmEscrow
    function proveMalformedLeaf(uint64 epoch, Leaf calldata leaf) external {
        _requirePending(epoch);
        _requireIncluded(epoch, leaf);
        if (Preimage.isReceipt(leaf.data)) revert NoFault();
        _void(epoch, "malformed leaf");
    }

    /// @inheritdoc ISwarmEscrow
    function proveMalformedOrder(uint64 epoch, Leaf calldata leaf, bytes calldata order) external {
        _requirePending(epoch);
        _requirePreimage(_receipt(epoch, leaf), order);
        if (Preimage.isSignedOrder(order)) revert NoFault();
        _void(epoch, "malformed order");
    }

    /// @inheritdoc ISwarmEscrow
    function proveUnauthorised(uint64 epoch, Leaf calldata leaf, bytes calldata order) external {
        _requirePending(epoch);
        if (_covers(_receipt(epoch, leaf), order, epoch)) revert NoFault();
        _void(epoch, "unauthorised");
    }

    /// @inheritdoc ISwarmEscrow
    function proveDuplicate(
        uint64 epoch,
        Leaf calldata leaf,
        bytes calldata order,
        uint64 otherEpoch,
        Leaf calldata otherLeaf,
        bytes calldata otherOrder
    ) external {
        _requirePending(epoch);
        if (otherEpoch == epoch ? leaf.index == otherLeaf.index : _status(otherEpoch) != Status.Final) {
            revert NotTwoPlaces();
        }
        Receipt memory a = _receipt(epoch, leaf);
        Receipt memory b = _receipt(otherEpoch, otherLeaf);
        bool same = (a.jobEpoch == b.jobEpoch && a.jobSeq == b.jobSeq) || a.order == b.order;
        if (!same) {
            JobOrder memory x = _order(a, order);
            JobOrder memory y = _order(b, otherOrder);
            same = x.client == y.client && x.nonce == y.nonce;
        }
        if (!same) revert NoFault();
        _void(epoch, "duplicate");
    }

    /// @inheritdoc ISwarmEscrow
    function proveOvercharge(uint64 epoch, uint64 gap, Leaf calldata left, Leaf calldata right, address absent)
        external
    {
        _requirePending(epoch);
        bool hasLeft = gap != 0;
        bool hasRight = gap < _epochs[epoch].receiptCount;
        Receipt memory l;
        Receipt memory r;
        if (hasLeft) {
            if (left.index != gap - 1) revert LeavesNotNeighbours(left.index, gap);
            l = _receipt(epoch, left);
        }
        if (hasRight) {
            if (right.index != gap) revert LeavesNotNeighbours(gap, right.index);
            r = _receipt(epoch, right);
        }
        bool sameClient = hasLeft && hasRight && l.client == r.client;
        bool fault = hasLeft && hasRight && !_before(l, r);
        // The running total goes on, or starts with the client's first fee.
        if (hasRight && r.clientTotal != uint256(r.fee) + (sameClient ? l.clientTotal : 0)) fault = true;
        // A client's last total is what it is charged.
        if (hasLeft && !sameClient && l.clientTotal != _pendingCharge(l.client, epoch)) fault = true;
        // Who is charged has a leaf.
        if (
            (!hasLeft || l.client < absent) && (!hasRight || absent < r.client) && _pendingCharge(absent, epoch) != 0
        ) fault = true;
        if (!fault) revert NoFault();
        _void(epoch, "overcharge");
    }

    /// @inheritdoc ISwarmEscrow
    function resume() external onlyGuardian {
        if (!_progress.stopped) revert SettlementNotStopped();
        _progress.stopped = false;
        emit SettlementResumed();
    }

    /// @inheritdoc ISwarmEscrow
    function pause() external onlyGuardian {
        Progress storage p = _progress;
        uint64 allowedAt = p.pausedAt == 0 ? 0 : p.pausedAt + 2 * maxPause;
        if (block.timestamp < allowedAt) revert PauseTooSoon(allowedAt);
        p.pausedAt = uint40(block.timestamp);
        p.pausedUntil = uint40(block.timestamp + maxPause);
        emit Paused(p.pausedUntil);
    }

    /// @inheritdoc ISwarmEscrow
    function unpause() external onlyGuardian {
        if (block.timestamp >= _progress.pausedUntil) revert NotPaused();
        _progress.pausedUntil = uint40(block.timestamp);
        emit Unpaused();
    }

    // --- payees --------------------------------------------------------------------------------------

    /// @inheritdoc ISwarmEscrow
    function claim(address to) external nonReentrant returns (uint64) {
        return _claim(msg.sender, to);
    }

    /// @inheritdoc ISwarmEscrow
    function claimFor(address payee) external nonReentrant returns (uint64) {
        return _claim(payee, payee);
    }

    // --- USDC that came without a deposit ------------------------------------------------------------

    /// @inheritdoc ISwarmEscrow
    function creditTransfer(address from, bytes32 nonce, uint64 amount, Approval[] calldata approvals)
        external
        whenNotPaused
    {
        if (from == address(0)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        _requireApproved(_hashTypedDataV4(keccak256(abi.encode(CREDIT_TYPEHASH, from, nonce, amount))), approvals);
        Credit storage c = _credits[from][nonce];
        if (c.readyAt != 0) revert CreditUsed(from, nonce);
        uint256 surplus = token.balanceOf(address(this)) - liabilities;
        if (amount > surplus) revert CreditOverSurplus(amount, surplus);
        _owe(amount);
        (c.amount, c.readyAt) = (amount, _now() + window);
        emit CreditScheduled(from, nonce, amount, c.readyAt);
    }

    /// @inheritdoc ISwarmEscrow
    function refuseCredit(address from, bytes32 nonce) external onlyGuardian {
        Credit storage c = _credits[from][nonce];
        uint64 amount = c.amount;
        if (amount == 0) revert CreditNotScheduled(from, nonce);
        if (block.timestamp >= c.readyAt) revert CreditReady(c.readyAt);
        c.amount = 0;
        liabilities -= amount;
        emit CreditRefused(from, nonce, amount);
    }

    /// @inheritdoc ISwarmEscrow
    function applyCredit(address from, bytes32 nonce) external {
        Credit storage c = _credits[from][nonce];
        uint64 amount = c.amount;
        if (amount == 0) revert CreditNotScheduled(from, nonce);
        if (block.timestamp < c.readyAt) revert CreditNotReady(c.readyAt);
        c.amount = 0;
        _book(from, from, amount);
    }

    // --- views ---------------------------------------------------------------------------------------

    /// @inheritdoc ISwarmEscrow
    function verifyReceipt(uint64 epoch, uint64 index, Receipt calldata receipt, bytes32[] calldata path)
        external
        view
        returns (bool, Status)
    {
        Epoch storage e = _epochs[epoch];
        bool included = Rfc9162.includes(e.receiptsRoot, e.receiptCount, index, Preimage.leaf(receipt), path);
        return (included, _status(epoch));
    }

    /// @inheritdoc ISwarmEscrow
    function receiptLeaf(Receipt calldata receipt) external view returns (bytes32) {
        return Preimage.leaf(receipt);
    }

    /// @inheritdoc ISwarmEscrow
    function epochs(uint64 epoch) external view returns (EpochView memory) {
        Epoch memory e = _epochs[epoch];
        return EpochView({
            status: _status(epoch),
            sealHash: e.sealHash,
            receiptsRoot: e.receiptsRoot,
            receiptCount: e.receiptCount,
            charged: e.charged,
            sealedAt: e.sealedAt,
            settledAt: e.settledAt,
            finalAt: e.settledAt == 0 ? 0 : e.settledAt + window
        });
    }

    /// @inheritdoc ISwarmEscrow
    function account(address client) external view returns (AccountView memory v) {
        Account memory a = _accounts[client];
        (a.balance, a.pending) = _bookedClient(a);
        v.balance = a.balance;
        v.pending = a.pending;
        v.chargeable = a.balance - _matured(a);
        v.cap = _cap(a);
        if (block.timestamp < a.nextCapAt) (v.nextCap, v.nextCapAt) = (a.nextCap, a.nextCapAt);
        (v.withdrawing, v.maturesAt) = (a.withdrawing, a.maturesAt);
    }

    /// @inheritdoc ISwarmEscrow
    function owed(address payee) external view returns (uint64 claimable, uint64 pending) {
        return _bookedPayee(_payees[payee]);
    }

    /// @inheritdoc ISwarmEscrow
    function orderSigner(address client, address signer) external view returns (bool, uint64) {
        OrderSigner memory s = _orderSigners[client][signer];
        return (s.added, s.removedAt);
    }

    /// @inheritdoc ISwarmEscrow
    function lastEpoch() external view returns (uint64) {
        return _progress.epoch;
    }

    /// @inheritdoc ISwarmEscrow
    function stopped() external view returns (bool) {
        return _progress.stopped;
    }

    /// @inheritdoc ISwarmEscrow
    function pausedUntil() external view returns (uint64) {
        return _progress.pausedUntil;
    }

    /// @inheritdoc ISwarmEscrow
    function escapeAt() public view returns (uint64) {
        uint256 last = _progress.epoch;
        uint64 finalAt =
            _status(last) == Status.Final ? _epochs[last].settledAt + window : uint64(_progress.finalAt);
        return finalAt + settlementTimeout;
    }

    /// @inheritdoc ISwarmEscrow
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    // --- epochs, inside ------------------------------------------------------------------------------

    function _now() private view returns (uint64) {
        return uint64(block.timestamp);
    }

    function _isVoid(uint256 epoch) private view returns (bool) {
        return (_voids[epoch >> 8] >> (epoch & 0xff)) & 1 == 1;
    }

    function _status(uint256 epoch) private view returns (Status) {
        uint256 last = _progress.epoch;
        if (epoch == 0 || epoch > last) return Status.None;
        if (_isVoid(epoch)) return Status.Void;
        if (epoch == last && block.timestamp < _epochs[epoch].settledAt + window) return Status.Pending;
        return Status.Final;
    }

    function _requirePending(uint64 epoch) private view {
        Status s = _status(epoch);
        if (s != Status.Pending) revert NotPending(epoch, s);
    }

    function _void(uint64 epoch, string memory reason) private {
        _voids[epoch >> 8] |= 1 << (epoch & 0xff);
        _progress.stopped = true;
        emit EpochVoided(epoch, reason);
    }

    /// keccak256(abi.encode(entries)): the entries lie in calldata as they are encoded, after their number.
    function _vectorHash(Entry[] calldata entries) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            let length := add(32, shl(6, entries.length))
            mstore(free, 32)
            calldatacopy(add(free, 32), sub(entries.offset, 32), length)
            hash := keccak256(free, add(length, 32))
        }
    }

    // --- proofs, inside ------------------------------------------------------------------------------

    function _requireIncluded(uint64 epoch, Leaf calldata leaf) private view {
        Epoch storage e = _epochs[epoch];
        bytes32 hash = Rfc9162.leafInPlace(leaf.data);
        if (!Rfc9162.includes(e.receiptsRoot, e.receiptCount, leaf.index, hash, leaf.path)) {
            revert NotIncluded(epoch, leaf.index);
        }
    }

    /// The receipt at a leaf of the epoch.
    function _receipt(uint64 epoch, Leaf calldata leaf) private view returns (Receipt memory) {
        _requireIncluded(epoch, leaf);
        if (!Preimage.isReceipt(leaf.data)) revert MalformedLeaf(leaf.index);
        return abi.decode(leaf.data, (Receipt));
    }

    function _requirePreimage(Receipt memory receipt, bytes calldata order) private pure {
        bytes32 found = sha256(order);
        if (found != receipt.order) revert WrongOrderPreimage(found, receipt.order);
    }

    /// The order behind a receipt.
    function _order(Receipt memory receipt, bytes calldata order) private pure returns (JobOrder memory o) {
        _requirePreimage(receipt, order);
        if (!Preimage.isSignedOrder(order)) revert MalformedOrder();
        (o,) = Preimage.splitOrder(order);
    }

    /// Whether the order covers the receipt.
    function _covers(Receipt memory r, bytes calldata order, uint64 epoch) private view returns (bool) {
        JobOrder memory o = _order(r, order);
        if (o.client != r.client || o.model != r.model || o.input != r.input) return false;
        if (r.fee > o.maxFee || r.completedAt > o.deadline) return false;
        if (r.completedAt > _epochs[epoch].sealedAt || r.jobEpoch > epoch) return false;
        (, bytes calldata signature) = Preimage.splitOrder(order);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(ORDER_TYPEHASH, o)));
        return _signed(r.client, digest, signature)
            || _signed(r.client, MessageHashUtils.toEthSignedMessageHash(digest), signature);
    }

    /// Whether the client, or a key that may sign its orders, signed `digest`.
    function _signed(address client, bytes32 digest, bytes calldata signature) private view returns (bool) {
        (address signer, ECDSA.RecoverError err,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (err != ECDSA.RecoverError.NoError) return false;
        if (signer == client) return true;
        OrderSigner memory s = _orderSigners[client][signer];
        return s.added && (s.removedAt == 0 || s.removedAt >= _progress.finalSealedAt);
    }

    /// Whether `l` comes before `r`: by client, then job, numerically.
    function _before(Receipt memory l, Receipt memory r) private pure returns (bool) {
        if (l.client != r.client) return l.client < r.client;
        if (l.jobEpoch != r.jobEpoch) return l.jobEpoch < r.jobEpoch;
        return l.jobSeq < r.jobSeq;
    }

    /// What the pending epoch charges a client.
    function _pendingCharge(address client, uint64 epoch) private view returns (uint64) {
        Account storage a = _accounts[client];
        return a.pendingEpoch == epoch ? a.pending : 0;
    }

    // --- money, inside -------------------------------------------------------------------------------

    /// What a client has and what is pending, with the epoch of the pending amount booked if it is over.
    function _bookedClient(Account memory a) private view returns (uint64 balance, uint64 pending) {
        if (a.pending == 0) return (a.balance, 0);
        Status s = _status(a.pendingEpoch);
        if (s == Status.Pending) return (a.balance, a.pending);
        return (s == Status.Void ? a.balance + a.pending : a.balance, 0);
    }

    function _bookClient(Account storage a) private {
        (a.balance, a.pending) = _bookedClient(a);
    }

    function _bookedPayee(Payee memory p) private view returns (uint64 claimable, uint64 pending) {
        if (p.pending == 0) return (p.claimable, 0);
        Status s = _status(p.pendingEpoch);
        if (s == Status.Pending) return (p.claimable, p.pending);
        return (s == Status.Final ? p.claimable + p.pending : p.claimable, 0);
    }

    /// What a matured request takes out of the balance.
    function _matured(Account memory a) private view returns (uint64) {
        if (a.maturesAt == 0 || block.timestamp < a.maturesAt) return 0;
        return a.withdrawing < a.balance ? a.withdrawing : a.balance;
    }

    function _cap(Account memory a) private view returns (uint64) {
        if (a.nextCapAt != 0 && block.timestamp >= a.nextCapAt) return a.nextCap;
        return a.capSet ? a.cap : defaultCap;
    }

    function _depositFromCaller(address client, uint64 amount) private {
        _owe(amount);
        _book(client, msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// Adds to the liabilities. All that is held fits 64 bits, so no account and no sum can overflow.
    function _owe(uint64 amount) private {
        if (amount > type(uint64).max - liabilities) revert AmountTooLarge(amount);
        liabilities += amount;
    }

    /// Adds to an account what is already among the liabilities.
    function _book(address client, address from, uint64 amount) private {
        if (client == address(0)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        _accounts[client].balance += amount;
        emit Deposited(client, from, amount);
    }

    function _claim(address payee, address to) private returns (uint64 claimable) {
        Payee storage p = _payees[payee];
        uint64 pending;
        (claimable, pending) = _bookedPayee(p);
        if (claimable == 0) revert NothingToClaim(payee);
        (p.claimable, p.pending) = (0, pending);
        emit Claimed(payee, to, claimable);
        _pay(to, claimable);
    }

    function _pay(address to, uint64 amount) private {
        if (to == address(0)) revert ZeroAddress();
        if (to == address(this)) revert PaymentToEscrow();
        liabilities -= amount;
        token.safeTransfer(to, amount);
    }
}
