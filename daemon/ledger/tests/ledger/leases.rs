//! The way of a job through its bees: who gets it, what becomes of it when they fail or time passes, what completes it.
use crate::common::*;
use swarm_ledger::commands::*;
use swarm_ledger::records::*;
use swarm_ledger::refusals::*;
use swarm_types::{B256, MicroUsdc};

#[tokio::test]
async fn a_claim_takes_the_oldest_job_that_fits() {
    let f = Fixture::new().await;
    let mut other_model = order(CLIENT, 1);
    other_model.order.order.model = B256::repeat_byte(0x44);
    f.ledger.submit(other_model).await.unwrap();
    let mut not_for_us = order(CLIENT, 2);
    not_for_us.recipients = vec![address(0xb2)];
    let not_for_us = f.ledger.submit(not_for_us).await.unwrap().job.id;
    let mut for_us = order(CLIENT, 3);
    for_us.recipients = vec![address(0xb2), address(WORKER)];
    f.ledger.submit(for_us).await.unwrap();
    f.submit(4).await;
    assert_eq!(
        refused(
            f.ledger
                .claim(Claim {
                    job: Some(not_for_us),
                    ..claim(WORKER, 20)
                })
                .await
        ),
        ClaimRefusal::NotEligible(not_for_us)
    );
    assert_eq!(f.claim(20).await.unwrap().job.id, job(1, 3));
    assert_eq!(f.claim(20).await.unwrap().job.id, job(1, 4));
    assert_eq!(f.claim(20).await, None);
    assert_eq!(
        refused(
            f.ledger
                .claim(Claim {
                    job: Some(job(1, 3)),
                    ..claim(WORKER, 20)
                })
                .await
        ),
        ClaimRefusal::NotPending {
            job: job(1, 3),
            state: JobState::Claimed
        }
    );
    assert_eq!(
        refused(
            f.ledger
                .claim(Claim {
                    job: Some(job(9, 9)),
                    ..claim(WORKER, 20)
                })
                .await
        ),
        ClaimRefusal::UnknownJob(job(9, 9))
    );
    let why = f.ledger.why_inputs(not_for_us).await.unwrap().unwrap();
    assert_eq!((why.ahead, why.workers.len()), (1, 1));
    let leases = f.ledger.leases(address(WORKER), 20).await.unwrap();
    assert_eq!(
        leases.iter().map(|l| l.job.id).collect::<Vec<_>>(),
        [job(1, 3), job(1, 4)]
    );
    assert_eq!(f.ledger.leases(address(WORKER), 110).await.unwrap(), []);
}

#[tokio::test]
async fn only_an_approved_bee_that_does_not_drain_gets_work() {
    let f = Fixture::new().await;
    f.submit(1).await;
    let try_claim = |worker| f.ledger.claim(claim(worker, 20));
    assert_eq!(
        refused(try_claim(0xb2).await),
        ClaimRefusal::UnknownWorker(address(0xb2))
    );
    let hello = RegisterWorker {
        now: 1,
        worker: address(0xb2),
        label: None,
        recipient: None,
        profile: serde_json::json!({"gpu": "none"}),
        join_code: None,
    };
    f.ledger.register_worker(hello).await.unwrap();
    assert_eq!(
        refused(try_claim(0xb2).await),
        ClaimRefusal::NotApproved(WorkerState::Registered)
    );
    let drain = |draining| SetDraining {
        now: 1,
        worker: address(WORKER),
        draining,
    };
    f.ledger.set_draining(drain(true)).await.unwrap();
    assert_eq!(refused(try_claim(WORKER).await), ClaimRefusal::Draining);
    f.ledger.set_draining(drain(false)).await.unwrap();
    assert!(f.claim(20).await.is_some());
    f.ledger
        .revoke_worker(RevokeWorker {
            now: 30,
            worker: address(WORKER),
        })
        .await
        .unwrap();
    assert_eq!(
        refused(try_claim(WORKER).await),
        ClaimRefusal::NotApproved(WorkerState::Revoked)
    );
}

#[tokio::test]
async fn a_lapsed_lease_gives_the_job_back_and_cannot_complete() {
    let f = Fixture::new().await;
    let id = f.submit(1).await.id;
    let first = f.claim(20).await.unwrap();
    // Renewed before it lapses.
    let renew = |now, leases| Renew {
        now,
        worker: address(WORKER),
        leases,
        lease_seconds: LEASE,
    };
    let answer = f
        .ledger
        .renew(renew(100, vec![first.lease_ref()]))
        .await
        .unwrap();
    assert_eq!(answer, [Ok(190)]);
    assert_eq!(
        f.ledger.sweep(Sweep { now: 189 }).await.unwrap(),
        Swept::default()
    );
    // Lapsed, swept or not: refused.
    assert_eq!(
        refused(f.ledger.complete(complete(&first, 190)).await),
        CompleteRefusal::Lease(LeaseRefusal::Lapsed {
            job: id,
            expired_at: 190
        })
    );
    let swept = f.ledger.sweep(Sweep { now: 190 }).await.unwrap();
    assert_eq!(swept.requeued, [id]);
    assert_eq!(
        refused(f.ledger.complete(complete(&first, 191)).await),
        CompleteRefusal::Lease(LeaseRefusal::NotHolder(id))
    );
    // Taken again by the same bee: another lease, the old one stays dead.
    let second = f.claim(200).await.unwrap();
    assert_eq!(second.attempt, 2);
    assert!(second.token > first.token);
    let answers = f
        .ledger
        .renew(renew(210, vec![first.lease_ref(), second.lease_ref()]))
        .await;
    assert_eq!(
        answers.unwrap(),
        [Err(LeaseRefusal::NotHolder(id)), Ok(300)]
    );
    assert!(f.ledger.complete(complete(&first, 220)).await.is_err());
    f.ledger.complete(complete(&second, 220)).await.unwrap();
    assert_eq!(
        refused(f.ledger.complete(complete(&first, 221)).await),
        CompleteRefusal::Lease(LeaseRefusal::Ended {
            job: id,
            state: JobState::Completed
        })
    );
    f.assert_sound().await;
}

