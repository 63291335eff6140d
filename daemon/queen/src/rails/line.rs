//! The line of long-polls that wait for work, and whom of it a job goes to.

use swarm_ledger::records::Lease;
use swarm_types::Address;
use tokio::sync::oneshot;

use super::strategy::{Candidate, choose};
use super::{IDLE_FIRST, Needs, Rails, filter};
use crate::clock::Elapsed;
use crate::config::RailsConfig;

/// Long-polls that may wait at once; more are told that there is no work.
const WAITERS_MAX: usize = 16_384;

/// A poll in line.
pub(super) struct Waiter {
    pub(super) id: u64,
    pub(super) worker: Address,
    /// Gets a lease, or is dropped: then the poll asks anew.
    pub(super) give: oneshot::Sender<Lease>,
}

/// What became of a poll that wanted to wait.
pub(super) enum Line {
    Joined(u64, oneshot::Receiver<Lease>),
    /// A job became pending meanwhile: look again.
    JobCame,
    /// As many polls wait as may.
    Full,
}

impl Rails {
    /// Waits in line for [`IDLE_FIRST`], so that the strategy chooses and not who asked first.
    pub(super) async fn stand_aside(&self, worker: Address) -> Option<Lease> {
        let seen = self.state().jobs_seen;
        let Line::Joined(id, mut given) = self.wait_in_line(worker, seen) else {
            return None;
        };
        let leave = LeaveLine { rails: self, id };
        // Cancel-safe: a lease that is given to a poll that ended is kept for the bee's next one.
        let until = self.clock.running() + IDLE_FIRST;
        let answer = self.clock.timeout_at(until, &mut given).await;
        drop(leave);
        match answer {
            Ok(answer) => answer.ok(),
            Err(Elapsed) => given.try_recv().ok(),
        }
    }

    /// Puts a poll in line, unless a job became pending since `seen`.
    pub(super) fn wait_in_line(&self, worker: Address, seen: u64) -> Line {
        let mut state = self.state();
        if state.jobs_seen != seen {
            return Line::JobCame;
        }
        if state.waiters.len() >= WAITERS_MAX {
            return Line::Full;
        }
        let (give, given) = oneshot::channel();
        state.next_waiter += 1;
        let id = state.next_waiter;
        state.waiters.push(Waiter { id, worker, give });
        Line::Joined(id, given)
    }

    /// Takes the chosen one of the waiting bees that can take the job out of the line; of those without
    /// work, when `idle_only`.
    pub(super) fn pick(&self, needs: &Needs<'_>, idle_only: bool) -> Option<Waiter> {
        let now = self.clock.millis();
        let mut state = self.state();
        let state = &mut *state;
        let mut places = Vec::new();
        let mut candidates = Vec::new();
        // Bees that have the model in memory go first.
        let mut warm = false;
        for (place, waiter) in state.waiters.iter().enumerate() {
            let Some(bee) = state.bees.get(&waiter.worker) else {
                continue;
            };
            if idle_only && bee.held > 0 {
                continue;
            }
            let can = filter::can_take(bee, needs, &state.gate, now);
            if waiter.give.is_closed() || can.is_err() {
                continue;
            }
            let has_it_warm = bee.stats.warm_models.contains(needs.model);
            if has_it_warm && !warm {
                warm = true;
                places.clear();
                candidates.clear();
            } else if warm && !has_it_warm {
                continue;
            }
            places.push(place);
            candidates.push(Candidate {
                worker: waiter.worker,
                held: bee.held,
                concurrency: bee.profile.concurrency,
                served: state.served.get(&waiter.worker).copied().unwrap_or(0),
            });
        }
        let RailsConfig {
            strategy, weights, ..
        } = &self.config;
        // Without randomness the choice is still a choice.
        let random = getrandom::u64().unwrap_or(state.services);
        let chosen = choose(*strategy, &candidates, weights, random)?;
        Some(state.waiters.swap_remove(places[chosen]))
    }
}

/// Takes a poll out of the line when it ends, also when its connection breaks.
pub(super) struct LeaveLine<'a> {
    pub(super) rails: &'a Rails,
    pub(super) id: u64,
}

impl Drop for LeaveLine<'_> {
    fn drop(&mut self) {
        self.rails
            .state()
            .waiters
            .retain(|waiter| waiter.id != self.id);
    }
}
