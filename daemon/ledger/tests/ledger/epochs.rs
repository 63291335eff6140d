//! Epochs from open to final or void, and the outbox on the way.
use crate::common::*;
use swarm_ledger::commands::*;
use swarm_ledger::records::*;
use swarm_ledger::refusals::*;
use swarm_types::escrow::EscrowEvent;
use swarm_types::{B256, EpochId, MicroUsdc};

const E1: EpochId = EpochId(1);
const E2: EpochId = EpochId(2);

fn submission(n: u8) -> Submission {
    Submission {
        tx: B256::repeat_byte(n),
        sender: address(0x6a),
        nonce: u64::from(n),
        gas_limit: 1_000_000,
        max_fee_per_gas: u128::from(u64::MAX) + 1,
        max_priority_fee_per_gas: 1,
        raw: vec![2, n],
        submitted_at: 1_010,
    }
}

fn begin(now: u64) -> BeginSeal {
    BeginSeal {
        now,
        trigger: SealTrigger::Schedule,
    }
}

fn finalise(epoch: EpochId, number: u64, timestamp: u64) -> Finalise {
    let mut finalized = block(number, 0, Vec::new()).0;
    finalized.timestamp = timestamp;
    Finalise {
        now: timestamp,
        epoch,
        finalized,
    }
}

async fn send(f: &Fixture, epoch: EpochId, n: u8) -> EpochRecord {
    let command = RecordSubmission {
        now: 1_010,
        epoch,
        submission: submission(n),
    };
    f.ledger.record_submission(command).await.unwrap()
}

#[tokio::test]
async fn an_epoch_goes_from_open_to_final() {
    let mut f = Fixture::new().await;
    f.done(1, 20).await;
    f.done(2, 30).await;
    let start = f.ledger.begin_seal(begin(1_000)).await.unwrap();
    assert_eq!((start.epoch, start.sealed_at, start.open), (E1, 1_000, E2));
    // A restart in between finds the same seal to make.
    f.reopen().await;
    assert_eq!(f.ledger.begin_seal(begin(2_000)).await.unwrap(), start);
    // A job completed now belongs to the next epoch, and its id too.
    let later = f.done(3, 1_500).await;
    assert_eq!(
        (later.job.to_string().as_str(), later.epoch),
        ("job-002-0001", E2)
    );

    let (record, built) = f.record_seal(E1, 1_000).await;
    let record = record.unwrap();
    assert_eq!(
        (record.state, record.jobs, record.revenue),
        (EpochState::Sealed, 2, MicroUsdc(200_000))
    );
    assert_eq!(record.seal.as_ref(), Some(&built.seal));
    assert_eq!(built.seal.0.previous, B256::ZERO);
    let (again, _) = f.record_seal(E1, 1_000).await;
    assert_eq!(again.unwrap(), record);
    assert_eq!(
        refused(f.ledger.begin_seal(begin(2_000)).await),
        EpochRefusal::InFlight {
            epoch: E1,
            state: EpochState::Sealed
        }
    );

    assert_eq!(send(&f, E1, 1).await.state, EpochState::Submitted);
    send(&f, E1, 1).await;
    send(&f, E1, 2).await;
    let outbox = f.ledger.outbox().await.unwrap();
    assert_eq!(outbox.len(), 1);
    assert_eq!(outbox[0].submissions, [submission(1), submission(2)]);
    assert_eq!(
        (&outbox[0].charges, &outbox[0].payouts),
        (&built.charges, &built.payouts)
    );
    assert_eq!(outbox[0].signatures[0].settler, address(0x55));

    let applied = f.block(5, f.settlement(&built, 2_000), 1).await.unwrap();
    assert_eq!(applied.epochs, [(E1, EpochState::Included)]);
    assert_eq!(applied.contradictions, Vec::<String>::new());
    let open_window = EpochRefusal::WindowOpen {
        epoch: E1,
        final_at: 2_000,
    };
    assert_eq!(
        refused(f.ledger.finalise(finalise(E1, 9, 1_999)).await),
        open_window
    );
    assert_eq!(
        refused(f.ledger.finalise(finalise(E1, 4, 2_000)).await),
        open_window
    );
    let end = f.ledger.finalise(finalise(E1, 9, 2_000)).await.unwrap();
    assert_eq!(end.state, EpochState::Final);
    assert_eq!(
        f.ledger.finalise(finalise(E1, 9, 2_000)).await.unwrap(),
        end
    );
    assert_eq!(f.ledger.outbox().await.unwrap(), []);

    // 7 % off the top, then all of both pools to the only bee: 93 % of 0.20.
    let pay = f.ledger.payee_history(address(PAYEE), 10).await.unwrap();
    assert_eq!(pay, [(E1, EpochState::Final, MicroUsdc(186_000))]);
    let worker = f.ledger.worker(address(WORKER)).await.unwrap().unwrap();
    assert_eq!(
        (worker.earned, worker.jobs_completed),
        (MicroUsdc(186_000), 3)
    );
    let claimed = EscrowEvent::Claimed {
        payee: address(PAYEE),
        amount: MicroUsdc(186_000),
    };
    f.block(10, vec![claimed], 1).await.unwrap();
    f.assert_sound().await;

    // The next seal names this one.
    let (_, next) = f.seal(3_000).await;
    assert_eq!(next.seal.0.previous, built.seal.struct_hash());
    f.assert_sound().await;
}

