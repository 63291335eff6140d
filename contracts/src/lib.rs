//! SwarmEscrow for Rust: bindings to the escrow and to USDC, deployment, and what a block explorer
//! needs to verify the source.
//!
//! The Solidity sources are in `src/` beside these files and are compiled into `artifacts/`; a test
//! recompiles and compares them, so building this crate needs neither Node nor a compiler for Solidity.

mod bindings;
mod convert;
pub mod deploy;
pub mod network;
pub mod params;
pub mod source;

pub use bindings::{
    CreditTransfer, Permit, ReceiveWithAuthorization, SwarmEscrow, TransferWithAuthorization, Usdc,
};
pub use deploy::{DeployError, Deployment, deploy, predict};
pub use network::Network;
pub use params::{Params, ParamsError};

/// Charges and payouts of one epoch together, as the contract limits them.
pub const MAX_ENTRIES: usize = 512;
/// The largest set of settlers.
pub const MAX_SETTLERS: usize = 16;
