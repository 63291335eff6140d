use std::collections::BTreeMap;

use alloy_primitives::hex;
use k256::ecdsa::SigningKey;

use super::verify::verify_pages_of;
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
    bundle_with_pages_of(PAGE_RECEIPTS)
}

fn bundle_with_pages_of(page: usize) -> BTreeMap<String, Vec<u8>> {
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
    let mut jobs = [
        job(1, 11, 3, &domain),
        job(2, 12, 1, &domain),
        job(1, 12, 2, &domain),
    ];
    jobs.sort_by_key(SettledJob::key);
    let mut builder = Builder::with_pages_of(page, input);
    for page in jobs.chunks(page) {
        let file = builder.page(page).expect("the next page");
        files.insert(file.name, file.bytes);
    }
    let (rest, built) = builder.finish();
    files.extend(rest.into_iter().map(|file| (file.name, file.bytes)));
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

/// Many jobs with signatures that only look like some: of what is built here nothing recovers one.
fn jobs(domain: &Domain, picks: &[(u8, u8, u16)]) -> Vec<SettledJob> {
    let template = job(1, 11, 1, domain);
    let jobs = picks
        .iter()
        .enumerate()
        .map(|(seq, (client, worker, fee))| {
            let mut job = template.clone();
            job.order.order.client = Address::repeat_byte(*client % 5);
            job.order.order.nonce = seq as u64;
            job.worker = Address::repeat_byte(*worker % 3);
            job.fee = MicroUsdc(u64::from(*fee));
            job.execution.job_epoch = 1 + u64::from(*fee % 2);
            job.execution.job_seq = seq as u64;
            job.execution.order = job.order.commitment();
            job.engine = format!("engine \"{client}\" \u{1}\u{7f} Ω {worker}");
            job.power.age_seconds = (*fee % 3 == 0).then_some(u32::from(*fee));
            job.power.solar = crate::power::Reading::Bps(*fee);
            job
        });
    jobs.collect()
}

fn input(domain: &Domain) -> EpochInput {
    EpochInput {
        epoch: 2,
        domain: domain.clone(),
        previous: B256::repeat_byte(9),
        sealed_at: 1_900,
        rates: Rates::default(),
        protocol_payee: Address::repeat_byte(0xaa),
        operator_payee: Address::repeat_byte(0xbb),
        workers: (0..3)
            .map(|n| WorkerEpoch {
                worker: Address::repeat_byte(n),
                payee: Address::repeat_byte(n / 2),
                ready_seconds: u64::from(n) * 7,
            })
            .collect(),
    }
}

/// A bundle built all at once, by nothing but the definitions.
fn at_once(domain: &Domain, jobs: &[SettledJob], page: usize) -> BTreeMap<String, Vec<u8>> {
    let mut jobs: Vec<&SettledJob> = jobs.iter().collect();
    jobs.sort_by_key(|job| job.key());
    let mut totals: BTreeMap<Address, u64> = BTreeMap::new();
    let entries = jobs.iter().map(|job| {
        let (order, execution) = (&job.order.order, &job.execution);
        let total = totals.entry(order.client).or_default();
        *total += job.fee.0;
        JobEntry {
            receipt: Receipt {
                job_epoch: execution.job_epoch,
                job_seq: execution.job_seq,
                client: order.client,
                worker: job.worker,
                order: execution.order,
                model: execution.model,
                input: execution.input,
                result: execution.result,
                execution: execution.digest(domain),
                power: execution.power,
                fee: job.fee,
                client_total: MicroUsdc(*total),
                started_at: execution.started_at,
                completed_at: execution.completed_at,
                energy_millijoules: execution.energy_millijoules,
            },
            order: job.order.clone(),
            execution: execution.clone(),
            execution_signature: job.execution_signature,
            engine: job.engine.clone(),
            power: job.power.clone(),
        }
    });
    let entries: Vec<JobEntry> = entries.collect();
    let pages = entries.chunks(page).enumerate();
    let files = pages.map(|(number, jobs)| {
        let page = JobsPage {
            first: (number * page) as u64,
            jobs: jobs.to_vec(),
        };
        (page_name(number), crate::canonical::to_vec(&page))
    });
    files.collect()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn pages_that_stream_are_those_of_the_whole(
        picks in proptest::collection::vec(proptest::prelude::any::<(u8, u8, u16)>(), 0..60),
        page in 1usize..20,
    ) {
        let domain = Domain::new(84532, Address::repeat_byte(0xe5));
        let mut jobs = jobs(&domain, &picks);
        let mut expected = at_once(&domain, &jobs, page);
        let leaves: Vec<B256> = expected
            .values()
            .flat_map(|bytes| serde_json::from_slice::<JobsPage>(bytes).expect("a page").jobs)
            .map(|entry| entry.receipt.leaf())
            .collect();

        jobs.sort_by_key(SettledJob::key);
        let mut builder = Builder::with_pages_of(page, input(&domain));
        let mut files = BTreeMap::new();
        for page in jobs.chunks(page) {
            let file = builder.page(page).expect("the next page");
            files.insert(file.name, file.bytes);
        }
        proptest::prop_assert_eq!(builder.receipts(), picks.len() as u64);
        let (rest, built) = builder.finish();
        for file in &rest {
            expected.insert(file.name.clone(), file.bytes.clone());
        }
        files.extend(rest.into_iter().map(|file| (file.name, file.bytes)));
        proptest::prop_assert!(files == expected);

        let summary: Summary = serde_json::from_slice(&files[SUMMARY]).expect("a summary");
        proptest::prop_assert_eq!(built.seal.0.receiptsRoot, crate::tree::Tree::new(&leaves).root());
        proptest::prop_assert_eq!(summary.receipt_count, picks.len() as u64);
        for place in &summary.pages {
            let first = place.first as usize;
            let own = &leaves[first..first + place.count as usize];
            proptest::prop_assert_eq!(&place.subtrees, &crate::tree::cover(place.first, own));
        }
        for (name, hash) in &summary.files {
            proptest::prop_assert_eq!(*hash, sha256(&files[name]));
        }
        // Charges, payouts and agents do not depend on how the jobs were cut into pages.
        let whole = build(input(&domain), jobs, |_, _| Ok::<(), ()>(())).expect("builds");
        proptest::prop_assert_eq!(built.charges, whole.charges);
        proptest::prop_assert_eq!(built.payouts, whole.payouts);
        proptest::prop_assert_eq!(built.agents, whole.agents);
        proptest::prop_assert_eq!(built.seal.0.receiptsRoot, whole.seal.0.receiptsRoot);
    }
}

#[test]
fn several_pages_verify() {
    let files = bundle_with_pages_of(2);
    assert_eq!(
        files
            .keys()
            .filter(|name| name.starts_with("jobs/"))
            .count(),
        2
    );
    let verified = verify_pages_of(2, |name| files.get(name).cloned()).expect("verifies");
    assert_eq!(verified.summary.receipt_count, 3);
    for other in [1, 3, PAGE_RECEIPTS] {
        let found = verify_pages_of(other, |name| files.get(name).cloned());
        assert_eq!(found.err(), Some(BundleError::Summary("pages")), "{other}");
    }
}

#[test]
fn a_builder_refuses_jobs_that_are_not_the_next() {
    let domain = Domain::new(84532, Address::repeat_byte(0xe5));
    let jobs = jobs(&domain, &[(0, 0, 2), (0, 0, 2), (1, 0, 2), (1, 3, 2)]);
    let next = |pages: &[&[SettledJob]]| {
        let mut builder = Builder::with_pages_of(2, input(&domain));
        let outcomes = pages.iter().map(|page| builder.page(page).err());
        outcomes.collect::<Vec<_>>().pop().flatten()
    };
    assert_eq!(next(&[&jobs[..2], &jobs[2..]]), None);
    assert_eq!(next(&[&jobs[..3]]), Some(BuildError::Page { receipts: 3 }));
    assert_eq!(next(&[&[]]), Some(BuildError::Page { receipts: 0 }));
    let after_a_short_one = next(&[&jobs[..1], &jobs[1..2]]);
    assert_eq!(after_a_short_one, Some(BuildError::Page { receipts: 1 }));
    let swapped = [jobs[1].clone(), jobs[0].clone()];
    assert_eq!(
        next(&[&swapped]),
        Some(BuildError::Order(jobs[0].execution.job()))
    );
    let twice = [jobs[0].clone(), jobs[0].clone()];
    assert_eq!(
        next(&[&twice]),
        Some(BuildError::Order(jobs[0].execution.job()))
    );
    let mut stranger = jobs[0].clone();
    stranger.worker = Address::repeat_byte(0x77);
    assert_eq!(
        next(&[&[stranger.clone()]]),
        Some(BuildError::Worker(stranger.worker))
    );
    let mut rich = [jobs[0].clone(), jobs[1].clone()];
    rich[0].fee = MicroUsdc(u64::MAX);
    assert_eq!(
        next(&[&rich]),
        Some(BuildError::Overflow(rich[1].execution.job()))
    );
}
