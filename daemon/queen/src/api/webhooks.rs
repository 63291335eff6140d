//! Webhooks: a client asks to be told.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use swarm_ledger::commands::AddWebhook;
use swarm_types::api::Webhook;

use super::docs::{BodyProblems, Problems, SignedHeaders, SignedProblems};
use crate::auth::Signed;
use crate::problem::Answer;
use crate::state::App;
use crate::webhooks::check_target;

/// Posts the signer's job events to a URL from now on. Deliveries carry the queen's signature over
/// method, path, body, timestamp and nonce, in the headers of a signed request.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "clients", request_body = Webhook,
    params(SignedHeaders), responses((status = 201, body = Webhook), Problems, SignedProblems, BodyProblems))]
pub async fn add(State(app): State<App>, signed: Signed) -> Answer<(StatusCode, Json<Webhook>)> {
    let Webhook { url } = signed.json()?;
    check_target(&url, app.config.webhooks_to_private)?;
    let command = AddWebhook {
        now: app.clock.seconds(),
        client: signed.signer,
        url,
        events: Vec::new(),
    };
    let added = app.ledger.add_webhook(command).await?;
    Ok((StatusCode::CREATED, Json(Webhook { url: added.url })))
}
