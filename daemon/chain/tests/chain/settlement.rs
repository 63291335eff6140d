use swarm_chain::ChainError;
use swarm_chain::audit::AuditError;
use swarm_chain::views::EpochState;
use swarm_types::bundle::verify;
use swarm_types::tree::Tree;

use crate::*;

async fn settle(chain: &Chain, sealed: &SealedEpoch) -> Mined {
    send(chain, &dev_wallet(GAS), &chain.settle(sealed)).await
}

#[tokio::test]
async fn an_epoch_settles_becomes_final_pays_and_audits() {
    let (dev, chain) = start().await;
    deposit(&dev, &chain, MicroUsdc(5_000_000)).await;
    let at = now(&chain).await;
    let client = dev_wallet(CLIENT);
    let jobs = vec![
        job(&chain, 1, 1, at, &client),
        job(&chain, 1, 2, at, &client),
    ];
    let (sealed, files) = seal(&chain, 1, B256::ZERO, jobs).await;
    let mined = settle(&chain, &sealed).await;

    let epoch = chain
        .epoch(1, At::Latest)
        .await
        .expect("view")
        .expect("settled");
    assert_eq!(epoch.state, EpochState::Pending);
    assert_eq!(epoch.seal_hash, sealed.seal.struct_hash());
    let owed = chain.owed(account(WORKER), At::Latest).await.expect("owed");
    assert_eq!((owed.claimable.0, owed.pending.0), (0, 186_000));
    let unclaimed = chain
        .send(&dev_wallet(GAS), &chain.claim_for(account(WORKER)))
        .await;
    assert!(
        matches!(unclaimed, Err(ChainError::Reverted { .. })),
        "{unclaimed:?}"
    );

    dev.advance(params().window).await.expect("time");
    let epoch = chain
        .epoch(1, At::Finalized)
        .await
        .expect("view")
        .expect("settled");
    assert_eq!(epoch.state, EpochState::Final);
    for (payee, pay) in [(WORKER, 186_000), (OPERATOR, 10_000), (PROTOCOL, 4_000)] {
        send(&chain, &dev_wallet(GAS), &chain.claim_for(account(payee))).await;
        let paid = chain.usdc(account(payee), At::Latest).await.expect("usdc");
        assert_eq!(paid, MicroUsdc(pay));
    }
    assert_eq!(
        chain.liabilities(At::Latest).await.expect("sum"),
        MicroUsdc(4_800_000)
    );

    let report = chain
        .audit(|name| files.get(name).cloned())
        .await
        .expect("audit");
    assert!(report.holds(), "{:?}", report.checks);
    assert_eq!(report.block, mined.block);

    let bundle = verify(|name| files.get(name).cloned()).expect("bundle");
    let page: swarm_types::bundle::JobsPage =
        serde_json::from_slice(&files["jobs/00000.json"]).expect("page");
    let tree = Tree::new(&bundle.leaves);
    for (index, entry) in page.jobs.iter().enumerate() {
        let path = tree.path(index).expect("a path");
        let verdict = chain
            .verify_receipt(1, index as u64, &entry.receipt, &path)
            .await;
        let verdict = verdict.expect("verdict");
        assert!(verdict.included && verdict.included_here);
        assert_eq!(verdict.state, EpochState::Final);
        let mut forged = entry.receipt.clone();
        forged.fee.0 -= 1;
        let verdict = chain
            .verify_receipt(1, index as u64, &forged, &path)
            .await
            .expect("verdict");
        assert!(!verdict.included && !verdict.included_here);
    }
}

#[tokio::test]
async fn an_audit_finds_another_epoch_under_the_number_and_one_that_never_settled() {
    let (dev, chain) = start().await;
    deposit(&dev, &chain, MicroUsdc(5_000_000)).await;
    let at = now(&chain).await;
    let client = dev_wallet(CLIENT);
    let (ours, ours_files) =
        seal(&chain, 1, B256::ZERO, vec![job(&chain, 1, 1, at, &client)]).await;
    let none = chain.audit(|name| ours_files.get(name).cloned()).await;
    assert!(matches!(none, Err(AuditError::NotSettled(_))));
    let two = vec![
        job(&chain, 1, 1, at, &client),
        job(&chain, 1, 2, at, &client),
    ];
    let (theirs, _) = seal(&chain, 1, B256::ZERO, two).await;
    settle(&chain, &theirs).await;
    let report = chain
        .audit(|name| ours_files.get(name).cloned())
        .await
        .expect("audit");
    assert!(!report.holds());
    let wrong: Vec<_> = report
        .checks
        .iter()
        .filter(|c| !c.holds)
        .map(|c| c.what)
        .collect();
    for what in [
        "seal",
        "receipts root",
        "receipt count",
        "sum in the event",
        "charges",
        "credits",
    ] {
        assert!(wrong.contains(&what), "{what} not in {wrong:?}");
    }
    assert_ne!(ours.seal.struct_hash(), theirs.seal.struct_hash());
}

#[tokio::test]
async fn an_audit_asks_the_chain_for_delegated_order_signers() {
    let (dev, chain) = start().await;
    deposit(&dev, &chain, MicroUsdc(5_000_000)).await;
    let signer = dev_wallet(8);
    send(
        &chain,
        &dev_wallet(CLIENT),
        &chain.add_order_signer(signer.address()),
    )
    .await;
    let at = now(&chain).await;
    let (sealed, files) = seal(&chain, 1, B256::ZERO, vec![job(&chain, 1, 1, at, &signer)]).await;
    settle(&chain, &sealed).await;
    let report = chain
        .audit(|name| files.get(name).cloned())
        .await
        .expect("audit");
    assert!(report.holds(), "{:?}", report.checks);

    dev.advance(params().window).await.expect("time");
    let stranger = dev_wallet(9);
    let at = now(&chain).await;
    let previous = sealed.seal.struct_hash();
    let (sealed, files) = seal(&chain, 2, previous, vec![job(&chain, 2, 1, at, &stranger)]).await;
    settle(&chain, &sealed).await;
    let report = chain
        .audit(|name| files.get(name).cloned())
        .await
        .expect("audit");
    let wrong: Vec<_> = report
        .checks
        .iter()
        .filter(|c| !c.holds)
        .map(|c| c.what)
        .collect();
    assert_eq!(wrong, ["order signers"]);
}
