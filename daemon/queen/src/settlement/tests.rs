//! Settlement against a real chain and a real ledger.

use std::time::Duration;

use swarm_chain::At;
use swarm_chain::devchain::{DEV_ACCOUNTS, USDC};
use swarm_chain::views::EpochState as OnChain;
use swarm_ledger::LedgerConfig;
use swarm_ledger::commands::BeginSeal;
use swarm_ledger::records::{EpochRecord, EpochState, SealTrigger};
use swarm_types::{B256, EpochId, JobId, MicroUsdc};

use super::*;
use crate::config::Span;
use crate::seam;

mod adopt;
mod rack;

use rack::*;

#[tokio::test]
async fn an_epoch_goes_from_a_deposit_to_claims_and_a_clean_audit() {
    let rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(5_000_000)).await;
    round(&mut settlement).await;
    let account = rack
        .ledger
        .client(DEV_ACCOUNTS[CLIENT], rack.time().await)
        .await
        .expect("reads");
    assert_eq!(account.expect("known").available, MicroUsdc(5_000_000));

    rack.job(1).await;
    rack.job(2).await;
    round(&mut settlement).await;
    assert_eq!(rack.epoch(1).await.state, EpochState::Open);
    assert_eq!(demand(&mut settlement).await, Some(EpochId(1)));
    until_included(&rack, &mut settlement, 1).await;
    // The next waits for the window, and says so.
    assert_eq!(demand(&mut settlement).await, None);
    assert!(
        settlement
            .notes
            .get(Note::Seal)
            .expect("a note")
            .contains("final or void")
    );

    rack.dev.advance(params().window).await.expect("time");
    round(&mut settlement).await;
    assert_eq!(rack.epoch(1).await.state, EpochState::Final);
    rack.send(GAS, &rack.chain.claim_for(DEV_ACCOUNTS[WORKER]))
        .await;
    let paid = rack
        .chain
        .usdc(DEV_ACCOUNTS[WORKER], At::Latest)
        .await
        .expect("usdc");
    assert_eq!(paid, MicroUsdc(186_000));
    let report = rack.audit(1).await;
    assert!(report.holds(), "{:?}", report.checks);
    round(&mut settlement).await;
    rack.assert_sound().await;

    rack.job(3).await;
    assert_eq!(demand(&mut settlement).await, Some(EpochId(2)));
    until_included(&rack, &mut settlement, 2).await;
    let report = rack.audit(2).await;
    assert!(report.holds(), "{:?}", report.checks);
    rack.assert_sound().await;
}

#[tokio::test]
async fn every_interruption_of_a_seal_is_taken_up_again() {
    let rack = Rack::start().await;
    rack.deposit(MicroUsdc(5_000_000)).await;
    round(&mut rack.settlement(None)).await;
    rack.job(1).await;
    // Stopped right after the epoch was fixed, with a torn bundle on disk.
    let now = rack.time().await;
    let trigger = SealTrigger::Demand;
    rack.ledger
        .begin_seal(BeginSeal { now, trigger })
        .await
        .expect("fixed");
    let audit = rack.dir.path().join("audit");
    for torn in [
        ".epoch-001.new/jobs",
        ".epoch-001.aside-44136fa3",
        "epoch-001",
    ] {
        std::fs::create_dir_all(audit.join(torn)).expect("a directory");
        std::fs::write(audit.join(torn).join("SUMMARY.json"), "{").expect("torn");
    }
    // A start without a gas key seals, and waits.
    let mut poor = rack.settlement(None);
    round(&mut poor).await;
    assert_eq!(rack.epoch(1).await.state, EpochState::Sealed);
    round(&mut poor).await;
    assert!(
        poor.notes
            .get(Note::Submit)
            .expect("a note")
            .contains("no gas key")
    );
    // The next start sends; the one after that only looks.
    round(&mut rack.settlement(Some(GAS))).await;
    until_included(&rack, &mut rack.settlement(Some(GAS)), 1).await;
    let nonce = rack
        .chain
        .rpc()
        .nonce_mined(DEV_ACCOUNTS[GAS])
        .await
        .expect("nonce");
    assert_eq!(nonce, 1);
    assert!(rack.audit(1).await.holds());
    // Once it is final no other bundle can be the epoch's.
    rack.dev.advance(params().window).await.expect("time");
    round(&mut rack.settlement(Some(GAS))).await;
    assert_eq!(rack.epoch(1).await.state, EpochState::Final);
    let left: Vec<_> = std::fs::read_dir(audit).expect("lists").collect();
    assert_eq!(left.len(), 1, "{left:?}");
    rack.assert_sound().await;
}

