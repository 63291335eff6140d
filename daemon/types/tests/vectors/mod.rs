//! How the vectors in `daemon/types/vectors/` are made. Keys are the bytes 01…01, 02…02 and so on.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Signature};
use k256::ecdsa::SigningKey;
use serde_json::{Value, json};
use swarm_types::bundle::{self, EpochInput, SettledJob, SettlerSignature, WorkerEpoch};
use swarm_types::eip712::Domain;
use swarm_types::order::{Order, SignedOrder};
use swarm_types::payout::{Rates, split};
use swarm_types::power::{PowerRecord, Quality, Reading};
use swarm_types::receipt::Execution;
use swarm_types::signature::eip191_digest;
use swarm_types::{MicroUsdc, Signature65, canonical, digest, sha256, tree};

/// Every vector file: path below `vectors/` and bytes.
pub fn all() -> BTreeMap<String, Vec<u8>> {
    let (mut files, protocol) = epoch();
    let mut text = serde_json::to_vec_pretty(&sorted(protocol)).expect("JSON");
    text.push(b'\n');
    files.insert("protocol.json".into(), text);
    files
}

/// The same value with its keys in order, whatever map serde_json was built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<String, Value> =
                map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            Value::Object(map.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn key(n: u8) -> (SigningKey, Address) {
    let key = SigningKey::from_slice(&[n; 32]).expect("a key");
    let address = Address::from_private_key(&key);
    (key, address)
}

fn sign(key: &SigningKey, digest: B256) -> Signature65 {
    let (signature, id) = key
        .sign_prehash_recoverable(digest.as_slice())
        .expect("signs");
    Signature::from_signature_and_parity(signature, id.is_y_odd()).into()
}

fn domain() -> Domain {
    Domain::new(84532, Address::repeat_byte(0xe5))
}

/// Job `seq` of epoch 1 or 2, by client `client` (its key, or its order signer's `by`), done by `worker`.
fn job(client: u8, by: u8, worker: u8, epoch: u64, seq: u64, fee: u64) -> SettledJob {
    let domain = domain();
    let order = Order {
        client: key(client).1,
        model: sha256(b"model"),
        input: digest::salted(&B256::repeat_byte(0x5a), &sha256(b"input")),
        max_fee: MicroUsdc(fee + 1),
        nonce: u64::from(client) * 1_000 + seq,
        deadline: 1_700_003_600,
    };
    // Every other order is signed as a personal message over the digest.
    let over = order.digest(&domain);
    let over = if seq.is_multiple_of(2) {
        eip191_digest(&over)
    } else {
        over
    };
    let order = SignedOrder {
        signature: sign(&key(by).0, over),
        order,
    };
    let power = match seq % 3 {
        0 => PowerRecord::unknown(),
        _ => PowerRecord {
            meter: "nvml".into(),
            quality: Quality::Good,
            age_seconds: Some(1),
            solar: Reading::Bps(6_000),
            battery: Reading::Bps(4_000),
            grid: Reading::Unknown,
        },
    };
    let engine = "onnxruntime-cpu 1.31.1 f32 x86_64 reference".to_string();
    let execution = Execution {
        job_epoch: epoch,
        job_seq: seq,
        order: order.commitment(),
        model: order.order.model,
        input: order.order.input,
        result: digest::salted(&B256::repeat_byte(0x5a), &sha256(b"result")),
        engine: sha256(engine.as_bytes()),
        device: sha256(b"cpu:vector"),
        started_at: 1_700_000_000 + seq,
        completed_at: 1_700_000_010 + seq,
        energy_millijoules: if seq.is_multiple_of(3) {
            u64::MAX
        } else {
            12_345
        },
        power: power.digest(),
    };
    let (worker_key, worker) = key(worker);
    let execution_signature = sign(&worker_key, execution.digest(&domain));
    SettledJob {
        worker,
        fee: MicroUsdc(fee),
        order,
        execution,
        execution_signature,
        engine,
        power,
    }
}

fn epoch() -> (BTreeMap<String, Vec<u8>>, Value) {
    let domain = domain();
    let mut jobs = vec![job(1, 1, 11, 1, 9, 100_000)];
    jobs.extend((1..=4).map(|seq| job(1, 1, 10 + (seq % 2) as u8, 2, seq, 100_000)));
    jobs.extend((5..=8).map(|seq| job(2, 2, 10, 2, seq, 70_001)));
    let single = jobs[0].clone();
    let input = EpochInput {
        epoch: 2,
        domain: domain.clone(),
        previous: sha256(b"previous"),
        sealed_at: 1_700_000_100,
        rates: Rates::default(),
        protocol_payee: Address::repeat_byte(0xaa),
        operator_payee: Address::repeat_byte(0xbb),
        workers: [(10, 0x10, 86_400), (11, 0x11, 43_199), (12, 0x11, 7)]
            .map(|(worker, payee, ready_seconds)| WorkerEpoch {
                worker: key(worker).1,
                payee: Address::repeat_byte(payee),
                ready_seconds,
            })
            .to_vec(),
    };
    let mut files = BTreeMap::new();
    let built = bundle::build(input, jobs, |name, bytes| {
        files.insert(format!("epoch-002/{name}"), bytes.to_vec());
        Ok::<(), ()>(())
    })
    .expect("a sink that cannot fail");
    let signatures = [77u8, 78].map(|n| {
        let (settler_key, settler) = key(n);
        SettlerSignature {
            settler,
            seal: sign(&settler_key, built.seal.digest(&domain)),
            summary: sign(&settler_key, bundle::summary_digest(&built.summary)),
        }
    });
    files.insert(
        "epoch-002/SIGNATURE.txt".into(),
        bundle::signature_file(&signatures).into_bytes(),
    );

    let order = &single.order;
    let leaves: Vec<B256> = (0u8..8).map(|n| tree_leaf(&[n])).collect();
    let weights =
        BTreeMap::from([1u8, 2, 3, 4].map(|n| (Address::repeat_byte(n), u64::from(n) * 7 + 1)));
    let shares = split(MicroUsdc(1_000_003), &weights).expect("weights");
    let manifest_files = [("b/2.dcm", b"two".as_slice()), ("a.dcm", b"one".as_slice())];
    let protocol = json!({
        "domain": { "name": "SwarmEscrow", "version": "1", "chainId": "84532", "verifyingContract": domain.escrow },
        "order": {
            "message": order.order,
            "digest": order.order.digest(&domain),
            "eip191Digest": eip191_digest(&order.order.digest(&domain)),
            "signer": key(1).1,
            "signature": order.signature,
            "commitment": order.commitment(),
        },
        "execution": {
            "message": single.execution,
            "digest": single.execution.digest(&domain),
            "signer": single.worker,
            "signature": single.execution_signature,
        },
        "power": { "record": single.power, "canonical": String::from_utf8_lossy(&canonical::to_vec(&single.power)), "digest": single.power.digest() },
        "poe": {
            "jobId": "job-002-0848",
            "result": single.execution.result,
            "worker": "bee-01.swarmbee.eth",
            "hash": digest::poe_hash("job-002-0848".parse().expect("an id"), &single.execution.result, "bee-01.swarmbee.eth"),
        },
        "manifest": {
            "files": manifest_files.map(|(path, bytes)| json!({ "path": path, "text": String::from_utf8_lossy(bytes) })),
            "text": digest::manifest(manifest_files.map(|(path, bytes)| (path, sha256(bytes)))),
            "digest": sha256(digest::manifest(manifest_files.map(|(path, bytes)| (path, sha256(bytes))))),
        },
        "tree": (0..=8).map(|n| json!({
            "size": n,
            "leafInputs": (0..n).map(|i| format!("0x{i:02x}")).collect::<Vec<_>>(),
            "root": tree::root(&leaves[..n]),
            "paths": (0..n).map(|i| tree::Tree::new(&leaves[..n]).path(i)).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "split": { "pool": "1000003", "weights": weights.iter().map(|(a, w)| json!([a, w.to_string()])).collect::<Vec<_>>(), "shares": shares },
        "seal": { "digest": built.seal.digest(&domain), "structHash": built.seal.struct_hash() },
    });
    (files, protocol)
}

fn tree_leaf(data: &[u8]) -> B256 {
    swarm_types::sha256_parts(&[&[0], data])
}
