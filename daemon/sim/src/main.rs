//! Runs seeds by hand: one with its trace, or many.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use swarm_sim::{Batch, replay, run};

/// Seeds between two lines of progress.
const PROGRESS_SEEDS: u64 = 500;

/// Simulates a whole rack: queen, bees, clients and chain in one process, one seed a run.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Run this seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Print every line of its trace.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Run these seeds, FROM..TO.
    #[arg(long, value_parser = seeds)]
    seeds: Option<(u64, u64)>,
    /// Runs at the same time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
}

fn seeds(text: &str) -> Result<(u64, u64), String> {
    let parsed = text.split_once("..").and_then(|(from, to)| {
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        (from < to).then_some((from, to))
    });
    parsed.ok_or_else(|| "give FROM..TO, such as 0..1000".into())
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        return one(seed, args.trace);
    }
    let (from, to) = args.seeds.unwrap_or((0, 1_000));
    many(from, to, args.jobs.max(1))
}

fn one(seed: u64, verbose: bool) -> ExitCode {
    match run(seed, verbose) {
        Ok(outcome) => {
            print!("{}", outcome.stats);
            println!("seed {seed} holds, trace {}", outcome.trace);
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("seed {seed}: {broken}\n  {}", replay(seed));
            ExitCode::FAILURE
        }
    }
}

fn many(from: u64, to: u64, jobs: usize) -> ExitCode {
    let started = Instant::now();
    let batch = Batch::run(from..to, jobs, |seed, done, broken| {
        if let Some(broken) = broken {
            println!("seed {seed}: {broken}\n  {}", replay(seed));
        }
        if done.is_multiple_of(PROGRESS_SEEDS) {
            println!("{done} seeds, {} s", started.elapsed().as_secs());
        }
    });
    let failed = batch.failures.len();
    print!("{}", batch.stats);
    let (count, seconds) = (to - from, started.elapsed().as_secs());
    println!("{count} seeds from {from}, {failed} failed, {seconds} s");
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
