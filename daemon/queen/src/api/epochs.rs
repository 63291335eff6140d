//! Epochs: list, one, its jobs, its payouts, its bundle's files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use swarm_ledger::JobFilter;
use swarm_ledger::records::{EpochRecord, EpochState};
use swarm_types::EpochId;
use swarm_types::api::{Epoch, EpochPayout, Job, Page};
use swarm_types::bundle::{AGENTS, CLIENTS, PAYOUTS, Payout, SIGNATURE, SUMMARY, page_name};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;
use utoipa::IntoParams;

use super::docs::{AnyJson, Problems, Refusal};
use super::jobs::{page, page_rows};
use crate::convert;
use crate::extract::{PathOf, QueryOf, parse};
use crate::limits::BUNDLE_FILE_BYTES_MAX;
use crate::problem::{Answer, Refused};
use crate::state::{App, AppState};

/// Bytes of a file that are read at once.
const READ_BYTES: usize = 256 << 10;

/// Query of a list of epochs, or of an epoch's jobs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The `next` of the page before.
    after: Option<String>,
    /// Items a page, at most 500; 50 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

async fn find(app: &AppState, id: &str) -> Answer<EpochRecord> {
    let id: EpochId = parse("id", id)?;
    let epoch = app.ledger.epoch(id).await?;
    epoch.ok_or_else(|| Refused::missing(format!("{id} does not exist")))
}

/// An epoch with the CID of its bundle, once that is there.
async fn shown(app: &App, record: &EpochRecord) -> Epoch {
    let cid = match &record.seal {
        Some(seal) => app.bundle_cid(record.id, seal.0.bundle).await,
        None => None,
    };
    convert::epoch(record, cid)
}

/// Epochs, newest first; `after` is the last one that was seen.
#[utoipa::path(get, path = "/api/v1/epochs", tag = "epochs", params(PageQuery), responses(
    (status = 200, body = Page<Epoch>), Problems, Refusal<400>))]
pub async fn list(
    State(app): State<App>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Answer<Json<Page<Epoch>>> {
    let limit = page_rows(query.limit.as_deref())?;
    let before = query.after.as_deref();
    let before = before.map(|text| parse("after", text)).transpose()?;
    let records = app.ledger.epochs(before, limit).await?;
    // The CID of each bundle is shown with the epoch itself: a list stays cheap.
    let items = records.iter().map(|record| convert::epoch(record, None));
    let items = items.collect();
    let full = records.len() == limit as usize;
    let next = records.last().filter(|_| full);
    let next = next.map(|record| record.id.to_string());
    Ok(Json(Page { items, next }))
}

/// The open epoch.
#[utoipa::path(get, path = "/api/v1/epochs/current", tag = "epochs", responses(
    (status = 200, body = Epoch), Problems, Refusal<404>))]
pub async fn current(State(app): State<App>) -> Answer<Json<Epoch>> {
    // The newest epoch is the open one.
    let newest = app.ledger.epochs(None, 1).await?;
    let record = newest.first();
    let record = record.ok_or_else(|| Refused::missing("no epoch is open"))?;
    Ok(Json(shown(&app, record).await))
}

/// An epoch.
#[utoipa::path(get, path = "/api/v1/epochs/{id}", tag = "epochs",
    params(("id" = String, Path, description = "Such as epoch-002, or 2", pattern = "^(epoch-[0-9]{3,19}|0|[1-9][0-9]{0,18})$")),
    responses((status = 200, body = Epoch), Problems, Refusal<400>, Refusal<404>))]
pub async fn get(State(app): State<App>, PathOf(id): PathOf<String>) -> Answer<Json<Epoch>> {
    let record = find(&app, &id).await?;
    Ok(Json(shown(&app, &record).await))
}

/// The jobs that an epoch settles, newest first.
#[utoipa::path(get, path = "/api/v1/epochs/{id}/jobs", tag = "epochs",
    params(("id" = String, Path, description = "Such as epoch-002, or 2", pattern = "^(epoch-[0-9]{3,19}|0|[1-9][0-9]{0,18})$"), PageQuery),
    responses((status = 200, body = Page<Job>), Problems, Refusal<400>, Refusal<404>))]
pub async fn jobs(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Answer<Json<Page<Job>>> {
    let filter = JobFilter {
        settles_in: Some(find(&app, &id).await?.id),
        after: query
            .after
            .as_deref()
            .map(|text| parse("after", text))
            .transpose()?,
        limit: page_rows(query.limit.as_deref())?,
        ..JobFilter::default()
    };
    page(&app, filter).await
}

/// What a sealed epoch pays, and what each amount consists of.
#[utoipa::path(get, path = "/api/v1/epochs/{id}/payouts", tag = "epochs",
    params(("id" = String, Path, description = "Such as epoch-002, or 2", pattern = "^(epoch-[0-9]{3,19}|0|[1-9][0-9]{0,18})$")),
    responses((status = 200, body = Vec<EpochPayout>), Problems, Refusal<400>, Refusal<404>, Refusal<409>))]
