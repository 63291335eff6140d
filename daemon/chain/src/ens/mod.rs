//! Names: forward and reverse resolution by a walk of the ENS registry on the chain that holds it (ENS
//! on Ethereum, Basenames on Base). A name is a label; money never follows it. Only what the registry's
//! own chain answers counts: wildcards (ENSIP-10) and gateways off chain (EIP-3668) are not asked.

mod name;

use std::sync::Arc;

use alloy::sol;
use swarm_types::escrow::BlockRef;
use swarm_types::{Address, B256};
use tokio::sync::OnceCell;

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
    /// Of the node's chain, once it said so.
    chain_id: Arc<OnceCell<u64>>,
}

impl Ens {
    /// The registry at `registry` on the chain of `rpc`.
    pub fn new(rpc: Rpc, registry: Address) -> Self {
        Self {
            rpc,
            registry,
            chain_id: Arc::default(),
        }
    }

    /// The address of `name`; `None` when it has none.
    ///
    /// # Errors
    /// When the node is away, or the resolver reverts.
    pub async fn resolve(&self, name: &Name) -> Result<Option<Binding>, ChainError> {
        let block = self.newest().await?;
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
        self.reverse_at(address, &self.newest().await?).await
    }

    /// The newest block, for several questions about one state.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn newest(&self) -> Result<BlockRef, ChainError> {
        self.rpc.block(At::Latest).await
    }

    /// As [`Self::reverse`], in the state of `block`.
    ///
    /// # Errors
    /// When the node is away, or a resolver reverts.
    pub async fn reverse_at(
        &self,
        address: Address,
        block: &BlockRef,
    ) -> Result<Option<Binding>, ChainError> {
        let at = At::Hash(block.hash);
        for node in self.reverse_nodes(address).await? {
            let Some(resolver) = self.resolver(node, at).await? else {
                continue;
            };
            let call = IResolver::nameCall { node };
            let claimed = self.rpc.call(resolver, &call, at).await?;
            // What is not a name in normal form could be shown as another: it is no name.
            let Ok(name) = claimed.parse::<Name>() else {
                continue;
            };
            if self.address(name.node(), at).await? == Some(address) {
                return Ok(Some(Binding {
                    name,
                    address,
                    block: block.number,
                }));
            }
        }
        Ok(None)
    }

    /// Where an address may have chosen its name: in ENS's own branch (EIP-181), and in that of its
    /// chain (ENSIP-19), which Basenames use.
    async fn reverse_nodes(&self, address: Address) -> Result<Vec<B256>, ChainError> {
        let chain_id = self.chain_id.get_or_try_init(|| self.rpc.chain_id());
        let of_chain = Name::reverse_on(address, *chain_id.await?);
        let names = std::iter::once(Name::reverse(address)).chain(of_chain);
        Ok(names.map(|name| name.node()).collect())
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
