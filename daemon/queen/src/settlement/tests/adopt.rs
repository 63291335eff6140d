//! A ledger that is behind the chain takes over what it lacks.

use std::collections::BTreeMap;

use swarm_ledger::JobFilter;
use swarm_ledger::commands::{
    AdoptJobs, AdoptSettled, DeferJobs, DropUncollectable, ReopenAdopted,
};
use swarm_ledger::records::{ClientAccount, JobState};
use swarm_ledger::refusals::{AdoptRefusal, EpochRefusal};
use swarm_types::bundle::{JobEntry, JobsPage, page_name};

use super::*;

fn payees() -> BTreeMap<Address, Address> {
    let worker = DEV_ACCOUNTS[WORKER];
    BTreeMap::from([(worker, worker)])
}

impl Rack {
    fn config(&self) -> LedgerConfig {
        LedgerConfig {
            chain_id: 84_532,
            escrow: self.dev.escrow,
            default_cap: params().default_cap,
        }
    }

    /// Another ledger at `name`: `from` is a backup, or nothing for an empty one. Gives the one before.
    fn with_ledger(&mut self, name: &str, from: Option<&str>) -> Ledger {
        let path = self.dir.path().join(name);
        if let Some(from) = from {
            Ledger::restore(&self.dir.path().join(from), &path).expect("restored");
        }
        let ledger = Ledger::open(&path, self.config()).expect("a ledger");
        std::mem::replace(&mut self.ledger, ledger)
    }

    async fn back_up(&self, name: &str) {
        let to = self.dir.path().join(name);
        self.ledger.backup(&to).await.expect("a backup");
    }

    /// Seals epoch `number`, waits until it is on the chain, and ends it.
    async fn settle(&self, settlement: &mut Settlement, number: u64) {
        assert_eq!(demand(settlement).await, Some(EpochId(number)));
        until_included(self, settlement, number).await;
        self.dev.advance(params().window).await.expect("time");
        round(settlement).await;
        assert_eq!(self.epoch(number).await.state, EpochState::Final);
    }

    /// Begins to seal epoch 1, and leaves `job` for the next.
    async fn seal_without(&self, job: JobId) {
        let (now, trigger) = (self.time().await, SealTrigger::Demand);
        let begun = self.ledger.begin_seal(BeginSeal { now, trigger }).await;
        assert_eq!(begun.expect("begun").epoch, EpochId(1));
        let (epoch, jobs) = (EpochId(1), vec![job]);
        let deferred = self.ledger.defer_jobs(DeferJobs { now, epoch, jobs }).await;
        assert_eq!(deferred.expect("deferred"), 1);
    }

    async fn account(&self) -> ClientAccount {
        let account = self.ledger.client(DEV_ACCOUNTS[CLIENT], self.time().await);
        account.await.expect("reads").expect("known")
    }

    async fn state(&self, job: JobId) -> JobState {
        let job = self.ledger.job(job).await.expect("reads");
        job.expect("known").state
    }

    async fn bundled(&self, number: u64) -> Vec<JobEntry> {
        let dir = bundle_dir::path(&self.dir.path().join("audit"), EpochId(number));
        let page = std::fs::read(dir.join(page_name(0))).expect("a page");
        serde_json::from_slice::<JobsPage>(&page)
            .expect("a page")
            .jobs
    }

    /// What the ledger has of everything that `other` settled in an epoch is what `other` has.
    async fn assert_same_epoch(&self, other: &Ledger, number: u64) {
        let theirs = other.epoch(EpochId(number)).await.expect("reads");
        let (ours, theirs) = (self.epoch(number).await, theirs.expect("an epoch"));
        let facts = |epoch: &EpochRecord| {
            let chain = (epoch.settled_tx, epoch.settled_block, epoch.final_at);
            (
                epoch.state,
                epoch.seal.clone(),
                epoch.jobs,
                epoch.revenue,
                chain,
            )
        };
        assert_eq!(facts(&ours), facts(&theirs));
        let jobs = self.bundled(number).await;
        let ids: Vec<JobId> = jobs.iter().map(|job| job.execution.job()).collect();
        let of = |ledger: &Ledger| {
            let (ledger, ids) = (ledger.clone(), ids.clone());
            async move {
                let jobs = ledger.settled_jobs(EpochId(number), ids).await;
                format!("{:?}", jobs.expect("reads"))
            }
        };
        assert_eq!(of(&self.ledger).await, of(other).await);
    }
}

