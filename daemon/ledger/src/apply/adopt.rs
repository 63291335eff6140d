//! An epoch that the chain has and this ledger has not is taken over from its bundle: the ledger is an older copy, or a
//! new one.
//!
//! Of a job, a bundle holds what was ordered and what was done, not where input and result lie: these are zeros then, and
//! what the worker signed as the result stands in the place of the manifest (see [`crate::sql::jobs`]).

use swarm_types::bundle::JobEntry;
use swarm_types::escrow::EscrowEvent;
use swarm_types::{B256, EpochId, digest};

use super::epochs::{in_state, must, resettle};
use super::short;
use crate::commands::{AdoptJobs, AdoptSettled, Complete, Submit};
use crate::error::{CommandError, LedgerError};
use crate::limits::AMOUNT_MAX;
use crate::records::{Applied, BlobRef, EpochRecord, EpochState, LeaseRef, LeaseToken};
use crate::refusals::{AdoptRefusal, EpochRefusal};
use crate::sql::values::{damaged, job_key};
use crate::sql::{accounts, chain, epochs, jobs, outcomes, transfers, workers};
use crate::writer::{Command, Tx};

/// What is not in a bundle.
const UNKNOWN: BlobRef = BlobRef {
    sha256: B256::ZERO,
    size: 0,
};
/// As above.
const UNKNOWN_JOB_TYPE: &str = "unknown";

/// What the ledger has of a job.
enum Known {
    /// All of it.
    Completed,
    /// The order.
    Open(i64),
    /// Nothing.
    Nothing(i64),
}

impl Command for AdoptJobs {
    type Answer = u64;
    type Refusal = AdoptRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<u64, CommandError<AdoptRefusal>> {
        let refuse = |refusal| Err(CommandError::Refused(refusal));
        let record = epochs::get(tx.conn, self.epoch)?;
        let state = record.map(|record| record.state);
        if !matches!(state, Some(EpochState::Open | EpochState::Sealing)) {
            return refuse(AdoptRefusal::NotOpen {
                epoch: self.epoch,
                open: EpochId(tx.hot.epoch),
            });
        }
        if chain::settled(tx.conn, self.epoch.0, &self.seal_hash)?.is_none() {
            return refuse(AdoptRefusal::NotOnChain(self.epoch));
        }
        let mut found = Vec::with_capacity(self.jobs.len());
        for entry in &self.jobs {
            found.push(self.look(tx, entry)?);
        }
        let mut adopted = 0;
        for (entry, known) in self.jobs.iter().zip(found) {
            let key = match known {
                Known::Completed => continue,
                Known::Open(key) => key,
                Known::Nothing(key) => {
                    self.enter(tx, key, entry)?;
                    key
                }
            };
            self.complete(tx, key, entry)?;
            adopted += 1;
        }
        if self.epoch.0 != tx.hot.epoch {
            self.gather(tx)?;
        }
        Ok(adopted)
    }
}

impl AdoptJobs {
    /// What the ledger has of the job, if the entry does not contradict it.
    fn look(&self, tx: &mut Tx<'_>, entry: &JobEntry) -> Result<Known, CommandError<AdoptRefusal>> {
        let refuse = |refusal| Err(CommandError::Refused(refusal));
        let id = entry.execution.job();
        let Some(key) = job_key(id).filter(|_| id.epoch <= self.epoch.0) else {
            return refuse(AdoptRefusal::OutOfRange {
                job: id,
                field: "jobId",
            });
        };
        let payee = self.payees.get(&entry.receipt.worker);
        if let Some(field) = out_of_range(entry).or(payee.is_none().then_some("payee")) {
            return refuse(AdoptRefusal::OutOfRange { job: id, field });
        }
        if let Some(key) = tx.hot.open_key(id) {
            let job = &tx.hot.jobs[&key];
            return if job.commitment == entry.receipt.order && job.fee == entry.receipt.fee {
                Ok(Known::Open(key))
            } else {
                refuse(AdoptRefusal::Differs(id))
            };
        }
        let conn = tx.tables()?;
        if let Some(job) = jobs::get(conn, id)? {
            return match &job.completion {
                Some(_) if job.uncollectable.is_some() => refuse(AdoptRefusal::LeftOut(id)),
                Some(done) if done.execution == entry.execution => Ok(Known::Completed),
                Some(_) => refuse(AdoptRefusal::Differs(id)),
                None => refuse(AdoptRefusal::Ended {
                    job: id,
                    state: job.state,
                }),
            };
        }
        let order = &entry.order.order;
        if let Some(spender) = accounts::spender(conn, &order.client, self.epoch.0)?
            && let Some(other) = jobs::of_nonce(conn, spender.account, order.nonce)?
        {
            return refuse(AdoptRefusal::NonceUsed {
                job: id,
                by: other.id,
            });
        }
        Ok(Known::Nothing(key))
    }

