//! Fills a queen's ledger as years of work would, through the ledger's own commands: jobs that were completed in
//! the open epoch, and jobs that are still open. Signatures are not valid: nothing checks them again.
//! By hand, or by `scripts/bench`: `cargo run --release -p swarm-ledger --example fill -- [--name value]…`.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use swarm_ledger::commands::*;
use swarm_ledger::records::{BlobKind, BlobRef, Lease};
use swarm_ledger::{Ledger, LedgerConfig};
use swarm_types::escrow::{BlockRef, EscrowEvent, EscrowLog};
use swarm_types::order::{Order, SignedOrder};
use swarm_types::power::PowerRecord;
use swarm_types::receipt::{ENERGY_UNKNOWN, Execution};
use swarm_types::{Address, B256, MicroUsdc, Signature65, digest, sha256};

/// The escrow of the queen's examples.
const CHAIN_ID: u64 = 84_532;
const ESCROW: Address = Address::repeat_byte(0xe5);
const BEES: u64 = 16;
const FEE: MicroUsdc = MicroUsdc(100_000);
const MODEL: B256 = B256::repeat_byte(0x33);
const ENGINE: &str = "onnxruntime-cpu 1.31.1 f32 x86_64 reference";
/// Commands in flight.
const CALLERS: u64 = 1_024;
const DAY: u64 = 86_400;

struct Options {
    /// Completed jobs.
    ended: u64,
    /// Pending jobs.
    open: u64,
    /// Clients: with the payees, as many as one settlement takes.
    clients: u64,
    /// The queen's state directory.
    folder: PathBuf,
}

fn options() -> Options {
    let mut options = Options {
        ended: 1_000_000,
        open: 0,
        clients: 400,
        folder: std::env::temp_dir().join("swarm-fill"),
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
            "--ended" => options.ended = number(),
            "--open" => options.open = number(),
            "--clients" => options.clients = number(),
            "--folder" => options.folder = value.into(),
            _ => panic!("there is no option {name}"),
        }
    }
    options
}

fn address(kind: u8, n: u64) -> Address {
    let mut bytes = [kind; 20];
    bytes[12..].copy_from_slice(&n.to_be_bytes());
    // Spread over the index, as real addresses are.
    Address::from_slice(&sha256(bytes)[12..])
}

/// Other bytes each time, as real signatures have: what is stored does not compress.
fn signature(seed: B256) -> Signature65 {
    let mut bytes = [27; 65];
    bytes[..32].copy_from_slice(seed.as_slice());
    bytes[32..64].copy_from_slice(sha256(seed).as_slice());
    bytes[32] &= 0x3f;
    Signature65::normalise(&bytes).expect("a low s and a good v")
}

fn submit(now: u64, client: u64, nonce: u64) -> Submit {
    let salt = sha256([client.to_be_bytes(), nonce.to_be_bytes()].concat());
    let input = BlobRef {
        sha256: sha256(salt),
        size: 9_000_000,
    };
    let order = Order {
        client: address(1, client),
        model: MODEL,
        input: digest::salted(&salt, &input.sha256),
        max_fee: FEE,
        nonce,
        deadline: now + 6 * DAY,
    };
    let order = SignedOrder {
        order,
        signature: signature(salt),
    };
    Submit {
        now,
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

fn complete(now: u64, lease: &Lease, worker: Address) -> Complete {
    let job = &lease.job;
    let manifest = sha256(job.commitment);
    let power = PowerRecord::unknown();
    Complete {
        now,
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
            started_at: now,
            completed_at: now,
            energy_millijoules: ENERGY_UNKNOWN,
            power: power.digest(),
        },
        execution_signature: signature(manifest),
        engine: ENGINE.into(),
        power,
        result: BlobRef {
            sha256: sha256(manifest),
            size: 200_000,
        },
        manifest,
    }
}

async fn set_up(ledger: &Ledger, now: u64, clients: u64) {
    let block = BlockRef {
        number: 1,
        hash: sha256("1"),
        parent: sha256("0"),
        timestamp: now,
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
        now,
        blocks: vec![(block, (0..clients).map(deposit).collect())],
        safe: 1,
    };
    ledger.apply_blocks(blocks).await.expect("deposits");
    for bee in 0..BEES {
        let approve = ApproveWorker {
            now,
            worker: address(2, bee),
            payee: address(3, bee),
        };
        ledger.approve_worker(approve).await.expect("approval");
    }
}

/// Jobs of one caller: `ended` that are completed, then `open`.
async fn caller(ledger: Ledger, number: u64, now: u64, clients: u64, ended: u64, open: u64) {
    // Two bees can read the inputs.
    let worker = address(2, number % 2);
    for round in 0..ended + open {
        let client = (number * 7_919 + round) % clients;
        let order = submit(now, client, number << 32 | round);
        let input = order.input;
        let begin = BlobBegin {
            now,
            blob: input,
            kind: BlobKind::Input,
            uploader: order.order.order.client,
            job: None,
        };
        ledger.blob_begin(begin).await.expect("an upload");
        let whole = BlobComplete {
            now,
            sha256: input.sha256,
        };
        ledger.blob_complete(whole).await.expect("an input");
        let submitted = ledger.submit(order).await;
        let id = submitted.expect("submission").job.id;
        if round >= ended {
            continue;
        }
        let claim = Claim {
            now,
            worker,
            models: vec![MODEL],
            job: Some(id),
            lease_seconds: 90,
        };
        let lease = ledger.claim(claim).await.expect("claim");
        let lease = lease.expect("the job is pending");
        let done = complete(now, &lease, worker);
        let begin = BlobBegin {
            now,
            blob: done.result,
            kind: BlobKind::Result,
            uploader: worker,
            job: Some(id),
        };
        ledger.blob_begin(begin).await.expect("an upload");
        let whole = BlobComplete {
            now,
            sha256: done.result.sha256,
        };
        ledger.blob_complete(whole).await.expect("a result");
        ledger.complete(done).await.expect("completion");
        let deleted = BlobDeleted {
            now,
            sha256: input.sha256,
            reason: "its job ended".into(),
        };
        ledger.blob_deleted(deleted).await.expect("deletion");
    }
}

fn main() {
    let Options {
        ended,
        open,
        clients,
        folder,
    } = options();
    std::fs::create_dir_all(&folder).expect("a folder to write in");
    let path = folder.join("ledger.sqlite");
    let config = LedgerConfig {
        chain_id: CHAIN_ID,
        escrow: ESCROW,
        default_cap: MicroUsdc(1 << 50),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let ledger = Ledger::open(&path, config).expect("a ledger");
        set_up(&ledger, now, clients).await;
        let started = Instant::now();
        let share = |jobs: u64, number: u64| jobs / CALLERS + u64::from(number < jobs % CALLERS);
        let tasks: Vec<_> = (0..CALLERS)
            .map(|n| {
                let (ended, open) = (share(ended, n), share(open, n));
                tokio::spawn(caller(ledger.clone(), n, now, clients, ended, open))
            })
            .collect();
        for task in tasks {
            task.await.expect("a caller");
        }
        ledger.close().await;
        let bytes = std::fs::metadata(&path).map_or(0, |meta| meta.len());
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{ended} jobs completed and {open} open, {clients} clients: {} MB in {seconds:.0} s",
            bytes / 1_000_000
        );
        println!("{{\"bytes\": {bytes}, \"seconds\": {seconds:.1}}}");
    });
}
