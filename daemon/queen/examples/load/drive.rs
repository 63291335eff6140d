//! What is sent, and what is printed of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alloy::signers::SignerSync;
use alloy::signers::local::Secp256k1Signer;
use serde_json::json;
use swarm_types::api::{
    CompleteJob, CompleteJobs, Completions, Lease, LeaseRequest, Leases, SubmitJob,
};
use swarm_types::digest::{poe_hash, salted};
use swarm_types::eip712::Domain;
use swarm_types::power::PowerRecord;
use swarm_types::receipt::{ENERGY_UNKNOWN, Execution};
use swarm_types::sha256;
use tokio::time::sleep_until;

use crate::Options;
use crate::http::{Connection, post};
use crate::measure::{Times, cpu_seconds, rss_mib};
use crate::parties::{self, domain, now};
use crate::serve::Served;

/// Jobs that wait for a bee, over which clients hold back in `whole`.
const AHEAD_MAX: u64 = 4_000;
/// Pause of a client that holds back, and of a bee that found no work.
const PAUSE: Duration = Duration::from_millis(2);

type Sign = fn(u64, &Secp256k1Signer, &Domain) -> SubmitJob;

/// Signed requests of `count` orders, clients in turn; made on all cores.
fn signed(count: u64, signers: u64, path: &'static str, sign: Sign) -> Arc<[Vec<u8>]> {
    let started = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let make = move |thread: u64| {
        let domain = domain();
        let keys: Vec<_> = (0..signers).map(parties::client).collect();
        let mine = (thread..count).step_by(threads as usize);
        let one = |number: u64| {
            let client = number % signers;
            let job = sign(client, &keys[client as usize], &domain);
            post(path, "", &serde_json::to_vec(&job).expect("plain data"))
        };
        mine.map(one).collect::<Vec<_>>()
    };
    let threads: Vec<_> = (0..threads)
        .map(|thread| std::thread::spawn(move || make(thread)))
        .collect();
    let orders: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("signed"))
        .collect();
    let seconds = started.elapsed().as_secs_f64();
    println!("{count} orders of {signers} clients signed in {seconds:.1} s");
    orders.into()
}

/// Sends orders until the time is over or all are sent; gives the times of the answers.
async fn send(
    address: &str,
    orders: &Arc<[Vec<u8>]>,
    connections: u64,
    until: Instant,
    wait: Arc<dyn Fn() -> bool + Send + Sync>,
) -> Times {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (orders, next, wait) = (orders.clone(), next.clone(), wait.clone());
        let mut connection = Connection::open(address).await;
        tasks.push(tokio::spawn(async move {
            let mut times = Times::default();
            while Instant::now() < until {
                if wait() {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                let Some(order) = orders.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                let asked = Instant::now();
                let (status, body) = connection.ask(order).await;
                assert_eq!(status, 201, "{}", String::from_utf8_lossy(body));
                times.add(asked.elapsed());
            }
            times
        }));
    }
    let mut times = Times::default();
    for task in tasks {
        times.merge(task.await.expect("a client"));
    }
    times
}

fn report(
    served: &Served,
    cpu_before: f64,
    count: usize,
    seconds: f64,
    what: &str,
    times: &mut Times,
) {
    let cpu = cpu_seconds(served.pid()) - cpu_before;
    let rate = count as f64 / seconds;
    let (rss, _) = rss_mib(served.pid());
    let (p50, p99) = (times.millis(0.5), times.millis(0.99));
    println!(
        "{count} {what} in {seconds:.1} s; submit p50 {p50:.1} ms, p99 {p99:.1} ms; the queen: {:.0} µs of CPU each, {rss:.0} MiB",
        cpu * 1e6 / count as f64
    );
    let line = json!({ "per_second": rate, "p50_ms": p50, "p99_ms": p99,
        "cpu_us": cpu * 1e6 / count as f64, "rss_mib": rss });
    println!("{line}");
}

