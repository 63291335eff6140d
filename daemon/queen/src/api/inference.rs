//! Orders that are answered with their result when it comes soon.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use swarm_ledger::records::{JobRecord, JobState};
use swarm_types::api::{INFERENCE_WAIT_SECONDS_MAX, Inference, SubmitJob};
use swarm_types::{B256, schema};
use utoipa::IntoParams;

use super::docs::{BodyProblems, Problems, Refusal};
use super::{results, submit};
use crate::convert;
use crate::extract::{JsonBody, PathOf, QueryOf, parse};
use crate::problem::{Answer, Refused};
use crate::state::{App, AppState};

/// How long the result is waited for unless the request says.
const WAIT_DEFAULT: Duration = Duration::from_secs(30);
/// Shortest time between two looks at a job: others' commits ring as well.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Query of an inference.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// How long the result is waited for, with its unit: `30s`, `500ms`. At most 50s; 30s when absent.
    #[param(example = "30s")]
    wait: Option<String>,
}

fn wait(query: &WaitQuery) -> Answer<Duration> {
    let Some(text) = &query.wait else {
        return Ok(WAIT_DEFAULT);
    };
    let most = Duration::from_secs(INFERENCE_WAIT_SECONDS_MAX);
    let wait = humantime::parse_duration(text)
        .ok()
        .filter(|wait| *wait <= most);
    wait.ok_or_else(|| {
        let detail = format!(
            "wait must be a duration with a unit, such as 30s, of at most {INFERENCE_WAIT_SECONDS_MAX}s"
        );
        Refused::malformed(detail).field("wait")
    })
}

/// Submits an order as `POST /api/v1/jobs` does, and waits for its result. When it comes in time the answer is 200 with
/// the job and where its result is; otherwise 202 with the job, which goes on. The same order again waits on.
#[utoipa::path(post, path = "/api/v1/inference/{model}", tag = "jobs", request_body = SubmitJob,
    params(("model" = schema::Hash, Path, description = "Digest of the model; the order's own"), WaitQuery),
    responses(
        (status = 200, description = "The job has ended; `result` says where its result is, if it has one", body = Inference),
        (status = 202, description = "Accepted, and not done yet; `location` is the job", body = Inference,
            headers(("location" = String, description = "Path of the job"))),
        Problems, BodyProblems, Refusal<403>, Refusal<409>))]
pub async fn infer(
    State(app): State<App>,
    PathOf(model): PathOf<String>,
    QueryOf(query): QueryOf<WaitQuery>,
    JsonBody(request): JsonBody<SubmitJob>,
) -> Answer<Response> {
    let model: B256 = parse("model", &model)?;
    let until = app.clock.running() + wait(&query)?;
    if model != request.order.model {
        let detail = format!(
            "the order is for {}, the path names {model}",
            request.order.model
        );
        return Err(Refused::invalid("other-model", "order.model", detail));
    }
    let (_, job) = submit::accept(&app, &request).await?;
    let job = ended(&app, job, until).await?;
    let result = match job.state {
        JobState::Completed => match results::of(&app, &job).await {
            Ok(result) => Some(result),
            // An old order again, whose result was destroyed since.
            Err(refused) if refused.problem.status == StatusCode::GONE.as_u16() => None,
            Err(refused) => return Err(refused),
        },
        _ => None,
    };
    let place = format!("/api/v1/jobs/{}", job.id);
    let status = match job.state {
        JobState::Pending | JobState::Claimed | JobState::Processing => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    let answer = Inference {
        job: convert::job(&job),
        result,
    };
    let mut response = (status, Json(answer)).into_response();
    if status == StatusCode::ACCEPTED {
        let place = HeaderValue::from_str(&place).expect("a job's id makes a header value");
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// The job once nothing more happens to it, or as it is when the time is over or the queen stops.
async fn ended(app: &AppState, mut job: JobRecord, until: Duration) -> Answer<JobRecord> {
    let mut commits = app.ledger.subscribe();
    loop {
        commits.mark_unchanged();
        if let Some(now) = app.ledger.job(job.id).await? {
            job = now;
        }
        let open = matches!(
            job.state,
            JobState::Pending | JobState::Claimed | JobState::Processing
        );
        if !open {
            return Ok(job);
        }
        // Cancel-safe: waiting holds nothing, and what is missed shows at the next look.
        let mut rung = std::pin::pin!(async {
            let _ = commits.changed().await;
            app.clock.sleep(LOOK_EVERY).await;
        });
        tokio::select! {
            () = app.stop.cancelled() => return Ok(job),
            rung = app.clock.timeout_at(until, rung.as_mut()) => match rung {
                Ok(()) => {}
                Err(_over) => return Ok(job),
            },
        }
    }
}
