//! Who asks: requests signed by EIP-191 over method, path, body, timestamp and nonce.
//!
//! A signature counts once: its nonce is kept in the ledger until the timestamp alone refuses it.

use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, Uri};
use serde::de::DeserializeOwned;
use swarm_ledger::commands::UseRequestNonce;
use swarm_types::api::HEADER_CONTENT_SHA256;
use swarm_types::request::{
    CLOCK_TOLERANCE_SECONDS, HEADER_ADDRESS, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIMESTAMP,
    RequestToSign,
};
use swarm_types::{Address, B256, Signature65, sha256};

use crate::extract::{body_bytes, from_json};
use crate::problem::{Answer, Refused};
use crate::state::{App, AppState};

/// A request whose signature counts.
pub struct Signed {
    /// Who signed.
    pub signer: Address,
    /// The body, as signed.
    pub body: Bytes,
}

impl Signed {
    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Answer<T> {
        from_json(&self.body)
    }

    /// Refuses who is not an operator.
    pub fn operator(&self, app: &AppState) -> Answer<()> {
        operator(app, self.signer)
    }
}

/// What the headers claim.
struct Claimed {
    address: Address,
    timestamp: u64,
    nonce: u64,
    signature: Signature65,
}

/// Whether a request claims to be signed.
pub fn claims_signature(headers: &HeaderMap) -> bool {
    headers.contains_key(HEADER_SIGNATURE)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Answer<&'a str> {
    let refuse = |detail: String| Refused::unauthenticated("signature-missing", detail).field(name);
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| {
        refuse(format!(
            "this request must be signed: send {HEADER_ADDRESS}, {HEADER_TIMESTAMP}, {HEADER_NONCE} and {HEADER_SIGNATURE}"
        ))
    })?;
    if values.next().is_some() {
        return Err(refuse(format!("{name} is there twice")));
    }
    value
        .to_str()
        .map_err(|_| refuse(format!("{name} is not plain text")))
}

fn number(headers: &HeaderMap, name: &str) -> Answer<u64> {
    swarm_types::dec::parse(header(headers, name)?).ok_or_else(|| {
        let detail = format!("{name} must be a decimal integer below 2^64");
        Refused::unauthenticated("signature-header", detail).field(name)
    })
}

/// Who a request says has signed it; nothing is proven yet.
pub fn claimed_address(headers: &HeaderMap) -> Answer<Address> {
    header(headers, HEADER_ADDRESS)?.parse().map_err(|_| {
        let detail = format!("{HEADER_ADDRESS} must be an address, 0x and 40 hex digits");
        Refused::unauthenticated("signature-header", detail).field(HEADER_ADDRESS)
    })
}

fn claimed(headers: &HeaderMap) -> Answer<Claimed> {
    let address = claimed_address(headers)?;
    let timestamp = number(headers, HEADER_TIMESTAMP)?;
    let nonce = number(headers, HEADER_NONCE)?;
    let signature = header(headers, HEADER_SIGNATURE)?.parse().map_err(
        |error: swarm_types::signature::SignatureError| {
            let refused = Refused::unauthenticated("signature-form", error.to_string());
            refused.field(HEADER_SIGNATURE)
        },
    )?;
    Ok(Claimed {
        address,
        timestamp,
        nonce,
        signature,
    })
}

/// Refuses a clock that is off, and says by how much.
fn check_clock(timestamp: u64, now: u64) -> Answer<()> {
    let off = timestamp.abs_diff(now);
    if off <= CLOCK_TOLERANCE_SECONDS {
        return Ok(());
    }
    let way = if timestamp < now {
        "behind"
    } else {
        "ahead of"
    };
    let detail = format!(
        "your clock is {off} s {way} the queen's, which says {now}; at most {CLOCK_TOLERANCE_SECONDS} s are allowed: set your clock"
    );
    Err(Refused::unauthenticated("clock-off", detail).field(HEADER_TIMESTAMP))
}

impl FromRequest<App> for Signed {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &App) -> Answer<Self> {
        let claimed = recent(request.headers(), app)?;
        let (method, path) = line(request.method(), request.uri());
        let body = body_bytes(request, app).await?;
        let signer = prove(app, &claimed, (&method, &path), sha256(&body)).await?;
        Ok(Self { signer, body })
    }
}

/// A request with a body that is not read yet. What its signature covers is the SHA-256 that a header says of the body: whoever
/// reads it must compare.
pub struct SignedStream {
    /// Who signed.
    pub signer: Address,
    /// SHA-256 of the body, as signed.
    pub sha256: B256,
    /// The body.
    pub request: Request,
}

