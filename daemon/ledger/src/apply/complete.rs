//! Completion: the fee is charged once, in the open epoch.

use serde::Serialize;
use swarm_types::{Address, B256, EpochId, JobId, MicroUsdc, digest, sha256};

use super::short;
use crate::commands::Complete;
use crate::error::{CommandError, LedgerError};
use crate::hot::OpenJob;
use crate::journal::kind;
use crate::limits::CLOCK_AHEAD_SECONDS_MAX;
use crate::records::{Completed, JobRecord};
use crate::refusals::{CompleteRefusal, LeaseRefusal};
use crate::sql::outcomes::Completion;
use crate::sql::values::damaged;
use crate::sql::{blobs, epochs, jobs};
use crate::state::job::check_lease;
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
        let Some(key) = tx.hot.open_key(id) else {
            let Some(job) = jobs::get(tx.tables()?, id)? else {
                return refuse(LeaseRefusal::UnknownJob(id).into());
            };
            return match self.known(&job) {
                Some(answer) => Ok(answer),
                None => refuse(
                    LeaseRefusal::Ended {
                        job: id,
                        state: job.state,
                    }
                    .into(),
                ),
            };
        };
        let job = &tx.hot.jobs[&key];
        if let Err(refusal) = check_lease(id, job, &self.worker, self.lease.token, self.now) {
            return refuse(refusal.into());
        }
        let power = String::from_utf8(self.power.canonical())
            .map_err(|_| damaged("canonical JSON that is not UTF-8"))?;
        self.matches(job, &power)?;
        Ok(self.book(tx, key, power)?)
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
    fn matches(&self, job: &OpenJob, power: &str) -> Result<(), Refused> {
        let refuse = |refusal| Err(CommandError::Refused(refusal));
        let execution = &self.execution;
        let checks = [
            ("jobEpoch and jobSeq", execution.job() == self.lease.job),
            ("order", execution.order == job.commitment),
            ("model", execution.model == job.model),
            ("input", execution.input == job.input),
            (
                "result",
                execution.result == digest::salted(&job.salt, &self.manifest),
            ),
            ("engine", execution.engine == sha256(self.engine.as_bytes())),
            ("engine's length", short(&self.engine)),
            ("power", execution.power == sha256(power.as_bytes())),
            ("meter's length", short(&self.power.meter)),
            ("startedAt", execution.started_at <= execution.completed_at),
            ("result's size", i64::try_from(self.result.size).is_ok()),
        ];
        if let Some((field, _)) = checks.into_iter().find(|(_, ok)| !ok) {
            return refuse(CompleteRefusal::Mismatch { field });
        }
        if execution.completed_at > job.deadline {
            return refuse(CompleteRefusal::AfterDeadline {
                completed_at: execution.completed_at,
                deadline: job.deadline,
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

    /// Books it, whoever checked it.
    pub(super) fn book(
        &self,
        tx: &mut Tx<'_>,
        key: i64,
        power: String,
    ) -> Result<Completed, LedgerError> {
        let id = self.lease.job;
        let open = tx.hot.end(key)?;
        let (epoch, clearing) = (tx.hot.epoch, tx.hot.clearing);
        let execution = &self.execution;
        tx.hot.complete(Completion {
            key,
            worker: self.worker,
            attempts: open.attempts,
            claimed_at: open.claimed_at,
            ended_at: self.now,
            credit: clearing,
            settles_in: epoch,
            device: execution.device,
            started_at: execution.started_at,
            completed_at: execution.completed_at,
            energy_millijoules: execution.energy_millijoules,
            engine: self.engine.clone(),
            power,
            signature: self.execution_signature,
            result: self.result,
            manifest: self.manifest,
        });
        let books = &mut tx.hot.books;
        books.posted(&open.client, open.account, clearing, &self.worker, open.fee);
        // The seal must not be dated before a completion that it covers, and any clock may go back until then. This
        // writes once for each second in which jobs are completed.
        let completed_at = self.execution.completed_at;
        if completed_at > tx.hot.not_before {
            epochs::set_not_before(tx.conn, epoch, completed_at)?;
            tx.hot.not_before = completed_at;
        }
        blobs::release_input(tx.conn, &open.blob, self.now)?;
        let body = Body {
            client: open.client,
            epoch: EpochId(epoch),
            fee: open.fee,
            job: id,
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
            job: id,
            epoch: EpochId(epoch),
            fee: open.fee,
            replayed: false,
        })
    }
}
