//! The index of a real escrow on a real chain, with real bundles: settled, void, missing, tampered,
//! reorganised, resumed.

#[path = "../../chain/tests/chain/rig.rs"]
#[allow(dead_code, reason = "the chain crate's own tests use the rest")]
mod rig;

use std::path::Path;

use alloy::providers::ext::AnvilApi;
use alloy::rpc::types::anvil::ReorgOptions;
use alloy::sol_types::SolCall;
use rig::*;
use swarm_chain::devchain::{DevChain, DevNames, Node, NodeConfig, dev_wallet};
use swarm_chain::ens::{Ens, Name};
use swarm_chain::{At, Call, Chain};
use swarm_contracts::SwarmEscrow;
use swarm_orb::Indexer;
use swarm_types::api::EpochStatus;
use swarm_types::bundle::SUMMARY;
use swarm_types::orb::{BundleState, Index, LineKind, Role, Site};
use swarm_types::{B256, EpochId, MicroUsdc, canonical};

/// Reads all there is; the index.
async fn index_of(indexer: &mut Indexer) -> Index {
    loop {
        let round = indexer.round().await.expect("a round");
        if round.progress.caught_up && round.unchecked == 0 && round.unnamed == 0 {
            let index = indexer.index(&Site::default());
            return index.expect("an index");
        }
    }
}

fn write_bundle(dir: &Path, epoch: u64, files: &Files) {
    for (name, bytes) in files {
        let path = dir.join(EpochId(epoch).to_string()).join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
        std::fs::write(path, bytes).expect("writes");
    }
}

/// Settles an epoch with `count` jobs of the client, and publishes its bundle in `dir`.
async fn settle(chain: &Chain, dir: &Path, epoch: u64, previous: B256, count: u64) -> B256 {
    let at = now(chain).await;
    let jobs = (0..count).map(|seq| job(chain, epoch, seq + 1, at, &dev_wallet(CLIENT)));
    let (sealed, files) = seal(chain, epoch, previous, jobs.collect()).await;
    send(chain, &dev_wallet(GAS), &chain.settle(&sealed)).await;
    write_bundle(dir, epoch, &files);
    sealed.seal.struct_hash()
}

/// Three epochs: final, void, open.
async fn three(dev: &DevChain, chain: &Chain, dir: &Path) {
    deposit(dev, chain, MicroUsdc(5_000_000)).await;
    let window = chain.terms().await.expect("terms").window;
    let first = settle(chain, dir, 1, B256::ZERO, 2).await;
    dev.advance(window + 1).await.expect("advanced");
    let second = settle(chain, dir, 2, first, 1).await;
    let guardian = dev_wallet(GUARDIAN);
    send(chain, &guardian, &chain.void_epoch(2)).await;
    send(chain, &guardian, &chain.resume()).await;
    dev.advance(10).await.expect("advanced");
    settle(chain, dir, 3, second, 1).await;
}