#[tokio::test]
async fn money_that_leaves_is_not_charged_and_the_job_is_left_out() {
    let rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(250_000)).await;
    round(&mut settlement).await;
    let (kept, dropped) = (rack.job(1).await, rack.job(2).await);
    rack.send(CLIENT, &rack.chain.request_withdrawal(MicroUsdc(100_000)))
        .await;
    // The seal's whole life must be over before the request matures, or the money is gone for it.
    let early = params().exit_delay - params().max_seal_age;
    rack.dev.advance(early + 60).await.expect("time");
    assert_eq!(demand(&mut settlement).await, Some(EpochId(1)));
    until_included(&rack, &mut settlement, 1).await;
    let epoch = rack.epoch(1).await;
    assert_eq!(
        (epoch.state, epoch.jobs, epoch.revenue),
        (EpochState::Included, 1, FEE)
    );
    let ledger = &rack.ledger;
    let job = |id| async move { ledger.job(id).await.expect("reads").expect("a job") };
    assert!(job(kept).await.uncollectable.is_none());
    assert!(job(dropped).await.uncollectable.is_some());
    assert!(settlement.notes.get(Note::Uncollectable).is_some());
    rack.assert_sound().await;
}

#[tokio::test]
async fn an_epoch_closes_early_for_a_client_that_leaves() {
    let lead = params().window + 3_600;
    let mut params = params();
    params.exit_delay = params.max_seal_age + lead + 600;
    params.role_delay = params.exit_delay + 600;
    params.settlement_timeout = params.role_delay + 600;
    let rack = Rack::on(params).await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(250_000)).await;
    round(&mut settlement).await;
    rack.job(1).await;
    rack.send(CLIENT, &rack.chain.request_withdrawal(MicroUsdc(250_000)))
        .await;
    // The seal's whole life must be over before the request matures; the epoch closes `lead` before the last moment.
    rack.dev.advance(600 - 60).await.expect("time");
    round(&mut rack.settlement(Some(GAS))).await;
    assert_eq!(rack.epoch(1).await.state, EpochState::Open);
    rack.dev.advance(120).await.expect("time");
    round(&mut rack.settlement(Some(GAS))).await;
    until_included(&rack, &mut settlement, 1).await;
    let epoch = rack.epoch(1).await;
    assert_eq!(epoch.trigger, Some(SealTrigger::Leaving));
    assert_eq!((epoch.jobs, epoch.revenue), (1, FEE));
    rack.assert_sound().await;
}

#[tokio::test]
async fn an_order_whose_signer_was_removed_before_the_last_final_seal_is_left_out() {
    let rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(1_000_000)).await;
    let signer = DEV_ACCOUNTS[OPERATOR];
    rack.send(CLIENT, &rack.chain.add_order_signer(signer))
        .await;
    round(&mut settlement).await;
    let (own, delegated) = (rack.job(1).await, rack.job_signed(2, OPERATOR).await);
    rack.send(CLIENT, &rack.chain.remove_order_signer(signer))
        .await;
    // An empty epoch goes first, and the removal took effect before its seal.
    let long = params().settlement_timeout + 60;
    rack.dev.advance(long).await.expect("time");
    assert_eq!(demand(&mut settlement).await, Some(EpochId(1)));
    until_included(&rack, &mut settlement, 1).await;
    assert_eq!(rack.epoch(1).await.jobs, 0);
    rack.dev.advance(params().window).await.expect("time");
    round(&mut settlement).await;
    assert_eq!(demand(&mut settlement).await, Some(EpochId(2)));
    until_included(&rack, &mut settlement, 2).await;
    assert_eq!(rack.epoch(2).await.jobs, 1);
    let ledger = &rack.ledger;
    let job = |id| async move { ledger.job(id).await.expect("reads").expect("a job") };
    assert!(job(own).await.uncollectable.is_none());
    let why = job(delegated).await.uncollectable.expect("left out");
    assert!(why.contains("order signer"), "{why}");
    // With it anybody could have had the epoch voided.
    let report = rack.audit(2).await;
    assert!(report.holds(), "{:?}", report.checks);
    rack.assert_sound().await;
}

