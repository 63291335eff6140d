//! The rails: which bee gets which job.
//!
//! Bees wait in long-polls ([`Rails::lease`]). A poll first takes the oldest job that fits its bee; when
//! there is none it waits. A job that becomes pending ([`Rails::job_pending`]) goes to one of the waiting
//! bees: filters first, then the strategy, among bees without work as long as there are any: a job that a
//! bee would only fetch ahead gives them [`IDLE_FIRST`] to ask for it. The ledger's `claim` decides in the
//! end, so that two polls can never hold one job; what is here is only who asks first.

mod bee;
pub mod filter;
mod gate;
mod line;
mod strategy;
mod undelivered;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use swarm_ledger::commands::{Claim, ClaimMany};
use swarm_ledger::records::{HeartbeatAnswer, JobRecord, Lease, WorkerRecord};
use swarm_ledger::refusals::ClaimRefusal;
use swarm_ledger::{CommandError, Ledger, LedgerError};
use swarm_types::{Address, B256, JobId};
use tokio::sync::Notify;

pub use bee::{Bee, BeeProfile, BeeStats, approval};
pub use filter::Needs;
pub use gate::PowerGate;
use line::{LeaveLine, Line, Waiter};
pub use strategy::Strategy;

use crate::catalogue::Catalogue;
use crate::clock::{Clock, Elapsed};
use crate::config::RailsConfig;

/// How long a job, or a poll that another bee should go before, waits for a bee without work to ask. Long
/// enough for a poll's way over a network, short against a job.
const IDLE_FIRST: Duration = Duration::from_millis(250);

/// Routing, in memory. All of it is rebuilt from the ledger at start.
pub struct Rails {
    ledger: Ledger,
    clock: Clock,
    config: RailsConfig,
    state: Mutex<State>,
    /// Rung when a bee's standing changed, for polls of bees that could not work.
    bees_changed: Notify,
}

#[derive(Default)]
struct State {
    bees: HashMap<Address, Arc<Bee>>,
    waiters: Vec<Waiter>,
    /// Counts jobs that became pending, so that a poll notices one that came while it asked.
    jobs_seen: u64,
    services: u64,
    served: HashMap<Address, u64>,
    undelivered: HashMap<Address, Vec<Lease>>,
    next_waiter: u64,
    /// What the site's power allows.
    gate: Arc<PowerGate>,
}

impl State {
    fn bee_mut(&mut self, worker: &Address) -> Option<&mut Bee> {
        self.bees.get_mut(worker).map(Arc::make_mut)
    }
}

