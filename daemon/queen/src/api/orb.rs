//! SwarmOrb: the web app at `/`, and the files that it reads, at the same places as in a static site.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use swarm_orb::indexer::account_of_path;
use swarm_orb::{Shown, assets};
use swarm_types::EpochId;
use swarm_types::orb::{AccountFile, EpochFile, Index};

use super::docs::{AnyJson, Problems, Refusal};
use super::epochs;
use crate::extract::PathOf;
use crate::problem::{Answer, Refused};
use crate::state::{App, AppState};

/// For names whose content never changes: a year.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// For the others: ask every time whether it changed.
const REVALIDATE: &str = "no-cache";

/// Bytes with an entity tag: 304 for who has them, compressed for who can read that.
struct Tagged<'a> {
    etag: &'a str,
    content_type: &'static str,
    cache: &'static str,
}

impl Tagged<'_> {
    fn answer(
        &self,
        asked: &HeaderMap,
        plain: impl IntoResponse,
        gzip: Option<impl IntoResponse>,
    ) -> Response {
        let has = |name: header::HeaderName, word: &str| {
            let values = asked
                .get_all(name)
                .into_iter()
                .filter_map(|v| v.to_str().ok());
            values
                .flat_map(|value| value.split(','))
                .any(|item| item.trim().split(';').next() == Some(word))
        };
        let shared = [
            (header::ETAG, self.etag.to_owned()),
            (header::CACHE_CONTROL, self.cache.to_owned()),
            (header::VARY, "accept-encoding".to_owned()),
        ];
        let weak = format!("W/{}", self.etag);
        if has(header::IF_NONE_MATCH, self.etag) || has(header::IF_NONE_MATCH, &weak) {
            return (StatusCode::NOT_MODIFIED, shared).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.content_type)];
        match gzip.filter(|_| has(header::ACCEPT_ENCODING, "gzip")) {
            Some(gzip) => {
                let encoding = [(header::CONTENT_ENCODING, "gzip")];
                (shared, kind, encoding, gzip).into_response()
            }
            None => (shared, kind, plain).into_response(),
        }
    }
}

/// A file of the web app, or a refusal: what no route takes comes here.
pub async fn app_file(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = match uri.path() {
        "/" => assets::PAGE,
        path => path.strip_prefix('/').unwrap_or(path),
    };
    let asset = assets::get(path).filter(|_| [Method::GET, Method::HEAD].contains(&method));
    let Some(asset) = asset else {
        return super::no_route(&uri).into_response();
    };
    let tagged = Tagged {
        etag: &asset.etag,
        content_type: asset.content_type,
        cache: if asset.immutable {
            IMMUTABLE
        } else {
            REVALIDATE
        },
    };
    let gzip = asset.gzip.as_deref();
    tagged.answer(&headers, asset.bytes.as_ref(), gzip)
}

fn shown(app: &AppState) -> Answer<&Shown> {
    app.orb.shown().ok_or_else(|| {
        let detail =
            "the queen was started without chain.rpc_url: she can show nothing of the chain";
        Refused::unavailable("no-chain", detail)
    })
}

/// The index of every settled epoch, from the chain and the bundles alone; it names the block that it is
/// as of.
#[utoipa::path(get, path = "/index.json", tag = "orb", responses(
    (status = 200, body = Index),
    (status = 304, description = "It is the one whose etag was sent"), Problems))]
pub async fn index(State(app): State<App>, headers: HeaderMap) -> Answer<Response> {
    let newest = app.orb.newest();
    let newest = match newest {
        Some(newest) => newest,
        None => {
            shown(&app)?;
            let detail = "the chain is being read for the first time; ask again in a while";
            return Err(Refused::unavailable("index-not-ready", detail));
        }
    };
    // A long index takes a moment to write, once a block at most.
    let made = tokio::task::spawn_blocking(move || {
        newest.text();
        newest
    });
    let newest = made
        .await
        .map_err(|error| Refused::internal("the index could not be written", &error))?;
    let text = newest.text();
    let tagged = Tagged {
        etag: &text.etag,
        content_type: "application/json",
        cache: REVALIDATE,
    };
    Ok(tagged.answer(&headers, text.bytes.clone(), text.gzip.clone()))
}

/// What the chain emitted for an epoch, such as `epoch-001.json`.
#[utoipa::path(get, path = "/chain/{file}", tag = "orb",
    params(("file" = String, Path, description = "Such as epoch-002.json")),
    responses((status = 200, body = EpochFile), Problems, Refusal<400>, Refusal<404>))]
pub async fn chain_file(
    State(app): State<App>,
    PathOf(file): PathOf<String>,
) -> Answer<Json<EpochFile>> {
    let id = file.strip_suffix(".json").and_then(epoch_of_path);
    let id = id.ok_or_else(|| wrong_name("file", "the file is named like epoch-002.json"))?;
    let found = shown(&app)?.epoch(id);
    let found = found.ok_or_else(|| Refused::missing(format!("{id} was never settled")));
    found.map(Json)
}

fn wrong_name(field: &str, detail: &str) -> Refused {
    Refused::malformed(detail).field(field)
}

/// What the chain and the bundles say of an address, such as `0x….json` in lower case.
#[utoipa::path(get, path = "/accounts/{file}", tag = "orb",
    params(("file" = String, Path, description = "The address in lower case, and .json")),
    responses((status = 200, body = AccountFile), Problems, Refusal<400>, Refusal<404>))]
pub async fn account_file(
    State(app): State<App>,
    PathOf(file): PathOf<String>,
) -> Answer<Json<AccountFile>> {
    let account = file.strip_suffix(".json").and_then(account_of_path);
    let account = account.ok_or_else(|| {
        wrong_name(
            "file",
            "the file is named by an address in lower case, and .json",
        )
    })?;
    let found = shown(&app)?.account(&account);
    let missing = || Refused::missing("neither the escrow nor a bundle names this address");
    found.ok_or_else(missing).map(Json)
}

/// A file of an epoch's bundle, byte for byte, where a static site has it.
#[utoipa::path(get, path = "/audit/{id}/{*file}", tag = "orb",
    params(("id" = String, Path, description = "Such as epoch-002"),
        ("file" = String, Path, description = "Such as SUMMARY.json or jobs/00000.json")),
    responses((status = 200, description = "The file", content(
        (AnyJson = "application/json"), (String = "text/plain"))), Problems, Refusal<400>, Refusal<404>))]
pub async fn bundle_file(
    app: State<App>,
    PathOf((id, file)): PathOf<(String, String)>,
) -> Answer<impl IntoResponse> {
    if epoch_of_path(&id).is_none() {
        return Err(wrong_name(
            "id",
            "a bundle's directory is named like epoch-002",
        ));
    }
    epochs::bundle_file(app, PathOf((id, file))).await
}

/// Reads an epoch's name as the files have it, so that one epoch has one path.
fn epoch_of_path(text: &str) -> Option<EpochId> {
    let id: EpochId = text.parse().ok()?;
    (id.to_string() == text).then_some(id)
}
