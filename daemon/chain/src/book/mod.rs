//! The escrow's public record, rebuilt from its events alone: epochs with their charges and credits, what
//! happened to each account, and changes of roles on their way.
//!
//! [`Follower`] reads the chain and keeps a [`Book`] in step with it; the book itself does no IO.

mod follower;
mod state;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use swarm_contracts::SwarmEscrow::SwarmEscrowEvents as E;
use swarm_types::api::EpochStatus;
use swarm_types::escrow::BlockRef;
use swarm_types::orb::{AccountLine, Amount, IndexEpoch, IndexVoid, LineKind, PendingChange, Role};
use swarm_types::{Address, B256, EpochId, MicroUsdc, U256};
use swarm_types::{bundle, eip712, orb};

use crate::error::ChainError;
use crate::events::{RawLog, micro};

pub use follower::{Block, Follower, Progress, read};

/// What the events of an escrow say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    epochs: BTreeMap<u64, EpochFacts>,
    accounts: BTreeMap<Address, Vec<AccountLine>>,
    /// Sets of settlers with the block from which each signs.
    settlers: Vec<(u64, Vec<Address>)>,
    announced: Vec<PendingChange>,
}

/// An epoch as the chain emitted it.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochFacts {
    /// Number.
    pub epoch: u64,
    /// Struct hash of its seal.
    pub seal_hash: B256,
    /// Root of its receipts.
    pub receipts_root: B256,
    /// How many receipts.
    pub receipt_count: u64,
    /// Σ charges.
    pub charged: MicroUsdc,
    /// SHA-256 of SUMMARY.json.
    pub bundle: B256,
    /// Unix seconds of the seal.
    pub sealed_at: u64,
    /// Unix seconds of its block.
    pub settled_at: u64,
    /// Unix seconds at which its window closes.
    pub final_at: u64,
    /// Its block.
    pub block: u64,
    /// Its transaction.
    pub tx: B256,
    /// Its void.
    pub void: Option<IndexVoid>,
    /// What each client pays, ascending by address.
    pub charges: Vec<Amount>,
    /// What each payee earns, ascending by address.
    pub credits: Vec<Amount>,
    /// Hashes of the two vectors, once asked for.
    hashes: OnceLock<(B256, B256)>,
}

impl EpochFacts {
    /// Where it stands at chain time `now` (Unix seconds).
    pub fn status(&self, now: u64) -> EpochStatus {
        match self.void {
            Some(_) => EpochStatus::Void,
            None if now < self.final_at => EpochStatus::Included,
            None => EpochStatus::Finalized,
        }
    }

    /// Hashes of the charge and payout vectors, as the seal names them.
    pub fn vector_hashes(&self) -> (B256, B256) {
        let hashes = || (vector_hash(&self.charges), vector_hash(&self.credits));
        *self.hashes.get_or_init(hashes)
    }
}

impl Book {
    /// Takes in the events of `block`, in the order of the chain.
    ///
    /// # Errors
    /// [`ChainError::Nonsense`] when an event cannot be where it is.
    pub fn apply(&mut self, block: &BlockRef, logs: &[RawLog]) -> Result<(), ChainError> {
        logs.iter().try_for_each(|log| self.apply_log(block, log))
    }

