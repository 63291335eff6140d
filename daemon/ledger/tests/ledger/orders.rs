//! The way of an order: what is paid and when, each refusal, the end that its client or its pages see.
use crate::common::*;
use swarm_ledger::JobFilter;
use swarm_ledger::commands::*;
use swarm_ledger::records::*;
use swarm_ledger::refusals::*;
use swarm_types::escrow::EscrowEvent;
use swarm_types::{EpochId, MicroUsdc};

#[tokio::test]
async fn a_job_is_paid_once_and_only_when_completed() {
    let mut f = Fixture::new().await;
    let job = f.submit(1).await;
    assert_eq!(job.id.to_string(), "job-001-0001");
    let account = f.ledger.client(address(CLIENT), 10).await.unwrap().unwrap();
    assert_eq!(
        (account.reserved, account.available),
        (FEE, MicroUsdc(4_900_000))
    );

    let lease = f.claim(20).await.unwrap();
    assert_eq!(
        (lease.job.id, lease.attempt, lease.expires_at),
        (job.id, 1, 110)
    );
    assert_eq!(lease.job.salt, SALT);
    let progress = Progress {
        now: 50,
        worker: address(WORKER),
        lease: lease.lease_ref(),
        stage: "infer".into(),
        fraction_bps: 4_000,
        lease_seconds: LEASE,
    };
    assert_eq!(f.ledger.progress(progress).await.unwrap(), 140);
    let seen = f.ledger.job(job.id).await.unwrap().unwrap();
    assert_eq!(
        (seen.state, seen.stage.as_deref(), seen.fraction_bps),
        (JobState::Processing, Some("infer"), 4_000)
    );

    let command = complete(&lease, 60);
    let done = f.ledger.complete(command.clone()).await.unwrap();
    assert_eq!(
        (done.epoch, done.fee, done.replayed),
        (EpochId(1), FEE, false)
    );
    f.reopen().await;
    let again = f.ledger.complete(command.clone()).await.unwrap();
    assert_eq!(
        again,
        Completed {
            replayed: true,
            ..done
        }
    );
    let account = f.ledger.client(address(CLIENT), 10).await.unwrap().unwrap();
    assert_eq!(
        (account.balance, account.reserved, account.spent),
        (4_900_000, MicroUsdc::ZERO, FEE)
    );

    let seen = f.ledger.job(job.id).await.unwrap().unwrap();
    assert_eq!(seen.state, JobState::Completed);
    assert_eq!(seen.completion.unwrap().execution, command.execution);
    let history = f.ledger.history(address(CLIENT), None, 10).await.unwrap();
    let lines: Vec<_> = history
        .iter()
        .map(|h| (h.kind, h.state, h.amount, h.credit))
        .collect();
    assert_eq!(
        lines,
        [
            (HistoryKind::Job, TransferState::Posted, FEE, false),
            (
                HistoryKind::Deposit,
                TransferState::Posted,
                MicroUsdc(5_000_000),
                true
            ),
        ]
    );
    f.assert_sound().await;
}

#[tokio::test]
async fn the_same_order_again_gets_the_first_answer() {
    let mut f = Fixture::new().await;
    let first = f.ledger.submit(order(CLIENT, 7)).await.unwrap();
    f.reopen().await;
    let again = f.ledger.submit(order(CLIENT, 7)).await.unwrap();
    assert_eq!((again.job, again.replayed), (first.job.clone(), true));
    // Also after its deadline, and signed once more.
    let mut late = order(CLIENT, 7);
    late.now = DEADLINE + 1;
    late.order.signature = signature(9);
    assert_eq!(f.ledger.submit(late).await.unwrap().job, first.job);
    let mut other = order(CLIENT, 7);
    other.order.order.max_fee = MicroUsdc(100_001);
    assert_eq!(
        refused(f.ledger.submit(other).await),
        SubmitRefusal::NonceReused {
            nonce: 7,
            job: first.job.id
        }
    );
    f.assert_sound().await;
}

