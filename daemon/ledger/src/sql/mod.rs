//! All SQL, by noun. Functions take a connection inside a transaction; none decides anything.

pub(crate) mod accounts;
pub(crate) mod blobs;
pub(crate) mod chain;
pub(crate) mod epochs;
pub(crate) mod jobs;
pub(crate) mod journal;
pub(crate) mod names;
mod open;
pub(crate) mod open_jobs;
pub(crate) mod outbox;
pub(crate) mod outcomes;
#[cfg(test)]
mod plans;
pub(crate) mod schema;
pub(crate) mod stats;
pub(crate) mod transfers;
pub(crate) mod values;
pub(crate) mod webhooks;
pub(crate) mod workers;

pub(crate) use open::{open_reader, open_writer};
