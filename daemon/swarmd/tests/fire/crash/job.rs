//! The way of a job.

use swarm_types::api::JobStatus;
use swarm_types::{B256, hex};

use crate::rack::customer::{Parcel, now, patiently};
use crate::rack::process::Process;
use crate::rack::{Rack, until};

/// Who is killed.
#[derive(Clone, Copy, PartialEq)]
enum Victim {
    Queen,
    Bee,
}
use Victim::{Bee, Queen};

/// Points that every job passes, and the how-manieth time counts. The first upload is the client's, the
/// second the bee's; the writer commits a dozen times on a job's way, and any of them may be the last.
const ON_EVERY_JOB: &[(&str, u32, Victim)] = &[
    ("queen.upload.begun", 1, Queen),
    ("queen.upload.begun", 2, Queen),
    ("queen.upload.piece_written", 1, Queen),
    ("queen.upload.piece_written", 2, Queen),
    ("store.upload.checked", 1, Queen),
    ("store.upload.checked", 2, Queen),
    ("queen.upload.completed", 1, Queen),
    ("queen.upload.completed", 2, Queen),
    ("queen.submit.checked", 1, Queen),
    ("queen.submit.committed", 1, Queen),
    ("queen.lease.committed", 1, Queen),
    ("queen.complete.checked", 1, Queen),
    ("queen.complete.committed", 1, Queen),
    ("ledger.writer.before_commit", 1, Queen),
    ("ledger.writer.before_commit", 5, Queen),
    ("ledger.writer.before_commit", 9, Queen),
    ("ledger.writer.committed", 2, Queen),
    ("ledger.writer.committed", 6, Queen),
    ("ledger.writer.committed", 10, Queen),
    ("bee.lease.taken", 1, Bee),
    ("bee.input.fetched", 1, Bee),
    ("bee.result.computed", 1, Bee),
    ("bee.result.uploaded", 1, Bee),
    ("bee.execution.signed", 1, Bee),
    ("bee.complete.answered", 1, Bee),
];

/// Points of a job that cannot be done.
const ON_A_FAILURE: &[(&str, Victim)] = &[
    ("bee.failure.found", Bee),
    ("queen.fail.checked", Queen),
    ("queen.fail.committed", Queen),
];

/// Points at which an input is destroyed after its job.
const ON_DELETION: &[&str] = &[
    "store.delete.renamed",
    "store.delete.key_gone",
    "queen.retention.deleted",
];

const LEASED: &str = "queen.lease.committed";
const REQUEUED: &str = "queen.sweep.requeued";
const ENDED: &str = "queen.sweep.ended";
const CANCELLED: &str = "queen.cancel.committed";

/// Every point that a test of this file visits.
pub fn visited() -> Vec<&'static str> {
    let mut all: Vec<_> = ON_EVERY_JOB.iter().map(|(point, ..)| *point).collect();
    all.extend(ON_A_FAILURE.iter().map(|(point, _)| *point));
    all.extend(ON_DELETION);
    all.extend([LEASED, REQUEUED, ENDED, CANCELLED]);
    all
}

fn process(rack: &mut Rack, victim: Victim) -> &mut Process {
    match victim {
        Queen => &mut rack.queen,
        Bee => &mut rack.bees[0].process,
    }
}