#[tokio::test]
async fn every_refusal_of_an_order_changes_nothing() {
    let f = Fixture::new().await;
    let before = f.ledger.stats().await.unwrap();
    let with = |change: &dyn Fn(&mut Submit)| {
        let mut submit = order(CLIENT, 1);
        change(&mut submit);
        f.ledger.submit(submit)
    };
    assert_eq!(
        refused(f.ledger.submit(order(0x77, 1)).await),
        SubmitRefusal::InsufficientBalance {
            needed: FEE,
            available: MicroUsdc::ZERO
        }
    );
    assert_eq!(
        refused(
            with(&|s| {
                s.fee = MicroUsdc(5_000_001);
                s.order.order.max_fee = s.fee
            })
            .await
        ),
        SubmitRefusal::InsufficientBalance {
            needed: MicroUsdc(5_000_001),
            available: MicroUsdc(5_000_000)
        }
    );
    assert_eq!(
        refused(with(&|s| s.order.order.deadline = s.now).await),
        SubmitRefusal::DeadlinePast {
            deadline: 10,
            now: 10
        }
    );
    assert_eq!(
        refused(with(&|s| s.fee = MicroUsdc(100_001)).await),
        SubmitRefusal::FeeOverMax {
            fee: MicroUsdc(100_001),
            max_fee: FEE
        }
    );
    assert_eq!(
        refused(with(&|s| s.signers = [address(1), address(2)]).await),
        SubmitRefusal::UnknownSigner { signer: address(1) }
    );
    let ranges: [Change<'_, Submit>; 5] = [
        ("deadline", &|s| s.order.order.deadline = u64::MAX),
        ("maxFee", &|s| s.order.order.max_fee = MicroUsdc(u64::MAX)),
        ("jobType", &|s| s.job_type = "x".repeat(2_000)),
        ("recipients", &|s| s.recipients = vec![address(1); 300]),
        ("maxAttempts", &|s| s.max_attempts = 0),
    ];
    for (field, change) in ranges {
        assert_eq!(
            refused(with(change).await),
            SubmitRefusal::OutOfRange { field }
        );
    }
    assert_eq!(f.ledger.stats().await.unwrap(), before);
    // The largest nonce is a nonce like any other.
    f.submit(u64::MAX).await;
    f.submit(0).await;
    f.assert_sound().await;
}

#[tokio::test]
async fn the_cap_holds_charges_and_reservations() {
    let f = Fixture::new().await;
    let change = EscrowEvent::CapChanged {
        client: address(CLIENT),
        cap: MicroUsdc(250_000),
        effective_at: 5,
    };
    f.block(2, vec![change], 1).await.unwrap();
    f.done(1, 20).await;
    f.submit(2).await;
    assert_eq!(
        refused(f.ledger.submit(order(CLIENT, 3)).await),
        SubmitRefusal::OverCap {
            needed: FEE,
            cap: MicroUsdc(250_000),
            left: MicroUsdc(50_000)
        }
    );
    // The next epoch has its own cap; what is reserved still counts.
    f.seal(1_000).await;
    f.submit(3).await;
    assert!(matches!(
        refused(f.ledger.submit(order(CLIENT, 4)).await),
        SubmitRefusal::OverCap { .. }
    ));
    f.assert_sound().await;
}

#[tokio::test]
async fn an_order_signer_counts_until_its_removal_is_seen() {
    let f = Fixture::new().await;
    let mut submit = order(CLIENT, 1);
    submit.signers = [address(0x11), address(0x12)];
    assert!(matches!(
        refused(f.ledger.submit(submit.clone()).await),
        SubmitRefusal::UnknownSigner { .. }
    ));
    let (client, signer) = (address(CLIENT), address(0x12));
    f.block(2, vec![EscrowEvent::SignerAdded { client, signer }], 1)
        .await
        .unwrap();
    assert_eq!(f.ledger.order_signers(client).await.unwrap(), [signer]);
    f.ledger.submit(submit.clone()).await.unwrap();
    let removed = EscrowEvent::SignerRemoved {
        client,
        signer,
        effective_at: 1_000_000,
    };
    f.block(3, vec![removed], 1).await.unwrap();
    submit.order.order.nonce = 2;
    assert!(matches!(
        refused(f.ledger.submit(submit).await),
        SubmitRefusal::UnknownSigner { .. }
    ));
}

