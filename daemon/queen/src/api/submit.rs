//! Submission: an order becomes a job, or a refusal that names the field.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use swarm_ledger::commands::Submit;
use swarm_ledger::records::{BlobKind, BlobRecord, JobRecord};
use swarm_types::Address;
use swarm_types::api::{BlobRef, Job, SubmitJob};

use super::docs::{BodyProblems, Problems, Refusal};
use super::info::orderable;
use crate::catalogue::Model;
use crate::convert;
use crate::extract::{JsonBody, check_text};
use crate::limits::{ENS_BYTES_MAX, NAME_BYTES_MAX};
use crate::problem::{Answer, Refused};
use crate::state::{App, AppState};

/// Submits a job. The order's own signature is the proof of who orders; the same order again gets the
/// first answer.
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs", request_body = SubmitJob, responses(
    (status = 201, description = "Accepted; the fee is reserved", body = Job),
    (status = 200, description = "This very order was accepted before", body = Job),
    Problems, BodyProblems, Refusal<403>, Refusal<409>))]
pub async fn submit(
    State(app): State<App>,
    JsonBody(request): JsonBody<SubmitJob>,
) -> Answer<(StatusCode, Json<Job>)> {
    let (created, job) = accept(&app, &request).await?;
    let status = match created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok((status, Json(convert::job(&job))))
}

/// Makes the order a job and has it routed; whether it is a new one, and the job.
pub async fn accept(app: &App, request: &SubmitJob) -> Answer<(bool, JobRecord)> {
    let now = app.clock.seconds();
    let signers = check_signer(app, request).await?;
    app.limit_signer(request.order.client)?;
    // Held until the job is durable, so that the sweeper cannot destroy the input in between.
    let _kept = app.uploads.keep().await;
    let (model, recipients) = match acceptable(app, request, &signers, now).await {
        Ok(accepted) => accepted,
        // An order that was accepted gets its first answer, whatever would refuse it by now.
        Err(refused) => match answered_before(app, request).await? {
            Some(job) => return Ok((false, job)),
            None => return Err(refused),
        },
    };
    let label = match &request.client_ens {
        Some(name) => app.names.confirm(name, request.order.client).await,
        None => None,
    };
    let order = request.signed_order();
    let command = Submit {
        now,
        commitment: order.commitment(),
        signers,
        fee: model.fee,
        salt: request.salt,
        job_type: request.job_type.clone(),
        input: convert::ledger_blob(&request.input),
        reply_to: Some(request.reply_to.clone()),
        recipients,
        label,
        webhook: None,
        max_attempts: app.rails.attempts_max(),
        order,
    };
    swarm_faults::point("queen.submit.checked");
    let submitted = app.ledger.submit(command).await?;
    swarm_faults::point("queen.submit.committed");
    if submitted.replayed {
        same_or_reused(&submitted.job, request)?;
        return Ok((false, submitted.job));
    }
    app.metrics.submitted.add(1);
    if app.rails.job_came() {
        // Routing goes on when the client is gone: the job is durable already.
        let (routed, shared) = (submitted.job.clone(), app.clone());
        tokio::spawn(async move { shared.rails.route(&routed, &shared.catalogue).await });
    }
    Ok((true, submitted.job))
}

/// The model and who can decrypt the input, when nothing but the ledger can still refuse the order.
async fn acceptable(
    app: &AppState,
    request: &SubmitJob,
    signers: &[Address; 2],
    now: u64,
) -> Answer<(Arc<Model>, Vec<Address>)> {
    app.settlement.newest()?;
    let model = check_order(app, request, now)?;
    let owners = [request.order.client, signers[0], signers[1]];
    let input = check_input(app, &request.input, &owners).await?;
    let recipients = recipients(app, &model, &input)?;
    Ok((model, recipients))
}

/// The two addresses for which the signature counts; one is the client or one of its order signers.
async fn check_signer(app: &AppState, request: &SubmitJob) -> Answer<[Address; 2]> {
    let client = request.order.client;
    let signers = request.signed_order().signers(&app.domain);
    let signers = signers
        .map_err(|error| Refused::forbidden("signature", error.to_string()).field("signature"))?;
    if signers.contains(&client) {
        return Ok(signers);
    }
    let registered = app.ledger.order_signers(client).await?;
    if registered.iter().any(|signer| signers.contains(signer)) {
        return Ok(signers);
    }
    app.metrics.signatures_refused.add(1);
    let detail = format!(
        "the signature recovers to {} (EIP-712) or {} (EIP-191), neither of which is {client} or one of its order signers; sign the order for chain {} and escrow {}",
        signers[0], signers[1], app.domain.chain_id, app.domain.escrow
    );
    Err(Refused::forbidden("signer", detail).field("signature"))
}

