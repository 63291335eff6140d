//! Bees: registration, heartbeat, the long-poll for work, and the list of them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use swarm_ledger::commands::{self, ApproveWorker, Renew};
use swarm_ledger::records::{LeaseRef, WorkerRecord, WorkerState};
use swarm_types::api::{
    Approval, HEARTBEAT_SECONDS, Heartbeat, HeartbeatAnswer, JOBS_AT_ONCE_MAX, LeaseRequest,
    Leases, POLL_SECONDS_MAX, RegisterWorker, Registered, Worker, WorkerSample, recipient_message,
};
use swarm_types::signature::eip191_message;
use swarm_types::{Address, B256, schema, sha256};

use super::docs::{BodyProblems, Problems, Refusal, SignedHeaders, SignedProblems};
use super::work::registered;
use crate::auth::Signed;
use crate::convert;
use crate::extract::{PathOf, check_text, parse};
use crate::limits::{
    BEE_CONCURRENCY_MAX, BEE_ENGINES_MAX, BEE_MODELS_MAX, HEARTBEAT_LEASES_MAX, MODEL_FAULTS_MAX,
    NAME_BYTES_MAX, TEXT_BYTES_MAX,
};
use crate::problem::{Answer, Refused};
use crate::rails::{Bee, BeeProfile, BeeStats, approval};
use crate::state::App;

/// A bee says what it is. It works after the operator approved it, or with a join code at once.
#[utoipa::path(post, path = "/api/v1/workers/register", tag = "workers", request_body = RegisterWorker,
    params(SignedHeaders), responses((status = 200, body = Registered), Problems, SignedProblems, BodyProblems, Refusal<403>, Refusal<404>))]
pub async fn register(State(app): State<App>, signed: Signed) -> Answer<Json<Registered>> {
    let bee: RegisterWorker = signed.json()?;
    let worker = signed.signer;
    check_registration(&bee, worker)?;
    let known = app.ledger.worker(worker).await?;
    let now = app.clock.seconds();
    let profile = BeeProfile {
        models_since: models_since(known.as_ref(), &bee.models, now),
        recipient_signature: bee.recipient_signature,
        device: bee.device,
        models: bee.models,
        engines: bee.engines,
        concurrency: bee.concurrency,
        version: bee.version,
    };
    let profile = serde_json::to_value(profile).expect("a profile is plain data");
    let approved = known.is_some_and(|known| known.state == WorkerState::Approved);
    // A bee that was approved brings its code again at every start; it counts once.
    let join_code = bee.join_code.filter(|_| !approved).map(sha256);
    let joins = join_code.is_some();
    let command = commands::RegisterWorker {
        now,
        worker,
        label: Some(bee.name),
        recipient: Some(bee.recipient),
        profile,
        join_code,
    };
    let mut record = app.ledger.register_worker(command).await?;
    if let Some(payee) = bee.payee.filter(|_| joins) {
        let command = ApproveWorker { now, worker, payee };
        record = app.ledger.approve_worker(command).await?;
    }
    let answer = Registered {
        approval: approval(record.state),
        payee: record.payee,
        leases: app
            .ledger
            .leases(worker, now)
            .await?
            .iter()
            .map(convert::lease)
            .collect(),
        chain_id: app.domain.chain_id,
        escrow: app.domain.escrow,
    };
    app.rails.learn(record);
    app.rails.delivered(&worker);
    Ok(Json(answer))
}

/// Since when a bee has each model that it did not have at its first registration.
fn models_since(known: Option<&WorkerRecord>, models: &[B256], now: u64) -> BTreeMap<B256, u64> {
    let Some(before) = known.and_then(|known| Bee::read(known.clone())) else {
        return BTreeMap::new();
    };
    let since = |model: &B256| match before.profile.models.contains(model) {
        true => before.profile.models_since.get(model).copied(),
        false => Some(now),
    };
    let models = models.iter();
    models
        .filter_map(|model| Some((*model, since(model)?)))
        .collect()
}

