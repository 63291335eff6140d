//! The OpenAPI document, and what all operations share in it.

use axum::Extension;
use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use swarm_types::problem::Problem;
use utoipa::{IntoParams, IntoResponses};

/// The document as it is served.
#[derive(Clone)]
pub struct Document(Bytes);

impl Document {
    /// Made once, at start.
    pub fn new(document: &utoipa::openapi::OpenApi) -> Self {
        let json = document.to_json().expect("the document is plain data");
        // A path that takes several segments is axum's own notation; OpenAPI knows `{file}` only.
        Self(Bytes::from(json.replace("{*", "{")))
    }
}

impl Document {
    /// The document's text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// What any operation may answer instead.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only its documentation is used")]
pub enum Problems {
    /// The request is at fault; `field` says where.
    #[response(status = "4XX", content_type = "application/problem+json")]
    Client(#[to_schema] Problem),
    /// The queen cannot now; repeat the request later.
    #[response(status = "5XX", content_type = "application/problem+json")]
    Server(#[to_schema] Problem),
}

/// EIP-191 by the caller over method, path with query, SHA-256 of the body, timestamp and nonce, one a
/// line.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "only its documentation is used")]
pub struct SignedHeaders {
    /// The signer's address.
    #[param(rename = "swarm-address", pattern = "^0x[0-9a-fA-F]{40}$")]
    address: String,
    /// Unix seconds of signing, at most 300 off.
    #[param(rename = "swarm-timestamp", pattern = "^(0|[1-9][0-9]{0,19})$")]
    timestamp: String,
    /// A decimal integer below 2^64 that this signer did not use before.
    #[param(rename = "swarm-nonce", pattern = "^(0|[1-9][0-9]{0,19})$")]
    nonce: String,
    /// 65 bytes in hex.
    #[param(rename = "swarm-signature", pattern = "^0x[0-9a-fA-F]{128,130}$")]
    signature: String,
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "queen", responses(
    (status = 200, description = "OpenAPI 3.1", body = Object), Problems))]
pub async fn openapi(Extension(Document(json)): Extension<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], json)
}