/// Kills the victim at `point` while a client brings `parcel`, and starts it again.
async fn bring_and_kill(rack: &mut Rack, parcel: &Parcel, point: &str, times: u32, victim: Victim) {
    process(rack, victim).arm(point, times);
    // The client knows nothing of what happens to the rack.
    let queen = rack.customer.queen.clone();
    let (ciphertext, order) = (parcel.ciphertext.clone(), parcel.order.clone());
    let client = tokio::spawn(async move {
        patiently(async || queen.upload_blob(ciphertext.clone(), &mut |_, _| {}).await).await;
        patiently(async || queen.submit(&order).await).await
    });
    let process = process(rack, victim);
    process.kill_at(point).await;
    process.start();
    client.await.expect("the client is served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_done_and_charged_once_wherever_queen_or_bee_is_killed() {
    let mut rack = Rack::start().await;
    for &(point, times, victim) in ON_EVERY_JOB {
        let started = std::time::Instant::now();
        let parcel = rack.customer.parcel().await;
        bring_and_kill(&mut rack, &parcel, point, times, victim).await;
        let job = rack.customer.bring(&parcel).await.job_id;
        let job = rack.customer.ended(job).await;
        assert_eq!(job.status, JobStatus::Completed, "{point}: {job:?}");
        let files = rack.customer.result(job.job_id).await;
        assert!(!files.is_empty(), "{point}");
        rack.assert_ledger_holds();
        println!("{point} {times}: {:?}", started.elapsed());
    }
    rack.assert_sound(&[&rack.customer]).await;
    rack.assert_sent_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_ends_once_in_every_other_way_too() {
    let mut rack = Rack::start().await;
    failures(&mut rack).await;
    lapse(&mut rack).await;
    deletions(&mut rack).await;
    deadline_and_cancellation(&mut rack).await;
    rack.assert_sound(&[&rack.customer]).await;
    rack.assert_sent_once().await;
}

/// An input that is not the one that the order names: the bee says so, and nothing is charged.
async fn failures(rack: &mut Rack) {
    for &(point, victim) in ON_A_FAILURE {
        let to = [rack.bees[0].identity.recipient()];
        let nonce = crate::rack::customer::nonce();
        let wrong = B256::repeat_byte(0x77);
        let parcel = rack
            .customer
            .parcel_of(b"no tar", wrong, &to, nonce, now() + 3_600);
        bring_and_kill(rack, &parcel, point, 1, victim).await;
        let job = rack.customer.bring(&parcel).await.job_id;
        let job = rack.customer.ended(job).await;
        assert_eq!(job.status, JobStatus::Dead, "{point}: {job:?}");
        rack.assert_ledger_holds();
    }
}

/// A lease whose answer never reached the bee lapses, and another is given: the queen's clock goes on
/// meanwhile.
async fn lapse(rack: &mut Rack) {
    let parcel = rack.customer.parcel().await;
    rack.queen.arm(LEASED, 1);
    rack.queen.arm(REQUEUED, 1);
    let queen = rack.customer.queen.clone();
    let sent = parcel.clone();
    let client = tokio::spawn(async move {
        let bytes = sent.ciphertext;
        patiently(async || queen.upload_blob(bytes.clone(), &mut |_, _| {}).await).await;
        patiently(async || queen.submit(&sent.order).await).await
    });
    rack.queen.kill_at(LEASED).await;
    rack.set_queens_clock(130);
    rack.queen.start();
    rack.queen.kill_at(REQUEUED).await;
    rack.queen.start();
    let job = client.await.expect("served").job_id;
    let job = rack.customer.ended(job).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Completed, 2));
    rack.customer.result(job.job_id).await;
    rack.queen.env.clear();
    rack.queen.stop();
    rack.queen.start();
    rack.assert_ledger_holds();
}

/// The input of a job that ended is destroyed, whenever the queen is killed meanwhile.
async fn deletions(rack: &mut Rack) {
    for &point in ON_DELETION {
        let parcel = rack.customer.parcel().await;
        rack.queen.arm(point, 1);
        let job = rack.customer.bring(&parcel).await.job_id;
        rack.queen.kill_at(point).await;
        rack.queen.start();
        assert_eq!(rack.customer.ended(job).await.status, JobStatus::Completed);
        rack.customer.result(job).await;
        let name = hex::encode(parcel.order.input.sha256);
        let blobs = rack.state_dir().join("blobs");
        until("the input is destroyed", async || {
            let left = ["uploads", "blobs", "deleted"].map(|dir| blobs.join(dir).join(&name));
            let gone = !left.iter().any(|path| path.exists());
            let known = rack
                .customer
                .queen
                .blob_status(parcel.order.input.sha256)
                .await;
            (gone && known.is_err_and(|error| error.status() == Some(404))).then_some(())
        })
        .await;
        rack.assert_ledger_holds();
    }
}

/// Without a bee a job ends at its deadline, or when its client calls it off.
async fn deadline_and_cancellation(rack: &mut Rack) {
    let to = [rack.bees[0].identity.recipient()];
    rack.bees[0].process.stop();

    let parcel = rack.customer.parcel_to(&to, now() + 2);
    rack.queen.arm(ENDED, 1);
    let job = rack.customer.bring(&parcel).await.job_id;
    rack.queen.kill_at(ENDED).await;
    rack.queen.start();
    assert_eq!(rack.customer.ended(job).await.status, JobStatus::Expired);

    let parcel = rack.customer.parcel_to(&to, now() + 3_600);
    let job = rack.customer.bring(&parcel).await.job_id;
    rack.queen.arm(CANCELLED, 1);
    let queen = rack.customer.queen.clone();
    let cancel = tokio::spawn(async move { patiently(async || queen.cancel(job).await).await });
    rack.queen.kill_at(CANCELLED).await;
    rack.queen.start();
    let cancelled = cancel.await.expect("served");
    assert_eq!(cancelled.status, JobStatus::Cancelled);
    assert_eq!(rack.customer.ended(job).await.status, JobStatus::Cancelled);
    rack.bees[0].process.start();
}
