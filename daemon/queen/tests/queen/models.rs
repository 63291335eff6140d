//! Model packages: uploaded, checked, activated, ordered, pulled, deleted; and orders that wait for their result.

use serde_json::{Value, json};
use swarm_hostile::samples;
use swarm_package::Package;
use swarm_types::api::*;
use swarm_types::{B256, hex, sha256};

use crate::rig::{JOB_TYPE, Reply, Rig, nonce, now};

/// A package that passes every check, as a version.
fn package(version: &str) -> Vec<u8> {
    let toml = samples::MODEL_TOML.replacen(
        "version = \"1.0.0\"",
        &format!("version = \"{version}\""),
        1,
    );
    samples::package(toml.as_bytes(), &samples::onnx())
}

async fn upload_saying(rig: &Rig, tar: &[u8], sha256: B256) -> Reply {
    let key = &rig.operator;
    let digest = hex::encode(sha256);
    let headers = [("swarm-content-sha256", digest.as_str())];
    let (now, nonce) = (now(), nonce());
    rig.signed_over(
        key,
        "POST",
        "/api/v1/models",
        tar,
        sha256,
        now,
        nonce,
        &headers,
    )
    .await
}

async fn upload(rig: &Rig, tar: &[u8]) -> Reply {
    upload_saying(rig, tar, sha256(tar)).await
}

async fn operate(rig: &Rig, method: &str, digest: B256, what: &str) -> Reply {
    let path = format!("/api/v1/models/{digest}{what}");
    rig.signed(&rig.operator, method, &path, b"").await
}

fn stored(rig: &Rig) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(rig.dir.path().join("state/models")) else {
        return Vec::new();
    };
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("text")
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

fn digests(list: &Value) -> Vec<String> {
    let digest = |model: &Value| model["digest"].as_str().expect("a digest").to_owned();
    list.as_array()
        .expect("a list")
        .iter()
        .map(digest)
        .collect()
}

