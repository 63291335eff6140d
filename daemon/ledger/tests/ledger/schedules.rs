//! Random schedules of all commands, with replays, reorgs and crashes: the invariants hold after each.
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::common::*;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use swarm_ledger::commands::*;
use swarm_ledger::records::*;
use swarm_ledger::{CommandError, Ledger};
use swarm_types::bundle::Built;
use swarm_types::escrow::EscrowEvent;
use swarm_types::{B256, EpochId, JobId, MicroUsdc};

/// One thing that happens. Numbers choose among what exists at the time.
#[derive(Clone, Debug)]
enum Step {
    Deposit(u8, u64),
    Withdraw(u8, u64),
    Submit(u8, u64, u64),
    Claim(u8),
    Progress(usize),
    Complete(usize),
    /// A completion that was sent before comes again, maybe much later.
    CompleteAgain(usize),
    Fail(usize, bool),
    Cancel(usize),
    Wait(u64),
    Heartbeat(u8, bool),
    Seal,
    DropJob(usize),
    Settle,
    Void,
    Finalise,
    Safe(u64),
    Reorg(u64),
    /// The process dies: what was not committed is gone, the files stay as they are.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3u8, 1..3_000_000u64).prop_map(|(c, a)| Step::Deposit(c, a)),
        1 => (0..3u8, 1..300_000u64).prop_map(|(c, a)| Step::Withdraw(c, a)),
        12 => (0..3u8, 0..40u64, 1..150_000u64).prop_map(|(c, n, fee)| Step::Submit(c, n, fee)),
        12 => (0..2u8).prop_map(Step::Claim),
        2 => any::<usize>().prop_map(Step::Progress),
        12 => any::<usize>().prop_map(Step::Complete),
        2 => any::<usize>().prop_map(Step::CompleteAgain),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(i, r)| Step::Fail(i, r)),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => (1..200u64).prop_map(Step::Wait),
        2 => (0..2u8, any::<bool>()).prop_map(|(w, r)| Step::Heartbeat(w, r)),
        2 => Just(Step::Seal),
        1 => any::<usize>().prop_map(Step::DropJob),
        2 => Just(Step::Settle),
        1 => Just(Step::Void),
        2 => Just(Step::Finalise),
        3 => (0..4u64).prop_map(Step::Safe),
        1 => (0..6u64).prop_map(Step::Reorg),
        2 => Just(Step::Crash),
    ]
}

/// The world around a ledger.
struct World {
    folder: tempfile::TempDir,
    ledger: Ledger,
    generation: u32,
    now: u64,
    height: u64,
    safe: u64,
    branch: u8,
    leases: Vec<Lease>,
    sent: Vec<Complete>,
    built: Option<Built>,
    /// The first answer to every order and completion: a later one must be the same.
    orders: BTreeMap<(u8, u64), JobId>,
    charged: BTreeMap<JobId, MicroUsdc>,
    /// Every job that ever completed.
    completed: BTreeSet<JobId>,
}

fn client(n: u8) -> u8 {
    0xc1 + n
}

fn pick<T: Clone>(items: &[T], index: usize) -> Option<T> {
    (!items.is_empty()).then(|| items[index % items.len()].clone())
}

/// One of the last four, which mostly still hold.
fn pick_late<T: Clone>(items: &[T], index: usize) -> Option<T> {
    pick(&items[items.len().saturating_sub(4)..], index)
}

/// Whether a command was obeyed; a refusal is fine, a failure of the ledger is not.
fn obeyed<T, R: std::error::Error>(outcome: Result<T, CommandError<R>>) -> Option<T> {
    match outcome {
        Ok(answer) => Some(answer),
        Err(CommandError::Refused(_)) => None,
        Err(CommandError::Ledger(error)) => panic!("the ledger failed: {error:?}"),
    }
}

