//! The way of a job, and who may see what of it.

use swarm_store::{age, archive};
use swarm_types::api::*;
use swarm_types::digest::{manifest_digest, salted};
use swarm_types::hex;

use crate::rig::{FEE, Rig, until};

#[tokio::test]
async fn a_job_goes_from_order_to_result() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    let client = rig.as_client(&rig.client);
    let request = rig.order(b"a scan").await;

    let body = serde_json::to_value(&request).expect("JSON");
    let first = rig.post("/api/v1/jobs", &body).await;
    assert_eq!(first.status, 201, "{:?}", first.json());
    let again = rig.post("/api/v1/jobs", &body).await;
    assert_eq!((again.status, again.json()), (200, first.json()));
    assert_eq!(first.json()["fee"], "100000");
    for hidden in ["salt", "input", "signature", "reply_to"] {
        assert!(
            first.json().get(hidden).is_none(),
            "{hidden} must not be shown"
        );
    }
    let balance = client
        .balance(&rig.client.address().to_string())
        .await
        .expect("a balance");
    assert_eq!((balance.reserved, balance.available.0), (FEE, 4_900_000));

    let lease = bee.poll(5).await.expect("work");
    let input = bee
        .queen
        .download_blob(lease.input, &mut |_, _| {})
        .await
        .expect("the input");
    let tar = age::decrypt(&input, &bee.identity, 1 << 20).expect("is for this bee");
    let files = archive::unpack(&tar, &archive::ArchiveLimits::default()).expect("a tar");
    assert_eq!(files[0].1, b"a scan");

    let path = format!("/api/v1/blobs/{}", hex::encode(lease.input.sha256));
    let range = [("range", "bytes=2-5")];
    let part = rig
        .signed_with(
            &bee.key,
            "GET",
            &path,
            b"",
            crate::rig::now(),
            crate::rig::nonce(),
            &range,
        )
        .await;
    assert_eq!((part.status, part.body.as_slice()), (206, &input[2..6]));
    let total = format!("bytes 2-5/{}", input.len());
    assert_eq!(part.headers["content-range"], total.as_str());
    let other = rig.bee("bee-02").await;
    let refused = rig.signed(&other.key, "GET", &path, b"").await;
    assert_eq!(refused.problem().0, 403, "no lease, no input");

    let progress = JobProgress {
        token: lease.token.clone(),
        stage: "infer".into(),
        progress_bps: 5_000,
    };
    bee.queen
        .progress(lease.job_id, &progress)
        .await
        .expect("noted");
    let job = client.job(lease.job_id).await.expect("the job");
    assert_eq!(
        (job.status, job.progress_bps),
        (JobStatus::Processing, Some(5_000))
    );

    let done = bee.work(&lease).await;
    let job = bee
        .queen
        .complete(lease.job_id, &done)
        .await
        .expect("completed");
    assert_eq!(job.status, JobStatus::Completed);
    assert_eq!(job.poe_hash, Some(done.poe_hash));
    let repeated = bee
        .queen
        .complete(lease.job_id, &done)
        .await
        .expect("the same answer");
    assert_eq!(repeated, job);

    let result = client.result(lease.job_id).await.expect("a result");
    assert_eq!(result.execution, done.execution);
    assert_eq!(
        result.execution.result,
        salted(&result.salt, &result.manifest)
    );
    let sealed = client
        .download_blob(result.result, &mut |_, _| {})
        .await
        .expect("the result");
    let tar = age::decrypt(&sealed, &rig.reply, 1 << 20).expect("is for the client");
    let files = archive::unpack(&tar, &archive::ArchiveLimits::default()).expect("a tar");
    assert_eq!(manifest_digest(&files), result.manifest);

    let path = format!("/api/v1/jobs/{}/result", lease.job_id);
    assert_eq!(
        rig.signed(&bee.key, "GET", &path, b"").await.problem().0,
        403
    );
    let blob = format!("/api/v1/blobs/{}", hex::encode(result.result.sha256));
    assert_eq!(
        rig.signed(&other.key, "GET", &blob, b"").await.problem().0,
        403
    );

    let balance = client
        .balance(&rig.client.address().to_string())
        .await
        .expect("a balance");
    assert_eq!(
        (balance.reserved.0, balance.unsettled, balance.available.0),
        (0, FEE, 4_900_000)
    );
    let history = client
        .history(&rig.client.address().to_string(), None, None)
        .await;
    let kinds: Vec<_> = history
        .expect("lines")
        .items
        .iter()
        .map(|line| line.kind)
        .collect();
    assert_eq!(kinds, [HistoryKind::JobCharge, HistoryKind::Deposit]);
    let refused = rig
        .get(&format!("/api/v1/jobs/{}/receipt", lease.job_id))
        .await;
    assert_eq!(refused.problem().1, "no-receipt");

    // The input's key goes when the job ends, and the record says so.
    until("the input is destroyed", || async {
        let record = rig
            .handle
            .ledger
            .blob(lease.input.sha256)
            .await
            .expect("reads");
        record.expect("a record").deleted_reason
    })
    .await;
    let gone = rig
        .signed(&bee.key, "GET", &path.replace("result", "why"), b"")
        .await;
    assert_eq!(gone.status, 200);
    let again = rig.post("/api/v1/jobs", &body).await;
    assert_eq!(
        again.status, 200,
        "the first answer, also when the input is gone"
    );
    assert!(rig.handle.ledger.check().await.expect("checks").is_empty());
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn a_cancelled_and_an_expired_job_give_the_fee_back() {
    let rig = Rig::start().await;
    let _bee = rig.bee("bee-01").await;
    let client = rig.as_client(&rig.client);
    let job = client
        .submit(&rig.order(b"one").await)
        .await
        .expect("accepted");
    let path = format!("/api/v1/jobs/{}/cancel", job.job_id);
    let refused = rig.signed(&rig.operator, "POST", &path, b"").await;
    assert_eq!(refused.problem().0, 403, "only the client cancels");
    let job = client.cancel(job.job_id).await.expect("cancelled");
    assert_eq!(job.status, JobStatus::Cancelled);

    let mut request = rig.order(b"two").await;
    request.order.deadline = crate::rig::now() + 2;
    request.signature = rig.sign(&request.order, &rig.client);
    let job = client.submit(&request).await.expect("accepted");
    until("the job expires", || async {
        let job = client.job(job.job_id).await.expect("the job");
        (job.status == JobStatus::Expired).then_some(())
    })
    .await;
    let balance = client
        .balance(&rig.client.address().to_string())
        .await
        .expect("a balance");
    assert_eq!((balance.reserved.0, balance.available.0), (0, 5_000_000));
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn an_upload_goes_on_where_it_stopped_and_wrong_bytes_are_refused() {
    let rig = Rig::start().await;
    let key = &rig.client;
    let bytes = vec![7u8; 3_000];
    let path = format!("/api/v1/blobs/{}", hex::encode(swarm_types::sha256(&bytes)));
    let begin = rig.signed(key, "PUT", &path, br#"{"size":"3000"}"#).await;
    assert_eq!(
        (begin.status, begin.json()["offset"].clone()),
        (200, "0".into())
    );
    let at = |offset: &'static str, piece: &[u8]| {
        let (rig, path, piece) = (&rig, &path, piece.to_vec());
        async move {
            let headers = [("upload-offset", offset)];
            let (now, nonce) = (crate::rig::now(), crate::rig::nonce());
            rig.signed_with(key, "PATCH", path, &piece, now, nonce, &headers)
                .await
        }
    };
    assert_eq!(at("0", &bytes[..1_000]).await.json()["offset"], "1000");
    assert_eq!(
        at("0", &bytes[..1_000]).await.problem(),
        (409, "upload-offset".into(), "upload-offset".into())
    );
    assert_eq!(at("x", &bytes[..1_000]).await.problem().0, 400);
    assert_eq!(at("1000", &[7; 2_001]).await.problem().1, "overrun");
    let status = rig.signed(key, "GET", &format!("{path}/status"), b"").await;
    assert_eq!(
        (
            status.json()["offset"].clone(),
            status.json()["complete"].clone()
        ),
        ("1000".into(), false.into())
    );
    let other = rig
        .signed(&rig.operator, "GET", &format!("{path}/status"), b"")
        .await;
    assert_eq!(other.status, 404, "an upload is its uploader's business");
    assert_eq!(at("1000", &[8; 2_000]).await.problem().1, "digest");
    let begin = rig.signed(key, "PUT", &path, br#"{"size":"3000"}"#).await;
    assert_eq!(begin.json()["offset"], "0", "wrong bytes were thrown away");
    assert_eq!(at("0", &bytes).await.json()["complete"], true);

    let stranger = rig
        .signed(
            &rig.operator,
            "PUT",
            &format!("/api/v1/blobs/{}", "ab".repeat(32)),
            br#"{"size":"3"}"#,
        )
        .await;
    assert_eq!(stranger.problem().1, "unknown-uploader");
    let large = rig
        .signed(
            key,
            "PUT",
            &format!("/api/v1/blobs/{}", "ab".repeat(32)),
            br#"{"size":"1048577"}"#,
        )
        .await;
    assert_eq!(large.problem(), (413, "blob-size".into(), "size".into()));
    let odd = rig
        .signed(
            key,
            "PUT",
            "/api/v1/blobs/..%2F..%2Fledger.sqlite",
            br#"{"size":"3"}"#,
        )
        .await;
    assert_eq!(odd.problem(), (400, "malformed".into(), "sha256".into()));
    rig.handle.shutdown().await;
}
