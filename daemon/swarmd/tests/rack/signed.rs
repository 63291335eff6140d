//! Requests as bytes, signed or not: for what a well-behaved client never sends.

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use serde_json::Value;
use swarm_types::request::{
    HEADER_ADDRESS, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIMESTAMP, RequestToSign,
};
use swarm_types::{Signature65, sha256};

use super::Rack;
use super::customer::{nonce, now};

/// A request to be sent.
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub body: &'a [u8],
    /// More headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// Unix seconds of the signature.
    pub timestamp: u64,
    /// A number that the signer has not used.
    pub nonce: u64,
}

impl<'a> Request<'a> {
    /// Signed now, when it is signed.
    pub fn new(method: &'a str, path: &'a str, body: &'a [u8]) -> Self {
        Self {
            method,
            path,
            body,
            headers: &[],
            timestamp: now(),
            nonce: nonce(),
        }
    }
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// Status, kind and field of a problem document.
    pub fn problem(&self) -> (u16, String, String) {
        let kind = self.headers.get("content-type").expect("a content type");
        assert_eq!(kind, "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        let kind = text("type").replace("urn:swarmos:problem:", "");
        (self.status, kind, text("field"))
    }

    /// What the problem's detail says.
    pub fn detail(&self) -> String {
        self.json()["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Rack {
    /// Sends a request without a signature.
    pub async fn plain(&self, request: &Request<'_>) -> Reply {
        reply(self.built(request)).await
    }

    /// Sends a request that `key` signs.
    pub async fn signed(&self, key: &PrivateKeySigner, request: &Request<'_>) -> Reply {
        let to_sign = RequestToSign {
            method: request.method,
            path: request.path,
            body: sha256(request.body),
            timestamp: request.timestamp,
            nonce: request.nonce,
        };
        let signature = key.sign_hash_sync(&to_sign.digest()).expect("signs");
        let built = self
            .built(request)
            .header(HEADER_ADDRESS, key.address().to_string())
            .header(HEADER_TIMESTAMP, request.timestamp.to_string())
            .header(HEADER_NONCE, request.nonce.to_string())
            .header(HEADER_SIGNATURE, Signature65::from(signature).to_string());
        reply(built).await
    }

    fn built(&self, request: &Request<'_>) -> reqwest::RequestBuilder {
        let method = request.method.parse().expect("a method");
        let url = format!("{}{}", self.base, request.path);
        let mut built = self.http.request(method, url).body(request.body.to_vec());
        for (name, value) in request.headers {
            built = built.header(*name, *value);
        }
        built
    }
}

async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.expect("an answer");
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes().await.expect("a body").to_vec(),
    }
}
