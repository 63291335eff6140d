//! The faults have stopped: what is open must end, and everybody must get what is theirs.

use swarm_chain::At;
use swarm_ledger::JobFilter;
use swarm_ledger::journal::kind;
use swarm_ledger::records::{EpochState, JobRecord, JobState};
use swarm_types::MicroUsdc;

use crate::node::genesis;
use crate::node::transport::lock;
use crate::people::{self, GUARDIAN, PASSER_BY};
use crate::world::{Broken, Held, World};

/// Rounds of work in which every job must have ended: the last deadline is some six hours away.
const WORK_ROUNDS: u64 = 60;
/// Rounds of settlement in which every completed job must have been settled. A seal that grew too old,
/// and an empty epoch after the settlement timeout, each take some of them.
const SETTLE_ROUNDS: u64 = 60;
/// Rounds after which a queen who still stands still does so for ever.
const STANDING_ROUNDS: u64 = 8;
/// Longer than the escrow's window.
const WINDOW_MILLIS: u64 = 650_000;
/// Jobs of a run are fewer.
const JOBS_MAX: u32 = 500;

impl World {
    /// Mends everything, and has the work done.
    pub async fn heal(&mut self) -> Held {
        self.say("the faults stop".into());
        {
            let mut line = lock(&self.line);
            (line.away, line.lost_percent, line.moving_percent) = (false, 0, 0);
            lock(&self.node).set_dear(None);
        }
        self.set_skew(0);
        match &self.running {
            Some(running) => running.life.calm(),
            None => self.start().await?,
        }
        for n in 0..people::BEES {
            self.bees[n].alive = true;
            self.register(n).await?;
            self.approve(n).await?;
            self.drain(n, false).await?;
        }
        self.work_off().await?;
        self.note_lost_seals().await?;
        if !self.lost_seals {
            self.settle_all().await?;
        }
        Ok(())
    }

    /// Every job ends, unless the queen stands still: then she was restored from a copy that lacks an epoch, and its
    /// bundle is lost too.
    async fn work_off(&mut self) -> Held {
        for round in 0..WORK_ROUNDS {
            // A copy ends nothing before it was compared with the chain.
            self.round().await?;
            let status = self.running.as_ref().map(|running| running.queen.status());
            if status.is_some_and(|status| status.old_copy.is_some()) {
                self.note_lost_seals().await?;
                if self.lost_seals {
                    if round >= STANDING_ROUNDS {
                        self.stats.note("runs that ended standing still");
                        return Ok(());
                    }
                    // An epoch may have to wait for the window of the one before it.
                    self.pass(WINDOW_MILLIS).await?;
                    continue;
                }
            }
            for n in 0..people::BEES {
                self.beat(n).await?;
                self.poll(n, 0).await?;
                for lease in self.bees[n].held.clone() {
                    self.complete_well(n, &lease).await?;
                }
                self.bees[n].held.clear();
            }
            self.sweep().await?;
            let open = self.jobs().await?;
            let open = open.iter().filter(|job| !job.state.is_terminal()).count();
            if open == 0 {
                return Ok(());
            }
            // At first bees do what there is; then what they cannot do has its deadline.
            let millis = if round < 20 { 5_000 } else { 900_000 };
            self.pass(millis).await?;
        }
        let open = self.jobs().await?;
        let open = open.iter().filter(|job| !job.state.is_terminal());
        let open: Vec<String> = open
            .map(|job| format!("{} {}", job.id, job.state))
            .collect();
        Err(Broken(format!("these jobs never end: {}", open.join(", "))))
    }

    /// Every completed job is settled, and every epoch ends.
    async fn settle_all(&mut self) -> Held {
        for _ in 0..SETTLE_ROUNDS {
            self.guard().await?;
            self.pass(3_000).await?;
            self.round().await?;
            // A settlement that a lost ledger had sent may be included only now.
            self.note_lost_seals().await?;
            if self.lost_seals || self.is_settled().await? {
                return Ok(());
            }
            self.ask_for_seal().await?;
            self.round().await?;
            self.pass(WINDOW_MILLIS).await?;
        }
        let status = self.running.as_ref().map(|running| running.queen.status());
        Err(Broken(format!("settlement never ends: {status:?}")))
    }

    /// A guardian who wants settlement to go on.
    async fn guard(&mut self) -> Held {
        let gate = self.chain.gate(At::Latest).await;
        let gate = gate.map_err(|error| Broken(format!("the gate cannot be read: {error}")))?;
        if gate.stopped {
            let call = self.chain.resume();
            self.transact(GUARDIAN, "resumes", &call).await?;
        }
        if gate.paused_until > self.seconds() {
            let call = self.chain.unpause();
            self.transact(GUARDIAN, "unpauses", &call).await?;
        }
        Ok(())
    }

