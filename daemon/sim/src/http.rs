//! Requests as clients and bees send them, without sockets.

use axum::body::{Body, Bytes};
use axum::http::Request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use swarm_chain::Wallet;
use swarm_types::problem::Problem;
use swarm_types::request::{
    HEADER_ADDRESS, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIMESTAMP, RequestToSign,
};
use swarm_types::sha256;

/// A request before it is signed.
#[derive(Clone, Debug)]
pub struct Ask {
    /// `GET`, `POST`, `PUT` or `PATCH`.
    pub method: &'static str,
    /// Path with query.
    pub path: String,
    /// Body.
    pub body: Vec<u8>,
    /// `upload-offset`, of a piece.
    pub offset: Option<u64>,
}

impl Ask {
    /// A request with a JSON body.
    pub fn json(method: &'static str, path: impl Into<String>, body: &impl Serialize) -> Self {
        Self {
            method,
            path: path.into(),
            body: serde_json::to_vec(body).expect("messages are plain data"),
            offset: None,
        }
    }

    /// The request as it is sent; signed by `who` at `timestamp` (Unix seconds) with `nonce`.
    pub fn request(self, who: Option<(&Wallet, u64, u64)>) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        if let Some((wallet, timestamp, nonce)) = who {
            let to_sign = RequestToSign {
                method: self.method,
                path: &self.path,
                body: sha256(&self.body),
                timestamp,
                nonce,
            };
            request = request
                .header(HEADER_ADDRESS, wallet.address().to_string())
                .header(HEADER_TIMESTAMP, timestamp.to_string())
                .header(HEADER_NONCE, nonce.to_string())
                .header(HEADER_SIGNATURE, wallet.sign(&to_sign.digest()).to_string());
        }
        if let Some(offset) = self.offset {
            request = request.header(swarm_types::api::HEADER_UPLOAD_OFFSET, offset.to_string());
        }
        request
            .body(Body::from(self.body))
            .expect("paths and headers are plain text")
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// Whether the request did what it asked.
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as a message.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let text = String::from_utf8_lossy(&self.body);
            format!("an answer cannot be read: {error}: {text}")
        })
    }

    /// Status and kind of a refusal, for the trace.
    pub fn words(&self) -> String {
        if self.ok() {
            return self.status.to_string();
        }
        let kind = serde_json::from_slice::<Problem>(&self.body);
        let kind = kind.map_or_else(|_| "?".to_owned(), |problem| problem.kind);
        let kind = kind.rsplit(':').next().unwrap_or_default().to_owned();
        format!("{} {kind}", self.status)
    }
}
