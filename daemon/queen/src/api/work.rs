//! What a bee does with a job it holds: claim, progress, complete, fail.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use swarm_ledger::commands::{Complete, Fail, Progress};
use swarm_ledger::records::{
    self, BlobKind, BlobRecord, JobRecord, JobState, LeaseRef, LeaseToken,
};
use swarm_types::api::{
    ClaimJob, CompleteJob, CompleteJobs, Completion, Completions, FailJob, JOBS_AT_ONCE_MAX, Job,
    JobProgress, Lease,
};
use swarm_types::bundle::hex_address;
use swarm_types::digest::poe_hash;
use swarm_types::{Address, JobId, sha256};

use super::docs::{BodyProblems, Problems, Refusal, SignedHeaders, SignedProblems};
use super::jobs::find;
use crate::auth::Signed;
use crate::convert;
use crate::extract::{PathOf, check_text, parse};
use crate::limits::TEXT_BYTES_MAX;
use crate::problem::{Answer, Refused};
use crate::rails::{Needs, filter};
use crate::state::{App, AppState};

/// Basis points of a whole.
const WHOLE_BPS: u32 = 10_000;

/// A bee that the operator has approved, or may still approve.
pub fn registered(app: &AppState, worker: &Address) -> Answer<Arc<crate::rails::Bee>> {
    app.rails.bee(worker).ok_or_else(|| {
        let detail = format!("{worker} is not a registered bee; POST /api/v1/workers/register");
        Refused::forbidden("not-registered", detail)
    })
}

fn lease_ref(job: &JobRecord, token: &str) -> Answer<LeaseRef> {
    let token = swarm_types::dec::parse(token).ok_or_else(|| {
        let detail = "the token is not one that the queen gave";
        Refused::invalid("token", "token", detail)
    })?;
    Ok(LeaseRef {
        job: job.id,
        token: LeaseToken(token),
    })
}

/// Takes one named job.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/claim", tag = "work", request_body = ClaimJob,
    params(("id" = JobId, Path, description = "Such as job-002-0848"), SignedHeaders),
    responses((status = 200, body = Lease), Problems, SignedProblems, BodyProblems, Refusal<403>, Refusal<404>))]
pub async fn claim(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    signed: Signed,
) -> Answer<Json<Lease>> {
    let ClaimJob {} = signed.json()?;
    app.settlement.newest()?;
    let bee = registered(&app, &signed.signer)?;
    let job = find(&app, &id).await?;
    let model = job.order.order.model;
    let needs = Needs {
        model: &model,
        memory_mib: app.catalogue.get(&model).map(|model| model.memory_mib),
        recipients: &job.recipients,
        deadline: job.order.order.deadline,
    };
    filter::can_take(&bee, &needs, &app.rails.gate(), app.clock.millis()).map_err(|obstacle| {
        let refused = Refused::conflict(obstacle.code, obstacle.reason);
        match obstacle.code {
            "not-approved" => Refused {
                problem: swarm_types::problem::Problem {
                    status: 403,
                    ..refused.problem
                },
                ..refused
            },
            _ => refused,
        }
    })?;
    let lease = app.rails.claim(signed.signer, vec![model], job.id).await?;
    let lease = lease.ok_or_else(|| {
        Refused::conflict("not-pending", format!("{} is not pending any more", job.id))
    })?;
    Ok(Json(convert::lease(&lease)))
}

/// Says how far a job is; renews its lease.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/progress", tag = "work", request_body = JobProgress,
    params(("id" = JobId, Path, description = "Such as job-002-0848"), SignedHeaders),
    responses((status = 200, body = Job), Problems, SignedProblems, BodyProblems, Refusal<403>, Refusal<404>))]
pub async fn progress(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    signed: Signed,
) -> Answer<Json<Job>> {
    let report: JobProgress = signed.json()?;
    registered(&app, &signed.signer)?;
    check_text("stage", &report.stage, TEXT_BYTES_MAX)?;
    let fraction = u16::try_from(report.progress_bps).ok();
    let fraction = fraction
        .filter(|_| report.progress_bps <= WHOLE_BPS)
        .ok_or_else(|| {
            let detail = format!("progress_bps must be 0 to {WHOLE_BPS}");
            Refused::invalid("out-of-range", "progress_bps", detail)
        })?;
    let job = find(&app, &id).await?;
    let command = Progress {
        now: app.clock.seconds(),
        worker: signed.signer,
        lease: lease_ref(&job, &report.token)?,
        stage: report.stage,
        fraction_bps: fraction,
        lease_seconds: app.rails.lease_seconds(),
    };
    app.ledger.progress(command).await?;
    Ok(Json(convert::job(&find(&app, &id).await?)))
}

