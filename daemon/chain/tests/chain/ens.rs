//! Names on ENS's own contracts, as npm ships them compiled.

use swarm_chain::devchain::{CHAIN_ID, DevNames, Node};
use swarm_chain::ens::{Ens, Name};

use crate::*;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

#[tokio::test]
async fn names_resolve_forward_and_back_with_the_block_they_were_seen_at() {
    let node = Node::start(&NodeConfig::default()).await.expect("anvil");
    let own = DevNames::install(&node).await.expect("installed");
    let bee = name("bee-1.hive.eth");
    own.point(&bee, account(4)).await.expect("points");
    let claimed = own.claim(account(4), bee.as_str()).await;
    claimed.expect("claims");
    let ens = Ens::new(node.rpc().clone(), own.registry);
    let block = node.rpc().block(At::Latest).await.expect("block").number;

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
    let node = Node::start(&NodeConfig::default()).await.expect("anvil");
    let own = DevNames::install(&node).await.expect("installed");
    let bee = name("bee-1.hive.eth");
    own.point(&bee, account(4)).await.expect("points");
    let ens = Ens::new(node.rpc().clone(), own.registry);
    for claimed in [
        "bee-1.hive.eth",
        "Bee-1.hive.eth",
        "b\u{435}e-1.hive.eth",
        "\u{202e}hte.evih",
        "<img src=x onerror=alert(1)>.eth",
        &"a.".repeat(5_000),
        "",
        "nobody.eth",
    ] {
        own.claim(account(5), claimed).await.expect("claims");
        assert_eq!(
            ens.reverse(account(5)).await.expect("answer"),
            None,
            "{claimed}"
        );
    }
}

#[tokio::test]
async fn a_name_chosen_for_the_chain_counts_where_ens_has_none() {
    let node = Node::start(&NodeConfig::default()).await.expect("anvil");
    let own = DevNames::install(&node).await.expect("installed");
    let ens = Ens::new(node.rpc().clone(), own.registry);
    let (clinic, other) = (name("clinic.base.eth"), name("other.eth"));
    let branch = Name::reverse_on(account(4), CHAIN_ID).expect("a coin type");
    own.write(&branch, clinic.as_str()).await.expect("writes");
    assert_eq!(ens.reverse(account(4)).await.expect("answer"), None);
    own.point(&clinic, account(4)).await.expect("points");
    let found = ens.reverse(account(4)).await.expect("answer");
    assert_eq!(found.expect("bound").name, clinic);
    // ENS's own branch comes first.
    own.point(&other, account(4)).await.expect("points");
    own.claim(account(4), other.as_str()).await.expect("claims");
    let found = ens.reverse(account(4)).await.expect("answer");
    assert_eq!(found.expect("bound").name, other);
}
