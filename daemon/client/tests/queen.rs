//! The client against a real server on loopback that checks signatures, loses connections and refuses.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use swarm_client::{ClientError, EventFilter, Fingerprint, JobFilter, QueenClient, Tls};
use swarm_types::api::{
    BLOB_PIECE_BYTES_MAX, BlobRef, BlobStatus, BlobUpload, Heartbeat, JobStatus, QuoteRequest,
};
use swarm_types::problem::Problem;
use swarm_types::request::{
    HEADER_ADDRESS, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIMESTAMP, RequestToSign,
};
use swarm_types::{Address, B256, hex, sha256};
use tokio_stream::StreamExt;

/// What the server saw, and how it should misbehave.
#[derive(Default)]
struct Queen {
    nonces: HashSet<u64>,
    signers: Vec<Address>,
    requests: Vec<String>,
    blob: Vec<u8>,
    size: u64,
    /// Status codes to answer with before the request is looked at.
    failures: Vec<u16>,
    /// Keep the next piece, but let its answer be an error.
    lose_answers: u32,
    /// Bytes after which a download breaks off.
    cut_downloads: Vec<usize>,
    /// The line stays open where it should break, and nothing more comes.
    stall: bool,
    /// Bytes of downloads that were sent.
    bytes_out: usize,
    feeds: Vec<Option<String>>,
}

type Shared = Arc<Mutex<Queen>>;