#[tokio::test]
async fn the_index_says_what_the_contract_says_and_how_each_bundle_compares() {
    let (dev, chain) = start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let audit = dir.path().join("audit");
    three(&dev, &chain, &audit).await;
    let mut indexer = Indexer::new(&chain, dev.escrow_block, &audit, None);
    let index = index_of(&mut indexer).await;

    assert_eq!(index.escrow, dev.escrow);
    let status: Vec<_> = index.epochs.iter().map(|row| row.status).collect();
    let expected = [
        EpochStatus::Finalized,
        EpochStatus::Void,
        EpochStatus::Included,
    ];
    assert_eq!(status, expected);
    let void = index.epochs[1].void.as_ref().expect("a void");
    assert!(!void.reason.is_empty() && void.block > index.epochs[1].block);
    for row in &index.epochs {
        let known = chain.epoch(row.epoch, At::Latest).await.expect("a view");
        let known = known.expect("an epoch");
        assert_eq!(row.seal_hash, known.seal_hash);
        assert_eq!(
            (row.receipts_root, row.receipts),
            (known.receipts_root, known.receipt_count)
        );
        assert_eq!(
            (row.sealed_at, row.settled_at),
            (known.sealed_at, known.settled_at)
        );
        assert_eq!(row.final_at, known.final_at);
        assert_eq!(
            row.bundle_state,
            BundleState::Complete,
            "{:?}",
            row.bundle_detail
        );
        let summary = row.summary.as_ref().expect("a bundle");
        assert_eq!(summary.signers, [account(SETTLER)]);
        assert_eq!(summary.workers, Some(1));
        assert!(
            summary
                .cid
                .as_ref()
                .is_some_and(|cid| cid.starts_with("bafybei"))
        );
        // The seal that the chain holds is the one that these fields make.
        let bytes =
            std::fs::read(audit.join(row.epoch_id.to_string()).join(SUMMARY)).expect("reads");
        let made: swarm_types::bundle::Summary = serde_json::from_slice(&bytes).expect("parses");
        assert_eq!(
            (row.previous, row.charges, row.payouts),
            (made.previous, made.charges, made.payouts)
        );
    }
    let state = &index.contract;
    assert_eq!(state.settlers, [account(SETTLER)]);
    assert_eq!(
        (state.owner, state.guardian),
        (account(OWNER), account(GUARDIAN))
    );
    assert_eq!((state.last_epoch, state.stopped), (3, false));
    let liabilities = chain.liabilities(At::Latest).await.expect("a view");
    assert_eq!(
        (state.liabilities, state.token_balance),
        (liabilities, liabilities)
    );

    // An account's lines are the chain's events, and what is void is marked.
    let shown = indexer.shown();
    let client = shown.account(&account(CLIENT)).expect("a client");
    let kinds: Vec<_> = client
        .lines
        .iter()
        .map(|l| (l.kind, l.amount, l.status))
        .collect();
    let charged = |fee, status| (LineKind::Charged, Some(MicroUsdc(fee)), Some(status));
    assert_eq!(
        kinds,
        [
            (LineKind::Deposited, Some(MicroUsdc(5_000_000)), None),
            charged(200_000, EpochStatus::Finalized),
            charged(100_000, EpochStatus::Void),
            charged(100_000, EpochStatus::Included),
        ]
    );
    let worker = shown.account(&account(WORKER)).expect("a worker");
    assert_eq!(worker.work.len(), 3);
    assert_eq!(
        (worker.work[0].receipts, worker.work[0].ready_seconds),
        (2, 60)
    );
    let file = shown.epoch(EpochId(1)).expect("an epoch");
    assert_eq!((file.charges.len(), file.credits.len()), (1, 3));
    assert!(
        shown
            .account(&swarm_types::Address::repeat_byte(9))
            .is_none()
    );
    assert!(shown.epoch(EpochId(4)).is_none());

    // Anybody who begins anew finds the same text.
    let mut another = Indexer::new(&chain, 0, &audit, None);
    let mut again = index_of(&mut another).await;
    again.deployed_block = index.deployed_block;
    assert_eq!(canonical::to_vec(&again), canonical::to_vec(&index));
    assert_eq!(
        chain.deployment_block().await.expect("a block"),
        dev.escrow_block
    );
}

#[tokio::test]
async fn a_bundle_that_is_missing_or_tampered_with_is_shown_as_that() {
    let (dev, chain) = start().await;
    let dir = tempfile::tempdir().expect("a directory");
    three(&dev, &chain, dir.path()).await;
    let state = async |what: &str| {
        let mut indexer = Indexer::new(&chain, dev.escrow_block, dir.path(), None);
        let row = index_of(&mut indexer).await.epochs.remove(0);
        let detail = row.bundle_detail.unwrap_or_default();
        assert!(detail.contains(what), "{detail}");
        (row.bundle_state, row.summary.is_some(), row.charged)
    };
    let charged = MicroUsdc(200_000);
    let epoch = dir.path().join("epoch-001");
    assert_eq!(state("").await, (BundleState::Complete, true, charged));

    let tamper = |name: &str| {
        let path = epoch.join(name);
        let good = std::fs::read(&path).expect("reads");
        let mut bad = good.clone();
        bad[10] ^= 1;
        std::fs::write(&path, bad).expect("writes");
        move || std::fs::write(&path, &good).expect("writes")
    };
    for name in ["jobs/00000.json", "payouts.json", "agents.json"] {
        let restore = tamper(name);
        assert_eq!(state(name).await, (BundleState::Damaged, true, charged));
        restore();
    }
    let restore = tamper(SUMMARY);
    assert_eq!(
        state("the chain holds").await,
        (BundleState::Differs, false, charged)
    );
    restore();
    std::fs::remove_file(epoch.join("clients.json")).expect("removes");
    assert_eq!(
        state("clients.json is not here").await,
        (BundleState::Damaged, true, charged)
    );
    std::fs::remove_dir_all(&epoch).expect("removes");
    assert_eq!(
        state("not here").await,
        (BundleState::Missing, false, charged)
    );
}

