//! Clients: account, balance, history, where a deposit stands.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use swarm_ledger::records::{ClientAccount, HistoryKind, TransferState};
use swarm_types::api::{Balance, BoundName, Client, HistoryLine, Page, TopUp, TopUpStatus};
use swarm_types::{Address, MicroUsdc};
use utoipa::IntoParams;

use super::docs::{BodyProblems, Problems, Refusal};
use super::jobs::page_rows;
use crate::convert;
use crate::extract::{JsonBody, PathOf, QueryOf, parse};
use crate::limits::PAGE_ROWS_MAX;
use crate::problem::{Answer, Refused};
use crate::state::{App, AppState};

/// Pages of a client's history in which a deposit is looked for.
const TOP_UP_PAGES_MAX: usize = 20;

async fn find(app: &AppState, id: &str) -> Answer<ClientAccount> {
    let address = app.names.address(id).await?;
    let account = app.ledger.client(address, app.clock.seconds()).await?;
    account.ok_or_else(|| {
        let detail = format!("{address} has no account: it never deposited into the escrow");
        Refused::missing(detail)
    })
}

/// A client's account.
#[utoipa::path(get, path = "/api/v1/clients/{id}", tag = "clients",
    params(("id" = String, Path, description = "An address, or a name that the chain resolves", min_length = 1, max_length = 255)),
    responses((status = 200, body = Client), Problems, Refusal<400>, Refusal<404>))]
pub async fn get(State(app): State<App>, PathOf(id): PathOf<String>) -> Answer<Json<Client>> {
    let account = find(&app, &id).await?;
    let name = app.ledger.name_of(account.client).await?;
    Ok(Json(Client {
        client: account.client,
        ens: name.map(|bound| BoundName {
            name: bound.name,
            block: bound.block,
        }),
        balance: convert::balance(&account),
        total_spent: account.spent,
        total_jobs: account.jobs,
    }))
}

/// What a client has and may spend.
#[utoipa::path(get, path = "/api/v1/clients/{id}/balance", tag = "clients",
    params(("id" = String, Path, description = "An address, or a name that the chain resolves", min_length = 1, max_length = 255)),
    responses((status = 200, body = Balance), Problems, Refusal<400>, Refusal<404>))]
pub async fn balance(State(app): State<App>, PathOf(id): PathOf<String>) -> Answer<Json<Balance>> {
    Ok(Json(convert::balance(&find(&app, &id).await?)))
}

/// Query of a client's history.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// The `next` of the page before.
    after: Option<String>,
    /// Lines a page, at most 500; 50 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// What moved a client's money, newest first. A page may be shorter than its limit and still have a
/// next.
#[utoipa::path(get, path = "/api/v1/clients/{id}/history", tag = "clients",
    params(("id" = String, Path, description = "An address, or a name that the chain resolves", min_length = 1, max_length = 255), HistoryQuery),
    responses((status = 200, body = Page<HistoryLine>), Problems, Refusal<400>, Refusal<404>))]
pub async fn history(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<HistoryQuery>,
) -> Answer<Json<Page<HistoryLine>>> {
    let limit = page_rows(query.limit.as_deref())?;
    let before = query
        .after
        .as_deref()
        .map(|text| parse("after", text))
        .transpose()?;
    let client = app.names.address(&id).await?;
    let entries = app.ledger.history(client, before, limit).await?;
    let full = entries.len() == limit as usize;
    let next = entries
        .last()
        .filter(|_| full)
        .map(|entry| entry.id.to_string());
    let items = entries.iter().filter_map(convert::history).collect();
    Ok(Json(Page { items, next }))
}

/// Says where a deposit stands. It credits nothing: only the chain does.
#[utoipa::path(post, path = "/api/v1/clients/{id}/topup", tag = "clients", request_body = TopUp,
    params(("id" = String, Path, description = "An address, or a name that the chain resolves", min_length = 1, max_length = 255)),
    responses((status = 200, body = TopUpStatus), Problems, BodyProblems, Refusal<404>))]
pub async fn top_up(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    JsonBody(TopUp { transaction }): JsonBody<TopUp>,
) -> Answer<Json<TopUpStatus>> {
    let client: Address = app.names.address(&id).await?;
    let mut amount = MicroUsdc::ZERO;
    let (mut seen, mut safe) = (false, true);
    let mut before = None;
    for _ in 0..TOP_UP_PAGES_MAX {
        let entries = app.ledger.history(client, before, PAGE_ROWS_MAX).await?;
        let deposits = entries
            .iter()
            .filter(|entry| entry.kind == HistoryKind::Deposit && entry.tx == Some(transaction));
        for deposit in deposits.filter(|deposit| deposit.state != TransferState::Voided) {
            amount = MicroUsdc(amount.0.saturating_add(deposit.amount.0));
            seen = true;
            safe &= deposit.state == TransferState::Posted;
        }
        match entries.last() {
            Some(last) if !seen && entries.len() == PAGE_ROWS_MAX as usize => {
                before = Some(last.id)
            }
            _ => break,
        }
    }
    let state = match (seen, safe) {
        (false, _) => "unknown",
        (true, false) => "included",
        (true, true) => "safe",
    };
    Ok(Json(TopUpStatus {
        state: state.into(),
        amount,
    }))
}