/// The job of this very order, if it was accepted before: its input may be destroyed and its deadline
/// past by now, and the answer is still the first one.
async fn answered_before(app: &AppState, request: &SubmitJob) -> Answer<Option<JobRecord>> {
    let found = app
        .ledger
        .job_of_order(request.order.client, request.order.nonce)
        .await?;
    if let Some(job) = &found {
        same_or_reused(job, request)?;
    }
    Ok(found)
}

/// Refuses a request whose nonce a job of another body has used.
fn same_or_reused(job: &JobRecord, request: &SubmitJob) -> Answer<()> {
    let same = job.order == request.signed_order()
        && job.salt == request.salt
        && job.job_type == request.job_type
        && convert::blob(&job.input) == request.input
        && job.reply_to.as_deref() == Some(&request.reply_to);
    if same {
        return Ok(());
    }
    let nonce = request.order.nonce;
    let detail = format!(
        "nonce {nonce} was used for {} with a different body: use a new nonce",
        job.id
    );
    Err(Refused::conflict("nonce-reused", detail).field("order.nonce"))
}

fn check_order(app: &AppState, request: &SubmitJob, now: u64) -> Answer<Arc<Model>> {
    let order = &request.order;
    let model = orderable(app, &order.model, "order.model")?;
    check_text("job_type", &request.job_type, NAME_BYTES_MAX)?;
    if request.job_type != model.job_type {
        let detail = format!(
            "the model serves {}, not {}",
            model.job_type, request.job_type
        );
        return Err(Refused::invalid("job-type", "job_type", detail));
    }
    let deadline = order.deadline;
    if deadline <= now {
        let detail =
            format!("the order's deadline {deadline} is not after the queen's clock, {now}");
        return Err(Refused::invalid("deadline-past", "order.deadline", detail));
    }
    let life = app.order_life();
    if deadline - now > life {
        let detail = format!(
            "the order's deadline {deadline} is more than {life} s after the queen's clock, {now}"
        );
        return Err(Refused::invalid("deadline-far", "order.deadline", detail));
    }
    if model.fee > order.max_fee {
        let detail = format!(
            "the job costs {} and the order allows {}",
            model.fee, order.max_fee
        );
        return Err(Refused::invalid("fee-over-max", "order.maxFee", detail));
    }
    if request
        .reply_to
        .parse::<swarm_store::age::Recipient>()
        .is_err()
    {
        let detail = "reply_to must be an age X25519 recipient (age1…)";
        return Err(Refused::invalid("recipient", "reply_to", detail));
    }
    if let Some(name) = &request.client_ens {
        check_text("client_ens", name, ENS_BYTES_MAX)?;
    }
    Ok(model)
}

/// The uploaded input: whole, as large as said, and brought by who orders.
async fn check_input(app: &AppState, input: &BlobRef, owners: &[Address]) -> Answer<BlobRecord> {
    let refuse = |kind: &str, field: &str, detail: &str| Refused::invalid(kind, field, detail);
    let record = app.uploads.record(&app.ledger, input.sha256).await?;
    let ours =
        |record: &BlobRecord| record.kind == BlobKind::Input && owners.contains(&record.uploader);
    // What somebody else uploaded is as if it were not there: whose it is is nobody's business.
    let record = record.filter(ours).ok_or_else(|| {
        refuse(
            "input-missing",
            "input.sha256",
            "this input was not uploaded by who signed the order",
        )
    })?;
    if record.deleted_at.is_some() {
        let detail = "this input was destroyed; upload it again";
        return Err(refuse("input-deleted", "input.sha256", detail));
    }
    if record.completed_at.is_none() {
        let detail = "the upload of this input is not complete; go on from its status";
        return Err(refuse("input-incomplete", "input.sha256", detail));
    }
    if record.blob.size != input.size {
        let detail = format!("the uploaded input has {} bytes", record.blob.size);
        return Err(refuse("input-size", "input.size", &detail));
    }
    Ok(record)
}

/// The bees to which the client can have encrypted: approved, with the model, and known when the upload
/// began. An age file does not tell its recipients, so this is the closest the queen can know.
fn recipients(app: &AppState, model: &Model, input: &BlobRecord) -> Answer<Vec<Address>> {
    let workers = app.rails.recipients(&model.digest, input.created_at);
    if workers.is_empty() {
        let detail = "no approved bee with this model was known when the upload began, so none can decrypt the input; encrypt it to GET /api/v1/recipients and upload it again";
        return Err(Refused::invalid("no-recipient", "input", detail));
    }
    Ok(workers)
}
