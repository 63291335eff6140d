//! A queen whose ledger is full (see the ledger's example `fill`). By hand, or by `scripts/bench`:
//!
//!     cargo run --release -p swarm-queen --example million -- seal|start|pages --folder STATE
//!
//! - `seal`: seals the open epoch as settlement does, without the chain's part, while orders come in: how long it
//!   takes, how fast the bundle is written beside how fast the disk writes as many bytes, what memory it takes, and
//!   the longest time for which an order waited;
//! - `start`: the queen in a process of its own, until she answers `/health`; and the memory she holds then;
//! - `pages`: how long she takes for what people and machines ask again and again.
//!
//! Limits of one network address are off. The last line is JSON.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy::signers::local::PrivateKeySigner;
use serde_json::json;
use swarm_chain::Wallet;
use swarm_ledger::commands::{BeginSeal, RecordSealed, UseRequestNonce};
use swarm_ledger::records::SealTrigger;
use swarm_ledger::{Ledger, LedgerConfig};
use swarm_queen::settlement::{Published, publish};
use swarm_queen::{Queen, QueenConfig, QueenKeys, audit_dir};
use swarm_types::bundle::{Builder, EpochInput};
use swarm_types::eip712::Domain;
use swarm_types::payout::Rates;
use swarm_types::{Address, EpochId, MicroUsdc};

const CHAIN_ID: u64 = 84_532;
const ESCROW: Address = Address::repeat_byte(0xe5);
const PROTOCOL: Address = Address::repeat_byte(0xa1);
const OPERATOR: Address = Address::repeat_byte(0xa2);
/// Between two commands that stand for what comes in while the queen seals.
const PROBE_EVERY: Duration = Duration::from_millis(5);
/// How often each page is asked for.
const ASKED: usize = 15;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let folder = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--folder"), Some(folder)) => PathBuf::from(folder),
        _ => panic!("say seal, start or pages, and --folder with the state directory"),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match what.as_str() {
        "seal" => runtime.block_on(seal(&folder)),
        "start" => start(&folder),
        "pages" => pages(&folder),
        "serve" => runtime.block_on(serve(&folder)),
        _ => panic!("there is no {what}"),
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

/// MiB of a process: resident now, and at most.
fn memory(process: &str) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.and_then(|kib| kib.parse::<u64>().ok()).expect("a size") / 1_024
    };
    (field("VmRSS"), field("VmHWM"))
}

// --- seal -----------------------------------------------------------------------------------------

/// Sends small commands to the writer until told to stop; gives the longest wait, in microseconds.
async fn probe(ledger: Ledger, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) -> u64 {
    let mut longest = 0;
    while !stop.load(Ordering::Relaxed) {
        let command = UseRequestNonce {
            now: now(),
            address: Address::repeat_byte(0x77),
            nonce: sent.fetch_add(1, Ordering::Relaxed),
            expires_at: now() + 300,
        };
        let started = Instant::now();
        ledger.use_request_nonce(command).await.expect("a nonce");
        longest = longest.max(started.elapsed().as_micros() as u64);
        tokio::time::sleep(PROBE_EVERY).await;
    }
    longest
}

