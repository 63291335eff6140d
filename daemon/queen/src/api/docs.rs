//! The OpenAPI document, and what all operations share in it.

use std::collections::BTreeMap;

use axum::Extension;
use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use swarm_types::problem::Problem;
use swarm_types::schema;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{Content, Ref, RefOr, Response};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};

/// The document as it is served.
#[derive(Clone)]
pub struct Document(Bytes);

impl Document {
    /// Made once.
    pub fn new(document: &utoipa::openapi::OpenApi) -> Self {
        Self(Bytes::from(text(document)))
    }

    /// Its JSON.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it was made of text")
    }
}

fn text(document: &utoipa::openapi::OpenApi) -> String {
    let mut document = document.clone();
    let items = document.paths.paths.values_mut();
    let operations = items.flat_map(|item| {
        [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.patch,
            &mut item.delete,
        ]
        .into_iter()
        .flatten()
    });
    for operation in operations {
        // Handlers of one name are told apart by what they are about.
        let tag = operation.tags.iter().flatten().next();
        if let (Some(tag), Some(id)) = (tag, &operation.operation_id) {
            operation.operation_id = Some(format!("{tag}_{id}"));
        }
        for response in operation.responses.responses.values_mut() {
            // OpenAPI asks for a description of each; what the operation says of itself is that of its answer.
            if let RefOr::T(response) = response
                && response.description.is_empty()
            {
                response.description = operation.summary.clone().unwrap_or_default();
            }
        }
    }
    let json = document.to_json().expect("the document is plain data");
    // An int32 does not hold the upper half of what has 32 bits and no sign.
    let json = json.replace(r#""format":"int32""#, r#""format":"int64""#);
    // A path that takes several segments is axum's own notation; OpenAPI knows `{file}` only.
    json.replace("{*", "{")
}

/// Bytes as they are.
pub struct Octets;

impl PartialSchema for Octets {
    fn schema() -> RefOr<Schema> {
        let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
        let bytes = ObjectBuilder::new().schema_type(Type::String);
        bytes.format(Some(binary)).into()
    }
}

impl ToSchema for Octets {}

/// JSON of any kind.
pub struct AnyJson;

impl PartialSchema for AnyJson {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .into()
    }
}

impl ToSchema for AnyJson {}

/// A problem document with this status.
pub struct Refusal<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for Refusal<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = RefOr::Ref(Ref::from_schema_name(Problem::name()));
        let mut response = Response::new(meaning(STATUS));
        let content = Content::new(Some(problem));
        response
            .content
            .insert("application/problem+json".into(), content.into());
        BTreeMap::from([(STATUS.to_string(), response.into())])
    }
}

/// What a status says of a request, whatever the operation.
fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request is malformed; `field` says where",
        401 => "The request's signature does not count; `field` says which header is at fault",
        403 => "Who signed may not do this",
        404 => "Not found",
        408 => "The request was not complete in time",
        409 => "The request contradicts what is there",
        410 => "It was deleted",
        413 => "The body, or the blob it announces, is too large",
        415 => "The body is compressed; send it as it is",
        416 => "The range is not within the blob",
        422 => "The request asks for what cannot be; `field` says where",
        429 => "Too many requests; `retry-after` says when to come back",
        500 => "The queen failed; her log says why",
        503 => "The queen cannot now; `retry-after` says when to come back",
        _ => unreachable!("a status that no operation answers"),
    }
}

/// What any operation may answer instead.
pub struct Problems;

/// What an operation may answer instead that reads a JSON body.
pub struct BodyProblems;

/// What an operation may answer instead that must be signed.
pub struct SignedProblems;

macro_rules! together {
    ($name:ty, $($status:literal)*) => {
        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let mut all = BTreeMap::new();
                $(all.append(&mut Refusal::<$status>::responses());)*
                all
            }
        }
    };
}
together!(Problems, 408 429 500 503);
together!(BodyProblems, 400 413 415 422);
together!(SignedProblems, 400 401 409 413 415);

/// EIP-191 by the caller over method, path with query, SHA-256 of the body, timestamp and nonce, one a
/// line.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "only its documentation is used")]
pub struct SignedHeaders {
    /// The signer's address.
    #[param(rename = "swarm-address", value_type = schema::Address)]
    address: String,
    /// Unix seconds of signing, at most 300 off.
    #[param(rename = "swarm-timestamp", value_type = schema::Decimal)]
    timestamp: String,
    /// A decimal integer below 2^64 that this signer did not use before.
    #[param(rename = "swarm-nonce", value_type = schema::Decimal)]
    nonce: String,
    /// 65 bytes in hex.
    #[param(rename = "swarm-signature", value_type = swarm_types::Signature65)]
    signature: String,
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "queen", responses(
    (status = 200, description = "OpenAPI 3.1", body = Object), Problems))]
pub async fn openapi(Extension(Document(json)): Extension<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], json)
}
