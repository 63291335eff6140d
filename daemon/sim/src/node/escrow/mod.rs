//! The escrow as `contracts/src` says it, in Rust: the rules of `SwarmEscrow.sol`, `Accounts.sol` and
//! `Book.sol` that clients, payees, settlers and the guardian meet. A test runs the same calls against the
//! compiled contract on a real node and compares every answer (`tests/contract.rs`).
//!
//! Left out, because nobody in the simulation does it: deposits by permit or authorization, stray
//! transfers, changes of roles, and proofs of fault (an honest queen makes none).

mod guardian;
mod money;
mod settle;

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use swarm_contracts::Params;
use swarm_contracts::SwarmEscrow::{self, SwarmEscrowErrors as E, SwarmEscrowEvents as V};
use swarm_types::eip712::Domain;

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

    fn not_paused(&self, now: u64) -> Done<()> {
        ensure(now >= self.paused_until, || {
            E::IsPaused(SwarmEscrow::IsPaused {
                until: self.paused_until,
            })
        })
    }
}

/// What a matured request takes out of the balance.
fn matured(a: &Account, balance: u64, now: u64) -> u64 {
    match a.matures_at != 0 && now >= a.matures_at {
        true => a.withdrawing.min(balance),
        false => 0,
    }
}