#[tokio::test]
async fn failures_are_tried_again_and_end_in_a_dead_letter() {
    let f = Fixture::new().await;
    let id = f.submit(1).await.id;
    let fail = |lease: &Lease, now, retryable| Fail {
        now,
        worker: address(WORKER),
        lease: lease.lease_ref(),
        reason: "out of memory".into(),
        retryable,
    };
    for (attempt, state) in [
        (1, JobState::Pending),
        (2, JobState::Pending),
        (3, JobState::Dead),
    ] {
        let lease = f.claim(20).await.unwrap();
        let failed = f.ledger.fail(fail(&lease, 30, true)).await.unwrap();
        assert_eq!(
            failed,
            Failed {
                job: id,
                state,
                attempts: attempt
            }
        );
        let again = f.ledger.fail(fail(&lease, 30, true)).await;
        assert!(again.is_err(), "a lease fails once");
    }
    let dead = f.ledger.job(id).await.unwrap().unwrap();
    assert_eq!(
        (dead.state, dead.error.as_deref()),
        (JobState::Dead, Some("out of memory"))
    );
    let account = f.ledger.client(address(CLIENT), 10).await.unwrap().unwrap();
    assert_eq!(
        (account.reserved, account.balance),
        (MicroUsdc::ZERO, 5_000_000)
    );
    // Not worth another try: dead at once.
    let id = f.submit(2).await.id;
    let lease = f.claim(20).await.unwrap();
    let failed = f.ledger.fail(fail(&lease, 30, false)).await.unwrap();
    assert_eq!((failed.job, failed.state), (id, JobState::Dead));
    f.assert_sound().await;
}

#[tokio::test]
async fn time_alone_ends_every_job() {
    let f = Fixture::new().await;
    let (waiting, held) = (f.submit(1).await.id, f.submit(2).await.id);
    f.ledger
        .claim(Claim {
            job: Some(held),
            lease_seconds: 3_600,
            ..claim(WORKER, DEADLINE - 10)
        })
        .await
        .unwrap()
        .unwrap();
    let swept = f.ledger.sweep(Sweep { now: DEADLINE }).await.unwrap();
    assert_eq!(swept.expired, [waiting]);
    // The lease was cut to the deadline and its grace.
    let swept = f.ledger.sweep(Sweep { now: DEADLINE + 60 }).await.unwrap();
    assert_eq!(swept.expired, [held]);
    let account = f.ledger.client(address(CLIENT), 10).await.unwrap().unwrap();
    assert_eq!(
        (account.reserved, account.balance),
        (MicroUsdc::ZERO, 5_000_000)
    );
    assert_eq!(f.claim(DEADLINE).await, None);
    f.assert_sound().await;
}

#[tokio::test]
async fn an_execution_must_be_of_its_job_and_in_time() {
    let f = Fixture::new().await;
    f.submit(1).await;
    let lease = f.claim(20).await.unwrap();
    let with = |change: &dyn Fn(&mut Complete)| {
        let mut command = complete(&lease, 30);
        change(&mut command);
        f.ledger.complete(command)
    };
    let other = B256::repeat_byte(0xee);
    let fields: [Change<'_, Complete>; 9] = [
        ("jobEpoch and jobSeq", &|c| c.execution.job_seq = 2),
        ("order", &|c| c.execution.order = other),
        ("model", &|c| c.execution.model = other),
        ("input", &|c| c.execution.input = other),
        ("result", &|c| c.manifest = other),
        ("engine", &|c| c.engine = "another engine".into()),
        ("power", &|c| c.power.meter = "nvml".into()),
        ("startedAt", &|c| c.execution.started_at = 31),
        ("result's size", &|c| c.result.size = u64::MAX),
    ];
    for (field, change) in fields {
        assert_eq!(
            refused(with(change).await),
            CompleteRefusal::Mismatch { field }
        );
    }
    assert_eq!(
        refused(with(&|c| c.execution.completed_at = DEADLINE + 1).await),
        CompleteRefusal::AfterDeadline {
            completed_at: DEADLINE + 1,
            deadline: DEADLINE
        }
    );
    assert_eq!(
        refused(with(&|c| c.execution.completed_at = 61).await),
        CompleteRefusal::InFuture {
            completed_at: 61,
            now: 30
        }
    );
    assert_eq!(
        refused(with(&|c| c.worker = address(0xb2)).await),
        CompleteRefusal::Lease(LeaseRefusal::NotHolder(job(1, 1)))
    );
    // A worker's clock a little ahead moves the seal, not the truth.
    with(&|c| c.execution.completed_at = 60).await.unwrap();
    let begin = BeginSeal {
        now: 40,
        trigger: SealTrigger::Demand,
    };
    assert_eq!(f.ledger.begin_seal(begin).await.unwrap().sealed_at, 60);
    // Another completion of the same job is not the first one.
    assert_eq!(
        refused(f.ledger.complete(complete(&lease, 30)).await),
        CompleteRefusal::Lease(LeaseRefusal::Ended {
            job: job(1, 1),
            state: JobState::Completed
        })
    );
    f.assert_sound().await;
}