#[tokio::test]
async fn a_package_lives_from_upload_to_deletion_and_through_a_restart() {
    let mut rig = Rig::start().await;
    let tar = package("2.0.0");
    let digest = Package::from_tar(&tar[..]).expect("sound").digest();
    let first = upload(&rig, &tar).await;
    assert_eq!(first.status, 201, "{:?}", first.json());
    let detail = first.json();
    assert_eq!(detail["model"]["digest"], json!(digest));
    assert_eq!(
        (&detail["model"]["active"], &detail["open_jobs"]),
        (&json!(false), &json!("0"))
    );
    let again = upload(&rig, &tar).await;
    assert_eq!((again.status, again.json()), (200, detail));

    let listed = digests(&rig.get("/api/v1/models").await.json());
    assert!(
        !listed.contains(&digest.to_string()),
        "not before it is activated"
    );
    let listed = digests(&rig.get("/api/v1/models?all=true").await.json());
    assert!(listed.contains(&digest.to_string()));
    let recipients = rig.get(&format!("/api/v1/recipients?model={digest}")).await;
    assert_eq!(
        recipients.problem(),
        (422, "model-inactive".into(), "model".into())
    );

    // A bee that says it has the model; it pulls what it was approved for.
    let bee = rig.bee("bee-01").await;
    rig.model = digest;
    rig.register(&bee, "bee-01").await;
    let stranger = rig.stranger("bee-02").await;
    let path = format!("/api/v1/models/{digest}/package");
    let pulled = rig.signed(&bee.key, "GET", &path, b"").await;
    assert_eq!(pulled.status, 200);
    let said = pulled.headers["swarm-content-sha256"]
        .to_str()
        .expect("text");
    assert_eq!(said, hex::encode(sha256(&pulled.body)));
    assert_eq!(
        Package::from_tar(&pulled.body[..]).expect("sound").digest(),
        digest
    );
    assert_eq!(pulled.headers["accept-ranges"], "bytes");
    // One that broke goes on where it stopped.
    let size = pulled.body.len();
    for (range, status, bytes) in [
        ("bytes=1000-", 206, 1000..size),
        ("bytes=512-1023", 206, 512..1024),
        ("bytes=-1", 206, size - 1..size),
        ("slices=1-2", 200, 0..size),
    ] {
        let part = rig
            .signed_with(
                &bee.key,
                "GET",
                &path,
                b"",
                now(),
                nonce(),
                &[("range", range)],
            )
            .await;
        assert_eq!(part.status, status, "{range}");
        assert_eq!(part.body, pulled.body[bytes.clone()], "{range}");
        let said = format!("bytes {}-{}/{size}", bytes.start, bytes.end - 1);
        let said = (status == 206).then_some(said);
        let found = part.headers.get("content-range");
        assert_eq!(found.map(|v| v.to_str().expect("text")), said.as_deref());
    }
    let beyond = format!("bytes={size}-");
    for (range, status) in [(beyond.as_str(), 416), ("bytes=b-a", 400)] {
        let refused = rig
            .signed_with(
                &bee.key,
                "GET",
                &path,
                b"",
                now(),
                nonce(),
                &[("range", range)],
            )
            .await;
        assert_eq!(refused.status, status, "{range}");
    }
    for key in [&stranger.key, &rig.client] {
        assert_eq!(
            rig.signed(key, "GET", &path, b"").await.problem().1,
            "not-reader"
        );
    }

    let active = operate(&rig, "POST", digest, "/activate").await;
    assert_eq!(
        (active.status, &active.json()["model"]["active"]),
        (200, &json!(true))
    );
    assert_eq!(active.json()["bees"][0]["serves"], true);
    let refused = operate(&rig, "DELETE", digest, "").await;
    assert_eq!(
        refused.problem(),
        (409, "model-active".into(), String::new())
    );

    // Ordered, then called off from ordering: the job is still done, and keeps the model there.
    let order = rig.order(b"a scan").await;
    let body = serde_json::to_value(&order).expect("JSON");
    let job = rig.post("/api/v1/jobs", &body).await;
    assert_eq!(job.status, 201, "{:?}", job.json());
    let late = rig.order(b"another scan").await;
    assert_eq!(
        operate(&rig, "POST", digest, "/deactivate").await.status,
        200
    );
    let late = rig
        .post("/api/v1/jobs", &serde_json::to_value(&late).expect("JSON"))
        .await;
    assert_eq!(
        late.problem(),
        (422, "model-inactive".into(), "order.model".into())
    );
    assert_eq!(
        rig.post("/api/v1/jobs", &body).await.status,
        200,
        "the first answer stands"
    );
    assert_eq!(
        operate(&rig, "DELETE", digest, "").await.problem().1,
        "model-in-use"
    );

    let rig = rig.restart().await;
    let bee = rig.meet_again(bee);
    let shown = rig.get(&format!("/api/v1/models/{digest}")).await.json();
    assert_eq!(
        (&shown["model"]["active"], &shown["open_jobs"]),
        (&json!(false), &json!("1"))
    );
    bee.beat(true, false, Vec::new()).await;
    let lease = bee
        .poll(5)
        .await
        .expect("the job of a model that is not active any more");
    let done = bee.work(&lease).await;
    bee.queen
        .complete(lease.job_id, &done)
        .await
        .expect("completed");
    assert_eq!(operate(&rig, "DELETE", digest, "").await.status, 204);
    assert_eq!(operate(&rig, "DELETE", digest, "").await.status, 404);
    assert_eq!(
        rig.get(&format!("/api/v1/models/{digest}")).await.status,
        404
    );
    assert_eq!(stored(&rig), Vec::<String>::new());
    assert_eq!(upload(&rig, &tar).await.status, 201, "it may come back");
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn what_is_no_package_is_refused_and_leaves_nothing() {
    let rig = Rig::with(|config| config.limits.model_bytes_max = 64 << 10).await;
    let good = package("1.0.0");
    for (tar, kind, field) in [
        (b"not a tar".to_vec(), "package", "body"),
        (Vec::new(), "package", "model.toml"),
        (good[..good.len() / 2].to_vec(), "package", "body"),
        (
            samples::package(b"name = 1", &samples::onnx()),
            "package",
            "model.toml",
        ),
        (
            samples::package(samples::MODEL_TOML.as_bytes(), b"no network"),
            "package",
            "model.onnx",
        ),
    ] {
        let refused = upload(&rig, &tar).await;
        let said = String::from_utf8_lossy(&refused.body).into_owned();
        assert_eq!(
            refused.problem(),
            (422, kind.into(), field.into()),
            "{said}"
        );
    }
    let wrong = upload_saying(&rig, &good, B256::ZERO).await;
    assert_eq!(
        wrong.problem(),
        (422, "digest".into(), "swarm-content-sha256".into())
    );
    let large = upload(&rig, &vec![0; (64 << 10) + 1]).await;
    assert_eq!(
        large.problem(),
        (413, "body-too-large".into(), "body".into())
    );
    let plain = rig
        .signed(&rig.operator, "POST", "/api/v1/models", &good)
        .await;
    assert_eq!(
        plain.problem(),
        (
            401,
            "signature-missing".into(),
            "swarm-content-sha256".into()
        )
    );
    let digest = hex::encode(sha256(&good));
    let headers = [("swarm-content-sha256", digest.as_str())];
    let by_client = rig
        .signed_with(
            &rig.client,
            "POST",
            "/api/v1/models",
            &good,
            now(),
            nonce(),
            &headers,
        )
        .await;
    assert_eq!(by_client.problem().1, "not-operator");
    assert_eq!(stored(&rig), Vec::<String>::new());

    assert_eq!(upload(&rig, &good).await.status, 201);
    // The same name and version with something else in it.
    let toml = samples::MODEL_TOML.replacen("Brain mask", "Another mask", 1);
    let other = samples::package(toml.as_bytes(), &samples::onnx());
    assert_eq!(
        upload(&rig, &other).await.problem(),
        (409, "version-taken".into(), "version".into())
    );
    assert_eq!(stored(&rig).len(), 2);

    for what in ["/activate", "/deactivate"] {
        let path = format!("/api/v1/models/{}{what}", B256::ZERO);
        assert_eq!(
            rig.signed(&rig.operator, "POST", &path, b"").await.status,
            404
        );
        assert_eq!(
            rig.signed(&rig.client, "POST", &path, b"").await.status,
            403
        );
    }
    let static_one = rig.model;
    assert_eq!(
        operate(&rig, "POST", static_one, "/deactivate")
            .await
            .problem()
            .1,
        "not-uploaded"
    );
    assert_eq!(
        operate(&rig, "DELETE", static_one, "").await.problem().1,
        "not-uploaded"
    );
    assert_eq!(
        operate(&rig, "GET", static_one, "/package")
            .await
            .problem()
            .1,
        "not-uploaded"
    );
    let odd = rig.get("/api/v1/models/0x12").await;
    assert_eq!(odd.problem(), (400, "malformed".into(), "digest".into()));
    let odd = rig.get("/api/v1/models?all=perhaps").await;
    assert_eq!(odd.problem(), (400, "malformed".into(), "all".into()));
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn a_bee_that_cannot_serve_a_model_says_why_and_one_that_has_it_warm_goes_first() {
    let rig = Rig::start().await;
    let (cold, warm) = (rig.bee("cold").await, rig.bee("warm").await);
    let beat = |warm: bool, faults: Vec<ModelFault>| Heartbeat {
        ready: true,
        not_ready_reason: None,
        draining: false,
        leases: Vec::new(),
        warm_models: warm.then_some(rig.model).into_iter().collect(),
        model_faults: faults,
        utilisation_percent: None,
        memory_used_mib: None,
        temperature_celsius: None,
        power_milliwatts: None,
    };
    cold.queen
        .heartbeat(&beat(false, Vec::new()))
        .await
        .expect("counted");
    warm.queen
        .heartbeat(&beat(true, Vec::new()))
        .await
        .expect("counted");
    // Both wait; each job goes to the one that has the model in memory.
    for _ in 0..3 {
        let order = rig.order(b"a scan").await;
        let first = cold.poll(10);
        let second = warm.poll(10);
        let submit = async {
            tokio::time::sleep(std::time::Duration::from_millis(600)).await;
            rig.as_client(&rig.client)
                .submit(&order)
                .await
                .expect("accepted")
        };
        tokio::pin!(first, second);
        let (lease, _) = tokio::join!(
            async {
                tokio::select! {
                    _ = &mut first => panic!("the cold bee got the job"),
                    lease = &mut second => lease.expect("work"),
                }
            },
            submit
        );
        let done = warm.work(&lease).await;
        warm.queen
            .complete(lease.job_id, &done)
            .await
            .expect("completed");
    }

    let missing = ModelFault {
        model: B256::repeat_byte(9),
        reason: "golden case 0 failed".into(),
    };
    cold.queen
        .heartbeat(&beat(false, vec![missing]))
        .await
        .expect("counted");
    let tar = package("3.0.0");
    let digest = Package::from_tar(&tar[..]).expect("sound").digest();
    upload(&rig, &tar).await;
    let fault = ModelFault {
        model: digest,
        reason: "the model fails its own golden cases".into(),
    };
    warm.queen
        .heartbeat(&beat(true, vec![fault]))
        .await
        .expect("counted");
    let shown = rig.get(&format!("/api/v1/models/{digest}")).await.json();
    assert_eq!(
        shown["bees"][0]["fault"],
        "the model fails its own golden cases"
    );
    assert_eq!(shown["bees"][0]["serves"], false);
    let many = (0..65).map(|_| ModelFault {
        model: digest,
        reason: "x".into(),
    });
    assert!(
        warm.queen
            .heartbeat(&beat(true, many.collect()))
            .await
            .is_err()
    );
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn an_order_that_waits_gets_its_result_or_the_place_where_it_will_be() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    let request = rig.order(b"a scan").await;
    let body = serde_json::to_value(&request).expect("JSON");
    let path = format!("/api/v1/inference/{}", rig.model);

    let other = rig
        .post(&format!("/api/v1/inference/{}", B256::ZERO), &body)
        .await;
    assert_eq!(
        other.problem(),
        (422, "other-model".into(), "order.model".into())
    );
    for odd in ["30", "51s", "-1s", "soon"] {
        let refused = rig.post(&format!("{path}?wait={odd}"), &body).await;
        assert_eq!(
            refused.problem(),
            (400, "malformed".into(), "wait".into()),
            "{odd}"
        );
    }

    let early = rig.post(&format!("{path}?wait=0s"), &body).await;
    assert_eq!(early.status, 202, "{:?}", early.json());
    let id = early.json()["job"]["job_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(
        early.headers["location"],
        format!("/api/v1/jobs/{id}").as_str()
    );
    assert_eq!(early.json()["result"], Value::Null);

    let work = async {
        let lease = bee.poll(5).await.expect("work");
        let done = bee.work(&lease).await;
        bee.queen
            .complete(lease.job_id, &done)
            .await
            .expect("completed");
        done
    };
    let waits = format!("{path}?wait=50s");
    let (answer, done) = tokio::join!(rig.post(&waits, &body), work);
    assert_eq!(answer.status, 200, "{:?}", answer.json());
    let answer: Inference = serde_json::from_slice(&answer.body).expect("an inference");
    let result = answer.result.expect("a result");
    assert_eq!(
        (answer.job.job_id.to_string(), answer.job.status),
        (id, JobStatus::Completed)
    );
    assert_eq!(
        (result.result, result.execution),
        (done.result, done.execution)
    );
    assert_eq!(answer.job.job_type, JOB_TYPE);
    // It is the same job by the other way, and charged once.
    assert_eq!(rig.post("/api/v1/jobs", &body).await.status, 200);
    assert_eq!(rig.post(&path, &body).await.status, 200);
    rig.handle.shutdown().await;
}
