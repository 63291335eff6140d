//! The chain goes away, forgets, turns back; and the queen is away while the chain goes on.

use alloy::providers::ext::AnvilApi;
use alloy::rpc::types::anvil::ReorgOptions;
use swarm_types::api::{EpochStatus, JobStatus};
use swarm_types::{EpochId, MicroUsdc};

use crate::rack::customer::{Customer, FEE};
use crate::rack::node::Mood;
use crate::rack::{Rack, until};

const DAY: u64 = 86_400;

async fn one_job(customer: &Customer) {
    let job = customer.order().await;
    assert_eq!(customer.ended(job).await.status, JobStatus::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_go_on_while_the_node_is_away_and_settle_when_it_is_back() {
    let mut rack = Rack::start().await;
    one_job(&rack.customer).await;
    rack.node.set(Mood::Away);
    let health = rack
        .health_says("the node is away", |h| h.chain != "ok")
        .await;
    assert!(health.chain.contains("does not answer"), "{health:?}");
    assert_eq!(health.status, "degraded");
    one_job(&rack.customer).await;
    let sealed = rack.operator.seal_now().await;
    let refused = sealed.expect_err("nothing is sealed unseen").to_string();
    assert!(refused.contains("does not answer"), "{refused}");
    // A queen that starts while the node is away serves as well.
    rack.queen.stop();
    rack.queen.start();
    one_job(&rack.customer).await;
    assert!(
        rack.queen.log_of_this_life().contains("settlement waits"),
        "{}",
        rack.queen.tail()
    );
    rack.node.set(Mood::Well);
    rack.health_says("the node is back", |h| h.status == "ok")
        .await;
    assert!(
        rack.queen
            .log_of_this_life()
            .contains("the chain answers again")
    );
    rack.assert_sound(&[&rack.customer]).await;
    rack.assert_sent_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_whose_answer_was_lost_is_found_and_not_sent_again() {
    let mut rack = Rack::start().await;
    one_job(&rack.customer).await;
    rack.node.set(Mood::TakesAndSaysNothing);
    rack.operator.seal_now().await.ok();
    until("the settlement is sent", async || {
        rack.tick().await;
        (!rack.node.sent().is_empty()).then_some(())
    })
    .await;
    rack.queen.says("settlement waits").await;
    // Killed before she could look: the next life finds it on the chain.
    rack.queen.kill();
    rack.node.set(Mood::Well);
    rack.queen.start();
    rack.assert_sound(&[&rack.customer]).await;
    rack.assert_sent_once().await;
    assert_eq!(rack.node.sent().len(), 1, "the same bytes were sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_hangs_is_replaced_on_its_own_nonce() {
    let mut rack = Rack::start().await;
    one_job(&rack.customer).await;
    // The chain's time is ahead, so that the seal need not wait for a block.
    rack.dev.advance(60).await.expect("time passes");
    // The node takes the settlement into its pool, and no block takes it from there.
    let provider = rack.dev.node.rpc().provider().clone();
    provider.anvil_set_auto_mine(false).await.expect("set");
    rack.operator.seal_now().await.expect("sealed");
    until("the settlement is in the pool", async || {
        (!rack.node.sent().is_empty()).then_some(())
    })
    .await;
    let health = rack.health_says("it waits to be included", |h| {
        h.notes
            .iter()
            .any(|note| note.contains("waits to be included"))
    });
    assert_eq!(health.await.status, "degraded");
    // A minute later it counts as stuck; her clock goes on meanwhile.
    rack.queen.kill();
    rack.set_queens_clock(200);
    rack.queen.start();
    until("it is replaced", async || {
        (rack.node.sent().len() == 2).then_some(())
    })
    .await;
    rack.queen.kill();
    rack.queen.env.clear();
    rack.queen.start();
    provider.anvil_set_auto_mine(true).await.expect("set");
    rack.dev.mine(1).await.expect("mined");
    rack.assert_sound(&[&rack.customer]).await;
    // Two were signed for one nonce; one of them is mined.
    let mined = rack.chain.rpc().nonce_mined(rack.keys.gas.address()).await;
    assert_eq!(mined.expect("a nonce"), 1);
    assert_eq!(rack.node.sent().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_the_node_forgot_is_sent_again_as_it_was() {
    let rack = Rack::start().await;
    one_job(&rack.customer).await;
    rack.node.set(Mood::ForgetsTransactions);
    rack.operator.seal_now().await.expect("sealed");
    until("the settlement is sent twice", async || {
        rack.tick().await;
        (rack.node.sent().len() >= 2).then_some(())
    })
    .await;
    rack.node.set(Mood::Well);
    rack.assert_sound(&[&rack.customer]).await;
    rack.assert_sent_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_that_was_spent_and_then_reorganised_away_stops_its_client_only() {
    let rack = Rack::start().await;
    let other = Customer::new(&rack.base, rack.customer.domain.clone(), rack.model);
    rack.give(&other, FEE).await;
    one_job(&other).await;
    one_job(&rack.customer).await;
    let provider = rack.dev.node.rpc().provider();
    // Deeper than the deposit, and than what was called safe.
    let head = rack
        .chain
        .rpc()
        .block(swarm_chain::At::Latest)
        .await
        .expect("a block")
        .number;
    let depth = head - rack.block_of_deposit(&other).await + 1;
    let options = ReorgOptions {
        depth,
        tx_block_pairs: Vec::new(),
    };
    provider
        .anvil_reorg(options)
        .await
        .expect("a reorganisation");
    rack.dev.mine(3).await.expect("mined");
    let health = rack.health_says("a deposit is gone", |h| {
        h.notes.iter().any(|note| note.contains("took a deposit"))
    });
    assert!(
        health
            .await
            .notes
            .iter()
            .any(|note| note.contains(&format!("{}", other.address())))
    );
    rack.queen.says("the chain took blocks back").await;
    // Its job cannot be collected and is left out; everybody else's settles.
    rack.assert_sound(&[&rack.customer, &other]).await;
    let account = rack
        .chain
        .account(other.address(), swarm_chain::At::Latest)
        .await;
    assert_eq!(account.expect("a view").balance, MicroUsdc::ZERO);
    // With money it works again.
    rack.deposit(&other, MicroUsdc(2 * FEE.0)).await;
    until("the new deposit counts", async || {
        rack.tick().await;
        (rack.available(other.address()).await > 0).then_some(())
    })
    .await;
    one_job(&other).await;
    rack.assert_sound(&[&rack.customer, &other]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voided_epoch_settles_again_under_the_next_number() {
    let rack = Rack::with(|plan| plan.params.window = 600).await;
    one_job(&rack.customer).await;
    rack.operator.seal_now().await.expect("sealed");
    rack.epoch_becomes(EpochId(1), EpochStatus::Included).await;
    rack.guard(&rack.chain.void_epoch(1)).await;
    let void = rack.epoch_becomes(EpochId(1), EpochStatus::Void).await;
    assert!(void.note.is_some_and(|note| !note.is_empty()));
    rack.dev.advance(2).await.expect("time passes");
    until("the next epoch is sealed", async || {
        rack.operator.seal_now().await.ok()
    })
    .await;
    let health = rack.health_says("settlement is stopped", |h| {
        h.notes.iter().any(|note| note.contains("guardian"))
    });
    assert_eq!(health.await.status, "degraded");
    rack.guard(&rack.chain.resume()).await;
    rack.epoch_becomes(EpochId(2), EpochStatus::Included).await;
    rack.health_says("all is well", |h| h.status == "ok").await;
    rack.assert_sound(&[&rack.customer]).await;
    rack.assert_sent_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_three_days_of_outage_what_was_withdrawn_is_not_charged_and_the_rest_settles() {
    let mut rack = Rack::with(|plan| {
        plan.params.exit_delay = 2 * DAY;
        plan.params.role_delay = 4 * DAY;
        plan.params.settlement_timeout = 14 * DAY;
    })
    .await;
    let other = Customer::new(&rack.base, rack.customer.domain.clone(), rack.model);
    rack.give(&other, MicroUsdc(3 * FEE.0)).await;
    one_job(&rack.customer).await;
    one_job(&other).await;
    rack.queen.kill();
    // It wants nearly everything back, and gets it while nobody looks.
    rack.send(
        &other.wallet,
        &rack.chain.request_withdrawal(MicroUsdc(3 * FEE.0)),
    )
    .await;
    rack.dev.advance(3 * DAY).await.expect("time passes");
    rack.send(&other.wallet, &rack.chain.withdraw(other.address()))
        .await;
    rack.queen.start();
    rack.health().await;
    rack.assert_sound(&[&rack.customer, &other]).await;
    rack.queen.says("cannot be collected").await;
    one_job(&rack.customer).await;
    rack.assert_sound(&[&rack.customer, &other]).await;
    rack.assert_sent_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_settlement_timeout_an_empty_epoch_goes_first_and_clients_may_have_left() {
    let mut rack = Rack::start().await;
    let other = Customer::new(&rack.base, rack.customer.domain.clone(), rack.model);
    rack.give(&other, MicroUsdc(2 * FEE.0)).await;
    one_job(&rack.customer).await;
    one_job(&other).await;
    rack.queen.kill();
    let timeout = rack.plan.params.settlement_timeout;
    rack.dev.advance(timeout + 60).await.expect("time passes");
    // Nobody settled for so long that it may leave at once.
    rack.send(
        &other.wallet,
        &rack.chain.request_withdrawal(MicroUsdc(2 * FEE.0)),
    )
    .await;
    rack.send(&other.wallet, &rack.chain.withdraw(other.address()))
        .await;
    rack.queen.start();
    rack.health().await;
    rack.assert_sound(&[&rack.customer, &other]).await;
    rack.queen.says("clients may leave at once").await;
    let first = rack.epoch(EpochId(1)).await;
    assert_eq!(
        (first.status, first.jobs_count),
        (EpochStatus::Finalized, 0)
    );
    let account = rack
        .chain
        .account(rack.customer.address(), swarm_chain::At::Latest)
        .await;
    assert_eq!(
        account.expect("a view").balance.0,
        crate::rack::DEPOSIT.0 - FEE.0
    );
    rack.assert_sent_once().await;
}
