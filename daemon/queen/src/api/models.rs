//! Models: list, show, and what the operator does with packages: upload, activate, delete.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::StreamExt;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use swarm_package::PackageError;
use swarm_types::api::{BlobRef, HEADER_CONTENT_SHA256, ModelBee, ModelDetail, ModelInfo};
use swarm_types::{B256, hex, schema};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;
use utoipa::IntoParams;

use super::docs::{Octets, Problems, Refusal, SignedHeaders, SignedProblems};
use super::range::{self, READ_BYTES};
use crate::auth::{Signed, SignedStream};
use crate::catalogue::{Incoming, Model, StoredModel, UploadError};
use crate::extract::{PathOf, QueryOf, parse, refuse_coding};
use crate::limits::MODELS_MAX;
use crate::problem::{Answer, Refused, chain, is_full};
use crate::state::{App, AppState};

/// Query of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ModelsQuery {
    /// `true`: those too that cannot be ordered now.
    #[param(value_type = Option<bool>)]
    all: Option<String>,
}

/// SHA-256 of the body, which stands for the body in the signature.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "only its documentation is used")]
pub struct ContentHeader {
    /// SHA-256 of the body in hex; the request's signature is over it.
    #[param(rename = "swarm-content-sha256", value_type = schema::Hash)]
    sha256: String,
}

/// The models that can be ordered.
#[utoipa::path(get, path = "/api/v1/models", tag = "models", params(ModelsQuery), responses(
    (status = 200, body = Vec<ModelInfo>), Problems, Refusal<400>))]
pub async fn list(
    State(app): State<App>,
    QueryOf(query): QueryOf<ModelsQuery>,
) -> Answer<Json<Vec<ModelInfo>>> {
    let all: bool = match query.all.as_deref() {
        Some(text) => parse("all", text)?,
        None => false,
    };
    let models = app.catalogue.all();
    let shown = models.values().filter(|model| all || model.active);
    Ok(Json(shown.map(|model| info(&app, model)).collect()))
}

fn info(app: &AppState, model: &Model) -> ModelInfo {
    ModelInfo {
        digest: model.digest,
        name: model.name.clone(),
        version: model.version.clone(),
        licence: model.licence.clone(),
        job_type: model.job_type.clone(),
        kind: model.kind.clone(),
        active: model.active,
        fee: model.fee,
        fee_usd: model.fee.dollars(),
        memory_mib: model.memory_mib,
        bees_online: app.rails.online(Some(&model.digest)),
        package: model.upload.as_ref().map(|upload| BlobRef {
            sha256: upload.sha256,
            size: upload.size,
        }),
    }
}

async fn detail(app: &AppState, model: &Model) -> Answer<ModelDetail> {
    let digest = model.digest;
    let approved = app.rails.bees().into_iter().filter(|bee| bee.approved());
    let bees = approved.filter_map(|bee| {
        let mut faults = bee.stats.model_faults.iter();
        let fault = faults.find(|fault| fault.model == digest);
        let serves = bee.profile.models.contains(&digest);
        (serves || fault.is_some()).then(|| ModelBee {
            worker: bee.worker,
            name: bee.record.label.clone().unwrap_or_default(),
            serves,
            warm: serves && bee.stats.warm_models.contains(&digest),
            fault: fault.map(|fault| fault.reason.clone()),
        })
    });
    Ok(ModelDetail {
        model: info(app, model),
        bees: bees.collect(),
        open_jobs: app.ledger.open_jobs_of_model(digest).await?,
        uploaded_by: model.upload.as_ref().map(|upload| upload.by),
        uploaded_at: model.upload.as_ref().map(|upload| upload.at),
    })
}

fn find(app: &AppState, digest: &str) -> Answer<Arc<Model>> {
    let digest: B256 = parse("digest", digest)?;
    app.catalogue.get(&digest).ok_or_else(|| {
        let detail =
            format!("no model has the digest {digest}; GET /api/v1/models?all=true lists them");
        Refused::missing(detail)
    })
}

