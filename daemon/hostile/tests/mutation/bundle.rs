//! The bundle as a stranger gets it: each change of it has a name, and none a panic.

use alloy_primitives::Signature;
use k256::ecdsa::SigningKey;
use swarm_hostile::{mutate, samples, targets};
use swarm_types::bundle::{
    BundleError, EpochInput, SIGNATURE, SettledJob, SettlerSignature, WorkerEpoch, build,
    signature_file, summary_digest, verify,
};
use swarm_types::eip712::Domain;
use swarm_types::order::{Order, SignedOrder};
use swarm_types::power::PowerRecord;
use swarm_types::receipt::{ENERGY_UNKNOWN, Execution};
use swarm_types::{Address, B256, MicroUsdc, Signature65, sha256};

use crate::campaign::{Campaign, MIB};

#[test]
fn each_changed_leaf_of_each_file_is_a_named_fault() {
    let mut changed = 0;
    for (which, (name, bytes)) in samples::BUNDLE.iter().enumerate() {
        targets::bundle(which, bytes).expect("the bundle itself holds");
        if *name == SIGNATURE {
            for at in 0..bytes.len() {
                let mut bent = bytes.to_vec();
                bent[at] ^= 1;
                let fault = targets::bundle(which, &bent).expect_err("a flipped bit");
                assert!(matches!(fault, BundleError::Signature(_)), "{at}: {fault}");
                changed += 1;
            }
            continue;
        }
        let whole: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
        for (leaf, value) in mutate::each_leaf(&whole) {
            let text = swarm_types::canonical::to_vec(&value);
            let fault = targets::bundle(which, &text).expect_err(&leaf);
            // A changed file is told by its hash; SUMMARY.json, which holds the hashes, by what it states.
            let named = match &fault {
                _ if which == 0 => true,
                BundleError::FileHash(file) | BundleError::Format { file, .. } => file == name,
                _ => false,
            };
            assert!(named, "{name}{leaf}: {fault}");
            changed += 1;
        }
    }
    assert!(changed > 500, "{changed} leaves");
}

/// With the hashes put right, the fault behind them shows: nothing but what a seal does not bind may change.
#[test]
fn each_changed_leaf_is_found_also_when_the_hashes_are_put_right() {
    let mut found = std::collections::BTreeMap::<String, u32>::new();
    for (which, (name, bytes)) in samples::BUNDLE.iter().enumerate().skip(1).take(4) {
        let whole: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
        for (leaf, value) in mutate::each_leaf(&whole) {
            let text = swarm_types::canonical::to_vec(&value);
            let mut summary: serde_json::Value =
                serde_json::from_slice(samples::BUNDLE[0].1).expect("JSON");
            summary["files"][name] = serde_json::json!(sha256(&text));
            let summary = swarm_types::canonical::to_vec(&summary);
            let read = |file: &str| match samples::BUNDLE
                .iter()
                .position(|(known, _)| *known == file)?
            {
                0 => Some(summary.clone()),
                at if at == which => Some(text.clone()),
                at => Some(samples::BUNDLE[at].1.to_vec()),
            };
            let fault = verify(read).expect_err(&leaf);
            assert!(
                !matches!(fault, BundleError::FileHash(_)),
                "{name}{leaf}: {fault}"
            );
            let kind = format!("{fault:?}");
            *found
                .entry(kind.split([' ', '(']).next().unwrap_or_default().to_owned())
                .or_default() += 1;
        }
    }
    for kind in ["Receipt", "Derived", "Format"] {
        assert!(
            found.get(kind).is_some_and(|count| *count > 2),
            "{kind}: {found:?}"
        );
    }
}

#[test]
fn damaged_files_are_refused() {
    let files: Vec<Vec<u8>> = samples::BUNDLE
        .iter()
        .map(|(_, bytes)| bytes.to_vec())
        .collect();
    let campaign = Campaign::new("bundle", 3_000, 16 * MIB);
    let damage = |random: &mut mutate::Random| {
        let which = random.below(files.len());
        let mut text = match which {
            5 => files[which].clone(),
            _ => mutate::json(&files[which], &files, random),
        };
        mutate::bytes(&mut text, 0, &files, random);
        text.insert(0, which as u8);
        text
    };
    let decode = |input: &[u8]| targets::bundle(input[0].into(), &input[1..]).is_ok();
    campaign.run(damage, decode).at_least(0, 2_700);
}

