//! A proxy between the queen and the chain's node that can be told to misbehave, and that remembers what
//! was sent through it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

/// What the node is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It answers.
    #[default]
    Well,
    /// Every connection breaks before anything is passed on.
    Away,
    /// Transactions are taken, and the connection breaks before the answer.
    TakesAndSaysNothing,
    /// Transactions are dropped, and the answer says that they were taken.
    ForgetsTransactions,
}

#[derive(Default)]
struct Seen {
    mood: Mood,
    /// Raw transactions in the order in which they came.
    sent: Vec<String>,
}

/// The proxy; it runs until the runtime ends.
#[derive(Clone)]
pub struct Node {
    seen: Arc<Mutex<Seen>>,
    address: SocketAddr,
}

#[derive(Clone)]
struct Proxy {
    seen: Arc<Mutex<Seen>>,
    http: reqwest::Client,
    behind: String,
}

impl Node {
    /// Starts before the node at `behind`.
    pub async fn start(behind: &str) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let http = reqwest::Client::builder().no_proxy().build();
        let proxy = Proxy {
            seen: seen.clone(),
            http: http.expect("an HTTP client"),
            behind: behind.to_owned(),
        };
        let router = Router::new().fallback(pass).with_state(proxy);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { seen, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set(&self, mood: Mood) {
        self.seen().mood = mood;
    }

    /// Raw transactions that were sent through it, in order, repetitions included.
    pub fn sent(&self) -> Vec<String> {
        self.seen().sent.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic under the lock")
    }
}

async fn pass(State(proxy): State<Proxy>, body: Bytes) -> Response {
    let call: Value = serde_json::from_slice(&body).expect("JSON-RPC");
    let sends = call["method"] == "eth_sendRawTransaction";
    let mood = {
        let mut seen = proxy.seen.lock().expect("no panic under the lock");
        if sends && seen.mood != Mood::Away {
            let raw = call["params"][0].as_str().expect("bytes");
            seen.sent.push(raw.to_owned());
        }
        seen.mood
    };
    if mood == Mood::Away {
        return broken();
    }
    if sends && mood == Mood::ForgetsTransactions {
        let raw = call["params"][0].as_str().expect("bytes");
        let raw = swarm_types::hex::decode(raw).expect("hex");
        let hash = alloy::primitives::keccak256(raw);
        let answer = serde_json::json!({ "jsonrpc": "2.0", "id": call["id"], "result": hash });
        return json(answer.to_string().into());
    }
    let request = proxy.http.post(&proxy.behind).body(body);
    let request = request.header("content-type", "application/json");
    let answer = match request.send().await {
        Ok(answer) => answer.bytes().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(_) if sends && mood == Mood::TakesAndSaysNothing => broken(),
        Ok(answer) => json(answer),
        // The node behind is really away.
        Err(_) => broken(),
    }
}

fn json(answer: Bytes) -> Response {
    let mut response = Response::new(Body::from(answer));
    let kind = axum::http::HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", kind);
    response
}

/// A connection that breaks in the middle of its answer.
fn broken() -> Response {
    let cut =
        futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("the line was cut")) });
    Response::new(Body::from_stream(cut))
}
