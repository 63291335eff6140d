//! What holds for every request: limits by network address, requests in flight, time, panics, counting.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use swarm_orb::policy;

use crate::auth::{claims_signature, limit_address};
use crate::limits::{ANSWER_TIME_MAX, MODEL_UPLOAD_TIME_MAX};
use crate::problem::Refused;
use crate::state::App;

/// Path of submissions, whose order is signed instead of the request.
const SUBMIT_PATH: &str = "/api/v1/jobs";
/// Beginning of the paths of submissions that are answered with the result.
const INFERENCE_PATH: &str = "/api/v1/inference/";
/// Path of uploads of model packages.
const MODELS_PATH: &str = "/api/v1/models";
/// Where a proxy says for whom it asks.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Puts the limits around the routes.
pub fn wrap(router: Router<App>, app: App) -> Router<App> {
    let panics = app.clone();
    let caught = move |cause: Box<dyn Any + Send + 'static>| {
        panics.metrics.panics.add(1);
        let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| cause.downcast_ref::<String>().cloned());
        let error = std::io::Error::other(text.unwrap_or_else(|| "a panic without words".into()));
        Refused::internal("a handler panicked", &error).into_response()
    };
    router
        .layer(CatchPanicLayer::custom(caught))
        .layer(from_fn_with_state(app, guard))
}

async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let answer = guarded(&app, request, next).await;
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    app.metrics.answered(response.status().as_u16());
    protect(response.headers_mut(), app.orb.policy());
    response
}

/// Tells browsers what a page may do, on every answer: whatever it is, it may be opened as a page.
fn protect(headers: &mut HeaderMap, policy: &HeaderValue) {
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    for (name, value) in policy::HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}

async fn guarded(app: &App, request: Request, next: Next) -> Result<Response, Refused> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(peer)| peer.ip());
    let address = match app.config.listen.behind_proxy {
        true => forwarded(request.headers()).unwrap_or(peer),
        false => peer,
    };
    let path = request.uri().path();
    let submits = request.method() == Method::POST
        && (path == SUBMIT_PATH || path.starts_with(INFERENCE_PATH));
    let signed = submits || claims_signature(request.headers());
    limit_address(app, address, signed)?;
    let _one = app.in_flight.clone().try_acquire_owned().map_err(|_| {
        app.metrics.limited.add(1);
        Refused::unavailable("busy", "as many requests are being served as may be")
    })?;
    let uploads_model = request.method() == Method::POST && request.uri().path() == MODELS_PATH;
    let time = match uploads_model {
        true => MODEL_UPLOAD_TIME_MAX,
        false => app.config.limits.body_time.0 + ANSWER_TIME_MAX,
    };
    let served = tokio::time::timeout(time, next.run(request)).await;
    served.map_err(|_| {
        let seconds = time.as_secs();
        let detail = format!("the request was not complete and answered within {seconds} s");
        Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "The request took too long",
            detail,
        )
    })
}

/// The last address that the proxy in front added; what stands before it is the client's own word.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(FORWARDED_FOR).iter().next_back()?;
    let last = last.to_str().ok()?.rsplit(',').next()?;
    last.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_proxys_own_word_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded(&headers), None);
        headers.append(
            FORWARDED_FOR,
            "10.0.0.1, 192.0.2.7".parse().expect("a value"),
        );
        assert_eq!(forwarded(&headers), Some(IpAddr::from([192, 0, 2, 7])));
        headers.append(FORWARDED_FOR, "192.0.2.8".parse().expect("a value"));
        assert_eq!(forwarded(&headers), Some(IpAddr::from([192, 0, 2, 8])));
    }
}
