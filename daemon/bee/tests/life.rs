//! The life of a bee against a queen on loopback. The network is a stand-in that can be held, and can fail; keys,
//! encryption, imaging, requests and signatures are the real ones.

mod common;

use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Client, Keys, Queen, domain, keys};
use swarm_bee::{Bee, BeeError, Input, LadderConfig, Runner};
use swarm_host::warden::{ActError, Acts, Allowed, serve};
use swarm_imaging::{
    Affine, FakePatient, Rescale, SeriesSpec, Volume, Voxels, write_labels, write_series,
};
use swarm_inference::pipeline::Progress;
use swarm_inference::{Considered, EngineKind, PipelineError, Stage};
use swarm_store::{age, archive};
use swarm_types::api::{BeePower, Lease};
use swarm_types::power::{PowerRecord, Quality, Reading};
use swarm_types::{B256, JobId, digest, sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const MODEL: B256 = B256::repeat_byte(0x3d);
const ENGINE: &str = "stand-in 1; f32; none; none";

/// Holds computations until it is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    inside: AtomicUsize,
    most_inside: AtomicUsize,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().expect("lock") = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_inside.fetch_max(inside, Ordering::SeqCst);
        let open = self.open.lock().expect("lock");
        drop(self.opened.wait_while(open, |open| !*open).expect("lock"));
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What the stand-in is said to be preferred to.
static PASSED_OVER: LazyLock<Vec<Considered>> = LazyLock::new(|| {
    let passed = |engine, reason: &str| Considered {
        engine,
        reason: reason.to_owned(),
        detail: Some("libcuda.so.1: cannot open".to_owned()),
    };
    vec![
        passed(EngineKind::TensorrtRtx, "there is no GPU"),
        passed(EngineKind::Cuda, &"x".repeat(200)),
    ]
});

/// Stands in for the network: counts bright voxels. A scan whose first voxel is 13 makes it panic, 14 fail.
struct StandIn(Arc<Gate>);

impl Runner for StandIn {
    fn model(&self) -> B256 {
        MODEL
    }

    fn name(&self) -> String {
        "slow@1.0.0".to_owned()
    }

    fn engine(&self) -> String {
        ENGINE.into()
    }

    fn considered(&self) -> &[Considered] {
        &PASSED_OVER
    }

    fn self_test(&mut self) -> Result<(), PipelineError> {
        Ok(())
    }

    fn run(
        &mut self,
        input: &Input,
        progress: Progress<'_>,
    ) -> Result<Vec<(String, Vec<u8>)>, PipelineError> {
        let Input::Scan(volume) = input else {
            panic!("a scan was sent")
        };
        progress(Stage::Prepare, 1.0);
        self.0.pass();
        match volume.value(0, 0, 0) as u32 {
            13 => panic!("as the test asked"),
            14 => return Err(PipelineError::Windows { count: 9999 }),
            _ => {}
        }
        progress(Stage::Infer, 1.0);
        let bright = volume.to_f32().iter().filter(|v| **v > 0.0).count();
        Ok(vec![(
            "report.json".into(),
            format!("{{\"bright\":{bright}}}").into_bytes(),
        )])
    }
}

fn volume(first: u8) -> Volume {
    let mut voxels = vec![1; 4 * 5 * 6];
    voxels[0] = first;
    Volume::new(
        Voxels::U8(voxels),
        Rescale::IDENTITY,
        [4, 5, 6],
        Affine::IDENTITY,
    )
    .expect("a volume")
}

fn scan(first: u8) -> Vec<(String, Vec<u8>)> {
    let volume = volume(first);
    let Voxels::U8(voxels) = volume.voxels() else {
        panic!("as made above")
    };
    vec![(
        "DOE_JOHN.nii.gz".into(),
        write_labels(&volume, voxels).expect("writes"),
    )]
}

/// A bee that runs, its queen, and a client.
struct Hive {
    queen: Queen,
    client: Client,
    keys: Keys,
    gate: Arc<Gate>,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Hive {
    async fn new() -> Self {
        let queen = Queen::start().await;
        let dir = tempfile::tempdir().expect("dir");
        let keys = keys(dir.path(), &queen);
        Self {
            queen,
            client: Client::new(),
            keys,
            gate: Arc::default(),
            stop: CancellationToken::new(),
            _dir: dir,
        }
    }

    async fn open() -> Self {
        let hive = Self::new().await;
        hive.gate.open();
        hive
    }

    fn start(&self) -> JoinHandle<Result<(), BeeError>> {
        let runners: Vec<Box<dyn Runner>> = vec![Box::new(StandIn(self.gate.clone()))];
        let bee = Bee::with_runners(self.keys.config.clone(), runners).expect("a bee");
        assert_eq!(bee.address(), self.keys.worker);
        tokio::spawn(bee.serve(self.stop.clone()))
    }

    fn lease(&self, seq: u64) -> Lease {
        self.client
            .lease(&self.queen, seq, MODEL, &scan(1), &self.keys.identity)
    }

    fn submit(&self, lease: Lease) {
        self.queen.state().pending.push_back(lease);
    }

    async fn stopped(&self, bee: JoinHandle<Result<(), BeeError>>) {
        self.stop.cancel();
        bee.await.expect("joins").expect("ends well");
    }
}

fn id(seq: u64) -> JobId {
    JobId { epoch: 1, seq }
}

#[tokio::test]
async fn a_job_goes_all_the_way() {
    let hive = Hive::open().await;
    let bee = hive.start();
    let lease = hive.lease(1);
    hive.submit(lease.clone());
    hive.queen
        .until("completed", |queen| queen.completed.len() == 1)
        .await;
    hive.stopped(bee).await;

    let queen = hive.queen.state();
    let (job, done) = &queen.completed[0];
    assert_eq!((*job, &done.token), (id(1), &lease.token));
    let execution = &done.execution;
    assert_eq!(
        execution.signer(&domain(), &done.worker_signature),
        Ok(hive.keys.worker)
    );
    assert_eq!(execution.job(), id(1));
    assert_eq!(execution.order, lease.order.commitment());
    assert_eq!(execution.input, lease.order.order.input);
    assert_eq!(execution.engine, sha256(ENGINE));
    assert_eq!(execution.power, done.power.digest());
    assert!(execution.started_at <= execution.completed_at);
    assert_eq!(execution.energy_millijoules, u64::MAX);
    assert_eq!(
        execution.result,
        digest::salted(&lease.salt, &done.manifest)
    );
    let poe = digest::poe_hash(
        id(1),
        &execution.result,
        &format!("{:#x}", hive.keys.worker),
    );
    assert_eq!(done.poe_hash, poe);

    // Only the client opens the result, and it is what the manifest says.
    let ciphertext = &queen.blobs[&done.result.sha256];
    assert!(age::decrypt(ciphertext, &hive.keys.identity, 1 << 20).is_err());
    let tar = age::decrypt(ciphertext, &hive.client.identity, 1 << 20).expect("decrypts");
    let files = archive::unpack(&tar, &archive::ArchiveLimits::default()).expect("unpacks");
    assert_eq!(digest::manifest_digest(&files), done.manifest);
    assert_eq!(
        files[0],
        ("report.json".into(), b"{\"bright\":120}".to_vec())
    );

    let registration = &queen.registrations[0];
    assert_eq!(registration.models, [MODEL]);
    assert_eq!(
        registration.recipient,
        hive.keys.identity.recipient().to_string()
    );
    assert_eq!(
        queen.signers.iter().collect::<Vec<_>>(),
        [&hive.keys.worker]
    );
    assert!(
        queen
            .progress
            .iter()
            .map(|(_, p)| p.progress_bps)
            .is_sorted()
    );
    assert!(
        queen
            .heartbeats
            .iter()
            .any(|beat| beat.ready && beat.leases.contains(&lease.token))
    );
    assert!(
        queen
            .heartbeats
            .last()
            .is_some_and(|beat| beat.draining && beat.leases.is_empty())
    );
    assert!(queen.failed.is_empty());
}

#[tokio::test]
async fn a_job_says_what_it_ran_on() {
    let hive = Hive::open().await;
    let mix = PowerRecord {
        meter: "site:victron_mqtt".into(),
        quality: Quality::Estimated,
        age_seconds: Some(3),
        solar: Reading::Bps(7_500),
        battery: Reading::Bps(2_000),
        grid: Reading::Bps(500),
    };
    hive.queen.state().power = Some(BeePower {
        state: "normal".into(),
        shut_down: false,
        wake_at: None,
        gpu_limit_percent: 100,
        mix,
    });
    let bee = hive.start();
    hive.queen
        .until("heard", |queen| queen.heartbeats.len() > 1)
        .await;
    hive.submit(hive.lease(1));
    hive.queen
        .until("completed", |queen| queen.completed.len() == 1)
        .await;
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    let (_, done) = &queen.completed[0];
    let power = &done.power;
    assert_eq!(done.execution.power, power.digest());
    assert_eq!(power.meter, "site:victron_mqtt");
    assert_eq!(power.quality, Quality::Estimated);
    let shares = (power.solar, power.battery, power.grid);
    let bps = Reading::Bps;
    assert_eq!(shares, (bps(7_500), bps(2_000), bps(500)));
    assert!(power.age_seconds.is_some_and(|age| age >= 3));
    // The client reads the same in the result, beside a report that says nothing of it.
    let ciphertext = &queen.blobs[&done.result.sha256];
    let tar = age::decrypt(ciphertext, &hive.client.identity, 1 << 20).expect("decrypts");
    let files = archive::unpack(&tar, &archive::ArchiveLimits::default()).expect("unpacks");
    assert_eq!(digest::manifest_digest(&files), done.manifest);
    let file = files.iter().find(|(name, _)| name == "power.json");
    let file: serde_json::Value =
        serde_json::from_slice(&file.expect("power.json").1).expect("JSON");
    assert_eq!(file["solar"]["percent"], 75.0);
    assert_eq!(file["grid"]["quality"], "estimated");
    assert!(files.iter().any(|(name, _)| name == "report.json"));
}

#[tokio::test]
async fn bad_inputs_are_refused_with_reasons_that_hold_nothing_of_the_patient() {
    let hive = Hive::open().await;
    let (queen, client, me) = (&hive.queen, &hive.client, &hive.keys.identity);
    let good = scan(1);
    let other = age::Identity::generate();
    let garbage = |bytes: &[u8], seq| {
        let ciphertext = age::encrypt(bytes, &[me.recipient()]).expect("encrypts");
        client.lease_of(queen, seq, MODEL, sha256(bytes), ciphertext)
    };
    let tar = archive::pack(&good).expect("packs");
    let sealed = age::encrypt(&tar, &[me.recipient()]).expect("encrypts");
    let mut bent = sealed.clone();
    *bent.last_mut().expect("bytes") ^= 1;
    let identified = write_series(&volume(1), &SeriesSpec::default()).expect("series");
    let text = vec![(
        "DOE_JOHN.txt".to_string(),
        b"JOHN DOE, born 1970-01-01".to_vec(),
    )];
    let twice = [tar.strip_suffix(&[0; 1024]).expect("end"), &tar].concat();
    let mut no_reply = client.lease(queen, 11, MODEL, &good, me);
    no_reply.reply_to = "age1nobody".into();

    let cases = [
        (
            client.lease(queen, 1, MODEL, &good, &other),
            true,
            "not encrypted to this bee",
        ),
        (
            client.lease_of(queen, 2, MODEL, sha256(b"another"), sealed),
            false,
            "not the one that the order names",
        ),
        (
            client.lease_of(queen, 3, MODEL, digest::input_digest(&good), bent),
            false,
            "not a whole age file",
        ),
        (garbage(b"no tar", 4), false, "not a tar"),
        (garbage(&twice, 5), false, "not a tar"),
        (
            client.lease(queen, 6, MODEL, &identified, me),
            false,
            "identifies its patient",
        ),
        (client.lease(queen, 7, MODEL, &text, me), false, "file 1"),
        (
            client.lease(queen, 8, B256::ZERO, &good, me),
            true,
            "does not have the model",
        ),
        (
            client.lease(queen, 9, MODEL, &scan(14), me),
            false,
            "windows",
        ),
        (no_reply, false, "reply_to"),
        (
            client.lease(queen, 10, MODEL, &scan(13), me),
            true,
            "the engine crashed",
        ),
    ];
    let patient = FakePatient::default();
    let bee = hive.start();
    for (lease, retryable, words) in cases {
        let job = lease.job_id;
        hive.submit(lease);
        hive.queen
            .until("failed", |queen| {
                queen.failed.iter().any(|(failed, _)| *failed == job)
            })
            .await;
        let failed = hive.queen.state().failed.last().expect("failed").1.clone();
        assert_eq!(failed.retryable, retryable, "{job}: {}", failed.reason);
        assert!(failed.reason.contains(words), "{job}: {}", failed.reason);
        let reason = failed.reason.to_uppercase();
        for secret in ["DOE_", "DOE,", "JOHN", "1970", ".DCM", ".NII"] {
            assert!(!reason.contains(secret), "{job}: {}", failed.reason);
        }
        for secret in [
            &patient.name,
            &patient.id,
            &patient.birth_date,
            &patient.institution,
        ] {
            assert!(!failed.reason.contains(secret), "{job}: {}", failed.reason);
        }
    }
    // A bee whose engine crashed, as with the last of these, is not ready until its self-test passes again.
    hive.queen
        .until("not ready", |queen| {
            queen.heartbeats.last().is_some_and(|beat| !beat.ready)
        })
        .await;
    assert!(hive.queen.state().completed.is_empty());
    hive.stopped(bee).await;
}

#[tokio::test]
async fn the_next_input_comes_while_the_engine_computes_and_no_more() {
    let hive = Hive::new().await;
    let bee = hive.start();
    let leases: Vec<_> = (1..=4).map(|seq| hive.lease(seq)).collect();
    let inputs: Vec<_> = leases.iter().map(|lease| lease.input.sha256).collect();
    for lease in leases {
        hive.submit(lease);
    }
    hive.queen
        .until("the second input", |queen| {
            queen.fetched.contains(&inputs[1])
        })
        .await;
    // Two places: one computes, one waits with its input. The others stay with the queen.
    hive.queen
        .until("two heartbeats later", |queen| {
            let both = |beat: &&swarm_types::api::Heartbeat| beat.leases.len() == 2;
            queen.heartbeats.iter().filter(both).count() >= 2
        })
        .await;
    assert_eq!(hive.queen.state().leased, [id(1), id(2)]);
    hive.gate.open();
    hive.queen
        .until("all four", |queen| queen.completed.len() == 4)
        .await;
    assert_eq!(hive.gate.most_inside.load(Ordering::SeqCst), 1);
    hive.stopped(bee).await;
}

#[tokio::test]
async fn a_lost_lease_is_dropped_and_the_next_job_taken() {
    let hive = Hive::new().await;
    let bee = hive.start();
    let lease = hive.lease(1);
    hive.submit(lease.clone());
    hive.queen
        .until("computing", |queen| {
            queen.progress.iter().any(|(_, p)| p.stage == "prepare")
        })
        .await;
    hive.queen.state().lost.push(lease.token.clone());
    hive.queen
        .until("dropped", |queen| {
            queen.lost.is_empty()
                && queen
                    .heartbeats
                    .last()
                    .is_some_and(|beat| beat.leases.is_empty())
        })
        .await;
    hive.gate.open();
    hive.submit(hive.lease(2));
    hive.queen
        .until("the next", |queen| queen.completed.len() == 1)
        .await;
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    assert_eq!(queen.completed[0].0, id(2));
    assert!(queen.failed.is_empty());
}

#[tokio::test]
async fn a_queen_who_is_away_or_loses_answers_costs_nothing() {
    let hive = Hive::open().await;
    hive.queen.state().away = true;
    hive.queen.state().lose_completions = 6;
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen.until("tries", |queen| queen.refused >= 2).await;
    assert!(hive.queen.state().registrations.is_empty());
    hive.queen.state().away = false;
    hive.queen
        .until("answered", |queen| queen.lose_completions == 0)
        .await;
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    assert_eq!(queen.completed.len(), 1);
    assert!(queen.failed.is_empty());
}

#[tokio::test]
async fn a_restarted_bee_goes_on_with_its_leases() {
    let hive = Hive::open().await;
    let adopt: Vec<_> = (1..=3).map(|seq| hive.lease(seq)).collect();
    let tokens: Vec<_> = adopt.iter().map(|lease| lease.token.clone()).collect();
    hive.queen.state().adopt = adopt;
    let bee = hive.start();
    hive.queen
        .until("all three", |queen| queen.completed.len() == 3)
        .await;
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    assert!(queen.leased.is_empty());
    // The first heartbeat renews all of them, also those that still wait for a place.
    let first = &queen.heartbeats[0];
    assert!(tokens.iter().all(|token| first.leases.contains(token)));
}

#[tokio::test]
async fn a_bee_works_when_it_is_approved_and_rests_when_the_operator_says() {
    let hive = Hive::open().await;
    hive.queen.state().approved = false;
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen
        .until("heard", |queen| queen.heartbeats.len() >= 2)
        .await;
    assert!(hive.queen.state().leased.is_empty());
    hive.queen.state().approved = true;
    hive.queen
        .until("completed", |queen| queen.completed.len() == 1)
        .await;

    hive.queen.state().drain = true;
    // A poll that was open when the operator spoke may still bring a job; none follows it.
    hive.queen
        .until("drains", |queen| {
            queen.polling == 0 && queen.heartbeats.last().is_some_and(|beat| beat.draining)
        })
        .await;
    hive.submit(hive.lease(2));
    let beats = hive.queen.state().heartbeats.len();
    hive.queen
        .until("two beats later", |queen| {
            queen.heartbeats.len() >= beats + 2
        })
        .await;
    assert_eq!(hive.queen.state().leased, [id(1)]);
    hive.queen.state().drain = false;
    hive.queen
        .until("again", |queen| queen.completed.len() == 2)
        .await;
    hive.stopped(bee).await;
}

#[tokio::test]
async fn a_drain_finishes_what_the_bee_has_and_takes_nothing_new() {
    let hive = Hive::new().await;
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen
        .until("computing", |queen| {
            queen.progress.iter().any(|(_, p)| p.stage == "prepare")
        })
        .await;
    hive.stop.cancel();
    hive.queen
        .until("says so", |queen| {
            queen.heartbeats.last().is_some_and(|beat| beat.draining)
        })
        .await;
    hive.submit(hive.lease(2));
    hive.gate.open();
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    assert_eq!(
        queen
            .completed
            .iter()
            .map(|(job, _)| *job)
            .collect::<Vec<_>>(),
        [id(1)]
    );
    assert_eq!(queen.leased, [id(1)]);
    assert!(queen.failed.is_empty());
}

#[tokio::test]
async fn what_is_not_done_by_the_deadline_is_given_back() {
    let mut hive = Hive::new().await;
    hive.keys.config.drain_deadline = Duration::from_millis(100);
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen
        .until("computing", |queen| {
            queen.progress.iter().any(|(_, p)| p.stage == "prepare")
        })
        .await;
    hive.stopped(bee).await;
    let queen = hive.queen.state();
    let (job, failed) = &queen.failed[0];
    assert_eq!((*job, failed.retryable), (id(1), true));
    assert!(queen.completed.is_empty());
    // Lets the thread end, which nothing waits for.
    hive.gate.open();
}

#[tokio::test]
async fn a_queen_with_another_memory_hears_of_the_bee_again() {
    let hive = Hive::open().await;
    let bee = hive.start();
    hive.queen
        .until("heard", |queen| !queen.heartbeats.is_empty())
        .await;
    {
        let mut queen = hive.queen.state();
        queen.registrations.clear();
        queen.heartbeats.clear();
    }
    hive.queen
        .until("heard again", |queen| !queen.heartbeats.is_empty())
        .await;
    assert_eq!(hive.queen.state().registrations.len(), 1);
    hive.stopped(bee).await;
}

#[tokio::test]
async fn a_wrong_configuration_names_every_field() {
    let mut hive = Hive::new().await;
    hive.keys.config.concurrency = 0;
    hive.keys.config.name.clear();
    let refused = Bee::with_runners(hive.keys.config.clone(), Vec::new());
    assert!(matches!(refused, Err(BeeError::Config(problems)) if problems.len() == 2));
}

#[tokio::test]
async fn the_page_of_metrics_counts_jobs_for_a_prometheus_parser() {
    let mut hive = Hive::open().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    hive.keys.config.metrics = Some(address);
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen
        .until("completed", |queen| queen.completed.len() == 1)
        .await;
    // The heartbeat after the job: the bee has counted it by then.
    hive.queen
        .until("idle", |queen| {
            let last = queen.heartbeats.last();
            last.is_some_and(|beat| beat.ready && beat.leases.is_empty()) && queen.polling == 1
        })
        .await;

    let mut page = tokio::net::TcpStream::connect(address)
        .await
        .expect("connects");
    let request = b"GET /metrics HTTP/1.1\r\nhost: bee\r\nconnection: close\r\n\r\n";
    page.write_all(request).await.expect("asks");
    let mut answer = String::new();
    page.read_to_string(&mut answer).await.expect("answers");
    let (head, text) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let scrape = prometheus_parse::Scrape::parse(text.lines().map(|line| Ok(line.to_owned())));
    let scrape = scrape.expect("parses");
    let value = |name: &str| {
        let sample = scrape.samples.iter().find(|sample| sample.metric == name);
        sample.map(|sample| {
            assert!(scrape.docs.contains_key(name), "{name} has no help");
            match sample.value {
                prometheus_parse::Value::Counter(value) | prometheus_parse::Value::Gauge(value) => {
                    value
                }
                _ => panic!("{name} has no type"),
            }
        })
    };
    assert_eq!(value("swarm_bee_completions_total"), Some(1.0), "{text}");
    assert_eq!(value("swarm_bee_failures_total"), Some(0.0));
    assert_eq!(value("swarm_bee_ready"), Some(1.0));
    assert_eq!(
        value("swarm_bee_jobs_measured_total"),
        Some(0.0),
        "no meter: energy is unknown"
    );
    let engines = |name: &str| -> Vec<[String; 4]> {
        let samples = scrape.samples.iter().filter(|sample| sample.metric == name);
        let label = |sample: &prometheus_parse::Sample, name| {
            sample.labels.get(name).unwrap_or_default().to_owned()
        };
        let of = |sample| ["model", "digest", "engine", "reason"].map(|name| label(sample, name));
        samples.map(of).collect()
    };
    let (model, digest) = ("slow@1.0.0".to_owned(), MODEL.to_string());
    let of =
        |engine: &str, reason: String| [model.clone(), digest.clone(), engine.to_owned(), reason];
    assert_eq!(
        engines("swarm_engine_info"),
        [of(ENGINE.split(' ').next().expect("a word"), String::new())]
    );
    assert_eq!(
        engines("swarm_engine_passed_over"),
        [
            of("tensorrt-rtx", "there is no GPU".to_owned()),
            of("onnxruntime-cuda", "x".repeat(120)),
        ],
        "short, and without what a library said"
    );
    assert!(!text.contains("libcuda"), "{text}");
    assert!(
        value("swarm_gpu_driver").is_some(),
        "also on a box without a GPU"
    );
    hive.stopped(bee).await;
}

/// Notes what the warden is asked for, instead of doing it to the machine that runs the tests.
struct Noted(std::sync::mpsc::Sender<String>);

impl Acts for Noted {
    fn gpu_power_range(&mut self, _: &str) -> Result<Option<RangeInclusive<u32>>, ActError> {
        Ok(None)
    }

    fn set_gpu_power_limit(&mut self, _: &str, _: u32) -> Result<(), ActError> {
        Ok(())
    }

    fn set_wake_timer(&mut self, time: Duration) -> Result<(), ActError> {
        let minutes = time.as_secs().div_ceil(60);
        self.0
            .send(format!("wake in {minutes} min"))
            .expect("heard");
        Ok(())
    }

    fn power_off(&mut self) -> Result<(), ActError> {
        self.0.send("off".into()).expect("heard");
        Ok(())
    }
}

#[tokio::test]
async fn a_box_that_may_switches_itself_off_when_its_job_is_done() {
    let mut hive = Hive::new().await;
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("warden.sock");
    let listener = tokio::net::UnixListener::bind(&socket).expect("binds");
    let owner = std::fs::metadata(&socket).expect("there").uid();
    let (tell, told) = std::sync::mpsc::channel();
    let warden = tokio::spawn(async move {
        let me = Allowed::ids([owner]);
        let mut acts = Noted(tell);
        serve(&listener, &me, &mut acts, Duration::from_secs(3600)).await
    });
    hive.keys.config.power = LadderConfig {
        shut_down: true,
        gpu_watts: None,
        warden: Some(socket),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let in_an_hour = now.expect("after 1970").as_secs() + 3600;
    let power = BeePower {
        state: "critical".into(),
        shut_down: true,
        wake_at: Some(in_an_hour),
        gpu_limit_percent: 100,
        mix: PowerRecord::unknown(),
    };
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen
        .until("computing", |queen| {
            queen.progress.iter().any(|(_, p)| p.stage == "prepare")
        })
        .await;
    // Energy runs out while a job is at work: it is waited for.
    hive.queen.state().power = Some(power);
    let beats = hive.queen.state().heartbeats.len();
    hive.queen
        .until("told twice", |queen| queen.heartbeats.len() > beats + 2)
        .await;
    assert!(
        told.try_recv().is_err(),
        "nothing is asked while a job is at work"
    );
    hive.gate.open();
    hive.queen
        .until("completed", |queen| queen.completed.len() == 1)
        .await;
    let off = tokio::task::spawn_blocking(move || {
        let long = Duration::from_secs(30);
        [told.recv_timeout(long), told.recv_timeout(long)]
    });
    let off = off
        .await
        .expect("no panic")
        .map(|said| said.expect("asked"));
    assert_eq!(off, ["wake in 60 min", "off"]);
    hive.stopped(bee).await;
    warden.abort();
}
