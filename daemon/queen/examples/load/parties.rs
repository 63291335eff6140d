//! Who takes part, known to both processes by number: clients, bees, operator.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use alloy::signers::SignerSync;
use alloy::signers::local::{PrivateKeySigner, Secp256k1Signer};
use swarm_store::age::Identity;
use swarm_types::api::{BlobRef, SubmitJob};
use swarm_types::digest::{manifest_digest, salted};
use swarm_types::eip712::Domain;
use swarm_types::order::Order;
use swarm_types::request::RequestToSign;
use swarm_types::signature::eip191_message;
use swarm_types::{Address, B256, MicroUsdc, Signature65, sha256};

pub const ESCROW: Address = Address::repeat_byte(0xe5);
pub const CHAIN_ID: u64 = 84_532;
pub const FEE: MicroUsdc = MicroUsdc(100_000);
pub const JOB_TYPE: &str = "brain_mri";
pub const ENGINE: &str = "onnxruntime 1.22 cpu fp32 model-kernels avx2";
/// Bytes of an input and of a result, as far as the ledger is told.
pub const INPUT_BYTES: u64 = 9_000_000;
pub const RESULT_BYTES: u64 = 200_000;

static NONCES: AtomicU64 = AtomicU64::new(1);

/// A number that no two requests or orders of this process share.
pub fn nonce() -> u64 {
    NONCES.fetch_add(1, Ordering::Relaxed)
}

/// Unix seconds.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

/// Where signatures count.
pub fn domain() -> Domain {
    Domain::new(CHAIN_ID, ESCROW)
}

/// libsecp256k1 signs several times as fast as the default: the load shares its cores with the queen.
fn key(kind: &str, number: u64) -> Secp256k1Signer {
    let key = PrivateKeySigner::from_bytes(&sha256(format!("{kind} {number}")));
    key.expect("a key").to_secp256k1()
}

/// A client.
pub fn client(number: u64) -> Secp256k1Signer {
    key("client", number)
}

/// A bee.
pub fn bee(number: u64) -> Secp256k1Signer {
    key("bee", number)
}

/// The bee that holds what is to stay open.
pub const HOLDER: u64 = u64::MAX;

/// The model package's files.
pub fn package() -> Vec<(String, Vec<u8>)> {
    let description = format!(
        "name = 'brain'\nversion = '1'\nlicence = 'MIT'\njob_type = '{JOB_TYPE}'\nmemory_mib = 512\n"
    );
    vec![
        ("model.onnx".to_owned(), b"weights".to_vec()),
        ("model.toml".to_owned(), description.into_bytes()),
    ]
}

/// The model.
pub fn model() -> B256 {
    static MODEL: OnceLock<B256> = OnceLock::new();
    *MODEL.get_or_init(|| manifest_digest(&package()))
}

/// The input that a client uploaded.
pub fn input(client: u64) -> BlobRef {
    BlobRef {
        sha256: sha256(format!("input {client}")),
        size: INPUT_BYTES,
    }
}

/// The result that a bee uploaded.
pub fn result(bee: u64) -> BlobRef {
    BlobRef {
        sha256: sha256(format!("result {bee}")),
        size: RESULT_BYTES,
    }
}

fn hash_signature(key: &Secp256k1Signer, digest: &B256) -> Signature65 {
    key.sign_hash_sync(digest).expect("signs").into()
}

/// A fresh order of a client, signed (EIP-712).
pub fn order(number: u64, key: &Secp256k1Signer, domain: &Domain) -> SubmitJob {
    let nonce = nonce();
    let salt = sha256(nonce.to_be_bytes());
    let input = input(number);
    let order = Order {
        client: key.address(),
        model: model(),
        input: salted(&salt, &input.sha256),
        max_fee: FEE,
        nonce,
        deadline: now() + 20_000,
    };
    SubmitJob {
        job_type: JOB_TYPE.into(),
        signature: hash_signature(key, &order.digest(domain)),
        order,
        salt,
        input,
        reply_to: reply_to(),
        client_ens: None,
    }
}

/// A recipient of results; nothing is encrypted here.
pub fn reply_to() -> String {
    static RECIPIENT: OnceLock<String> = OnceLock::new();
    let make = || Identity::generate().recipient().to_string();
    RECIPIENT.get_or_init(make).clone()
}

/// The same order as the peer takes it: EIP-191 over one line of its fields.
pub fn peer_order(number: u64, key: &Secp256k1Signer, domain: &Domain) -> SubmitJob {
    let mut job = order(number, key, domain);
    let Order {
        client,
        model,
        input,
        max_fee,
        nonce,
        deadline,
    } = &job.order;
    let text = format!(
        "{client:#x}:{model}:{input}:{}:{nonce}:{deadline}",
        max_fee.0
    );
    job.signature = hash_signature(key, &eip191_message(text.as_bytes()));
    job
}

/// A signed POST.
pub fn signed_post(key: &Secp256k1Signer, path: &str, body: &[u8]) -> Vec<u8> {
    let (timestamp, nonce) = (now(), nonce());
    let to_sign = RequestToSign {
        method: "POST",
        path,
        body: sha256(body),
        timestamp,
        nonce,
    };
    let signature = hash_signature(key, &to_sign.digest());
    let address = key.address();
    let headers = format!(
        "swarm-address: {address:#x}\r\nswarm-timestamp: {timestamp}\r\nswarm-nonce: {nonce}\r\nswarm-signature: {signature}\r\n"
    );
    super::http::post(path, &headers, body)
}
