//! What every part of SwarmOS must agree on, byte for byte: money, ids, orders, executions,
//! receipts, the RFC 9162 tree, the payout rule, the epoch bundle and the HTTP messages.
//!
//! No IO, no async, no clock: times come in as Unix seconds, bytes come in as slices. The formats
//! are those of the protocol document; `vectors/` holds test vectors any language can read.

pub mod api;
pub mod bundle;
pub mod canonical;
pub mod dec;
pub mod digest;
pub mod eip712;
pub mod escrow;
pub mod ids;
pub mod money;
pub mod orb;
pub mod order;
pub mod payout;
pub mod power;
pub mod problem;
pub mod receipt;
pub mod request;
pub mod schema;
pub mod signature;
pub mod tree;

pub use alloy_primitives::{Address, B256, U256, address, b256, hex};
pub use digest::{sha256, sha256_parts};
pub use ids::{EpochId, JobId};
pub use money::MicroUsdc;
pub use signature::Signature65;
