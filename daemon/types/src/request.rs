//! Signatures on requests that carry no order: EIP-191 over method, path, SHA-256 of the body,
//! timestamp and nonce.
//!
//! The signed message is five lines joined by `\n`, without one at the end:
//! `METHOD`, path with query as sent, SHA-256 of the body as 64 lower-case hex digits, Unix seconds,
//! nonce (the decimal digits of an integer below 2⁶⁴). It travels in the headers below.

use alloy_primitives::{Address, B256};

use crate::signature::{Signature65, SignatureError, eip191_message};

/// Header with the signer's address.
pub const HEADER_ADDRESS: &str = "swarm-address";
/// Header with the Unix seconds of signing.
pub const HEADER_TIMESTAMP: &str = "swarm-timestamp";
/// Header with the nonce, decimal.
pub const HEADER_NONCE: &str = "swarm-nonce";
/// Header with the 65-byte signature in hex.
pub const HEADER_SIGNATURE: &str = "swarm-signature";
/// How far a request's timestamp may be from the queen's clock.
pub const CLOCK_TOLERANCE_SECONDS: u64 = 300;

/// What of a request is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestToSign<'a> {
    /// Upper-case HTTP method.
    pub method: &'a str,
    /// Path and query, as sent.
    pub path: &'a str,
    /// SHA-256 of the body (of nothing, when there is none).
    pub body: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// Any number not used before within the clock tolerance.
    pub nonce: u64,
}

impl RequestToSign<'_> {
    /// The text that `personal_sign` signs.
    pub fn message(&self) -> String {
        let Self {
            method,
            path,
            body,
            timestamp,
            nonce,
        } = self;
        format!(
            "{method}\n{path}\n{}\n{timestamp}\n{nonce}",
            hex::encode(body)
        )
    }

    /// What the key signs: the EIP-191 digest of the message.
    pub fn digest(&self) -> B256 {
        eip191_message(self.message().as_bytes())
    }

    /// The address that signed.
    pub fn signer(&self, signature: &Signature65) -> Result<Address, SignatureError> {
        signature.recover(&self.digest())
    }
}
