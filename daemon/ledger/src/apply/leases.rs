//! Taking, keeping and giving back a lease.

use serde::Serialize;
use swarm_types::{Address, JobId};

use super::cut;
use crate::commands::{Claim, ClaimMany, Fail, Progress, Renew};
use crate::error::{CommandError, LedgerError};
use crate::hot::{Held, OpenJob};
use crate::journal::kind;
use crate::limits::LEASE_SECONDS_MAX;
use crate::records::*;
use crate::refusals::{ClaimRefusal, LeaseRefusal, Never};
use crate::sql::jobs;
use crate::sql::values::job_id;
use crate::state::job::{after_failure, check_lease, lease_until};
use crate::writer::{Command, Tx};

#[derive(Serialize)]
struct Claimed {
    attempt: u32,
    client: Address,
    job: JobId,
    worker: Address,
}

#[derive(Serialize)]
struct Progressed<'a> {
    client: Address,
    #[serde(rename = "fractionBps")]
    fraction_bps: u16,
    job: JobId,
    stage: &'a str,
    worker: Address,
}

#[derive(Serialize)]
struct Renewed<'a> {
    jobs: &'a [JobId],
    worker: Address,
}

impl Command for Claim {
    type Answer = Option<Lease>;
    type Refusal = ClaimRefusal;
    const ON_BOOKS: bool = true;

    fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Lease>, CommandError<ClaimRefusal>> {
        let refuse = |refusal| Err(CommandError::Refused(refusal));
        may_claim(tx, &self.worker)?;
        let key = match self.job {
            Some(id) => match self.asked_for(tx, id)? {
                Ok(key) => key,
                Err(refusal) => return refuse(refusal),
            },
            None => match tx
                .hot
                .oldest(&self.models, &self.worker, self.now, u64::MAX)
            {
                Some(key) => key,
                None => return Ok(None),
            },
        };
        Ok(Some(self.lease(tx, key)?))
    }
}

impl Command for ClaimMany {
    type Answer = Vec<Lease>;
    type Refusal = ClaimRefusal;
    const ON_BOOKS: bool = true;

    fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Lease>, CommandError<ClaimRefusal>> {
        may_claim(tx, &self.worker)?;
        let one = Claim {
            now: self.now,
            worker: self.worker,
            models: Vec::new(),
            job: None,
            lease_seconds: self.lease_seconds,
        };
        let pending = tx.hot.pending_of(&self.models);
        if pending <= self.leave as usize {
            return Ok(Vec::new());
        }
        let share = pending.div_ceil(self.idle_others as usize + 1);
        let jobs_max = share.min(self.jobs_max as usize);
        let mut leases = Vec::new();
        while leases.len() < jobs_max {
            let oldest = tx
                .hot
                .oldest(&self.models, &self.worker, self.now, self.deadline_max);
            let Some(key) = oldest else {
                break;
            };
            leases.push(one.lease(tx, key)?);
        }
        Ok(leases)
    }
}

/// Refuses a worker that may not take jobs.
fn may_claim(tx: &mut Tx<'_>, worker: &Address) -> Result<(), CommandError<ClaimRefusal>> {
    let refusal = match tx.hot.books.may_work(tx.conn, worker)? {
        None => ClaimRefusal::UnknownWorker(*worker),
        Some(may) if may.state != WorkerState::Approved => ClaimRefusal::NotApproved(may.state),
        Some(may) if may.draining => ClaimRefusal::Draining,
        Some(_) => return Ok(()),
    };
    Err(CommandError::Refused(refusal))
}

impl Claim {
    /// The asked-for job's key, if the worker can have it.
    fn asked_for(
        &self,
        tx: &mut Tx<'_>,
        id: JobId,
    ) -> Result<Result<i64, ClaimRefusal>, LedgerError> {
        let Some(key) = tx.hot.open_key(id) else {
            return Ok(Err(match jobs::get(tx.tables()?, id)? {
                Some(job) => ClaimRefusal::NotPending {
                    job: id,
                    state: job.state,
                },
                None => ClaimRefusal::UnknownJob(id),
            }));
        };
        let job = &tx.hot.jobs[&key];
        Ok(if job.state != JobState::Pending {
            Err(ClaimRefusal::NotPending {
                job: id,
                state: job.state,
            })
        } else if self.now >= job.deadline {
            Err(ClaimRefusal::NotPending {
                job: id,
                state: JobState::Expired,
            })
        } else if !self.models.contains(&job.model) || !job.readable_by(&self.worker) {
            Err(ClaimRefusal::NotEligible(id))
        } else {
            Ok(key)
        })
    }