fn check_registration(bee: &RegisterWorker, worker: Address) -> Answer<()> {
    let refuse = |field: &str, detail: &str| Refused::invalid("registration", field, detail);
    check_text("name", &bee.name, NAME_BYTES_MAX)?;
    check_text("version", &bee.version, NAME_BYTES_MAX)?;
    check_text("device.name", &bee.device.name, TEXT_BYTES_MAX)?;
    if let Some(uuid) = &bee.device.uuid {
        check_text("device.uuid", uuid, NAME_BYTES_MAX)?;
    }
    if bee
        .recipient
        .parse::<swarm_store::age::Recipient>()
        .is_err()
    {
        return Err(refuse(
            "recipient",
            "recipient must be an age X25519 recipient (age1…)",
        ));
    }
    let message = eip191_message(recipient_message(&bee.recipient).as_bytes());
    if bee.recipient_signature.recover(&message) != Ok(worker) {
        let detail = "the signature is not by this bee's key over its recipient";
        return Err(Refused::forbidden("recipient-signature", detail).field("recipient_signature"));
    }
    if bee.models.len() > BEE_MODELS_MAX {
        return Err(refuse("models", "too many models"));
    }
    if bee.engines.is_empty() || bee.engines.len() > BEE_ENGINES_MAX {
        return Err(refuse("engines", "name 1 to 16 engines"));
    }
    for engine in &bee.engines {
        check_text("engines", engine, TEXT_BYTES_MAX)?;
    }
    if !(1..=BEE_CONCURRENCY_MAX).contains(&bee.concurrency) {
        return Err(refuse("concurrency", "concurrency must be 1 to 64"));
    }
    if bee
        .join_code
        .as_ref()
        .is_some_and(|code| code.len() > NAME_BYTES_MAX)
    {
        return Err(refuse("join_code", "this is no join code of ours"));
    }
    if bee.payee == Some(Address::ZERO) {
        return Err(refuse("payee", "the payee must not be the zero address"));
    }
    Ok(())
}

/// A bee is there: counts its readiness and renews the leases it names.
#[utoipa::path(post, path = "/api/v1/workers/heartbeat", tag = "workers", request_body = Heartbeat,
    params(SignedHeaders), responses((status = 200, body = HeartbeatAnswer), Problems, SignedProblems, BodyProblems, Refusal<403>, Refusal<404>))]
pub async fn heartbeat(State(app): State<App>, signed: Signed) -> Answer<Json<HeartbeatAnswer>> {
    let beat: Heartbeat = signed.json()?;
    let worker = signed.signer;
    registered(&app, &worker)?;
    if beat.leases.len() > HEARTBEAT_LEASES_MAX || beat.warm_models.len() > BEE_MODELS_MAX {
        let detail = "more leases or models than a bee may name";
        return Err(Refused::invalid("too-many", "leases", detail));
    }
    if beat
        .utilisation_percent
        .is_some_and(|percent| percent > 100)
    {
        let detail = "utilisation_percent must be 0 to 100";
        return Err(Refused::invalid(
            "out-of-range",
            "utilisation_percent",
            detail,
        ));
    }
    if let Some(reason) = &beat.not_ready_reason {
        check_text("not_ready_reason", reason, TEXT_BYTES_MAX)?;
    }
    if beat.model_faults.len() > MODEL_FAULTS_MAX {
        let detail = format!("a bee may name {MODEL_FAULTS_MAX} models that it cannot serve");
        return Err(Refused::invalid("too-many", "model_faults", detail));
    }
    for fault in &beat.model_faults {
        check_text("model_faults", &fault.reason, TEXT_BYTES_MAX)?;
    }
    let stats = BeeStats {
        not_ready_reason: beat.not_ready_reason,
        warm_models: beat.warm_models,
        model_faults: beat.model_faults,
        utilisation_percent: beat.utilisation_percent,
        memory_used_mib: beat.memory_used_mib,
        temperature_celsius: beat.temperature_celsius,
        power_milliwatts: beat.power_milliwatts,
    };
    let sample = WorkerSample {
        at: app.clock.seconds(),
        ready: beat.ready,
        jobs: u32::try_from(beat.leases.len()).unwrap_or(u32::MAX),
        utilisation_percent: stats.utilisation_percent,
        memory_used_mib: stats.memory_used_mib,
        temperature_celsius: stats.temperature_celsius,
        power_milliwatts: stats.power_milliwatts,
    };
    let now_millis = app.clock.millis();
    let command = commands::Heartbeat {
        now_millis,
        worker,
        ready: beat.ready,
        draining: beat.draining,
        stats: serde_json::to_value(&stats).expect("stats are plain data"),
    };
    let counted = app.ledger.heartbeat(command).await?;
    app.rails.heard(
        worker,
        now_millis,
        beat.ready,
        beat.draining,
        stats,
        &counted,
    );
    if counted.state == WorkerState::Approved {
        app.samples.add(worker, sample);
    }
    let lost = renew(&app, worker, beat.leases).await?;
    let approval = approval(counted.state);
    // A bee that waits for the operator hears of the approval soon.
    let next_seconds = match approval {
        Approval::Approved => HEARTBEAT_SECONDS as u32,
        Approval::Waiting => WAITING_HEARTBEAT_SECONDS,
    };
    Ok(Json(HeartbeatAnswer {
        approval,
        drain: counted.draining,
        lost,
        next_seconds,
        power: app.power.for_bee(app.clock.running()),
    }))
}

/// Seconds between heartbeats of a bee that waits for its approval.
const WAITING_HEARTBEAT_SECONDS: u32 = 3;