/// Signed submissions alone.
pub async fn submit(options: &Options) {
    let count = (options.signed_each_second as f64 * options.seconds) as u64;
    let orders = signed(count, options.signers, "/api/v1/jobs", parties::order);
    let served = Served::start(options);
    let cpu = cpu_seconds(served.pid());
    let started = Instant::now();
    let until = started + options.time();
    let mut times = send(
        &served.address,
        &orders,
        options.connections,
        until,
        Arc::new(|| false),
    )
    .await;
    let seconds = started.elapsed().as_secs_f64();
    let count = times.count();
    report(&served, cpu, count, seconds, "submissions", &mut times);
    served.stop(&options.folder);
}

/// The same to the peer.
pub async fn peer(options: &Options) {
    let count = (options.signed_each_second as f64 * options.seconds) as u64;
    let orders = signed(count, options.signers, "/jobs", parties::peer_order);
    let started = Instant::now();
    let until = started + options.time();
    let mut times = send(
        &options.url,
        &orders,
        options.connections,
        until,
        Arc::new(|| false),
    )
    .await;
    let rate = times.count() as f64 / started.elapsed().as_secs_f64();
    let (p50, p99) = (times.millis(0.5), times.millis(0.99));
    println!(
        "{}",
        json!({ "per_second": rate, "p50_ms": p50, "p99_ms": p99 })
    );
}

/// Submissions at a fixed rate, each timed from the moment at which it was due.
pub async fn latency(options: &Options) {
    let count = (options.rate as f64 * options.seconds) as u64;
    let orders = signed(count, options.signers, "/api/v1/jobs", parties::order);
    let served = Served::start(options);
    let cpu = cpu_seconds(served.pid());
    let next = Arc::new(AtomicUsize::new(0));
    let mut connections = Vec::new();
    for _ in 0..options.connections {
        connections.push(Connection::open(&served.address).await);
    }
    let started = Instant::now();
    let rate = options.rate as f64;
    let tasks = connections.into_iter().map(|mut connection| {
        let (orders, next) = (orders.clone(), next.clone());
        tokio::spawn(async move {
            let mut times = Times::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(order) = orders.get(number) else {
                    return times;
                };
                let due = started + Duration::from_secs_f64(number as f64 / rate);
                // A connection that is late sends at once, and its lateness counts.
                sleep_until(due.into()).await;
                let (status, body) = connection.ask(order).await;
                assert_eq!(status, 201, "{}", String::from_utf8_lossy(body));
                times.add(due.elapsed());
            }
        })
    });
    let mut times = Times::default();
    for task in tasks.collect::<Vec<_>>() {
        times.merge(task.await.expect("a client"));
    }
    let seconds = started.elapsed().as_secs_f64();
    let count = times.count();
    report(&served, cpu, count, seconds, "submissions", &mut times);
    served.stop(&options.folder);
}

/// Many open jobs, and the memory that the queen holds.
pub async fn memory(options: &Options) {
    let orders = signed(
        options.jobs,
        options.signers,
        "/api/v1/jobs",
        parties::order,
    );
    let served = Served::start(options);
    let (before, _) = rss_mib(served.pid());
    let until = Instant::now() + Duration::from_secs(600);
    let times = send(
        &served.address,
        &orders,
        options.connections,
        until,
        Arc::new(|| false),
    )
    .await;
    let (after, most) = rss_mib(served.pid());
    println!(
        "{} jobs are open; the queen holds {after:.0} MiB (at most {most:.0}; {before:.0} before)",
        times.count()
    );
    println!(
        "{}",
        json!({ "open_jobs": times.count(), "rss_mib": after, "rss_mib_max": most, "rss_mib_before": before })
    );
    served.stop(&options.folder);
}

