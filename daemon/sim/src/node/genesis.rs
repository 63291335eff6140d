//! The first block: USDC at Base Sepolia's address, and the escrow.

use alloy::primitives::{Address, address};
use swarm_chain::devchain::USDC;
use swarm_contracts::Params;

use super::state::State;
use crate::people::{self, CLIENTS, GUARDIAN, OWNER, SETTLERS, THRESHOLD};
use crate::plant::Plant;

/// Unix seconds of the first block.
pub const START: u64 = 1_800_000_000;
/// Where the escrow stands.
pub const ESCROW: Address = address!("0x5a4d000000000000000000000000000000000e5c");
/// USDC of every client at the start, µUSDC.
const CLIENT_FUNDS: u64 = 1_000_000_000;

/// Hours after which a client's money leaves: less a seal's life, longer than any order of the simulation is open.
const EXIT_HOURS: u64 = 8;

/// What the escrow is made with: minutes and hours, as on a development chain.
pub fn params() -> Params {
    let settlers = SETTLERS.map(people::address).to_vec();
    let (owner, guardian) = (people::address(OWNER), people::address(GUARDIAN));
    Params {
        exit_delay: EXIT_HOURS * 3_600,
        role_delay: 2 * EXIT_HOURS * 3_600,
        ..Params::development(USDC, owner, guardian, settlers, THRESHOLD)
    }
}

/// The state before anything happens.
pub fn state(plant: Plant) -> State {
    let clients: Vec<Address> = (0..CLIENTS)
        .map(|n| people::address(people::client(n)))
        .collect();
    State::new(params(), ESCROW, &clients, CLIENT_FUNDS, START).with(plant)
}
