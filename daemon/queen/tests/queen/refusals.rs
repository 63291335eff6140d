//! Bad requests: each gets its status and names its field, and changes nothing.

use alloy::signers::local::PrivateKeySigner;
use serde_json::{Value, json};
use swarm_types::api::SubmitJob;
use swarm_types::eip712::Domain;
use swarm_types::{Address, B256, MicroUsdc, U256};

use crate::rig::{ESCROW, Rig, nonce, now};

type Change = Box<dyn Fn(&Rig, &mut SubmitJob)>;

fn resigned(change: impl Fn(&mut SubmitJob) + 'static) -> Change {
    Box::new(move |rig, job| {
        change(job);
        job.signature = rig.sign(&job.order, &rig.client);
    })
}

#[tokio::test]
async fn bad_orders_are_refused_by_field_and_change_nothing() {
    let rig = Rig::start().await;
    let _bee = rig.bee("bee-01").await;
    let good = rig.order(b"a scan").await;
    let domain = |chain_id, escrow| {
        let change: Change = Box::new(move |rig: &Rig, job: &mut SubmitJob| {
            use alloy::signers::SignerSync;
            let digest = job.order.digest(&Domain::new(chain_id, escrow));
            job.signature = rig.client.sign_hash_sync(&digest).expect("signs").into();
        });
        change
    };
    let stranger = PrivateKeySigner::random();
    let cases: Vec<(&str, u16, &str, &str, Change)> = vec![
        (
            "another signer",
            403,
            "signer",
            "signature",
            Box::new(move |rig, job| job.signature = rig.sign(&job.order, &stranger)),
        ),
        (
            "another chain",
            403,
            "signer",
            "signature",
            domain(1, ESCROW),
        ),
        (
            "another escrow",
            403,
            "signer",
            "signature",
            domain(84_532, Address::ZERO),
        ),
        (
            "deadline past",
            422,
            "deadline-past",
            "order.deadline",
            resigned(|job| job.order.deadline = now()),
        ),
        (
            "deadline far",
            422,
            "deadline-far",
            "order.deadline",
            resigned(|job| job.order.deadline = now() + 90_000),
        ),
        (
            "fee over the order's",
            422,
            "fee-over-max",
            "order.maxFee",
            resigned(|job| job.order.max_fee = MicroUsdc(99_999)),
        ),
        (
            "unknown model",
            422,
            "unknown-model",
            "order.model",
            resigned(|job| job.order.model = B256::repeat_byte(9)),
        ),
        (
            "another job type",
            422,
            "job-type",
            "job_type",
            resigned(|job| job.job_type = "chest_ct".into()),
        ),
        (
            "unknown input",
            422,
            "input-missing",
            "input.sha256",
            resigned(|job| job.input.sha256 = B256::repeat_byte(9)),
        ),
        (
            "another size",
            422,
            "input-size",
            "input.size",
            resigned(|job| job.input.size += 1),
        ),
        (
            "no recipient",
            422,
            "recipient",
            "reply_to",
            resigned(|job| job.reply_to = "age1nonsense".into()),
        ),
        (
            "control characters",
            422,
            "text",
            "client_ens",
            resigned(|job| job.client_ens = Some("a\nb".into())),
        ),
    ];
    let before = rig.standing().await;
    for (what, status, kind, field, change) in cases {
        let mut job = good.clone();
        change(&rig, &mut job);
        let body = serde_json::to_value(&job).expect("JSON");
        let reply = rig.post("/api/v1/jobs", &body).await;
        assert_eq!(
            reply.problem(),
            (status, kind.to_owned(), field.to_owned()),
            "{what}"
        );
    }
    assert_eq!(rig.standing().await, before);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn bad_bodies_are_refused_by_field_and_change_nothing() {
    let rig = Rig::start().await;
    let _bee = rig.bee("bee-01").await;
    let good = serde_json::to_value(rig.order(b"a scan").await).expect("JSON");
    let signature = good["signature"].as_str().expect("text").to_owned();
    let s = U256::from_str_radix(&signature[66..130], 16).expect("hex");
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let order = U256::from_str_radix(order, 16).expect("hex");
    let v = if signature.ends_with("1b") {
        "1c"
    } else {
        "1b"
    };
    let twin = format!("{}{:064x}{v}", &signature[..66], order - s);
    let set = |pointer: &'static str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).expect("there") = value;
        body
    };
    let mut extra = good.clone();
    extra["order"]["tip"] = json!("1");
    let mut missing = good.clone();
    missing.as_object_mut().expect("an object").remove("salt");
    let cases = [
        (set("/signature", json!(twin)), "signature"),
        (set("/signature", json!("0x12")), "signature"),
        (
            set("/order/nonce", json!("18446744073709551616")),
            "order.nonce",
        ),
        (set("/order/maxFee", json!(100_000)), "order.maxFee"),
        (set("/order/maxFee", json!("-1")), "order.maxFee"),
        (set("/order/client", json!("0x12")), "order.client"),
        (set("/input/size", json!("01")), "input.size"),
        (extra, "order.tip"),
        (missing, "salt"),
    ];
    let before = rig.standing().await;
    for (body, field) in cases {
        let (status, _, at) = rig.post("/api/v1/jobs", &body).await.problem();
        assert_eq!((status, at.as_str()), (422, field), "{body}");
    }
    let url = format!("{}/api/v1/jobs", rig.base);
    let twice = good.to_string().replacen('{', "{\"salt\":\"0x00\",", 1);
    for (text, status) in [
        ("{".to_owned(), 400),
        (twice, 422),
        ("x".repeat(200_000), 413),
    ] {
        let answer = rig
            .http
            .post(&url)
            .body(text)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    assert_eq!(rig.standing().await, before);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn every_form_of_a_wallets_signature_counts() {
    use alloy::signers::SignerSync;
    let rig = Rig::start().await;
    let _bee = rig.bee("bee-01").await;
    for form in ["v 0/1", "EIP-2098", "EIP-191"] {
        let job = rig.order(form.as_bytes()).await;
        let digest = job.order.digest(&rig.domain());
        let signature = match form {
            "EIP-191" => rig
                .client
                .sign_message_sync(digest.as_slice())
                .expect("signs"),
            _ => rig.client.sign_hash_sync(&digest).expect("signs"),
        };
        let mut bytes = signature.as_bytes().to_vec();
        match form {
            "v 0/1" => bytes[64] -= 27,
            "EIP-2098" => bytes = signature.as_erc2098().to_vec(),
            _ => {}
        }
        let mut body = serde_json::to_value(&job).expect("JSON");
        body["signature"] = json!(format!("0x{}", swarm_types::hex::encode(bytes)));
        let reply = rig.post("/api/v1/jobs", &body).await;
        assert_eq!(reply.status, 201, "{form}: {}", reply.json());
    }
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn money_that_is_not_there_and_a_nonce_that_is_are_refused() {
    let rig = Rig::with(|config| config.fees.fee = MicroUsdc(3_000_000)).await;
    let _bee = rig.bee("bee-01").await;
    let pay = |job: &mut SubmitJob| {
        job.order.max_fee = MicroUsdc(3_000_000);
        job.signature = rig.sign(&job.order, &rig.client);
    };
    let mut first = rig.order(b"one").await;
    pay(&mut first);
    let body = serde_json::to_value(&first).expect("JSON");
    assert_eq!(rig.post("/api/v1/jobs", &body).await.status, 201);
    let before = rig.standing().await.1;
    let mut second = rig.order(b"two").await;
    pay(&mut second);
    let body = serde_json::to_value(&second).expect("JSON");
    let reply = rig.post("/api/v1/jobs", &body).await;
    assert_eq!(
        reply.problem(),
        (422, "insufficient-balance".into(), "order.client".into())
    );
    second.order.nonce = first.order.nonce;
    pay(&mut second);
    let body = serde_json::to_value(&second).expect("JSON");
    let reply = rig.post("/api/v1/jobs", &body).await;
    assert_eq!(
        reply.problem(),
        (409, "nonce-reused".into(), "order.nonce".into())
    );
    assert_eq!(rig.standing().await.1, before);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn an_order_over_the_clients_cap_is_refused() {
    let rig = Rig::with(|config| config.chain.default_cap = MicroUsdc(50_000)).await;
    let _bee = rig.bee("bee-01").await;
    let job = rig.order(b"a scan").await;
    let before = rig.standing().await;
    let body = serde_json::to_value(&job).expect("JSON");
    let refused = rig.post("/api/v1/jobs", &body).await.problem();
    assert_eq!(refused, (422, "over-cap".into(), "order.client".into()));
    assert_eq!(rig.standing().await, before);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn a_signature_on_a_request_counts_once_and_for_that_request() {
    let rig = Rig::start().await;
    let key = &rig.operator;
    let path = "/api/v1/workers/join-codes";
    let unsigned = rig.post(path, &json!({})).await;
    assert_eq!(
        unsigned.problem(),
        (401, "signature-missing".into(), "swarm-address".into())
    );
    let (time, number) = (now(), nonce());
    let first = rig
        .signed_with(key, "POST", path, b"", time, number, &[])
        .await;
    assert_eq!(first.status, 200, "{}", first.json());
    let replay = rig
        .signed_with(key, "POST", path, b"", time, number, &[])
        .await;
    assert_eq!(
        replay.problem(),
        (409, "request-nonce-reused".into(), "swarm-nonce".into())
    );
    let late = rig
        .signed_with(key, "POST", path, b"", time - 600, nonce(), &[])
        .await;
    assert_eq!(
        late.problem(),
        (401, "clock-off".into(), "swarm-timestamp".into())
    );
    let detail = late.json()["detail"].as_str().expect("text").to_owned();
    assert!(
        detail.contains("60") && detail.contains("behind"),
        "{detail}"
    );
    let client = rig.signed(&rig.client, "POST", path, b"").await;
    assert_eq!(client.problem().1, "not-operator");

    // Signed for another path: the headers of one request on another.
    use alloy::signers::SignerSync;
    let to_sign = swarm_types::request::RequestToSign {
        method: "POST",
        path: "/api/v1/epochs/seal",
        body: swarm_types::sha256(b""),
        timestamp: time,
        nonce: nonce(),
    };
    let signature = key.sign_hash_sync(&to_sign.digest()).expect("signs");
    let answer = rig
        .http
        .post(format!("{}{path}", rig.base))
        .header("swarm-address", key.address().to_string())
        .header("swarm-timestamp", to_sign.timestamp.to_string())
        .header("swarm-nonce", to_sign.nonce.to_string())
        .header(
            "swarm-signature",
            swarm_types::Signature65::from(signature).to_string(),
        )
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 401);
    let sealed = rig.signed(key, "POST", "/api/v1/epochs/seal", b"").await;
    assert_eq!(
        sealed.problem(),
        (503, "settlement-off".into(), String::new())
    );
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn completions_that_do_not_hold_are_refused() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    let client = rig.as_client(&rig.client);
    client
        .submit(&rig.order(b"a scan").await)
        .await
        .expect("accepted");
    let lease = bee.poll(5).await.expect("work");
    let good = bee.work(&lease).await;
    let path = format!("/api/v1/jobs/{}/complete", lease.job_id);
    let mut cases = Vec::new();
    let mut bad = good.clone();
    bad.worker_signature = rig.order(b"other").await.signature;
    cases.push((bad, 403, "worker_signature"));
    let mut bad = good.clone();
    bad.engine = "another engine".into();
    cases.push((bad, 422, "engine"));
    let mut bad = good.clone();
    bad.manifest = B256::ZERO;
    cases.push((bad, 422, "manifest"));
    let mut bad = good.clone();
    bad.poe_hash = B256::ZERO;
    cases.push((bad, 422, "poe_hash"));
    let mut bad = good.clone();
    bad.result.sha256 = B256::ZERO;
    cases.push((bad, 422, "result.sha256"));
    let mut bad = good.clone();
    bad.token = "1".repeat(19);
    cases.push((bad, 409, "token"));
    let mut bad = good.clone();
    bad.execution.model = B256::ZERO;
    bad.worker_signature = bee.sign(&bad.execution);
    cases.push((bad, 422, "execution.model"));
    for (bad, status, field) in cases {
        let body = serde_json::to_vec(&bad).expect("JSON");
        let reply = rig.signed(&bee.key, "POST", &path, &body).await;
        let (got, _, at) = reply.problem();
        assert_eq!((got, at.as_str()), (status, field), "{}", reply.json());
    }
    let other = rig.bee("bee-02").await;
    let body = serde_json::to_vec(&good).expect("JSON");
    assert_eq!(
        rig.signed(&other.key, "POST", &path, &body)
            .await
            .problem()
            .0,
        403
    );
    bee.queen
        .complete(lease.job_id, &good)
        .await
        .expect("completed");
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn limits_are_per_signer_and_per_address() {
    let rig = Rig::with(|config| {
        config.limits.per_signer.burst = 3.0;
        config.limits.per_signer.per_second = 1e-3;
        config.limits.per_address.burst = 3.0;
        config.limits.per_address.per_second = 1e-3;
    })
    .await;
    for _ in 0..3 {
        assert_eq!(rig.get("/api/v1/info").await.status, 200);
    }
    let limited = rig.get("/api/v1/info").await;
    assert_eq!(
        limited.problem(),
        (429, "rate-limited".into(), String::new())
    );
    assert!(limited.headers.contains_key("retry-after"));
    let path = "/api/v1/workers/join-codes";
    for _ in 0..3 {
        assert_eq!(
            rig.signed(&rig.operator, "POST", path, b"").await.status,
            200
        );
    }
    assert_eq!(
        rig.signed(&rig.operator, "POST", path, b"").await.status,
        429
    );
    assert_eq!(rig.signed(&rig.client, "POST", path, b"").await.status, 403);
    rig.handle.shutdown().await;
}
