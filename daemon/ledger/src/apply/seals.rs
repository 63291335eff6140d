//! The seal of an epoch: kept, made anew when it grew too old, sent.

use swarm_types::bundle::{signature_file, vector_hash};
use swarm_types::eip712::Entry;
use swarm_types::{Address, EpochId, MicroUsdc, U256};

use super::chain::EpochBody;
use super::epochs::{Sealing, in_state, must};
use crate::commands::{RecordSealed, RecordSubmission, ReopenAdopted, ReopenSeal};
use crate::error::{CommandError, LedgerError};
use crate::journal::kind;
use crate::records::{EpochRecord, EpochState, SealStart};
use crate::refusals::EpochRefusal;
use crate::sql::values::damaged;
use crate::sql::{accounts, chain, epochs, outbox};
use crate::writer::{Command, Tx};

type Refused = CommandError<EpochRefusal>;

/// A vector as amounts, if it is strictly ascending, without zeros, and sums to `total`.
fn amounts(entries: &[Entry], total: u128) -> Option<Vec<(Address, MicroUsdc)>> {
    let ascending = entries.is_sorted_by(|a, b| a.account < b.account);
    let amounts: Vec<_> = entries
        .iter()
        .map(|entry| {
            let amount = u64::try_from(U256::from(entry.amount)).ok()?;
            (amount > 0).then_some((entry.account, MicroUsdc(amount)))
        })
        .collect::<Option<_>>()?;
    let sum: u128 = amounts.iter().map(|(_, amount)| u128::from(amount.0)).sum();
    (ascending && sum == total).then_some(amounts)
}

impl Command for RecordSealed {
    type Answer = EpochRecord;
    type Refusal = EpochRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<EpochRecord, Refused> {
        let states = [
            EpochState::Sealing,
            EpochState::Sealed,
            EpochState::Submitted,
            EpochState::Included,
        ];
        let epoch = in_state(tx, self.epoch, &states)?;
        if epoch.state != EpochState::Sealing {
            return if epoch.seal_hash == Some(self.seal.struct_hash()) {
                Ok(epoch)
            } else {
                Err(CommandError::Refused(EpochRefusal::WrongState {
                    epoch: epoch.id,
                    state: epoch.state,
                }))
            };
        }
        let seal = &self.seal.0;
        let number = epoch.id.0;
        let cleared = accounts::balance(tx.conn, accounts::clearing(tx.conn, number)?)?;
        let charges = amounts(&self.charges, seal.charged);
        let payouts = amounts(&self.payouts, seal.charged);
        let agents_total: u128 = self
            .agents
            .iter()
            .map(|agent| u128::from(agent.fees.0))
            .sum();
        let checks = [
            ("epoch", seal.epoch == number),
            ("sealedAt", epoch.sealed_at == Some(seal.sealedAt)),
            (
                "previous",
                seal.previous == epochs::previous(tx.conn, number)?,
            ),
            (
                "receiptCount",
                seal.receiptCount == epochs::receipt_count(tx.conn, number)?,
            ),
            ("charged", u128::try_from(cleared) == Ok(seal.charged)),
            (
                "charges",
                seal.charges == vector_hash(&self.charges)
                    && charges == Some(epochs::client_fees(tx.conn, number)?),
            ),
            (
                "payouts",
                seal.payouts == vector_hash(&self.payouts) && payouts.is_some(),
            ),
            ("agents", agents_total == seal.charged),
            ("signatures", !self.signatures.is_empty()),
        ];
        if let Some((field, _)) = checks.into_iter().find(|(_, ok)| !ok) {
            return Err(CommandError::Refused(EpochRefusal::Mismatch { field }));
        }
        let (Some(charges), Some(payouts)) = (charges, payouts) else {
            return Err(damaged("vectors that were just checked").into());
        };
        let charged = MicroUsdc(charges.iter().map(|(_, amount)| amount.0).sum());
        epochs::set_sealed(
            tx.conn,
            &self.seal,
            charged,
            &charges,
            &payouts,
            &self.agents,
            &signature_file(&self.signatures),
        )?;
        let body = EpochBody {
            epoch: epoch.id,
            reason: None,
            seal_hash: self.seal.struct_hash(),
            tx: None,
        };
        tx.journal(self.now, kind::EPOCH_SEALED, &body)?;
        Ok(must(tx, epoch.id)?)
    }
}

