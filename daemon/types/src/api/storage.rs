//! Blobs: encrypted inputs and results by content address, uploaded in resumable pieces.
//!
//! `PUT /api/v1/blobs/{sha256}` with [`BlobUpload`] begins (or finds) an upload; `PATCH` with the header
//! `upload-offset` appends a piece; the digest is checked when the last byte is there. `GET` (signed;
//! honours `range`) downloads; `GET …/status` says how far an upload is.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::signature::Signature65;
use crate::{dec, schema};

/// Header of a `PATCH`: where the piece begins.
pub const HEADER_UPLOAD_OFFSET: &str = "upload-offset";
/// Largest piece of an upload, in bytes.
pub const BLOB_PIECE_BYTES_MAX: usize = 8 << 20;

/// A blob by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlobRef {
    /// SHA-256 of the (encrypted) bytes.
    #[schema(value_type = schema::Hash)]
    pub sha256: B256,
    /// Their number.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub size: u64,
}

/// `PUT /api/v1/blobs/{sha256}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlobUpload {
    /// Number of bytes to come.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub size: u64,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlobStatus {
    /// Bytes there.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub offset: u64,
    /// Bytes in all.
    #[serde(with = "dec")]
    #[schema(value_type = schema::Decimal)]
    pub size: u64,
    /// Whether all bytes are there and their digest is right.
    pub complete: bool,
}

/// A bee to which inputs may be encrypted (`GET /api/v1/recipients`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recipient {
    /// The bee's key.
    #[schema(value_type = schema::Address)]
    pub worker: Address,
    /// Its age recipient.
    #[schema(pattern = "^age1[0-9a-z]{58}$")]
    pub recipient: String,
    /// EIP-191 by the bee's key over the text `swarm-recipient\n<recipient>`: the queen cannot slip in her own.
    pub signature: Signature65,
}

/// What a bee signs about its recipient.
pub fn recipient_message(recipient: &str) -> String {
    format!("swarm-recipient\n{recipient}")
}