fn copy_files(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            name
        };
        if std::fs::exists(name(from)).unwrap() {
            std::fs::copy(name(from), name(to)).unwrap();
        }
    }
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("0.db"), config()).unwrap();
        let world = Self {
            folder,
            ledger,
            generation: 0,
            now: 100,
            height: 1,
            safe: 0,
            branch: 0,
            leases: Vec::new(),
            sent: Vec::new(),
            built: None,
            orders: BTreeMap::new(),
            charged: BTreeMap::new(),
            completed: BTreeSet::new(),
        };
        for worker in 0..2 {
            let command = ApproveWorker {
                now: 1,
                worker: address(WORKER + worker),
                payee: address(PAYEE),
            };
            world.ledger.approve_worker(command).await.unwrap();
        }
        world
    }

    async fn chain(&mut self, events: Vec<EscrowEvent>) {
        let command = ApplyBlocks {
            now: self.now,
            blocks: vec![block(self.height, self.branch, events)],
            safe: self.safe,
        };
        let again = command.clone();
        obeyed(self.ledger.apply_blocks(command).await).unwrap();
        let second = obeyed(self.ledger.apply_blocks(again).await).unwrap();
        assert_eq!(second.events_new, 0);
        self.height += 1;
    }

    async fn take(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Deposit(c, amount) => {
                let client = address(client(c));
                let amount = MicroUsdc(amount);
                self.chain(vec![EscrowEvent::Deposited { client, amount }])
                    .await;
            }
            Step::Withdraw(c, amount) => {
                let client = address(client(c));
                let amount = MicroUsdc(amount);
                // The contract pays at most what is there.
                let there = self.ledger.mirror(client, u64::MAX).await.unwrap().balance;
                let request = EscrowEvent::WithdrawalRequested {
                    client,
                    amount,
                    matures_at: now,
                };
                let mut events = vec![request];
                if i64::try_from(amount.0).unwrap() <= there {
                    events.push(EscrowEvent::Withdrawn { client, amount });
                }
                self.chain(events).await;
            }
            Step::Submit(c, nonce, fee) => {
                let mut submit = order(client(c), nonce);
                submit.now = now;
                submit.fee = MicroUsdc(fee);
                submit.order.order.max_fee = MicroUsdc(150_000);
                submit.order.order.deadline = 5_000 + nonce * 100;
                let replay = submit.clone();
                if let Some(first) = obeyed(self.ledger.submit(submit).await) {
                    let key = (c, nonce);
                    let id = *self.orders.entry(key).or_insert(first.job.id);
                    assert_eq!(first.job.id, id);
                    let second = obeyed(self.ledger.submit(replay).await).unwrap();
                    assert_eq!((second.job.id, second.replayed), (id, true));
                }
            }
            Step::Claim(w) => {
                let command = Claim {
                    worker: address(WORKER + w),
                    ..claim(WORKER, now)
                };
                if let Some(Some(lease)) = obeyed(self.ledger.claim(command).await) {
                    self.leases.push(lease);
                }
            }
            Step::Progress(i) => {
                if let Some(lease) = pick(&self.leases, i) {
                    let command = Progress {
                        now,
                        worker: lease.job.worker.unwrap(),
                        lease: lease.lease_ref(),
                        stage: "infer".into(),
                        fraction_bps: 1,
                        lease_seconds: LEASE,
                    };
                    obeyed(self.ledger.progress(command).await);
                }
            }
            Step::Complete(i) => {
                if let Some(lease) = pick_late(&self.leases, i) {
                    let command = complete(&lease, now);
                    self.sent.push(command.clone());
                    self.complete(command).await;
                }
            }
            Step::CompleteAgain(i) => {
                if let Some(mut command) = pick(&self.sent, i) {
                    command.now = now;
                    self.complete(command).await;
                }
            }
            Step::Fail(i, retryable) => {
                if let Some(lease) = pick(&self.leases, i) {
                    let command = Fail {
                        now,
                        worker: lease.job.worker.unwrap(),
                        lease: lease.lease_ref(),
                        reason: "planted".into(),
                        retryable,
                    };
                    obeyed(self.ledger.fail(command).await);
                }
            }
            Step::Cancel(i) => {
                let orders: Vec<_> = self.orders.iter().map(|(k, v)| (*k, *v)).collect();
                if let Some(((c, _), job)) = pick(&orders, i) {
                    let command = Cancel {
                        now,
                        job,
                        client: address(client(c)),
                    };
                    obeyed(self.ledger.cancel(command).await);
                }
            }
            Step::Wait(seconds) => {
                self.now += seconds;
                obeyed(self.ledger.sweep(Sweep { now: self.now }).await);
            }
            Step::Heartbeat(w, ready) => {
                let command = Heartbeat {
                    now_millis: now * 1_000,
                    worker: address(WORKER + w),
                    ready,
                    draining: false,
                    stats: serde_json::Value::Null,
                };
                obeyed(self.ledger.heartbeat(command).await);
            }
            Step::Seal => {
                let command = BeginSeal {
                    now,
                    trigger: SealTrigger::Demand,
                };
                if let Some(start) = obeyed(self.ledger.begin_seal(command).await) {
                    let contents = self
                        .ledger
                        .seal_contents(start.epoch)
                        .await
                        .unwrap()
                        .unwrap();
                    let built = build_seal(&self.ledger, contents).await;
                    let command = RecordSealed {
                        now,
                        epoch: start.epoch,
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
                    self.ledger.record_sealed(command).await.unwrap();
                    self.built = Some(built);
                }
            }
            Step::DropJob(i) => {
                let command = BeginSeal {
                    now,
                    trigger: SealTrigger::Demand,
                };
                if let Some(start) = obeyed(self.ledger.begin_seal(command).await) {
                    let contents = self
                        .ledger
                        .seal_contents(start.epoch)
                        .await
                        .unwrap()
                        .unwrap();
                    if let Some(job) = pick(&contents.jobs, i) {
                        let job = job.job;
                        let command = DropUncollectable {
                            now,
                            epoch: start.epoch,
                            jobs: vec![job],
                            reason: "planted".into(),
                        };
                        assert_eq!(self.ledger.drop_uncollectable(command).await.unwrap(), 1);
                        self.charged.remove(&job);
                    }
                }
            }
            Step::Settle => {
                if let Some(built) = self.built.clone() {
                    let epoch = EpochId(built.seal.0.epoch);
                    let state = self.ledger.epoch(epoch).await.unwrap().unwrap().state;
                    if matches!(state, EpochState::Sealed | EpochState::Submitted) {
                        let command = RecordSubmission {
                            now,
                            epoch,
                            submission: Submission {
                                tx: B256::repeat_byte(built.seal.0.epoch as u8),
                                sender: address(1),
                                nonce: 1,
                                gas_limit: 1,
                                max_fee_per_gas: 1,
                                max_priority_fee_per_gas: 1,
                                raw: Vec::new(),
                                submitted_at: now,
                            },
                        };
                        self.ledger.record_submission(command).await.unwrap();
                        self.chain(settlement(&built, now + 100)).await;
                    }
                }
            }
            Step::Void => {
                if let Some((epoch, _)) = self.in_state(EpochState::Included).await {
                    let reason = "planted".into();
                    self.chain(vec![EscrowEvent::EpochVoided {
                        epoch: epoch.0,
                        reason,
                    }])
                    .await;
                    // A void is not taken back in these schedules: the chain has gone past it.
                    self.safe = self.height - 1;
                    self.chain(Vec::new()).await;
                }
            }
            Step::Finalise => {
                if let Some((epoch, final_at)) = self.in_state(EpochState::Included).await {
                    self.safe = self.height - 1;
                    self.chain(Vec::new()).await;
                    let mut finalized = block(self.height, self.branch, Vec::new()).0;
                    finalized.timestamp = final_at;
                    let command = Finalise {
                        now: self.now,
                        epoch,
                        finalized,
                    };
                    obeyed(self.ledger.finalise(command).await);
                }
            }
            Step::Safe(behind) => {
                self.safe = self.safe.max((self.height - 1).saturating_sub(behind));
                self.chain(Vec::new()).await;
            }
            Step::Reorg(depth) => {
                // Only what is not safe goes, as on a chain that keeps its word.
                let from = (self.height.saturating_sub(depth)).max(self.safe + 1);
                obeyed(self.ledger.undo_blocks(UndoBlocks { now, from }).await).unwrap();
                self.branch = self.branch.wrapping_add(1);
                self.height = self.height.max(from) + 1;
                if let Some(built) = &self.built {
                    // The settlement may be gone; its transaction is mined again some day.
                    let epoch = EpochId(built.seal.0.epoch);
                    let state = self.ledger.epoch(epoch).await.unwrap().unwrap().state;
                    assert_ne!(state, EpochState::Sealing);
                }
            }
            Step::Crash => self.crash().await,
        }
    }

    async fn in_state(&self, state: EpochState) -> Option<(EpochId, u64)> {
        let epochs = self.ledger.epochs(None, 100).await.unwrap();
        let epoch = epochs.into_iter().find(|epoch| epoch.state == state)?;
        Some((epoch.id, epoch.final_at.unwrap_or(0)))
    }

    async fn complete(&mut self, command: Complete) {
        if let Some(done) = obeyed(self.ledger.complete(command).await) {
            // Charged once: the first time, and never after that, not even when the charge was dropped since.
            assert_eq!(!self.completed.insert(done.job), done.replayed, "{done:?}");
            if !done.replayed {
                self.charged.insert(done.job, done.fee);
            }
        }
    }

    /// Goes on from a copy of the files as they are now, while the old process still has them open.
    async fn crash(&mut self) {
        let copy = self
            .folder
            .path()
            .join(format!("{}.db", self.generation + 1));
        copy_files(self.ledger.path(), &copy);
        self.generation += 1;
        let old = std::mem::replace(&mut self.ledger, Ledger::open(&copy, config()).unwrap());
        let (before, after) = (
            old.stats().await.unwrap(),
            self.ledger.stats().await.unwrap(),
        );
        assert_eq!(before, after, "an answered command was lost");
        old.close().await;
    }

    async fn assert_sound(&self) {
        assert_eq!(self.ledger.check().await.unwrap(), []);
        for c in 0..3 {
            let jobs = self.ledger.jobs(swarm_ledger::JobFilter {
                client: Some(address(client(c))),
                limit: 1_000,
                ..Default::default()
            });
            for job in jobs.await.unwrap() {
                let charged = job.state == JobState::Completed && job.uncollectable.is_none();
                assert_eq!(self.charged.contains_key(&job.id), charged, "{}", job.id);
            }
        }
    }

    /// After the last deadline every job has ended and nothing is reserved.
    async fn assert_all_end(&mut self) {
        let swept = self.ledger.sweep(Sweep { now: 1_000_000 }).await.unwrap();
        assert!(!swept.more);
        for c in 0..3 {
            if let Some(account) = self
                .ledger
                .client(address(client(c)), self.now)
                .await
                .unwrap()
            {
                assert_eq!(account.reserved, MicroUsdc::ZERO);
            }
        }
        for job in self.orders.values() {
            assert!(
                self.ledger
                    .job(*job)
                    .await
                    .unwrap()
                    .unwrap()
                    .state
                    .is_terminal()
            );
        }
        self.assert_sound().await;
    }
}

