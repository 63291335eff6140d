//! One request and its answer: the URL, the signature, the repetitions, the problem document.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use swarm_types::problem::Problem;
use swarm_types::request::{
    HEADER_ADDRESS, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIMESTAMP, RequestToSign,
};
use swarm_types::{Address, Signature65, sha256};

use crate::{ClientError, Tls};

/// How often something that may be repeated is tried.
const ATTEMPTS_MAX: u32 = 4;
/// Pause before the first repetition; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// Longest pause between repetitions, also when the queen asks for a longer one.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Longest silence of an open connection. Longer than the longest long-poll, and than the pauses in a feed of events.
const SILENCE_MAX: Duration = Duration::from_secs(75);
/// Longest request as a whole, unless it says otherwise.
const REQUEST_MAX: Duration = Duration::from_secs(60);
/// Largest answer that is kept in memory; blobs and bundle files have limits of their own.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a counted body that are handed over at once.
const SENT_BYTES: usize = 256 << 10;
/// Root of the routes.
pub(crate) const API: [&str; 2] = ["api", "v1"];

/// A queen, as one client or bee sees her. Cheap to clone.
#[derive(Clone)]
pub struct QueenClient {
    http: reqwest::Client,
    /// For bodies that take long: the other one takes a silence of the queen for a broken connection.
    uploads: reqwest::Client,
    base: Url,
    signer: Option<Arc<PrivateKeySigner>>,
}

/// One request, before it is signed.
pub(crate) struct Call {
    pub method: Method,
    pub url: Url,
    pub body: Bytes,
    pub content_type: Option<&'static str>,
    pub headers: HeaderMap,
    /// Sign it (and fail without a key).
    pub signed: bool,
    /// Repeating it does no harm.
    pub repeatable: bool,
    /// Longest request as a whole; `None` for streams.
    pub time_max: Option<Duration>,
    /// Counts the bytes of the body as they are sent, for a body that takes long.
    pub sent: Option<Arc<AtomicU64>>,
}

impl Call {
    pub fn new(method: Method, url: Url) -> Self {
        let repeatable = method == Method::GET;
        Self {
            method,
            url,
            body: Bytes::new(),
            content_type: None,
            headers: HeaderMap::new(),
            signed: false,
            repeatable,
            time_max: Some(REQUEST_MAX),
            sent: None,
        }
    }

    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub fn post<T: Serialize>(url: Url, body: &T) -> Self {
        Self::new(Method::POST, url).json(body)
    }

    pub fn json<T: Serialize>(mut self, body: &T) -> Self {
        let bytes = serde_json::to_vec(body).expect("the API's messages are JSON");
        self.body = bytes.into();
        self.content_type = Some("application/json");
        self
    }

    pub fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    pub fn time_max(mut self, time: Duration) -> Self {
        self.time_max = Some(time);
        self
    }
}

impl std::fmt::Debug for QueenClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QueenClient({})", self.base)
    }
}