/// Completes a job. The same completion again gets the same answer.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/complete", tag = "work", request_body = CompleteJob,
    params(("id" = JobId, Path, description = "Such as job-002-0848"), SignedHeaders),
    responses((status = 200, body = Job), Problems, SignedProblems, BodyProblems, Refusal<403>, Refusal<404>))]
pub async fn complete(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    signed: Signed,
) -> Answer<Json<Job>> {
    let done: CompleteJob = signed.json()?;
    app.settlement.newest()?;
    registered(&app, &signed.signer)?;
    let id: JobId = parse("id", &id)?;
    complete_one(&app, id, done, signed.signer).await.map(Json)
}

/// Completes several jobs. Each is judged by itself and has its own answer, in the order of the request;
/// the same completions again get the same answers.
#[utoipa::path(post, path = "/api/v1/workers/complete", tag = "work", request_body = CompleteJobs,
    params(SignedHeaders),
    responses((status = 200, body = Completions), Problems, SignedProblems, BodyProblems, Refusal<403>))]
pub async fn complete_all(State(app): State<App>, signed: Signed) -> Answer<Json<Completions>> {
    let CompleteJobs { jobs } = signed.json()?;
    app.settlement.newest()?;
    registered(&app, &signed.signer)?;
    if !(1..=JOBS_AT_ONCE_MAX as usize).contains(&jobs.len()) {
        let detail = format!("name 1 to {JOBS_AT_ONCE_MAX} jobs");
        return Err(Refused::invalid("out-of-range", "jobs", detail));
    }
    let worker = signed.signer;
    // All of them are in the writer's hands at once, which makes them durable together.
    let named = jobs.into_iter().map(|done| (done.execution.job(), done));
    let outcomes = judge(&app, named.collect(), worker).await?;
    let jobs = outcomes.into_iter().map(|(job_id, outcome)| {
        let (job, problem) = match outcome {
            Ok(job) => (Some(job), None),
            Err(refused) => (None, Some(refused.problem)),
        };
        Completion {
            job_id,
            job,
            problem,
        }
    });
    Ok(Json(Completions {
        jobs: jobs.collect(),
    }))
}

/// Completes one job.
async fn complete_one(app: &App, id: JobId, done: CompleteJob, worker: Address) -> Answer<Job> {
    let outcomes = judge(app, vec![(id, done)], worker).await?;
    let outcome = outcomes.into_iter().next();
    let (_, outcome) = outcome.expect("one completion has one outcome");
    outcome
}

/// Judges completions; gives the outcome of each.
async fn judge(
    app: &App,
    completions: Vec<(JobId, CompleteJob)>,
    worker: Address,
) -> Answer<Vec<(JobId, Answer<Job>)>> {
    let wanted = completions
        .iter()
        .map(|(id, done)| (*id, done.result.sha256));
    let found = app.ledger.jobs_and_results(wanted.collect()).await?;
    let mut outcomes = Vec::with_capacity(completions.len());
    for ((id, done), (job, result)) in completions.into_iter().zip(found) {
        outcomes.push((
            id,
            checked(app, id, job, &done, result, worker).map(|job| (job, done)),
        ));
        // A signature takes a while to check: others have their turn in between.
        tokio::task::yield_now().await;
    }
    let booked = outcomes.into_iter().map(|(id, checked)| async move {
        let outcome = match checked {
            Ok((job, done)) => book(app, job, done, worker).await,
            Err(refused) => Err(refused),
        };
        (id, outcome)
    });
    Ok(futures::future::join_all(booked).await)
}

/// The job, when nothing but the ledger can still refuse its completion.
fn checked(
    app: &AppState,
    id: JobId,
    job: Option<JobRecord>,
    done: &CompleteJob,
    result: Option<BlobRecord>,
    worker: Address,
) -> Answer<JobRecord> {
    let job = job.ok_or_else(|| Refused::missing(format!("{id} does not exist")))?;
    check_execution(app, &job, done, worker)?;
    check_result(&job, done, result, worker)?;
    Ok(job)
}

/// Books a completion in the ledger; gives the job as it is then.
async fn book(app: &App, job: JobRecord, done: CompleteJob, worker: Address) -> Answer<Job> {
    let command = Complete {
        now: app.clock.seconds(),
        worker,
        lease: lease_ref(&job, &done.token)?,
        execution: done.execution,
        execution_signature: done.worker_signature,
        engine: done.engine,
        power: done.power,
        result: convert::ledger_blob(&done.result),
        manifest: done.manifest,
    };
    let (now, id) = (command.now, job.id);
    let completion = records::Completion {
        execution: command.execution.clone(),
        execution_signature: command.execution_signature,
        engine: command.engine.clone(),
        power: command.power.clone(),
        result: command.result,
        manifest: command.manifest,
    };
    swarm_faults::point("queen.complete.checked");
    let completed = app.ledger.complete(command).await?;
    swarm_faults::point("queen.complete.committed");
    if completed.replayed {
        // Something may have happened to it since.
        let job = app.ledger.job(id).await?;
        let job = job.ok_or_else(|| Refused::missing(format!("{id} does not exist")))?;
        return Ok(convert::job(&job));
    }
    app.rails.gave_back(worker);
    app.metrics.completed.add(1);
    app.metrics.executed(done.execution_ms);
    Ok(convert::job(&JobRecord {
        state: JobState::Completed,
        worker: Some(worker),
        ended_at: Some(now),
        settles_in: Some(completed.epoch),
        stage: None,
        error: None,
        completion: Some(completion),
        ..job
    }))
}