#[tokio::test]
async fn a_mirror_that_differs_from_the_chain_seals_nothing() {
    let mut rack = Rack::start().await;
    rack.deposit(MicroUsdc(1_000_000)).await;
    // A ledger that never saw the first deposit.
    rack.start_block = rack
        .chain
        .rpc()
        .block(At::Latest)
        .await
        .expect("block")
        .number;
    rack.deposit(MicroUsdc(1_000_000)).await;
    let mut settlement = rack.settlement(Some(GAS));
    round(&mut settlement).await;
    rack.job(1).await;
    assert_eq!(demand(&mut settlement).await, Some(EpochId(1)));
    let note = settlement.notes.get(Note::Seal).expect("a note").to_owned();
    assert!(
        note.contains("differs") && note.contains("2000000"),
        "{note}"
    );
    round(&mut settlement).await;
    assert_eq!(rack.epoch(1).await.state, EpochState::Sealing);
    assert_eq!(rack.chain.epoch(1, At::Latest).await.expect("view"), None);
}

#[tokio::test]
async fn a_void_epoch_settles_again_under_the_next_number() {
    let rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(5_000_000)).await;
    round(&mut settlement).await;
    rack.job(1).await;
    demand(&mut settlement).await;
    until_included(&rack, &mut settlement, 1).await;
    rack.send(GUARDIAN, &rack.chain.void_epoch(1)).await;
    rack.dev.mine(3).await.expect("mined");
    round(&mut settlement).await;
    assert_eq!(rack.epoch(1).await.state, EpochState::Void);
    rack.dev.advance(1).await.expect("time");
    assert_eq!(demand(&mut settlement).await, Some(EpochId(2)));
    assert!(
        settlement
            .notes
            .get(Note::Submit)
            .expect("a note")
            .contains("guardian")
    );
    rack.send(GUARDIAN, &rack.chain.resume()).await;
    until_included(&rack, &mut settlement, 2).await;
    let epoch = rack.epoch(2).await;
    assert_eq!((epoch.state, epoch.jobs), (EpochState::Included, 1));
    let account = rack
        .chain
        .account(DEV_ACCOUNTS[CLIENT], At::Latest)
        .await
        .expect("view");
    assert_eq!((account.balance.0, account.pending.0), (4_900_000, 100_000));
    assert!(rack.audit(2).await.holds());
    rack.assert_sound().await;
}

#[tokio::test]
async fn after_the_settlement_timeout_an_empty_epoch_goes_first_and_the_jobs_follow() {
    let rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(5_000_000)).await;
    round(&mut settlement).await;
    rack.dev
        .advance(params().settlement_timeout + 1)
        .await
        .expect("time");
    round(&mut settlement).await;
    rack.job(1).await;
    assert_eq!(demand(&mut settlement).await, Some(EpochId(1)));
    until_included(&rack, &mut settlement, 1).await;
    assert_eq!(rack.epoch(1).await.jobs, 0);
    rack.assert_sound().await;

    rack.dev.advance(params().window).await.expect("time");
    round(&mut settlement).await;
    assert_eq!(rack.epoch(1).await.state, EpochState::Final);
    assert_eq!(demand(&mut settlement).await, Some(EpochId(2)));
    until_included(&rack, &mut settlement, 2).await;
    assert_eq!(rack.epoch(2).await.jobs, 1);
    assert!(rack.audit(2).await.holds());
    rack.assert_sound().await;
}

#[tokio::test]
async fn a_seal_that_grew_too_old_is_made_again() {
    let rack = Rack::start().await;
    rack.deposit(MicroUsdc(5_000_000)).await;
    let mut poor = rack.settlement(None);
    round(&mut poor).await;
    rack.job(1).await;
    demand(&mut poor).await;
    let old = rack.epoch(1).await.seal_hash.expect("sealed");
    rack.dev
        .advance(params().max_seal_age + 1)
        .await
        .expect("time");
    let mut settlement = rack.settlement(Some(GAS));
    until_included(&rack, &mut settlement, 1).await;
    let epoch = rack.epoch(1).await;
    assert_ne!(epoch.seal_hash, Some(old));
    let there = rack
        .chain
        .epoch(1, At::Latest)
        .await
        .expect("view")
        .expect("settled");
    assert_eq!(
        (there.state, Some(there.seal_hash)),
        (OnChain::Pending, epoch.seal_hash)
    );
    assert!(rack.audit(1).await.holds());
    rack.assert_sound().await;
}