impl Rails {
    /// Rails with every bee that the ledger knows.
    pub async fn start(
        ledger: Ledger,
        config: RailsConfig,
        clock: Clock,
    ) -> Result<Self, LedgerError> {
        let rails = Self {
            ledger,
            clock,
            config,
            state: Mutex::default(),
            bees_changed: Notify::new(),
        };
        rails.reconcile().await?;
        rails.deliver_again().await?;
        Ok(rails)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads every bee from the ledger again.
    pub async fn reconcile(&self) -> Result<(), LedgerError> {
        let workers = self.ledger.workers().await?;
        let bees = workers.into_iter().filter_map(Bee::read);
        let bees = bees.map(|bee| (bee.worker, Arc::new(bee))).collect();
        self.state().bees = bees;
        self.bees_changed.notify_waiters();
        Ok(())
    }

    /// What the site's power allows.
    pub fn gate(&self) -> Arc<PowerGate> {
        self.state().gate.clone()
    }

    /// Takes in what the site's power allows. Polls in line ask anew: more or less may be for them now.
    pub fn set_gate(&self, gate: PowerGate) {
        let mut state = self.state();
        if *state.gate == gate {
            return;
        }
        let stepped = state.gate.rung() != gate.rung();
        state.gate = Arc::new(gate);
        if stepped {
            state.waiters.clear();
            drop(state);
            self.bees_changed.notify_waiters();
        }
    }

    /// Takes in what the ledger answered about a worker.
    pub fn learn(&self, record: WorkerRecord) {
        if let Some(bee) = Bee::read(record) {
            self.state().bees.insert(bee.worker, Arc::new(bee));
        }
        self.bees_changed.notify_waiters();
    }

    /// Takes in a heartbeat that the ledger has counted.
    pub fn heard(
        &self,
        worker: Address,
        at_millis: u64,
        ready: bool,
        draining: bool,
        stats: BeeStats,
        answer: &HeartbeatAnswer,
    ) {
        if let Some(bee) = self.state().bee_mut(&worker) {
            bee.record.state = answer.state;
            bee.record.ready = ready;
            bee.record.draining = draining || answer.draining;
            bee.record.last_heartbeat_millis = Some(at_millis);
            bee.stats = stats;
        }
        self.bees_changed.notify_waiters();
    }

    /// Notes that a job left a bee's hands.
    pub fn gave_back(&self, worker: Address) {
        if let Some(bee) = self.state().bee_mut(&worker) {
            bee.held = bee.held.saturating_sub(1);
        }
        self.bees_changed.notify_waiters();
    }

    /// A bee, if it registered.
    pub fn bee(&self, worker: &Address) -> Option<Arc<Bee>> {
        self.state().bees.get(worker).cloned()
    }

    /// Every bee that registered, ascending by key.
    pub fn bees(&self) -> Vec<Arc<Bee>> {
        let mut bees: Vec<Arc<Bee>> = self.state().bees.values().cloned().collect();
        bees.sort_by_key(|bee| bee.worker);
        bees
    }

    /// Approved bees that had said by `at` (Unix seconds) that they have the model, ascending by key; not more than
    /// a job can name.
    pub fn recipients(&self, model: &B256, at: u64) -> Vec<Address> {
        let state = self.state();
        let able = state.bees.values().filter(|bee| {
            let since = bee.profile.models_since.get(model).copied();
            let known = since.unwrap_or(bee.record.registered_at) <= at;
            known && bee.approved() && bee.profile.models.contains(model)
        });
        let mut workers: Vec<Address> = able.map(|bee| bee.worker).collect();
        workers.sort_unstable();
        workers.truncate(swarm_ledger::limits::RECIPIENTS_MAX);
        workers
    }

    /// Approved bees that were heard within the ready gap.
    pub fn online(&self, model: Option<&B256>) -> u32 {
        let now = self.clock.millis();
        let state = self.state();
        let online = state.bees.values().filter(|bee| {
            let has = model.is_none_or(|model| bee.profile.models.contains(model));
            has && bee.approved() && filter::is_online(bee, now)
        });
        u32::try_from(online.count()).unwrap_or(u32::MAX)
    }

    /// Models of the catalogue that the bee has and has the memory for.
    fn models(bee: &Bee, catalogue: &Catalogue) -> Vec<B256> {
        let all = catalogue.all();
        let fit = all.values().filter(|model| {
            let enough = bee.profile.device.memory_mib >= model.memory_mib;
            enough && bee.profile.models.contains(&model.digest)
        });
        fit.map(|model| model.digest).collect()
    }

    /// Leases the oldest jobs that fit the worker, at most `jobs_max`; waits for one until `wait` is over.
    /// What is pending is shared evenly with bees without work.
    ///
    /// # Errors
    /// When the worker is not registered or not approved, or the ledger fails. A bee that drains, is not
    /// ready or is busy gets no job, which is no error.
    pub async fn lease(
        &self,
        worker: Address,
        catalogue: &Catalogue,
        wait: Duration,
        jobs_max: u32,
    ) -> Result<Vec<Lease>, CommandError<ClaimRefusal>> {
        let until = self.clock.running() + wait;
        loop {
            let changed = self.bees_changed.notified();
            let Some(bee) = self.bee(&worker) else {
                return Err(CommandError::Refused(ClaimRefusal::UnknownWorker(worker)));
            };
            if !bee.approved() {
                let refusal = ClaimRefusal::NotApproved(bee.record.state);
                return Err(CommandError::Refused(refusal));
            }
            if let Some(lease) = self.undelivered(&worker).await? {
                return Ok(vec![lease]);
            }
            let gate = self.gate();
            if filter::can_work(&bee, &gate, self.clock.millis()).is_err() {
                // Cancel-safe: a missed ring only means that the bee polls again.
                match self.clock.timeout_at(until, pin!(changed)).await {
                    Ok(()) => continue,
                    Err(Elapsed) => return Ok(Vec::new()),
                }
            }
            let models = Self::models(&bee, catalogue);
            let room = bee.profile.concurrency.saturating_sub(bee.held).max(1);
            let idle_others = self.idle_besides(&bee, &models);
            let mut command = ClaimMany {
                now: self.clock.seconds(),
                worker,
                idle_others,
                leave: 0,
                deadline_max: gate.deadline_max(self.clock.seconds()),
                models,
                jobs_max: jobs_max.min(room),
                lease_seconds: self.lease_seconds(),
            };
            if self.others_first(&bee, &command.models) {
                // With a job for each of them and one more there is nothing to stand aside for.
                command.leave = idle_others;
                let taken = self.claim_oldest(command.clone()).await;
                if taken.as_ref().is_ok_and(|leases| !leases.is_empty()) {
                    return taken;
                }
                if let Some(given) = self.stand_aside(worker).await {
                    return Ok(vec![given]);
                }
                command.leave = 0;
                command.now = self.clock.seconds();
            }
            let seen = self.state().jobs_seen;
            if let Some(deadline_max) = gate.urgent_max(command.now) {
                let urgent = ClaimMany {
                    deadline_max,
                    ..command.clone()
                };
                let taken = self.claim_oldest(urgent).await;
                if taken.as_ref().is_ok_and(|leases| !leases.is_empty()) {
                    return taken;
                }
            }
            match self.claim_oldest(command).await {
                Ok(leases) if !leases.is_empty() => return Ok(leases),
                Ok(_none) => {}
                // It began to drain between the look and the claim.
                Err(CommandError::Refused(ClaimRefusal::Draining)) => {}
                Err(error) => return Err(error),
            }
            let (id, mut given) = match self.wait_in_line(worker, seen) {
                Line::Joined(id, given) => (id, given),
                Line::JobCame if self.clock.running() < until => continue,
                Line::JobCame | Line::Full => return Ok(Vec::new()),
            };
            let leave = LeaveLine { rails: self, id };
            // Cancel-safe: a lease that is given to a poll that ended is kept for the bee's next one.
            let answer = self.clock.timeout_at(until, &mut given).await;
            drop(leave);
            match answer {
                Ok(Ok(lease)) => return Ok(vec![lease]),
                Ok(Err(_dropped)) => continue,
                // The lease may have been given in the instant in which the wait ended.
                Err(Elapsed) => return Ok(given.try_recv().into_iter().collect()),
            }
        }
    }

    /// Whether a bee without work should have the first chance: one that could do the same models, and
    /// either waits already or is to go before a bee that holds jobs.
    fn others_first(&self, bee: &Bee, models: &[B256]) -> bool {
        let now = self.clock.millis();
        let state = self.state();
        state.bees.values().any(|other| {
            let waits = || {
                let mut line = state.waiters.iter();
                line.any(|waiter| waiter.worker == other.worker && !waiter.give.is_closed())
            };
            other.worker != bee.worker
                && other.held == 0
                && filter::can_work(other, &state.gate, now).is_ok()
                && other.profile.models.iter().any(|m| models.contains(m))
                && (bee.held > 0 || waits())
        })
    }

    /// How many other bees are without work that could do one of the same models.
    fn idle_besides(&self, bee: &Bee, models: &[B256]) -> u32 {
        let now = self.clock.millis();
        let state = self.state();
        let idle = state.bees.values().filter(|other| {
            other.worker != bee.worker
                && other.held == 0
                && filter::can_work(other, &state.gate, now).is_ok()
                && other.profile.models.iter().any(|m| models.contains(m))
        });
        idle.count() as u32
    }

    /// Whether a bee without work could take the job, if only it asked.
    fn idle_bee_could(&self, needs: &Needs<'_>) -> bool {
        let now = self.clock.millis();
        let state = self.state();
        let mut bees = state.bees.values();
        bees.any(|bee| bee.held == 0 && filter::can_take(bee, needs, &state.gate, now).is_ok())
    }

    /// Notes that a job became pending; `true` when a poll waits, so that the job is to be routed. Otherwise
    /// the next poll finds it.
    pub fn job_came(&self) -> bool {
        let mut state = self.state();
        state.jobs_seen += 1;
        !state.waiters.is_empty()
    }

    /// A job became pending: gives it to one of the waiting bees, if one can take it.
    pub async fn job_pending(&self, job: &JobRecord, catalogue: &Catalogue) {
        if self.job_came() {
            self.route(job, catalogue).await;
        }
    }

    /// Gives a job that [`Self::job_came`] noted to one of the waiting bees, if one can take it.
    pub async fn route(&self, job: &JobRecord, catalogue: &Catalogue) {
        let model = &job.order.order.model;
        let needs = Needs {
            model,
            memory_mib: catalogue.get(model).map(|model| model.memory_mib),
            recipients: &job.recipients,
            deadline: job.order.order.deadline,
        };
        let mut idle_only = self.idle_bee_could(&needs);
        loop {
            let Some(waiter) = self.pick(&needs, idle_only) else {
                if !idle_only {
                    return;
                }
                // Its poll is on its way, or a bee with work gets the job after this moment.
                self.clock.sleep(IDLE_FIRST).await;
                idle_only = false;
                continue;
            };
            let claimed = self.claim(waiter.worker, vec![*model], job.id).await;
            match claimed {
                Ok(Some(lease)) => {
                    if let Err(lease) = waiter.give.send(lease) {
                        self.keep_undelivered(waiter.worker, lease);
                    }
                    return;
                }
                // Somebody else was first: nothing to give. The poll is dropped and asks anew.
                Ok(None) | Err(CommandError::Refused(ClaimRefusal::NotPending { .. })) => return,
                // This bee cannot have it after all: the next one.
                Err(CommandError::Refused(_)) => {}
                Err(CommandError::Ledger(error)) => {
                    tracing::warn!(job = %job.id, %error, "a job was not routed; polls will find it");
                    return;
                }
            }
        }
    }

    /// Claims one named job for a worker.
    pub async fn claim(
        &self,
        worker: Address,
        models: Vec<B256>,
        job: JobId,
    ) -> Result<Option<Lease>, CommandError<ClaimRefusal>> {
        let command = Claim {
            now: self.clock.seconds(),
            worker,
            models,
            job: Some(job),
            lease_seconds: self.lease_seconds(),
        };
        let lease = self.ledger.claim(command).await?;
        self.took(worker, lease.iter().count() as u32);
        Ok(lease)
    }

    /// Claims the oldest jobs that fit a worker.
    async fn claim_oldest(
        &self,
        command: ClaimMany,
    ) -> Result<Vec<Lease>, CommandError<ClaimRefusal>> {
        let worker = command.worker;
        let leases = self.ledger.claim_many(command).await?;
        self.took(worker, leases.len() as u32);
        Ok(leases)
    }

    /// Notes that a worker holds `jobs` more.
    fn took(&self, worker: Address, jobs: u32) {
        if jobs == 0 {
            return;
        }
        swarm_faults::point("queen.lease.committed");
        let mut state = self.state();
        state.services += 1;
        let services = state.services;
        state.served.insert(worker, services);
        if let Some(bee) = state.bee_mut(&worker) {
            bee.held = bee.held.saturating_add(jobs);
        }
    }

    /// How long a lease holds.
    pub fn lease_seconds(&self) -> u64 {
        self.config.lease.as_seconds_down()
    }

    /// Leases that a job may use up.
    pub fn attempts_max(&self) -> u32 {
        self.config.attempts_max
    }
}
