//! A whole rack in one process: queen, bees, clients and chain, with simulated time. One seed is one run:
//! who does what, when, and what breaks is drawn from it, and the same seed gives the same run.
//!
//! What runs is the real thing: the ledger on its files, the queen's routes with signed requests, her
//! settlement rounds, bundles and sweeps, and the daemon's chain client. What is simulated: time, sockets,
//! the chain below its JSON-RPC ([`node`], with a model of the escrow that is held against the compiled
//! contract), and the people ([`people`]). Nothing sleeps, nothing is concurrent; so the ledger's queries run
//! on its writer's connection, between its commands.
//!
//! | Module | Is |
//! |---|---|
//! | [`world`] | the run: steps, time, the queen's lives |
//! | [`life`] | the points at which her process dies, and what a power cut leaves of her files |
//! | `client`, `bee`, `chain`, `faults` | what each of them does in a step |
//! | [`model`] | what clients and bees were told, kept apart from the ledger |
//! | `oracle` | what must hold: after steps, and at the end, when the faults have stopped |
//!
//! Left out: inference, encryption (the queen only sees ciphertext), event streams, webhooks.

mod batch;
mod bee;
mod chain;
mod client;
mod faults;
mod heal;
mod http;
pub mod life;
pub mod model;
pub mod node;
mod oracle;
pub mod people;
pub mod plant;
pub mod rng;
pub mod stats;
pub mod world;

pub use batch::{Batch, replay};
pub use plant::Plant;
pub use stats::Stats;
pub use world::{Broken, Outcome, run, run_with};
