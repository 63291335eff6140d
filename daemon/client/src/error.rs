//! What can go wrong between a client and the queen.

use reqwest::StatusCode;
use swarm_types::B256;
use swarm_types::problem::{Problem, TYPE_PREFIX};

/// Why a request has no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The queen refused, and says why.
    #[error("{0}")]
    Problem(Problem),
    /// An error status without a problem document: something else than a queen answered, or a proxy before it.
    #[error("{url} answered {status} without saying why")]
    Status {
        /// What was asked for, without its query.
        url: String,
        /// The HTTP status.
        status: StatusCode,
    },
    /// No connection, or it broke, or time ran out.
    #[error("cannot {action}")]
    Transport {
        /// What was tried.
        action: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// The answer is not what this route answers.
    #[error("the answer of {url} is not what this program expects; do the versions match?")]
    Answer {
        /// What was asked for, without its query.
        url: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// The answer, or the blob, is larger than this program takes.
    #[error("the answer of {url} is larger than {max} bytes")]
    TooLarge {
        /// What was asked for, without its query.
        url: String,
        /// The limit.
        max: u64,
    },
    /// What was downloaded is not what its address says.
    #[error("the downloaded bytes have the digest {found}, not {expected}")]
    Digest {
        /// The address.
        expected: B256,
        /// What came.
        found: B256,
    },
    /// What was downloaded cannot be written.
    #[error("cannot write what was downloaded")]
    Write(#[source] std::io::Error),
    /// The queen says again and again that an upload is elsewhere, or not whole.
    #[error("the upload makes no progress: it stands at byte {offset} of {size}")]
    Stuck {
        /// Where it stands.
        offset: u64,
        /// Where it should end.
        size: u64,
    },
    /// Not a URL for a queen.
    #[error("'{url}' is not the address of a queen: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not a fingerprint.
    #[error("'{0}' is not a certificate fingerprint: write the 64 hex digits of its SHA-256")]
    Fingerprint(String),
    /// TLS could not be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The route needs a signature, and the client has no key.
    #[error("this request must be signed, and no key was given")]
    NoKey,
    /// The key did not sign.
    #[error("the key did not sign")]
    Sign(#[source] alloy::signers::Error),
    /// The system gave no randomness.
    #[error("the system gives no random numbers")]
    Randomness(#[source] getrandom::Error),
}

impl ClientError {
    /// The problem document, if the queen sent one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The problem's kind without its prefix, such as `nonce-reused`.
    pub fn kind(&self) -> Option<&str> {
        self.problem()?.kind.strip_prefix(TYPE_PREFIX)
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::Status { status, .. } => Some(status.as_u16()),
            _ => None,
        }
    }

    /// No queen answered.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Transport { .. })
    }

    /// The same request may succeed later: nobody answered, or the answer says so.
    pub fn is_transient(&self) -> bool {
        match self.status() {
            Some(status) => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            None => self.is_unreachable(),
        }
    }
}
