//! Who takes part, and their keys. The keys are known to everybody: this chain holds no money.

use std::sync::LazyLock;

use swarm_chain::Wallet;
use swarm_types::{Address, sha256};

/// Owns the escrow's roles.
pub const OWNER: usize = 0;
/// Voids, pauses, resumes.
pub const GUARDIAN: usize = 1;
/// Sign seals.
pub const SETTLERS: [usize; 2] = [2, 3];
/// How many of them must.
pub const THRESHOLD: u64 = 2;
/// Pays for settlements.
pub const GAS: usize = 4;
/// Approves bees and asks for seals.
pub const OPERATOR: usize = 5;
/// Gets the protocol's fees.
pub const PROTOCOL_PAYEE: usize = 6;
/// Gets the operator's fees.
pub const OPERATOR_PAYEE: usize = 7;
/// Signs quotes.
pub const QUEEN: usize = 8;
/// Sends claims for others.
pub const PASSER_BY: usize = 9;
/// The first client.
const CLIENT: usize = 10;
/// Clients.
pub const CLIENTS: usize = 3;
/// The first order signer; each client has one.
const SIGNER: usize = 20;
/// The first bee.
const BEE: usize = 30;
/// Bees.
pub const BEES: usize = 3;
/// The first payee of a bee; the last two bees share one.
const PAYEE: usize = 40;
/// All keys.
const KEYS: usize = 50;

static WALLETS: LazyLock<Vec<Wallet>> = LazyLock::new(|| {
    let key = |n: usize| sha256(format!("swarm-sim {n}"));
    let wallet = |n| Wallet::from_bytes(&key(n)).expect("a digest is below the curve's order");
    (0..KEYS).map(wallet).collect()
});
static ADDRESSES: LazyLock<Vec<Address>> =
    LazyLock::new(|| WALLETS.iter().map(Wallet::address).collect());

/// A key.
pub fn wallet(who: usize) -> &'static Wallet {
    &WALLETS[who]
}

/// Whose key it is.
pub fn address(who: usize) -> Address {
    ADDRESSES[who]
}

/// Client `n`.
pub fn client(n: usize) -> usize {
    CLIENT + n
}

/// The order signer of client `n`.
pub fn signer(n: usize) -> usize {
    SIGNER + n
}

/// Bee `n`.
pub fn bee(n: usize) -> usize {
    BEE + n
}

/// Where bee `n`'s pay goes.
pub fn payee(n: usize) -> usize {
    PAYEE + n.min(BEES - 2)
}

/// Everybody who may be paid, each once.
pub fn payees() -> Vec<Address> {
    let mut payees: Vec<Address> = (0..BEES).map(|n| address(payee(n))).collect();
    payees.extend([address(PROTOCOL_PAYEE), address(OPERATOR_PAYEE)]);
    payees.sort_unstable();
    payees.dedup();
    payees
}
