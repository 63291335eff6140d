//! Canonical JSON (RFC 8785): one text a value, so that it can be hashed.

use alloy_primitives::B256;
use serde::Serialize;

/// The canonical JSON of `value`, in UTF-8.
///
/// # Panics
/// Never for the types of this crate: none has a map key that is not text, nor a float.
pub fn to_vec<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).expect("the protocol's types are JSON")
}

/// SHA-256 of the canonical JSON of `value`.
pub fn digest<T: Serialize>(value: &T) -> B256 {
    crate::sha256(to_vec(value))
}
