//! Model packages while everything runs: pulled, proven, served, dropped; and arrays through them.

use std::time::Duration;

use swarm_chain::At;
use swarm_chain::views::EpochState;
use swarm_package::npy::{self, Array, OUTPUT_FILE};
use swarm_package::{Package, write_tar};
use swarm_types::B256;
use swarm_types::api::{JobStatus, ModelDetail};

use crate::rack::customer::now;
use crate::rack::model::{ROUTE, relax, relaxed};
use crate::rack::{Rack, until};

const WAIT: Duration = Duration::from_secs(50);

/// Uploads and activates a package; its digest.
async fn push(rack: &Rack, files: Vec<(String, Vec<u8>)>) -> B256 {
    let mut tar = Vec::new();
    write_tar(&files, &mut tar).expect("packed");
    let digest = Package::from_files(files).expect("sound").digest();
    let mut told = Vec::new();
    let mut progress = |done, of| told.push((done, of));
    let uploaded = rack.operator.upload_model(tar.clone(), &mut progress).await;
    assert_eq!(uploaded.expect("uploaded").model.digest, digest);
    let size = tar.len() as u64;
    assert_eq!(told.last(), Some(&(size, size)));
    let active = rack.operator.set_model_active(digest, true).await;
    assert!(active.expect("activated").model.active);
    digest
}

async fn model_says(
    rack: &Rack,
    digest: B256,
    what: &str,
    is: impl Fn(&ModelDetail) -> bool,
) -> ModelDetail {
    until(what, async || {
        let detail = rack.operator.model(digest).await.ok()?;
        is(&detail).then_some(detail)
    })
    .await
}

async fn served(rack: &Rack, digest: B256) -> ModelDetail {
    model_says(rack, digest, "the bee serves it", |detail| {
        detail.bees.iter().any(|bee| bee.serves && bee.warm)
    })
    .await
}

fn costs(values: &[f32], side: usize) -> Vec<(String, Vec<u8>)> {
    let shape = vec![side, side];
    let values = values.to_vec();
    vec![("input.npy".to_owned(), npy::write(&Array { shape, values }))]
}

fn cached(rack: &Rack) -> usize {
    let entries = std::fs::read_dir(rack.dir.path().join("bee-01.models"));
    entries.expect("a directory").count()
}

