//! Blobs: resumable uploads, downloads by range. The queen sees ciphertext only.

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use swarm_ledger::JobFilter;
use swarm_ledger::commands::{BlobBegin, BlobComplete};
use swarm_ledger::records::{BlobKind, BlobRecord};
use swarm_types::api::{BlobRef, BlobStatus, BlobUpload, HEADER_UPLOAD_OFFSET};
use swarm_types::{Address, B256, JobId};
use tokio_util::io::ReaderStream;
use utoipa::IntoParams;

use super::docs::{BodyProblems, Octets, Problems, Refusal, SignedHeaders, SignedProblems};
use super::jobs::acts_for;
use super::range::{self, READ_BYTES};
use crate::auth::{Signed, claimed_address};
use crate::convert;
use crate::extract::{PathOf, QueryOf, one_header, parse, parse_sha256};
use crate::problem::{Answer, Refused};
use crate::state::{App, AppState};

/// Jobs of a client that are looked through for a result that names no job.
const RESULT_JOBS_MAX: usize = 5_000;
/// Jobs looked through at once.
const RESULT_PAGE_ROWS: u32 = 500;

/// Query of an upload.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BeginQuery {
    /// For an order signer: the client for whom it uploads an input.
    client: Option<String>,
    /// For a bee that holds several leases: the job whose result this is.
    job: Option<String>,
}

/// Begins an upload, or finds where it stands. Inputs come from clients with an account in the escrow
/// (or their order signers), results from bees with a lease: nobody else may fill the disk.
#[utoipa::path(put, path = "/api/v1/blobs/{sha256}", tag = "blobs",
    params(("sha256" = String, Path, description = "64 lower-case hex digits", pattern = "^[0-9a-f]{64}$"),
        BeginQuery, SignedHeaders),
    request_body = BlobUpload,
    responses((status = 200, body = BlobStatus), Problems, SignedProblems, BodyProblems, Refusal<403>, Refusal<410>))]
pub async fn begin(
    State(app): State<App>,
    PathOf(sha256): PathOf<String>,
    QueryOf(query): QueryOf<BeginQuery>,
    signed: Signed,
) -> Answer<Json<BlobStatus>> {
    let sha256 = parse_sha256(&sha256)?;
    let BlobUpload { size } = signed.json()?;
    let max = app.config.limits.blob_bytes_max;
    if size == 0 || size > max {
        let error = swarm_store::StoreError::Size { size, max };
        return Err(error.into());
    }
    let (kind, job) = uploads(&app, signed.signer, &query).await?;
    let blob = BlobRef { sha256, size };
    let command = BlobBegin {
        now: app.clock.seconds(),
        blob: convert::ledger_blob(&blob),
        kind,
        uploader: signed.signer,
        job,
    };
    let known = app.ledger.blob(sha256).await?;
    match known.filter(|record| record.deleted_at.is_none()) {
        Some(record) if record.uploader != signed.signer => {
            let detail = "somebody else uploads or uploaded these very bytes";
            return Err(Refused::conflict("blob-taken", detail).field("sha256"));
        }
        Some(record) if record.blob.size != size => {
            let detail = format!("the upload was begun with {} bytes", record.blob.size);
            return Err(Refused::conflict("blob-differs", detail).field("size"));
        }
        Some(_) => {}
        None => {
            app.ledger.blob_begin(command).await?;
        }
    }
    swarm_faults::point("queen.upload.begun");
    let status = app.store.begin(blob).await?;
    settle(&app, sha256, &status).await?;
    Ok(Json(status))
}