impl Command for ReopenSeal {
    type Answer = SealStart;
    type Refusal = EpochRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<SealStart, Refused> {
        let epoch = in_state(tx, self.epoch, &[EpochState::Sealed, EpochState::Submitted])?;
        let sealed_at = epoch
            .sealed_at
            .ok_or_else(|| damaged(format!("{} was never sealed", epoch.id)))?;
        let until = sealed_at.saturating_add(self.max_seal_age);
        if self.now < until || self.now > i64::MAX.cast_unsigned() {
            return Err(CommandError::Refused(EpochRefusal::SealAlive {
                epoch: epoch.id,
                until,
            }));
        }
        Ok(reopened(tx, epoch.id, self.now, self.now)?)
    }
}

impl Command for ReopenAdopted {
    type Answer = SealStart;
    type Refusal = EpochRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<SealStart, Refused> {
        let refuse = |refusal| Err(CommandError::Refused(refusal));
        let states = [
            EpochState::Sealing,
            EpochState::Sealed,
            EpochState::Submitted,
        ];
        let epoch = in_state(tx, self.epoch, &states)?;
        if chain::settled(tx.conn, epoch.id.0, &self.seal_hash)?.is_none() {
            return refuse(EpochRefusal::NotOnChain(epoch.id));
        }
        if epoch.seal_hash == Some(self.seal_hash) {
            return refuse(EpochRefusal::WrongState {
                epoch: epoch.id,
                state: epoch.state,
            });
        }
        if self.sealed_at > i64::MAX.cast_unsigned() {
            return refuse(EpochRefusal::Mismatch { field: "sealedAt" });
        }
        if epoch.state == EpochState::Sealing && epoch.sealed_at == Some(self.sealed_at) {
            return Ok(SealStart {
                epoch: epoch.id,
                sealed_at: self.sealed_at,
                open: EpochId(tx.hot.epoch),
            });
        }
        Ok(reopened(tx, epoch.id, self.sealed_at, self.now)?)
    }
}

/// Forgets an epoch's seal; the next one is of `sealed_at`.
fn reopened(
    tx: &mut Tx<'_>,
    epoch: EpochId,
    sealed_at: u64,
    now: u64,
) -> Result<SealStart, LedgerError> {
    epochs::set_sealing(tx.conn, epoch.0, sealed_at, None)?;
    let body = Sealing {
        epoch,
        sealed_at: sealed_at.to_string(),
        trigger: "reopened",
    };
    tx.journal(now, kind::EPOCH_SEALING, &body)?;
    Ok(SealStart {
        epoch,
        sealed_at,
        open: EpochId(tx.hot.epoch),
    })
}

impl Command for RecordSubmission {
    type Answer = EpochRecord;
    type Refusal = EpochRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<EpochRecord, Refused> {
        let states = [
            EpochState::Sealed,
            EpochState::Submitted,
            EpochState::Included,
        ];
        let epoch = in_state(tx, self.epoch, &states)?;
        let seal_hash = epoch
            .seal_hash
            .ok_or_else(|| damaged(format!("{} has no seal", epoch.id)))?;
        let number = epoch.id.0;
        let hash = seal_hash.as_slice();
        if outbox::insert(tx.conn, number, hash, &self.submission, self.now)? {
            if epoch.state == EpochState::Sealed {
                epochs::set_state(tx.conn, number, EpochState::Submitted)?;
            }
            let body = EpochBody {
                epoch: epoch.id,
                reason: None,
                seal_hash,
                tx: Some(self.submission.tx),
            };
            tx.journal(self.now, kind::EPOCH_SUBMITTED, &body)?;
        }
        Ok(must(tx, epoch.id)?)
    }
}
