//! Health and metrics.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use swarm_host::exposition;
use swarm_types::api::Health;

use super::docs::Problems;
use super::info::read_stats;
use crate::power;
use crate::problem::{Answer, chain};
use crate::state::App;

/// How the queen is. It answers 200 also when degraded: she serves what she can.
#[utoipa::path(get, path = "/health", tag = "queen", responses(
    (status = 200, body = Health), Problems))]
pub async fn health(State(app): State<App>) -> Json<Health> {
    let mut settlement = app.settlement.status();
    // The least that shows the ledger can be read: this is asked for all the time.
    let ledger = match app.ledger.chain_cursor(1).await {
        Ok(_) => match app.ledger.trouble() {
            None => true,
            Some(trouble) => {
                let note = format!("the ledger takes no changes: {trouble}");
                settlement.notes.push(note);
                false
            }
        },
        Err(error) => {
            tracing::error!(error = %chain(&error), "the ledger does not answer");
            settlement
                .notes
                .push("the ledger does not answer: see the queen's log".into());
            false
        }
    };
    let sound = ledger && settlement.chain_trouble.is_none() && settlement.notes.is_empty();
    Json(Health {
        status: if sound { "ok" } else { "degraded" }.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ledger,
        chain: settlement.chain_trouble.unwrap_or_else(|| "ok".into()),
        bees_online: app.rails.online(None),
        notes: settlement.notes,
    })
}

/// Counters in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "queen", responses(
    (status = 200, body = String, content_type = "text/plain"), Problems))]
pub async fn metrics(State(app): State<App>) -> Answer<impl IntoResponse> {
    let stats = read_stats(&app).await?;
    let ledger = app.ledger.stats().await?;
    let settlement = app.settlement.status();
    let limits = &app.config.limits;
    let busy = limits
        .in_flight_max
        .saturating_sub(app.in_flight.available_permits());
    let streams = limits
        .streams_max
        .saturating_sub(app.streams.available_permits());
    let gauges = [
        ("journal_entries", "Entries of the journal.", ledger.journal),
        ("open_epoch", "Number of the open epoch.", ledger.open_epoch),
        (
            "open_epoch_revenue_micro_usdc",
            "Fees of the open epoch, in millionths of USDC.",
            ledger.open_epoch_revenue.0,
        ),
        (
            "epochs_in_flight",
            "Epochs on their way to the chain.",
            ledger.epochs_in_flight,
        ),
        ("clients", "Clients with an account.", ledger.clients),
        (
            "head_block",
            "Highest block that the ledger mirrors.",
            settlement.head_block,
        ),
        (
            "chain_away",
            "1 while the chain does not answer.",
            u64::from(settlement.chain_trouble.is_some()),
        ),
        (
            "bees_online",
            "Approved bees heard of late.",
            u64::from(app.rails.online(None)),
        ),
        ("requests_in_flight", "Requests being served.", busy as u64),
        ("streams_open", "Event streams.", streams as u64),
    ];
    let mut text = app.metrics.text(&stats, &gauges);
    text += &power::metrics::text(&app.power.shown(app.clock.running()));
    Ok(([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], text))
}
