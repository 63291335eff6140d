use alloy::providers::ext::AnvilApi;
use alloy::rpc::types::anvil::ReorgOptions;

use crate::*;

async fn replace(dev: &DevChain, depth: u64) {
    let options = ReorgOptions {
        depth,
        tx_block_pairs: Vec::new(),
    };
    let provider = dev.node.rpc().provider();
    provider
        .anvil_reorg(options)
        .await
        .expect("a reorganisation");
}

#[tokio::test]
async fn a_reorg_names_the_first_block_that_is_gone_and_the_rest_is_read_again() {
    let (dev, chain) = start().await;
    let mut known = Vec::new();
    deposit(&dev, &chain, MicroUsdc(1_000_000)).await;
    dev.mine(4).await.expect("mined");
    assert_eq!(
        read_all(&chain, dev.escrow_block, &mut known).await.len(),
        1
    );
    let before = known[0];
    deposit(&dev, &chain, MicroUsdc(2_000_000)).await;
    assert_eq!(
        read_all(&chain, dev.escrow_block, &mut known).await.len(),
        1
    );

    // Three blocks (mint, approve, deposit) are replaced by empty ones, and the chain grows on.
    replace(&dev, 3).await;
    dev.mine(2).await.expect("mined");
    let step = chain
        .next_blocks(&known, dev.escrow_block)
        .await
        .expect("a step");
    assert_eq!(
        step,
        Step::Reorg {
            undo_from: before.number + 1
        }
    );
    known.retain(|block| block.number <= before.number);
    assert_eq!(read_all(&chain, dev.escrow_block, &mut known).await, []);
    let account = chain
        .account(account(CLIENT), At::Latest)
        .await
        .expect("account");
    assert_eq!(account.balance, MicroUsdc(1_000_000));
}

#[tokio::test]
async fn a_node_that_lags_is_told_from_a_reorg_and_from_another_chain() {
    let (dev, chain) = start().await;
    let mut known = Vec::new();
    dev.mine(5).await.expect("mined");
    read_all(&chain, dev.escrow_block, &mut known).await;
    let newest = known[0];
    let ahead = BlockRef {
        number: newest.number + 3,
        hash: B256::repeat_byte(1),
        parent: B256::repeat_byte(2),
        timestamp: newest.timestamp + 3,
    };
    let step = chain
        .next_blocks(&[ahead, newest], dev.escrow_block)
        .await
        .expect("a step");
    assert!(
        matches!(step, Step::Behind(heads) if heads.latest == newest),
        "{step:?}"
    );

    let strange = BlockRef {
        hash: B256::repeat_byte(3),
        ..newest
    };
    let step = chain
        .next_blocks(&[strange], dev.escrow_block)
        .await
        .expect("a step");
    assert_eq!(step, Step::Unknown);
}
