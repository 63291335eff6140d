use std::collections::BTreeMap;

use alloy_primitives::hex;
use k256::ecdsa::SigningKey;

use super::*;
use crate::{order::Order, sha256};

pub(super) fn key(n: u8) -> (SigningKey, Address) {
    let key = SigningKey::from_slice(&[n; 32]).expect("a key");
    let address = Address::from_private_key(&key);
    (key, address)
}

pub(super) fn sign(key: &SigningKey, digest: B256) -> Signature65 {
    let (signature, id) = key
        .sign_prehash_recoverable(digest.as_slice())
        .expect("signs");
    alloy_primitives::Signature::from_signature_and_parity(signature, id.is_y_odd()).into()
}

fn job(client: u8, worker: u8, seq: u64, domain: &Domain) -> SettledJob {
    let ((client_key, client), (worker_key, worker)) = (key(client), key(worker));
    let order = Order {
        client,
        model: B256::repeat_byte(4),
        input: B256::repeat_byte(5),
        max_fee: MicroUsdc(100_000),
        nonce: seq,
        deadline: 2_000,
    };
    let order = SignedOrder {
        signature: sign(&client_key, order.digest(domain)),
        order,
    };
    let power = PowerRecord::unknown();
    let engine = "ort-cpu/1.31.1/f32/x86_64".to_string();
    let execution = Execution {
        job_epoch: 1,
        job_seq: seq,
        order: order.commitment(),
        model: order.order.model,
        input: order.order.input,
        result: B256::repeat_byte(6),
        engine: sha256(engine.as_bytes()),
        device: sha256(b"cpu:test"),
        started_at: 1_000,
        completed_at: 1_000 + seq,
        energy_millijoules: u64::MAX,
        power: power.digest(),
    };
    let execution_signature = sign(&worker_key, execution.digest(domain));
    SettledJob {
        worker,
        fee: MicroUsdc(100_000),
        order,
        execution,
        execution_signature,
        engine,
        power,
    }
}

fn bundle() -> BTreeMap<String, Vec<u8>> {
    let domain = Domain::new(84532, Address::repeat_byte(0xe5));
    let mut files = BTreeMap::new();
    let input = EpochInput {
        epoch: 1,
        domain: domain.clone(),
        previous: B256::ZERO,
        sealed_at: 1_900,
        rates: Rates::default(),
        protocol_payee: Address::repeat_byte(0xaa),
        operator_payee: Address::repeat_byte(0xbb),
        jobs: vec![
            job(1, 11, 3, &domain),
            job(2, 12, 1, &domain),
            job(1, 12, 2, &domain),
        ],
        workers: vec![
            WorkerEpoch {
                worker: key(11).1,
                payee: Address::repeat_byte(0x11),
                ready_seconds: 100,
            },
            WorkerEpoch {
                worker: key(12).1,
                payee: Address::repeat_byte(0x12),
                ready_seconds: 50,
            },
        ],
    };
    let built = build(input, |name, bytes| {
        files.insert(name.to_string(), bytes.to_vec());
        Ok::<(), ()>(())
    })
    .expect("a sink that cannot fail");
    let (settler, address) = key(77);
    let signature = SettlerSignature {
        settler: address,
        seal: sign(&settler, built.seal.digest(&domain)),
        summary: sign(&settler, summary_digest(&built.summary)),
    };
    files.insert(SIGNATURE.into(), signature_file(&[signature]).into_bytes());
    files
}

#[test]
fn what_is_built_verifies() {
    let files = bundle();
    let verified = verify(|name| files.get(name).cloned()).expect("verifies");
    assert_eq!(verified.summary.charged, MicroUsdc(300_000));
    assert_eq!(verified.charges.len(), 2);
    assert_eq!(verified.payouts.len(), 4);
    assert_eq!(verified.settlers[0].settler, key(77).1);
    assert!(verified.delegated.is_empty());
    assert_eq!(verified.leaves.len(), 3);
}

#[test]
fn any_flipped_byte_is_found() {
    let files = bundle();
    for name in files.keys() {
        let bytes = &files[name];
        for position in (0..bytes.len()).step_by(7) {
            let mut broken = files.clone();
            broken.get_mut(name).expect("listed")[position] ^= 1;
            let found = verify(|name| broken.get(name).cloned());
            assert!(found.is_err(), "{name} byte {position}");
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    let files = bundle();
    for missing in files.keys() {
        let found = verify(|name| files.get(name).filter(|_| name != missing).cloned());
        assert_eq!(found.err(), Some(BundleError::Missing(missing.clone())));
    }
}

#[test]
fn vector_hash_is_the_abi_hash_of_a_dynamic_array() {
    // keccak256 of abi.encode(Entry[]) with one entry (0x11…11, 5): offset, length, address, amount.
    let entries = vector(&BTreeMap::from([(
        Address::repeat_byte(0x11),
        MicroUsdc(5),
    )]));
    let bytes = hex!(
        "0000000000000000000000000000000000000000000000000000000000000020"
        "0000000000000000000000000000000000000000000000000000000000000001"
        "0000000000000000000000001111111111111111111111111111111111111111"
        "0000000000000000000000000000000000000000000000000000000000000005"
    );
    assert_eq!(vector_hash(&entries), keccak256(bytes));
}
