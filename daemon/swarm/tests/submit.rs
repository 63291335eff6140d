//! Submission against a queen of the test's own, because the real one neither cheats nor breaks on demand.

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path as At, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use common::{Run, swarm};
use serde_json::json;
use swarm_chain::devchain::dev_wallet;
use swarm_store::{age, archive};
use swarm_types::api::*;
use swarm_types::digest::{input_digest, manifest_digest, salted};
use swarm_types::eip712::Domain;
use swarm_types::payout::Rates;
use swarm_types::receipt::Execution;
use swarm_types::{Address, B256, EpochId, JobId, MicroUsdc, sha256};

const CHAIN_ID: u64 = 84_532;
const ESCROW: Address = Address::repeat_byte(0xe5);
const QUEEN: usize = 0;
const BEE: usize = 1;
const STRANGER: usize = 2;
const JOB: JobId = JobId { epoch: 1, seq: 1 };
const MASK: &[u8] = b"a mask";

/// What the queen does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Fault {
    #[default]
    None,
    /// Takes the order and never answers.
    Mute,
    /// Names a recipient that the bee did not sign.
    Eavesdrops,
    /// Signs quotes with another key.
    Quotes,
    /// Says that another result is what the bee signed for.
    Swaps,
}

/// One queen with one bee in her.
struct Queen {
    bee: age::Identity,
    fault: Mutex<Fault>,
    blobs: Mutex<HashMap<String, Vec<u8>>>,
    uploaded: Mutex<Vec<String>>,
    submitted: Mutex<Vec<SubmitJob>>,
}

type Shared = State<Arc<Queen>>;