#[test]
fn invariants_hold_after_any_schedule() {
    let config = ProptestConfig {
        cases: 48,
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    // What the schedules reach, so that they cannot all miss what they are for.
    let (completed, settled) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(config);
    let schedules = prop::collection::vec(step(), 1..120);
    let held = runner.run(&schedules, |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            let funds = (0..3).map(|client| Step::Deposit(client, 1_000_000));
            let start = funds.chain([Step::Safe(0)]);
            for (number, step) in start.chain(steps).enumerate() {
                world.take(step).await;
                if number % 16 == 0 {
                    world.assert_sound().await;
                }
            }
            world.assert_sound().await;
            completed.set(completed.get() + world.completed.len());
            let epochs = world.ledger.epochs(None, 100).await.unwrap();
            let is_settled = |epoch: &&EpochRecord| {
                matches!(epoch.state, EpochState::Included | EpochState::Final)
            };
            settled.set(settled.get() + epochs.iter().filter(is_settled).count());
            world.assert_all_end().await;
        });
        Ok(())
    });
    if let Err(error) = held {
        panic!("{error}");
    }
    println!("completed {}, settled {}", completed.get(), settled.get());
    assert!(completed.get() > 20, "{} jobs completed", completed.get());
    assert!(settled.get() > 5, "{} epochs settled", settled.get());
}