#[tokio::test]
async fn a_void_epochs_jobs_and_readiness_settle_under_the_next_number() {
    let f = Fixture::new().await;
    f.done(1, 20).await;
    beat(&f, WORKER, 100_000, true).await;
    beat(&f, WORKER, 130_500, true).await;
    let (_, built) = f.seal(1_000).await;
    f.done(2, 1_100).await;
    f.block(5, f.settlement(&built, 9_000), 1).await.unwrap();
    let void = EscrowEvent::EpochVoided {
        epoch: 1,
        reason: "guardian".into(),
    };
    // Seen at latest it changes nothing yet: a reorg could take it back.
    let seen = f.block(6, vec![void], 5).await.unwrap();
    assert_eq!(seen.epochs, []);
    assert!(f.ledger.begin_seal(begin(2_000)).await.is_err());
    let mirror = f.ledger.mirror(address(CLIENT), 5).await.unwrap();
    assert_eq!(mirror.balance, 4_900_000);
    assert_eq!(
        f.ledger.mirror(address(CLIENT), 6).await.unwrap().balance,
        5_000_000
    );
    let safe = f.block(7, Vec::new(), 6).await.unwrap();
    assert_eq!(safe.epochs, [(E1, EpochState::Void)]);
    f.assert_sound().await;

    let (record, next) = f.seal(2_000).await;
    assert_eq!(
        (record.id, record.jobs, record.revenue),
        (E2, 2, MicroUsdc(200_000))
    );
    assert_eq!(next.seal.0.previous, built.seal.struct_hash());
    let contents = f.ledger.seal_contents(E2).await.unwrap().unwrap();
    // 30.5 s of heartbeats, floored once.
    assert_eq!(contents.workers[0].ready_seconds, 30);
    let settled = f.block(8, f.settlement(&next, 9_500), 7).await.unwrap();
    assert_eq!(settled.contradictions, Vec::<String>::new());
    f.ledger.finalise(finalise(E2, 9, 9_500)).await.unwrap();
    let first = f.ledger.epoch(E1).await.unwrap().unwrap();
    assert_eq!(
        (first.state, first.void_reason.as_deref()),
        (EpochState::Void, Some("guardian"))
    );
    let account = f.ledger.client(address(CLIENT), 10).await.unwrap().unwrap();
    assert_eq!(
        (account.balance, account.spent),
        (4_800_000, MicroUsdc(200_000))
    );
    f.assert_sound().await;
}

