//! The receipts' tree beside the limit that hashing sets, on one core. By hand, or by `scripts/bench tree`:
//! `cargo run --release -p swarm-types --example tree -- [receipts]`. The last line is JSON.

use std::hint::black_box;
use std::time::{Duration, Instant};

use swarm_types::receipt::{ENERGY_UNKNOWN, Receipt};
use swarm_types::tree::{self, Tree};
use swarm_types::{Address, B256, MicroUsdc, sha256};

/// Rounds of which the fastest counts: what disturbs only slows down.
const ROUNDS: usize = 5;

fn fastest<T>(mut work: impl FnMut() -> T) -> (Duration, T) {
    let mut best = None;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let value = black_box(work());
        let took = started.elapsed();
        if best.as_ref().is_none_or(|(least, _)| took < *least) {
            best = Some((took, value));
        }
    }
    best.expect("there is a round")
}

fn receipt(n: u64) -> Receipt {
    let word = sha256(n.to_be_bytes());
    Receipt {
        job_epoch: 1,
        job_seq: n,
        client: Address::from_slice(&word[..20]),
        worker: Address::from_slice(&word[12..]),
        order: word,
        model: word,
        input: word,
        result: word,
        execution: word,
        power: word,
        fee: MicroUsdc(100_000),
        client_total: MicroUsdc(n),
        started_at: n,
        completed_at: n + 9,
        energy_millijoules: ENERGY_UNKNOWN,
    }
}

fn main() {
    let count = std::env::args().nth(1).map_or(1_000_000, |text| {
        text.parse().expect("a number of receipts")
    });
    let receipts: Vec<Receipt> = (0..count).map(receipt).collect();
    println!("{count} receipts, one core, fastest of {ROUNDS}");

    let (limit, _) = fastest(|| {
        let mut block = [0u8; 64];
        for n in 0..count {
            block[..8].copy_from_slice(&n.to_be_bytes());
            black_box(sha256(black_box(block)));
        }
    });
    let row = |what: &str, took: Duration| {
        let seconds = took.as_secs_f64();
        let times = seconds / limit.as_secs_f64();
        println!("  {what:<46} {seconds:>7.3} s  {times:>5.2} x the limit");
        times
    };
    row("the limit: as many sha256 of 64 bytes", limit);
    let (leaves_took, leaves) =
        fastest(|| -> Vec<B256> { receipts.iter().map(Receipt::leaf).collect() });
    row("leaves: encode and hash 481 bytes each", leaves_took);
    let (fold_took, root) = fastest(|| tree::root(&leaves));
    let times = row("the tree over hashed leaves, folded", fold_took);
    let (whole_took, whole) = fastest(|| Tree::new(&leaves));
    row("the same by rs_merkle, which gives proofs", whole_took);
    assert_eq!(root, whole.root(), "both build one tree");
    println!("{{\"tree_limits\": {times:.3}}}");
}