    fn lease(&self, tx: &mut Tx<'_>, key: i64) -> Result<Lease, LedgerError> {
        // The journal's numbers only grow, so a later lease has a greater token.
        let token = LeaseToken(tx.next_seq());
        let job = tx.hot.change(key)?;
        let held = Held {
            worker: self.worker,
            token,
            expires_at: lease_until(self.now, self.lease_seconds, job.deadline),
        };
        job.attempts += 1;
        job.state = JobState::Claimed;
        job.lease = Some(held);
        job.claimed_at = Some(self.now);
        job.stage = None;
        job.fraction_bps = 0;
        let (attempt, model, client) = (job.attempts, job.model, job.client);
        tx.hot.unqueue(&model, key);
        let body = Claimed {
            attempt,
            client,
            job: job_id(key),
            worker: self.worker,
        };
        tx.job_event(self.now, kind::JOB_CLAIMED, key, &client, false, &body)?;
        let record = match tx.hot.books.take_record(key) {
            Some(submitted) => submitted,
            None => jobs::by_key(tx.conn, key)?,
        };
        Ok(Lease {
            job: tx.hot.jobs[&key].now(record),
            token,
            expires_at: held.expires_at,
            attempt,
        })
    }
}

/// The key of the job whose current, live lease this is, or why it is not.
pub(super) fn current(
    tx: &mut Tx<'_>,
    lease: LeaseRef,
    worker: &Address,
    now: u64,
) -> Result<Result<i64, LeaseRefusal>, LedgerError> {
    let Some(key) = tx.hot.open_key(lease.job) else {
        return Ok(Err(match jobs::get(tx.tables()?, lease.job)? {
            Some(job) => LeaseRefusal::Ended {
                job: job.id,
                state: job.state,
            },
            None => LeaseRefusal::UnknownJob(lease.job),
        }));
    };
    let job = &tx.hot.jobs[&key];
    Ok(check_lease(lease.job, job, worker, lease.token, now).map(|()| key))
}

/// Lengthens a lease in memory; answers its new end.
fn lengthen(job: &mut OpenJob, now: u64, lease_seconds: u64) -> u64 {
    let until = lease_until(now, lease_seconds.min(LEASE_SECONDS_MAX), job.deadline);
    match &mut job.lease {
        // A renewal never shortens what was promised.
        Some(held) => {
            held.expires_at = held.expires_at.max(until);
            held.expires_at
        }
        None => until,
    }
}

impl Command for Renew {
    type Answer = Vec<Result<u64, LeaseRefusal>>;
    type Refusal = Never;
    const ON_BOOKS: bool = true;

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, CommandError<Never>> {
        let mut answers = Vec::with_capacity(self.leases.len());
        let mut renewed = Vec::new();
        for lease in &self.leases {
            let answer = match current(tx, *lease, &self.worker, self.now)? {
                Ok(key) => {
                    let job = tx.hot.change(key)?;
                    let until = lengthen(job, self.now, self.lease_seconds);
                    renewed.push(lease.job);
                    Ok(until)
                }
                Err(refusal) => Err(refusal),
            };
            answers.push(answer);
        }
        if !renewed.is_empty() {
            let body = Renewed {
                jobs: &renewed,
                worker: self.worker,
            };
            tx.journal(self.now, kind::LEASES_RENEWED, &body)?;
        }
        Ok(answers)
    }
}

impl Command for Progress {
    type Answer = u64;
    type Refusal = LeaseRefusal;
    const ON_BOOKS: bool = true;

    fn run(&self, tx: &mut Tx<'_>) -> Result<u64, CommandError<LeaseRefusal>> {
        let key =
            current(tx, self.lease, &self.worker, self.now)?.map_err(CommandError::Refused)?;
        let stage = cut(&self.stage);
        let fraction_bps = self.fraction_bps.min(10_000);
        let job = tx.hot.change(key)?;
        job.state = JobState::Processing;
        job.stage = Some(stage.into());
        job.fraction_bps = fraction_bps;
        let until = lengthen(job, self.now, self.lease_seconds);
        let client = job.client;
        let body = Progressed {
            client,
            fraction_bps,
            job: self.lease.job,
            stage,
            worker: self.worker,
        };
        tx.job_event(self.now, kind::JOB_PROGRESS, key, &client, false, &body)?;
        Ok(until)
    }
}

impl Command for Fail {
    type Answer = Failed;
    type Refusal = LeaseRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<Failed, CommandError<LeaseRefusal>> {
        let key =
            current(tx, self.lease, &self.worker, self.now)?.map_err(CommandError::Refused)?;
        let job = &tx.hot.jobs[&key];
        let (state, attempts) = (after_failure(job, self.retryable, self.now), job.attempts);
        tx.give_back(key, state, &self.reason, self.now)?;
        Ok(Failed {
            job: self.lease.job,
            state,
            attempts,
        })
    }
}