#[tokio::test]
async fn an_old_copy_takes_over_what_the_chain_has_and_goes_on() {
    let mut rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(5_000_000)).await;
    round(&mut settlement).await;
    let known = rack.job(1).await;
    let (ended, order) = rack.submitted(2, CLIENT).await;
    let (open, later) = rack.submitted(3, CLIENT).await;
    rack.back_up("copy").await;
    rack.completed(ended, &order).await;
    let unseen = rack.job(4).await;
    rack.settle(&mut settlement, 1).await;
    let second = rack.job(5).await;
    assert_eq!(demand(&mut settlement).await, Some(EpochId(2)));
    until_included(&rack, &mut settlement, 2).await;
    rack.send(GAS, &rack.chain.claim_for(DEV_ACCOUNTS[WORKER]))
        .await;
    round(&mut settlement).await;
    let before = rack.account().await;

    let lost = rack.with_ledger("copy.db", Some("copy"));
    let mut settlement = rack.settlement(Some(GAS));
    round(&mut settlement).await;
    assert_eq!(settlement.notes.get(Note::OldCopy), None);
    rack.assert_sound().await;
    for job in [known, ended, unseen, second] {
        assert_eq!(rack.state(job).await, JobState::Completed);
    }
    assert_eq!(rack.state(open).await, JobState::Pending);
    for number in [1, 2] {
        rack.assert_same_epoch(&lost, number).await;
    }
    let now = rack.account().await;
    assert_eq!(
        (now.balance, now.reserved, now.available),
        (before.balance, before.reserved, before.available)
    );

    // Nothing is charged again, and what is new is numbered after what was taken over.
    rack.dev.advance(params().window).await.expect("time");
    round(&mut settlement).await;
    rack.completed(open, &later).await;
    let new = rack.job(6).await;
    assert_eq!((new.epoch, new.seq), (3, 1));
    rack.settle(&mut settlement, 3).await;
    let report = rack.audit(3).await;
    assert!(report.holds(), "{:?}", report.checks);
    rack.assert_sound().await;
    let all = JobFilter {
        client: Some(DEV_ACCOUNTS[CLIENT]),
        limit: 100,
        ..JobFilter::default()
    };
    let all = rack.ledger.jobs(all).await.expect("reads");
    let charged: u64 = all.iter().map(|job| job.fee.0).sum();
    let (chain, left) = (rack.account().await.balance, 5_000_000 - charged);
    assert_eq!(chain, i64::try_from(left).expect("small"));
}

#[tokio::test]
async fn a_new_ledger_takes_over_every_epoch_also_a_void_one() {
    let mut rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(5_000_000)).await;
    round(&mut settlement).await;
    rack.job(1).await;
    rack.settle(&mut settlement, 1).await;
    rack.job(2).await;
    assert_eq!(demand(&mut settlement).await, Some(EpochId(2)));
    until_included(&rack, &mut settlement, 2).await;
    rack.send(GUARDIAN, &rack.chain.void_epoch(2)).await;
    rack.dev.mine(3).await.expect("mined");
    round(&mut settlement).await;
    assert_eq!(rack.epoch(2).await.state, EpochState::Void);
    rack.job(3).await;
    rack.dev.advance(1).await.expect("time");
    rack.send(GUARDIAN, &rack.chain.resume()).await;
    rack.settle(&mut settlement, 3).await;
    let before = rack.account().await;

    let lost = rack.with_ledger("new.db", None);
    let mut settlement = rack.settlement(Some(GAS));
    round(&mut settlement).await;
    assert_eq!(settlement.notes.get(Note::OldCopy), None);
    rack.assert_sound().await;
    for number in [1, 3] {
        rack.assert_same_epoch(&lost, number).await;
    }
    assert_eq!(rack.epoch(2).await.state, EpochState::Void);
    let now = rack.account().await;
    assert_eq!(
        (now.balance, now.reserved),
        (before.balance, before.reserved)
    );
    rack.job(4).await;
    rack.settle(&mut settlement, 4).await;
    let report = rack.audit(4).await;
    assert!(report.holds(), "{:?}", report.checks);
}

