//! A queen to talk to, and those who talk to her.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use serde_json::{Value, json};
use swarm_client::{QueenClient, Tls};
use swarm_ledger::commands::ApplyBlocks;
use swarm_queen::settlement::SettlementKeys;
use swarm_queen::{Queen, QueenConfig, QueenHandle, QueenKeys};
use swarm_store::{age, archive};
use swarm_types::api::*;
use swarm_types::digest::{input_digest, manifest_digest, poe_hash, salted};
use swarm_types::eip712::Domain;
use swarm_types::escrow::{BlockRef, EscrowEvent, EscrowLog};
use swarm_types::order::Order;
use swarm_types::power::PowerRecord;
use swarm_types::receipt::{ENERGY_UNKNOWN, Execution};
use swarm_types::request::RequestToSign;
use swarm_types::{Address, B256, MicroUsdc, Signature65, sha256};

pub const ESCROW: Address = Address::repeat_byte(0xe5);
pub const CHAIN_ID: u64 = 84_532;
pub const FEE: MicroUsdc = MicroUsdc(100_000);
pub const JOB_TYPE: &str = "brain_mri";
const ENGINE: &str = "test engine";

/// Numbers that no two requests or orders share.
static NONCES: AtomicU64 = AtomicU64::new(1);

pub fn nonce() -> u64 {
    NONCES.fetch_add(1, Ordering::Relaxed)
}

pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

/// A queen, her operator, and a client with 5 USDC.
pub struct Rig {
    pub handle: QueenHandle,
    pub base: String,
    pub operator: PrivateKeySigner,
    pub client: PrivateKeySigner,
    pub reply: age::Identity,
    pub model: B256,
    pub http: reqwest::Client,
    pub config: QueenConfig,
    pub dir: tempfile::TempDir,
    /// Her description of herself: every answer is held against it.
    document: Value,
}

/// An answer: status, headers, body.
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// Status, kind and field of a problem.
    pub fn problem(&self) -> (u16, String, String) {
        let kind = self.headers.get("content-type").expect("a content type");
        assert_eq!(
            kind,
            "application/problem+json",
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        let kind = text("type").replace("urn:swarmos:problem:", "");
        (self.status, kind, text("field"))
    }
}