/// The log is cut or garbled anywhere: what comes back is a state that once was, and it is sound.
#[test]
fn a_torn_log_gives_an_earlier_state() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let f = Fixture::new().await;
        for nonce in 1..=6 {
            f.done(nonce, 20).await;
        }
        let newest = f.ledger.stats().await.unwrap().journal;
        let log = f.folder.path().join("ledger.db-wal");
        let whole = std::fs::read(&log).unwrap();
        assert!(
            whole.len() > 100_000,
            "the log holds what is torn: {}",
            whole.len()
        );
        let mut earlier = 0;
        for part in 0..40 {
            for garble in [false, true] {
                let at = whole.len() - 1 - part * whole.len() / 60;
                let mut torn = whole.clone();
                if garble {
                    torn[at] ^= 0x5a;
                } else {
                    torn.truncate(at);
                }
                let copy = f.folder.path().join(format!("torn-{part}-{garble}.db"));
                std::fs::copy(file(f.folder.path()), &copy).unwrap();
                std::fs::write(
                    f.folder.path().join(format!("torn-{part}-{garble}.db-wal")),
                    torn,
                )
                .unwrap();
                let ledger = Ledger::open(&copy, config()).unwrap();
                assert_eq!(ledger.check().await.unwrap(), []);
                let journal = ledger.stats().await.unwrap().journal;
                assert!(journal <= newest);
                earlier += usize::from(journal < newest);
                // It goes on from there.
                ledger
                    .bind_name(BindName {
                        now: 1,
                        address: address(1),
                        name: None,
                        chain_id: 1,
                        block: 1,
                    })
                    .await
                    .unwrap();
                assert_eq!(ledger.check().await.unwrap(), []);
                ledger.close().await;
            }
        }
        // Had no tear cost an entry, nothing would have been torn.
        assert!(earlier > 40, "{earlier}");
    });
}
