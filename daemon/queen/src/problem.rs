//! Refusals over HTTP: a problem document that names the field, with the right status.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use swarm_ledger::refusals::{
    BlobRefusal, CancelRefusal, ClaimRefusal, CompleteRefusal, LeaseRefusal, NonceRefusal,
    SubmitRefusal, WebhookRefusal, WorkerRefusal,
};
use swarm_ledger::{CommandError, LedgerError};
use swarm_store::StoreError;
use swarm_types::problem::Problem;

/// A request that was refused, or could not be served.
#[derive(Debug)]
pub struct Refused {
    /// What the client is told.
    pub problem: Problem,
    /// Seconds after which a repetition may succeed.
    pub retry_after: Option<u64>,
}

/// What a handler gives.
pub type Answer<T> = Result<T, Refused>;

impl Refused {
    /// A refusal of `kind`.
    pub fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            problem: Problem::new(status.as_u16(), kind, title, detail),
            retry_after: None,
        }
    }

    /// The same, naming the field at fault.
    pub fn field(mut self, field: impl AsRef<str>) -> Self {
        self.problem = self.problem.field(field.as_ref());
        self
    }

    /// The same, saying when to come back.
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// The request's form is wrong.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "The request is malformed",
            detail,
        )
    }

    /// The request is well formed and asks for what cannot be.
    pub fn invalid(kind: &str, field: &str, detail: impl Into<String>) -> Self {
        let title = "The request cannot be accepted";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind, title, detail).field(field)
    }

    /// Nobody proved who asks.
    pub fn unauthenticated(kind: &str, detail: impl Into<String>) -> Self {
        let title = "The request's signature does not count";
        Self::new(StatusCode::UNAUTHORIZED, kind, title, detail)
    }

    /// Who asks may not.
    pub fn forbidden(kind: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, kind, "This is not allowed", detail)
    }

    /// It is not there.
    pub fn missing(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", what)
    }

    /// What is there contradicts the request.
    pub fn conflict(kind: &str, detail: impl Into<String>) -> Self {
        let title = "The request contradicts what is there";
        Self::new(StatusCode::CONFLICT, kind, title, detail)
    }

    /// Too many requests.
    pub fn too_many(detail: impl Into<String>, seconds: u64) -> Self {
        let title = "Too many requests";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", title, detail).after(seconds)
    }

    /// The queen cannot now.
    pub fn unavailable(kind: &str, detail: impl Into<String>) -> Self {
        let title = "The queen cannot do this now";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, title, detail).after(5)
    }

    /// A fault of the queen. The cause is logged, not shown.
    pub fn internal(what: &str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(what, cause = %chain(cause), "a request could not be served");
        let title = "The queen failed";
        let detail = format!("{what}; the queen's log says why");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title, detail)
    }
}

/// An error with its sources, for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.problem)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<LedgerError> for Refused {
    /// The ledger fails closed: nothing was changed, or a repetition gets the first answer.
    fn from(error: LedgerError) -> Self {
        tracing::error!(cause = %chain(&error), "the ledger failed");
        let detail = "the ledger does not take changes now; repeat the same request later";
        Self::unavailable("ledger", detail)
    }
}

impl<R: std::error::Error + Into<Refused> + 'static> From<CommandError<R>> for Refused {
    fn from(error: CommandError<R>) -> Self {
        match error {
            CommandError::Refused(refusal) => refusal.into(),
            CommandError::Ledger(error) => error.into(),
        }
    }
}

impl From<SubmitRefusal> for Refused {
    fn from(refusal: SubmitRefusal) -> Self {
        use SubmitRefusal::*;
        let text = refusal.to_string();
        match refusal {
            InsufficientBalance { .. } => {
                Self::invalid("insufficient-balance", "order.client", text)
            }
            OverCap { .. } => Self::invalid("over-cap", "order.client", text),
            NonceReused { .. } => Self::conflict("nonce-reused", text).field("order.nonce"),
            DeadlinePast { .. } => Self::invalid("deadline-past", "order.deadline", text),
            FeeOverMax { .. } => Self::invalid("fee-over-max", "order.maxFee", text),
            UnknownSigner { .. } => Self::forbidden("signer", text).field("signature"),
            OutOfRange { field } => Self::invalid("out-of-range", field, text),
            QueueFull { .. } => Self::unavailable("queue-full", text),
        }
    }
}

impl From<ClaimRefusal> for Refused {
    fn from(refusal: ClaimRefusal) -> Self {
        use ClaimRefusal::*;
        let text = refusal.to_string();
        match refusal {
            UnknownWorker(_) => Self::forbidden("not-registered", text),
            NotApproved(_) => Self::forbidden("not-approved", text),
            Draining => Self::conflict("draining", text),
            UnknownJob(_) => Self::missing(text),
            NotPending { .. } => Self::conflict("not-pending", text),
            NotEligible(_) => Self::conflict("not-eligible", text),
        }
    }
}

