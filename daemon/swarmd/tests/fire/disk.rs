//! Disks that are full, logs that are torn, copies that are old.

use std::fs::OpenOptions;
use std::process::Command;

use serde_json::json;
use swarm_types::api::JobStatus;
use swarm_types::{B256, MicroUsdc, hex};

use crate::rack::customer::{FEE, nonce, now, patiently};
use crate::rack::process::swarmd;
use crate::rack::signed::Request;
use crate::rack::{Rack, until};

/// Sets how large a file the running queen may write, in bytes; what is larger fails as on a full disk.
fn limit_files(rack: &Rack, bytes: &str) {
    let set = Command::new("prlimit")
        .args(["--pid", &rack.queen.pid().to_string()])
        .arg(format!("--fsize={bytes}:unlimited"))
        .status();
    assert!(set.expect("prlimit, of util-linux").success());
}

async fn one_job(rack: &Rack) {
    let job = rack.customer.order().await;
    assert_eq!(rack.customer.ended(job).await.status, JobStatus::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_she_refuses_and_says_so_and_goes_on_when_there_is_room() {
    let rack = Rack::start().await;
    one_job(&rack).await;
    let parcel = rack.customer.parcel().await;
    rack.customer.upload(&parcel).await;
    limit_files(&rack, "1");
    let refused = rack.customer.queen.submit(&parcel.order).await;
    let refused = refused.expect_err("nothing can be written");
    assert_eq!(refused.status(), Some(503), "{refused}");
    assert_eq!(refused.kind(), Some("ledger"), "{refused}");
    let health = rack
        .health_says("the ledger takes no changes", |h| {
            h.notes.iter().any(|note| note.contains("ledger"))
        })
        .await;
    assert_eq!(health.status, "degraded");
    assert!(!health.ledger, "{health:?}");
    rack.queen.says("a command failed in storage").await;
    limit_files(&rack, "unlimited");
    let job = rack.customer.bring(&parcel).await.job_id;
    assert_eq!(rack.customer.ended(job).await.status, JobStatus::Completed);
    rack.health_says("there is room again", |h| h.status == "ok")
        .await;

    // Room for the ledger, none for a study: the upload says why, and goes on later.
    let to = [rack.bees[0].identity.recipient()];
    let study = vec![7; 7 << 20];
    let parcel = rack
        .customer
        .parcel_of(&study, B256::ZERO, &to, nonce(), now() + 3_600);
    let path = format!("/api/v1/blobs/{}", hex::encode(parcel.order.input.sha256));
    let begin = json!({ "size": parcel.order.input.size.to_string() }).to_string();
    let key = &rack.customer.key;
    let begun = rack
        .signed(key, &Request::new("PUT", &path, begin.as_bytes()))
        .await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    limit_files(&rack, &(6 << 20).to_string());
    let mut piece = Request::new("PATCH", &path, &parcel.ciphertext);
    piece.headers = &[("upload-offset", "0")];
    let refused = rack.signed(key, &piece).await;
    assert_eq!(
        (refused.status, refused.problem().1.as_str()),
        (503, "disk-full")
    );
    rack.queen.says("the disk is full").await;
    limit_files(&rack, "unlimited");
    rack.customer.upload(&parcel).await;
    rack.assert_sound(&[&rack.customer]).await;
}

/// The page of the log that the kill left last is cut in the middle, as by a power cut during a commit that
/// was not answered yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_last_page_of_the_log_loses_only_what_nobody_was_told() {
    let mut rack = Rack::start().await;
    one_job(&rack).await;
    let parcel = rack.customer.parcel().await;
    rack.customer.upload(&parcel).await;
    rack.queen.arm("queen.submit.committed", 1);
    let queen = rack.customer.queen.clone();
    let order = parcel.order.clone();
    let client = tokio::spawn(async move { patiently(async || queen.submit(&order).await).await });
    rack.queen.kill_at("queen.submit.committed").await;
    let wal = rack.state_dir().join("ledger.sqlite-wal");
    let file = OpenOptions::new().write(true).open(&wal).expect("the log");
    let length = file.metadata().expect("a length").len();
    file.set_len(length - 2_000).expect("torn");
    file.sync_all().expect("torn for good");
    rack.assert_ledger_holds();
    rack.queen.start();
    let job = client.await.expect("served").job_id;
    assert_eq!(rack.customer.ended(job).await.status, JobStatus::Completed);
    assert_eq!(rack.jobs(&rack.customer).await.len(), 2);
    rack.assert_sound(&[&rack.customer]).await;
    rack.assert_sent_once().await;
}

/// Stops the queen, puts the copy at `name` in the place of her ledger, and starts her again.
fn restore(rack: &mut Rack, name: &str) {
    rack.queen.kill();
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        // A log that was taken up into the file is not there.
        let _ = std::fs::remove_file(rack.state_dir().join(file));
    }
    let copy = rack.dir.path().join(name);
    let (done, said) = swarmd(&["ledger", "restore"], &rack.queen_toml(), &[&copy]);
    assert!(done, "{said}");
    rack.queen.start();
}