    async fn is_settled(&self) -> Held<bool> {
        let Some(ledger) = self.ledger() else {
            return Ok(false);
        };
        let epochs = ledger.epochs(None, JOBS_MAX).await;
        let epochs = epochs.map_err(|error| Broken(format!("epochs: {error:?}")))?;
        Ok(epochs.iter().all(|epoch| match epoch.state {
            EpochState::Final | EpochState::Void => true,
            EpochState::Open => epoch.jobs == 0,
            _ => false,
        }))
    }

    /// Every job that the ledger has.
    pub async fn jobs(&self) -> Held<Vec<JobRecord>> {
        let Some(ledger) = self.ledger() else {
            return Err(Broken("the queen is down, without a fault".into()));
        };
        let filter = JobFilter {
            limit: JOBS_MAX,
            ..JobFilter::default()
        };
        let jobs = ledger.jobs(filter).await;
        jobs.map_err(|error| Broken(format!("jobs: {error:?}")))
    }

    /// Whether the chain holds a seal that the ledger does not know, as after an old backup.
    pub async fn note_lost_seals(&mut self) -> Held {
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        let read = |error| Broken(format!("an epoch cannot be read: {error}"));
        let last = self.chain.gate(At::Latest).await.map_err(read)?.last_epoch;
        // What was taken over from its bundle is not lost.
        self.lost_seals = false;
        for number in 1..=last {
            let there = self.chain.epoch(number, At::Latest).await.map_err(read)?;
            let here = ledger.epoch(swarm_types::EpochId(number)).await;
            let here = here.map_err(|error| Broken(format!("an epoch: {error:?}")))?;
            let here = here.and_then(|epoch| epoch.seal_hash);
            if there.map(|epoch| epoch.seal_hash) != here {
                if self.stats.get("backups restored") == 0 {
                    return Err(Broken(format!(
                        "epoch {number} is on the chain with a seal that the ledger does not have"
                    )));
                }
                self.stats.note("seals that a backup lost");
                self.lost_seals = true;
                break;
            }
        }
        Ok(())
    }

    /// Everybody takes what is theirs; then all is counted.
    pub async fn settle_up(&mut self) -> Held {
        for n in 0..people::CLIENTS {
            // A deposit behind one that a reorganisation lost would come after the request that takes all.
            let gone = lock(&self.node).forget_stuck(people::address(people::client(n)));
            self.stats
                .add("transactions given up behind a lost one", gone);
            let call = self.chain.request_withdrawal(MicroUsdc(u64::MAX));
            self.transact(people::client(n), "last requests", &call)
                .await?;
        }
        self.guard().await?;
        self.pass(WINDOW_MILLIS).await?;
        self.round().await?;
        self.count().await?;
        let exit = genesis::params().exit_delay * 1_000;
        self.pass(exit).await?;
        for n in 0..people::CLIENTS {
            let key = people::client(n);
            let call = self.chain.withdraw(people::address(key));
            self.transact(key, "last withdrawals", &call).await?;
        }
        for payee in people::payees() {
            let call = self.chain.claim_for(payee);
            self.transact(PASSER_BY, "last claims", &call).await?;
        }
        self.pass(WINDOW_MILLIS).await?;
        self.round().await?;
        self.count().await?;
        self.empty().await
    }

    /// Counts what the last life's ledger went through.
    pub async fn note_journal(&mut self) -> Held {
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        let mut after = 0;
        loop {
            let events = ledger.events_after(after, JOBS_MAX).await;
            let events = events.map_err(|error| Broken(format!("the journal: {error:?}")))?;
            let Some(last) = events.last() else {
                return Ok(());
            };
            after = last.seq;
            for event in &events {
                match event.kind.as_str() {
                    kind::JOB_RETRIED => self.stats.note("attempts that failed"),
                    kind::JOB_DEFERRED => self.stats.note("jobs deferred to the next epoch"),
                    kind::EPOCH_SUBMITTED => self.stats.note("settlements sent"),
                    kind::EPOCH_UNINCLUDED => self.stats.note("settlements taken back"),
                    kind::EPOCH_SEALING if event.body.contains("reopened") => {
                        self.stats.note("seals that grew too old");
                    }
                    kind::CHAIN_UNDONE => self.stats.note("events of the chain undone"),
                    _ => {}
                }
            }
        }
    }

    /// Counts what became of the jobs.
    pub fn note_ends(&mut self, jobs: &[JobRecord]) {
        for job in jobs {
            self.stats.note(match (job.state, &job.uncollectable) {
                (JobState::Completed, None) => "jobs completed and charged",
                (JobState::Completed, Some(_)) => "jobs completed and not collectable",
                (JobState::Cancelled, _) => "jobs cancelled",
                (JobState::Expired, _) => "jobs expired",
                (JobState::Dead, _) => "jobs dead",
                _ => "jobs open",
            });
        }
    }
}
