//! ENS's own registry, public resolver and reverse registrar, as npm ships them compiled.

use alloy::primitives::{Bytes, keccak256};
use alloy::providers::ext::AnvilApi;
use alloy::sol;
use alloy::sol_types::{SolCall, SolValue};
use swarm_types::{Address, B256};

use super::artifact::Artifact;
use super::node::step;
use super::{DEV_ACCOUNTS, DevChainError, Node, TREASURER};
use crate::ens::Name;
use crate::error::ChainError;

sol! {
    function setSubnodeOwner(bytes32 node, bytes32 label, address owner) external;
    function setResolver(bytes32 node, address resolver) external;
    function setAddr(bytes32 node, address a) external;
    function setName(bytes32 node, string name) external;
    interface IReverseRegistrar {
        function setName(string name) external;
    }
}

/// The step that fails, for people.
const STEP: &str = "names";

/// A registry on a development chain. The treasurer owns its root, and so every name.
#[derive(Debug)]
pub struct DevNames<'a> {
    node: &'a Node,
    /// The registry.
    pub registry: Address,
    /// The public resolver that every name here uses.
    pub resolver: Address,
    reverse: Address,
}

impl<'a> DevNames<'a> {
    /// Deploys registry, resolver and reverse registrar on `node`.
    ///
    /// # Errors
    /// When the cache lacks an artifact, or a step fails.
    pub async fn install(node: &'a Node) -> Result<Self, DevChainError> {
        let create = async |package: &str, name: &str, arguments: Vec<u8>| {
            let path = format!("@ensdomains/{package}/build/contracts/{name}.json");
            let mut code = Artifact::load(&path)?.code("bytecode", None)?.to_vec();
            code.extend(arguments);
            node.create(STEP, Bytes::from(code)).await
        };
        let registry = create("ens", "ENSRegistry", Vec::new()).await?;
        let resolver = create("resolver", "PublicResolver", registry.abi_encode()).await?;
        let arguments = (registry, resolver).abi_encode();
        let reverse = create("ens", "ReverseRegistrar", arguments).await?;
        let own = Self {
            node,
            registry,
            resolver,
            reverse,
        };
        let treasurer = DEV_ACCOUNTS[TREASURER];
        let top = own.give(B256::ZERO, "reverse", treasurer).await?;
        own.give(top, "addr", reverse).await?;
        Ok(own)
    }

    /// Makes `name` lead to `address`. Names above it come to belong to the treasurer.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn point(&self, name: &Name, address: Address) -> Result<(), DevChainError> {
        let node = self.own(name).await?;
        self.call(self.resolver, setAddrCall { node, a: address })
            .await
    }

    /// Writes `text` as the name of `address` by the owner of the node that `reverse` names, such as
    /// `<hex>.80014a34.reverse`; nobody checks it.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn write(&self, reverse: &Name, text: &str) -> Result<(), DevChainError> {
        let node = self.own(reverse).await?;
        let name = text.to_owned();
        self.call(self.resolver, setNameCall { node, name }).await
    }

    /// Lets `address` claim `text` as its own name, through the registrar; nobody checks it.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn claim(&self, address: Address, text: &str) -> Result<(), DevChainError> {
        self.node.fund(address).await?;
        let provider = self.node.rpc().provider();
        let fail = |error| step(STEP, ChainError::of("anvil_impersonateAccount", error));
        provider
            .anvil_impersonate_account(address)
            .await
            .map_err(fail)?;
        let name = text.to_owned();
        let data = IReverseRegistrar::setNameCall { name }.abi_encode();
        let claimed = self.node.invoke(STEP, address, self.reverse, data).await;
        let stopped = provider.anvil_stop_impersonating_account(address).await;
        claimed.and(stopped.map_err(fail))
    }

    /// Names the contract that is asked about `name`, whatever it is.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn resolve_by(&self, name: &Name, resolver: Address) -> Result<(), DevChainError> {
        let node = name.node();
        self.call(self.registry, setResolverCall { node, resolver })
            .await
    }

    /// Gives every label of `name` to the treasurer, and names the resolver; its hash.
    async fn own(&self, name: &Name) -> Result<B256, DevChainError> {
        let mut node = B256::ZERO;
        for label in name.as_str().rsplit('.') {
            node = self.give(node, label, DEV_ACCOUNTS[TREASURER]).await?;
        }
        self.resolve_by(name, self.resolver).await?;
        Ok(node)
    }

    async fn give(&self, node: B256, label: &str, owner: Address) -> Result<B256, DevChainError> {
        let label = keccak256(label);
        self.call(self.registry, setSubnodeOwnerCall { node, label, owner })
            .await?;
        Ok(keccak256([node.as_slice(), label.as_slice()].concat()))
    }

    async fn call(&self, to: Address, call: impl SolCall) -> Result<(), DevChainError> {
        let treasurer = DEV_ACCOUNTS[TREASURER];
        self.node
            .invoke(STEP, treasurer, to, call.abi_encode())
            .await
    }
}