#[tokio::test]
async fn a_seal_is_never_dated_before_its_completions_wherever_the_clock_went() {
    let mut f = Fixture::new().await;
    let job = f.done(1, 700).await.job;
    f.done(2, 100).await;
    f.reopen().await;
    let start = f.ledger.begin_seal(begin(100)).await.unwrap();
    assert_eq!(start.sealed_at, 700);
    let defer = DeferJobs {
        now: 100,
        epoch: E1,
        jobs: vec![job],
    };
    assert_eq!(f.ledger.defer_jobs(defer).await.unwrap(), 1);
    let (_, built) = f.record_seal(E1, 100).await;
    f.block(5, f.settlement(&built, 150), 4).await.unwrap();
    f.ledger.finalise(finalise(E1, 6, 150)).await.unwrap();
    // The job that moved on is covered by the order of the seals.
    let behind = EpochRefusal::ClockBehind {
        now: 700,
        last: 700,
    };
    assert_eq!(refused(f.ledger.begin_seal(begin(700)).await), behind);
    let start = f.ledger.begin_seal(begin(701)).await.unwrap();
    assert_eq!(start.sealed_at, 701);
    f.assert_sound().await;
}

#[tokio::test]
async fn a_deferred_job_settles_in_the_next_epoch_and_stays_charged_once() {
    let f = Fixture::new().await;
    let (first, second) = (f.done(1, 20).await.job, f.done(2, 20).await.job);
    f.ledger.begin_seal(begin(1_000)).await.unwrap();
    let defer = |jobs| DeferJobs {
        now: 1_000,
        epoch: E1,
        jobs,
    };
    let other = f.submit(3).await.id;
    assert_eq!(
        refused(f.ledger.defer_jobs(defer(vec![first, other])).await),
        EpochRefusal::NotItsJob(other)
    );
    for moved in [1, 0] {
        let done = f.ledger.defer_jobs(defer(vec![first, first])).await;
        assert_eq!(done.unwrap(), moved);
        f.assert_sound().await;
    }
    let left = f.ledger.seal_contents(E1).await.unwrap().unwrap();
    assert_eq!(left.jobs.len(), 1);
    assert_eq!(left.jobs[0].job, second);
    let (record, _) = f.record_seal(E1, 1_000).await;
    assert_eq!(
        (record.as_ref().unwrap().jobs, record.unwrap().revenue),
        (1, FEE)
    );
    let seen = f.ledger.job(first).await.unwrap().unwrap();
    assert_eq!(
        (seen.state, seen.uncollectable),
        (JobState::Completed, None)
    );
    f.assert_sound().await;
}

#[tokio::test]
async fn an_uncollectable_job_is_left_out_and_its_fee_given_back() {
    let f = Fixture::new().await;
    let (first, second) = (f.done(1, 20).await.job, f.done(2, 20).await.job);
    f.ledger.begin_seal(begin(1_000)).await.unwrap();
    let drop = |jobs| DropUncollectable {
        now: 1_000,
        epoch: E1,
        jobs,
        reason: "the client withdrew".into(),
    };
    let other = f.submit(3).await.id;
    assert_eq!(
        refused(f.ledger.drop_uncollectable(drop(vec![first, other])).await),
        EpochRefusal::NotItsJob(other)
    );
    assert_eq!(
        f.ledger
            .drop_uncollectable(drop(vec![first, first]))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        f.ledger
            .drop_uncollectable(drop(vec![first]))
            .await
            .unwrap(),
        0
    );
    f.assert_sound().await;
    let (record, _) = f.record_seal(E1, 1_000).await;
    assert_eq!(
        (record.as_ref().unwrap().jobs, record.unwrap().revenue),
        (1, FEE)
    );
    let seen = f.ledger.job(first).await.unwrap().unwrap();
    assert_eq!(seen.state, JobState::Completed);
    assert_eq!(seen.uncollectable.as_deref(), Some("the client withdrew"));
    assert_eq!(
        f.ledger.job(second).await.unwrap().unwrap().uncollectable,
        None
    );
    let history = f.ledger.history(address(CLIENT), None, 1).await.unwrap();
    assert_eq!(
        (history[0].kind, history[0].credit),
        (HistoryKind::Refund, true)
    );
    f.assert_sound().await;
}