/// Renews the leases that a bee named; gives those that are not its own any more.
async fn renew(app: &App, worker: Address, tokens: Vec<String>) -> Answer<Vec<String>> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let now = app.clock.seconds();
    let held = app.ledger.leases(worker, now).await?;
    let held: HashMap<String, LeaseRef> = held
        .iter()
        .map(|lease| (lease.token.0.to_string(), lease.lease_ref()))
        .collect();
    let (known, mut lost): (Vec<String>, Vec<String>) = tokens
        .into_iter()
        .partition(|token| held.contains_key(token));
    let command = Renew {
        now,
        worker,
        leases: known
            .iter()
            .filter_map(|token| held.get(token).copied())
            .collect(),
        lease_seconds: app.rails.lease_seconds(),
    };
    let renewed = app.ledger.renew(command).await?;
    for (token, answer) in known.into_iter().zip(renewed) {
        if answer.is_err() {
            lost.push(token);
        }
    }
    Ok(lost)
}

/// Waits for work: leases, or 204 when there was none in time. What is pending is shared evenly with bees
/// without work, so that it may be fewer than `jobs_max`.
#[utoipa::path(post, path = "/api/v1/workers/lease", tag = "workers", request_body = LeaseRequest,
    params(SignedHeaders), responses(
        (status = 200, body = Leases),
        (status = 204, description = "No work in time; ask again"), Problems, SignedProblems, BodyProblems, Refusal<403>, Refusal<404>))]
pub async fn lease(State(app): State<App>, signed: Signed) -> Answer<Response> {
    let request: LeaseRequest = signed.json()?;
    app.settlement.newest()?;
    if u64::from(request.wait_seconds) > POLL_SECONDS_MAX {
        let detail = format!("wait_seconds must be at most {POLL_SECONDS_MAX}");
        return Err(Refused::invalid("out-of-range", "wait_seconds", detail));
    }
    if !(1..=JOBS_AT_ONCE_MAX).contains(&request.jobs_max) {
        let detail = format!("jobs_max must be 1 to {JOBS_AT_ONCE_MAX}");
        return Err(Refused::invalid("out-of-range", "jobs_max", detail));
    }
    let wait = Duration::from_secs(u64::from(request.wait_seconds));
    let polled = app
        .rails
        .lease(signed.signer, &app.catalogue, wait, request.jobs_max);
    let leases = tokio::select! {
        // Cancel-safe: a lease that was claimed for a poll that ends is kept for the bee's next one.
        () = app.stop.cancelled() => Vec::new(),
        leases = polled => leases?,
    };
    if leases.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let leases = leases.iter().map(convert::lease).collect();
    Ok(Json(Leases { leases }).into_response())
}

/// A bee.
#[utoipa::path(get, path = "/api/v1/workers/{address}", tag = "workers",
    params(("address" = schema::Address, Path, description = "The bee's key")),
    responses((status = 200, body = Worker), Problems, Refusal<400>, Refusal<404>))]
pub async fn get(State(app): State<App>, PathOf(address): PathOf<String>) -> Answer<Json<Worker>> {
    let record = app.ledger.worker(parse("address", &address)?).await?;
    let bee = record.and_then(crate::rails::Bee::read);
    let bee = bee.ok_or_else(|| Refused::missing(format!("no bee {address} has registered")))?;
    Ok(Json(bee.to_api(app.clock.millis())))
}

/// What an approved bee said in the heartbeats of the last day, oldest first and at most 1 000. It is kept in
/// memory only.
#[utoipa::path(get, path = "/api/v1/workers/{address}/samples", tag = "workers",
    params(("address" = schema::Address, Path, description = "The bee's key")),
    responses((status = 200, body = Vec<WorkerSample>), Problems, Refusal<400>, Refusal<404>))]
pub async fn samples(
    State(app): State<App>,
    PathOf(address): PathOf<String>,
) -> Answer<Json<Vec<WorkerSample>>> {
    let worker = parse("address", &address)?;
    let known = app.rails.bee(&worker).is_some();
    let missing = || Refused::missing(format!("no bee {address} has registered"));
    let samples = known.then(|| app.samples.of(&worker));
    samples.ok_or_else(missing).map(Json)
}

/// Every bee that registered.
#[utoipa::path(get, path = "/api/v1/workers", tag = "workers", responses(
    (status = 200, body = Vec<Worker>), Problems))]
pub async fn list(State(app): State<App>) -> Answer<Json<Vec<Worker>>> {
    // From the ledger, for the counts that routing does not keep.
    let records = app.ledger.workers().await?;
    let now = app.clock.millis();
    let bees = records.into_iter().filter_map(crate::rails::Bee::read);
    Ok(Json(bees.map(|bee| bee.to_api(now)).collect()))
}
