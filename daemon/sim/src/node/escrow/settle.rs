//! What settlers call.

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::{SolStruct, SolValue};
use swarm_contracts::MAX_ENTRIES;
use swarm_contracts::SwarmEscrow::{self, SwarmEscrowErrors as E, SwarmEscrowEvents as V};
use swarm_types::Signature65;
use swarm_types::eip712::EpochSeal;
use swarm_types::tree;

use super::{Caller, Done, Effects, Epoch, Escrow, FINAL, PENDING, ensure, matured, said};
use crate::plant::Plant;

impl Escrow {
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
