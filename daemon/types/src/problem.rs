//! Errors over HTTP: RFC 9457 problem documents with a stable `type`, which say what to do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Prefix of every problem's `type`.
pub const TYPE_PREFIX: &str = "urn:swarmos:problem:";

/// A problem document (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:swarmos:problem:<kind>`, stable.
    #[serde(rename = "type")]
    pub kind: String,
    /// Short and the same for every occurrence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What was wrong this time, and what to do.
    pub detail: String,
    /// The request's field that is at fault, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    /// A problem of `kind` (kebab-case, without prefix).
    pub fn new(status: u16, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{TYPE_PREFIX}{kind}"),
            title: title.into(),
            status,
            detail: detail.into(),
            field: None,
        }
    }

    /// The same, naming the field at fault.
    pub fn field(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{}: {} ({field})", self.title, self.detail),
            None => write!(f, "{}: {}", self.title, self.detail),
        }
    }
}