pub fn config(dir: &std::path::Path, operator: Address) -> QueenConfig {
    let value = json!({
        "state_dir": dir.join("state"),
        "models_dir": dir.join("models"),
        "operators": [operator],
        "listen": { "address": "127.0.0.1:0" },
        "chain": {
            "chain_id": CHAIN_ID,
            "escrow": ESCROW,
            "token": Address::repeat_byte(0x70),
            "default_cap": "100000000",
        },
        "fees": {
            "protocol_payee": Address::repeat_byte(0xa1),
            "operator_payee": Address::repeat_byte(0xa2),
        },
        "limits": {
            "per_signer": { "per_second": 1e6, "burst": 1e6 },
            "per_address": { "per_second": 1e6, "burst": 1e6 },
            "per_address_signed": { "per_second": 1e6, "burst": 1e6 },
            "blob_bytes_max": 1 << 20,
        },
        "shutdown": "5s",
    });
    serde_json::from_value(value).expect("a configuration")
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut QueenConfig)) -> Self {
        let rig = Self::made(None, change).await;
        rig.deposit(rig.client.address(), 5_000_000).await;
        rig
    }

    /// A queen with a chain of her own, on which nobody has a deposit yet.
    pub async fn on_chain(keys: SettlementKeys, change: impl FnOnce(&mut QueenConfig)) -> Self {
        Self::made(Some(keys), change).await
    }

    async fn made(
        settlement: Option<SettlementKeys>,
        change: impl FnOnce(&mut QueenConfig),
    ) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let operator = PrivateKeySigner::random();
        let mut config = config(dir.path(), operator.address());
        change(&mut config);
        let scheme = if config.speaks_tls() { "https" } else { "http" };
        let package = dir.path().join("models/brain");
        std::fs::create_dir_all(&package).expect("made");
        let description = "name = 'brain'\nversion = '1'\nlicence = 'MIT'\njob_type = 'brain_mri'\nmemory_mib = 512\n";
        let files = vec![
            ("model.onnx".to_owned(), b"weights".to_vec()),
            ("model.toml".to_owned(), description.as_bytes().to_vec()),
        ];
        for (name, bytes) in &files {
            std::fs::write(package.join(name), bytes).expect("written");
        }
        let keys = QueenKeys {
            queen: PrivateKeySigner::random(),
            settlement,
        };
        let handle = Queen::start(config.clone(), keys).await.expect("starts");
        let document = match scheme {
            "http" => serde_json::from_str(&swarm_queen::openapi()).expect("JSON"),
            _ => Value::Null,
        };
        Self {
            document,
            base: format!("{scheme}://{}", handle.addr),
            handle,
            operator,
            client: PrivateKeySigner::random(),
            reply: age::Identity::generate(),
            model: manifest_digest(&files),
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            config,
            dir,
        }
    }

    pub fn bundle_dir(&self, epoch: swarm_types::EpochId) -> PathBuf {
        swarm_queen::audit_dir(&self.dir.path().join("state")).join(epoch.to_string())
    }

    pub fn domain(&self) -> Domain {
        Domain::new(CHAIN_ID, self.config.chain.escrow)
    }

    /// A deposit as the chain would tell of it.
    pub async fn deposit(&self, client: Address, amount: u64) {
        let cursor = self.handle.ledger.chain_cursor(1).await.expect("a cursor");
        let (number, parent) = cursor
            .head
            .map_or((1, B256::ZERO), |b| (b.number + 1, b.hash));
        let block = BlockRef {
            number,
            hash: sha256(number.to_be_bytes()),
            parent,
            timestamp: now(),
        };
        let log = EscrowLog {
            block_number: number,
            tx: sha256(client),
            log_index: 0,
            event: EscrowEvent::Deposited {
                client,
                amount: MicroUsdc(amount),
            },
        };
        let command = ApplyBlocks {
            now: now(),
            blocks: vec![(block, vec![log])],
            safe: number,
        };
        self.handle
            .ledger
            .apply_blocks(command)
            .await
            .expect("applied");
    }

    pub fn as_client(&self, key: &PrivateKeySigner) -> QueenClient {
        QueenClient::new(&self.base, Tls::Plain, Some(key.clone())).expect("a client")
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.reply(self.http.get(format!("{}{path}", self.base)))
            .await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        let request = self.http.post(format!("{}{path}", self.base));
        self.reply(request.body(body.to_string())).await
    }

    pub async fn signed(
        &self,
        key: &PrivateKeySigner,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Reply {
        self.signed_with(key, method, path, body, now(), nonce(), &[])
            .await
    }

    #[allow(clippy::too_many_arguments, reason = "each is a part of one request")]
    pub async fn signed_with(
        &self,
        key: &PrivateKeySigner,
        method: &str,
        path: &str,
        body: &[u8],
        timestamp: u64,
        nonce: u64,
        headers: &[(&str, &str)],
    ) -> Reply {
        let digest = sha256(body);
        self.signed_over(key, method, path, body, digest, timestamp, nonce, headers)
            .await
    }

    /// The same, with a signature over this digest of the body.
    #[allow(clippy::too_many_arguments, reason = "each is a part of one request")]
    pub async fn signed_over(
        &self,
        key: &PrivateKeySigner,
        method: &str,
        path: &str,
        body: &[u8],
        digest: B256,
        timestamp: u64,
        nonce: u64,
        headers: &[(&str, &str)],
    ) -> Reply {
        let to_sign = RequestToSign {
            method,
            path,
            body: digest,
            timestamp,
            nonce,
        };
        let signature = key.sign_hash_sync(&to_sign.digest()).expect("signs");
        let method = method.parse().expect("a method");
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header("swarm-address", key.address().to_string())
            .header("swarm-timestamp", timestamp.to_string())
            .header("swarm-nonce", nonce.to_string())
            .header("swarm-signature", Signature65::from(signature).to_string())
            .body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.reply(request).await
    }

    /// Sends, and holds the answer against the document.
    async fn reply(&self, request: reqwest::RequestBuilder) -> Reply {
        let request = request.build().expect("a request");
        let (method, path) = (
            request.method().as_str().to_lowercase(),
            request.url().path().to_owned(),
        );
        let response = self.http.execute(request).await.expect("an answer");
        let reply = Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.expect("a body").to_vec(),
        };
        self.expect_documented(&method, &path, &reply);
        reply
    }

    /// Every status that a route answers is in the document, with its content type.
    fn expect_documented(&self, method: &str, path: &str, reply: &Reply) {
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let template: Vec<&str> = template.split('/').collect();
            let bundle = template.last() == Some(&"{file}") && segments.len() > template.len();
            (segments.len() == template.len() || bundle)
                && template
                    .iter()
                    .zip(&segments)
                    .all(|(t, s)| t == s || (t.starts_with('{') && !s.is_empty()))
        };
        let paths = self.document["paths"].as_object().into_iter().flatten();
        // A literal path comes before one with a variable in its place.
        let found = paths
            .filter(|(template, item)| fits(template) && item[method].is_object())
            .min_by_key(|(template, _)| template.matches('{').count());
        let Some((template, item)) = found else {
            return;
        };
        let status = reply.status.to_string();
        let answer = &item[method]["responses"][&status];
        assert!(
            answer.is_object(),
            "{method} {template} answered {status}, which the document does not know: {}",
            String::from_utf8_lossy(&reply.body)
        );
        if let Some(content) = answer["content"].as_object() {
            let kind = reply.headers["content-type"].to_str().expect("text");
            let kind = kind.split(';').next().unwrap_or_default();
            assert!(
                content.contains_key(kind),
                "{method} {template} {status}: {kind}"
            );
        }
    }

    /// Registers a bee and has it approved; it is ready.
    pub async fn bee(&self, name: &str) -> Bee {
        let bee = self.stranger(name).await;
        let payee = Address::repeat_byte(0xb0);
        let operator = self.as_client(&self.operator);
        operator
            .approve(bee.key.address(), payee)
            .await
            .expect("approved");
        bee.beat(true, false, Vec::new()).await;
        bee
    }

    /// Stops the queen and starts her again on the same directory.
    pub async fn restart(self) -> Self {
        self.handle.shutdown().await;
        let keys = QueenKeys {
            queen: PrivateKeySigner::random(),
            settlement: None,
        };
        let handle = Queen::start(self.config.clone(), keys).await;
        let handle = handle.expect("starts again");
        Self {
            base: format!("http://{}", handle.addr),
            handle,
            ..self
        }
    }

    /// The same bee, talking to this queen.
    pub fn meet_again(&self, bee: Bee) -> Bee {
        Bee {
            queen: self.as_client(&bee.key),
            ..bee
        }
    }

    /// Registers a bee that nobody approved.
    pub async fn stranger(&self, name: &str) -> Bee {
        let key = PrivateKeySigner::random();
        let bee = Bee {
            queen: self.as_client(&key),
            domain: self.domain(),
            identity: age::Identity::generate(),
            key,
        };
        self.register(&bee, name).await;
        bee
    }

    pub async fn register(&self, bee: &Bee, name: &str) -> Registered {
        self.register_with(bee, name, 1).await
    }

    pub async fn register_with(&self, bee: &Bee, name: &str, concurrency: u32) -> Registered {
        let recipient = bee.identity.recipient().to_string();
        let signature = bee
            .key
            .sign_message_sync(recipient_message(&recipient).as_bytes());
        let registration = RegisterWorker {
            name: name.into(),
            recipient,
            recipient_signature: signature.expect("signs").into(),
            device: Device {
                name: "cpu".into(),
                uuid: None,
                memory_mib: 1_024,
            },
            models: vec![self.model],
            engines: vec![ENGINE.into()],
            concurrency,
            version: "0.1.0".into(),
            join_code: None,
            payee: None,
        };
        let registered = bee.queen.register(&registration).await.expect("registered");
        assert_eq!(registered.escrow, self.config.chain.escrow);
        registered
    }

    /// Encrypts and uploads `content`; gives a submission that only needs to be sent.
    pub async fn order(&self, content: &[u8]) -> SubmitJob {
        let queen = self.as_client(&self.client);
        let recipients = queen.recipients(self.model).await.expect("recipients");
        let to: Vec<age::Recipient> = recipients
            .iter()
            .map(|r| r.recipient.parse().expect("a recipient"))
            .collect();
        let files = vec![("scan.nii.gz".to_owned(), content.to_vec())];
        let tar = archive::pack(&files).expect("packed");
        let sealed = age::encrypt(&tar, &to).expect("encrypted");
        let input = queen
            .upload_blob(sealed, &mut |_, _| {})
            .await
            .expect("uploaded");
        let salt = sha256(nonce().to_be_bytes());
        let order = Order {
            client: self.client.address(),
            model: self.model,
            input: salted(&salt, &input_digest(&files)),
            max_fee: FEE,
            nonce: nonce(),
            deadline: now() + 3_600,
        };
        let mut job = SubmitJob {
            job_type: JOB_TYPE.into(),
            signature: self.sign(&order, &self.client),
            order,
            salt,
            input,
            reply_to: self.reply.recipient().to_string(),
            client_ens: None,
        };
        job.signature = self.sign(&job.order, &self.client);
        job
    }

    pub fn sign(&self, order: &Order, key: &PrivateKeySigner) -> Signature65 {
        key.sign_hash_sync(&order.digest(&self.domain()))
            .expect("signs")
            .into()
    }

    /// Number of the newest journal entry, what the client may spend, and what is on disk beside the ledger: what a
    /// refusal must not move.
    pub async fn standing(&self) -> (u64, u64, Vec<(PathBuf, u64)>) {
        let journal = self.handle.ledger.stats().await.expect("stats").journal;
        let account = self
            .handle
            .ledger
            .client(self.client.address(), now())
            .await;
        let mut files = Vec::new();
        for dir in ["blobs", "audit"] {
            walk(&self.dir.path().join("state").join(dir), &mut files);
        }
        files.sort();
        let available = account.expect("reads").expect("an account").available.0;
        (journal, available, files)
    }
}

