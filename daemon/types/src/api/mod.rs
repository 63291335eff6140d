//! HTTP messages of the queen's API, under `/api/v1`.
//!
//! Unknown and duplicate keys are refused in what a client sends. Integers of 64 bits are decimal
//! strings; amounts are strings of µUSDC, with a display-only `_usd` field beside them in answers.
//! EIP-712 messages (order, execution, receipt) keep the field names of their typed data.

mod clients;
mod epochs;
mod info;
mod jobs;
mod models;
mod power;
mod storage;
mod workers;

pub use clients::*;
pub use epochs::*;
pub use info::*;
pub use jobs::*;
pub use models::*;
pub use power::*;
pub use storage::*;
pub use workers::*;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of a list, in the order of `next`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass this as `after` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