#[tokio::test]
async fn a_client_cancels_what_nobody_works_on() {
    let f = Fixture::new().await;
    let (first, second) = (f.submit(1).await.id, f.submit(2).await.id);
    let cancel = |job, client| Cancel {
        now: 30,
        job,
        client: address(client),
    };
    assert_eq!(
        refused(f.ledger.cancel(cancel(first, 0x77)).await),
        CancelRefusal::UnknownJob(first)
    );
    let lease = f.claim(20).await.unwrap();
    let answer = f.ledger.cancel(cancel(first, CLIENT)).await.unwrap();
    assert_eq!(answer.state, JobState::Cancelled);
    assert_eq!(
        f.ledger.cancel(cancel(first, CLIENT)).await.unwrap(),
        answer
    );
    assert!(f.ledger.complete(complete(&lease, 31)).await.is_err());
    let lease = f.claim(20).await.unwrap();
    assert_eq!(lease.job.id, second);
    let progress = Progress {
        now: 25,
        worker: address(WORKER),
        lease: lease.lease_ref(),
        stage: "infer".into(),
        fraction_bps: 0,
        lease_seconds: LEASE,
    };
    f.ledger.progress(progress).await.unwrap();
    assert_eq!(
        refused(f.ledger.cancel(cancel(second, CLIENT)).await),
        CancelRefusal::Running(second)
    );
    f.ledger.complete(complete(&lease, 31)).await.unwrap();
    assert_eq!(
        refused(f.ledger.cancel(cancel(second, CLIENT)).await),
        CancelRefusal::Ended {
            job: second,
            state: JobState::Completed
        }
    );
    f.assert_sound().await;
}

#[tokio::test]
async fn pages_show_each_job_once() {
    let f = Fixture::new().await;
    for nonce in 1..=7 {
        f.submit(nonce).await;
    }
    f.done(8, 20).await;
    f.deposit(0xc2, MicroUsdc(1_000_000), 2, 2).await;
    f.ledger.submit(order(0xc2, 1)).await.unwrap();
    for filter in [
        JobFilter {
            client: Some(address(CLIENT)),
            ..JobFilter::default()
        },
        JobFilter {
            state: Some(JobState::Pending),
            ..JobFilter::default()
        },
        JobFilter::default(),
    ] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = f
                .ledger
                .jobs(JobFilter {
                    after,
                    limit: 3,
                    ..filter.clone()
                })
                .await
                .unwrap();
            after = page.last().map(|job| job.id);
            seen.extend(page.iter().map(|job| job.id.seq));
            if page.is_empty() {
                break;
            }
        }
        let expected: Vec<u64> = match (filter.client, filter.state) {
            (Some(_), _) => vec![8, 7, 6, 5, 4, 3, 2, 1],
            (_, Some(_)) => vec![9, 7, 6, 5, 4, 3, 2, 1],
            _ => vec![9, 8, 7, 6, 5, 4, 3, 2, 1],
        };
        assert_eq!(seen, expected, "{filter:?}");
    }
    let settled = JobFilter {
        settles_in: Some(EpochId(1)),
        limit: 10,
        ..JobFilter::default()
    };
    assert_eq!(f.ledger.jobs(settled).await.unwrap().len(), 1);
    let worked = JobFilter {
        worker: Some(address(WORKER)),
        limit: 10,
        ..JobFilter::default()
    };
    assert_eq!(f.ledger.jobs(worked).await.unwrap().len(), 1);
}