fn back_up(rack: &Rack, name: &str) {
    let copy = rack.dir.path().join(name);
    let (done, said) = swarmd(&["ledger", "backup"], &rack.queen_toml(), &[&copy]);
    assert!(done, "{said}");
}

/// What happened since the copy and is not on the chain is asked for again; what is on the chain is read
/// from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_copy_catches_up_with_the_chain() {
    let mut rack = Rack::start().await;
    one_job(&rack).await;
    back_up(&rack, "copy");
    let parcel = rack.customer.parcel().await;
    let lost = rack.customer.bring(&parcel).await.job_id;
    assert_eq!(rack.customer.ended(lost).await.status, JobStatus::Completed);
    rack.give(&rack.customer, MicroUsdc(1_000_000)).await;
    let before = rack.available(rack.customer.address()).await;
    restore(&mut rack, "copy");
    until("the deposit counts again", async || {
        let now = rack.available(rack.customer.address()).await;
        (now == before + FEE.0).then_some(())
    })
    .await;
    let again = rack.customer.bring(&parcel).await.job_id;
    assert_eq!(
        rack.customer.ended(again).await.status,
        JobStatus::Completed
    );
    rack.customer.result(again).await;
    assert_eq!(rack.jobs(&rack.customer).await.len(), 2);
    rack.assert_sound(&[&rack.customer]).await;
    rack.assert_sent_once().await;
}

/// A copy from before an epoch that is on the chain: what it takes for open is done and paid. The queen takes the epoch
/// over from its bundle. Without that she says so, and goes no further; nothing ends meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_copy_that_lacks_a_settled_epoch_charges_nothing_again() {
    let mut rack = Rack::start().await;
    let to = [rack.bees[0].identity.recipient()];
    rack.bees[0].process.stop();
    let parcel = rack.customer.parcel_to(&to, now() + 3_600);
    let paid = rack.customer.bring(&parcel).await.job_id;
    let over = now() + 20;
    let parcel = rack.customer.parcel_to(&to, over);
    let late = rack.customer.bring(&parcel).await.job_id;
    back_up(&rack, "old");
    rack.bees[0].process.start();
    for job in [paid, late] {
        assert_eq!(rack.customer.ended(job).await.status, JobStatus::Completed);
    }
    rack.settle().await;
    let receipt = async |rack: &Rack| {
        let receipt = rack.customer.queen.receipt(paid).await;
        serde_json::to_value(receipt.expect("settled")).expect("JSON")
    };
    let proof = receipt(&rack).await;

    let bundle = swarm_queen::audit_dir(&rack.state_dir()).join("epoch-001");
    let aside = rack.dir.path().join("aside");
    std::fs::rename(&bundle, &aside).expect("aside");
    restore(&mut rack, "old");
    let health = rack
        .health_says("it is an older copy", |h| {
            h.notes.iter().any(|note| note.contains("older copy"))
        })
        .await;
    assert_eq!(health.status, "degraded");
    rack.queen.says("older copy").await;
    let parcel = rack.customer.parcel().await;
    rack.customer.upload(&parcel).await;
    let refused = rack.customer.queen.submit(&parcel.order).await;
    let refused = refused.expect_err("no order is taken");
    assert_eq!(
        (refused.status(), refused.kind()),
        (Some(503), Some("old-ledger")),
        "{refused}"
    );
    let refused = rack
        .operator
        .seal_now()
        .await
        .expect_err("nothing is sealed");
    assert!(refused.to_string().contains("older copy"), "{refused}");
    // What seems open is left as it is, also past its deadline: it may be done.
    until("the deadline is past", async || {
        (now() > over + 2).then_some(())
    })
    .await;
    for job in [paid, late] {
        assert_eq!(rack.customer.job(job).await.status, JobStatus::Pending);
    }
    rack.assert_ledger_holds();

    std::fs::rename(&aside, &bundle).expect("back");
    rack.health_says("all is well", |h| h.status == "ok").await;
    rack.queen.says("taken over from its bundle").await;
    for job in [paid, late] {
        let job = rack.customer.job(job).await;
        assert_eq!(job.status, JobStatus::Completed);
    }
    assert_eq!(receipt(&rack).await, proof);
    let gone = rack.customer.queen.result(paid).await;
    let gone = gone.expect_err("a bundle does not say where it lies");
    assert_eq!(gone.status(), Some(410), "{gone}");
    let job = rack.customer.bring(&parcel).await.job_id;
    assert_eq!(rack.customer.ended(job).await.status, JobStatus::Completed);
    rack.assert_sound(&[&rack.customer]).await;
    rack.assert_sent_once().await;
}
