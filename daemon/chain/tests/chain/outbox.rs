use std::slice::from_ref;

use alloy::providers::ext::AnvilApi;
use swarm_chain::outbox::{Attempt, Plan, STUCK_SECONDS, Wait};
use swarm_chain::tx::{Sent, SignedTx};
use swarm_chain::views::EpochState;

use crate::*;

async fn plan(chain: &Chain, sealed: &SealedEpoch, attempts: &[Attempt], now: u64) -> Plan {
    let gas = dev_wallet(GAS);
    let plan = chain.plan_settlement(sealed, attempts, &gas, params().max_seal_age, now);
    plan.await.expect("a plan")
}

fn attempt(plan: Plan, now: u64) -> Attempt {
    match plan {
        Plan::Send(tx) => Attempt { tx, made_at: now },
        other => panic!("{other:?}"),
    }
}

async fn sealed_epoch(dev: &DevChain, chain: &Chain) -> SealedEpoch {
    deposit(dev, chain, MicroUsdc(5_000_000)).await;
    let jobs = vec![job(chain, 1, 1, now(chain).await, &dev_wallet(CLIENT))];
    seal(chain, 1, B256::ZERO, jobs).await.0
}

async fn broadcast(chain: &Chain, tx: &SignedTx) -> Sent {
    chain.broadcast(tx).await.expect("the node answers")
}

/// Sends it and waits until it is mined: the node mines a moment after it took it.
async fn include(chain: &Chain, tx: &SignedTx) {
    assert_eq!(broadcast(chain, tx).await, Sent::Known);
    for _ in 0..500 {
        if chain
            .rpc()
            .mined(tx.hash)
            .await
            .expect("a receipt")
            .is_some()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} is not mined", tx.hash);
}

async fn settlements(dev: &DevChain, chain: &Chain) -> usize {
    let events = read_all(chain, dev.escrow_block, &mut Vec::new()).await;
    let settled = |event: &&EscrowEvent| matches!(event, EscrowEvent::EpochSettled { .. });
    events.iter().filter(settled).count()
}

#[tokio::test]
async fn a_crash_before_or_after_the_broadcast_sends_nothing_twice() {
    let (dev, chain) = start().await;
    let sealed = sealed_epoch(&dev, &chain).await;
    let clock = now(&chain).await;
    let first = attempt(plan(&chain, &sealed, &[], clock).await, clock);
    // Crash after remembering, before broadcasting: the same bytes go out.
    let again = plan(&chain, &sealed, from_ref(&first), clock + 1).await;
    assert_eq!(again, Plan::Resend(first.tx.clone()));
    include(&chain, &first.tx).await;
    // The answer got lost: the chain is looked at first.
    let done = plan(&chain, &sealed, from_ref(&first), clock + 2).await;
    assert!(
        matches!(
            done,
            Plan::Settled {
                state: EpochState::Pending,
                ..
            }
        ),
        "{done:?}"
    );
    // Even a ledger that forgot the attempt sends nothing.
    let done = plan(&chain, &sealed, &[], clock + 2).await;
    assert!(matches!(done, Plan::Settled { .. }), "{done:?}");
    assert_eq!(broadcast(&chain, &first.tx).await, Sent::NonceUsed);
    assert_eq!(settlements(&dev, &chain).await, 1);
}

#[tokio::test]
async fn a_stuck_transaction_is_replaced_and_only_one_is_mined() {
    let (dev, chain) = start().await;
    let sealed = sealed_epoch(&dev, &chain).await;
    let provider = dev.node.rpc().provider().clone();
    provider
        .anvil_set_auto_mine(false)
        .await
        .expect("no mining");
    let clock = now(&chain).await;
    let first = attempt(plan(&chain, &sealed, &[], clock).await, clock);
    assert_eq!(broadcast(&chain, &first.tx).await, Sent::Known);
    let waiting = plan(&chain, &sealed, from_ref(&first), clock + STUCK_SECONDS - 1).await;
    assert_eq!(waiting, Plan::Wait(Wait::InFlight { tx: first.tx.hash }));

    let late = clock + STUCK_SECONDS;
    let second = attempt(plan(&chain, &sealed, from_ref(&first), late).await, late);
    assert_eq!(second.tx.nonce, first.tx.nonce);
    assert!(second.tx.fees.max_fee > first.tx.fees.max_fee);
    assert_eq!(broadcast(&chain, &second.tx).await, Sent::Known);
    dev.mine(1).await.expect("mined");
    let attempts = [first.clone(), second.clone()];
    let done = plan(&chain, &sealed, &attempts, late + 1).await;
    assert!(matches!(done, Plan::Settled { .. }), "{done:?}");
    assert!(
        chain
            .rpc()
            .mined(second.tx.hash)
            .await
            .expect("receipt")
            .is_some()
    );
    assert!(
        chain
            .rpc()
            .mined(first.tx.hash)
            .await
            .expect("receipt")
            .is_none()
    );
}