/// The whole way of jobs: submitted, leased, completed.
pub async fn whole(options: &Options) {
    let count = (options.signed_each_second as f64 * options.seconds) as u64;
    let orders = signed(count, options.signers, "/api/v1/jobs", parties::order);
    let anchors = signed(
        options.signers,
        options.signers,
        "/api/v1/jobs",
        parties::order,
    );
    let mut served = Served::start(options);
    // One job of each client stays open, so that the input that its jobs share is kept.
    let later = Instant::now() + Duration::from_secs(60);
    send(
        &served.address,
        &anchors,
        options.connections,
        later,
        Arc::new(|| false),
    )
    .await;
    served.hold(options.signers);

    let cpu = cpu_seconds(served.pid());
    let submitted = Arc::new(AtomicU64::new(0));
    let completed = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let until = started + options.time();
    let bees: Vec<_> = (0..options.bees)
        .map(|number| {
            let (address, completed) = (served.address.clone(), completed.clone());
            let batch = options.batch;
            tokio::spawn(async move { work(&address, number, batch, until, &completed).await })
        })
        .collect();
    let (ahead_of, behind) = (submitted.clone(), completed.clone());
    let wait = Arc::new(move || {
        if ahead_of.load(Ordering::Relaxed) > behind.load(Ordering::Relaxed) + AHEAD_MAX {
            return true;
        }
        ahead_of.fetch_add(1, Ordering::Relaxed);
        false
    });
    let mut times = send(&served.address, &orders, options.connections, until, wait).await;
    for bee in bees {
        bee.await.expect("a bee");
    }
    let seconds = started.elapsed().as_secs_f64();
    let done = completed.load(Ordering::Relaxed) as usize;
    report(&served, cpu, done, seconds, "jobs completed", &mut times);
    served.stop(&options.folder);
}

/// A bee that leases and completes until the time is over.
async fn work(address: &str, number: u64, batch: u32, until: Instant, completed: &AtomicU64) {
    let (key, domain) = (parties::bee(number), domain());
    let mut connection = Connection::open(address).await;
    let ask = LeaseRequest {
        wait_seconds: 0,
        jobs_max: batch,
    };
    let ask = serde_json::to_vec(&ask).expect("plain data");
    while Instant::now() < until {
        let request = parties::signed_post(&key, "/api/v1/workers/lease", &ask);
        let (status, body) = connection.ask(&request).await;
        if status == 204 {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
        let Leases { leases } = serde_json::from_slice(body).expect("leases");
        let run = |lease: &Lease| execute(lease, number, &key, &domain);
        let done = CompleteJobs {
            jobs: leases.iter().map(run).collect(),
        };
        let body = serde_json::to_vec(&done).expect("plain data");
        let request = parties::signed_post(&key, "/api/v1/workers/complete", &body);
        let (status, body) = connection.ask(&request).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
        let Completions { jobs } = serde_json::from_slice(body).expect("completions");
        for one in &jobs {
            assert_eq!(one.problem, None);
        }
        completed.fetch_add(jobs.len() as u64, Ordering::Relaxed);
    }
}

/// States and signs what a bee would have run.
fn execute(lease: &Lease, bee: u64, key: &Secp256k1Signer, domain: &Domain) -> CompleteJob {
    let power = PowerRecord::unknown();
    let manifest = sha256(lease.job_id.seq.to_be_bytes());
    let execution = Execution {
        job_epoch: lease.job_id.epoch,
        job_seq: lease.job_id.seq,
        order: lease.order.commitment(),
        model: lease.order.order.model,
        input: lease.order.order.input,
        result: salted(&lease.salt, &manifest),
        engine: sha256(parties::ENGINE),
        device: sha256("cpu:bench"),
        started_at: now(),
        completed_at: now(),
        energy_millijoules: ENERGY_UNKNOWN,
        power: power.digest(),
    };
    let signature = key
        .sign_hash_sync(&execution.digest(domain))
        .expect("signs");
    CompleteJob {
        token: lease.token.clone(),
        worker_signature: signature.into(),
        result: parties::result(bee),
        manifest,
        engine: parties::ENGINE.into(),
        power,
        poe_hash: poe_hash(
            lease.job_id,
            &execution.result,
            &format!("{:#x}", key.address()),
        ),
        execution_ms: 12,
        execution,
    }
}
