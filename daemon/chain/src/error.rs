//! What can go wrong between the daemon and a chain.

use std::error::Error;

use alloy::primitives::Bytes;
use alloy::sol_types::{Revert as RevertString, SolError, SolInterface};
use alloy::transports::{RpcError, TransportError, TransportErrorKind};
use swarm_contracts::SwarmEscrow::SwarmEscrowErrors;
use swarm_types::{Address, B256};

/// Why an answer from the chain is missing or not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// No node, no network, a timeout, a proxy's error page: try again later.
    #[error("the chain's node does not answer ({during})")]
    Away {
        /// What was asked.
        during: &'static str,
        /// What the transport said; never the node's URL, which may hold a key.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The node answered with an error.
    #[error("the node refuses {during}: {message} (code {code})")]
    Refused {
        /// What was asked.
        during: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// The node's words.
        message: String,
    },
    /// The contract reverts.
    #[error("{during} reverts: {reason}")]
    Reverted {
        /// What was asked.
        during: &'static str,
        /// The contract's error with its values, or the token's text.
        reason: String,
    },
    /// The node's answer cannot be what was asked for.
    #[error("the node's answer about {during} makes no sense: {detail}")]
    Nonsense {
        /// What was asked.
        during: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// The chain moved while it was read (a reorganisation, or nodes of different height behind one
    /// address): try again.
    #[error("the chain moved during {during}: try again")]
    Moving {
        /// What was asked.
        during: &'static str,
    },
    /// A transaction was not included within the time given; it may still be.
    #[error("transaction {tx} is not {wanted} after {seconds} s; it may still be")]
    Slow {
        /// The transaction.
        tx: B256,
        /// What was waited for.
        wanted: &'static str,
        /// How long.
        seconds: u64,
    },
    /// The configuration and the chain do not fit; no retry helps.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// The node, the escrow or the token is not the one that was configured.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SetupError {
    /// Not a URL, or not http(s).
    #[error("the node's address is not an http:// or https:// URL: {0}")]
    Url(String),
    /// Another chain.
    #[error("the node is on chain {found}, not {expected}")]
    ChainId {
        /// What was configured.
        expected: u64,
        /// What the node says.
        found: u64,
    },
    /// Nothing there.
    #[error("there is no contract at {what} {address}")]
    NoCode {
        /// Which contract.
        what: &'static str,
        /// Where.
        address: Address,
    },
    /// A value of a contract differs from the one expected.
    #[error("{what} is {found}, not {expected}")]
    Differs {
        /// Which value.
        what: &'static str,
        /// What was expected.
        expected: String,
        /// What the contract says.
        found: String,
    },
}

impl ChainError {
    /// Whether the same request may succeed later without anybody's doing.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Away { .. } | Self::Moving { .. } | Self::Slow { .. } => true,
            Self::Refused { .. } | Self::Reverted { .. } | Self::Nonsense { .. } => false,
            Self::Setup(_) => false,
        }
    }

    /// Whether it is the node that does not answer.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// Sorts what the transport said about `during`.
    pub(crate) fn of(during: &'static str, error: TransportError) -> Self {
        match error {
            RpcError::ErrorResp(payload) => match payload.as_revert_data() {
                Some(data) => Self::Reverted {
                    during,
                    reason: revert_reason(&data, &payload.message),
                },
                None if payload.message.contains("revert") => Self::Reverted {
                    during,
                    reason: short(&payload.message),
                },
                None => Self::Refused {
                    during,
                    code: payload.code,
                    message: short(&payload.message),
                },
            },
            RpcError::NullResp => Self::nonsense(during, "null"),
            // What a proxy or a broken node sends instead of JSON: no different from no answer.
            RpcError::DeserError { err, .. } => Self::Away {
                during,
                source: Box::new(err),
            },
            RpcError::Transport(kind) => Self::Away {
                during,
                source: without_url(kind),
            },
            other => Self::nonsense(during, other.to_string()),
        }
    }

    pub(crate) fn nonsense(during: &'static str, detail: impl Into<String>) -> Self {
        Self::Nonsense {
            during,
            detail: short(&detail.into()),
        }
    }
}

/// Characters of a node's words that are kept: they reach logs and notes.
const WORDS_MAX: usize = 400;

fn short(text: &str) -> String {
    text.chars().take(WORDS_MAX).collect()
}

/// The source of a transport error; a node's URL often carries an API key and must not reach a log.
fn without_url(kind: TransportErrorKind) -> Box<dyn Error + Send + Sync> {
    match kind {
        TransportErrorKind::Custom(error) | TransportErrorKind::NonRetryable(error) => {
            match error.downcast::<reqwest::Error>() {
                Ok(error) => Box::new(error.without_url()),
                Err(error) => error,
            }
        }
        other => Box::new(other),
    }
}

/// A revert in words: the escrow's own errors by name with their values, a token's text, else hex.
pub(crate) fn revert_reason(data: &Bytes, message: &str) -> String {
    if let Ok(error) = SwarmEscrowErrors::abi_decode(data) {
        return short(&format!("{error:?}"));
    }
    if let Ok(text) = RevertString::abi_decode(data) {
        return short(&text.reason);
    }
    if data.is_empty() {
        return short(message);
    }
    short(&format!("{message} {data}"))
}
