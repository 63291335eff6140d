//! The same thing said twice: orders and completions, at once, after a restart, too late.

use std::time::Duration;

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use swarm_client::{ClientError, QueenClient};
use swarm_store::{age, archive};
use swarm_types::api::{
    Approval, CompleteJob, Device, Heartbeat, JobStatus, Lease, RegisterWorker, recipient_message,
};
use swarm_types::digest::{manifest_digest, poe_hash, salted};
use swarm_types::power::PowerRecord;
use swarm_types::receipt::{ENERGY_UNKNOWN, Execution};
use swarm_types::{Address, MicroUsdc, sha256};

use crate::rack::customer::{FEE, now, patiently};
use crate::rack::{Rack, client, until};

const ENGINE: &str = "by hand";

/// A bee without a process: it says over HTTP what a test wants to be said.
struct HandBee {
    key: PrivateKeySigner,
    identity: age::Identity,
    queen: QueenClient,
}

impl HandBee {
    async fn join(rack: &Rack, payee: Address) -> Self {
        let key = PrivateKeySigner::random();
        let bee = Self {
            queen: client(&rack.base, &key),
            identity: age::Identity::generate(),
            key,
        };
        let recipient = bee.identity.recipient().to_string();
        let signed = bee
            .key
            .sign_message_sync(recipient_message(&recipient).as_bytes());
        let registration = RegisterWorker {
            name: "by-hand".into(),
            recipient,
            recipient_signature: signed.expect("signs").into(),
            device: Device {
                name: "cpu".into(),
                uuid: None,
                memory_mib: 1_024,
            },
            models: vec![rack.model],
            engines: vec![ENGINE.into()],
            concurrency: 4,
            version: "0.1.0".into(),
            join_code: None,
            payee: None,
        };
        let registered = bee.queen.register(&registration).await.expect("registered");
        assert_eq!(registered.approval, Approval::Waiting);
        let worker = bee.key.address();
        rack.operator
            .approve(worker, payee)
            .await
            .expect("approved");
        bee.beat().await;
        bee
    }

    async fn beat(&self) {
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
        patiently(async || self.queen.heartbeat(&beat).await).await;
    }

    async fn lease(&self) -> Lease {
        until("there is a job", async || {
            self.queen
                .lease(Duration::from_secs(1), 1)
                .await
                .expect("an answer")
                .pop()
        })
        .await
    }

    /// A result that is uploaded, and what completes the job with it.
    async fn work(&self, rack: &Rack, lease: &Lease) -> CompleteJob {
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
            device: sha256("cpu:by hand"),
            started_at: now(),
            completed_at: now(),
            energy_millijoules: ENERGY_UNKNOWN,
            power: power.digest(),
        };
        let digest = execution.digest(&rack.customer.domain);
        let worker = format!("{:#x}", self.key.address());
        CompleteJob {
            token: lease.token.clone(),
            worker_signature: self.key.sign_hash_sync(&digest).expect("signs").into(),
            result,
            manifest,
            engine: ENGINE.into(),
            power,
            poe_hash: poe_hash(lease.job_id, &execution.result, &worker),
            execution_ms: 1,
            execution,
        }
    }
}

fn refusal<T>(answer: Result<T, ClientError>) -> (u16, String) {
    let error = answer.err().expect("refused");
    (
        error.status().unwrap_or(0),
        error.kind().unwrap_or_default().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_order_many_times_at_once_and_after_a_restart_is_one_job() {
    let mut rack = Rack::start().await;
    let parcel = rack.customer.parcel().await;
    rack.customer.upload(&parcel).await;
    let many = (0..16).map(|_| {
        let (queen, order) = (rack.customer.queen.clone(), parcel.order.clone());
        tokio::spawn(async move { queen.submit(&order).await.expect("accepted").job_id })
    });
    let jobs = futures::future::try_join_all(many).await.expect("no panic");
    assert!(jobs.iter().all(|job| *job == jobs[0]), "{jobs:?}");
    let before = rack.available(rack.customer.address()).await;
    assert_eq!(before, crate::rack::DEPOSIT.0 - FEE.0);
    rack.queen.kill();
    rack.queen.start();
    assert_eq!(rack.customer.bring(&parcel).await.job_id, jobs[0]);
    assert_eq!(
        rack.customer.ended(jobs[0]).await.status,
        JobStatus::Completed
    );
    // Also long after it was done, and not with another body.
    assert_eq!(
        rack.customer
            .queen
            .submit(&parcel.order)
            .await
            .expect("the first answer")
            .job_id,
        jobs[0]
    );
    let mut other = parcel.order.clone();
    other.order.max_fee = MicroUsdc(FEE.0 + 1);
    other.signature = rack.customer.sign(&other.order);
    let answer = rack.customer.queen.submit(&other).await;
    assert_eq!(refusal(answer), (409, "nonce-reused".into()));
    assert_eq!(rack.jobs(&rack.customer).await.len(), 1);
    rack.assert_sound(&[&rack.customer]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_counts_once_and_never_from_a_lapsed_lease() {
    let mut rack =
        Rack::with(|plan| plan.queen_toml = "[queen.rails]\nlease = \"60s\"\n".into()).await;
    rack.bees[0].process.stop();
    let bee = HandBee::join(&rack, rack.bees[0].payee).await;
    let to = [bee.identity.recipient(), rack.bees[0].identity.recipient()];

    // Twice at once, once more after a kill, and once with another signature.
    let job = rack
        .customer
        .bring(&rack.customer.parcel_to(&to, now() + 3_600))
        .await
        .job_id;
    let lease = bee.lease().await;
    let done = bee.work(&rack, &lease).await;
    let both = tokio::join!(
        bee.queen.complete(job, &done),
        bee.queen.complete(job, &done)
    );
    assert_eq!(both.0.expect("completed").status, JobStatus::Completed);
    assert_eq!(both.1.expect("completed").status, JobStatus::Completed);
    rack.queen.kill();
    rack.queen.start();
    let again = patiently(async || bee.queen.complete(job, &done).await).await;
    assert_eq!(again.status, JobStatus::Completed);
    let mut altered = done.clone();
    altered.execution.started_at -= 1;
    let (status, kind) = refusal(bee.queen.complete(job, &altered).await);
    assert_eq!(status, 403, "{kind}");

    // The bee is silent until its lease has lapsed; then another one does the job.
    bee.beat().await;
    let job = rack
        .customer
        .bring(&rack.customer.parcel_to(&to, now() + 3_600))
        .await
        .job_id;
    let lease = bee.lease().await;
    assert_eq!(lease.job_id, job);
    let late = bee.work(&rack, &lease).await;
    rack.queen.kill();
    rack.set_queens_clock(100);
    rack.queen.start();
    rack.queen.says("a lease lapsed").await;
    let (status, kind) = refusal(bee.queen.complete(job, &late).await);
    assert_eq!(status, 409, "{kind}");
    rack.bees[0].process.start();
    assert_eq!(rack.customer.ended(job).await.status, JobStatus::Completed);
    rack.customer.result(job).await;
    let (status, kind) = refusal(bee.queen.complete(job, &late).await);
    assert_eq!(status, 409, "{kind}");
    rack.queen.env.clear();
    rack.queen.stop();
    rack.queen.start();
    rack.assert_sound(&[&rack.customer]).await;
}