// Two threads: who moves the chain on must not keep the queen's way to it (a task of this test) from running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_is_pulled_proven_served_and_dropped_while_everything_runs() {
    let mut rack = Rack::start().await;
    let first = push(&rack, relax("1.0.0", "allow", false)).await;
    served(&rack, first).await;

    // No way from 1 to 0 but over 2; the model was made for infinity.
    let inf = f32::INFINITY;
    let matrix = [0.0, 4.0, 1.0, inf, 0.0, 2.0, 7.0, inf, 0.0];
    let parcel = rack
        .customer
        .parcel_for(first, ROUTE, &costs(&matrix, 3))
        .await;
    rack.customer.upload(&parcel).await;
    let answer = rack
        .customer
        .queen
        .infer(&parcel.order, WAIT)
        .await
        .expect("answered");
    assert_eq!(answer.job.status, JobStatus::Completed, "{answer:?}");
    let result = answer.result.expect("a result");
    assert_eq!(result.execution.model, first);
    let answer_id = answer.job.job_id;
    let files = rack.customer.result(answer.job.job_id).await;
    let output = files
        .iter()
        .find(|(name, _)| name == OUTPUT_FILE)
        .expect("an array");
    let output = npy::read(&output.1).expect("an array");
    assert_eq!(
        (output.shape, output.values),
        (vec![3, 3], relaxed(&matrix, 3))
    );

    // Not what the model takes: the client hears why, and is not charged.
    let flat = Array {
        shape: vec![9],
        values: matrix.to_vec(),
    };
    for (files, why) in [
        (
            vec![("input.npy".to_owned(), npy::write(&flat))],
            "it has shape [9]",
        ),
        (
            vec![("input.npy".to_owned(), b"no array".to_vec())],
            "not a .npy array",
        ),
        (
            [costs(&matrix, 3), vec![("b.npy".to_owned(), vec![1])]].concat(),
            "alone",
        ),
    ] {
        let parcel = rack.customer.parcel_for(first, ROUTE, &files).await;
        rack.customer.upload(&parcel).await;
        let answer = rack
            .customer
            .queen
            .infer(&parcel.order, WAIT)
            .await
            .expect("answered");
        assert_eq!(
            (answer.job.status, answer.job.attempts),
            (JobStatus::Dead, 1),
            "{answer:?}"
        );
        let error = answer.job.error.expect("a reason");
        assert!(error.contains(why) && answer.result.is_none(), "{error}");
    }

    // One that promises what it does not do never serves, and the queen hears why.
    let broken = push(&rack, relax("1.1.0", "allow", true)).await;
    let detail = model_says(&rack, broken, "the bee says why not", |detail| {
        detail.bees.iter().any(|bee| bee.fault.is_some())
    })
    .await;
    let bee = &detail.bees[0];
    let fault = bee.fault.as_deref().expect("a reason");
    assert!(
        !bee.serves && fault.contains("golden case 0: output 4"),
        "{fault}"
    );
    assert_eq!(
        rack.operator
            .recipients(broken)
            .await
            .expect("a list")
            .len(),
        0
    );
    let strict = push(&rack, relax("2.0.0", "refuse", false)).await;
    served(&rack, strict).await;
    let parcel = rack
        .customer
        .parcel_for(strict, ROUTE, &costs(&matrix, 3))
        .await;
    rack.customer.upload(&parcel).await;
    let answer = rack
        .customer
        .queen
        .infer(&parcel.order, WAIT)
        .await
        .expect("answered");
    let error = answer.job.error.expect("a reason");
    assert!(
        error.contains("2 of its values are NaN or infinite"),
        "{error}"
    );

    // A bee that is started anew has it still, and does not pull it again.
    assert_eq!(cached(&rack), 2);
    rack.bees[0].process.kill();
    rack.bees[0].process.start();
    served(&rack, first).await;
    let parcel = rack
        .customer
        .parcel_for(first, ROUTE, &costs(&matrix, 3))
        .await;
    let id = rack.customer.bring(&parcel).await.job_id;
    assert_eq!(rack.customer.ended(id).await.status, JobStatus::Completed);
    let completed = [answer_id, id];

    // Deactivated it takes no order, and the bee keeps it; deleted it goes.
    let late = rack
        .customer
        .parcel_for(first, ROUTE, &costs(&matrix, 3))
        .await;
    rack.customer.upload(&late).await;
    let off = rack.operator.set_model_active(first, false).await;
    assert!(!off.expect("deactivated").model.active);
    let refused = rack
        .customer
        .queen
        .submit(&late.order)
        .await
        .expect_err("not active");
    assert_eq!(refused.kind(), Some("model-inactive"));
    rack.operator.delete_model(first).await.expect("deleted");
    let worker = rack.bees[0].key.address();
    until("the bee drops it", async || {
        let bees = rack.operator.workers().await.ok()?;
        let bee = bees.into_iter().find(|bee| bee.worker == worker)?;
        (!bee.models.contains(&first) && bee.models.contains(&strict)).then_some(())
    })
    .await;
    assert_eq!(cached(&rack), 1);

    // This chain mines on demand only: without a block since the seal its epoch waits, and her health says for what.
    let since = rack.chain.rpc().block(At::Latest).await.expect("a block");
    until("the chain's clock is past", async || {
        (now() > since.timestamp).then_some(())
    })
    .await;
    rack.operator.seal_now().await.expect("sealed");
    rack.health_says("it waits for a block", |health| {
        let waits = |note: &String| note.contains("it waits for the chain's next block");
        health.status == "degraded" && health.notes.iter().any(waits)
    })
    .await;
    // A job of arrays settles as any other, also when its model is gone; who was not served is not charged.
    rack.assert_sound(&[&rack.customer]).await;
    for id in completed {
        let proof = rack.customer.queen.receipt(id).await.expect("a receipt");
        assert_eq!(proof.order.order.model, first);
        let verdict = rack
            .chain
            .verify_receipt(proof.epoch, proof.index, &proof.receipt, &proof.path)
            .await
            .expect("the contract answers");
        assert!(verdict.included && verdict.included_here, "{verdict:?}");
        assert_eq!(verdict.state, EpochState::Final);
    }
}
