//! What all commands about jobs share: events with their pushes, and the ways in which a job leaves a
//! bee's hands without a completion. Cancelling and sweeping are here too.

use serde::Serialize;
use swarm_types::{Address, JobId, MicroUsdc};

use super::cut;
use crate::commands::{Cancel, Sweep};
use crate::error::{CommandError, LedgerError};
use crate::journal::kind;
use crate::limits::{SWEEP_DELIVERIES_MAX, SWEEP_JOBS_MAX, SWEEP_NONCES_MAX};
use crate::records::{JobRecord, JobState, Swept};
use crate::refusals::{CancelRefusal, Never};
use crate::sql::values::{damaged, job_id, job_key};
use crate::sql::{blobs, jobs, names, outcomes, webhooks};
use crate::state::job::due;
use crate::writer::{Command, Tx};

/// Why a lapsed lease gave the job back.
const LAPSED: &str = "the worker's lease lapsed";

#[derive(Serialize)]
struct Ended<'a> {
    client: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    fee: MicroUsdc,
    job: JobId,
}

#[derive(Serialize)]
struct Retried<'a> {
    attempts: u32,
    client: Address,
    error: &'a str,
    job: JobId,
}

impl Tx<'_> {
    /// Journals an event of a job, and queues its pushes.
    pub(super) fn job_event(
        &mut self,
        now: u64,
        kind: &'static str,
        key: i64,
        client: &Address,
        own_webhook: bool,
        body: &impl Serialize,
    ) -> Result<u64, LedgerError> {
        let seq = self.journal(now, kind, body)?;
        if let Some(hooks) = self.hot.hooks.get(client) {
            for hook in hooks {
                if hook.events.is_empty() || hook.events.iter().any(|event| event == kind) {
                    webhooks::deliver(self.conn, &hook.url, seq, now)?;
                }
            }
        }
        if own_webhook && let Some(url) = webhooks::of_job(self.conn, key)? {
            webhooks::deliver(self.conn, &url, seq, now)?;
        }
        Ok(seq)
    }

    /// Ends a job without a completion: its fee is free again, its input no longer needed.
    pub(super) fn end_job(
        &mut self,
        key: i64,
        state: JobState,
        error: Option<&str>,
        now: u64,
    ) -> Result<(), LedgerError> {
        let job = self.hot.end(key)?;
        let error = error.map(cut);
        outcomes::fail(self.conn, key, &job, state, error, now)?;
        self.hot.books.freed(&job.client, job.account, job.fee);
        blobs::release_input(self.conn, &job.blob, now)?;
        let kind = match state {
            JobState::Cancelled => kind::JOB_CANCELLED,
            JobState::Expired => kind::JOB_EXPIRED,
            _ => kind::JOB_DEAD,
        };
        let body = Ended {
            client: job.client,
            error,
            fee: job.fee,
            job: job_id(key),
        };
        self.job_event(now, kind, key, &job.client, job.webhook, &body)?;
        Ok(())
    }

    /// Moves a job that failed or lapsed to where [`crate::state::job`] says.
    pub(super) fn give_back(
        &mut self,
        key: i64,
        to: JobState,
        error: &str,
        now: u64,
    ) -> Result<(), LedgerError> {
        if to != JobState::Pending {
            return self.end_job(key, to, Some(error), now);
        }
        let error = cut(error);
        let job = self.hot.change(key)?;
        job.state = JobState::Pending;
        job.lease = None;
        job.stage = None;
        job.fraction_bps = 0;
        job.error = Some(error.into());
        let (model, client) = (job.model, job.client);
        let body = Retried {
            attempts: job.attempts,
            client,
            error,
            job: job_id(key),
        };
        self.hot.queue(model, key);
        self.job_event(now, kind::JOB_RETRIED, key, &client, false, &body)?;
        Ok(())
    }
}

impl Command for Cancel {
    type Answer = JobRecord;
    type Refusal = CancelRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<JobRecord, CommandError<CancelRefusal>> {
        let refuse = |refusal| Err(CommandError::Refused(refusal));
        let found = jobs::get(tx.tables()?, self.job)?;
        let Some(job) = found.filter(|job| job.order.order.client == self.client) else {
            return refuse(CancelRefusal::UnknownJob(self.job));
        };
        match job.state {
            JobState::Cancelled => return Ok(job),
            JobState::Pending | JobState::Claimed => {}
            JobState::Processing => return refuse(CancelRefusal::Running(job.id)),
            state => return refuse(CancelRefusal::Ended { job: job.id, state }),
        }
        let key = job_key(job.id).ok_or_else(|| damaged("a job's id"))?;
        tx.end_job(key, JobState::Cancelled, None, self.now)?;
        Ok(jobs::by_key(tx.tables()?, key)?)
    }
}

impl Command for Sweep {
    type Answer = Swept;
    type Refusal = Never;

    fn run(&self, tx: &mut Tx<'_>) -> Result<Swept, CommandError<Never>> {
        let mut moves: Vec<(i64, JobState, bool)> = tx
            .hot
            .jobs
            .iter()
            .filter_map(|(key, job)| Some((*key, due(job, self.now)?, job.lease.is_some())))
            .collect();
        // The oldest first, and always in the same order.
        moves.sort_unstable_by_key(|(key, ..)| *key);
        let mut swept = Swept {
            more: moves.len() > SWEEP_JOBS_MAX,
            ..Swept::default()
        };
        for (key, to, leased) in moves.into_iter().take(SWEEP_JOBS_MAX) {
            let error = if leased {
                LAPSED
            } else {
                "no bee took it in time"
            };
            tx.give_back(key, to, error, self.now)?;
            match to {
                JobState::Pending => swept.requeued.push(job_id(key)),
                JobState::Dead => swept.dead.push(job_id(key)),
                _ => swept.expired.push(job_id(key)),
            }
        }
        names::forget_nonces(tx.conn, self.now, SWEEP_NONCES_MAX)?;
        webhooks::forget_done(tx.conn, SWEEP_DELIVERIES_MAX)?;
        Ok(swept)
    }
}
