//! The life of an epoch outside its seal: begin and end.

use serde::Serialize;
use swarm_types::{B256, EpochId, JobId};

use super::chain::EpochBody;
use super::cut;
use crate::commands::{BeginSeal, DeferJobs, DropUncollectable, Finalise};
use crate::error::{CommandError, LedgerError};
use crate::journal::kind;
use crate::limits::EPOCH_MAX;
use crate::records::{EpochRecord, EpochState, SealStart};
use crate::refusals::EpochRefusal;
use crate::sql::outcomes::Booked;
use crate::sql::transfers::Posting;
use crate::sql::values::{bits, damaged, job_key};
use crate::sql::{accounts, epochs, outcomes, transfers};
use crate::writer::{Command, Tx};

type Refused = CommandError<EpochRefusal>;

#[derive(Serialize)]
pub(super) struct Sealing<'a> {
    pub epoch: EpochId,
    #[serde(rename = "sealedAt")]
    pub sealed_at: String,
    pub trigger: &'a str,
}

#[derive(Serialize)]
struct Dropped<'a> {
    epoch: EpochId,
    job: JobId,
    reason: &'a str,
}

/// The epoch, if it is in one of `states`.
pub(super) fn in_state(
    tx: &Tx<'_>,
    id: EpochId,
    states: &[EpochState],
) -> Result<EpochRecord, Refused> {
    let Some(epoch) = epochs::get(tx.conn, id)? else {
        return Err(CommandError::Refused(EpochRefusal::Unknown(id)));
    };
    if !states.contains(&epoch.state) {
        return Err(CommandError::Refused(EpochRefusal::WrongState {
            epoch: id,
            state: epoch.state,
        }));
    }
    Ok(epoch)
}

/// An epoch that is known to exist.
pub(super) fn must(tx: &Tx<'_>, id: EpochId) -> Result<EpochRecord, LedgerError> {
    epochs::get(tx.conn, id)?.ok_or_else(|| damaged(format!("{id} is missing")))
}

impl Command for BeginSeal {
    type Answer = SealStart;
    type Refusal = EpochRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<SealStart, Refused> {
        let refuse = |refusal| Err(CommandError::Refused(refusal));
        let number = tx.hot.epoch;
        match epochs::in_flight(tx.conn)? {
            Some((epoch, EpochState::Sealing, sealed_at)) => {
                return Ok(SealStart {
                    epoch,
                    sealed_at,
                    open: EpochId(number),
                });
            }
            Some((epoch, state, _)) => return refuse(EpochRefusal::InFlight { epoch, state }),
            None => {}
        }
        let last = epochs::last_sealed_at(tx.conn, number)?;
        if self.now <= last || self.now > i64::MAX.cast_unsigned() {
            return refuse(EpochRefusal::ClockBehind {
                now: self.now,
                last,
            });
        }
        if number >= EPOCH_MAX {
            return refuse(EpochRefusal::Unknown(EpochId(number + 1)));
        }
        // No completion of the epoch is later than its seal. Jobs that came from an earlier epoch were completed before
        // that one's seal.
        let sealed_at = self.now.max(tx.hot.not_before);
        epochs::set_sealing(tx.conn, number, sealed_at, Some(self.trigger))?;
        tx.hot.clearing = epochs::open(tx.conn, number + 1, self.now)?;
        tx.hot.epoch = number + 1;
        tx.hot.next_job = 1;
        tx.hot.not_before = 0;
        let body = Sealing {
            epoch: EpochId(number),
            sealed_at: sealed_at.to_string(),
            trigger: self.trigger.as_str(),
        };
        tx.journal(self.now, kind::EPOCH_SEALING, &body)?;
        Ok(SealStart {
            epoch: EpochId(number),
            sealed_at,
            open: EpochId(number + 1),
        })
    }
}

#[derive(Serialize)]
struct Deferred {
    epoch: EpochId,
    job: JobId,
    to: EpochId,
}

impl Command for DeferJobs {
    type Answer = u64;
    type Refusal = EpochRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<u64, Refused> {
        in_state(tx, self.epoch, &[EpochState::Sealing])?;
        let (number, open) = (self.epoch.0, tx.hot.epoch);
        let mut moves = Vec::new();
        for id in &self.jobs {
            let key = job_key(*id);
            let booked = match key {
                Some(key) => outcomes::booked(tx.conn, key)?,
                None => None,
            };
            match (key, booked) {
                (Some(key), Some(booked)) if booked.settles_in == number && !booked.dropped => {
                    moves.push((key, *id, booked));
                }
                // Moved before: the same command again.
                (Some(_), Some(booked)) if booked.settles_in == open => {}
                _ => return Err(CommandError::Refused(EpochRefusal::NotItsJob(*id))),
            }
        }
        moves.sort_by_key(|(key, ..)| *key);
        moves.dedup_by_key(|(key, ..)| *key);
        for (key, id, booked) in &moves {
            resettle(tx, (*key, *id), booked, EpochId(open), self.now)?;
        }
        Ok(moves.len() as u64)
    }
}

