//! The spine under fire: real processes on a real chain, killed and misled. After each fault every job is
//! terminal, charged once at most and credited once, chain and ledger agree, and the queen says what
//! happened.

mod clocks;
mod crash;
mod disk;
mod models;
mod outage;
#[path = "../rack/mod.rs"]
mod rack;
mod twice;
