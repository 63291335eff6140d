//! What operators do: approve and drain bees, give out join codes, seal.

use axum::Json;
use axum::extract::State;
use swarm_ledger::commands::{self, AddJoinCode, SetDraining};
use swarm_types::api::{ApproveWorker, DrainWorker, JoinCode, SealAnswer, Worker};
use swarm_types::{Address, hex, schema, sha256};

use super::docs::{BodyProblems, Problems, Refusal, SignedHeaders, SignedProblems};
use crate::auth::Signed;
use crate::extract::{PathOf, parse};
use crate::limits::JOIN_CODE_LIFE;
use crate::problem::{Answer, Refused};
use crate::rails::Bee;
use crate::state::{App, AppState};

/// Random bytes of a join code.
const JOIN_CODE_BYTES: usize = 20;

fn shown(app: &AppState, record: swarm_ledger::records::WorkerRecord) -> Answer<Json<Worker>> {
    app.rails.learn(record.clone());
    let bee = Bee::read(record).ok_or_else(|| {
        Refused::missing("the bee has not registered yet; the approval counts when it does")
    })?;
    Ok(Json(bee.to_api(app.clock.millis())))
}

/// Lets a bee work, and says where its earnings go. The bee must have registered.
#[utoipa::path(post, path = "/api/v1/workers/{address}/approve", tag = "operator",
    request_body = ApproveWorker,
    params(("address" = schema::Address, Path, description = "The bee's key"), SignedHeaders),
    responses((status = 200, body = Worker), Problems, SignedProblems, BodyProblems, Refusal<403>, Refusal<404>))]
pub async fn approve(
    State(app): State<App>,
    PathOf(address): PathOf<String>,
    signed: Signed,
) -> Answer<Json<Worker>> {
    signed.operator(&app)?;
    let worker: Address = parse("address", &address)?;
    let ApproveWorker { payee } = signed.json()?;
    if payee == Address::ZERO {
        let detail = "the payee must not be the zero address";
        return Err(Refused::invalid("payee", "payee", detail));
    }
    // The ledger knows a bee a moment before routing does, and lists it.
    let known = app.ledger.worker(worker).await?;
    if known.and_then(Bee::read).is_none() {
        return Err(Refused::missing(format!("{worker} has not registered yet")));
    }
    let now = app.clock.seconds();
    let command = commands::ApproveWorker { now, worker, payee };
    shown(&app, app.ledger.approve_worker(command).await?)
}

/// Lets a bee finish what it has and take nothing new, or ends that.
#[utoipa::path(post, path = "/api/v1/workers/{address}/drain", tag = "operator",
    request_body = DrainWorker,
    params(("address" = schema::Address, Path, description = "The bee's key"), SignedHeaders),
    responses((status = 200, body = Worker), Problems, SignedProblems, BodyProblems, Refusal<403>, Refusal<404>))]
pub async fn drain(
    State(app): State<App>,
    PathOf(address): PathOf<String>,
    signed: Signed,
) -> Answer<Json<Worker>> {
    signed.operator(&app)?;
    let worker: Address = parse("address", &address)?;
    let DrainWorker { drain } = signed.json()?;
    let command = SetDraining {
        now: app.clock.seconds(),
        worker,
        draining: drain,
    };
    shown(&app, app.ledger.set_draining(command).await?)
}

/// Gives out a one-time code with which a bee joins. Who joins without naming a payee earns for the
/// operator.
#[utoipa::path(post, path = "/api/v1/workers/join-codes", tag = "operator",
    params(SignedHeaders), responses((status = 200, body = JoinCode), Problems, SignedProblems, Refusal<403>))]
pub async fn join_code(State(app): State<App>, signed: Signed) -> Answer<Json<JoinCode>> {
    signed.operator(&app)?;
    let mut bytes = [0; JOIN_CODE_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Refused::internal("no randomness for a code", &error))?;
    let code = hex::encode(bytes);
    let expires_at = app.clock.seconds() + JOIN_CODE_LIFE.as_secs();
    let command = AddJoinCode {
        now: app.clock.seconds(),
        code: sha256(&code),
        payee: app.config.fees.operator_payee,
        expires_at,
    };
    app.ledger.add_join_code(command).await?;
    Ok(Json(JoinCode { code, expires_at }))
}

/// Seals the open epoch now.
#[utoipa::path(post, path = "/api/v1/epochs/seal", tag = "operator",
    params(SignedHeaders), responses((status = 200, body = SealAnswer), Problems, SignedProblems, Refusal<403>))]
pub async fn seal(State(app): State<App>, signed: Signed) -> Answer<Json<SealAnswer>> {
    signed.operator(&app)?;
    let epoch_id = app.settlement.seal().await?;
    Ok(Json(SealAnswer { epoch_id }))
}