/// A model, the bees that serve it, and why others do not.
#[utoipa::path(get, path = "/api/v1/models/{digest}", tag = "models",
    params(("digest" = schema::Hash, Path, description = "Digest of the package")),
    responses((status = 200, body = ModelDetail), Problems, Refusal<400>, Refusal<404>))]
pub async fn get(
    State(app): State<App>,
    PathOf(digest): PathOf<String>,
) -> Answer<Json<ModelDetail>> {
    let model = find(&app, &digest)?;
    detail(&app, &model).await.map(Json)
}

/// Takes a model package, one uncompressed tar with `model.toml` and `model.onnx`. It is checked here (sizes, names, the
/// description, the network's operators, inputs and outputs) and stored; it can be ordered once it is activated. The same
/// package again gets the first answer. For operators.
#[utoipa::path(post, path = "/api/v1/models", tag = "models",
    params(SignedHeaders, ContentHeader),
    request_body(content = Octets, content_type = "application/x-tar"),
    responses(
        (status = 201, description = "Stored, not active yet", body = ModelDetail),
        (status = 200, description = "This very package is there already", body = ModelDetail),
        Problems, SignedProblems, Refusal<403>, Refusal<422>))]
pub async fn upload(
    State(app): State<App>,
    signed: SignedStream,
) -> Answer<(StatusCode, Json<ModelDetail>)> {
    signed.operator(&app)?;
    let (by, sha256) = (signed.signer, signed.sha256);
    refuse_coding(signed.request.headers())?;
    let max = app.config.limits.model_bytes_max;
    let length = signed.request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max) {
        return Err(too_large(max));
    }
    let Ok(_one) = app.packages.try_acquire() else {
        let detail = "another package is being received; repeat the request later";
        return Err(Refused::unavailable("package-under-way", detail));
    };
    let incoming = receive(&app, signed.request.into_body(), sha256, max).await?;
    let (store, at) = (app.catalogue.store.clone(), app.clock.seconds());
    let received = blocking(move || store.receive(incoming, by, at)).await?;

    let _alone = app.catalogue.changing.lock().await;
    let (new, models) = (&received.stored, app.catalogue.all());
    if let Some(model) = models.get(&new.digest) {
        return Ok((StatusCode::OK, Json(detail(&app, model).await?)));
    }
    let named = |model: &&Arc<Model>| model.name == new.name && model.version == new.version;
    if let Some(other) = models.values().find(named) {
        let detail = format!(
            "{} {} is {}: a version never changes, so give this package another version",
            new.name, new.version, other.digest
        );
        return Err(Refused::conflict("version-taken", detail).field("version"));
    }
    if models.len() >= MODELS_MAX {
        let detail = format!("there are {MODELS_MAX} models; delete one that is not needed");
        return Err(Refused::conflict("too-many-models", detail));
    }
    let store = app.catalogue.store.clone();
    let stored = blocking(move || Ok(store.keep(received)?)).await?;
    let model = Arc::new(stored.model(&app.config));
    app.catalogue.put(model.clone());
    tracing::info!(name = model.name, version = model.version, digest = %model.digest, %by, "a model package was uploaded");
    Ok((StatusCode::CREATED, Json(detail(&app, &model).await?)))
}

fn too_large(max: u64) -> Refused {
    let detail = format!("a package may have {max} bytes here (limits.model_bytes_max)");
    let title = "The body is too large";
    Refused::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        title,
        detail,
    )
    .field("body")
}

