//! Jobs a second through the ledger alone: submit, claim, complete, every answer after a durable commit.
//! By hand, or by `scripts/bench ledger`:
//! `cargo run --release -p swarm-ledger --example bench -- [--jobs N] [--callers N] [--folder PATH] [--check 1]`.
//! The last line is JSON.

use std::path::{Path, PathBuf};
use std::time::Instant;

use swarm_ledger::commands::*;
use swarm_ledger::records::{BlobRef, Lease};
use swarm_ledger::{Ledger, LedgerConfig};
use swarm_types::escrow::{BlockRef, EscrowEvent, EscrowLog};
use swarm_types::order::{Order, SignedOrder};
use swarm_types::power::PowerRecord;
use swarm_types::receipt::{ENERGY_UNKNOWN, Execution};
use swarm_types::{Address, B256, MicroUsdc, Signature65, digest, sha256};

/// Clients and bees, so that no account is special.
const CLIENTS: u64 = 1_000;
const BEES: u64 = 8;
const NOW: u64 = 1_000;
const FEE: MicroUsdc = MicroUsdc(100_000);
const ENGINE: &str = "onnxruntime 1.22 cpu fp32 model-kernels avx2";

fn address(kind: u8, n: u64) -> Address {
    let mut bytes = [kind; 20];
    bytes[12..].copy_from_slice(&n.to_be_bytes());
    // Spread over the index, as real addresses are.
    Address::from_slice(&sha256(bytes)[12..])
}

fn signature(n: u8) -> Signature65 {
    let mut bytes = [n; 65];
    bytes[32] = 1;
    bytes[64] = 27;
    Signature65::normalise(&bytes).expect("a low s and a good v")
}

fn submit(client: u64, nonce: u64) -> Submit {
    let salt = sha256([client.to_be_bytes(), nonce.to_be_bytes()].concat());
    let input = BlobRef {
        sha256: sha256(salt),
        size: 9_000_000,
    };
    let order = Order {
        client: address(1, client),
        model: B256::repeat_byte(0x33),
        input: digest::salted(&salt, &input.sha256),
        max_fee: FEE,
        nonce,
        deadline: 1_000_000,
    };
    let order = SignedOrder {
        order,
        signature: signature(3),
    };
    Submit {
        now: NOW,
        commitment: order.commitment(),
        signers: [order.order.client, Address::ZERO],
        order,
        fee: FEE,
        salt,
        job_type: "brain_mri".into(),
        input,
        reply_to: Some("age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq".into()),
        recipients: (0..2).map(|n| address(2, n)).collect(),
        label: None,
        webhook: None,
        max_attempts: 3,
    }
}

fn complete(lease: &Lease, worker: Address) -> Complete {
    let job = &lease.job;
    let manifest = sha256(job.commitment);
    let power = PowerRecord::unknown();
    Complete {
        now: NOW,
        worker,
        lease: lease.lease_ref(),
        execution: Execution {
            job_epoch: job.id.epoch,
            job_seq: job.id.seq,
            order: job.commitment,
            model: job.order.order.model,
            input: job.order.order.input,
            result: digest::salted(&job.salt, &manifest),
            engine: sha256(ENGINE),
            device: sha256("cpu:bench"),
            started_at: NOW,
            completed_at: NOW,
            energy_millijoules: ENERGY_UNKNOWN,
            power: power.digest(),
        },
        execution_signature: signature(4),
        engine: ENGINE.into(),
        power,
        result: BlobRef {
            sha256: sha256(manifest),
            size: 200_000,
        },
        manifest,
    }
}

async fn set_up(ledger: &Ledger) {
    let block = BlockRef {
        number: 1,
        hash: sha256("1"),
        parent: sha256("0"),
        timestamp: 1,
    };
    let deposit = |client| EscrowLog {
        block_number: 1,
        tx: sha256("tx"),
        log_index: client,
        event: EscrowEvent::Deposited {
            client: address(1, client),
            amount: MicroUsdc(1 << 50),
        },
    };
    let blocks = ApplyBlocks {
        now: NOW,
        blocks: vec![(block, (0..CLIENTS).map(deposit).collect())],
        safe: 1,
    };
    ledger.apply_blocks(blocks).await.expect("deposits");
    for bee in 0..BEES {
        let approve = ApproveWorker {
            now: NOW,
            worker: address(2, bee),
            payee: address(3, bee),
        };
        ledger.approve_worker(approve).await.expect("approval");
    }
}

