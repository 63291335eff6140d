//! What approved bees said in their last heartbeats, for charts. In memory only: a restart begins anew.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use swarm_types::Address;
use swarm_types::api::{HEARTBEAT_SECONDS, WorkerSample};

/// How long a sample is kept.
const KEEP_SECONDS: u64 = 24 * 3_600;
/// Samples of one bee: its heartbeats of that time, with room for restarts.
const SAMPLES_MAX: usize = (KEEP_SECONDS / HEARTBEAT_SECONDS) as usize + 120;
/// Bees with samples; the rest of a larger rack has none. 3 000 samples of 64 bytes each make 200 KB a bee.
const BEES_MAX: usize = 512;
/// Samples of one answer; of more, every second, third … one is given.
const ANSWER_MAX: usize = 1_000;

/// The samples of every bee.
#[derive(Default)]
pub struct Samples {
    bees: Mutex<HashMap<Address, VecDeque<WorkerSample>>>,
}

impl Samples {
    fn bees(&self) -> MutexGuard<'_, HashMap<Address, VecDeque<WorkerSample>>> {
        // No code under this lock panics half-way through a change.
        self.bees.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what an approved bee said.
    pub fn add(&self, worker: Address, sample: WorkerSample) {
        let mut bees = self.bees();
        if bees.len() >= BEES_MAX && !bees.contains_key(&worker) {
            return;
        }
        let samples = bees.entry(worker).or_default();
        let old = |first: &WorkerSample| first.at + KEEP_SECONDS < sample.at;
        while samples.len() >= SAMPLES_MAX || samples.front().is_some_and(old) {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// A bee's samples, oldest first, thinned to what an answer may hold; the newest is always there.
    pub fn of(&self, worker: &Address) -> Vec<WorkerSample> {
        let bees = self.bees();
        let Some(samples) = bees.get(worker) else {
            return Vec::new();
        };
        let step = samples.len().div_ceil(ANSWER_MAX).max(1);
        let mut thinned: Vec<_> = samples.iter().rev().step_by(step).copied().collect();
        thinned.reverse();
        thinned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64) -> WorkerSample {
        WorkerSample {
            at,
            ready: true,
            jobs: 0,
            utilisation_percent: None,
            memory_used_mib: None,
            temperature_celsius: None,
            power_milliwatts: None,
        }
    }

    #[test]
    fn a_day_is_kept_and_an_answer_is_thinned() {
        let samples = Samples::default();
        let bee = Address::repeat_byte(1);
        let end = 2 * KEEP_SECONDS;
        for at in (0..=end).step_by(HEARTBEAT_SECONDS as usize) {
            samples.add(bee, sample(at));
        }
        let shown = samples.of(&bee);
        assert!(shown.len() <= ANSWER_MAX && shown.len() > ANSWER_MAX / 2);
        assert_eq!(shown.last().map(|s| s.at), Some(end));
        assert!(shown[0].at >= end - KEEP_SECONDS);
        assert!(shown.windows(2).all(|two| two[0].at < two[1].at));
        assert!(samples.of(&Address::repeat_byte(2)).is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let samples = Samples::default();
        for n in 0..BEES_MAX + 10 {
            samples.add(Address::left_padding_from(&n.to_be_bytes()), sample(1));
        }
        assert_eq!(samples.bees().len(), BEES_MAX);
        let bee = Address::ZERO;
        (0..2 * SAMPLES_MAX).for_each(|_| samples.add(bee, sample(1)));
        assert_eq!(samples.bees()[&bee].len(), SAMPLES_MAX);
    }
}