    fn apply_log(&mut self, block: &BlockRef, log: &RawLog) -> Result<(), ChainError> {
        let line = |kind, amount| AccountLine {
            at: block.timestamp,
            block: block.number,
            transaction: log.tx,
            kind,
            amount,
            other: None,
            effective_at: None,
            epoch: None,
            status: None,
        };
        let amount = |value: u64| Some(MicroUsdc(value));
        match log.event()? {
            E::Deposited(e) => self.note(
                e.client,
                AccountLine {
                    other: Some(e.from),
                    ..line(LineKind::Deposited, amount(e.amount))
                },
            ),
            E::WithdrawalRequested(e) => self.note(
                e.client,
                AccountLine {
                    effective_at: Some(e.maturesAt),
                    ..line(LineKind::WithdrawalRequested, amount(e.amount))
                },
            ),
            E::Withdrawn(e) => self.note(
                e.client,
                AccountLine {
                    other: Some(e.to),
                    ..line(LineKind::Withdrawn, amount(e.amount))
                },
            ),
            E::CapChanged(e) => self.note(
                e.client,
                AccountLine {
                    effective_at: Some(e.effectiveAt),
                    ..line(LineKind::CapChanged, amount(e.cap))
                },
            ),
            E::OrderSignerAdded(e) => self.note(
                e.client,
                AccountLine {
                    other: Some(e.signer),
                    ..line(LineKind::SignerAdded, None)
                },
            ),
            E::OrderSignerRemoved(e) => self.note(
                e.client,
                AccountLine {
                    other: Some(e.signer),
                    effective_at: Some(e.effectiveAt),
                    ..line(LineKind::SignerRemoved, None)
                },
            ),
            E::Claimed(e) => self.note(
                e.payee,
                AccountLine {
                    other: Some(e.to),
                    ..line(LineKind::Claimed, amount(e.amount))
                },
            ),
            E::EpochSettled(e) => {
                let facts = EpochFacts {
                    epoch: e.epoch,
                    seal_hash: e.sealHash,
                    receipts_root: e.receiptsRoot,
                    receipt_count: e.receiptCount,
                    charged: micro(e.charged)?,
                    bundle: e.bundle,
                    sealed_at: e.sealedAt,
                    settled_at: block.timestamp,
                    final_at: e.finalAt,
                    block: block.number,
                    tx: log.tx,
                    void: None,
                    charges: Vec::new(),
                    credits: Vec::new(),
                    hashes: OnceLock::new(),
                };
                self.epochs.insert(e.epoch, facts);
            }
            E::Charged(e) => {
                let entry = line(LineKind::Charged, amount(e.amount));
                self.entry(e.epoch, e.client, entry, |facts| &mut facts.charges)?;
            }
            E::Credited(e) => {
                let entry = line(LineKind::Credited, amount(e.amount));
                self.entry(e.epoch, e.payee, entry, |facts| &mut facts.credits)?;
            }
            E::EpochVoided(e) => {
                self.settled(e.epoch)?.void = Some(IndexVoid {
                    reason: e.reason,
                    at: block.timestamp,
                    block: block.number,
                    transaction: log.tx,
                });
            }
            E::OwnerScheduled(e) => self.announce(Role::Owner, Some(e.owner), None, e.readyAt),
            E::GuardianScheduled(e) => {
                self.announce(Role::Guardian, Some(e.guardian), None, e.readyAt);
            }
            E::SettlersScheduled(e) => {
                let next = Some((e.settlers, e.threshold));
                self.announce(Role::Settlers, None, next, e.readyAt);
            }
            E::OwnerChanged(_) => self.applied(Role::Owner),
            E::GuardianChanged(_) => self.applied(Role::Guardian),
            E::SettlersChanged(e) => {
                self.settlers.push((block.number, e.settlers));
                self.applied(Role::Settlers);
            }
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, account: Address, line: AccountLine) {
        self.accounts.entry(account).or_default().push(line);
    }

    fn settled(&mut self, epoch: u64) -> Result<&mut EpochFacts, ChainError> {
        self.epochs.get_mut(&epoch).ok_or_else(|| {
            let detail = format!("one is of epoch {epoch}, which was not settled before it");
            ChainError::nonsense("the events of the escrow", detail)
        })
    }

    /// Books a charge or credit of an epoch.
    fn entry(
        &mut self,
        epoch: u64,
        account: Address,
        line: AccountLine,
        vector: impl Fn(&mut EpochFacts) -> &mut Vec<Amount>,
    ) -> Result<(), ChainError> {
        let facts = self.settled(epoch)?;
        facts.hashes = OnceLock::new();
        vector(facts).push(Amount {
            account,
            amount: line.amount.unwrap_or_default(),
        });
        let epoch = Some(EpochId(epoch));
        self.note(account, AccountLine { epoch, ..line });
        Ok(())
    }

    fn announce(
        &mut self,
        role: Role,
        account: Option<Address>,
        settlers: Option<(Vec<Address>, u64)>,
        applies_at: u64,
    ) {
        // One change of a kind is on its way at a time.
        self.applied(role);
        let (settlers, threshold) = settlers.unzip();
        self.announced.push(PendingChange {
            role,
            account,
            settlers,
            threshold,
            applies_at,
            lapses_at: applies_at,
        });
    }

    fn applied(&mut self, role: Role) {
        self.announced.retain(|change| change.role != role);
    }

    /// Every settled epoch, ascending.
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = &EpochFacts> {
        self.epochs.values()
    }

    /// An epoch.
    pub fn epoch(&self, number: u64) -> Option<&EpochFacts> {
        self.epochs.get(&number)
    }

    /// Every address that an event named as client or payee.
    pub fn accounts(&self) -> impl Iterator<Item = &Address> {
        self.accounts.keys()
    }

    /// What happened to `account` until chain time `now` (Unix seconds), in the order of the chain.
    pub fn account(&self, account: &Address, now: u64) -> Vec<AccountLine> {
        let lines = self.accounts.get(account).into_iter().flatten();
        let with_status = lines.map(|line| {
            let facts = line.epoch.and_then(|epoch| self.epochs.get(&epoch.0));
            AccountLine {
                status: facts.map(|facts| facts.status(now)),
                ..*line
            }
        });
        with_status.collect()
    }

    /// The settlers whose signatures counted in block `number`.
    pub fn settlers_at(&self, number: u64) -> &[Address] {
        let sets = self.settlers.iter().rev();
        let set = sets.into_iter().find(|(from, _)| *from <= number);
        set.map_or(&[], |(_, settlers)| settlers)
    }

    /// Changes of roles that can still be applied at chain time `now` (Unix seconds), given the
    /// contract's delay in seconds.
    pub fn pending(&self, now: u64, role_delay: u64) -> Vec<PendingChange> {
        let changes = self.announced.iter().map(|change| PendingChange {
            lapses_at: change.applies_at.saturating_add(role_delay),
            ..change.clone()
        });
        changes.filter(|change| now < change.lapses_at).collect()
    }

    /// The rows of the index at chain time `now` (Unix seconds), ascending, without what bundles add.
    pub fn rows(&self, now: u64) -> Vec<IndexEpoch> {
        let mut previous = B256::ZERO;
        let rows = self.epochs.values().map(|facts| {
            let row = row(facts, previous, now);
            previous = facts.seal_hash;
            row
        });
        rows.collect()
    }

    /// Struct hash of the seal before `epoch`; 0 for the first.
    pub fn previous(&self, epoch: u64) -> B256 {
        let before = self.epochs.range(..epoch).next_back();
        before.map_or(B256::ZERO, |(_, facts)| facts.seal_hash)
    }
}

fn vector_hash(vector: &[Amount]) -> B256 {
    let entry = |line: &Amount| eip712::Entry {
        account: line.account,
        amount: U256::from(line.amount.0).to(),
    };
    bundle::vector_hash(&vector.iter().map(entry).collect::<Vec<_>>())
}

fn row(facts: &EpochFacts, previous: B256, now: u64) -> IndexEpoch {
    let (charges, payouts) = facts.vector_hashes();
    IndexEpoch {
        epoch: facts.epoch,
        epoch_id: EpochId(facts.epoch),
        status: facts.status(now),
        void: facts.void.clone(),
        sealed_at: facts.sealed_at,
        settled_at: facts.settled_at,
        final_at: facts.final_at,
        transaction: facts.tx,
        block: facts.block,
        receipts_root: facts.receipts_root,
        seal_hash: facts.seal_hash,
        previous,
        bundle: facts.bundle,
        receipts: facts.receipt_count,
        charged: facts.charged,
        charges,
        payouts,
        clients: u32::try_from(facts.charges.len()).unwrap_or(u32::MAX),
        payees: u32::try_from(facts.credits.len()).unwrap_or(u32::MAX),
        bundle_state: orb::BundleState::Unchecked,
        bundle_detail: None,
        summary: None,
    }
}
