//! What comes in: bodies, path segments, queries. Each refusal is a problem that names the field.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use swarm_types::B256;

use crate::problem::{Answer, Refused};
use crate::state::App;

/// The body, within the route's limit and the configured time.
pub async fn body_bytes(request: Request, app: &App) -> Answer<Bytes> {
    refuse_coding(request.headers())?;
    let time = app.config.limits.body_time.0;
    let read = tokio::time::timeout(time, Bytes::from_request(request, app));
    let read = read.await.map_err(|_| {
        let detail = format!("the body was not complete within {} s", time.as_secs());
        let title = "The request took too long";
        Refused::new(StatusCode::REQUEST_TIMEOUT, "timeout", title, detail).field("body")
    })?;
    read.map_err(|rejection| {
        let status = rejection.into_response().status();
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            let detail = "the body is larger than this request may carry";
            return Refused::new(status, "body-too-large", "The body is too large", detail)
                .field("body");
        }
        Refused::malformed("the body ended early or could not be read").field("body")
    })
}

/// Refuses a compressed body: what is signed and hashed is what is sent, and nothing here unpacks a bomb.
pub fn refuse_coding(headers: &HeaderMap) -> Answer<()> {
    let name = header::CONTENT_ENCODING.as_str();
    match one_header(headers, name)? {
        None | Some("identity") => Ok(()),
        Some(_) => {
            let detail = "bodies are taken as they are: send this one without content-encoding";
            let (status, title) = (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body is encoded in a way that is not taken",
            );
            Err(Refused::new(status, "content-encoding", title, detail).field(name))
        }
    }
}

/// The value of a header that may be there once.
pub fn one_header<'a>(headers: &'a HeaderMap, name: &str) -> Answer<Option<&'a str>> {
    let refuse = |what| Refused::malformed(format!("{name} {what}")).field(name);
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(refuse("is there twice"));
    }
    let text = value.to_str().map_err(|_| refuse("is not plain text"))?;
    Ok(Some(text))
}

/// The variable segments of a path.
pub struct PathOf<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for PathOf<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Answer<Self> {
        let path = Path::<T>::from_request_parts(parts, app).await;
        path.map(|Path(value)| Self(value)).map_err(|rejection| {
            let PathRejection::FailedToDeserializePathParams(failed) = rejection else {
                return Refused::malformed("the path cannot be read").field("path");
            };
            match failed.kind() {
                ErrorKind::InvalidUtf8InPathParam { key } => {
                    Refused::malformed(format!("{key} is not UTF-8")).field(key)
                }
                _ => Refused::malformed("the path cannot be read").field("path"),
            }
        })
    }
}

/// JSON, with unknown and duplicate keys refused by the types.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    // A list would be read as the fields in their order: a second spelling, which nothing documents.
    if bytes.trim_ascii_start().starts_with(b"[") {
        let detail = "the body must be a JSON object";
        return Err(Refused::invalid("body-field", "body", detail));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let text = inner.to_string();
        let field = field_at_fault(&path, &text);
        if inner.is_data() {
            Refused::invalid("body-field", &field, text)
        } else {
            Refused::malformed(format!("the body is not JSON: {text}")).field(field)
        }
    })?;
    deserializer
        .end()
        .map_err(|_| Refused::malformed("something follows the JSON value").field("body"))?;
    Ok(value)
}

/// The path at which reading stopped; a key that is unknown, missing or there twice is in the message
/// only.
fn field_at_fault(path: &str, message: &str) -> String {
    let keyed = ["unknown field `", "missing field `", "duplicate field `"];
    let key = keyed
        .iter()
        .find_map(|start| message.split_once(start))
        .and_then(|(_, rest)| {
            let (key, _) = rest.split_once('`')?;
            Some(key)
        });
    // A key that was cut short is `?`.
    let path = path.trim_end_matches('?').trim_matches('.');
    match (path, key) {
        ("", None) => "body".into(),
        ("", Some(key)) => key.into(),
        (path, None) => path.into(),
        (path, Some(key)) if path == key || path.ends_with(&format!(".{key}")) => path.into(),
        (path, Some(key)) => format!("{path}.{key}"),
    }
}

