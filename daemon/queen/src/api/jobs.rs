//! Jobs: look at one, list them, ask why, cancel.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use swarm_ledger::JobFilter;
use swarm_ledger::commands::Cancel;
use swarm_ledger::records::{JobRecord, JobState, WhyInputs};
use swarm_types::api::{Job, JobStatus, Page, Why, WhyBee};
use swarm_types::{Address, JobId};
use utoipa::IntoParams;

use super::docs::{Problems, Refusal, SignedHeaders, SignedProblems};
use crate::auth::Signed;
use crate::convert;
use crate::extract::{PathOf, QueryOf, parse};
use crate::limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use crate::problem::{Answer, Refused};
use crate::rails::{Bee, Needs, filter};
use crate::state::{App, AppState};

/// Query of a list of jobs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobsQuery {
    /// Only of this client: an address or a name.
    client: Option<String>,
    /// Only in this state.
    #[param(value_type = Option<JobStatus>)]
    status: Option<String>,
    /// The last job of the page before.
    after: Option<String>,
    /// Jobs a page, at most 500; 50 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// Rows of a page.
pub fn page_rows(limit: Option<&str>) -> Answer<u32> {
    let Some(text) = limit else {
        return Ok(PAGE_ROWS_DEFAULT);
    };
    let rows: u32 = parse("limit", text)?;
    if (1..=PAGE_ROWS_MAX).contains(&rows) {
        return Ok(rows);
    }
    let detail = format!("limit must be 1 to {PAGE_ROWS_MAX}");
    Err(Refused::malformed(detail).field("limit"))
}

/// A page of jobs with the cursor of the next.
pub async fn page(app: &AppState, filter: JobFilter) -> Answer<Json<Page<Job>>> {
    let limit = filter.limit as usize;
    let jobs = app.ledger.jobs(filter).await?;
    let full = jobs.len() == limit;
    let next = jobs.last().filter(|_| full).map(|job| job.id.to_string());
    let items = jobs.iter().map(convert::job).collect();
    Ok(Json(Page { items, next }))
}

/// Jobs, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(JobsQuery), responses(
    (status = 200, body = Page<Job>), Problems, Refusal<400>, Refusal<404>))]
pub async fn list(
    State(app): State<App>,
    QueryOf(query): QueryOf<JobsQuery>,
) -> Answer<Json<Page<Job>>> {
    let limit = page_rows(query.limit.as_deref())?;
    let after = query
        .after
        .as_deref()
        .map(|text| parse("after", text))
        .transpose()?;
    let client = match &query.client {
        Some(id) => Some(app.names.address(id).await?),
        None => None,
    };
    let state = match &query.status {
        None => None,
        Some(text) => match convert::job_state(parse("status", text)?) {
            Some(state) => Some(state),
            // No job rests in `failed`: it is pending again or dead at once.
            None => {
                let items = Vec::new();
                return Ok(Json(Page { items, next: None }));
            }
        },
    };
    let filter = JobFilter {
        client,
        state,
        after,
        limit,
        ..JobFilter::default()
    };
    page(&app, filter).await
}

/// The job of an id in a path.
pub async fn find(app: &AppState, id: &str) -> Answer<JobRecord> {
    let id: JobId = parse("id", id)?;
    let job = app.ledger.job(id).await?;
    job.ok_or_else(|| Refused::missing(format!("{id} does not exist")))
}

/// Whether `who` may act for a job's client: the client itself, or one of its order signers.
pub async fn acts_for(app: &AppState, who: Address, client: Address) -> Answer<bool> {
    if who == client {
        return Ok(true);
    }
    let signers = app.ledger.order_signers(client).await?;
    Ok(signers.contains(&who))
}

/// Refuses who may not act for the job's client.
pub async fn client_only(app: &AppState, who: Address, job: &JobRecord) -> Answer<()> {
    if acts_for(app, who, job.order.order.client).await? {
        return Ok(());
    }
    let detail = format!("only the client of {} may do this", job.id);
    Err(Refused::forbidden("not-client", detail))
}

/// A job: neither its salt nor its input or result are in it.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs",
    params(("id" = JobId, Path, description = "Such as job-002-0848")),
    responses((status = 200, body = Job), Problems, Refusal<400>, Refusal<404>))]