/// What the signer may upload now.
async fn uploads(
    app: &AppState,
    signer: Address,
    query: &BeginQuery,
) -> Answer<(BlobKind, Option<JobId>)> {
    let bee = app.rails.bee(&signer).filter(|bee| bee.approved());
    if bee.is_some() {
        let leases = app.ledger.leases(signer, app.clock.seconds()).await?;
        let jobs: Vec<JobId> = leases.iter().map(|lease| lease.job.id).collect();
        let named: Option<JobId> = query
            .job
            .as_deref()
            .map(|text| parse("job", text))
            .transpose()?;
        match (named, jobs.as_slice()) {
            (Some(job), _) if jobs.contains(&job) => return Ok((BlobKind::Result, Some(job))),
            (Some(job), _) => {
                let detail = format!("this bee holds no lease of {job}");
                return Err(Refused::forbidden("no-lease", detail).field("job"));
            }
            (None, [job]) => return Ok((BlobKind::Result, Some(*job))),
            // Which one shows when the job is completed with it.
            (None, [_, _, ..]) => return Ok((BlobKind::Result, None)),
            (None, []) => {}
        }
    }
    let client = match &query.client {
        Some(id) => parse("client", id)?,
        None => signer,
    };
    let known = app
        .ledger
        .client(client, app.clock.seconds())
        .await?
        .is_some();
    if known && acts_for(app, signer, client).await? {
        return Ok((BlobKind::Input, None));
    }
    let detail = format!(
        "{signer} may not upload: deposit into the escrow first (an order signer names its client with ?client=), or hold a lease"
    );
    Err(Refused::forbidden("unknown-uploader", detail))
}

/// Notes in the ledger that a blob is whole.
async fn settle(app: &AppState, sha256: B256, status: &BlobStatus) -> Answer<()> {
    if status.complete {
        let now = app.clock.seconds();
        app.ledger
            .blob_complete(BlobComplete { now, sha256 })
            .await?;
        swarm_faults::point("queen.upload.completed");
    }
    Ok(())
}

/// Appends a piece of at most 8 MiB where the upload stands. With the last byte the digest is checked.
#[utoipa::path(patch, path = "/api/v1/blobs/{sha256}", tag = "blobs",
    params(("sha256" = String, Path, description = "64 lower-case hex digits", pattern = "^[0-9a-f]{64}$"),
        ("upload-offset" = String, Header, description = "Where the piece begins"), SignedHeaders),
    request_body(content = Octets, content_type = "application/octet-stream"),
    responses((status = 200, body = BlobStatus), Problems, SignedProblems, BodyProblems, Refusal<404>, Refusal<410>))]
pub async fn append(
    State(app): State<App>,
    PathOf(sha256): PathOf<String>,
    request: Request,
) -> Answer<Json<BlobStatus>> {
    let sha256 = parse_sha256(&sha256)?;
    // Before the body is read, so that nobody makes her hold pieces of uploads that are not there. Whether the
    // claim is true shows after it.
    let claimed = claimed_address(request.headers())?;
    let offset = one_header(request.headers(), HEADER_UPLOAD_OFFSET)?;
    let offset = offset.and_then(swarm_types::dec::parse).ok_or_else(|| {
        let detail = format!("{HEADER_UPLOAD_OFFSET} must say where the piece begins, in decimal");
        Refused::malformed(detail).field(HEADER_UPLOAD_OFFSET)
    })?;
    own_upload(&app, sha256, claimed).await?;
    let _room = app
        .pieces
        .try_acquire()
        .map_err(|_| Refused::unavailable("busy", "as many pieces are being received as may be"))?;
    let signed = Signed::from_request(request, &app).await?;
    let length = signed.body.len() as u64;
    let status = app.store.append(sha256, offset, signed.body).await?;
    swarm_faults::point("queen.upload.piece_written");
    app.metrics.bytes_in.add(length);
    settle(&app, sha256, &status).await?;
    Ok(Json(status))
}

async fn own_upload(app: &AppState, sha256: B256, signer: Address) -> Answer<BlobRecord> {
    let record = app.ledger.blob(sha256).await?;
    let own = |record: &BlobRecord| record.uploader == signer && record.deleted_at.is_none();
    record.filter(own).ok_or_else(|| {
        Refused::missing("you have begun no upload of these bytes; begin it with PUT")
    })
}