/// A JSON body of an unsigned request.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &App) -> Answer<Self> {
        from_json(&body_bytes(request, app).await?).map(Self)
    }
}

/// A query string; unknown keys are refused by the type.
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for QueryOf<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Answer<Self> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(value)| Self(value)).map_err(|rejection| {
            let text = rejection.body_text();
            let field = field_at_fault("", &text);
            let field = if field == "body" {
                "query".into()
            } else {
                field
            };
            Refused::malformed(text).field(field)
        })
    }
}

/// Reads a path segment or query value.
pub fn parse<T: FromStr<Err: Display>>(field: &str, text: &str) -> Answer<T> {
    text.parse().map_err(|error: T::Err| {
        let shown: String = text.chars().take(40).collect();
        Refused::malformed(format!("{field} '{shown}': {error}")).field(field)
    })
}

/// A blob's address in a path: 64 lower-case hex digits without 0x, so that one blob has one path.
pub fn parse_sha256(text: &str) -> Answer<B256> {
    let plain = text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let parsed = plain.then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| {
        let detail = "sha256 must be 64 lower-case hex digits without 0x";
        Refused::malformed(detail).field("sha256")
    })
}

/// Refuses a text that is empty, too long, or has control characters.
pub fn check_text(field: &str, text: &str, bytes_max: usize) -> Answer<()> {
    if text.len() > bytes_max {
        let detail = format!(
            "{field} has {} bytes; at most {bytes_max} are allowed",
            text.len()
        );
        return Err(Refused::invalid("too-long", field, detail));
    }
    if text.is_empty() || text.chars().any(char::is_control) {
        let detail = format!("{field} must not be empty and have no control characters");
        return Err(Refused::invalid("text", field, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_types::api::{BlobRef, TopUp};

    fn field(body: &str) -> (u16, String) {
        let refused = from_json::<BlobRef>(body.as_bytes()).expect_err(body);
        let field = refused.problem.field.expect("names a field");
        (refused.problem.status, field)
    }

    #[test]
    fn bad_json_names_the_field() {
        let sha = "0x0000000000000000000000000000000000000000000000000000000000000000";
        let key = format!("\"sha256\":\"{sha}\"");
        assert_eq!(field("{"), (400, "body".into()));
        assert_eq!(field("[]"), (422, "body".into()));
        assert_eq!(field(&format!("{{{key}}}")), (422, "size".into()));
        assert_eq!(
            field(&format!("{{{key},\"size\":5}}")),
            (422, "size".into())
        );
        assert_eq!(
            field(&format!("{{{key},\"size\":\"-1\"}}")),
            (422, "size".into())
        );
        let past = format!("{{{key},\"size\":\"18446744073709551616\"}}");
        assert_eq!(field(&past), (422, "size".into()));
        let twice = format!("{{{key},\"size\":\"1\",\"size\":\"2\"}}");
        assert_eq!(field(&twice), (422, "size".into()));
        let unknown = format!("{{{key},\"size\":\"1\",\"extra\":1}}");
        assert_eq!(field(&unknown), (422, "extra".into()));
        let trailing = format!("{{{key},\"size\":\"1\"}}{{}}");
        assert_eq!(field(&trailing), (400, "body".into()));
        assert!(from_json::<TopUp>(b"{\"transaction\":\"0x12\"}").is_err());
    }

    #[test]
    fn one_blob_has_one_path() {
        let good = "00ff".repeat(16);
        assert!(parse_sha256(&good).is_ok());
        for bad in [
            &good.to_uppercase(),
            &good[1..],
            &format!("0x{}", &good[2..]),
            "../../etc",
        ] {
            assert!(parse_sha256(bad).is_err(), "{bad}");
        }
    }
}
