//! The HTTP API: every route, its handler, and the OpenAPI document made from both.

mod blobs;
mod clients;
mod docs;
mod epochs;
mod events;
mod health;
mod inference;
mod info;
mod jobs;
mod models;
mod operator;
mod orb;
mod range;
mod receipts;
mod results;
mod submit;
mod webhooks;
mod work;
mod workers;
mod x402;

use std::sync::LazyLock;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use swarm_types::api::BLOB_PIECE_BYTES_MAX;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::limits::JSON_BYTES_MAX;
use crate::middleware;
use crate::problem::Refused;
use crate::state::App;

pub use receipts::PageCache;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "SwarmOS queen",
        description = "Jobs, workers, clients and epochs. Integers of 64 bits are decimal strings; amounts are µUSDC. Errors are RFC 9457 problem documents with a stable type."
    ),
    components(schemas(
        swarm_types::problem::Problem,
        swarm_types::bundle::Summary,
        swarm_types::bundle::JobsPage,
        swarm_types::bundle::Agent,
        swarm_types::bundle::ClientCharge,
        swarm_types::bundle::Payout,
    ))
)]
struct Document;

fn routes() -> OpenApiRouter<App> {
    let pieces = OpenApiRouter::new()
        .routes(routes!(blobs::append))
        .layer(DefaultBodyLimit::max(BLOB_PIECE_BYTES_MAX));
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::metrics))
        .routes(routes!(x402::manifest))
        .routes(routes!(docs::openapi))
        .routes(routes!(info::info))
        .routes(routes!(models::list, models::upload))
        .routes(routes!(models::get, models::delete))
        .routes(routes!(models::activate))
        .routes(routes!(models::deactivate))
        .routes(routes!(models::package))
        .routes(routes!(inference::infer))
        .routes(routes!(info::quote))
        .routes(routes!(info::recipients))
        .routes(routes!(info::stats))
        .routes(routes!(info::power))
        .routes(routes!(events::events))
        .routes(routes!(webhooks::add))
        .routes(routes!(blobs::begin, blobs::download))
        .routes(routes!(blobs::status))
        .routes(routes!(submit::submit, jobs::list))
        .routes(routes!(jobs::get))
        .routes(routes!(jobs::why))
        .routes(routes!(jobs::cancel))
        .routes(routes!(results::result))
        .routes(routes!(receipts::receipt))
        .routes(routes!(work::claim))
        .routes(routes!(work::progress))
        .routes(routes!(work::complete))
        .routes(routes!(work::fail))
        .routes(routes!(workers::register))
        .routes(routes!(workers::heartbeat))
        .routes(routes!(workers::lease))
        .routes(routes!(work::complete_all))
        .routes(routes!(workers::list))
        .routes(routes!(workers::get))
        .routes(routes!(workers::samples))
        .routes(routes!(operator::approve))
        .routes(routes!(operator::drain))
        .routes(routes!(operator::join_code))
        .routes(routes!(clients::get))
        .routes(routes!(clients::balance))
        .routes(routes!(clients::history))
        .routes(routes!(clients::top_up))
        .routes(routes!(epochs::list))
        .routes(routes!(epochs::current))
        .routes(routes!(epochs::get))
        .routes(routes!(epochs::jobs))
        .routes(routes!(epochs::payouts))
        .routes(routes!(epochs::bundle_file))
        .routes(routes!(operator::seal))
        .routes(routes!(orb::index))
        .routes(routes!(orb::chain_file))
        .routes(routes!(orb::account_file))
        .routes(routes!(orb::bundle_file))
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
        .merge(pieces)
}

/// The routes and the document that describes them. They are the same for every queen, and a simulation has
/// thousands of them in a process.
static ROUTES: LazyLock<(Router<App>, docs::Document)> = LazyLock::new(|| {
    let (router, document) = routes().split_for_parts();
    (router, docs::Document::new(&document))
});

/// The OpenAPI document as it is served.
pub fn openapi() -> String {
    ROUTES.1.text().to_owned()
}

/// The service: every route behind the limits that hold for all.
pub fn router(app: App) -> Router {
    let (router, document) = ROUTES.clone();
    let router = router
        .fallback(orb::app_file)
        .method_not_allowed_fallback(no_method)
        .layer(axum::Extension(document));
    middleware::wrap(router, app.clone()).with_state(app)
}

fn no_route(uri: &Uri) -> Refused {
    let path: String = uri.path().chars().take(100).collect();
    Refused::missing(format!(
        "there is no {path} here; /openapi.json lists every route"
    ))
}

async fn no_method() -> Refused {
    Refused::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "This path does not take this method",
        "/openapi.json lists every route with its methods",
    )
}