#[tokio::test]
async fn a_seal_that_says_something_else_is_refused() {
    let f = Fixture::new().await;
    f.done(1, 20).await;
    f.ledger.begin_seal(begin(1_000)).await.unwrap();
    let contents = f.ledger.seal_contents(E1).await.unwrap().unwrap();
    let built = build_seal(&f.ledger, contents).await;
    let command = RecordSealed {
        now: 1_000,
        epoch: E1,
        seal: built.seal.clone(),
        charges: built.charges.clone(),
        payouts: built.payouts.clone(),
        agents: built.agents.clone(),
        signatures: vec![swarm_types::bundle::SettlerSignature {
            settler: address(0x55),
            seal: signature(1),
            summary: signature(2),
        }],
    };
    let with = |change: &dyn Fn(&mut RecordSealed)| {
        let mut command = command.clone();
        change(&mut command);
        f.ledger.record_sealed(command)
    };
    let fields: [Change<'_, RecordSealed>; 9] = [
        ("epoch", &|c| c.seal.0.epoch = 2),
        ("sealedAt", &|c| c.seal.0.sealedAt = 1_001),
        ("previous", &|c| c.seal.0.previous = B256::repeat_byte(1)),
        ("receiptCount", &|c| c.seal.0.receiptCount = 2),
        ("charged", &|c| c.seal.0.charged = 1),
        ("charges", &|c| c.charges.clear()),
        ("payouts", &|c| c.payouts.reverse()),
        ("agents", &|c| c.agents.clear()),
        ("signatures", &|c| c.signatures.clear()),
    ];
    for (field, change) in fields {
        assert_eq!(
            refused(with(change).await),
            EpochRefusal::Mismatch { field }
        );
    }
    assert_eq!(
        refused(f.ledger.finalise(finalise(E1, 9, 9_000)).await),
        EpochRefusal::WrongState {
            epoch: E1,
            state: EpochState::Sealing
        }
    );
    assert_eq!(
        refused(f.ledger.finalise(finalise(EpochId(9), 9, 9_000)).await),
        EpochRefusal::Unknown(EpochId(9))
    );
    f.assert_sound().await;
    f.ledger.record_sealed(command).await.unwrap();
}

#[tokio::test]
async fn a_seal_too_old_is_made_anew_under_the_same_number() {
    let f = Fixture::new().await;
    f.done(1, 20).await;
    let (_, old) = f.seal(1_000).await;
    send(&f, E1, 1).await;
    let reopen = |now| ReopenSeal {
        now,
        epoch: E1,
        max_seal_age: 500,
    };
    assert_eq!(
        refused(f.ledger.reopen_seal(reopen(1_499)).await),
        EpochRefusal::SealAlive {
            epoch: E1,
            until: 1_500
        }
    );
    let start = f.ledger.reopen_seal(reopen(1_500)).await.unwrap();
    assert_eq!((start.epoch, start.sealed_at), (E1, 1_500));
    let (record, new) = f.record_seal(E1, 1_500).await;
    assert_eq!(record.unwrap().state, EpochState::Sealed);
    assert_ne!(new.seal, old.seal);
    // What was sent for the old seal is not the new one's.
    assert_eq!(f.ledger.outbox().await.unwrap()[0].submissions, []);
    let stale = f.block(5, f.settlement(&old, 9_000), 1).await.unwrap();
    assert_eq!((stale.epochs.len(), stale.contradictions.len()), (0, 1));
    f.assert_sound().await;
}

#[tokio::test]
async fn an_empty_epoch_still_seals() {
    let f = Fixture::empty();
    let (record, built) = f.seal(1_000).await;
    assert_eq!((record.state, record.jobs), (EpochState::Sealed, 0));
    assert!(built.charges.is_empty() && built.payouts.is_empty());
    f.block(5, f.settlement(&built, 2_000), 1).await.unwrap();
    f.ledger.finalise(finalise(E1, 9, 2_000)).await.unwrap();
    assert_eq!(
        refused(f.ledger.begin_seal(begin(1_000)).await),
        EpochRefusal::ClockBehind {
            now: 1_000,
            last: 1_000
        }
    );
    f.assert_sound().await;
}

async fn beat(f: &Fixture, worker: u8, now_millis: u64, ready: bool) -> HeartbeatAnswer {
    let command = Heartbeat {
        now_millis,
        worker: address(worker),
        ready,
        draining: false,
        stats: serde_json::json!({"watts": 31}),
    };
    f.ledger.heartbeat(command).await.unwrap()
}