impl SignedStream {
    /// Refuses who is not an operator.
    pub fn operator(&self, app: &AppState) -> Answer<()> {
        operator(app, self.signer)
    }
}

impl FromRequest<App> for SignedStream {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &App) -> Answer<Self> {
        let claimed = recent(request.headers(), app)?;
        let refuse = |refused| refuse(app, refused);
        let text = header(request.headers(), HEADER_CONTENT_SHA256).map_err(refuse)?;
        let sha256: B256 = text.parse().map_err(|_| {
            let detail =
                format!("{HEADER_CONTENT_SHA256} must be the body's SHA-256, 64 hex digits");
            refuse(
                Refused::unauthenticated("signature-header", detail).field(HEADER_CONTENT_SHA256),
            )
        })?;
        let (method, path) = line(request.method(), request.uri());
        let signer = prove(app, &claimed, (&method, &path), sha256).await?;
        Ok(Self {
            signer,
            sha256,
            request,
        })
    }
}

/// What a request claims of its signature, by a clock that is near enough.
fn recent(headers: &HeaderMap, app: &AppState) -> Answer<Claimed> {
    let claimed = claimed(headers).map_err(|refused| refuse(app, refused))?;
    check_clock(claimed.timestamp, app.clock.seconds())
        .map_err(|refused| refuse(app, app.settlement.doubt_clock(refused)))?;
    Ok(claimed)
}

/// Counts a refused signature.
fn refuse(app: &AppState, refused: Refused) -> Refused {
    app.metrics.signatures_refused.add(1);
    refused
}

/// Method and path with query, as they are signed.
fn line(method: &Method, uri: &Uri) -> (String, String) {
    let path = uri.path_and_query();
    let path = path.map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned());
    (method.as_str().to_owned(), path)
}

/// Who signed: the address that is claimed, when the signature is its own and was not used before.
async fn prove(
    app: &AppState,
    claimed: &Claimed,
    (method, path): (&str, &str),
    body: B256,
) -> Answer<Address> {
    let signed = RequestToSign {
        method,
        path,
        body,
        timestamp: claimed.timestamp,
        nonce: claimed.nonce,
    };
    if signed.signer(&claimed.signature) != Ok(claimed.address) {
        let detail = format!(
            "the signature is not by {} over this method, path, body, timestamp and nonce",
            claimed.address
        );
        let refused = Refused::unauthenticated("signature-wrong", detail);
        return Err(refuse(app, refused.field(HEADER_SIGNATURE)));
    }
    app.limit_signer(claimed.address)?;
    app.ledger
        .use_request_nonce(UseRequestNonce {
            now: app.clock.seconds(),
            address: claimed.address,
            nonce: claimed.nonce,
            expires_at: claimed
                .timestamp
                .saturating_add(CLOCK_TOLERANCE_SECONDS + 1),
        })
        .await?;
    Ok(claimed.address)
}

/// Refuses who is not an operator.
fn operator(app: &AppState, signer: Address) -> Answer<()> {
    if app.live().operators.contains(&signer) {
        return Ok(());
    }
    let detail = format!("{signer} is not an operator of this queen");
    Err(Refused::forbidden("not-operator", detail).field(HEADER_ADDRESS))
}

/// Takes a token for a request of `address`: unsigned ones have a bucket of their own.
pub fn limit_address(app: &AppState, address: std::net::IpAddr, signed: bool) -> Answer<()> {
    let buckets = if signed {
        &app.addresses_signed
    } else {
        &app.addresses
    };
    buckets.take(address, Instant::now()).map_err(|wait| {
        app.metrics.limited.add(1);
        let detail = "your network address sends more requests than one may";
        Refused::too_many(detail, wait.as_secs() + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much() {
        assert!(check_clock(1_000, 1_300).is_ok());
        assert!(check_clock(1_300, 1_000).is_ok());
        let refused = check_clock(1_000, 1_600).expect_err("refused");
        assert!(
            refused.problem.detail.contains("600 s behind"),
            "{refused:?}"
        );
        let refused = check_clock(1_600, 1_000).expect_err("refused");
        assert!(
            refused.problem.detail.contains("600 s ahead"),
            "{refused:?}"
        );
        assert_eq!(refused.problem.field.as_deref(), Some(HEADER_TIMESTAMP));
    }
}
