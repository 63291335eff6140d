//! The ledger as the queen sees it: commands, what they refuse, and what stays true whatever happens.
#![allow(clippy::unwrap_used)]

mod around;
mod chain;
mod common;
mod epochs;
mod leases;
mod orders;
mod schedules;