#[tokio::test]
async fn a_deposit_that_a_reorg_took_back_counts_no_more() {
    use alloy::providers::ext::AnvilApi;
    use alloy::rpc::types::anvil::ReorgOptions;
    let rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(1_000_000)).await;
    round(&mut settlement).await;
    rack.deposit(MicroUsdc(2_000_000)).await;
    round(&mut settlement).await;
    let client = DEV_ACCOUNTS[CLIENT];
    let available = || async {
        let account = rack
            .ledger
            .client(client, rack.time().await)
            .await
            .expect("reads");
        account.expect("known").available
    };
    assert_eq!(available().await, MicroUsdc(3_000_000));
    let options = ReorgOptions {
        depth: 6,
        tx_block_pairs: Vec::new(),
    };
    let provider = rack.dev.node.rpc().provider();
    provider
        .anvil_reorg(options)
        .await
        .expect("a reorganisation");
    rack.dev.mine(3).await.expect("mined");
    round(&mut settlement).await;
    assert_eq!(available().await, MicroUsdc(1_000_000));
    rack.assert_sound().await;
}

#[tokio::test]
async fn a_long_way_to_the_newest_block_is_told() {
    let rack = Rack::start().await;
    rack.dev.mine(90).await.expect("mined");
    let latest = rack.chain.heads().await.expect("a node").latest.number;
    let mut settlement = rack.settlement(Some(GAS));
    settlement.steps_per_round = 1;
    settlement.demanded = true;
    let mut told = Vec::new();
    while settlement.heads.is_none() {
        let begun = settlement.round().await.expect("a round").begun;
        assert_eq!(begun.is_some(), settlement.heads.is_some());
        told.extend(settlement.notes.get(Note::CatchingUp).map(str::to_owned));
        assert!(told.len() < 10, "{told:?}");
    }
    assert!(
        !told.is_empty(),
        "the range below `safe` is one step, the tip another"
    );
    assert!(told[0].contains(&format!(" of {latest};")), "{told:?}");
    assert_eq!(settlement.notes.get(Note::CatchingUp), None);
}

#[tokio::test]
async fn while_the_chain_is_away_the_loop_says_so_and_goes_on_when_it_is_back() {
    let rack = Rack::start().await;
    let config = LedgerConfig {
        chain_id: 84_532,
        escrow: rack.dev.escrow,
        default_cap: params().default_cap,
    };
    let path = rack.dir.path().join("other.db");
    let ledger = Ledger::open(&path, config).expect("a ledger");
    let mut settlement = rack.settlement(Some(GAS));
    settlement.ledger = ledger;
    settlement.config.poll = Span(Duration::from_millis(50));
    // A node that only comes up later, at an address that is known before.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let url = format!("http://{address}");
    settlement.chain = Chain::new(&url, 84_532, rack.dev.escrow, USDC).expect("a URL");
    let (link, port) = seam::link("settlement starts", None);
    let stop = CancellationToken::new();
    let task = tokio::spawn(settlement.run(port, stop.clone()));

    let asked = link.seal().await;
    assert!(asked.is_err());
    let trouble = link.status().chain_trouble.expect("trouble");
    assert!(trouble.contains("does not answer"), "{trouble}");

    let behind = rack.dev.rpc_url.trim_start_matches("http://").to_owned();
    let node = tokio::net::TcpListener::bind(address)
        .await
        .expect("the port");
    let forward = tokio::spawn(async move {
        while let Ok((mut near, _)) = node.accept().await {
            let behind = behind.clone();
            tokio::spawn(async move {
                if let Ok(mut far) = tokio::net::TcpStream::connect(&behind).await {
                    // Either side may close.
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    for _ in 0..600 {
        if link.status().chain_trouble.is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let status = link.status();
    assert_eq!(status.chain_trouble, None);
    assert!(status.head_block >= rack.dev.escrow_block);
    assert_eq!(link.seal().await.ok(), Some(EpochId(1)));
    stop.cancel();
    task.await.expect("ends");
    forward.abort();
}
