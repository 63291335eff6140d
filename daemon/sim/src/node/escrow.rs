//! The escrow as `contracts/src` says it, in Rust: the rules of `SwarmEscrow.sol`, `Accounts.sol` and
//! `Book.sol` that clients, payees, settlers and the guardian meet. A test runs the same calls against the
//! compiled contract on a real node and compares every answer (`tests/contract.rs`).
//!
//! Left out, because nobody in the simulation does it: deposits by permit or authorization, stray
//! transfers, changes of roles, and proofs of fault (an honest queen makes none).

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::{SolStruct, SolValue};
use swarm_contracts::SwarmEscrow::{self, SwarmEscrowErrors as E, SwarmEscrowEvents as V};
use swarm_contracts::{MAX_ENTRIES, Params};
use swarm_types::Signature65;
use swarm_types::eip712::{Domain, EpochSeal};
use swarm_types::tree;

use crate::plant::Plant;

/// `Status` of an epoch.
const NONE: u8 = 0;
const PENDING: u8 = 1;
const FINAL: u8 = 2;
const VOID: u8 = 3;

/// A client.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    balance: u64,
    pending: u64,
    pending_epoch: u64,
    cap: Option<u64>,
    withdrawing: u64,
    matures_at: u64,
    next_cap: u64,
    next_cap_at: u64,
}