/// What the ledger does not check: signature, digests of what is beside the execution, the origin's hash.
fn check_execution(
    app: &AppState,
    job: &JobRecord,
    done: &CompleteJob,
    worker: Address,
) -> Answer<()> {
    let refuse = |field: &str, detail: &str| Refused::invalid("execution", field, detail);
    check_text("engine", &done.engine, TEXT_BYTES_MAX)?;
    let execution = &done.execution;
    if execution.job() != job.id {
        return Err(refuse(
            "execution.jobSeq",
            "the execution is of another job",
        ));
    }
    if execution.signer(&app.domain, &done.worker_signature) != Ok(worker) {
        app.metrics.signatures_refused.add(1);
        let detail = format!(
            "the signature is not by {worker} over this execution for chain {} and escrow {}",
            app.domain.chain_id, app.domain.escrow
        );
        return Err(Refused::forbidden("worker-signature", detail).field("worker_signature"));
    }
    if execution.engine != sha256(&done.engine) {
        return Err(refuse(
            "engine",
            "execution.engine is not the SHA-256 of engine",
        ));
    }
    if execution.power != done.power.digest() {
        return Err(refuse(
            "power",
            "execution.power is not the digest of the power record",
        ));
    }
    if execution.result != swarm_types::digest::salted(&job.salt, &done.manifest) {
        return Err(refuse(
            "manifest",
            "execution.result is not SHA-256(salt, manifest)",
        ));
    }
    if execution.started_at > execution.completed_at {
        return Err(refuse(
            "execution.startedAt",
            "it began after it was completed",
        ));
    }
    if done.poe_hash != poe_hash(job.id, &execution.result, &hex_address(&worker)) {
        let detail =
            "poe_hash is not sha256(job_id + execution.result + the worker's lower-case address)";
        return Err(refuse("poe_hash", detail));
    }
    Ok(())
}

/// The result must be stored, whole, brought by this bee and for no other job.
fn check_result(
    job: &JobRecord,
    done: &CompleteJob,
    record: Option<BlobRecord>,
    worker: Address,
) -> Answer<()> {
    if job.state == JobState::Completed {
        // A repetition: the ledger compares it with the first, whose result may be deleted by now.
        return Ok(());
    }
    let refuse = |field: &str, detail: &str| Refused::invalid("result", field, detail);
    let record = record.filter(|record| record.uploader == worker && record.deleted_at.is_none());
    let Some(record) = record.filter(|record| record.completed_at.is_some()) else {
        let detail = "upload the result before completing the job";
        return Err(refuse("result.sha256", detail));
    };
    if record.kind != BlobKind::Result || record.job.is_some_and(|other| other != job.id) {
        return Err(refuse(
            "result.sha256",
            "this blob is not a result of this job",
        ));
    }
    if record.blob.size != done.result.size {
        return Err(refuse(
            "result.size",
            "the uploaded result has another size",
        ));
    }
    Ok(())
}

/// Gives a job back as failed.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/fail", tag = "work", request_body = FailJob,
    params(("id" = JobId, Path, description = "Such as job-002-0848"), SignedHeaders),
    responses((status = 200, body = Job), Problems, SignedProblems, BodyProblems, Refusal<403>, Refusal<404>))]
pub async fn fail(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    signed: Signed,
) -> Answer<Json<Job>> {
    let failed: FailJob = signed.json()?;
    registered(&app, &signed.signer)?;
    check_text("reason", &failed.reason, TEXT_BYTES_MAX)?;
    let job = find(&app, &id).await?;
    let command = Fail {
        now: app.clock.seconds(),
        worker: signed.signer,
        lease: lease_ref(&job, &failed.token)?,
        reason: failed.reason,
        retryable: failed.retryable,
    };
    swarm_faults::point("queen.fail.checked");
    let outcome = app.ledger.fail(command).await?;
    swarm_faults::point("queen.fail.committed");
    app.rails.gave_back(signed.signer);
    app.metrics.failed.add(1);
    let job = find(&app, &id).await?;
    if outcome.state == JobState::Pending {
        let (shared, routed) = (app.clone(), job.clone());
        tokio::spawn(async move { shared.rails.job_pending(&routed, &shared.catalogue).await });
    }
    Ok(Json(convert::job(&job)))
}