/// How far an upload is, for who began it.
#[utoipa::path(get, path = "/api/v1/blobs/{sha256}/status", tag = "blobs",
    params(("sha256" = String, Path, description = "64 lower-case hex digits", pattern = "^[0-9a-f]{64}$"),
        SignedHeaders),
    responses((status = 200, body = BlobStatus), Problems, SignedProblems, Refusal<404>))]
pub async fn status(
    State(app): State<App>,
    PathOf(sha256): PathOf<String>,
    signed: Signed,
) -> Answer<Json<BlobStatus>> {
    let sha256 = parse_sha256(&sha256)?;
    own_upload(&app, sha256, signed.signer).await?;
    let status = app.store.status(sha256).await?;
    let status = status.ok_or_else(|| Refused::missing("the upload was swept; begin it again"))?;
    Ok(Json(status))
}

/// A blob, or a range of it. An input is for its uploader and for a bee that holds a lease on its job; a
/// result for the job's client.
#[utoipa::path(get, path = "/api/v1/blobs/{sha256}", tag = "blobs",
    params(("sha256" = String, Path, description = "64 lower-case hex digits", pattern = "^[0-9a-f]{64}$"),
        ("range" = Option<String>, Header, description = "Such as bytes=0-1023"), SignedHeaders),
    responses(
        (status = 200, body = Octets, content_type = "application/octet-stream"),
        (status = 206, description = "The range that was asked for", body = Octets, content_type = "application/octet-stream"),
        Problems, SignedProblems, Refusal<403>, Refusal<404>, Refusal<416>))]
pub async fn download(
    State(app): State<App>,
    PathOf(sha256): PathOf<String>,
    headers: HeaderMap,
    signed: Signed,
) -> Answer<Response> {
    let sha256 = parse_sha256(&sha256)?;
    let record = app.ledger.blob(sha256).await?;
    let there = |record: &BlobRecord| record.deleted_at.is_none() && record.completed_at.is_some();
    let Some(record) = record.filter(there) else {
        return Err(Refused::missing(
            "there is no such blob; it may have been deleted",
        ));
    };
    if !may_read(&app, signed.signer, &record).await? {
        let detail = "an input is for its uploader and for bees with a lease on its job, a result for the job's client";
        return Err(Refused::forbidden("not-reader", detail));
    }
    let size = record.blob.size;
    let range = range::asked(&headers, size)?;
    let reader = app.store.read(sha256, range.clone()).await?;
    app.metrics
        .bytes_out
        .add(reader.range.end - reader.range.start);
    let body = Body::from_stream(ReaderStream::with_capacity(reader, READ_BYTES));
    Ok(range::answer(body, "application/octet-stream", range, size))
}

async fn may_read(app: &AppState, who: Address, record: &BlobRecord) -> Answer<bool> {
    match record.kind {
        BlobKind::Input => {
            if record.uploader == who {
                return Ok(true);
            }
            let leases = app.ledger.leases(who, app.clock.seconds()).await?;
            let sha256 = record.blob.sha256;
            Ok(leases.iter().any(|lease| lease.job.input.sha256 == sha256))
        }
        BlobKind::Result => match record.job {
            Some(id) => match app.ledger.job(id).await? {
                Some(job) => acts_for(app, who, job.order.order.client).await,
                None => Ok(false),
            },
            None => has_result(app, who, record.blob.sha256).await,
        },
    }
}

/// Whether one of the client's jobs was completed with this result.
async fn has_result(app: &AppState, client: Address, sha256: B256) -> Answer<bool> {
    let mut after = None;
    for _ in 0..RESULT_JOBS_MAX / RESULT_PAGE_ROWS as usize {
        let filter = JobFilter {
            client: Some(client),
            after,
            limit: RESULT_PAGE_ROWS,
            ..JobFilter::default()
        };
        let jobs = app.ledger.jobs(filter).await?;
        let mut done = jobs.iter().filter_map(|job| job.completion.as_ref());
        if done.any(|done| done.result.sha256 == sha256) {
            return Ok(true);
        }
        match jobs.last() {
            Some(last) if jobs.len() == RESULT_PAGE_ROWS as usize => after = Some(last.id),
            _ => break,
        }
    }
    Ok(false)
}
