// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Book} from "./Book.sol";
import {ISwarmEscrow} from "./ISwarmEscrow.sol";
import {IUsdc} from "./IUsdc.sol";
import {Approval} from "./Types.sol";

/// @title Money in and money out: clients, payees, and USDC that came without a deposit
abstract contract Accounts is Book, ReentrancyGuardTransient {
    using SafeERC20 for IUsdc;

    bytes32 private constant CREDIT_TYPEHASH = keccak256("CreditTransfer(address from,bytes32 nonce,uint64 amount)");

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
        amount = block.timestamp < escapeAt() ? _matured(a, a.balance) : a.balance;
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

    /// @inheritdoc ISwarmEscrow
    function orderSigner(address client, address signer) external view returns (bool, uint64) {
        OrderSigner memory s = _orderSigners[client][signer];
        return (s.added, s.removedAt);
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
        nonReentrant
    {
        if (from == address(0)) revert ZeroAddress();
        if (amount == 0) revert ZeroAmount();
        _requireApproved(_hashTypedDataV4(keccak256(abi.encode(CREDIT_TYPEHASH, from, nonce, amount))), approvals);
        Credit storage c = _credits[from][nonce];
        if (c.readyAt != 0) revert CreditUsed(from, nonce);
        uint256 held = token.balanceOf(address(this));
        uint256 surplus = held > liabilities ? held - liabilities : 0;
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

    // --- inside --------------------------------------------------------------------------------------

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

    function _bookClient(Account storage a) private {
        (a.balance, a.pending) = _bookedClient(a);
    }
}
