//! Clients in paths: an address, or a name that the chain resolves. A name is a label; what it leads to
//! is kept with the block at which that was seen.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use swarm_chain::ens::{Ens, Name};
use swarm_ledger::Ledger;
use swarm_ledger::commands::BindName;
use swarm_types::Address;

use crate::clock::Clock;
use crate::problem::{Answer, Refused};

/// How long an answer of the chain is believed.
const BELIEVED: Duration = Duration::from_secs(300);
/// Names that are remembered.
const NAMES_MAX: usize = 4_096;
/// Longest that a request waits for the chain.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Resolves names.
pub struct Names {
    chain: Option<(Ens, u64)>,
    ledger: Ledger,
    clock: Clock,
    seen: Mutex<HashMap<String, (Option<Address>, Instant)>>,
}

impl Names {
    /// Names by the registry of `chain` (with its chain id), or none at all.
    pub fn new(chain: Option<(Ens, u64)>, ledger: Ledger, clock: Clock) -> Self {
        Self {
            chain,
            ledger,
            clock,
            seen: Mutex::default(),
        }
    }

    /// The address that `id` is or leads to.
    pub async fn address(&self, id: &str) -> Answer<Address> {
        if id.starts_with("0x") {
            return crate::extract::parse("client", id);
        }
        let refuse = |detail: String| Refused::malformed(detail).field("client");
        let name: Name = id.parse().map_err(|error| {
            refuse(format!(
                "client is neither an address (0x and 40 hex digits) nor a name: {error}"
            ))
        })?;
        if self.chain.is_none() {
            let detail = "this queen resolves no names; use the address";
            return Err(refuse(detail.into()));
        }
        let found = self.resolve(&name).await?;
        found.ok_or_else(|| Refused::missing(format!("the name {name} leads to no address")))
    }

    /// The name, when the chain confirms that it leads to `address`. A chain that is away confirms
    /// nothing, and keeps nobody from ordering.
    pub async fn confirm(&self, name: &str, address: Address) -> Option<String> {
        self.chain.as_ref()?;
        let name: Name = name.parse().ok()?;
        let found = self.resolve(&name).await.ok().flatten();
        (found == Some(address)).then(|| name.to_string())
    }

    async fn resolve(&self, name: &Name) -> Answer<Option<Address>> {
        let Some((ens, chain_id)) = &self.chain else {
            return Ok(None);
        };
        let key = name.to_string();
        if let Some((address, at)) = self.seen().get(&key)
            && at.elapsed() < BELIEVED
        {
            return Ok(*address);
        }
        let away = || {
            let detail = "the chain that holds names does not answer; use the address";
            Refused::unavailable("names-away", detail)
        };
        let binding = tokio::time::timeout(WAIT_MAX, ens.resolve(name)).await;
        let binding = binding.map_err(|_| away())?.map_err(|error| {
            tracing::warn!(%error, "a name could not be resolved");
            away()
        })?;
        if let Some(binding) = &binding {
            self.ledger
                .bind_name(BindName {
                    now: self.clock.seconds(),
                    address: binding.address,
                    name: Some(key.clone()),
                    chain_id: *chain_id,
                    block: binding.block,
                })
                .await?;
        }
        let address = binding.map(|binding| binding.address);
        let mut seen = self.seen();
        if seen.len() >= NAMES_MAX {
            seen.retain(|_, (_, at)| at.elapsed() < BELIEVED);
        }
        if seen.len() < NAMES_MAX {
            seen.insert(key, (address, Instant::now()));
        }
        Ok(address)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Option<Address>, Instant)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
