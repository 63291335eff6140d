//! Many seeds, on some threads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::stats::Stats;
use crate::world::{Broken, run};

/// What many runs came to.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What was seen in those that held.
    pub stats: Stats,
    /// What did not hold, by seed.
    pub failures: BTreeMap<u64, Broken>,
}

impl Batch {
    /// Runs `seeds` on `jobs` threads. `done` hears of every run: its seed, how many have ended, and what
    /// did not hold.
    pub fn run(
        seeds: Range<u64>,
        jobs: usize,
        done: impl Fn(u64, u64, Option<&Broken>) + Sync,
    ) -> Self {
        let (next, ended) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
        let batch = Mutex::new(Self::default());
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end {
                            return;
                        }
                        let ran = run(seed, false);
                        let ended = ended.fetch_add(1, Ordering::Relaxed) + 1;
                        done(seed, ended, ran.as_ref().err());
                        let mut batch = batch.lock().unwrap_or_else(PoisonError::into_inner);
                        match ran {
                            Ok(outcome) => batch.stats.merge(&outcome.stats),
                            Err(broken) => {
                                batch.failures.insert(seed, broken);
                            }
                        }
                    }
                });
            }
        });
        batch.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How to see a run again.
pub fn replay(seed: u64) -> String {
    format!("cargo run -p swarm-sim -- --seed {seed} --trace")
}