impl QueenClient {
    /// A client of the queen at `base_url` (scheme, host, port). `signer` is needed for signed routes only.
    pub fn new(
        base_url: &str,
        tls: Tls,
        signer: Option<PrivateKeySigner>,
    ) -> Result<Self, ClientError> {
        let base = tls.check(base_url)?;
        let client = |silence_max: Option<Duration>| {
            let mut builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.config()?)
                .connect_timeout(CONNECT_MAX)
                // A signature is for one path on one host.
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("swarmos/", env!("CARGO_PKG_VERSION")));
            if let Some(silence) = silence_max {
                builder = builder.read_timeout(silence);
            }
            if tls != Tls::SystemRoots || base.scheme() == "http" {
                builder = builder.no_proxy();
            }
            builder.build().map_err(|source| ClientError::Transport {
                action: "set up the client".into(),
                source,
            })
        };
        Ok(Self {
            http: client(Some(SILENCE_MAX))?,
            uploads: client(None)?,
            base,
            signer: signer.map(Arc::new),
        })
    }

    /// The queen's address.
    pub fn base_url(&self) -> &str {
        self.base.as_str()
    }

    /// The address that signs.
    pub fn address(&self) -> Option<Address> {
        self.signer.as_ref().map(|signer| signer.address())
    }

    /// The URL of a route under `/api/v1`; each segment is escaped.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        self.root_url(&[&API, segments].concat())
    }

    /// The URL of a route under the root.
    pub(crate) fn root_url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("http URLs have a path")
            .clear()
            .extend(segments);
        url
    }

    /// Sends `call`, repeating it where that does no harm, and reads the JSON of the answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let url = shown(&call.url);
        let response = self.send(call).await?;
        let bytes = read_limited(response, &url, ANSWER_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(|source| ClientError::Answer { url, source })
    }

    /// Sends `call`; the answer's body is read and dropped.
    pub(crate) async fn done(&self, call: Call) -> Result<(), ClientError> {
        let url = shown(&call.url);
        let response = self.send(call).await?;
        read_limited(response, &url, ANSWER_BYTES_MAX)
            .await
            .map(drop)
    }

    /// Sends `call` until it is answered, refused, or tried often enough.
    pub(crate) async fn send(&self, call: Call) -> Result<Response, ClientError> {
        let mut pause = PAUSE_FIRST;
        for attempt in 1.. {
            let (error, asked) = match self.send_once(&call).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            if !call.repeatable || !error.is_transient() || attempt >= ATTEMPTS_MAX {
                return Err(error);
            }
            let wait = asked.unwrap_or(pause).min(PAUSE_MAX);
            tracing::debug!(url = shown(&call.url), %error, ?wait, "trying again");
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
        unreachable!("the loop returns on its last attempt")
    }

    /// Sends once. With an error comes the pause that the queen asked for.
    async fn send_once(&self, call: &Call) -> Result<Response, (ClientError, Option<Duration>)> {
        let client = match call.sent {
            Some(_) => &self.uploads,
            None => &self.http,
        };
        let mut request = client
            .request(call.method.clone(), call.url.clone())
            .headers(call.headers.clone());
        request = match &call.sent {
            Some(sent) => request
                .header(CONTENT_LENGTH, call.body.len())
                .body(counted(call.body.clone(), sent.clone())),
            None => request.body(call.body.clone()),
        };
        if let Some(content_type) = call.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(time) = call.time_max {
            request = request.timeout(time);
        }
        if call.signed {
            for (name, value) in self.signature_headers(call).map_err(|e| (e, None))? {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.map_err(|source| {
            let action = format!("reach {}", self.base);
            // The URL may carry what a log should not hold.
            let source = source.without_url();
            (ClientError::Transport { action, source }, None)
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let asked = response.headers().get(RETRY_AFTER);
        let asked =
            asked.and_then(|value| value.to_str().ok()?.parse().ok().map(Duration::from_secs));
        Err((refusal(response, &call.url).await, asked))
    }

    fn signature_headers(&self, call: &Call) -> Result<[(&'static str, String); 4], ClientError> {
        let signer = self.signer.as_ref().ok_or(ClientError::NoKey)?;
        let path = match call.url.query() {
            Some(query) => format!("{}?{query}", call.url.path()),
            None => call.url.path().to_owned(),
        };
        let request = RequestToSign {
            method: call.method.as_str(),
            path: &path,
            body: sha256(&call.body),
            timestamp: unix_seconds(),
            nonce: getrandom::u64().map_err(ClientError::Randomness)?,
        };
        let signature = signer
            .sign_hash_sync(&request.digest())
            .map_err(ClientError::Sign)?;
        Ok([
            (HEADER_ADDRESS, format!("{:#x}", signer.address())),
            (HEADER_TIMESTAMP, request.timestamp.to_string()),
            (HEADER_NONCE, request.nonce.to_string()),
            (HEADER_SIGNATURE, Signature65::from(signature).to_string()),
        ])
    }
}

/// A body that counts what of it was taken to be sent.
fn counted(body: Bytes, sent: Arc<AtomicU64>) -> reqwest::Body {
    sent.store(0, Ordering::Relaxed);
    let starts = (0..body.len()).step_by(SENT_BYTES);
    let pieces = starts.map(move |start| {
        let piece = body.slice(start..(start + SENT_BYTES).min(body.len()));
        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok::<_, std::convert::Infallible>(piece)
    });
    reqwest::Body::wrap_stream(tokio_stream::iter(pieces))
}

/// Reads an answer of at most `bytes_max` bytes.
pub(crate) async fn read_limited(
    mut response: Response,
    url: &str,
    bytes_max: u64,
) -> Result<Vec<u8>, ClientError> {
    let too_large = || ClientError::TooLarge {
        url: url.to_owned(),
        max: bytes_max,
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| broken(url, e))? {
        if (bytes.len() + chunk.len()) as u64 > bytes_max {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// An answer that broke off.
pub(crate) fn broken(url: &str, source: reqwest::Error) -> ClientError {
    ClientError::Transport {
        action: format!("read the answer of {url}"),
        source: source.without_url(),
    }
}

/// The URL without its query, for messages.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

/// What an error status says.
async fn refusal(response: Response, url: &Url) -> ClientError {
    let status = response.status();
    let url = shown(url);
    let without = || ClientError::Status {
        url: url.clone(),
        status,
    };
    let Ok(bytes) = read_limited(response, &url, ANSWER_BYTES_MAX).await else {
        return without();
    };
    match serde_json::from_slice::<Problem>(&bytes) {
        Ok(problem) => ClientError::Problem(problem),
        Err(_) => without(),
    }
}

/// Seconds since 1970; 0 on a machine whose clock is before that.
fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