    /// Writes the order, as if it had been submitted.
    fn enter(&self, tx: &mut Tx<'_>, key: i64, entry: &JobEntry) -> Result<(), LedgerError> {
        let id = entry.execution.job();
        let order = &entry.order.order;
        let account = accounts::open_client(tx.conn, &order.client, self.now)?;
        let submit = Submit {
            now: self.now,
            order: entry.order.clone(),
            commitment: entry.receipt.order,
            signers: [order.client; 2],
            fee: entry.receipt.fee,
            salt: B256::ZERO,
            job_type: UNKNOWN_JOB_TYPE.to_owned(),
            input: UNKNOWN,
            reply_to: None,
            recipients: Vec::new(),
            label: None,
            webhook: None,
            max_attempts: 1,
        };
        let number = tx.hot.books.next_transfer(tx.conn)?;
        if submit.enter(tx, key, account)?.is_none() {
            return Err(damaged(format!("a bundle has the nonce of {id} twice")));
        }
        transfers::note_adopted(tx.conn, number)?;
        if id.epoch == tx.hot.epoch {
            tx.hot.next_job = tx.hot.next_job.max(id.seq + 1);
        }
        Ok(())
    }

    /// Writes what was done.
    fn complete(&self, tx: &mut Tx<'_>, key: i64, entry: &JobEntry) -> Result<(), LedgerError> {
        let power = String::from_utf8(entry.power.canonical())
            .map_err(|_| damaged("canonical JSON that is not UTF-8"))?;
        let worker = entry.receipt.worker;
        workers::ensure(tx.conn, &worker, &self.payees[&worker], self.now)?;
        let complete = Complete {
            now: self.now,
            worker,
            lease: LeaseRef {
                job: entry.execution.job(),
                token: LeaseToken(0),
            },
            execution: entry.execution.clone(),
            execution_signature: entry.execution_signature,
            engine: entry.engine.clone(),
            power: entry.power.clone(),
            result: UNKNOWN,
            manifest: entry.execution.result,
        };
        complete.book(tx, key, power).map(drop)
    }

    /// Moves the jobs into the epoch that is being sealed: those that were just entered are in the open one, and those that
    /// this ledger left for it.
    fn gather(&self, tx: &mut Tx<'_>) -> Result<(), LedgerError> {
        tx.hot.close_books(tx.conn)?;
        for entry in &self.jobs {
            let id = entry.execution.job();
            let key = job_key(id).ok_or_else(|| damaged("a job that was just looked at"))?;
            let booked = outcomes::booked(tx.conn, key)?
                .ok_or_else(|| damaged(format!("{id} was just completed")))?;
            if booked.settles_in == tx.hot.epoch {
                resettle(tx, (key, id), &booked, self.epoch, self.now)?;
            }
        }
        Ok(())
    }
}

/// The first field that the tables cannot hold.
fn out_of_range(entry: &JobEntry) -> Option<&'static str> {
    let (order, execution) = (&entry.order.order, &entry.execution);
    let time = |seconds: u64| seconds <= i64::MAX.cast_unsigned();
    let checks = [
        ("fee", entry.receipt.fee.0 <= AMOUNT_MAX),
        ("maxFee", order.max_fee.0 <= AMOUNT_MAX),
        ("deadline", time(order.deadline)),
        ("startedAt", time(execution.started_at)),
        ("completedAt", time(execution.completed_at)),
        ("engine", short(&entry.engine)),
        ("meter", short(&entry.power.meter)),
    ];
    checks
        .into_iter()
        .find(|(_, ok)| !ok)
        .map(|(field, _)| field)
}

impl Command for AdoptSettled {
    type Answer = EpochRecord;
    type Refusal = EpochRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<EpochRecord, CommandError<EpochRefusal>> {
        let states = [
            EpochState::Sealed,
            EpochState::Submitted,
            EpochState::Included,
            EpochState::Final,
            EpochState::Void,
        ];
        let epoch = in_state(tx, self.epoch, &states)?;
        if !matches!(epoch.state, EpochState::Sealed | EpochState::Submitted) {
            return Ok(epoch);
        }
        let number = epoch.id.0;
        let seal_hash = epoch
            .seal_hash
            .ok_or_else(|| damaged(format!("{} has no seal", epoch.id)))?;
        let Some(log) = chain::settled(tx.conn, number, &seal_hash)? else {
            return Err(CommandError::Refused(EpochRefusal::NotOnChain(epoch.id)));
        };
        let EscrowEvent::EpochSettled { final_at, .. } = log.event else {
            return Err(damaged("another event than was asked for").into());
        };
        let mut applied = Applied::default();
        tx.settled(&log, number, &seal_hash, final_at, self.now, &mut applied)?;
        // What came after it on the chain, and found no epoch to end.
        if let Some(reason) = chain::void_reason(tx.conn, number)? {
            tx.voided(number, &reason, self.now, &mut applied)?;
        }
        match applied.contradictions.first() {
            None => Ok(must(tx, epoch.id)?),
            Some(contradiction) => Err(damaged(contradiction.clone()).into()),
        }
    }
}

/// Whether a completion was taken over: where its result lies is not known.
pub(crate) fn is_adopted(result: &B256) -> bool {
    *result == UNKNOWN.sha256
}

/// The salted result of an execution, whose manifest or (of one that was taken over) whose result itself is stored.
pub(crate) fn result_of(blob: &B256, salt: &B256, stored: B256) -> B256 {
    if is_adopted(blob) {
        stored
    } else {
        digest::salted(salt, &stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_that_was_taken_over_is_what_was_signed() {
        let (salt, stored) = (B256::repeat_byte(1), B256::repeat_byte(2));
        assert_eq!(result_of(&B256::ZERO, &salt, stored), stored);
        let blob = B256::repeat_byte(3);
        assert_eq!(
            result_of(&blob, &salt, stored),
            digest::salted(&salt, &stored)
        );
    }
}