async fn seal(folder: &Path) {
    let config = LedgerConfig {
        chain_id: CHAIN_ID,
        escrow: ESCROW,
        default_cap: MicroUsdc(1 << 50),
    };
    let ledger = Ledger::open(&folder.join("ledger.sqlite"), config).expect("a ledger");
    let (stop, sent) = (
        Arc::<AtomicBool>::default(),
        Arc::new(AtomicU64::new(now() << 20)),
    );
    let quiet = tokio::spawn(probe(ledger.clone(), stop.clone(), sent.clone()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    stop.store(true, Ordering::Relaxed);
    let quiet = quiet.await.expect("the probe");
    stop.store(false, Ordering::Relaxed);
    let busy = tokio::spawn(probe(ledger.clone(), stop.clone(), sent));

    let started = Instant::now();
    let mut last = started;
    let mut step = |what: &str| {
        println!("{what:<42} {:>8.3} s", last.elapsed().as_secs_f64());
        last = Instant::now();
    };
    let begin = BeginSeal {
        now: now(),
        trigger: SealTrigger::Demand,
    };
    let start = ledger.begin_seal(begin).await.expect("no seal in flight");
    step("begin: the epoch is fixed, the next opens");
    let contents = ledger.seal_contents(start.epoch).await.expect("a ledger");
    let contents = contents.expect("an epoch that is sealing");
    step("its jobs in the order of the leaves");
    let input = EpochInput {
        epoch: start.epoch.0,
        domain: Domain::new(CHAIN_ID, ESCROW),
        previous: contents.previous,
        sealed_at: contents.sealed_at,
        rates: Rates::default(),
        protocol_payee: PROTOCOL,
        operator_payee: OPERATOR,
        workers: contents.workers,
    };
    let audit = audit_dir(folder);
    fs::create_dir_all(&audit).expect("a folder for bundles");
    let keys = [Wallet::random()];
    let builder = Builder::new(input);
    let written = Instant::now();
    let published = publish(&ledger, &audit, builder, &contents.jobs, &keys).await;
    let Published { built, signatures } = published.expect("a bundle");
    let written = written.elapsed().as_secs_f64();
    step("receipts, tree, bundle, synced to disk");
    let record = RecordSealed {
        now: now(),
        epoch: start.epoch,
        seal: built.seal,
        charges: built.charges,
        payouts: built.payouts,
        agents: built.agents,
        signatures,
    };
    let recorded = ledger.record_sealed(record).await.expect("a seal");
    step("the seal is recorded");
    let seconds = started.elapsed().as_secs_f64();
    let (_, peak) = memory("self");
    stop.store(true, Ordering::Relaxed);
    let busy = busy.await.expect("the probe");
    ledger.close().await;

    let (bytes, disk) = disk(&audit, start.epoch);
    let rate = |seconds: f64| bytes as f64 / 1e6 / seconds;
    println!(
        "{} receipts in {seconds:.1} s; at most {peak} MiB resident; a command waited {:.1} ms at most (quiet: {:.1} ms)",
        recorded.jobs,
        busy as f64 / 1e3,
        quiet as f64 / 1e3,
    );
    println!(
        "bundle: {:.0} MB at {:.0} MB/s; the same bytes alone, buffered and synced: {:.0} MB/s; {:.2} of the disk's rate",
        bytes as f64 / 1e6,
        rate(written),
        rate(disk),
        disk / written,
    );
    let line = json!({
        "receipts": recorded.jobs, "seconds": seconds, "rss_mib": peak, "bundle_bytes": bytes,
        "bundle_mb_s": rate(written), "disk_mb_s": rate(disk), "stall_ms": busy as f64 / 1e3,
    });
    println!("{line}");
}

/// Writes as many bytes in as large files as a bundle's, and syncs each; bytes and seconds.
fn disk(audit: &Path, epoch: EpochId) -> (u64, f64) {
    let bundle = audit.join(epoch.to_string());
    let sizes = [bundle.clone(), bundle.join("jobs")]
        .into_iter()
        .flat_map(|dir| {
            let files = fs::read_dir(dir).expect("a bundle");
            files.map(|file| file.expect("a file").metadata().expect("a file"))
        });
    let sizes: Vec<u64> = sizes
        .filter(|meta| meta.is_file())
        .map(|meta| meta.len())
        .collect();
    let beside = audit.join(".disk");
    fs::create_dir_all(&beside).expect("a folder");
    let largest = sizes.iter().max().copied().unwrap_or_default();
    let bytes: Vec<u8> = (0..largest).map(|n| (n * 31 + (n >> 9)) as u8).collect();
    let started = Instant::now();
    for (number, size) in sizes.iter().enumerate() {
        let mut file = File::create(beside.join(number.to_string())).expect("a file");
        file.write_all(&bytes[..*size as usize]).expect("written");
        file.sync_all().expect("synced");
    }
    let seconds = started.elapsed().as_secs_f64();
    let _ = fs::remove_dir_all(beside);
    (sizes.iter().sum(), seconds)
}

// --- a queen of its own -----------------------------------------------------------------------------

async fn serve(folder: &Path) {
    let models = folder.join("models");
    fs::create_dir_all(&models).expect("a folder for models");
    let unlimited = json!({ "per_second": 1e6, "burst": 1e6 });
    let config = json!({
        "state_dir": folder,
        "models_dir": models,
        "operators": [Address::repeat_byte(0x01)],
        "listen": { "address": "127.0.0.1:0" },
        "chain": {
            "chain_id": CHAIN_ID,
            "escrow": ESCROW,
            "token": Address::repeat_byte(0x70),
            "default_cap": (1u64 << 50).to_string(),
        },
        "fees": { "protocol_payee": PROTOCOL, "operator_payee": OPERATOR },
        "limits": { "per_signer": unlimited, "per_address": unlimited, "per_address_signed": unlimited },
    });
    let config: QueenConfig = serde_json::from_value(config).expect("a configuration");
    let keys = QueenKeys {
        queen: PrivateKeySigner::random(),
        settlement: None,
    };
    let queen = Queen::start(config, keys).await.expect("a queen");
    println!("{}", queen.addr);
    // Until the one who started it closes the other end.
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    let _ = ended.await;
    queen.shutdown().await;
}

/// A queen's process; it ends with this.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(folder: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["serve".as_ref(), "--folder".as_ref(), folder.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut address = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        lines.read_line(&mut address).expect("an address");
        let address = address.trim().to_owned();
        Self { child, address }
    }

    /// Status and bytes of the body of a page.
    fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).expect("a queen");
        let request = format!("GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let head = answer
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a head");
        let status = String::from_utf8_lossy(&answer[9..12])
            .parse()
            .expect("a status");
        (status, answer.split_off(head + 4))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn start(folder: &Path) {
    let mut times = Vec::new();
    let mut resident = 0;
    for round in 1..=5 {
        let started = Instant::now();
        let queen = Served::start(folder);
        let (status, _) = queen.get("/health");
        let took = started.elapsed().as_secs_f64();
        assert_eq!(status, 200);
        resident = memory(&queen.child.id().to_string()).0;
        println!(
            "start {round}: {:.0} ms to the answer of /health, {resident} MiB",
            took * 1e3
        );
        times.push(took);
    }
    let slowest = times.iter().copied().fold(0.0, f64::max);
    println!("{}", json!({ "seconds": slowest, "rss_mib": resident }));
}

fn pages(folder: &Path) {
    let queen = Served::start(folder);
    let get = |path: &str| -> serde_json::Value {
        let (status, body) = queen.get(path);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap_or_default()
    };
    let newest = get("/api/v1/jobs?status=completed&limit=1");
    let job = newest["items"][0]["job_id"]
        .as_str()
        .expect("a job")
        .to_owned();
    let client = newest["items"][0]["client"]
        .as_str()
        .expect("a client")
        .to_owned();
    let sealed = get("/api/v1/epochs?limit=2");
    let epoch = sealed["items"][1]["epoch_id"].as_str();
    let mut paths: Vec<String> = [
        "/health",
        "/metrics",
        "/api/v1/stats",
        "/api/v1/info",
        "/api/v1/epochs",
        "/api/v1/epochs/current",
        "/api/v1/jobs",
        "/api/v1/jobs?status=completed",
        "/api/v1/jobs?status=failed",
        "/api/v1/jobs?status=cancelled",
        "/api/v1/jobs?status=pending",
        "/api/v1/workers",
    ]
    .map(String::from)
    .into();
    paths.push(format!("/api/v1/jobs/{job}"));
    paths.push(format!("/api/v1/jobs?client={client}"));
    paths.push(format!("/api/v1/clients/{client}"));
    if let Some(epoch) = epoch {
        paths.push(format!("/api/v1/epochs/{epoch}"));
        paths.push(format!("/api/v1/epochs/{epoch}/jobs"));
        paths.push(format!("/api/v1/epochs/{epoch}/payouts"));
        paths.push(format!("/api/v1/epochs/{epoch}/bundle/jobs/00000.json"));
        paths.push(format!("/api/v1/jobs/{job}/receipt"));
    }
    let mut slowest = (0.0, String::new());
    println!(
        "{:>9} {:>9} {:>9} {:>10}  page ({ASKED} times)",
        "first ms", "median", "longest", "bytes"
    );
    for path in paths {
        let ask = || {
            let started = Instant::now();
            let (status, body) = queen.get(&path);
            (started.elapsed().as_secs_f64() * 1e3, status, body.len())
        };
        let (first, status, bytes) = ask();
        let mut times: Vec<f64> = (1..ASKED).map(|_| ask().0).collect();
        times.sort_by(f64::total_cmp);
        let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{first:>9.1} {median:>9.1} {longest:>9.1} {bytes:>10}  {path} ({status})");
        if median > slowest.0 {
            slowest = (median, path);
        }
    }
    let (resident, peak) = memory(&queen.child.id().to_string());
    println!("{resident} MiB resident, at most {peak}");
    println!(
        "{}",
        json!({ "slowest_median_ms": slowest.0, "page": slowest.1, "rss_peak_mib": peak })
    );
}
