//! The queen's API from the other side: one typed method a route, signed requests, pinned TLS, resumable transfers.
//!
//! [`QueenClient`] is what bees, the command line and tests use. What is safe to repeat is repeated with growing
//! pauses when the queen or the way to her fails for a moment; every repetition is signed anew, because the queen
//! takes a signed nonce once. Nothing here keeps state on disk or logs a body.

mod error;
mod events;
mod http;
mod models;
mod routes;
mod sse;
mod tls;
mod transfer;

pub use error::ClientError;
pub use events::{EventFilter, EventStream};
pub use http::QueenClient;
pub use routes::JobFilter;
pub use tls::{Fingerprint, Tls};
pub use transfer::{Progress, UploadFor};