impl From<LeaseRefusal> for Refused {
    fn from(refusal: LeaseRefusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            LeaseRefusal::UnknownJob(_) => Self::missing(text),
            LeaseRefusal::Ended { .. } => Self::conflict("job-ended", text),
            LeaseRefusal::NotHolder(_) => Self::conflict("not-holder", text).field("token"),
            LeaseRefusal::Lapsed { .. } => Self::conflict("lease-lapsed", text).field("token"),
        }
    }
}

impl From<CompleteRefusal> for Refused {
    fn from(refusal: CompleteRefusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            CompleteRefusal::Lease(refusal) => refusal.into(),
            CompleteRefusal::Mismatch { field } => {
                Self::invalid("execution-mismatch", &format!("execution.{field}"), text)
            }
            CompleteRefusal::AfterDeadline { .. } => {
                Self::invalid("after-deadline", "execution.completedAt", text)
            }
            CompleteRefusal::InFuture { .. } => {
                Self::invalid("in-future", "execution.completedAt", text)
            }
        }
    }
}

impl From<CancelRefusal> for Refused {
    fn from(refusal: CancelRefusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            CancelRefusal::UnknownJob(_) => Self::missing(text),
            CancelRefusal::Running(_) => Self::conflict("running", text),
            CancelRefusal::Ended { .. } => Self::conflict("job-ended", text),
        }
    }
}

impl From<WorkerRefusal> for Refused {
    fn from(refusal: WorkerRefusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            WorkerRefusal::Unknown(_) => Self::missing(text),
            WorkerRefusal::JoinCode => Self::forbidden("join-code", text).field("join_code"),
            WorkerRefusal::TooMany(_) => Self::unavailable("too-many-workers", text),
            WorkerRefusal::JoinCodeExists => Self::conflict("join-code-exists", text),
            WorkerRefusal::TooLong { field, .. } => Self::invalid("too-long", field, text),
        }
    }
}

impl From<BlobRefusal> for Refused {
    fn from(refusal: BlobRefusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            BlobRefusal::Unknown => Self::missing(text),
            BlobRefusal::Different { field } => Self::conflict("blob-differs", text).field(field),
            BlobRefusal::Deleted => {
                Self::new(StatusCode::GONE, "blob-deleted", "It was deleted", text)
            }
            BlobRefusal::InUse(_) => Self::conflict("blob-in-use", text),
            BlobRefusal::OutOfRange { field } => Self::invalid("out-of-range", field, text),
        }
    }
}

impl From<NonceRefusal> for Refused {
    fn from(refusal: NonceRefusal) -> Self {
        Self::conflict("request-nonce-reused", refusal.to_string())
            .field(swarm_types::request::HEADER_NONCE)
    }
}

impl From<WebhookRefusal> for Refused {
    fn from(refusal: WebhookRefusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            WebhookRefusal::Unknown => Self::missing(text),
            WebhookRefusal::TooMany(_) => Self::conflict("too-many-webhooks", text),
        }
    }
}

impl From<swarm_ledger::refusals::Never> for Refused {
    fn from(never: swarm_ledger::refusals::Never) -> Self {
        match never {}
    }
}

/// Whether there is no room, by the file system, a quota or a limit of the process.
pub fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::*;
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::Unknown(_) => Self::missing(text),
            StoreError::Size { .. } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "blob-size",
                "The blob has a size that is not taken",
                text,
            )
            .field("size"),
            StoreError::SizeDiffers { .. } => Self::conflict("blob-differs", text).field("size"),
            StoreError::TooManyUploads(_) => Self::unavailable("too-many-uploads", text),
            StoreError::PieceTooLong { .. } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "piece-too-long",
                "The piece is too long",
                text,
            ),
            StoreError::Offset { .. } => {
                Self::conflict("upload-offset", text).field(swarm_types::api::HEADER_UPLOAD_OFFSET)
            }
            StoreError::Overrun { .. } => Self::invalid("overrun", "body", text),
            StoreError::Digest { .. } => Self::invalid("digest", "sha256", text),
            StoreError::HeaderTooLong(_) => Self::invalid("age-header", "body", text),
            StoreError::Range { .. } => {
                let title = "The range is not within the blob";
                Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", title, text).field("range")
            }
            StoreError::Io { ref source, .. } if is_full(source) => {
                tracing::error!(cause = %chain(&error), "the disk is full");
                Self::unavailable(
                    "disk-full",
                    "the queen's disk is full; repeat the request later",
                )
            }
            StoreError::Io { .. } => {
                let refused = Self::internal("the blob store failed", &error);
                Self {
                    problem: Problem {
                        status: StatusCode::SERVICE_UNAVAILABLE.as_u16(),
                        ..refused.problem
                    },
                    retry_after: Some(5),
                }
            }
        }
    }
}