async fn check(
    State(queen): State<Shared>,
    request: Request,
    next: axum::middleware::Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.expect("body");
    let path = parts
        .uri
        .path_and_query()
        .expect("path")
        .as_str()
        .to_owned();
    {
        let mut queen = queen.lock().expect("lock");
        queen.requests.push(format!("{} {path}", parts.method));
        if let Some(status) = queen.failures.pop() {
            return StatusCode::from_u16(status)
                .expect("status")
                .into_response();
        }
        let text = |name: &str| {
            parts
                .headers
                .get(name)
                .map(|v| v.to_str().expect("text").to_owned())
        };
        if let Some(address) = text(HEADER_ADDRESS) {
            let nonce = text(HEADER_NONCE).expect("nonce").parse().expect("number");
            let signed = RequestToSign {
                method: parts.method.as_str(),
                path: &path,
                body: sha256(&body),
                timestamp: text(HEADER_TIMESTAMP)
                    .expect("time")
                    .parse()
                    .expect("number"),
                nonce,
            };
            let signature = text(HEADER_SIGNATURE)
                .expect("signature")
                .parse()
                .expect("reads");
            let signer = signed.signer(&signature).expect("recovers");
            assert_eq!(format!("{signer:#x}"), address);
            assert!(queen.nonces.insert(nonce), "a nonce was used twice");
            queen.signers.push(signer);
        }
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

fn status(queen: &Queen) -> BlobStatus {
    let offset = queen.blob.len() as u64;
    BlobStatus {
        offset,
        size: queen.size,
        complete: offset == queen.size,
    }
}

async fn begin(State(queen): State<Shared>, Json(upload): Json<BlobUpload>) -> Json<BlobStatus> {
    let mut queen = queen.lock().expect("lock");
    queen.size = upload.size;
    Json(status(&queen))
}

async fn append(State(queen): State<Shared>, headers: HeaderMap, piece: Bytes) -> Response {
    let mut queen = queen.lock().expect("lock");
    let offset: usize = headers["upload-offset"]
        .to_str()
        .expect("text")
        .parse()
        .expect("number");
    if offset != queen.blob.len() {
        return problem(409, "upload-offset");
    }
    queen.blob.extend_from_slice(&piece);
    if queen.lose_answers > 0 {
        queen.lose_answers -= 1;
        return StatusCode::BAD_GATEWAY.into_response();
    }
    Json(status(&queen)).into_response()
}

async fn download(State(queen): State<Shared>, headers: HeaderMap) -> Response {
    let mut queen = queen.lock().expect("lock");
    let from: usize = headers.get(header::RANGE).map_or(0, |range| {
        let range = range.to_str().expect("text");
        range
            .trim_start_matches("bytes=")
            .trim_end_matches('-')
            .parse()
            .expect("number")
    });
    let all = queen.blob.clone();
    let status = if from > 0 {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let Some(cut) = queen.cut_downloads.pop() else {
        queen.bytes_out += all.len() - from;
        return (status, all[from..].to_vec()).into_response();
    };
    queen.bytes_out += cut;
    let part = Bytes::from(all[from..from + cut].to_vec());
    if queen.stall {
        let part = tokio_stream::iter([Ok::<_, std::io::Error>(part)]);
        let body = Body::from_stream(part.chain(tokio_stream::pending()));
        return (status, body).into_response();
    }
    // Some bytes, then an error: the connection breaks, and not all of them need to arrive.
    let broken = std::io::Error::other("cut");
    let pieces: [Result<Bytes, std::io::Error>; 2] = [Ok(part), Err(broken)];
    let body = Body::from_stream(tokio_stream::iter(pieces));
    (status, body).into_response()
}

fn problem(status: u16, kind: &str) -> Response {
    let problem = Problem::new(status, kind, "Refused", "because of the test").field("nonce");
    let code = StatusCode::from_u16(status).expect("status");
    (
        code,
        [(header::CONTENT_TYPE, "application/problem+json")],
        Json(problem),
    )
        .into_response()
}

async fn feed(State(queen): State<Shared>, headers: HeaderMap) -> Response {
    let last = headers
        .get("last-event-id")
        .map(|v| v.to_str().expect("text").to_owned());
    let next: u64 = last
        .as_ref()
        .map_or(0, |last| last.parse().expect("number"))
        + 1;
    queen.lock().expect("lock").feeds.push(last);
    let event = |seq: u64| {
        format!(
            "id: {seq}\nevent: job.progress\ndata: {{\"seq\":\"{seq}\",\"at\":\"1\",\"kind\":\"job.progress\",\"job\":null,\
             \"client\":null,\"worker\":null,\"epoch\":null,\"data\":{{}}}}\n\n"
        )
    };
    let text = format!(": hello\n\n{}{}", event(next), event(next + 1));
    ([(header::CONTENT_TYPE, "text/event-stream")], text).into_response()
}

fn router(queen: &Shared) -> Router {
    let api = Router::new()
        .route("/blobs/{sha256}", put(begin).patch(append).get(download))
        .route("/models/{digest}/package", get(download))
        .route(
            "/blobs/{sha256}/status",
            get(|State(q): State<Shared>| async move { Json(status(&q.lock().expect("lock"))) }),
        )
        .route("/quotes", post(|| async { problem(422, "unknown-model") }))
        .route("/workers/lease", post(|| async { StatusCode::NO_CONTENT }))
        .route("/workers/heartbeat", post(|| async { "not json" }))
        .route("/jobs", get(|| async { r#"{"items":[]}"# }))
        .route(
            "/epochs/{id}/bundle/{*file}",
            get(|Path((_, file)): Path<(String, String)>| async move { file }),
        )
        .route("/events", get(feed))
        .with_state(queen.clone());
    // Outside the nest: the signature is over the whole path.
    let check = axum::middleware::from_fn_with_state(queen.clone(), check);
    let pieces = axum::extract::DefaultBodyLimit::max(BLOB_PIECE_BYTES_MAX);
    Router::new()
        .nest("/api/v1", api)
        .layer(check)
        .layer(pieces)
}

async fn start() -> (Shared, QueenClient, PrivateKeySigner) {
    let queen = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("binds");
    let address = listener.local_addr().expect("address");
    let router = router(&queen);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let signer = PrivateKeySigner::random();
    let client = QueenClient::new(
        &format!("http://{address}"),
        Tls::Plain,
        Some(signer.clone()),
    );
    (queen, client.expect("client"), signer)
}

#[tokio::test]
async fn uploads_go_on_after_lost_answers_and_each_request_is_signed_anew() {
    let (queen, client, signer) = start().await;
    let bytes: Vec<u8> = (0..2 * BLOB_PIECE_BYTES_MAX + 5)
        .map(|i| (i % 251) as u8)
        .collect();
    {
        let mut queen = queen.lock().expect("lock");
        queen.blob = bytes[..1000].to_vec();
        queen.lose_answers = 2;
        queen.failures = vec![503];
    }
    let mut seen = Vec::new();
    let mut progress = |done, of| seen.push((done, of));
    let blob = client
        .upload_blob(bytes.clone(), &mut progress)
        .await
        .expect("uploads");
    assert_eq!(blob.sha256, sha256(&bytes));
    assert_eq!(seen.first(), Some(&(1000, blob.size)));
    assert_eq!(seen.last(), Some(&(blob.size, blob.size)));
    let queen = queen.lock().expect("lock");
    assert_eq!(queen.blob, bytes);
    assert!(queen.signers.len() > 4);
    assert!(queen.signers.iter().all(|s| *s == signer.address()));
    let path = format!("PUT /api/v1/blobs/{}", hex::encode(blob.sha256));
    assert_eq!(queen.requests[0], path);
}

#[tokio::test]
async fn downloads_go_on_where_they_broke_and_wrong_bytes_are_refused() {
    let (queen, client, _) = start().await;
    let bytes: Vec<u8> = (0..300_000).map(|i| (i % 241) as u8).collect();
    {
        let mut queen = queen.lock().expect("lock");
        queen.blob = bytes.clone();
        queen.cut_downloads = vec![0, 1000, 70_000];
    }
    let blob = BlobRef {
        sha256: sha256(&bytes),
        size: bytes.len() as u64,
    };
    let mut last = 0;
    let read = client
        .download_blob(blob, &mut |done, _| last = done)
        .await
        .expect("downloads");
    assert_eq!(read, bytes);
    assert_eq!(last, blob.size);
    assert!(queen.lock().expect("lock").cut_downloads.is_empty());

    queen.lock().expect("lock").blob[7] ^= 1;
    let refused = client.download_blob(blob, &mut |_, _| {}).await;
    assert!(matches!(refused, Err(ClientError::Digest { .. })));
    let shorter = BlobRef { size: 10, ..blob };
    let refused = client.download_blob(shorter, &mut |_, _| {}).await;
    assert!(matches!(refused, Err(ClientError::TooLarge { .. })));
}

#[tokio::test]
async fn a_package_goes_on_where_an_earlier_run_stopped_and_one_that_is_another_is_removed() {
    let (queen, client, _) = start().await;
    let bytes: Vec<u8> = (0..300_000).map(|i| (i % 239) as u8).collect();
    let package = BlobRef {
        sha256: sha256(&bytes),
        size: bytes.len() as u64,
    };
    queen.lock().expect("lock").blob = bytes.clone();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("package.part");
    // Answers how it ended (`None`: whoever pulled was gone after `gone_at` bytes), where it began, and what was sent.
    let pull = async |cuts: &[usize], gone_at: u64| {
        let before = {
            let mut queen = queen.lock().expect("lock");
            queen.cut_downloads = cuts.to_vec();
            queen.stall = gone_at < u64::MAX;
            queen.bytes_out
        };
        let gone = tokio::sync::Notify::new();
        let mut first = None;
        let mut told = |done, _| {
            first.get_or_insert(done);
            if done == gone_at {
                gone.notify_one();
            }
        };
        let ended = tokio::select! {
            biased;
            ended = client.download_model(B256::ZERO, package, &path, &mut told) => Some(ended),
            () = gone.notified() => None,
        };
        let sent = queen.lock().expect("lock").bytes_out - before;
        (ended, first, sent)
    };
    let whole = |ended: Option<Result<(), ClientError>>| ended.expect("ends").expect("downloads");
    // The process ended on the way: what came before is kept.
    let (ended, first, sent) = pull(&[100_000], 100_000).await;
    assert!(ended.is_none(), "{ended:?}");
    assert_eq!((first, sent), (Some(0), 100_000));
    assert_eq!(std::fs::read(&path).expect("kept"), bytes[..100_000]);
    let (ended, first, sent) = pull(&[70_000], u64::MAX).await;
    whole(ended);
    assert_eq!(first, Some(100_000));
    assert!((200_000..300_000).contains(&sent), "{sent}");
    assert_eq!(std::fs::read(&path).expect("whole"), bytes);
    // Whole already: nothing is asked for.
    let (ended, _, sent) = pull(&[], u64::MAX).await;
    whole(ended);
    assert_eq!(sent, 0);

    // Bytes of something else before what came.
    std::fs::write(&path, [0xff; 1_000]).expect("written");
    let (other, _, sent) = pull(&[], u64::MAX).await;
    assert!(matches!(other, Some(Err(ClientError::Digest { .. }))));
    assert_eq!((path.exists(), sent), (false, 299_000));
    // More than belongs there.
    std::fs::write(&path, [bytes.as_slice(), b"more"].concat()).expect("written");
    let (ended, first, _) = pull(&[], u64::MAX).await;
    whole(ended);
    assert_eq!(first, Some(0));
    assert_eq!(std::fs::read(&path).expect("whole"), bytes);
}

#[tokio::test]
async fn refusals_keep_their_problem_and_are_not_repeated() {
    let (queen, client, _) = start().await;
    let request = QuoteRequest {
        job_type: Some("brain_mri".into()),
        model: None,
    };
    let refused = client.quote(&request).await.expect_err("refused");
    assert_eq!(
        (refused.kind(), refused.status()),
        (Some("unknown-model"), Some(422))
    );
    assert_eq!(
        refused.problem().expect("problem").field.as_deref(),
        Some("nonce")
    );
    assert!(!refused.is_transient() && !refused.is_unreachable());
    assert_eq!(queen.lock().expect("lock").requests.len(), 1);

    // Trouble that passes is waited out; trouble without words keeps its status.
    queen.lock().expect("lock").failures = vec![502, 503];
    let filter = JobFilter {
        status: Some(JobStatus::Pending),
        limit: Some(5),
        after: Some("a b&c".into()),
        client: None,
    };
    assert!(
        client
            .jobs(&filter)
            .await
            .expect("third attempt")
            .items
            .is_empty()
    );
    let last = queen.lock().expect("lock").requests.last().cloned();
    assert_eq!(
        last.as_deref(),
        Some("GET /api/v1/jobs?status=pending&after=a+b%26c&limit=5")
    );
    queen.lock().expect("lock").failures = vec![500; 9];
    let error = client.jobs(&filter).await.expect_err("gives up");
    assert!(matches!(&error, ClientError::Status { status, .. } if status.as_u16() == 500));
    assert_eq!(queen.lock().expect("lock").failures.len(), 5);
}

#[tokio::test]
async fn answers_that_are_none_and_absent_keys_are_errors() {
    let (queen, client, _) = start().await;
    assert_eq!(
        client.lease(Duration::from_secs(1), 1).await.expect("204"),
        []
    );
    let beat = Heartbeat {
        ready: true,
        not_ready_reason: None,
        draining: false,
        leases: Vec::new(),
        warm_models: Vec::new(),
        model_faults: Vec::new(),
        utilisation_percent: None,
        memory_used_mib: None,
        temperature_celsius: None,
        power_milliwatts: None,
    };
    assert!(matches!(
        client.heartbeat(&beat).await,
        Err(ClientError::Answer { .. })
    ));
    // A heartbeat is not repeated: a late one would say what is no longer so.
    queen.lock().expect("lock").failures = vec![503];
    assert!(
        client
            .heartbeat(&beat)
            .await
            .expect_err("refused")
            .is_transient()
    );
    assert!(queen.lock().expect("lock").failures.is_empty());
    let file = client
        .bundle_file("epoch-002".parse().expect("id"), "jobs/00000.json")
        .await;
    assert_eq!(file.expect("file"), b"jobs/00000.json");
    let keyless = QueenClient::new(client.base_url(), Tls::Plain, None).expect("client");
    assert!(matches!(
        keyless.blob_status(B256::ZERO).await,
        Err(ClientError::NoKey)
    ));
    let nobody = QueenClient::new("http://127.0.0.1:1", Tls::Plain, None).expect("client");
    assert!(
        nobody
            .lease(Duration::ZERO, 1)
            .await
            .is_err_and(|e| matches!(e, ClientError::NoKey))
    );
}

#[tokio::test]
async fn a_feed_that_ends_goes_on_after_the_last_event() {
    let (queen, client, _) = start().await;
    let mut events = client.events(EventFilter::default(), Some(40));
    for expected in 41..=44 {
        assert_eq!(events.next().await.expect("event").seq, expected);
    }
    let feeds = queen.lock().expect("lock").feeds.clone();
    assert_eq!(feeds, [Some("40".into()), Some("42".into())]);
}

#[tokio::test]
async fn only_the_pinned_certificate_is_trusted() {
    let made =
        rcgen::generate_simple_self_signed(vec!["queen.invalid".into()]).expect("certificate");
    let certificate = made.cert.der().clone();
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("config");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.set_nonblocking(true).expect("nonblocking");
    let address: SocketAddr = listener.local_addr().expect("address");
    let router = router(&Shared::default());
    let tls = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(config));
    let server = axum_server::from_tcp_rustls(listener, tls).expect("server");
    tokio::spawn(server.serve(router.into_make_service()));

    let url = format!("https://{address}");
    let right = Tls::Pinned(Fingerprint::of(&certificate));
    let wrong = Tls::Pinned(Fingerprint(B256::repeat_byte(7)));
    let filter = JobFilter::default();
    let client = QueenClient::new(&url, right, None).expect("client");
    assert!(
        client
            .jobs(&filter)
            .await
            .expect("trusted")
            .items
            .is_empty()
    );
    for tls in [wrong, Tls::SystemRoots] {
        let client = QueenClient::new(&url, tls, None).expect("client");
        assert!(
            client
                .jobs(&filter)
                .await
                .expect_err("refused")
                .is_unreachable(),
            "{tls:?}"
        );
    }
}
