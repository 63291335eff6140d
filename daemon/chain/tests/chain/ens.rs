//! Names on ENS's own contracts, as npm ships them compiled.

use alloy::network::TransactionBuilder;
use alloy::primitives::{Bytes, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol;
use alloy::sol_types::{SolCall, SolValue};
use swarm_chain::devchain::{Node, cache_dir};
use swarm_chain::ens::{Ens, Name};

use crate::*;

sol! {
    function setSubnodeOwner(bytes32 node, bytes32 label, address owner) external;
    function setResolver(bytes32 node, address resolver) external;
    function setAddr(bytes32 node, address a) external;
    function setName(string name) external;
}

async fn transact(node: &Node, from: usize, request: TransactionRequest) -> Option<Address> {
    let request = request.with_from(account(from)).with_gas_limit(6_000_000);
    let sent = node
        .rpc()
        .provider()
        .send_transaction(request)
        .await
        .expect("sent");
    let receipt = sent.get_receipt().await.expect("mined");
    assert!(receipt.status());
    receipt.contract_address
}

async fn create(node: &Node, package: &str, name: &str, arguments: Vec<u8>) -> Address {
    let path = cache_dir().join(format!(
        "npm/node_modules/@ensdomains/{package}/build/contracts/{name}.json"
    ));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|_| panic!("{} is missing: run scripts/setup", path.display()));
    let json: serde_json::Value = serde_json::from_str(&text).expect("json");
    let mut code = swarm_types::hex::decode(json["bytecode"].as_str().expect("code")).expect("hex");
    code.extend(arguments);
    let request = TransactionRequest::default().with_deploy_code(Bytes::from(code));
    transact(node, 0, request).await.expect("an address")
}

async fn call(node: &Node, from: usize, to: Address, call: impl SolCall) {
    let request = TransactionRequest::default()
        .with_to(to)
        .with_input(call.abi_encode());
    transact(node, from, request).await;
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

struct Registry {
    node: Node,
    registry: Address,
    resolver: Address,
    reverse: Address,
}

impl Registry {
    async fn start() -> Self {
        let node = Node::start(&NodeConfig::default()).await.expect("anvil");
        let registry = create(&node, "ens", "ENSRegistry", Vec::new()).await;
        let resolver = create(&node, "resolver", "PublicResolver", registry.abi_encode()).await;
        let arguments = (registry, resolver).abi_encode();
        let reverse = create(&node, "ens", "ReverseRegistrar", arguments).await;
        let own = Self {
            node,
            registry,
            resolver,
            reverse,
        };
        own.subnode(B256::ZERO, "reverse", account(0)).await;
        own.subnode(name("reverse").node(), "addr", reverse).await;
        own.subnode(B256::ZERO, "eth", account(0)).await;
        own.subnode(name("eth").node(), "hive", account(0)).await;
        own
    }

    async fn subnode(&self, node: B256, label: &str, owner: Address) {
        let label = keccak256(label);
        call(
            &self.node,
            0,
            self.registry,
            setSubnodeOwnerCall { node, label, owner },
        )
        .await;
    }

    async fn register(&self, label: &str, target: Address) {
        self.subnode(name("hive.eth").node(), label, account(0))
            .await;
        let node = name(&format!("{label}.hive.eth")).node();
        let resolver = self.resolver;
        call(
            &self.node,
            0,
            self.registry,
            setResolverCall { node, resolver },
        )
        .await;
        call(&self.node, 0, resolver, setAddrCall { node, a: target }).await;
    }
}

#[tokio::test]
async fn names_resolve_forward_and_back_with_the_block_they_were_seen_at() {
    let own = Registry::start().await;
    own.register("bee-1", account(4)).await;
    let set = setNameCall {
        name: "bee-1.hive.eth".into(),
    };
    call(&own.node, 4, own.reverse, set).await;
    let ens = Ens::new(own.node.rpc().clone(), own.registry);
    let block = own
        .node
        .rpc()
        .block(At::Latest)
        .await
        .expect("block")
        .number;

    let found = ens
        .resolve(&name("bee-1.hive.eth"))
        .await
        .expect("answer")
        .expect("bound");
    assert_eq!((found.address, found.block), (account(4), block));
    assert_eq!(
        ens.resolve(&name("bee-2.hive.eth")).await.expect("answer"),
        None
    );
    assert_eq!(ens.resolve(&name("hive.eth")).await.expect("answer"), None);

    let back = ens
        .reverse(account(4))
        .await
        .expect("answer")
        .expect("bound");
    assert_eq!(
        (back.name.as_str(), back.address),
        ("bee-1.hive.eth", account(4))
    );
    assert_eq!(ens.reverse(account(5)).await.expect("answer"), None);
}

#[tokio::test]
async fn a_reverse_record_that_does_not_lead_back_is_no_name() {
    let own = Registry::start().await;
    own.register("bee-1", account(4)).await;
    let ens = Ens::new(own.node.rpc().clone(), own.registry);
    for claimed in [
        "bee-1.hive.eth",
        "Bee-1.hive.eth",
        "b\u{435}e-1.hive.eth",
        "",
        "nobody.eth",
    ] {
        let set = setNameCall {
            name: claimed.into(),
        };
        call(&own.node, 5, own.reverse, set).await;
        assert_eq!(
            ens.reverse(account(5)).await.expect("answer"),
            None,
            "{claimed}"
        );
    }
}