/// A payee.
#[derive(Clone, Copy, Debug, Default)]
struct Payee {
    claimable: u64,
    pending: u64,
    pending_epoch: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Epoch {
    seal_hash: B256,
    receipts_root: B256,
    receipt_count: u64,
    charged: u64,
    sealed_at: u64,
    settled_at: u64,
    void: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct OrderSigner {
    added: bool,
    removed_at: u64,
}

/// The escrow's storage.
#[derive(Clone, Debug)]
pub struct Escrow {
    params: Params,
    domain: Domain,
    liabilities: u64,
    accounts: BTreeMap<Address, Account>,
    payees: BTreeMap<Address, Payee>,
    epochs: BTreeMap<u64, Epoch>,
    signers: BTreeMap<(Address, Address), OrderSigner>,
    last: u64,
    final_at: u64,
    paused_at: u64,
    paused_until: u64,
    stopped: bool,
    /// What is wrong with it on purpose.
    pub(super) plant: Plant,
}

/// A call within a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// `msg.sender`.
    pub from: Address,
    /// `block.timestamp`.
    pub now: u64,
}

/// What a call moves of the token, and says.
#[derive(Debug, Default)]
pub struct Effects {
    /// From whom, to whom, how much.
    pub transfers: Vec<(Address, Address, u64)>,
    /// Events, in order.
    pub events: Vec<V>,
}

type Done<T = Effects> = Result<T, E>;

fn said(event: V) -> Effects {
    Effects {
        transfers: Vec::new(),
        events: vec![event],
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> E) -> Done<()> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Escrow {
    /// As it is after its deployment at `now`.
    pub fn new(params: Params, domain: Domain, now: u64) -> Self {
        Self {
            params,
            domain,
            liabilities: 0,
            accounts: BTreeMap::new(),
            payees: BTreeMap::new(),
            epochs: BTreeMap::new(),
            signers: BTreeMap::new(),
            last: 0,
            final_at: now,
            paused_at: 0,
            paused_until: 0,
            stopped: false,
            plant: Plant::Nothing,
        }
    }

    // Views

    /// What it was made with.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Its EIP-712 domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// `liabilities()`
    pub fn liabilities(&self) -> u64 {
        self.liabilities
    }

    /// `lastEpoch()`
    pub fn last_epoch(&self) -> u64 {
        self.last
    }

    /// `stopped()`
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// `pausedUntil()`
    pub fn paused_until(&self) -> u64 {
        self.paused_until
    }

    /// `escapeAt()`
    pub fn escape_at(&self, now: u64) -> u64 {
        let final_at = match self.status(self.last, now) {
            FINAL => self.epochs[&self.last].settled_at + self.params.window,
            _ => self.final_at,
        };
        final_at + self.params.settlement_timeout
    }

    /// `epochs(n)`
    pub fn epoch(&self, number: u64, now: u64) -> SwarmEscrow::EpochView {
        let epoch = self.epochs.get(&number).copied().unwrap_or_default();
        SwarmEscrow::EpochView {
            status: self.status(number, now),
            sealHash: epoch.seal_hash,
            receiptsRoot: epoch.receipts_root,
            receiptCount: epoch.receipt_count,
            charged: epoch.charged,
            sealedAt: epoch.sealed_at,
            settledAt: epoch.settled_at,
            finalAt: match epoch.settled_at {
                0 => 0,
                at => at + self.params.window,
            },
        }
    }

    /// `account(client)`
    pub fn account(&self, client: Address, now: u64) -> SwarmEscrow::AccountView {
        let mut a = self.accounts.get(&client).copied().unwrap_or_default();
        self.book(&mut a, now);
        let changes = now < a.next_cap_at;
        SwarmEscrow::AccountView {
            balance: a.balance,
            chargeable: a.balance - matured(&a, a.balance, now),
            pending: a.pending,
            withdrawing: a.withdrawing,
            maturesAt: a.matures_at,
            cap: self.cap(&a, now),
            nextCap: if changes { a.next_cap } else { 0 },
            nextCapAt: if changes { a.next_cap_at } else { 0 },
        }
    }

    /// `owed(payee)`
    pub fn owed(&self, payee: Address, now: u64) -> (u64, u64) {
        let mut p = self.payees.get(&payee).copied().unwrap_or_default();
        self.book_payee(&mut p, now);
        (p.claimable, p.pending)
    }

    /// `orderSigner(client, signer)`
    pub fn order_signer(&self, client: Address, signer: Address) -> (bool, u64) {
        let s = self.signers.get(&(client, signer));
        s.map_or((false, 0), |s| (s.added, s.removed_at))
    }

    fn status(&self, number: u64, now: u64) -> u8 {
        if number == 0 || number > self.last {
            return NONE;
        }
        let epoch = &self.epochs[&number];
        if epoch.void {
            VOID
        } else if number == self.last && now < epoch.settled_at + self.params.window {
            PENDING
        } else {
            FINAL
        }
    }

    /// Books what the account's pending epoch came to.
    fn book(&self, a: &mut Account, now: u64) {
        if a.pending == 0 {
            return;
        }
        match self.status(a.pending_epoch, now) {
            PENDING => return,
            VOID if self.plant != Plant::StubbornEscrow => a.balance += a.pending,
            _ => {}
        }
        a.pending = 0;
    }

    fn book_payee(&self, p: &mut Payee, now: u64) {
        if p.pending == 0 {
            return;
        }
        match self.status(p.pending_epoch, now) {
            PENDING => return,
            FINAL => p.claimable += p.pending,
            _ => {}
        }
        p.pending = 0;
    }

    fn cap(&self, a: &Account, now: u64) -> u64 {
        if a.next_cap_at != 0 && now >= a.next_cap_at {
            return a.next_cap;
        }
        a.cap.unwrap_or(self.params.default_cap.0)
    }

    // Clients

    fn not_paused(&self, now: u64) -> Done<()> {
        ensure(now >= self.paused_until, || {
            E::IsPaused(SwarmEscrow::IsPaused {
                until: self.paused_until,
            })
        })
    }

    /// `deposit(amount)` and `depositFor(client, amount)`
    pub fn deposit(&mut self, by: Caller, client: Address, amount: u64) -> Done {
        self.not_paused(by.now)?;
        let sum = self.liabilities.checked_add(amount);
        let sum = sum.ok_or(E::AmountTooLarge(SwarmEscrow::AmountTooLarge { amount }))?;
        ensure(!client.is_zero(), || {
            E::ZeroAddress(SwarmEscrow::ZeroAddress {})
        })?;
        ensure(amount > 0, || E::ZeroAmount(SwarmEscrow::ZeroAmount {}))?;
        self.liabilities = sum;
        self.accounts.entry(client).or_default().balance += amount;
        let event = SwarmEscrow::Deposited {
            client,
            from: by.from,
            amount,
        };
        Ok(Effects {
            transfers: vec![(by.from, self.domain.escrow, amount)],
            events: vec![V::Deposited(event)],
        })
    }

    /// `requestWithdrawal(amount)`
    pub fn request_withdrawal(&mut self, by: Caller, amount: u64) -> Done {
        ensure(amount > 0, || E::ZeroAmount(SwarmEscrow::ZeroAmount {}))?;
        let mut a = self.accounts.get(&by.from).copied().unwrap_or_default();
        self.book(&mut a, by.now);
        let all = a.balance + a.pending;
        ensure(all > 0, || {
            E::NothingToWithdraw(SwarmEscrow::NothingToWithdraw { client: by.from })
        })?;
        a.withdrawing = amount.min(all);
        a.matures_at = by.now + self.params.exit_delay;
        self.accounts.insert(by.from, a);
        Ok(said(V::WithdrawalRequested(
            SwarmEscrow::WithdrawalRequested {
                client: by.from,
                amount: a.withdrawing,
                maturesAt: a.matures_at,
            },
        )))
    }

    /// `withdraw(to)`
    pub fn withdraw(&mut self, by: Caller, to: Address) -> Done {
        let mut a = self.accounts.get(&by.from).copied().unwrap_or_default();
        self.book(&mut a, by.now);
        let amount = match by.now < self.escape_at(by.now) {
            true => matured(&a, a.balance, by.now),
            false => a.balance,
        };
        ensure(amount > 0, || {
            E::NothingToWithdraw(SwarmEscrow::NothingToWithdraw { client: by.from })
        })?;
        self.payable(to)?;
        a.balance -= amount;
        (a.withdrawing, a.matures_at) = (0, 0);
        self.accounts.insert(by.from, a);
        let event = SwarmEscrow::Withdrawn {
            client: by.from,
            to,
            amount,
        };
        Ok(self.pay(to, amount, V::Withdrawn(event)))
    }

    /// `setCap(cap)`
    pub fn set_cap(&mut self, by: Caller, cap: u64) -> Done {
        let mut a = self.accounts.get(&by.from).copied().unwrap_or_default();
        let current = self.cap(&a, by.now);
        let mut effective_at = by.now;
        if cap >= current {
            (a.cap, a.next_cap, a.next_cap_at) = (Some(cap), 0, 0);
        } else {
            effective_at += self.params.exit_delay;
            (a.cap, a.next_cap, a.next_cap_at) = (Some(current), cap, effective_at);
        }
        self.accounts.insert(by.from, a);
        Ok(said(V::CapChanged(SwarmEscrow::CapChanged {
            client: by.from,
            cap,
            effectiveAt: effective_at,
        })))
    }

    /// `addOrderSigner(signer)`
    pub fn add_order_signer(&mut self, by: Caller, signer: Address) -> Done {
        let client = by.from;
        ensure(!signer.is_zero(), || {
            E::ZeroAddress(SwarmEscrow::ZeroAddress {})
        })?;
        let s = self.signers.entry((client, signer)).or_default();
        ensure(!s.added || s.removed_at != 0, || {
            E::SignerAlreadyAdded(SwarmEscrow::SignerAlreadyAdded { client, signer })
        })?;
        (s.added, s.removed_at) = (true, 0);
        Ok(said(V::OrderSignerAdded(SwarmEscrow::OrderSignerAdded {
            client,
            signer,
        })))
    }

    /// `removeOrderSigner(signer)`
    pub fn remove_order_signer(&mut self, by: Caller, signer: Address) -> Done {
        let client = by.from;
        let s = self.signers.entry((client, signer)).or_default();
        ensure(s.added && s.removed_at == 0, || {
            E::SignerNotAdded(SwarmEscrow::SignerNotAdded { client, signer })
        })?;
        s.removed_at = by.now + self.params.exit_delay;
        Ok(said(V::OrderSignerRemoved(
            SwarmEscrow::OrderSignerRemoved {
                client,
                signer,
                effectiveAt: s.removed_at,
            },
        )))
    }

    // Payees

    /// `claim(to)` and `claimFor(payee)`
    pub fn claim(&mut self, by: Caller, payee: Address, to: Address) -> Done {
        let mut p = self.payees.get(&payee).copied().unwrap_or_default();
        self.book_payee(&mut p, by.now);
        let amount = p.claimable;
        ensure(amount > 0, || {
            E::NothingToClaim(SwarmEscrow::NothingToClaim { payee })
        })?;
        self.payable(to)?;
        p.claimable = 0;
        self.payees.insert(payee, p);
        let event = SwarmEscrow::Claimed { payee, to, amount };
        Ok(self.pay(to, amount, V::Claimed(event)))
    }

    fn payable(&self, to: Address) -> Done<()> {
        ensure(!to.is_zero(), || {
            E::ZeroAddress(SwarmEscrow::ZeroAddress {})
        })?;
        ensure(to != self.domain.escrow, || {
            E::PaymentToEscrow(SwarmEscrow::PaymentToEscrow {})
        })
    }

    fn pay(&mut self, to: Address, amount: u64, event: V) -> Effects {
        self.liabilities -= amount;
        Effects {
            transfers: vec![(self.domain.escrow, to, amount)],
            events: vec![event],
        }
    }

    // Settlement

    /// `settle(epochSeal, charges, payouts, approvals)`
    pub fn settle(&mut self, by: Caller, call: &SwarmEscrow::settleCall) -> Done {
        self.not_paused(by.now)?;
        let (seal, charges, payouts) = (&call.epochSeal, &call.charges, &call.payouts);
        let count = charges.len() + payouts.len();
        ensure(count <= MAX_ENTRIES, || {
            E::TooManyEntries(SwarmEscrow::TooManyEntries {
                count: U256::from(count),
                limit: U256::from(MAX_ENTRIES),
            })
        })?;
        let signed = to_sign(seal);
        self.approved(self.domain.digest(&signed), &call.approvals)?;
        let seal_hash = signed.eip712_hash_struct();
        self.next(by.now, seal)?;
        vectors(seal, charges, payouts)?;

        let mut after = self.clone();
        let mut effects = after.advance(by.now, seal, seal_hash);
        let sum = after.charge(by.now, seal.epoch, charges, &mut effects)?;
        ensure(sum == U256::from(seal.charged), || {
            E::WrongChargesSum(SwarmEscrow::WrongChargesSum {
                given: U256::from(seal.charged),
                found: sum,
            })
        })?;
        let sum = after.credit(seal.epoch, payouts, &mut effects)?;
        ensure(sum == U256::from(seal.charged), || {
            E::WrongPayoutsSum(SwarmEscrow::WrongPayoutsSum {
                given: U256::from(seal.charged),
                found: sum,
            })
        })?;
        *self = after;
        Ok(effects)
    }

    fn approved(&self, digest: B256, approvals: &[SwarmEscrow::Approval]) -> Done<()> {
        let threshold = self.params.threshold;
        ensure(approvals.len() as u64 >= threshold, || {
            E::TooFewApprovals(SwarmEscrow::TooFewApprovals {
                given: U256::from(approvals.len()),
                threshold,
            })
        })?;
        let mut last = Address::ZERO;
        for approval in approvals {
            let signer = approval.signer;
            ensure(signer > last, || {
                E::ApprovalsNotAscending(SwarmEscrow::ApprovalsNotAscending { signer })
            })?;
            ensure(self.params.settlers.contains(&signer), || {
                E::NotSettler(SwarmEscrow::NotSettler { signer })
            })?;
            let signature = Signature65::normalise(&approval.signature).ok();
            let by = signature.and_then(|signature| signature.recover(&digest).ok());
            ensure(by == Some(signer), || {
                E::BadSignature(SwarmEscrow::BadSignature { signer })
            })?;
            last = signer;
        }
        Ok(())
    }

    fn next(&self, now: u64, seal: &SwarmEscrow::EpochSeal) -> Done<()> {
        let last = self.epochs.get(&self.last).copied().unwrap_or_default();
        ensure(!self.stopped, || {
            E::SettlementStopped(SwarmEscrow::SettlementStopped {})
        })?;
        ensure(seal.epoch == self.last + 1, || {
            E::WrongEpoch(SwarmEscrow::WrongEpoch {
                given: seal.epoch,
                expected: self.last + 1,
            })
        })?;
        ensure(seal.previous == last.seal_hash, || {
            E::WrongPrevious(SwarmEscrow::WrongPrevious {
                given: seal.previous,
                expected: last.seal_hash,
            })
        })?;
        ensure(self.status(self.last, now) != PENDING, || {
            E::PreviousPending(SwarmEscrow::PreviousPending {
                finalAt: last.settled_at + self.params.window,
            })
        })?;
        ensure(seal.sealedAt > last.sealed_at, || {
            E::SealNotAfterPrevious(SwarmEscrow::SealNotAfterPrevious {
                sealedAt: seal.sealedAt,
                previousSealedAt: last.sealed_at,
            })
        })?;
        ensure(seal.sealedAt <= now, || {
            E::SealFromTheFuture(SwarmEscrow::SealFromTheFuture {
                sealedAt: seal.sealedAt,
                blockTime: now,
            })
        })?;
        ensure(now < seal.sealedAt + self.params.max_seal_age, || {
            E::SealTooOld(SwarmEscrow::SealTooOld {
                sealedAt: seal.sealedAt,
                blockTime: now,
            })
        })?;
        ensure(seal.receiptCount == 0 || now < self.escape_at(now), || {
            E::OnlyEmptyEpoch(SwarmEscrow::OnlyEmptyEpoch {})
        })
    }

    fn advance(&mut self, now: u64, seal: &SwarmEscrow::EpochSeal, seal_hash: B256) -> Effects {
        if self.status(self.last, now) == FINAL {
            self.final_at = self.epochs[&self.last].settled_at + self.params.window;
        }
        self.last = seal.epoch;
        let charged = u64::try_from(seal.charged).unwrap_or(u64::MAX);
        self.epochs.insert(
            seal.epoch,
            Epoch {
                seal_hash,
                receipts_root: seal.receiptsRoot,
                receipt_count: seal.receiptCount,
                charged,
                sealed_at: seal.sealedAt,
                settled_at: now,
                void: false,
            },
        );
        said(V::EpochSettled(SwarmEscrow::EpochSettled {
            epoch: seal.epoch,
            sealHash: seal_hash,
            receiptsRoot: seal.receiptsRoot,
            receiptCount: seal.receiptCount,
            charged,
            bundle: seal.bundle,
            sealedAt: seal.sealedAt,
            finalAt: now + self.params.window,
        }))
    }

    fn charge(
        &mut self,
        now: u64,
        epoch: u64,
        charges: &[SwarmEscrow::Entry],
        effects: &mut Effects,
    ) -> Done<U256> {
        let (mut sum, mut last) = (U256::ZERO, Address::ZERO);
        for entry in charges {
            let (client, amount) = (entry.account, U256::from(entry.amount));
            ascending(client, amount, &mut last)?;
            let mut a = self.accounts.get(&client).copied().unwrap_or_default();
            // The epoch before is final or void: what it charged is gone, or back.
            if a.pending != 0
                && self.is_void(a.pending_epoch)
                && self.plant != Plant::StubbornEscrow
            {
                a.balance += a.pending;
            }
            let chargeable = a.balance - matured(&a, a.balance, now);
            ensure(amount <= U256::from(chargeable), || {
                E::ChargeOverBalance(SwarmEscrow::ChargeOverBalance {
                    client,
                    amount,
                    chargeable,
                })
            })?;
            let cap = self.cap(&a, now);
            ensure(amount <= U256::from(cap), || {
                E::ChargeOverCap(SwarmEscrow::ChargeOverCap {
                    client,
                    amount,
                    cap,
                })
            })?;
            let taken = amount.to::<u64>();
            let more = u64::from(self.plant == Plant::GreedyEscrow);
            let left = (a.balance - taken).saturating_sub(more);
            (a.balance, a.pending, a.pending_epoch) = (left, taken, epoch);
            self.accounts.insert(client, a);
            effects.events.push(V::Charged(SwarmEscrow::Charged {
                epoch,
                client,
                amount: taken,
            }));
            sum += amount;
        }
        Ok(sum)
    }

    fn credit(
        &mut self,
        epoch: u64,
        payouts: &[SwarmEscrow::Entry],
        effects: &mut Effects,
    ) -> Done<U256> {
        let (mut sum, mut last) = (U256::ZERO, Address::ZERO);
        for entry in payouts {
            let (payee, amount) = (entry.account, U256::from(entry.amount));
            ascending(payee, amount, &mut last)?;
            let mut p = self.payees.get(&payee).copied().unwrap_or_default();
            if p.pending != 0 && !self.is_void(p.pending_epoch) {
                p.claimable += p.pending;
            }
            let earned = amount.wrapping_to::<u64>();
            (p.pending, p.pending_epoch) = (earned, epoch);
            self.payees.insert(payee, p);
            effects.events.push(V::Credited(SwarmEscrow::Credited {
                epoch,
                payee,
                amount: earned,
            }));
            sum += amount;
        }
        Ok(sum)
    }

    fn is_void(&self, number: u64) -> bool {
        self.epochs.get(&number).is_some_and(|epoch| epoch.void)
    }

    // Guardian

    fn guardian(&self, by: Caller) -> Done<()> {
        ensure(by.from == self.params.guardian, || {
            E::NotGuardian(SwarmEscrow::NotGuardian { caller: by.from })
        })
    }

    /// `voidEpoch(epoch)`
    pub fn void_epoch(&mut self, by: Caller, number: u64) -> Done {
        self.guardian(by)?;
        let status = self.status(number, by.now);
        ensure(status == PENDING, || {
            E::NotPending(SwarmEscrow::NotPending {
                epoch: number,
                status,
            })
        })?;
        self.epochs.entry(number).or_default().void = true;
        self.stopped = true;
        Ok(said(V::EpochVoided(SwarmEscrow::EpochVoided {
            epoch: number,
            reason: "guardian".into(),
        })))
    }

    /// `resume()`
    pub fn resume(&mut self, by: Caller) -> Done {
        self.guardian(by)?;
        ensure(self.stopped, || {
            E::SettlementNotStopped(SwarmEscrow::SettlementNotStopped {})
        })?;
        self.stopped = false;
        Ok(said(V::SettlementResumed(
            SwarmEscrow::SettlementResumed {},
        )))
    }

    /// `pause()`
    pub fn pause(&mut self, by: Caller) -> Done {
        self.guardian(by)?;
        let max = self.params.max_pause;
        let allowed_at = match self.paused_at {
            0 => 0,
            at => at + 2 * max,
        };
        ensure(by.now >= allowed_at, || {
            E::PauseTooSoon(SwarmEscrow::PauseTooSoon {
                allowedAt: allowed_at,
            })
        })?;
        (self.paused_at, self.paused_until) = (by.now, by.now + max);
        Ok(said(V::Paused(SwarmEscrow::Paused {
            until: self.paused_until,
        })))
    }

    /// `unpause()`
    pub fn unpause(&mut self, by: Caller) -> Done {
        self.guardian(by)?;
        ensure(by.now < self.paused_until, || {
            E::NotPaused(SwarmEscrow::NotPaused {})
        })?;
        self.paused_until = by.now;
        Ok(said(V::Unpaused(SwarmEscrow::Unpaused {})))
    }
}

/// What a matured request takes out of the balance.
fn matured(a: &Account, balance: u64, now: u64) -> u64 {
    match a.matures_at != 0 && now >= a.matures_at {
        true => a.withdrawing.min(balance),
        false => 0,
    }
}

fn ascending(account: Address, amount: U256, last: &mut Address) -> Done<()> {
    ensure(account > *last, || {
        E::EntriesNotAscending(SwarmEscrow::EntriesNotAscending { account })
    })?;
    ensure(!amount.is_zero(), || {
        E::ZeroAmount(SwarmEscrow::ZeroAmount {})
    })?;
    *last = account;
    Ok(())
}

/// The vectors are those of the seal.
fn vectors(
    seal: &SwarmEscrow::EpochSeal,
    charges: &[SwarmEscrow::Entry],
    payouts: &[SwarmEscrow::Entry],
) -> Done<()> {
    let hash = |entries: &[SwarmEscrow::Entry]| keccak256(entries.to_vec().abi_encode());
    let found = hash(charges);
    ensure(found == seal.charges, || {
        E::WrongChargesHash(SwarmEscrow::WrongChargesHash {
            given: seal.charges,
            found,
        })
    })?;
    let found = hash(payouts);
    ensure(found == seal.payouts, || {
        E::WrongPayoutsHash(SwarmEscrow::WrongPayoutsHash {
            given: seal.payouts,
            found,
        })
    })?;
    let empty = charges.is_empty() && payouts.is_empty() && seal.receiptsRoot == tree::root(&[]);
    ensure(seal.receiptCount > 0 || empty, || {
        E::NotEmpty(SwarmEscrow::NotEmpty {})
    })
}

/// The seal as its signers see it.
fn to_sign(seal: &SwarmEscrow::EpochSeal) -> EpochSeal {
    EpochSeal {
        epoch: seal.epoch,
        previous: seal.previous,
        receiptsRoot: seal.receiptsRoot,
        receiptCount: seal.receiptCount,
        bundle: seal.bundle,
        charged: seal.charged,
        charges: seal.charges,
        payouts: seal.payouts,
        sealedAt: seal.sealedAt,
    }
}