#[tokio::test]
async fn a_transaction_dropped_by_the_node_goes_out_again() {
    let (dev, chain) = start().await;
    let sealed = sealed_epoch(&dev, &chain).await;
    let provider = dev.node.rpc().provider().clone();
    provider
        .anvil_set_auto_mine(false)
        .await
        .expect("no mining");
    let clock = now(&chain).await;
    let first = attempt(plan(&chain, &sealed, &[], clock).await, clock);
    broadcast(&chain, &first.tx).await;
    provider
        .anvil_drop_all_transactions()
        .await
        .expect("dropped");
    let again = plan(&chain, &sealed, from_ref(&first), clock + 1).await;
    assert_eq!(again, Plan::Resend(first.tx.clone()));
    broadcast(&chain, &first.tx).await;
    dev.mine(1).await.expect("mined");
    let done = plan(&chain, &sealed, &[first], clock + 2).await;
    assert!(matches!(done, Plan::Settled { .. }), "{done:?}");
}

#[tokio::test]
async fn a_nonce_that_something_else_used_is_given_up_for_the_next() {
    let (dev, chain) = start().await;
    let sealed = sealed_epoch(&dev, &chain).await;
    let clock = now(&chain).await;
    let first = attempt(plan(&chain, &sealed, &[], clock).await, clock);
    // The gas key is used elsewhere before the broadcast.
    send(&chain, &dev_wallet(GAS), &chain.set_cap(MicroUsdc(1))).await;
    assert_eq!(broadcast(&chain, &first.tx).await, Sent::NonceUsed);
    let second = attempt(
        plan(&chain, &sealed, from_ref(&first), clock + 1).await,
        clock + 1,
    );
    assert_eq!(second.tx.nonce, first.tx.nonce + 1);
    include(&chain, &second.tx).await;
    let done = plan(&chain, &sealed, &[first, second], clock + 2).await;
    assert!(matches!(done, Plan::Settled { .. }), "{done:?}");
    assert_eq!(settlements(&dev, &chain).await, 1);
}

#[tokio::test]
async fn a_void_epoch_stops_settlement_until_it_is_resumed() {
    let (dev, chain) = start().await;
    let sealed = sealed_epoch(&dev, &chain).await;
    let clock = now(&chain).await;
    let first = attempt(plan(&chain, &sealed, &[], clock).await, clock);
    include(&chain, &first.tx).await;
    let jobs = vec![job(&chain, 1, 1, now(&chain).await, &dev_wallet(CLIENT))];
    dev.advance(1).await.expect("time");
    let (next, _) = seal(&chain, 2, sealed.seal.struct_hash(), jobs).await;
    let waits = plan(&chain, &next, &[], clock).await;
    assert!(
        matches!(waits, Plan::Wait(Wait::PreviousPending { .. })),
        "{waits:?}"
    );

    let guardian = dev_wallet(GUARDIAN);
    send(&chain, &guardian, &chain.void_epoch(1)).await;
    assert_eq!(
        plan(&chain, &next, &[], clock).await,
        Plan::Wait(Wait::Stopped)
    );
    send(&chain, &guardian, &chain.resume()).await;
    let second = attempt(plan(&chain, &next, &[], clock).await, clock);
    include(&chain, &second.tx).await;
    let done = plan(&chain, &next, &[second], clock).await;
    assert!(matches!(done, Plan::Settled { .. }), "{done:?}");
    let void = plan(&chain, &sealed, &[first], clock).await;
    assert!(
        matches!(
            void,
            Plan::Settled {
                state: EpochState::Void,
                ..
            }
        ),
        "{void:?}"
    );
    let account = chain
        .account(account(CLIENT), At::Latest)
        .await
        .expect("account");
    assert_eq!((account.balance.0, account.pending.0), (4_900_000, 100_000));
}

#[tokio::test]
async fn pauses_old_seals_taken_numbers_and_uncollectable_charges_are_named() {
    let (dev, chain) = start().await;
    let sealed = sealed_epoch(&dev, &chain).await;
    let guardian = dev_wallet(GUARDIAN);
    let clock = now(&chain).await;
    send(&chain, &guardian, &chain.pause()).await;
    let paused = plan(&chain, &sealed, &[], clock).await;
    assert!(
        matches!(paused, Plan::Wait(Wait::Paused { .. })),
        "{paused:?}"
    );
    send(&chain, &guardian, &chain.unpause()).await;

    send(&chain, &dev_wallet(CLIENT), &chain.set_cap(MicroUsdc(1))).await;
    dev.advance(params().exit_delay).await.expect("time");
    assert_eq!(plan(&chain, &sealed, &[], clock).await, Plan::Expired);
    let jobs = vec![job(&chain, 1, 1, now(&chain).await, &dev_wallet(CLIENT))];
    let (over_cap, _) = seal(&chain, 1, B256::ZERO, jobs).await;
    let refused = plan(&chain, &over_cap, &[], clock).await;
    let Plan::Wait(Wait::WouldRevert { reason }) = refused else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("ChargeOverCap"), "{reason}");

    let (empty, _) = seal(&chain, 1, B256::ZERO, Vec::new()).await;
    let tx = attempt(plan(&chain, &empty, &[], clock).await, clock);
    include(&chain, &tx.tx).await;
    let taken = plan(&chain, &over_cap, &[], clock).await;
    assert_eq!(
        taken,
        Plan::Taken {
            seal_hash: empty.seal.struct_hash()
        }
    );
}
