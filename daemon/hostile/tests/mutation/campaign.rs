//! One decoder, many seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use swarm_hostile::mutate::Random;

use crate::MEMORY;

/// Bytes of a MiB.
pub const MIB: usize = 1 << 20;

/// Memory is counted for the whole process: one campaign at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// How a decoder is tried.
pub struct Campaign {
    name: &'static str,
    cases: u64,
    memory_max: usize,
}

/// What came of it.
pub struct Ran {
    name: &'static str,
    taken: u64,
    refused: u64,
}

impl Campaign {
    /// `cases` seeds, each within `memory_max` bytes.
    pub fn new(name: &'static str, cases: u64, memory_max: usize) -> Self {
        Self {
            name,
            cases,
            memory_max,
        }
    }

    /// Damages and decodes. `SWARM_REPLAY=name:seed` runs that case alone and keeps its input.
    #[track_caller]
    pub fn run(
        &self,
        damage: impl Fn(&mut Random) -> Vec<u8>,
        decode: impl Fn(&[u8]) -> bool,
    ) -> Ran {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let replayed = std::env::var("SWARM_REPLAY").ok();
        let only = replayed
            .as_deref()
            .and_then(|text| text.strip_prefix(&format!("{}:", self.name)));
        let only: Option<u64> = only.map(|seed| seed.parse().expect("a seed"));
        let mut ran = Ran {
            name: self.name,
            taken: 0,
            refused: 0,
        };
        for seed in only.map_or(0..self.cases, |seed| seed..seed + 1) {
            let input = damage(&mut Random(seed));
            if only.is_some() {
                let path = std::env::temp_dir().join(format!("{}-{seed}", self.name));
                std::fs::write(&path, &input).expect("the input is kept");
                eprintln!("{} bytes in {}", input.len(), path.display());
            }
            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            let decoded = catch_unwind(AssertUnwindSafe(|| decode(&input)));
            let used = MEMORY.peak_usage().saturating_sub(before);
            let fault = match &decoded {
                Err(_) => "it panicked".to_owned(),
                Ok(_) if used > self.memory_max => {
                    format!("it took {used} bytes of memory for {}", input.len())
                }
                Ok(_) => String::new(),
            };
            assert!(
                fault.is_empty(),
                "{name}, seed {seed}: {fault}. Replay: SWARM_REPLAY={name}:{seed} cargo test -p swarm-hostile --test mutation",
                name = self.name,
            );
            match decoded {
                Ok(true) => ran.taken += 1,
                _ => ran.refused += 1,
            }
        }
        if only.is_some() {
            // One case proves nothing about the counts.
            ran = Ran {
                taken: u64::MAX,
                refused: u64::MAX,
                ..ran
            };
        }
        ran
    }
}

impl Ran {
    /// Both ways out of the decoder were taken often enough.
    #[track_caller]
    pub fn at_least(&self, taken: u64, refused: u64) {
        let Self {
            name,
            taken: is_taken,
            refused: is_refused,
        } = self;
        println!("{name}: {is_taken} taken, {is_refused} refused");
        assert!(
            *is_taken >= taken && *is_refused >= refused,
            "{name}: {is_taken} taken, {is_refused} refused"
        );
    }
}
