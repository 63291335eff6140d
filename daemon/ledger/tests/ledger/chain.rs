//! The mirror of the chain: what counts when, and what a reorg takes back.
use crate::common::*;
use swarm_ledger::commands::*;
use swarm_ledger::records::*;
use swarm_ledger::refusals::*;
use swarm_types::escrow::EscrowEvent;
use swarm_types::{B256, EpochId, MicroUsdc};

const USDC: MicroUsdc = MicroUsdc(1_000_000);

async fn account(f: &Fixture) -> ClientAccount {
    f.ledger.client(address(CLIENT), 10).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_deposit_counts_when_it_is_safe_and_once() {
    let f = Fixture::empty();
    let client = address(CLIENT);
    let deposit = vec![EscrowEvent::Deposited {
        client,
        amount: USDC,
    }];
    assert_eq!(f.ledger.client(client, 10).await.unwrap(), None);
    let seen = f.block(5, deposit.clone(), 4).await.unwrap();
    assert_eq!((seen.events_new, seen.credited.len()), (1, 0));
    let before = account(&f).await;
    assert_eq!(
        (before.unconfirmed, before.balance, before.available),
        (USDC, 0, MicroUsdc::ZERO)
    );
    assert!(matches!(
        refused(f.ledger.submit(order(CLIENT, 1)).await),
        SubmitRefusal::InsufficientBalance { .. }
    ));
    let safe = f.block(6, Vec::new(), 5).await.unwrap();
    assert_eq!(safe.credited[0].1, USDC);
    for _ in 0..2 {
        let again = f.block(5, deposit.clone(), 6).await.unwrap();
        assert_eq!((again.events_new, again.credited.len()), (0, 0));
    }
    let after = account(&f).await;
    assert_eq!(
        (after.unconfirmed, after.balance),
        (MicroUsdc::ZERO, 1_000_000)
    );
    f.submit(1).await;
    f.assert_sound().await;
}

#[tokio::test]
async fn a_withdrawal_counts_as_soon_as_it_is_seen() {
    let f = Fixture::new().await;
    let client = address(CLIENT);
    let request = EscrowEvent::WithdrawalRequested {
        client,
        amount: MicroUsdc(4_950_000),
        matures_at: u64::MAX,
    };
    f.block(2, vec![request], 1).await.unwrap();
    assert_eq!(
        refused(f.ledger.submit(order(CLIENT, 1)).await),
        SubmitRefusal::InsufficientBalance {
            needed: FEE,
            available: MicroUsdc(50_000)
        }
    );
    let paid = EscrowEvent::Withdrawn {
        client,
        amount: MicroUsdc(4_000_000),
    };
    f.block(3, vec![paid], 1).await.unwrap();
    let now = account(&f).await;
    // The contract ends the request when it pays, whatever it paid.
    assert_eq!((now.balance, now.withdrawing), (1_000_000, MicroUsdc::ZERO));
    let mirror = f.ledger.mirror(client, 2).await.unwrap();
    assert_eq!((mirror.balance, mirror.withdrawing), (5_000_000, 4_950_000));
    f.assert_sound().await;
}

#[tokio::test]
async fn a_reorg_of_a_spent_deposit_stops_new_orders_and_is_reported() {
    let mut f = Fixture::new().await;
    f.submit(1).await;
    let undone = f
        .ledger
        .undo_blocks(UndoBlocks { now: 20, from: 1 })
        .await
        .unwrap();
    assert_eq!((undone.events, undone.head), (1, None));
    assert_eq!(undone.overdrawn, [(address(CLIENT), FEE)]);
    f.assert_sound().await;
    f.reopen().await;
    assert!(matches!(
        refused(f.ledger.submit(order(CLIENT, 2)).await),
        SubmitRefusal::InsufficientBalance {
            available: MicroUsdc::ZERO,
            ..
        }
    ));
    // The job goes on, and the other branch brings the deposit again.
    let lease = f.claim(20).await.unwrap();
    f.ledger.complete(complete(&lease, 30)).await.unwrap();
    assert_eq!(account(&f).await.balance, -100_000);
    let deposit = EscrowEvent::Deposited {
        client: address(CLIENT),
        amount: USDC,
    };
    let command = ApplyBlocks {
        now: 40,
        blocks: vec![block(1, 1, vec![deposit])],
        safe: 1,
    };
    f.ledger.apply_blocks(command).await.unwrap();
    assert_eq!(account(&f).await.balance, 900_000);
    f.assert_sound().await;
}

#[tokio::test]
async fn another_branch_is_noticed() {
    let f = Fixture::new().await;
    for number in 2..=4 {
        f.block(number, Vec::new(), 1).await.unwrap();
    }
    let apply = |number, branch| {
        f.ledger.apply_blocks(ApplyBlocks {
            now: 1,
            blocks: vec![block(number, branch, Vec::new())],
            safe: 1,
        })
    };
    assert_eq!(
        refused(apply(3, 9).await),
        ChainRefusal::Fork {
            number: 3,
            undo_from: 3
        }
    );
    assert_eq!(
        refused(apply(5, 9).await),
        ChainRefusal::Fork {
            number: 5,
            undo_from: 4
        }
    );
    let undone = f
        .ledger
        .undo_blocks(UndoBlocks { now: 1, from: 4 })
        .await
        .unwrap();
    assert_eq!(undone.head.unwrap().number, 3);
    let cursor = f.ledger.chain_cursor(2).await.unwrap();
    assert_eq!(
        cursor.recent.iter().map(|b| b.number).collect::<Vec<_>>(),
        [3, 2]
    );
    let unordered = ApplyBlocks {
        now: 1,
        blocks: vec![block(6, 0, Vec::new()), block(5, 0, Vec::new())],
        safe: 1,
    };
    assert_eq!(
        refused(f.ledger.apply_blocks(unordered).await),
        ChainRefusal::OutOfOrder { number: 5 }
    );
    let amount = MicroUsdc(u64::MAX);
    let huge = EscrowEvent::Deposited {
        client: address(CLIENT),
        amount,
    };
    assert_eq!(
        refused(f.block(7, vec![huge], 1).await),
        ChainRefusal::OutOfRange { number: 7 }
    );
    f.assert_sound().await;
}

#[tokio::test]
async fn events_that_come_late_fold_in_their_place() {
    let f = Fixture::new().await;
    let client = address(CLIENT);
    let cap = |cap| EscrowEvent::CapChanged {
        client,
        cap: MicroUsdc(cap),
        effective_at: 1,
    };
    f.block(9, vec![cap(900_000)], 1).await.unwrap();
    f.block(8, vec![cap(800_000)], 1).await.unwrap();
    assert_eq!(account(&f).await.cap, MicroUsdc(900_000));
    f.assert_sound().await;
}

#[tokio::test]
async fn a_reorg_takes_back_all_that_rested_on_it() {
    let f = Fixture::new().await;
    f.done(1, 20).await;
    let (client, signer) = (address(CLIENT), address(0x12));
    let (_, built) = f.seal(1_000).await;
    let mut events = f.settlement(&built, 9_000);
    events.extend([
        EscrowEvent::SignerAdded { client, signer },
        EscrowEvent::CapChanged {
            client,
            cap: MicroUsdc(7),
            effective_at: 1,
        },
        EscrowEvent::Withdrawn {
            client,
            amount: USDC,
        },
        EscrowEvent::Claimed {
            payee: address(PAYEE),
            amount: MicroUsdc(5),
        },
    ]);
    f.block(5, events.clone(), 1).await.unwrap();
    assert_eq!(f.ledger.mirror(client, 5).await.unwrap().balance, 3_900_000);
    let undone = f
        .ledger
        .undo_blocks(UndoBlocks { now: 20, from: 5 })
        .await
        .unwrap();
    assert_eq!(undone.epochs, [(EpochId(1), EpochState::Sealed)]);
    assert_eq!(undone.overdrawn, []);
    let now = account(&f).await;
    assert_eq!((now.balance, now.cap), (4_900_000, CAP));
    assert!(f.ledger.order_signers(client).await.unwrap().is_empty());
    assert_eq!(f.ledger.mirror(client, 5).await.unwrap().balance, 5_000_000);
    f.assert_sound().await;
    // The same transactions again, in another block.
    let command = ApplyBlocks {
        now: 40,
        blocks: vec![block(6, 1, events)],
        safe: 1,
    };
    let applied = f.ledger.apply_blocks(command).await.unwrap();
    assert_eq!(applied.epochs, [(EpochId(1), EpochState::Included)]);
    f.assert_sound().await;

    // Once final, it takes a person.
    let mut finalized = block(9, 1, Vec::new()).0;
    finalized.timestamp = 9_000;
    let command = Finalise {
        now: 9_000,
        epoch: EpochId(1),
        finalized,
    };
    f.ledger.finalise(command).await.unwrap();
    assert_eq!(
        refused(f.ledger.undo_blocks(UndoBlocks { now: 20, from: 6 }).await),
        UndoRefusal::Final {
            epoch: EpochId(1),
            block: 6
        }
    );
    f.assert_sound().await;
}

#[tokio::test]
async fn what_the_ledger_does_not_know_is_reported_not_believed() {
    let f = Fixture::new().await;
    let stranger = EscrowEvent::EpochSettled {
        epoch: 1,
        seal_hash: B256::repeat_byte(1),
        receipts_root: B256::ZERO,
        receipt_count: 0,
        charged: MicroUsdc::ZERO,
        bundle: B256::ZERO,
        final_at: 1,
    };
    let void = EscrowEvent::EpochVoided {
        epoch: 7,
        reason: String::new(),
    };
    let applied = f.block(2, vec![stranger, void], 2).await.unwrap();
    assert_eq!((applied.epochs.len(), applied.contradictions.len()), (0, 2));
    assert_eq!(
        f.ledger.epoch(EpochId(1)).await.unwrap().unwrap().state,
        EpochState::Open
    );
    f.assert_sound().await;
}
