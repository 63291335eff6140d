//! The only crate that talks to a chain.
//!
//! - [`chain::Chain`]: one escrow on one chain; [`rpc`] and [`tx`] are the calls it is made of. A node
//!   that is away is an error that says so ([`error::ChainError::is_away`]), never a panic.
//! - [`watcher`]: the escrow's events in the order of the chain, and reorganisations.
//! - [`book`]: the public record of the escrow from its events, for SwarmOrb.
//! - [`views`]: what the contract says of accounts, epochs, payees.
//! - [`flows`]: deposits, withdrawals, caps, claims and the guardian's calls.
//! - [`outbox`]: gets a signed seal onto the chain, once.
//! - [`audit`]: a stranger's comparison of an epoch's bundle, or one receipt, with the chain.
//! - [`ens`]: names by a walk of the registry.
//! - [`devchain`]: a whole chain on this machine, for development only.

pub mod audit;
pub mod book;
pub mod chain;
pub mod devchain;
pub mod ens;
pub mod error;
mod events;
pub mod flows;
pub mod outbox;
pub mod rpc;
pub mod settle;
mod transport;
pub mod tx;
pub mod views;
pub mod wallet;
pub mod watcher;

pub use chain::{Chain, Terms};
pub use error::{ChainError, SetupError};
pub use events::RawLog;
pub use rpc::{At, Rpc};
pub use tx::{Call, Mined, Progress};
pub use wallet::{Wallet, WalletError};