async fn caller(ledger: Ledger, number: u64, jobs: u64) {
    // Two bees can read the inputs.
    let worker = address(2, number % 2);
    for round in 0..jobs {
        let client = (number * 7_919 + round) % CLIENTS;
        let nonce = number << 32 | round;
        let submitted = ledger.submit(submit(client, nonce)).await;
        let id = submitted.expect("submission").job.id;
        let claim = Claim {
            now: NOW,
            worker,
            models: vec![B256::repeat_byte(0x33)],
            job: Some(id),
            lease_seconds: 90,
        };
        let lease = ledger.claim(claim).await.expect("claim");
        let lease = lease.expect("the job is pending");
        ledger
            .complete(complete(&lease, worker))
            .await
            .expect("completion");
    }
}

/// Rows of every table, of those that have more than one for each two jobs.
fn rows(path: &Path, jobs: u64) -> Vec<(String, f64)> {
    let conn = rusqlite::Connection::open(path).expect("the ledger's file");
    let mut tables = conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .expect("a schema");
    let names = tables.query_map((), |row| row.get::<_, String>(0));
    let names: Vec<String> = names.expect("tables").map(|n| n.expect("a name")).collect();
    let count = |name: String| {
        let sql = format!("SELECT COUNT(*) FROM {name}");
        let rows: u64 = conn.query_row(&sql, (), |row| row.get(0)).expect("rows");
        (name, rows as f64 / jobs as f64)
    };
    let counted = names.into_iter().map(count);
    counted.filter(|(_, each)| *each > 0.5).collect()
}

struct Options {
    jobs: u64,
    callers: u64,
    folder: PathBuf,
    /// Whether to check every invariant at the end.
    check: bool,
}

fn options() -> Options {
    let mut options = Options {
        jobs: 100_000,
        callers: 1_024,
        folder: std::env::temp_dir().join("swarm-ledger-bench"),
        check: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let number = || {
            value
                .parse()
                .unwrap_or_else(|_| panic!("{name} needs a number"))
        };
        match name.as_str() {
            "--jobs" => options.jobs = number(),
            "--callers" => options.callers = number(),
            "--check" => options.check = number() > 0,
            "--folder" => options.folder = value.into(),
            _ => panic!("there is no option {name}"),
        }
    }
    options
}

fn main() {
    let Options {
        jobs,
        callers,
        folder,
        check,
    } = options();
    // What a run before has left.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder to write in");
    let path = folder.join("ledger.db");
    let config = LedgerConfig {
        chain_id: 84_532,
        escrow: Address::repeat_byte(0xe5),
        default_cap: MicroUsdc(1 << 50),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let ledger = Ledger::open(&path, config.clone()).expect("a ledger");
        set_up(&ledger).await;
        let each = jobs / callers;
        let started = Instant::now();
        let tasks: Vec<_> = (0..callers)
            .map(|n| tokio::spawn(caller(ledger.clone(), n, each)))
            .collect();
        for task in tasks {
            task.await.expect("a caller");
        }
        let rate = (each * callers) as f64 / started.elapsed().as_secs_f64();
        let done = each * callers;
        ledger.close().await;
        let size = std::fs::metadata(&path).map_or(0, |m| m.len());
        println!(
            "{done} jobs, {callers} callers: {rate:.0} jobs/s (submit, claim, complete; each durable), {} bytes a job",
            size / done,
        );
        let rows = rows(&path, done);
        let all: f64 = rows.iter().map(|(_, each)| each).sum();
        let rows = rows.iter().map(|(name, each)| format!("{name} {each:.1}"));
        let rows = rows.collect::<Vec<_>>().join(", ");
        println!("{all:.1} rows a job: {rows}");
        let started = Instant::now();
        let ledger = Ledger::open(&path, config).expect("a ledger");
        let opened = started.elapsed().as_secs_f64() * 1e3;
        println!("opened again in {opened:.0} ms");
        if check {
            let started = Instant::now();
            let violations = ledger.check().await.expect("a check");
            assert_eq!(violations, [], "the ledger is in order");
            let seconds = started.elapsed().as_secs_f64();
            println!("nothing wrong in {seconds:.1} s of checking everything");
        }
        ledger.close().await;
        println!("{{\"jobs_per_second\": {rate:.1}, \"rows_per_job\": {all:.1}}}");
    });
    let _ = std::fs::remove_dir_all(&folder);
}