/// Every file below `dir` with its length.
fn walk(dir: &std::path::Path, files: &mut Vec<(PathBuf, u64)>) {
    for entry in std::fs::read_dir(dir).expect("readable") {
        let path = entry.expect("readable").path();
        match std::fs::metadata(&path).expect("there") {
            meta if meta.is_dir() => walk(&path, files),
            meta => files.push((path, meta.len())),
        }
    }
}

/// A bee as the queen sees one.
pub struct Bee {
    pub key: PrivateKeySigner,
    pub queen: QueenClient,
    pub identity: age::Identity,
    pub domain: Domain,
}

impl Bee {
    pub async fn beat(&self, ready: bool, draining: bool, leases: Vec<String>) -> HeartbeatAnswer {
        let beat = Heartbeat {
            ready,
            not_ready_reason: (!ready).then(|| "the self-test failed".to_owned()),
            draining,
            leases,
            warm_models: Vec::new(),
            model_faults: Vec::new(),
            utilisation_percent: None,
            memory_used_mib: None,
            temperature_celsius: None,
            power_milliwatts: None,
        };
        self.queen.heartbeat(&beat).await.expect("counted")
    }

    pub async fn poll(&self, seconds: u64) -> Option<Lease> {
        let mut leases = self.poll_many(seconds, 1).await;
        leases.pop()
    }

