//! What is served of a sealed epoch.

use std::collections::BTreeMap;

use swarm_chain::Wallet;
use swarm_ledger::commands::{BeginSeal, RecordSealed};
use swarm_ledger::records::{JobCharge, SealTrigger};
use swarm_queen::settlement::{Published, publish};
use swarm_types::api::EpochStatus;
use swarm_types::bundle::{
    self, AGENTS, Builder, CLIENTS, EpochInput, PAYOUTS, SIGNATURE, SUMMARY,
};
use swarm_types::payout::Rates;
use swarm_types::{Address, tree};

use crate::rig::{Rig, now};

#[tokio::test]
async fn a_sealed_epoch_gives_receipts_payouts_and_its_bundle() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    let client = rig.as_client(&rig.client);
    let mut jobs = Vec::new();
    for number in 0..3u8 {
        let job = client
            .submit(&rig.order(&[number]).await)
            .await
            .expect("accepted");
        let lease = bee.poll(5).await.expect("work");
        let done = bee.work(&lease).await;
        bee.queen
            .complete(lease.job_id, &done)
            .await
            .expect("completed");
        jobs.push(job.job_id);
    }
    let ledger = &rig.handle.ledger;
    let begin = BeginSeal {
        now: now() + 1,
        trigger: SealTrigger::Demand,
    };
    let start = ledger.begin_seal(begin).await.expect("begun");
    let contents = ledger
        .seal_contents(start.epoch)
        .await
        .expect("reads")
        .expect("contents");
    let input = EpochInput {
        epoch: start.epoch.0,
        domain: rig.domain(),
        previous: contents.previous,
        sealed_at: contents.sealed_at,
        rates: Rates::default(),
        protocol_payee: Address::repeat_byte(0xa1),
        operator_payee: Address::repeat_byte(0xa2),
        workers: contents.workers,
    };
    let ids = contents.jobs.iter().map(|charge| charge.job).collect();
    let settled = ledger.settled_jobs(start.epoch, ids).await;
    let settled = settled.expect("settled jobs");
    let whole = bundle::build(input.clone(), settled, |_, _| Ok::<(), ()>(()));
    let whole = whole.expect("a sink that cannot fail");
    let audit = rig.bundle_dir(start.epoch);
    let audit = audit.parent().expect("a folder of bundles");
    let settler = Wallet::random();
    let keys = [settler.clone()];
    // What an interrupted attempt has left is no obstacle.
    let left = audit.join(format!(".{}.new/jobs", start.epoch));
    std::fs::create_dir_all(&left).expect("made");
    std::fs::write(left.join("00009.json"), "half").expect("written");
    // Pages of two receipts, so that there are two; as often as it is asked for.
    let publish = async |jobs: &[JobCharge]| {
        let builder = Builder::with_pages_of(2, input.clone());
        publish(ledger, audit, builder, jobs, &keys).await
    };
    let first = publish(&contents.jobs).await.expect("published");
    let Published { built, signatures } = publish(&contents.jobs).await.expect("again");
    assert_eq!(built.summary, first.built.summary);
    let (here, there) = (&built.seal.0, &whole.seal.0);
    assert_eq!(here.receiptsRoot, there.receiptsRoot);
    assert_eq!((here.charges, here.payouts), (there.charges, there.payouts));
    assert_eq!((&built.agents, built.charges.len()), (&whole.agents, 1));
    assert_eq!(signatures[0].settler, settler.address());
    // A job that is not the epoch's stops it, and what is published stays.
    let mut strange = contents.jobs.clone();
    strange[2].job.seq += 1;
    publish(&strange).await.expect_err("not its job");
    let dir = rig.bundle_dir(start.epoch);
    let mut files = BTreeMap::new();
    for name in [
        "jobs/00000.json",
        "jobs/00001.json",
        AGENTS,
        CLIENTS,
        PAYOUTS,
        SUMMARY,
        SIGNATURE,
    ] {
        files.insert(name, std::fs::read(dir.join(name)).expect(name));
    }
    let listed = std::fs::read_dir(dir.join("jobs")).expect("pages").count();
    assert_eq!(listed, 2);
    assert_eq!(files[SUMMARY], built.summary);
    let sealed = RecordSealed {
        now: now() + 1,
        epoch: start.epoch,
        seal: built.seal.clone(),
        charges: built.charges,
        payouts: built.payouts,
        agents: built.agents,
        signatures,
    };
    ledger.record_sealed(sealed).await.expect("recorded");

    for job in jobs {
        let proof = client.receipt(job).await.expect("a receipt");
        assert_eq!(proof.receipt.job(), job);
        let root = tree::root_from_path(proof.receipt.leaf(), proof.index, proof.size, &proof.path);
        assert_eq!(root, Some(built.seal.0.receiptsRoot));
    }
    let epoch = client.epoch(start.epoch).await.expect("the epoch");
    assert_eq!((epoch.status, epoch.jobs_count), (EpochStatus::Sealed, 3));
    assert_eq!(epoch.bundle, Some(built.seal.0.bundle));
    assert!(epoch.cid.is_some_and(|cid| cid.starts_with("b")));
    let payouts = client.epoch_payouts(start.epoch).await.expect("payouts");
    let paid: u64 = payouts.iter().map(|payout| payout.amount.0).sum();
    assert_eq!(paid, 300_000);
    assert!(
        payouts
            .iter()
            .all(|payout| !payout.parts.is_empty() && payout.status == "pending")
    );
    for (name, bytes) in &files {
        let served = client.bundle_file(start.epoch, name).await.expect(name);
        assert_eq!(&served, bytes, "{name}");
    }
    assert_eq!(swarm_types::sha256(&files[SUMMARY]), built.seal.0.bundle);
    let newest = client.epochs(None, Some(1)).await.expect("epochs");
    assert_eq!(newest.items[0].epoch_id, start.open);
    let rest = client.epochs(newest.next.as_deref(), None).await;
    let rest = rest.expect("epochs");
    assert_eq!((rest.items.len(), rest.next), (1, None));
    assert_eq!(rest.items[0].epoch_id, start.epoch);
    assert_eq!(
        client.epoch_current().await.expect("the open one").epoch_id,
        start.open
    );
    let open = rig
        .get(&format!("/api/v1/epochs/{}/payouts", start.open))
        .await;
    assert_eq!(open.problem().1, "not-sealed");
    let listed = rig
        .get(&format!("/api/v1/epochs/{}/jobs?limit=2", start.epoch))
        .await
        .json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));
    assert!(listed["next"].is_string());
    rig.handle.shutdown().await;
}