/// Moves a completed job from the epoch that settles it to another, with its fee.
pub(super) fn resettle(
    tx: &mut Tx<'_>,
    (key, job): (i64, JobId),
    booked: &Booked,
    to: EpochId,
    now: u64,
) -> Result<(), LedgerError> {
    let from = booked.settles_in;
    let posting = Posting {
        kind: "resettle",
        debit: accounts::clearing(tx.conn, from)?,
        credit: accounts::clearing(tx.conn, to.0)?,
        amount: booked.fee,
        client: None,
        job: Some(key),
        epoch: Some(from),
        event: None,
    };
    transfers::post(tx.conn, &posting, now)?;
    outcomes::settle_in(tx.conn, key, to.0)?;
    let fee = bits(booked.fee.0);
    epochs::add_job(tx.conn, from, booked.account, &booked.worker, -1, -fee)?;
    epochs::add_job(tx.conn, to.0, booked.account, &booked.worker, 1, fee)?;
    let epoch = EpochId(from);
    tx.journal(now, kind::JOB_DEFERRED, &Deferred { epoch, job, to })?;
    Ok(())
}

impl Command for DropUncollectable {
    type Answer = u64;
    type Refusal = EpochRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<u64, Refused> {
        in_state(tx, self.epoch, &[EpochState::Sealing])?;
        let number = self.epoch.0;
        let mut drops = Vec::new();
        for id in &self.jobs {
            let key = job_key(*id);
            let booked = match key {
                Some(key) => outcomes::booked(tx.conn, key)?,
                None => None,
            };
            match (key, booked) {
                (Some(key), Some(booked)) if booked.settles_in == number => {
                    if !booked.dropped {
                        drops.push((key, *id, booked));
                    }
                }
                _ => return Err(CommandError::Refused(EpochRefusal::NotItsJob(*id))),
            }
        }
        drops.sort_by_key(|(key, ..)| *key);
        drops.dedup_by_key(|(key, ..)| *key);
        let reason = cut(&self.reason);
        let clearing = accounts::clearing(tx.conn, number)?;
        for (key, id, booked) in &drops {
            let posting = Posting {
                kind: "refund",
                debit: clearing,
                credit: booked.account,
                amount: booked.fee,
                client: Some(booked.account),
                job: Some(*key),
                epoch: Some(number),
                event: None,
            };
            transfers::post(tx.conn, &posting, self.now)?;
            outcomes::mark_uncollectable(tx.conn, *key, reason)?;
            let fee = -bits(booked.fee.0);
            epochs::add_job(tx.conn, number, booked.account, &booked.worker, -1, fee)?;
            let body = Dropped {
                epoch: self.epoch,
                job: *id,
                reason,
            };
            tx.journal(self.now, kind::JOB_UNCOLLECTABLE, &body)?;
        }
        Ok(drops.len() as u64)
    }
}

impl Command for Finalise {
    type Answer = EpochRecord;
    type Refusal = EpochRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<EpochRecord, Refused> {
        let epoch = in_state(tx, self.epoch, &[EpochState::Included, EpochState::Final])?;
        if epoch.state == EpochState::Final {
            return Ok(epoch);
        }
        let (Some(final_at), Some(block)) = (epoch.final_at, epoch.settled_block) else {
            return Err(damaged(format!("{} is included nowhere", epoch.id)).into());
        };
        if self.finalized.timestamp < final_at || self.finalized.number < block {
            return Err(CommandError::Refused(EpochRefusal::WindowOpen {
                epoch: epoch.id,
                final_at,
            }));
        }
        let number = epoch.id.0;
        let clearing = accounts::clearing(tx.conn, number)?;
        for (payee, amount) in epochs::payout_vector(tx.conn, number)? {
            let posting = Posting {
                kind: "payout",
                debit: clearing,
                credit: accounts::payee(tx.conn, &payee, self.now)?,
                amount,
                client: None,
                job: None,
                epoch: Some(number),
                event: None,
            };
            transfers::post(tx.conn, &posting, self.now)?;
        }
        epochs::set_state(tx.conn, number, EpochState::Final)?;
        let body = EpochBody {
            epoch: epoch.id,
            reason: None,
            seal_hash: epoch.seal_hash.unwrap_or(B256::ZERO),
            tx: epoch.settled_tx,
        };
        tx.journal(self.now, kind::EPOCH_FINAL, &body)?;
        Ok(must(tx, epoch.id)?)
    }
}