    pub async fn poll_many(&self, seconds: u64, jobs_max: u32) -> Vec<Lease> {
        self.queen
            .lease(Duration::from_secs(seconds), jobs_max)
            .await
            .expect("an answer")
    }

    /// Does the work: uploads a result and states what ran.
    pub async fn work(&self, lease: &Lease) -> CompleteJob {
        let files = vec![("report.json".to_owned(), b"{}".to_vec())];
        let manifest = manifest_digest(&files);
        let to = lease.reply_to.parse().expect("a recipient");
        let tar = archive::pack(&files).expect("packed");
        let sealed = age::encrypt(&tar, &[to]).expect("encrypted");
        let result = self
            .queen
            .upload_blob(sealed, &mut |_, _| {})
            .await
            .expect("uploaded");
        let power = PowerRecord::unknown();
        let execution = Execution {
            job_epoch: lease.job_id.epoch,
            job_seq: lease.job_id.seq,
            order: lease.order.commitment(),
            model: lease.order.order.model,
            input: lease.order.order.input,
            result: salted(&lease.salt, &manifest),
            engine: sha256(ENGINE),
            device: sha256("cpu:test"),
            started_at: now(),
            completed_at: now(),
            energy_millijoules: ENERGY_UNKNOWN,
            power: power.digest(),
        };
        let worker = format!("{:#x}", self.key.address());
        CompleteJob {
            token: lease.token.clone(),
            worker_signature: self.sign(&execution),
            result,
            manifest,
            engine: ENGINE.into(),
            power,
            poe_hash: poe_hash(lease.job_id, &execution.result, &worker),
            execution_ms: 12,
            execution,
        }
    }

    pub fn sign(&self, execution: &Execution) -> Signature65 {
        self.key
            .sign_hash_sync(&execution.digest(&self.domain))
            .expect("signs")
            .into()
    }
}

/// Waits until `is` gives something; the queen's tasks work beside the test.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut is: impl FnMut() -> F) -> T {
    for _ in 0..600 {
        if let Some(found) = is().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}