/// Everything in it is signed by the keys it names, and its sums are beyond what 64 bits hold.
#[test]
fn sums_that_overflow_are_a_named_fault() {
    let key = |n: u8| {
        let key = SigningKey::from_slice(&[n; 32]).expect("a key");
        let address = Address::from_private_key(&key);
        (key, address)
    };
    let sign = |key: &SigningKey, digest: B256| -> Signature65 {
        let (signature, id) = key
            .sign_prehash_recoverable(digest.as_slice())
            .expect("signs");
        Signature::from_signature_and_parity(signature, id.is_y_odd()).into()
    };
    let domain = Domain::new(84_532, Address::repeat_byte(0xe5));
    let (worker_key, worker) = key(9);
    let job = |n: u8, fee: MicroUsdc| {
        let (client_key, client) = key(n);
        let order = Order {
            client,
            model: B256::repeat_byte(4),
            input: B256::repeat_byte(5),
            max_fee: fee,
            nonce: u64::from(n),
            deadline: 2_000,
        };
        let order = SignedOrder {
            signature: sign(&client_key, order.digest(&domain)),
            order,
        };
        let power = PowerRecord::unknown();
        let execution = Execution {
            job_epoch: 1,
            job_seq: u64::from(n),
            order: order.commitment(),
            model: order.order.model,
            input: order.order.input,
            result: B256::repeat_byte(6),
            engine: sha256("test"),
            device: sha256("cpu:test"),
            started_at: 1_000,
            completed_at: 1_000,
            energy_millijoules: ENERGY_UNKNOWN,
            power: power.digest(),
        };
        SettledJob {
            worker,
            fee,
            execution_signature: sign(&worker_key, execution.digest(&domain)),
            order,
            execution,
            engine: "test".into(),
            power,
        }
    };
    let made = |fee: MicroUsdc| {
        let input = EpochInput {
            epoch: 1,
            domain: domain.clone(),
            previous: B256::ZERO,
            sealed_at: 1_900,
            rates: Default::default(),
            protocol_payee: Address::repeat_byte(0xaa),
            operator_payee: Address::repeat_byte(0xbb),
            workers: vec![WorkerEpoch {
                worker,
                payee: worker,
                ready_seconds: 1,
            }],
        };
        let mut files = std::collections::BTreeMap::new();
        let built = build(input, vec![job(1, fee), job(2, fee)], |name, bytes| {
            files.insert(name.to_owned(), bytes.to_vec());
            Ok::<(), ()>(())
        })
        .expect("a sink that cannot fail");
        let signature = SettlerSignature {
            settler: worker,
            seal: sign(&worker_key, built.seal.digest(&domain)),
            summary: sign(&worker_key, summary_digest(&built.summary)),
        };
        files.insert(
            SIGNATURE.to_owned(),
            signature_file(&[signature]).into_bytes(),
        );
        files
    };
    let files = made(MicroUsdc(100_000));
    verify(|name| files.get(name).cloned()).expect("a sound bundle");
    // The page's fees grow, and with them order, execution and hashes, as a forger would do it.
    let huge = MicroUsdc(u64::MAX / 2 + 10);
    let mut files = files;
    let page = forged_page(&[job(1, huge), job(2, huge)], worker, &domain);
    let mut summary: serde_json::Value =
        serde_json::from_slice(&files["SUMMARY.json"]).expect("JSON");
    summary["files"]["jobs/00000.json"] = serde_json::json!(sha256(&page));
    files.insert("jobs/00000.json".into(), page);
    files.insert(
        "SUMMARY.json".into(),
        swarm_types::canonical::to_vec(&summary),
    );
    let fault = verify(|name| files.get(name).cloned()).expect_err("more money than there is");
    assert!(
        matches!(fault, BundleError::Receipt { index: 1, .. }),
        "{fault}"
    );
}

/// A page whose receipts fit their orders and executions, whatever they sum to.
fn forged_page(jobs: &[SettledJob], worker: Address, domain: &Domain) -> Vec<u8> {
    let mut jobs: Vec<&SettledJob> = jobs.iter().collect();
    jobs.sort_by_key(|job| job.order.order.client);
    let entries = jobs.iter().map(|job| {
        let (order, execution) = (&job.order.order, &job.execution);
        serde_json::json!({
            "receipt": swarm_types::receipt::Receipt {
                job_epoch: execution.job_epoch,
                job_seq: execution.job_seq,
                client: order.client,
                worker,
                order: job.order.commitment(),
                model: order.model,
                input: order.input,
                result: execution.result,
                execution: execution.digest(domain),
                power: execution.power,
                fee: job.fee,
                client_total: job.fee,
                started_at: execution.started_at,
                completed_at: execution.completed_at,
                energy_millijoules: execution.energy_millijoules,
            },
            "order": job.order,
            "execution": execution,
            "executionSignature": job.execution_signature,
            "engine": job.engine,
            "power": job.power,
        })
    });
    let page = serde_json::json!({ "first": "0", "jobs": entries.collect::<Vec<_>>() });
    swarm_types::canonical::to_vec(&page)
}
