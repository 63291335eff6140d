//! The rules, without IO: what may happen to a job, what a heartbeat earns, what the chain's events say
//! of a client.

pub(crate) mod cap;
pub(crate) mod job;
pub(crate) mod mirror;
pub(crate) mod readiness;
