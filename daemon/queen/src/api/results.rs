//! Where a completed job's result is, for its client.

use axum::Json;
use axum::extract::State;
use swarm_ledger::records::JobRecord;
use swarm_types::api::JobResult;
use swarm_types::{JobId, hex};

use super::docs::{Problems, Refusal, SignedHeaders, SignedProblems};
use super::jobs::{client_only, find};
use crate::auth::Signed;
use crate::convert;
use crate::extract::PathOf;
use crate::limits::SECONDS_A_DAY;
use crate::problem::{Answer, Refused};
use crate::state::{App, AppState};

/// Where the encrypted result is, and what the worker signed about it. For the job's client only.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/result", tag = "jobs",
    params(("id" = JobId, Path, description = "Such as job-002-0848"), SignedHeaders),
    responses((status = 200, body = JobResult), Problems, SignedProblems, Refusal<403>, Refusal<404>, Refusal<410>))]
pub async fn result(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    signed: Signed,
) -> Answer<Json<JobResult>> {
    let job = find(&app, &id).await?;
    client_only(&app, signed.signer, &job).await?;
    of(&app, &job).await.map(Json)
}

/// Where a job's result is, for whoever proved to be its client.
pub async fn of(app: &AppState, job: &JobRecord) -> Answer<JobResult> {
    let (Some(done), Some(poe_hash)) = (&job.completion, convert::job_poe(job)) else {
        let detail = format!("{} has no result: it is {}", job.id, job.state);
        return Err(Refused::conflict("no-result", detail));
    };
    if done.result.sha256.is_zero() {
        let detail = format!(
            "{} was taken over from its epoch's bundle, which does not say where the result lies",
            job.id
        );
        return Err(Refused::new(
            axum::http::StatusCode::GONE,
            "result-deleted",
            "The result is not here",
            detail,
        ));
    }
    let record = app.ledger.blob(done.result.sha256).await?;
    let record = record
        .filter(|record| record.deleted_at.is_none())
        .ok_or_else(|| {
            let days = app.live().retention.result_days;
            let status = axum::http::StatusCode::GONE;
            let detail = format!("results are kept {days} days; this one was deleted");
            Refused::new(status, "result-deleted", "The result was deleted", detail)
        })?;
    let kept = u64::from(app.live().retention.result_days) * SECONDS_A_DAY;
    let since = record.completed_at.unwrap_or(record.created_at);
    Ok(JobResult {
        job_id: job.id,
        result: convert::blob(&done.result),
        result_ref: format!("sha256:{}", hex::encode(done.result.sha256)),
        cid: app.store.cid(done.result.sha256).await?,
        manifest: done.manifest,
        salt: job.salt,
        execution: done.execution.clone(),
        worker_signature: done.execution_signature,
        engine: done.engine.clone(),
        poe_hash,
        kept_until: since.saturating_add(kept),
    })
}
