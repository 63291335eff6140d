//! A queen on loopback that speaks the bee's part of the API, keeps everything in memory, and can be told to misbehave.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path as UrlPath, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use axum::{Json, Router};
use swarm_bee::BeeConfig;
use swarm_host::keys;
use swarm_store::{age, archive};
use swarm_types::api::*;
use swarm_types::eip712::Domain;
use swarm_types::order::{Order, SignedOrder};
use swarm_types::problem::Problem;
use swarm_types::request::{
    HEADER_ADDRESS, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIMESTAMP, RequestToSign,
};
use swarm_types::{Address, B256, JobId, MicroUsdc, Signature65, digest, hex, sha256};

pub const CHAIN_ID: u64 = 84532;
pub const ESCROW: Address = Address::repeat_byte(0xe5);
/// Far in the future, as orders of a test should be.
const DEADLINE: u64 = 4_000_000_000;

/// What the queen holds, saw, and was told to do.
#[derive(Default)]
pub struct State_ {
    /// Every request fails, as when she restarts.
    pub away: bool,
    /// Requests that failed because she was away.
    pub refused: u32,
    /// Polls for work that wait now.
    pub polling: u32,
    pub approved: bool,
    pub drain: bool,
    /// Told with every heartbeat.
    pub power: Option<BeePower>,
    /// Waiting for a bee.
    pub pending: VecDeque<Lease>,
    /// Told to the bee with its registration.
    pub adopt: Vec<Lease>,
    /// Told to the bee with its next heartbeat.
    pub lost: Vec<String>,
    /// Completions that are taken, but answered with an error.
    pub lose_completions: u32,
    pub blobs: HashMap<B256, Vec<u8>>,
    uploads: HashMap<B256, (u64, Vec<u8>)>,
    pub registrations: Vec<RegisterWorker>,
    pub heartbeats: Vec<Heartbeat>,
    pub leased: Vec<JobId>,
    pub fetched: Vec<B256>,
    pub progress: Vec<(JobId, JobProgress)>,
    pub completed: Vec<(JobId, CompleteJob)>,
    pub failed: Vec<(JobId, FailJob)>,
    pub signers: HashSet<Address>,
    nonces: HashSet<u64>,
}

/// A queen that runs until the test ends.
#[derive(Clone)]
pub struct Queen {
    state: Arc<Mutex<State_>>,
    pub url: String,
}

impl Queen {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State_ {
            approved: true,
            ..State_::default()
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let router = router(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { state, url }
    }

    pub fn state(&self) -> MutexGuard<'_, State_> {
        self.state.lock().expect("lock")
    }