pub async fn get(State(app): State<App>, PathOf(id): PathOf<String>) -> Answer<Json<Job>> {
    Ok(Json(convert::job(&find(&app, &id).await?)))
}

/// Calls a job off; its fee is released. Not while a bee works on it.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs",
    params(("id" = JobId, Path, description = "Such as job-002-0848"), SignedHeaders),
    responses((status = 200, body = Job), Problems, SignedProblems, Refusal<403>, Refusal<404>))]
pub async fn cancel(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    signed: Signed,
) -> Answer<Json<Job>> {
    let job = find(&app, &id).await?;
    client_only(&app, signed.signer, &job).await?;
    app.settlement.newest()?;
    let command = Cancel {
        now: app.clock.seconds(),
        job: job.id,
        client: job.order.order.client,
    };
    let cancelled = app.ledger.cancel(command).await?;
    swarm_faults::point("queen.cancel.committed");
    if let Some(worker) = job.worker {
        app.rails.gave_back(worker);
    }
    Ok(Json(convert::job(&cancelled)))
}

/// For each bee, why it has not taken the job.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/why", tag = "jobs",
    params(("id" = JobId, Path, description = "Such as job-002-0848")),
    responses((status = 200, body = Why), Problems, Refusal<400>, Refusal<404>))]
pub async fn why(State(app): State<App>, PathOf(id): PathOf<String>) -> Answer<Json<Why>> {
    let id: JobId = parse("id", &id)?;
    let inputs = app.ledger.why_inputs(id).await?;
    let inputs = inputs.ok_or_else(|| Refused::missing(format!("{id} does not exist")))?;
    Ok(Json(explain(&app, inputs)))
}

fn explain(app: &AppState, inputs: WhyInputs) -> Why {
    let WhyInputs {
        job,
        ahead,
        workers,
    } = inputs;
    let needs = Needs {
        model: &job.order.order.model,
        memory_mib: app
            .catalogue
            .get(&job.order.order.model)
            .map(|model| model.memory_mib),
        recipients: &job.recipients,
        deadline: job.order.order.deadline,
    };
    let gate = app.rails.gate();
    let now = app.clock.millis();
    let pending = job.state == JobState::Pending;
    let bees: Vec<WhyBee> = workers
        .into_iter()
        .filter(|_| pending)
        .filter_map(Bee::read)
        .map(|bee| {
            let obstacle = filter::can_take(&bee, &needs, &gate, now).err();
            WhyBee {
                worker: bee.worker,
                eligible: obstacle.is_none(),
                code: obstacle
                    .as_ref()
                    .map_or("eligible", |obstacle| obstacle.code)
                    .into(),
                reason: obstacle.map_or_else(
                    || "it can take the job when it next asks for work".into(),
                    |obstacle| obstacle.reason,
                ),
                name: bee.record.label,
            }
        })
        .collect();
    let lease_ends = job.lease.map(|(_, expires_at)| expires_at);
    let (summary, moves_on_at) = match job.state {
        JobState::Pending => (
            pending_summary(&bees, ahead),
            Some(job.order.order.deadline),
        ),
        JobState::Claimed => ("a bee holds it and has not begun yet".into(), lease_ends),
        JobState::Processing => ("a bee works on it".into(), lease_ends),
        state => (format!("nothing more happens to it: it is {state}"), None),
    };
    Why {
        job_id: job.id,
        status: convert::job_status(job.state),
        summary,
        moves_on_at,
        ahead,
        bees,
    }
}

fn pending_summary(bees: &[WhyBee], ahead: u64) -> String {
    let able = bees.iter().filter(|bee| bee.eligible).count();
    if bees.is_empty() {
        return "no bee has registered".into();
    }
    if able > 0 {
        return format!("{able} bee(s) can take it; {ahead} job(s) are before it");
    }
    if bees
        .iter()
        .all(|bee| bee.code == "not-a-recipient" || bee.code == "not-approved")
    {
        return "no bee that can work can decrypt the input: submit it again, or wait for its release at the deadline".into();
    }
    if let Some(held) = bees.iter().find(|bee| bee.code == "power") {
        return format!("no bee takes it now: {}", held.reason);
    }
    "no bee can take it now; each one's reason is below".into()
}
