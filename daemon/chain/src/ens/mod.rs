//! Names: forward and reverse resolution by a walk of the ENS registry on the chain that holds it (ENS
//! on Ethereum, Basenames on Base). A name is a label; money never follows it.

mod name;

use alloy::sol;
use swarm_types::{Address, B256};

use crate::error::ChainError;
use crate::rpc::{At, Rpc};

pub use name::{Name, NameError};

sol! {
    interface IRegistry {
        function resolver(bytes32 node) external view returns (address);
    }
    interface IResolver {
        function addr(bytes32 node) external view returns (address);
        function name(bytes32 node) external view returns (string memory);
    }
}

/// A name and the address it stood for, with the block at which that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The name.
    pub name: Name,
    /// The address.
    pub address: Address,
    /// Number of the block in whose state both directions were read.
    pub block: u64,
}

/// An ENS registry on a chain.
#[derive(Clone, Debug)]
pub struct Ens {
    rpc: Rpc,
    registry: Address,
}

impl Ens {
    /// The registry at `registry` on the chain of `rpc`.
    pub fn new(rpc: Rpc, registry: Address) -> Self {
        Self { rpc, registry }
    }

    /// The address of `name`; `None` when it has none.
    ///
    /// # Errors
    /// When the node is away, or the resolver reverts.
    pub async fn resolve(&self, name: &Name) -> Result<Option<Binding>, ChainError> {
        let block = self.rpc.block(At::Latest).await?;
        let found = self.address(name.node(), At::Hash(block.hash)).await?;
        Ok(found.map(|address| Binding {
            name: name.clone(),
            address,
            block: block.number,
        }))
    }

    /// The name that `address` chose for itself, when that name resolves to `address`; anybody can
    /// claim any name in the reverse record, so a name that does not lead back is none.
    ///
    /// # Errors
    /// When the node is away, or a resolver reverts.
    pub async fn reverse(&self, address: Address) -> Result<Option<Binding>, ChainError> {
        let block = self.rpc.block(At::Latest).await?;
        let at = At::Hash(block.hash);
        let node = Name::reverse(address).node();
        let Some(resolver) = self.resolver(node, at).await? else {
            return Ok(None);
        };
        let claimed = self
            .rpc
            .call(resolver, &IResolver::nameCall { node }, at)
            .await?;
        // What is not a name in normal form could be shown as another: it is no name.
        let Ok(name) = claimed.parse::<Name>() else {
            return Ok(None);
        };
        let leads_back = self.address(name.node(), at).await? == Some(address);
        Ok(leads_back.then_some(Binding {
            name,
            address,
            block: block.number,
        }))
    }

    async fn address(&self, node: B256, at: At) -> Result<Option<Address>, ChainError> {
        let Some(resolver) = self.resolver(node, at).await? else {
            return Ok(None);
        };
        let address = self
            .rpc
            .call(resolver, &IResolver::addrCall { node }, at)
            .await?;
        Ok((!address.is_zero()).then_some(address))
    }

    async fn resolver(&self, node: B256, at: At) -> Result<Option<Address>, ChainError> {
        let call = IRegistry::resolverCall { node };
        let resolver = self.rpc.call(self.registry, &call, at).await?;
        Ok((!resolver.is_zero()).then_some(resolver))
    }
}
