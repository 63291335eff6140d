//! Hundreds of runs, each from its seed.

use swarm_sim::{Batch, Plant, replay, run, run_with};

/// Seeds of the test command; `cargo run -p swarm-sim -- --seeds FROM..TO` runs more.
const SEEDS: u64 = 1_000;

/// What so many runs must have seen at least, or they show nothing.
const SEEN: &[(&str, u64)] = &[
    ("runs", SEEDS),
    ("orders accepted", 3_000),
    ("orders sent again", 200),
    ("jobs completed and charged", 2_000),
    ("jobs cancelled", 100),
    ("jobs completed and not collectable", 10),
    ("jobs deferred to the next epoch", 40),
    ("completions refused", 40),
    ("completions sent again", 40),
    ("epochs settled", 1_000),
    ("epochs voided", 40),
    ("voids of charges", 20),
    ("seals that grew too old", 40),
    ("settlements sent", 1_200),
    ("reorganisations", 200),
    ("reorganisations below safe", 40),
    ("deaths between requests", 100),
    ("deaths before a command", 80),
    ("deaths after a command", 80),
    ("deaths before a request to the chain", 80),
    ("deaths after a request to the chain", 80),
    ("commands on a full disk", 150),
    ("backups restored", 8),
    ("long outages", 60),
];

#[test]
fn every_seed_holds() {
    let batch = Batch::run(0..SEEDS, 2, |seed, _, broken| {
        if let Some(broken) = broken {
            eprintln!("seed {seed}: {broken}\n  {}", replay(seed));
        }
    });
    println!("{}", batch.stats);
    assert!(batch.failures.is_empty(), "{:?}", batch.failures);
    for (what, least) in SEEN {
        let seen = batch.stats.get(what);
        assert!(seen >= *least, "{what}: {seen}, and {least} were expected");
    }
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in [3, 77, 500] {
        let (first, second) = (run(seed, false), run(seed, false));
        assert_eq!(first, second, "{}", replay(seed));
    }
    assert_ne!(
        run(1, false).map(|run| run.trace),
        run(2, false).map(|run| run.trace)
    );
}

/// What is wrong on purpose is found, and soon.
#[test]
fn planted_faults_are_found() {
    let plants = [
        Plant::ForgetfulDisk,
        Plant::LostEvents,
        Plant::GreedyEscrow,
        Plant::StubbornEscrow,
    ];
    for plant in plants {
        let found = (0..60).find_map(|seed| Some((seed, run_with(seed, false, plant).err()?)));
        let (seed, broken) = found.unwrap_or_else(|| panic!("{plant:?} is never noticed"));
        println!("{plant:?} by seed {seed}: {broken}");
    }
}