pub async fn payouts(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
) -> Answer<Json<Vec<EpochPayout>>> {
    let record = find(&app, &id).await?;
    let Some(paid) = app.ledger.epoch_payouts(record.id).await? else {
        let detail = format!("{} is not sealed yet", record.id);
        return Err(Refused::conflict("not-sealed", detail));
    };
    // The ledger has the vector; the bundle says what each amount consists of.
    let dir = app.bundle_dir(record.id);
    let parts = tokio::task::spawn_blocking(move || read_bundle_file(&dir, PAYOUTS)).await;
    let parts =
        parts.map_err(|error| Refused::internal("the bundle could not be read", &error))??;
    let parts: Vec<Payout> = serde_json::from_slice(&parts)
        .map_err(|error| Refused::internal("the epoch's bundle is damaged", &error))?;
    let mut parts: BTreeMap<_, _> = parts
        .into_iter()
        .map(|payout| (payout.payee, payout.parts))
        .collect();
    let status = match record.state {
        EpochState::Final => "paid",
        EpochState::Void => "void",
        _ => "pending",
    };
    let lines = paid.payouts.into_iter().map(|(payee, amount)| EpochPayout {
        payee,
        amount,
        amount_usd: amount.dollars(),
        parts: parts.remove(&payee).unwrap_or_default(),
        status: status.into(),
    });
    Ok(Json(lines.collect()))
}

/// A file of an epoch's bundle, byte for byte: SUMMARY.json, SIGNATURE.txt, agents.json, clients.json,
/// payouts.json, jobs/00000.json and on.
#[utoipa::path(get, path = "/api/v1/epochs/{id}/bundle/{*file}", tag = "epochs",
    params(("id" = String, Path, description = "Such as epoch-002, or 2", pattern = "^(epoch-[0-9]{3,19}|0|[1-9][0-9]{0,18})$"),
        ("file" = String, Path, description = "Such as SUMMARY.json or jobs/00000.json")),
    responses((status = 200, description = "The file", content(
        (AnyJson = "application/json"), (String = "text/plain"))), Problems, Refusal<400>, Refusal<404>))]
pub async fn bundle_file(
    State(app): State<App>,
    PathOf((id, file)): PathOf<(String, String)>,
) -> Answer<impl IntoResponse> {
    let record = find(&app, &id).await?;
    if record.seal.is_none() {
        return Err(Refused::missing(format!("{} is not sealed yet", record.id)));
    }
    let kind = match file.as_str() {
        SIGNATURE => "text/plain; charset=utf-8",
        _ => "application/json",
    };
    if !is_bundle_file(&file) {
        return Err(no_file(&file));
    }
    let opened = tokio::fs::File::open(app.bundle_dir(record.id).join(&file)).await;
    let opened = opened.map_err(|error| unreadable(&file, error))?;
    let meta = opened.metadata().await;
    let length = meta.map_err(|error| unreadable(&file, error))?.len();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
    ];
    let body = ReaderStream::with_capacity(opened.take(length), READ_BYTES);
    Ok((headers, Body::from_stream(body)))
}

/// Whether a bundle has a file of this name. Nothing else in the directory can be asked for.
fn is_bundle_file(name: &str) -> bool {
    if [SUMMARY, SIGNATURE, AGENTS, CLIENTS, PAYOUTS].contains(&name) {
        return true;
    }
    let number = name
        .strip_prefix("jobs/")
        .and_then(|name| name.strip_suffix(".json"));
    let number = number.and_then(|digits| digits.parse::<usize>().ok());
    number.is_some_and(|number| page_name(number) == name)
}

fn no_file(name: &str) -> Refused {
    let shown: String = name.chars().take(40).collect();
    Refused::missing(format!("the bundle has no file {shown}"))
}

fn unreadable(name: &str, error: std::io::Error) -> Refused {
    match error.kind() {
        std::io::ErrorKind::NotFound => no_file(name),
        _ => Refused::internal("the bundle could not be read", &error),
    }
}

/// Reads a file of a bundle. Blocks.
pub fn read_bundle_file(dir: &Path, name: &str) -> Answer<Vec<u8>> {
    if !is_bundle_file(name) {
        return Err(no_file(name));
    }
    let file = std::fs::File::open(dir.join(name)).map_err(|error| unreadable(name, error))?;
    let mut bytes = Vec::new();
    file.take(BUNDLE_FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(name, error))?;
    if bytes.len() as u64 > BUNDLE_FILE_BYTES_MAX {
        let error = std::io::Error::other("larger than any bundle's file");
        return Err(unreadable(name, error));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_files_of_a_bundle_have_names() {
        for good in [
            "SUMMARY.json",
            "SIGNATURE.txt",
            "jobs/00000.json",
            "jobs/123456.json",
        ] {
            assert!(is_bundle_file(good), "{good}");
        }
        for bad in [
            "",
            "jobs/0.json",
            "jobs/000001.json",
            "jobs/../SUMMARY.json",
            "../../ledger.sqlite",
            "/etc/passwd",
            "jobs/-0001.json",
            "jobs/+0001.json",
            "summary.json",
        ] {
            assert!(!is_bundle_file(bad), "{bad}");
        }
    }
}