impl Queen {
    async fn start() -> (Arc<Self>, String) {
        let queen = Arc::new(Self {
            bee: age::Identity::generate(),
            fault: Mutex::default(),
            blobs: Mutex::default(),
            uploaded: Mutex::default(),
            submitted: Mutex::default(),
        });
        let routes = Router::new()
            .route("/info", get(info))
            .route("/quotes", post(quote))
            .route("/recipients", get(recipients))
            .route("/blobs/{digest}", put(begin).patch(append).get(blob))
            .route("/jobs", post(submit))
            .route("/jobs/{id}", get(job))
            .route("/jobs/{id}/result", get(result));
        let app = Router::new()
            .nest("/api/v1", routes)
            .with_state(queen.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        (queen, url)
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().expect("whole")
    }

    fn breaks(&self, fault: Fault) {
        *self.fault.lock().expect("whole") = fault;
    }
}

async fn info(State(_): Shared) -> Json<Info> {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    Json(Info {
        name: "test".into(),
        version: "0".into(),
        chain_id: CHAIN_ID,
        escrow: ESCROW,
        token: Address::repeat_byte(2),
        queen: dev_wallet(QUEEN).address(),
        open_epoch: EpochId(1),
        rates: Rates::default(),
        max_order_life_seconds: 86_400,
        max_input_bytes: 1 << 20,
        result_days: 1,
        now: now.as_secs(),
    })
}

async fn quote(State(queen): Shared) -> Json<Quote> {
    let (model, fee, expires_at) = (B256::repeat_byte(4), MicroUsdc(100_000), 4_000_000_000);
    let signer = if queen.fault() == Fault::Quotes {
        STRANGER
    } else {
        QUEEN
    };
    let text = format!("swarm-quote\n{model}\n{}\n{expires_at}", fee.0);
    Json(Quote {
        job_type: "brain_mri".into(),
        model,
        fee,
        fee_usd: fee.dollars(),
        expires_at,
        signature: dev_wallet(signer).sign_message(text.as_bytes()),
    })
}

async fn recipients(State(queen): Shared) -> Json<Vec<Recipient>> {
    let recipient = queen.bee.recipient().to_string();
    let signer = if queen.fault() == Fault::Eavesdrops {
        STRANGER
    } else {
        BEE
    };
    Json(vec![Recipient {
        worker: dev_wallet(BEE).address(),
        signature: dev_wallet(signer).sign_message(recipient_message(&recipient).as_bytes()),
        recipient,
    }])
}

async fn begin(
    State(queen): Shared,
    At(digest): At<String>,
    Json(upload): Json<BlobUpload>,
) -> Json<BlobStatus> {
    let mut blobs = queen.blobs.lock().expect("whole");
    let offset = blobs.entry(digest).or_default().len() as u64;
    Json(BlobStatus {
        offset,
        size: upload.size,
        complete: offset == upload.size,
    })
}

async fn append(State(queen): Shared, At(digest): At<String>, piece: Bytes) -> Json<BlobStatus> {
    let offset = piece.len() as u64;
    queen.uploaded.lock().expect("whole").push(digest.clone());
    queen
        .blobs
        .lock()
        .expect("whole")
        .insert(digest, piece.to_vec());
    Json(BlobStatus {
        offset,
        size: offset,
        complete: true,
    })
}

async fn blob(State(queen): Shared, At(digest): At<String>) -> Vec<u8> {
    queen.blobs.lock().expect("whole")[&digest].clone()
}

async fn submit(State(queen): Shared, Json(request): Json<SubmitJob>) -> Response {
    let domain = Domain::new(CHAIN_ID, ESCROW);
    let signers = request
        .signed_order()
        .signers(&domain)
        .expect("a signature");
    assert!(signers.contains(&request.order.client));
    let known = queen.submitted.lock().expect("whole").contains(&request);
    if !known
        && !queen
            .blobs
            .lock()
            .expect("whole")
            .contains_key(&hex(request.input.sha256))
    {
        let problem = json!({ "type": "urn:swarmos:problem:input-missing", "title": "t", "status": 422, "detail": "d" });
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response();
    }
    queen.submitted.lock().expect("whole").push(request.clone());
    match queen.fault() {
        Fault::Mute => StatusCode::BAD_GATEWAY.into_response(),
        _ => Json(shown(&request)).into_response(),
    }
}

async fn job(State(queen): Shared) -> Json<Job> {
    Json(shown(&queen.submitted.lock().expect("whole")[0]))
}

fn shown(request: &SubmitJob) -> Job {
    let order = &request.order;
    serde_json::from_value(json!({
        "job_id": JOB, "status": "completed", "job_type": "brain_mri", "client": order.client, "client_ens": null,
        "model": order.model, "fee": order.max_fee, "fee_usd": "0.10", "worker": dev_wallet(BEE).address(),
        "attempts": 1, "stage": null, "progress_bps": null, "error": null, "submitted_at": "1", "deadline": "2",
        "settled_in": null, "poe_hash": null,
    }))
    .expect("a job")
}

/// The bee's work: it decrypts, checks what it got against the order, and answers to the client alone.
async fn result(State(queen): Shared) -> Json<JobResult> {
    let request = queen.submitted.lock().expect("whole")[0].clone();
    let sealed = queen.blobs.lock().expect("whole")[&hex(request.input.sha256)].clone();
    let plain = age::decrypt(&sealed, &queen.bee, 1 << 20).expect("it is for the bee");
    let files = archive::unpack(&plain, &archive::ArchiveLimits::default()).expect("a tar");
    assert_eq!(
        salted(&request.salt, &input_digest(&files)),
        request.order.input
    );
    assert!(
        files
            .iter()
            .all(|(_, bytes)| !bytes.windows(8).any(|w| w == b"DOE^JANE"))
    );

    let results = vec![("mask.nii.gz".to_owned(), MASK.to_vec())];
    let mut manifest = manifest_digest(&results);
    let execution = Execution {
        job_epoch: JOB.epoch,
        job_seq: JOB.seq,
        order: request.signed_order().commitment(),
        model: request.order.model,
        input: request.order.input,
        result: salted(&request.salt, &manifest),
        engine: sha256("test/1"),
        device: B256::ZERO,
        started_at: 1,
        completed_at: 2,
        energy_millijoules: u64::MAX,
        power: B256::ZERO,
    };
    if queen.fault() == Fault::Swaps {
        manifest = B256::repeat_byte(9);
    }
    let to = request.reply_to.parse().expect("a recipient");
    let sealed = age::encrypt(&archive::pack(&results).expect("packs"), &[to]).expect("encrypts");
    let blob = BlobRef {
        sha256: sha256(&sealed),
        size: sealed.len() as u64,
    };
    queen
        .blobs
        .lock()
        .expect("whole")
        .insert(hex(blob.sha256), sealed);
    Json(JobResult {
        job_id: JOB,
        result: blob,
        result_ref: String::new(),
        cid: String::new(),
        manifest,
        salt: request.salt,
        worker_signature: dev_wallet(BEE).sign(&execution.digest(&Domain::new(CHAIN_ID, ESCROW))),
        execution,
        engine: "test/1".into(),
        poe_hash: B256::ZERO,
        kept_until: 3,
    })
}

fn hex(digest: B256) -> String {
    swarm_types::hex::encode(digest)
}

/// A client with a key and a scan whose header holds a name.
async fn client(folder: &Path) -> String {
    assert_eq!(
        run(folder, "http://127.0.0.1:1", &["key", "new"])
            .await
            .status,
        0
    );
    let mut scan = common::nifti();
    scan[148..156].copy_from_slice(b"DOE^JANE");
    let path = folder.join("scan.nii");
    std::fs::write(&path, scan).expect("writes");
    path.display().to_string()
}

async fn run(folder: &Path, url: &str, arguments: &[&str]) -> Run {
    let mut all = vec!["--json".to_owned(), "--queen".to_owned(), url.to_owned()];
    all.extend(arguments.iter().map(|word| (*word).to_owned()));
    let home = folder.join("home");
    let program = move || swarm(&home, &all.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(program).await.expect("it ends")
}

fn ciphertexts(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder.join("home/orders")) else {
        return 0;
    };
    entries
        .filter(|e| {
            e.as_ref()
                .is_ok_and(|e| e.path().extension().is_some_and(|x| x == "age"))
        })
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_becomes_one_job_whatever_breaks_and_its_result_is_checked() {
    let folder = tempfile::tempdir().expect("a directory");
    let (queen, url) = Queen::start().await;
    let scan = client(folder.path()).await;
    let submit = ["submit", &scan, "--type", "brain_mri"];

    queen.breaks(Fault::Mute);
    let lost = run(folder.path(), &url, &submit).await;
    assert_eq!(lost.status, 4, "{}", lost.err);
    assert_eq!(
        ciphertexts(folder.path()),
        1,
        "what is needed for another try is kept"
    );

    queen.breaks(Fault::None);
    let found = run(folder.path(), &url, &submit).await;
    assert_eq!(found.json()["job_id"], "job-001-0001", "{}", found.err);
    let submitted = queen.submitted.lock().expect("whole").clone();
    assert!(
        submitted.len() > 1 && submitted.iter().all(|again| *again == submitted[0]),
        "one order, again and again"
    );
    assert_eq!(queen.uploaded.lock().expect("whole").len(), 1);
    assert_eq!(ciphertexts(folder.path()), 0);

    let out = folder.path().join("out").display().to_string();
    let mut fetch = submit.to_vec();
    fetch.extend(["--out", &out]);
    queen.breaks(Fault::Swaps);
    let swapped = run(folder.path(), &url, &fetch).await;
    assert_eq!(swapped.status, 1, "{}", swapped.err);
    assert!(!Path::new(&out).exists());
    queen.breaks(Fault::None);
    let done = run(folder.path(), &url, &fetch).await;
    assert_eq!(
        done.json()["files"],
        json!(["mask.nii.gz", "execution.json"]),
        "{}",
        done.err
    );
    assert_eq!(
        std::fs::read(Path::new(&out).join("mask.nii.gz")).expect("written"),
        MASK
    );
    assert_eq!(
        queen.uploaded.lock().expect("whole").len(),
        1,
        "the same scan is the same job"
    );

    let before = queen.submitted.lock().expect("whole").len();
    fetch.truncate(4);
    fetch.push("--again");
    assert_eq!(run(folder.path(), &url, &fetch).await.status, 0);
    let submitted = queen.submitted.lock().expect("whole").clone();
    assert_eq!(submitted.len(), before + 1);
    assert_ne!(submitted[before].order.nonce, submitted[0].order.nonce);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_a_queen_that_cheats_or_costs_too_much() {
    let folder = tempfile::tempdir().expect("a directory");
    let (queen, url) = Queen::start().await;
    let scan = client(folder.path()).await;
    let submit = ["submit", &scan, "--type", "brain_mri"];
    let escrow = Address::repeat_byte(7).to_string();
    for (fault, more, status) in [
        (Fault::Eavesdrops, &[][..], 1),
        (Fault::Quotes, &[], 1),
        (Fault::None, &["--escrow", &escrow], 1),
        (Fault::None, &["--max-fee", "0.09"], 3),
        (Fault::None, &["--within", "25h"], 2),
    ] {
        queen.breaks(fault);
        let refused = run(folder.path(), &url, &[&submit, more].concat()).await;
        assert_eq!(
            refused.status, status,
            "{fault:?} {more:?}: {}",
            refused.err
        );
        assert!(
            refused.err.contains("nothing was sent") || status == 2,
            "{}",
            refused.err
        );
    }
    assert!(queen.submitted.lock().expect("whole").is_empty());
    assert!(queen.blobs.lock().expect("whole").is_empty());
}
