//! The way of an epoch.

use std::time::Duration;

use alloy::providers::ext::AnvilApi;
use alloy::rpc::types::anvil::ReorgOptions;
use swarm_types::MicroUsdc;
use swarm_types::api::JobStatus;
use tokio::time::timeout;

use crate::rack::customer::{Customer, FEE};
use crate::rack::{Rack, until};

/// Points that every epoch passes, and the how-manieth time counts.
const ON_EVERY_EPOCH: &[(&str, u32)] = &[
    ("settlement.seal.begun", 1),
    ("settlement.bundle.file_written", 1),
    ("settlement.bundle.file_written", 4),
    ("settlement.bundle.built", 1),
    ("settlement.bundle.signed", 1),
    ("settlement.seal.recorded", 1),
    ("settlement.tx.signed", 1),
    ("settlement.tx.remembered", 1),
    ("settlement.tx.sent", 1),
    ("settlement.mirror.applied", 1),
    ("settlement.epoch.moved", 1),
    ("settlement.epoch.final", 1),
    ("ledger.writer.before_commit", 2),
    ("ledger.writer.committed", 2),
];

const PUBLISHED: &str = "settlement.bundle.published";
const OLD_ASIDE: &str = "settlement.bundle.old_aside";
const RECORDED: &str = "settlement.seal.recorded";
const REOPENED: &str = "settlement.seal.reopened";
const UNDONE: &str = "settlement.mirror.undone";
const DROPPED: &str = "settlement.seal.dropped";
const DEFERRED: &str = "settlement.seal.deferred";

/// Every point that a test of this file visits.
pub fn visited() -> Vec<&'static str> {
    let mut all: Vec<_> = ON_EVERY_EPOCH.iter().map(|(point, _)| *point).collect();
    all.extend([PUBLISHED, OLD_ASIDE, REOPENED, UNDONE, DROPPED, DEFERRED]);
    all
}

async fn one_job(rack: &Rack, customer: &Customer) {
    let job = customer.order().await;
    let job = customer.ended(job).await;
    assert_eq!(
        job.status,
        JobStatus::Completed,
        "{job:?}\n{}",
        rack.queen.tail()
    );
}

/// Lets the open epoch settle, kills the queen at each of `points` in turn on the way, and lets it end.
async fn settle_killed_at(rack: &mut Rack, points: &[(&str, u32)]) {
    for &(point, times) in points {
        rack.queen.arm(point, times);
        until(point, async || {
            if rack.queen.is_at(point) {
                return Some(());
            }
            // A queen that waits at the point answers no seal: it is not waited for.
            let _ = timeout(Duration::from_millis(300), rack.push()).await;
            None
        })
        .await;
        rack.queen.kill_at(point).await;
        rack.queen.start();
    }
    rack.settle().await;
    rack.assert_ledger_holds();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_settles_once_wherever_the_queen_is_killed() {
    let mut rack = Rack::start().await;
    for point in ON_EVERY_EPOCH {
        let started = std::time::Instant::now();
        one_job(&rack, &rack.customer).await;
        settle_killed_at(&mut rack, &[*point]).await;
        println!("{point:?}: {:?}", started.elapsed());
    }
    // A bundle that was published and never recorded is replaced, and she may be killed meanwhile.
    one_job(&rack, &rack.customer).await;
    settle_killed_at(&mut rack, &[(PUBLISHED, 1), (OLD_ASIDE, 1)]).await;
    rack.assert_sound(&[&rack.customer]).await;
    rack.assert_sent_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rarer_ways_of_an_epoch_survive_a_kill_too() {
    let mut rack = Rack::start().await;
    let (max_seal_age, exit_delay) = (rack.plan.params.max_seal_age, rack.plan.params.exit_delay);

    // A reorganisation takes a deposit back.
    let other = Customer::new(&rack.base, rack.customer.domain.clone(), rack.model);
    rack.give(&other, MicroUsdc(3 * FEE.0)).await;
    rack.queen.arm(UNDONE, 1);
    rack.deposit(&other, FEE).await;
    let depth = 2;
    let options = ReorgOptions {
        depth,
        tx_block_pairs: Vec::new(),
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    let provider = rack.dev.node.rpc().provider();
    provider
        .anvil_reorg(options)
        .await
        .expect("a reorganisation");
    rack.queen.kill_at(UNDONE).await;
    rack.queen.start();

    // A seal that grew too old is made again.
    one_job(&rack, &rack.customer).await;
    rack.queen.arm(RECORDED, 1);
    let _ = timeout(Duration::from_secs(5), rack.push()).await;
    rack.queen.kill_at(RECORDED).await;
    rack.dev
        .advance(max_seal_age + 1)
        .await
        .expect("time passes");
    rack.queen.arm(REOPENED, 1);
    rack.queen.start();
    rack.queen.kill_at(REOPENED).await;
    rack.queen.start();
    rack.settle().await;

    // Money that is about to leave is not charged.
    one_job(&rack, &other).await;
    let all = rack.chain.request_withdrawal(MicroUsdc(10 * FEE.0));
    rack.send(&other.wallet, &all).await;
    rack.dev
        .advance(exit_delay - max_seal_age + 60)
        .await
        .expect("time passes");
    one_job(&rack, &rack.customer).await;
    settle_killed_at(&mut rack, &[(DROPPED, 1)]).await;

    // After the settlement timeout an empty epoch goes first.
    one_job(&rack, &rack.customer).await;
    let timeout = rack.plan.params.settlement_timeout;
    rack.dev.advance(timeout + 1).await.expect("time passes");
    settle_killed_at(&mut rack, &[(DEFERRED, 1)]).await;

    rack.assert_sound(&[&rack.customer, &other]).await;
}