    /// Waits until `seen` holds. Fails after a time that only a bee which hangs would need.
    pub async fn until(&self, what: &str, seen: impl Fn(&State_) -> bool) {
        for _ in 0..3000 {
            if seen(&self.state()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never: {what}");
    }
}

type Shared = Arc<Mutex<State_>>;

fn router(state: Shared) -> Router {
    let api = Router::new()
        .route("/workers/register", post(register))
        .route("/workers/heartbeat", post(heartbeat))
        .route("/workers/lease", post(lease))
        .route("/jobs/{id}/progress", post(progress))
        .route("/jobs/{id}/complete", post(complete))
        .route("/jobs/{id}/fail", post(fail))
        .route("/blobs/{sha256}", put(begin).patch(append).get(download))
        .layer(DefaultBodyLimit::max(BLOB_PIECE_BYTES_MAX))
        .with_state(state.clone());
    let check = axum::middleware::from_fn_with_state(state, check);
    Router::new().nest("/api/v1", api).layer(check)
}

/// Checks the signature as a queen does.
async fn check(
    State(state): State<Shared>,
    request: Request,
    next: axum::middleware::Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.expect("body");
    {
        let mut state = state.lock().expect("lock");
        if state.away {
            state.refused += 1;
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    let text = |name: &str| parts.headers[name].to_str().expect("text").to_owned();
    let nonce = text(HEADER_NONCE).parse().expect("number");
    let signed = RequestToSign {
        method: parts.method.as_str(),
        path: parts.uri.path_and_query().expect("path").as_str(),
        body: sha256(&body),
        timestamp: text(HEADER_TIMESTAMP).parse().expect("number"),
        nonce,
    };
    let signer = signed
        .signer(&text(HEADER_SIGNATURE).parse().expect("reads"))
        .expect("recovers");
    assert_eq!(format!("{signer:#x}"), text(HEADER_ADDRESS));
    {
        let mut state = state.lock().expect("lock");
        assert!(state.nonces.insert(nonce), "a nonce was used twice");
        state.signers.insert(signer);
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

async fn register(
    State(state): State<Shared>,
    Json(worker): Json<RegisterWorker>,
) -> Json<Registered> {
    let mut state = state.lock().expect("lock");
    state.registrations.push(worker);
    let leases = std::mem::take(&mut state.adopt);
    Json(Registered {
        approval: approval(&state),
        payee: None,
        leases,
        chain_id: CHAIN_ID,
        escrow: ESCROW,
    })
}

fn approval(state: &State_) -> Approval {
    if state.approved {
        Approval::Approved
    } else {
        Approval::Waiting
    }
}

async fn heartbeat(State(state): State<Shared>, Json(beat): Json<Heartbeat>) -> Response {
    let mut state = state.lock().expect("lock");
    if state.registrations.is_empty() {
        return refuse(403, "not-registered");
    }
    state.heartbeats.push(beat);
    let answer = HeartbeatAnswer {
        approval: approval(&state),
        drain: state.drain,
        lost: std::mem::take(&mut state.lost),
        next_seconds: 1,
        power: state.power.clone(),
    };
    Json(answer).into_response()
}

async fn lease(State(state): State<Shared>, Json(request): Json<LeaseRequest>) -> Response {
    assert!(u64::from(request.wait_seconds) <= POLL_SECONDS_MAX);
    state.lock().expect("lock").polling += 1;
    let lease = wait_for_work(&state).await;
    state.lock().expect("lock").polling -= 1;
    match lease {
        Some(lease) => Json(Leases {
            leases: vec![lease],
        })
        .into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn wait_for_work(state: &Shared) -> Option<Lease> {
    for _ in 0..20 {
        {
            let mut state = state.lock().expect("lock");
            assert!(state.approved, "a bee that is not approved asked for work");
            if let Some(lease) = state.pending.pop_front() {
                state.leased.push(lease.job_id);
                return Some(lease);
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

async fn progress(
    State(state): State<Shared>,
    UrlPath(id): UrlPath<String>,
    Json(body): Json<JobProgress>,
) {
    let id = id.parse().expect("job id");
    state.lock().expect("lock").progress.push((id, body));
}

async fn complete(
    State(state): State<Shared>,
    UrlPath(id): UrlPath<String>,
    Json(body): Json<CompleteJob>,
) -> Response {
    let mut state = state.lock().expect("lock");
    let id: JobId = id.parse().expect("job id");
    match state.completed.iter().find(|(done, _)| *done == id) {
        Some((_, before)) => assert_eq!(before, &body, "a repetition says something else"),
        None => state.completed.push((id, body)),
    }
    if state.lose_completions > 0 {
        state.lose_completions -= 1;
        return StatusCode::BAD_GATEWAY.into_response();
    }
    Json(job(id)).into_response()
}

async fn fail(
    State(state): State<Shared>,
    UrlPath(id): UrlPath<String>,
    Json(body): Json<FailJob>,
) {
    let id = id.parse().expect("job id");
    state.lock().expect("lock").failed.push((id, body));
}

async fn begin(
    State(state): State<Shared>,
    UrlPath(id): UrlPath<String>,
    Json(upload): Json<BlobUpload>,
) -> Json<BlobStatus> {
    let id: B256 = format!("0x{id}").parse().expect("digest");
    let mut state = state.lock().expect("lock");
    let (size, bytes) = state.uploads.entry(id).or_insert((upload.size, Vec::new()));
    Json(status(*size, bytes))
}

fn status(size: u64, bytes: &[u8]) -> BlobStatus {
    let offset = bytes.len() as u64;
    BlobStatus {
        offset,
        size,
        complete: offset == size,
    }
}

async fn append(
    State(state): State<Shared>,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
    piece: Bytes,
) -> Response {
    let id: B256 = format!("0x{id}").parse().expect("digest");
    let mut state = state.lock().expect("lock");
    let (size, bytes) = state.uploads.get_mut(&id).expect("begun");
    let offset: usize = headers[HEADER_UPLOAD_OFFSET]
        .to_str()
        .expect("text")
        .parse()
        .expect("number");
    assert_eq!(offset, bytes.len());
    bytes.extend_from_slice(&piece);
    let status = status(*size, bytes);
    if status.complete {
        let bytes = bytes.clone();
        assert_eq!(sha256(&bytes), id);
        state.blobs.insert(id, bytes);
    }
    Json(status).into_response()
}

async fn download(State(state): State<Shared>, UrlPath(id): UrlPath<String>) -> Response {
    let id: B256 = format!("0x{id}").parse().expect("digest");
    let mut state = state.lock().expect("lock");
    state.fetched.push(id);
    match state.blobs.get(&id) {
        Some(bytes) => bytes.clone().into_response(),
        None => refuse(404, "not-found"),
    }
}

fn refuse(status: u16, kind: &str) -> Response {
    let problem = Problem::new(status, kind, "Refused", "by the test");
    (StatusCode::from_u16(status).expect("status"), Json(problem)).into_response()
}

fn job(id: JobId) -> Job {
    Job {
        job_id: id,
        status: JobStatus::Completed,
        job_type: "test".into(),
        client: Address::ZERO,
        client_ens: None,
        model: B256::ZERO,
        fee: MicroUsdc(100_000),
        fee_usd: "0.10".into(),
        worker: None,
        attempts: 1,
        stage: None,
        progress_bps: None,
        error: None,
        submitted_at: 1,
        deadline: DEADLINE,
        started_at: None,
        completed_at: None,
        execution_ms: None,
        settled_in: None,
        poe_hash: None,
        engine: None,
        energy_millijoules: None,
    }
}

/// Keys of a bee in `dir`, and a configuration that names them.
pub struct Keys {
    pub worker: Address,
    pub identity: age::Identity,
    pub config: BeeConfig,
}

pub fn keys(dir: &Path, queen: &Queen) -> Keys {
    let (key, identity_file) = (dir.join("bee.key"), dir.join("bee.age"));
    let worker = keys::create_key(&key).expect("key").address();
    let identity = age::Identity::generate();
    keys::create_secret(&identity_file, &identity.secret_text()).expect("identity");
    let text = format!(
        "queen = \"{}\"\nname = \"bee-01\"\nmodels = \"none\"\nmemory_mib = 512\npoll = \"1s\"\n\
         progress_interval = \"100ms\"\nkey = {{ file = {key:?} }}\nidentity = {{ file = {identity_file:?} }}\n",
        queen.url
    );
    Keys {
        worker,
        identity,
        config: toml::from_str(&text).expect("configuration"),
    }
}

/// A client of the test.
pub struct Client {
    pub signer: PrivateKeySigner,
    pub identity: age::Identity,
}

impl Client {
    pub fn new() -> Self {
        Self {
            signer: PrivateKeySigner::random(),
            identity: age::Identity::generate(),
        }
    }

    /// A lease of job number `seq` for `files`, whose ciphertext `queen` holds from now on.
    pub fn lease(
        &self,
        queen: &Queen,
        seq: u64,
        model: B256,
        files: &[(String, Vec<u8>)],
        to: &age::Identity,
    ) -> Lease {
        let tar = archive::pack(files).expect("packs");
        let ciphertext = age::encrypt(&tar, &[to.recipient()]).expect("encrypts");
        self.lease_of(queen, seq, model, digest::input_digest(files), ciphertext)
    }

    /// The same for a ciphertext and a digest that need not fit each other.
    pub fn lease_of(
        &self,
        queen: &Queen,
        seq: u64,
        model: B256,
        input: B256,
        ciphertext: Vec<u8>,
    ) -> Lease {
        let salt = B256::repeat_byte(seq as u8);
        let order = Order {
            client: self.signer.address(),
            model,
            input: digest::salted(&salt, &input),
            max_fee: MicroUsdc(100_000),
            nonce: seq,
            deadline: DEADLINE,
        };
        let signature = self
            .signer
            .sign_hash_sync(&order.digest(&domain()))
            .expect("signs");
        let blob = BlobRef {
            sha256: sha256(&ciphertext),
            size: ciphertext.len() as u64,
        };
        queen.state().blobs.insert(blob.sha256, ciphertext);
        Lease {
            job_id: JobId { epoch: 1, seq },
            token: format!("token-{seq}-{}", hex::encode(salt)),
            expires_at: DEADLINE,
            attempt: 1,
            job_type: "test".into(),
            order: SignedOrder {
                order,
                signature: Signature65::from(signature),
            },
            fee: MicroUsdc(100_000),
            salt,
            input: blob,
            reply_to: self.identity.recipient().to_string(),
        }
    }
}

pub fn domain() -> Domain {
    Domain::new(CHAIN_ID, ESCROW)
}