/// Writes the body into a file, piece by piece, and compares its digest with the one that was signed.
async fn receive(app: &App, body: Body, sha256: B256, max: u64) -> Answer<Incoming> {
    let store = app.catalogue.store.clone();
    let (incoming, file) = blocking(move || Ok(store.incoming()?)).await?;
    let mut file = tokio::fs::File::from_std(file);
    let mut pieces = body.into_data_stream();
    let (mut hasher, mut size) = (Sha256::new(), 0u64);
    let pause = app.config.limits.body_time.0;
    loop {
        let piece = tokio::time::timeout(pause, pieces.next()).await;
        let piece = piece.map_err(|_| {
            let detail = format!("nothing came for {} s", pause.as_secs());
            let title = "The request took too long";
            Refused::new(StatusCode::REQUEST_TIMEOUT, "timeout", title, detail).field("body")
        })?;
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|_| Refused::malformed("the body ended early").field("body"))?;
        size += piece.len() as u64;
        if size > max {
            return Err(too_large(max));
        }
        hasher.update(&piece);
        file.write_all(&piece)
            .await
            .map_err(|error| refuse_io(&error))?;
    }
    file.flush().await.map_err(|error| refuse_io(&error))?;
    let found = B256::new(hasher.finalize().into());
    if found != sha256 {
        let detail = format!("the body's SHA-256 is {found}, the header says {sha256}");
        return Err(Refused::invalid("digest", HEADER_CONTENT_SHA256, detail));
    }
    Ok(incoming)
}

/// Runs what waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UploadError> + Send + 'static,
) -> Answer<T> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| Refused::internal("a package could not be handled", &error))?;
    done.map_err(|error| match error {
        UploadError::Package(error) => refuse_package(&error),
        UploadError::Io(error) => refuse_io(&error),
    })
}

fn refuse_io(error: &io::Error) -> Refused {
    if is_full(error) {
        tracing::error!(%error, "the disk is full");
        let detail = "the queen's disk is full; repeat the request later";
        return Refused::unavailable("disk-full", detail);
    }
    tracing::error!(%error, "the model store failed");
    Refused::unavailable("model-store", "the queen's disk failed; her log says why")
}

fn refuse_package(error: &PackageError) -> Refused {
    let field = match error {
        PackageError::Missing { file } => *file,
        PackageError::Syntax { .. } | PackageError::Text | PackageError::Spec { .. } => {
            "model.toml"
        }
        PackageError::Onnx { .. } => "model.onnx",
        _ => "body",
    };
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let detail: String = chain(error).chars().map(visible).take(2_000).collect();
    Refused::invalid("package", field, detail)
}

/// Lets a model be ordered. For operators.
#[utoipa::path(post, path = "/api/v1/models/{digest}/activate", tag = "models",
    params(("digest" = schema::Hash, Path, description = "Digest of the package"), SignedHeaders),
    responses((status = 200, body = ModelDetail), Problems, SignedProblems, Refusal<403>, Refusal<404>))]
pub async fn activate(
    State(app): State<App>,
    PathOf(digest): PathOf<String>,
    signed: Signed,
) -> Answer<Json<ModelDetail>> {
    set_active(&app, &digest, &signed, true).await
}

/// Lets a model be ordered no more; what was ordered is still done. For operators.
#[utoipa::path(post, path = "/api/v1/models/{digest}/deactivate", tag = "models",
    params(("digest" = schema::Hash, Path, description = "Digest of the package"), SignedHeaders),
    responses((status = 200, body = ModelDetail), Problems, SignedProblems, Refusal<403>, Refusal<404>))]
pub async fn deactivate(
    State(app): State<App>,
    PathOf(digest): PathOf<String>,
    signed: Signed,
) -> Answer<Json<ModelDetail>> {
    set_active(&app, &digest, &signed, false).await
}

async fn set_active(
    app: &App,
    digest: &str,
    signed: &Signed,
    active: bool,
) -> Answer<Json<ModelDetail>> {
    signed.operator(app)?;
    let _alone = app.catalogue.changing.lock().await;
    let model = find(app, digest)?;
    if model.active != active {
        let mut stored = uploaded(&model)?;
        stored.active = active;
        let store = app.catalogue.store.clone();
        let kept = stored.clone();
        blocking(move || Ok(store.record(&kept)?)).await?;
        app.catalogue.put(Arc::new(stored.model(&app.config)));
        tracing::info!(name = model.name, version = model.version, %digest, active, "a model was switched");
    }
    let model = find(app, digest)?;
    detail(app, &model).await.map(Json)
}