#[tokio::test]
async fn ready_time_needs_two_good_beats_and_belongs_to_where_it_ends() {
    let f = Fixture::new().await;
    assert_eq!(beat(&f, WORKER, 1_000, true).await.counted_millis, 0);
    assert_eq!(beat(&f, WORKER, 31_000, true).await.counted_millis, 30_000);
    assert_eq!(beat(&f, WORKER, 61_000, false).await.counted_millis, 0);
    assert_eq!(beat(&f, WORKER, 91_000, true).await.counted_millis, 0);
    f.ledger.begin_seal(begin(1_000)).await.unwrap();
    assert_eq!(beat(&f, WORKER, 101_000, true).await.counted_millis, 10_000);
    let sealed = f.ledger.seal_contents(E1).await.unwrap().unwrap();
    assert_eq!(
        sealed
            .workers
            .iter()
            .map(|w| w.ready_seconds)
            .collect::<Vec<_>>(),
        [30]
    );
    let worker = f.ledger.worker(address(WORKER)).await.unwrap().unwrap();
    assert_eq!(worker.ready_seconds_open_epoch, 10);
    // The operator drains it: nothing counts.
    let drain = SetDraining {
        now: 1,
        worker: address(WORKER),
        draining: true,
    };
    f.ledger.set_draining(drain).await.unwrap();
    let answer = beat(&f, WORKER, 131_000, true).await;
    assert_eq!((answer.draining, answer.counted_millis), (true, 0));
    // A bee nobody approved earns nothing.
    let hello = RegisterWorker {
        now: 1,
        worker: address(0xb2),
        label: Some("shed".into()),
        recipient: None,
        profile: serde_json::Value::Null,
        join_code: None,
    };
    f.ledger.register_worker(hello).await.unwrap();
    beat(&f, 0xb2, 1_000, true).await;
    assert_eq!(beat(&f, 0xb2, 2_000, true).await.counted_millis, 0);
    let unknown = Heartbeat {
        now_millis: 1,
        worker: address(9),
        ready: true,
        draining: false,
        stats: serde_json::Value::Null,
    };
    assert_eq!(
        refused(f.ledger.heartbeat(unknown).await),
        WorkerRefusal::Unknown(address(9))
    );
    f.assert_sound().await;
}

#[tokio::test]
async fn a_join_code_lets_one_bee_in_once() {
    let f = Fixture::empty();
    let code = B256::repeat_byte(0xcc);
    let add = AddJoinCode {
        now: 1,
        code,
        payee: address(PAYEE),
        expires_at: 100,
    };
    f.ledger.add_join_code(add.clone()).await.unwrap();
    assert_eq!(
        refused(f.ledger.add_join_code(add).await),
        WorkerRefusal::JoinCodeExists
    );
    let join = |worker, now, code| RegisterWorker {
        now,
        worker: address(worker),
        label: None,
        recipient: Some("age1bee".into()),
        profile: serde_json::Value::Null,
        join_code: Some(code),
    };
    let late = f.ledger.register_worker(join(0xb1, 100, code)).await;
    assert_eq!(refused(late), WorkerRefusal::JoinCode);
    let wrong = f.ledger.register_worker(join(0xb1, 50, B256::ZERO)).await;
    assert_eq!(refused(wrong), WorkerRefusal::JoinCode);
    let bee = f
        .ledger
        .register_worker(join(0xb1, 50, code))
        .await
        .unwrap();
    assert_eq!(
        (bee.state, bee.payee),
        (WorkerState::Approved, Some(address(PAYEE)))
    );
    // Its own retry is fine; another bee's is not; a revoked bee stays out.
    f.ledger
        .register_worker(join(0xb1, 50, code))
        .await
        .unwrap();
    assert_eq!(
        refused(f.ledger.register_worker(join(0xb2, 50, code)).await),
        WorkerRefusal::JoinCode
    );
    f.ledger
        .revoke_worker(RevokeWorker {
            now: 60,
            worker: address(0xb1),
        })
        .await
        .unwrap();
    let again = f
        .ledger
        .register_worker(join(0xb1, 70, code))
        .await
        .unwrap();
    assert_eq!(again.state, WorkerState::Revoked);
    f.assert_sound().await;
}