#[tokio::test]
async fn jobs_that_are_taken_over_out_of_turn_keep_the_history_whole() {
    let mut rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(5_000_000)).await;
    round(&mut settlement).await;
    // It is ordered first and settles last.
    let (late, order) = rack.submitted(1, CLIENT).await;
    rack.job(2).await;
    rack.settle(&mut settlement, 1).await;
    rack.completed(late, &order).await;
    rack.settle(&mut settlement, 2).await;

    let _lost = rack.with_ledger("new.db", None);
    let mut settlement = rack.settlement(Some(GAS));
    round(&mut settlement).await;
    assert_eq!(settlement.notes.get(Note::OldCopy), None);
    rack.deposit(MicroUsdc(1_000_000)).await;
    round(&mut settlement).await;
    rack.job(3).await;
    rack.assert_sound().await;

    // Two deposits and three jobs, each on one page.
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = rack.ledger.history(DEV_ACCOUNTS[CLIENT], before, 2).await;
        let page = page.expect("reads");
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.iter().map(|entry| entry.id));
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert!(seen.is_sorted_by(|newer, older| newer > older), "{seen:?}");
}

#[tokio::test]
async fn taking_over_goes_on_after_every_interruption() {
    let mut rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(5_000_000)).await;
    round(&mut settlement).await;
    rack.job(1).await;
    // Completed before the copy was made, and left for the next epoch after it.
    let deferred = rack.job(2).await;
    rack.back_up("copy").await;
    rack.job(3).await;
    rack.seal_without(deferred).await;
    rack.settle(&mut settlement, 1).await;
    let seal = rack.epoch(1).await;
    let mut lost = None;
    for interrupted in 0..4 {
        let before = rack.with_ledger(&format!("{interrupted}.db"), Some("copy"));
        let lost = lost.get_or_insert(before);
        let mut settlement = rack.settlement(Some(GAS));
        settlement.mirror_chain().await.expect("mirrored");
        if interrupted >= 1 {
            let entries = rack.bundled(1).await;
            let jobs = entries[..interrupted.min(2)].to_vec();
            let command = AdoptJobs {
                now: rack.time().await,
                epoch: EpochId(1),
                seal_hash: seal.seal_hash.expect("sealed"),
                jobs,
                payees: payees(),
            };
            let adopted = rack.ledger.adopt_jobs(command.clone()).await;
            adopted.expect("taken over");
            let again = rack.ledger.adopt_jobs(command).await;
            assert_eq!(again.expect("nothing left to do"), 0);
        }
        if interrupted == 3 {
            let begin = BeginSeal {
                now: seal.sealed_at.expect("sealed"),
                trigger: SealTrigger::Schedule,
            };
            rack.ledger.begin_seal(begin).await.expect("begun");
        }
        round(&mut settlement).await;
        assert_eq!(settlement.notes.get(Note::OldCopy), None);
        rack.assert_same_epoch(lost, 1).await;
        rack.assert_sound().await;
        let record = rack.ledger.job(deferred).await.expect("reads");
        assert_eq!(record.expect("known").settles_in, Some(EpochId(2)));
        if interrupted == 3 {
            rack.settle(&mut settlement, 2).await;
            let report = rack.audit(2).await;
            assert!(report.holds(), "{:?}", report.checks);
        }
    }
}

