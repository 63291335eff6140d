//! Completion: the fee is charged once, in the open epoch.

use serde::Serialize;
use swarm_types::{Address, B256, EpochId, JobId, MicroUsdc, digest, sha256};

use super::leases::current;
use super::short;
use crate::commands::Complete;
use crate::error::CommandError;
use crate::journal::kind;
use crate::limits::CLOCK_AHEAD_SECONDS_MAX;
use crate::records::{Completed, JobRecord, JobState};
use crate::refusals::{CompleteRefusal, LeaseRefusal};
use crate::sql::values::job_key;
use crate::sql::{blobs, epochs, jobs, transfers};
use crate::writer::{Command, Tx};

type Refused = CommandError<CompleteRefusal>;

#[derive(Serialize)]
struct Body {
    client: Address,
    epoch: EpochId,
    fee: MicroUsdc,
    job: JobId,
    result: B256,
    worker: Address,
}

impl Command for Complete {
    type Answer = Completed;
    type Refusal = CompleteRefusal;
    const ON_BOOKS: bool = true;

    fn run(&self, tx: &mut Tx<'_>) -> Result<Completed, Refused> {
        let id = self.lease.job;
        let refuse = |refusal: CompleteRefusal| Err(CommandError::Refused(refusal));
        let open = job_key(id).and_then(|key| tx.hot.books.record(key));
        let job = match open {
            Some(submitted) => submitted.clone(),
            None => match jobs::get(tx.conn, id)? {
                Some(job) => job,
                None => return refuse(LeaseRefusal::UnknownJob(id).into()),
            },
        };
        if let Some(answer) = self.known(&job) {
            return Ok(answer);
        }
        let key = match current(tx, self.lease, &self.worker, self.now)? {
            Ok(key) => key,
            Err(refusal) => return refuse(refusal.into()),
        };
        self.matches(&job)?;
        self.book(tx, key, &job)
    }
}

impl Complete {
    /// The first answer, when this very completion was accepted before.
    fn known(&self, job: &JobRecord) -> Option<Completed> {
        let completion = job.completion.as_ref()?;
        let same = job.worker == Some(self.worker)
            && completion.execution == self.execution
            && completion.execution_signature == self.execution_signature
            && completion.result == self.result
            && completion.manifest == self.manifest;
        let epoch = job.settles_in.filter(|_| same)?;
        Some(Completed {
            job: job.id,
            epoch,
            fee: job.fee,
            replayed: true,
        })
    }

    /// Refuses an execution that is not of this job, or not in time.
    fn matches(&self, job: &JobRecord) -> Result<(), Refused> {
        debug_assert_ne!(job.state, JobState::Completed);
        let refuse = |refusal| Err(CommandError::Refused(refusal));
        let (execution, order) = (&self.execution, &job.order.order);
        let checks = [
            ("jobEpoch and jobSeq", execution.job() == job.id),
            ("order", execution.order == job.commitment),
            ("model", execution.model == order.model),
            ("input", execution.input == order.input),
            (
                "result",
                execution.result == digest::salted(&job.salt, &self.manifest),
            ),
            ("engine", execution.engine == sha256(self.engine.as_bytes())),
            ("engine's length", short(&self.engine)),
            ("power", execution.power == self.power.digest()),
            ("meter's length", short(&self.power.meter)),
            ("startedAt", execution.started_at <= execution.completed_at),
            ("result's size", i64::try_from(self.result.size).is_ok()),
        ];
        if let Some((field, _)) = checks.into_iter().find(|(_, ok)| !ok) {
            return refuse(CompleteRefusal::Mismatch { field });
        }
        if execution.completed_at > order.deadline {
            return refuse(CompleteRefusal::AfterDeadline {
                completed_at: execution.completed_at,
                deadline: order.deadline,
            });
        }
        if execution.completed_at > self.now.saturating_add(CLOCK_AHEAD_SECONDS_MAX) {
            return refuse(CompleteRefusal::InFuture {
                completed_at: execution.completed_at,
                now: self.now,
            });
        }
        Ok(())
    }

    fn book(&self, tx: &mut Tx<'_>, key: i64, job: &JobRecord) -> Result<Completed, Refused> {
        debug_assert_eq!(job_key(job.id), Some(key));
        let open = tx
            .hot
            .jobs
            .remove(&key)
            .expect("a job with a current lease is open");
        let epoch = tx.hot.epoch;
        transfers::post(tx.conn, open.transfer, tx.hot.clearing, self.now)?;
        jobs::complete(tx.conn, key, self, epoch)?;
        let (books, clearing) = (&mut tx.hot.books, tx.hot.clearing);
        books.posted(&open.client, open.account, clearing, &self.worker, open.fee);
        books.forget_record(key);
        // The seal must not be dated before a completion that it covers, and any clock may go back until then. This
        // writes once for each second in which jobs are completed.
        let completed_at = self.execution.completed_at;
        if completed_at > tx.hot.not_before {
            epochs::set_not_before(tx.conn, epoch, completed_at)?;
            tx.hot.not_before = completed_at;
        }
        blobs::release_input(tx.conn, &job.input.sha256, self.now)?;
        let body = Body {
            client: open.client,
            epoch: EpochId(epoch),
            fee: open.fee,
            job: job.id,
            result: self.execution.result,
            worker: self.worker,
        };
        tx.job_event(
            self.now,
            kind::JOB_COMPLETED,
            key,
            &open.client,
            open.webhook,
            &body,
        )?;
        Ok(Completed {
            job: job.id,
            epoch: EpochId(epoch),
            fee: open.fee,
            replayed: false,
        })
    }
}