/// What is kept of an uploaded model; refuses one of the models directory.
fn uploaded(model: &Model) -> Answer<StoredModel> {
    StoredModel::of(model).ok_or_else(|| {
        let detail = format!(
            "{} {} lies in the queen's models directory and is not managed here: change the directory and start her again",
            model.name, model.version
        );
        Refused::conflict("not-uploaded", detail)
    })
}

/// Removes a model that is not active and that no open job orders. For operators.
#[utoipa::path(delete, path = "/api/v1/models/{digest}", tag = "models",
    params(("digest" = schema::Hash, Path, description = "Digest of the package"), SignedHeaders),
    responses((status = 204, description = "It is gone"), Problems, SignedProblems, Refusal<403>, Refusal<404>))]
pub async fn delete(
    State(app): State<App>,
    PathOf(digest): PathOf<String>,
    signed: Signed,
) -> Answer<StatusCode> {
    signed.operator(&app)?;
    let _alone = app.catalogue.changing.lock().await;
    let model = find(&app, &digest)?;
    uploaded(&model)?;
    let Model { name, version, .. } = &*model;
    if model.active {
        let detail = format!("{name} {version} is active; deactivate it first");
        return Err(Refused::conflict("model-active", detail));
    }
    // A submission that saw the model active may not have its job yet.
    drop(app.uploads.destroy().await);
    let open = app.ledger.open_jobs_of_model(model.digest).await?;
    if open > 0 {
        let detail =
            format!("{open} open job(s) order {name} {version}; delete it when they have ended");
        return Err(Refused::conflict("model-in-use", detail));
    }
    let (store, gone) = (app.catalogue.store.clone(), model.digest);
    blocking(move || Ok(store.remove(&gone)?)).await?;
    app.catalogue.remove(&model.digest);
    tracing::info!(name, version, digest = %model.digest, "a model was deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// The package as one tar, or a range of it. The weights may be bound by their licence, so it is for operators and approved bees.
#[utoipa::path(get, path = "/api/v1/models/{digest}/package", tag = "models",
    params(("digest" = schema::Hash, Path, description = "Digest of the package"),
        ("range" = Option<String>, Header, description = "Such as bytes=0-1023"), SignedHeaders),
    responses(
        (status = 200, body = Octets, content_type = "application/x-tar"),
        (status = 206, description = "The range that was asked for", body = Octets, content_type = "application/x-tar"),
        Problems, SignedProblems, Refusal<403>, Refusal<404>, Refusal<416>))]
pub async fn package(
    State(app): State<App>,
    PathOf(digest): PathOf<String>,
    headers: HeaderMap,
    signed: Signed,
) -> Answer<Response> {
    let bee = app.rails.bee(&signed.signer);
    if !bee.is_some_and(|bee| bee.approved()) && signed.operator(&app).is_err() {
        let detail = "a package is for operators and approved bees: its weights may be bound by their licence";
        return Err(Refused::forbidden("not-reader", detail));
    }
    let model = find(&app, &digest)?;
    let stored = uploaded(&model)?;
    let range = range::asked(&headers, stored.size)?;
    let path = app.catalogue.store.tar(&model.digest);
    let mut file = match tokio::fs::File::open(&path).await {
        Ok(file) => file,
        // Deleted between the look and the opening.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Refused::missing("the model was deleted"));
        }
        Err(error) => return Err(refuse_io(&error)),
    };
    let Range { start, end } = range.clone().unwrap_or(0..stored.size);
    let sought = file.seek(io::SeekFrom::Start(start)).await;
    sought.map_err(|error| refuse_io(&error))?;
    app.metrics.bytes_out.add(end - start);
    let bytes = ReaderStream::with_capacity(file.take(end - start), READ_BYTES);
    let body = Body::from_stream(bytes);
    let mut response = range::answer(body, "application/x-tar", range, stored.size);
    let sha256 = HeaderValue::from_str(&hex::encode(stored.sha256));
    response.headers_mut().insert(
        HEADER_CONTENT_SHA256,
        sha256.expect("hex digits make a header value"),
    );
    Ok(response)
}
