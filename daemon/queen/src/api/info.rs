//! What the queen is and offers: info, models, quotes, recipients, statistics.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use swarm_ledger::records::EpochState;
use swarm_types::api::{Info, Quote, QuoteRequest, Recipient, SitePower, Stats};
use swarm_types::{B256, EpochId, MicroUsdc};
use utoipa::IntoParams;

use super::docs::{BodyProblems, Problems, Refusal};
use crate::catalogue::Model;
use crate::convert::job_status;
use crate::extract::{JsonBody, QueryOf};
use crate::limits::PAGE_ROWS_MAX;
use crate::problem::{Answer, Refused};
use crate::state::{App, AppState};

/// Pages of epochs over which revenue is summed.
const REVENUE_PAGES_MAX: usize = 100;

/// What a client needs before it orders.
#[utoipa::path(get, path = "/api/v1/info", tag = "queen", responses(
    (status = 200, body = Info), Problems))]
pub async fn info(State(app): State<App>) -> Answer<Json<Info>> {
    let stats = app.ledger.stats().await?;
    let (config, live) = (&app.config, app.live());
    Ok(Json(Info {
        name: config.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        chain_id: config.chain.chain_id,
        escrow: config.chain.escrow,
        token: config.chain.token,
        queen: app.key.address(),
        open_epoch: EpochId(stats.open_epoch),
        rates: config.fees.rates,
        max_order_life_seconds: app.order_life(),
        max_input_bytes: config.limits.blob_bytes_max,
        result_days: live.retention.result_days,
        now: app.clock.seconds(),
    }))
}

/// The site's power. What nobody measures is unknown, which is not 0.
#[utoipa::path(get, path = "/api/v1/power", tag = "queen", responses(
    (status = 200, body = SitePower), Problems))]
pub async fn power(State(app): State<App>) -> Json<SitePower> {
    Json(app.power.shown(app.clock.running()))
}

/// The model of a digest, if it can be ordered, or a refusal that names `field`.
pub fn orderable(app: &AppState, digest: &B256, field: &str) -> Answer<Arc<Model>> {
    let model = app.catalogue.get(digest).ok_or_else(|| {
        let detail = format!("no model has the digest {digest}; GET /api/v1/models lists them");
        Refused::invalid("unknown-model", field, detail)
    })?;
    if model.active {
        return Ok(model);
    }
    let Model { name, version, .. } = &*model;
    let detail = format!(
        "{name} {version} cannot be ordered now: the operator has not activated it, or has deactivated it; GET /api/v1/models lists what can be ordered"
    );
    Err(Refused::invalid("model-inactive", field, detail))
}

/// What a job costs; the queen stands by it until it expires.
#[utoipa::path(post, path = "/api/v1/quotes", tag = "queen", request_body = QuoteRequest, responses(
    (status = 200, body = Quote), Problems, BodyProblems))]
pub async fn quote(
    State(app): State<App>,
    JsonBody(request): JsonBody<QuoteRequest>,
) -> Answer<Json<Quote>> {
    let model = match (&request.model, &request.job_type) {
        (Some(digest), _) => orderable(&app, digest, "model")?,
        (None, Some(job_type)) => app.catalogue.by_job_type(job_type).ok_or_else(|| {
            let detail = "no model serves this job type; GET /api/v1/models lists them";
            Refused::invalid("unknown-job-type", "job_type", detail)
        })?,
        (None, None) => {
            let detail = "name a job_type or a model";
            return Err(Refused::invalid("nothing-asked", "job_type", detail));
        }
    };
    if request
        .job_type
        .as_ref()
        .is_some_and(|job_type| *job_type != model.job_type)
    {
        let detail = format!("the model serves {}", model.job_type);
        return Err(Refused::invalid("job-type", "job_type", detail));
    }
    let expires_at = app.clock.seconds() + app.live().quote_life.as_seconds_down();
    let text = format!(
        "swarm-quote\n{}\n{}\n{expires_at}",
        model.digest, model.fee.0
    );
    Ok(Json(Quote {
        job_type: model.job_type.clone(),
        model: model.digest,
        fee: model.fee,
        fee_usd: model.fee.dollars(),
        expires_at,
        signature: app.sign_text(&text),
    }))
}

/// Query of the recipients.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecipientsQuery {
    /// Digest of the model that is to run.
    #[param(value_type = String)]
    model: B256,
}

/// The bees to which an input must be encrypted: every approved one that has the model.
#[utoipa::path(get, path = "/api/v1/recipients", tag = "queen", params(RecipientsQuery), responses(
    (status = 200, body = Vec<Recipient>), Problems, Refusal<400>, Refusal<422>))]
pub async fn recipients(
    State(app): State<App>,
    QueryOf(query): QueryOf<RecipientsQuery>,
) -> Answer<Json<Vec<Recipient>>> {
    orderable(&app, &query.model, "model")?;
    let able = app
        .rails
        .bees()
        .into_iter()
        .filter(|bee| bee.approved() && bee.profile.models.contains(&query.model));
    let recipients = able.filter_map(|bee| {
        Some(Recipient {
            worker: bee.worker,
            recipient: bee.record.recipient.clone()?,
            signature: bee.profile.recipient_signature,
        })
    });
    let most = swarm_ledger::limits::RECIPIENTS_MAX;
    Ok(Json(recipients.take(most).collect()))
}

/// Counters for people.
#[utoipa::path(get, path = "/api/v1/stats", tag = "queen", responses(
    (status = 200, body = Stats), Problems))]
pub async fn stats(State(app): State<App>) -> Answer<Json<Stats>> {
    read_stats(&app).await.map(Json)
}

/// Reads the statistics.
pub async fn read_stats(app: &AppState) -> Answer<Stats> {
    let ledger = app.ledger.stats().await?;
    let jobs = ledger.jobs.iter();
    let jobs = jobs.map(|(state, count)| (job_status(*state).to_string(), *count));
    let now = app.clock.millis();
    let mut bees = BTreeMap::new();
    for bee in app.rails.bees() {
        *bees.entry(bee.status(now).to_owned()).or_insert(0) += 1;
    }
    Ok(Stats {
        jobs: jobs.collect(),
        bees,
        mean_execution_ms: app.metrics.mean_execution_ms(),
        total_revenue: final_revenue(app).await?,
    })
}

/// Σ fees of final epochs.
async fn final_revenue(app: &AppState) -> Answer<MicroUsdc> {
    let mut before = None;
    let mut sum = 0u64;
    for _ in 0..REVENUE_PAGES_MAX {
        let page = app.ledger.epochs(before, PAGE_ROWS_MAX).await?;
        let finals = page.iter().filter(|epoch| epoch.state == EpochState::Final);
        sum = finals.fold(sum, |sum, epoch| sum.saturating_add(epoch.revenue.0));
        match page.last() {
            Some(last) if page.len() == PAGE_ROWS_MAX as usize => before = Some(last.id),
            _ => break,
        }
    }
    Ok(MicroUsdc(sum))
}