#[tokio::test]
async fn a_copy_that_seals_otherwise_takes_the_chains_seal_over() {
    let mut rack = Rack::start().await;
    let mut settlement = rack.settlement(None);
    rack.deposit(MicroUsdc(5_000_000)).await;
    round(&mut settlement).await;
    let first = rack.job(1).await;
    rack.job(2).await;
    let (third, order) = rack.submitted(3, CLIENT).await;
    rack.back_up("copy").await;
    rack.completed(third, &order).await;
    let fourth = rack.job(4).await;
    // It is signed, and not on the chain yet.
    assert_eq!(demand(&mut settlement).await, Some(EpochId(1)));
    rack.back_up("original").await;
    let accepted = rack.epoch(1).await;
    assert_eq!((accepted.state, accepted.jobs), (EpochState::Sealed, 4));

    // One copy is still sealing when the chain has the first one's seal, the other has put its own bundle in its place.
    for (state, name) in [
        (EpochState::Sealing, "sealing.db"),
        (EpochState::Sealed, "sealed.db"),
    ] {
        rack.dev.advance(1).await.expect("time");
        rack.with_ledger(name, Some("copy"));
        let mut settlement = rack.settlement(None);
        round(&mut settlement).await;
        rack.seal_without(first).await;
        if state == EpochState::Sealed {
            assert_eq!(demand(&mut settlement).await, Some(EpochId(1)));
        }
        let epoch = rack.epoch(1).await;
        assert_eq!((epoch.state, epoch.jobs), (state, 1));
        assert_ne!(epoch.seal_hash, accepted.seal_hash);
    }
    let audit = rack.dir.path().join("audit");
    let aside = || bundle_dir::aside(&audit, EpochId(1)).expect("reads").len();
    assert_eq!(aside(), 1);

    // The first one's settlement comes in all the same.
    rack.with_ledger("original.db", Some("original"));
    let mut settlement = rack.settlement(Some(GAS));
    until_included(&rack, &mut settlement, 1).await;
    let original = rack.ledger.clone();

    for name in ["sealed.db", "sealing.db"] {
        rack.with_ledger(name, None);
        let mut settlement = rack.settlement(Some(GAS));
        round(&mut settlement).await;
        assert_eq!(settlement.notes.get(Note::OldCopy), None);
        rack.assert_sound().await;
        rack.assert_same_epoch(&original, 1).await;
        for job in [first, third, fourth] {
            let record = rack.ledger.job(job).await.expect("reads");
            assert_eq!(record.expect("known").settles_in, Some(EpochId(1)));
        }
        assert_eq!(aside(), 1);
    }
    let mut settlement = rack.settlement(Some(GAS));
    rack.dev.advance(params().window).await.expect("time");
    round(&mut settlement).await;
    assert_eq!(aside(), 0);
    rack.job(5).await;
    rack.settle(&mut settlement, 2).await;
    let report = rack.audit(2).await;
    assert!(report.holds(), "{:?}", report.checks);
}

#[tokio::test]
async fn without_its_bundle_an_epoch_is_not_taken_over() {
    let mut rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(5_000_000)).await;
    round(&mut settlement).await;
    rack.job(1).await;
    rack.settle(&mut settlement, 1).await;
    rack.job(2).await;
    rack.settle(&mut settlement, 2).await;
    let audit = rack.dir.path().join("audit");
    let place = |number: u64| bundle_dir::path(&audit, EpochId(number));
    let aside = audit.join("aside");
    std::fs::rename(place(1), &aside).expect("aside");

    rack.with_ledger("new.db", None);
    let mut settlement = rack.settlement(Some(GAS));
    let mut says = async |words: &str| {
        settlement.round().await.expect("a round");
        let note = settlement.notes.get(Note::OldCopy).expect("a note");
        assert!(note.contains(words), "{note}");
    };
    says("epoch-001 was settled on the chain").await;
    says("audit/epoch-001 is not there").await;
    // Another epoch's bundle is sound, and not this one's.
    std::fs::rename(place(2), place(1)).expect("misplaced");
    says("the chain has not settled epoch-001 with the bundle's seal").await;
    std::fs::rename(place(1), place(2)).expect("back");
    // A bent one.
    std::fs::rename(&aside, place(1)).expect("back");
    let page = place(1).join(page_name(0));
    let whole = std::fs::read(&page).expect("a page");
    std::fs::write(&page, &whole[1..]).expect("bent");
    for _ in 0..2 {
        says("does not hold together").await;
    }
    assert_eq!(rack.epoch(1).await.state, EpochState::Open);
    rack.assert_sound().await;
    std::fs::write(&page, &whole).expect("whole");
    let refused = rack.ledger.adopt_settled(AdoptSettled {
        now: rack.time().await,
        epoch: EpochId(1),
    });
    assert!(matches!(
        refused.await.expect_err("it is open").refusal(),
        Ok(EpochRefusal::WrongState { .. })
    ));
    settlement.round().await.expect("a round");
    assert_eq!(settlement.notes.get(Note::OldCopy), None);
    assert_eq!(rack.epoch(2).await.state, EpochState::Final);
}

