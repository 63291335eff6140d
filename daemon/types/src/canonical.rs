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

/// The canonical JSON of a value whose structs declare their fields in the order of their names in JSON, and
/// hold neither maps nor floats: then plain JSON is canonical, and writing it takes a tenth of the time.
///
/// # Panics
/// In debug builds, when the value is not like that.
pub fn to_vec_in_order<T: Serialize>(value: &T) -> Vec<u8> {
    let text = serde_json::to_vec(value).expect("the protocol's types are JSON");
    debug_assert!(text == to_vec(value), "its fields are not in order");
    text
}

/// SHA-256 of the canonical JSON of `value`.
pub fn digest<T: Serialize>(value: &T) -> B256 {
    crate::sha256(to_vec(value))
}
