//! Names of the addresses that an index shows: what their owners chose in the registry's reverse records,
//! where the name leads back. The chain is the only source; what a queen was told is none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use swarm_chain::ChainError;
use swarm_chain::ens::{Binding, Ens};
use swarm_types::Address;
use swarm_types::api::BoundName;
use tokio::time::Instant;

/// An address is asked for its name again after this long.
const RECHECK: Duration = Duration::from_secs(3_600);
/// Time that one round gives to names; a few are asked for at least.
const NAMES_TIME: Duration = Duration::from_secs(2);
/// Addresses that are asked for at once.
const AT_ONCE: usize = 8;
/// Most addresses of an index that are asked for; an index is loaded whole by every visitor.
pub const ADDRESSES_MAX: usize = 10_000;

/// The names of some addresses, as a registry has them.
pub struct Names {
    ens: Ens,
    seen: BTreeMap<Address, (Instant, Option<BoundName>)>,
}

impl Names {
    /// Names by `ens`; none is known yet.
    pub fn new(ens: Ens) -> Self {
        Self {
            ens,
            seen: BTreeMap::new(),
        }
    }

    /// Asks for the names that are due, for a while; how many of `addresses` were never asked for. What
    /// is known stays known when the node is away.
    ///
    /// # Errors
    /// When the node of the registry's chain is away.
    pub async fn round(&mut self, addresses: &BTreeSet<Address>) -> Result<usize, ChainError> {
        // After a reorganisation an address may be nobody's.
        self.seen.retain(|address, _| addresses.contains(address));
        let fresh = |address: &Address| {
            let seen = self.seen.get(address);
            seen.is_some_and(|(at, _)| at.elapsed() < RECHECK)
        };
        let asked = addresses.iter().take(ADDRESSES_MAX);
        let due: Vec<Address> = asked.filter(|address| !fresh(address)).copied().collect();
        if due.is_empty() {
            return Ok(0);
        }
        // One block for the round, so that both directions of a name are of one state.
        let block = self.ens.newest().await?;
        let began = Instant::now();
        for some in due.chunks(AT_ONCE) {
            let asked = some.iter().map(|address| {
                let (ens, address) = (self.ens.clone(), *address);
                async move { (address, ens.reverse_at(address, &block).await) }
            });
            for (address, answer) in join_all(asked).await {
                self.take(address, answer)?;
            }
            if began.elapsed() > NAMES_TIME {
                break;
            }
        }
        let unasked = due.iter().filter(|a| !self.seen.contains_key(*a));
        Ok(unasked.count())
    }

    /// Keeps what an address was found to be called. A resolver is anybody's contract: that one reverts
    /// or talks nonsense means that the address has no name, and stops nobody else's.
    fn take(
        &mut self,
        address: Address,
        answer: Result<Option<Binding>, ChainError>,
    ) -> Result<(), ChainError> {
        let name = match answer {
            Ok(binding) => binding.map(|binding| BoundName {
                name: binding.name.to_string(),
                block: binding.block,
            }),
            Err(error) if error.is_away() => return Err(error),
            Err(error) => {
                tracing::debug!(%error, %address, "a name cannot be read");
                None
            }
        };
        self.seen.insert(address, (Instant::now(), name));
        Ok(())
    }

    /// The names that the chain confirmed, by address.
    pub fn bound(&self) -> BTreeMap<Address, BoundName> {
        let named = |(address, (_, name)): (&Address, &(Instant, Option<BoundName>))| {
            Some((*address, name.clone()?))
        };
        self.seen.iter().filter_map(named).collect()
    }
}