#[tokio::test]
async fn a_reorganisation_takes_an_epoch_back_and_a_kept_log_goes_on() {
    let (dev, chain) = start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let (audit, kept) = (dir.path().join("audit"), dir.path().join("kept"));
    deposit(&dev, &chain, MicroUsdc(5_000_000)).await;
    dev.mine(5).await.expect("mined");
    let mut indexer = Indexer::new(&chain, dev.escrow_block, &audit, Some(&kept));
    assert!(index_of(&mut indexer).await.epochs.is_empty());
    settle(&chain, &audit, 1, B256::ZERO, 1).await;
    assert_eq!(index_of(&mut indexer).await.epochs.len(), 1);

    let options = ReorgOptions {
        depth: 1,
        tx_block_pairs: Vec::new(),
    };
    let provider = dev.node.rpc().provider();
    provider
        .anvil_reorg(options)
        .await
        .expect("a reorganisation");
    dev.mine(3).await.expect("mined");
    let index = index_of(&mut indexer).await;
    assert_eq!((index.epochs.len(), index.contract.last_epoch), (0, 0));
    let client = indexer.shown().account(&account(CLIENT)).expect("a client");
    assert_eq!(client.lines.len(), 1, "the deposit stands");

    // The next run goes on from what was kept, and finds the same as one that reads everything.
    let mut resumed = Indexer::new(&chain, dev.escrow_block, &audit, Some(&kept));
    assert!(kept.join("events.jsonl").exists());
    assert_eq!(index_of(&mut resumed).await, index);
    // A log that a crash or a hand tore is not believed.
    std::fs::write(kept.join("events.jsonl"), "torn").expect("writes");
    let mut anew = Indexer::new(&chain, dev.escrow_block, &audit, Some(&kept));
    assert_eq!(index_of(&mut anew).await, index);
}

#[tokio::test]
async fn announced_roles_are_shown_and_a_node_that_is_away_leaves_the_index_as_of_its_block() {
    let (dev, chain) = start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let mut indexer = Indexer::new(&chain, dev.escrow_block, dir.path(), None);
    let owner = dev_wallet(OWNER);
    let next = swarm_types::Address::repeat_byte(7);
    let call = Call {
        to: dev.escrow,
        data: SwarmEscrow::scheduleGuardianCall { next }
            .abi_encode()
            .into(),
        gas_limit: 200_000,
    };
    send(&chain, &owner, &call).await;
    let index = index_of(&mut indexer).await;
    let [change] = index.contract.pending.as_slice() else {
        panic!("one change: {:?}", index.contract.pending)
    };
    assert_eq!((change.role, change.account), (Role::Guardian, Some(next)));
    assert_eq!(
        change.lapses_at,
        change.applies_at + index.contract.role_delay
    );
    assert!(change.applies_at > index.block.time);

    drop(dev);
    assert!(indexer.round().await.expect_err("nobody there").is_away());
    let still = indexer.index(&Site::default());
    assert_eq!(still, Some(index));
}

#[tokio::test]
async fn names_are_those_that_the_chain_confirms_in_both_directions() {
    let (dev, chain) = start().await;
    let dir = tempfile::tempdir().expect("a directory");
    deposit(&dev, &chain, MicroUsdc(5_000_000)).await;
    settle(&chain, dir.path(), 1, B256::ZERO, 1).await;
    // The registry is on a chain of its own, which can be away by itself.
    let node = Node::start(&NodeConfig::default()).await.expect("anvil");
    let names = DevNames::install(&node).await.expect("installed");
    let name = |text: &str| text.parse::<Name>().expect("a name");
    let clinic = name("clinic.hive.eth");
    names.point(&clinic, account(CLIENT)).await.expect("points");
    for (who, claimed) in [
        (CLIENT, clinic.as_str()),
        // Somebody else's name, and one that hides what it is.
        (WORKER, clinic.as_str()),
        (OWNER, "\u{202e}hte.evih"),
    ] {
        let claim = names.claim(account(who), claimed).await;
        claim.expect("claims");
    }
    // A resolver that answers nothing is its owner's trouble alone.
    let odd = name("guardian.hive.eth");
    names.point(&odd, account(GUARDIAN)).await.expect("points");
    let claim = names.claim(account(GUARDIAN), odd.as_str()).await;
    claim.expect("claims");
    names
        .resolve_by(&odd, names.registry)
        .await
        .expect("resolves");

    let ens = Ens::new(node.rpc().clone(), names.registry);
    let mut indexer = Indexer::new(&chain, dev.escrow_block, dir.path(), None).with_names(ens);
    let index = index_of(&mut indexer).await;
    let [(address, bound)] = index.names.iter().collect::<Vec<_>>()[..] else {
        panic!("one name: {:?}", index.names)
    };
    assert_eq!(
        (*address, bound.name.as_str()),
        (account(CLIENT), clinic.as_str())
    );
    let block = node.rpc().block(At::Latest).await.expect("a block").number;
    assert_eq!(bound.block, block);

    // What was confirmed stays while the registry's node is away, and the rest goes on.
    drop(node);
    deposit(&dev, &chain, MicroUsdc(1_000_000)).await;
    while !indexer.round().await.expect("a round").progress.caught_up {}
    let later = indexer.index(&Site::default()).expect("an index");
    assert!(later.block.number > index.block.number);
    assert_eq!(later.names, index.names);
}