#[tokio::test]
async fn jobs_that_contradict_the_ledger_are_not_taken_over() {
    let mut rack = Rack::start().await;
    let mut settlement = rack.settlement(Some(GAS));
    rack.deposit(MicroUsdc(5_000_000)).await;
    round(&mut settlement).await;
    rack.back_up("copy").await;
    rack.job(1).await;
    rack.settle(&mut settlement, 1).await;
    let seal_hash = rack.epoch(1).await.seal_hash.expect("sealed");
    let entry = rack.bundled(1).await.remove(0);
    let id = entry.execution.job();
    rack.with_ledger("copy.db", Some("copy"));
    let mut settlement = rack.settlement(Some(GAS));
    settlement.mirror_chain().await.expect("mirrored");
    let now = rack.time().await;
    let adopt = |seal_hash, jobs| {
        let command = AdoptJobs {
            now,
            epoch: EpochId(1),
            seal_hash,
            jobs,
            payees: payees(),
        };
        let ledger = rack.ledger.clone();
        async move {
            ledger
                .adopt_jobs(command)
                .await
                .expect_err("refused")
                .refusal()
        }
    };
    assert_eq!(
        adopt(B256::ZERO, vec![entry.clone()])
            .await
            .expect("refused"),
        AdoptRefusal::NotOnChain(EpochId(1))
    );
    let mut large = entry.clone();
    large.order.order.deadline = u64::MAX;
    assert_eq!(
        adopt(seal_hash, vec![large]).await.expect("refused"),
        AdoptRefusal::OutOfRange {
            job: id,
            field: "deadline"
        }
    );
    // The copy took another order under the same number, and then the same nonce under another.
    let (first, order) = rack.submitted(7, CLIENT).await;
    assert_eq!(first, id);
    assert_eq!(
        adopt(seal_hash, vec![entry.clone()])
            .await
            .expect("refused"),
        AdoptRefusal::Differs(id)
    );
    rack.completed(first, &order).await;
    assert_eq!(
        adopt(seal_hash, vec![entry.clone()])
            .await
            .expect("refused"),
        AdoptRefusal::Differs(id)
    );
    let (other, _) = rack.submitted(1, CLIENT).await;
    let left_entry = entry.clone();
    let mut renumbered = entry;
    renumbered.execution.job_seq = 99;
    assert_eq!(
        adopt(seal_hash, vec![renumbered]).await.expect("refused"),
        AdoptRefusal::NonceUsed {
            job: JobId { epoch: 1, seq: 99 },
            by: other
        }
    );
    // What was left out of the epoch gave its money back.
    let trigger = SealTrigger::Demand;
    let begin = BeginSeal { now, trigger };
    rack.ledger.begin_seal(begin).await.expect("begun");
    let left_out = DropUncollectable {
        now,
        epoch: EpochId(1),
        jobs: vec![id],
        reason: "a test".into(),
    };
    let dropped = rack.ledger.drop_uncollectable(left_out).await;
    dropped.expect("dropped");
    assert_eq!(
        adopt(seal_hash, vec![left_entry]).await.expect("refused"),
        AdoptRefusal::LeftOut(id)
    );
    let reopen = ReopenAdopted {
        now,
        epoch: EpochId(1),
        seal_hash: B256::ZERO,
        sealed_at: now,
    };
    assert_eq!(
        rack.ledger
            .reopen_adopted(reopen)
            .await
            .expect_err("refused")
            .refusal()
            .expect("refused"),
        EpochRefusal::NotOnChain(EpochId(1))
    );
    rack.assert_sound().await;
}
