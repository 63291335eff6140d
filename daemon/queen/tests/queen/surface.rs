//! What is served: the document, health, metrics, TLS, and how what is not there is refused.

use std::collections::BTreeSet;

use serde_json::Value;
use swarm_client::{Fingerprint, QueenClient, Tls};
use swarm_types::api::QuoteRequest;
use swarm_types::signature::eip191_message;

use crate::rig::{FEE, JOB_TYPE, Rig};

/// Every route of the API. A route that is added is added here too.
const ROUTES: &str = "
get /health
get /metrics
get /x402.json
get /openapi.json
get /api/v1/info
get /api/v1/models
post /api/v1/models
get /api/v1/models/{digest}
delete /api/v1/models/{digest}
post /api/v1/models/{digest}/activate
post /api/v1/models/{digest}/deactivate
get /api/v1/models/{digest}/package
post /api/v1/inference/{model}
post /api/v1/quotes
get /api/v1/recipients
get /api/v1/stats
get /api/v1/power
get /api/v1/events
post /api/v1/webhooks
put /api/v1/blobs/{sha256}
patch /api/v1/blobs/{sha256}
get /api/v1/blobs/{sha256}
get /api/v1/blobs/{sha256}/status
post /api/v1/jobs
get /api/v1/jobs
get /api/v1/jobs/{id}
get /api/v1/jobs/{id}/result
get /api/v1/jobs/{id}/receipt
get /api/v1/jobs/{id}/why
post /api/v1/jobs/{id}/cancel
post /api/v1/jobs/{id}/claim
post /api/v1/jobs/{id}/progress
post /api/v1/jobs/{id}/complete
post /api/v1/jobs/{id}/fail
post /api/v1/workers/register
post /api/v1/workers/heartbeat
post /api/v1/workers/lease
post /api/v1/workers/complete
get /api/v1/workers
get /api/v1/workers/{address}
get /api/v1/workers/{address}/samples
post /api/v1/workers/{address}/approve
post /api/v1/workers/{address}/drain
post /api/v1/workers/join-codes
get /api/v1/clients/{id}
get /api/v1/clients/{id}/balance
get /api/v1/clients/{id}/history
post /api/v1/clients/{id}/topup
get /api/v1/epochs
get /api/v1/epochs/current
get /api/v1/epochs/{id}
get /api/v1/epochs/{id}/jobs
get /api/v1/epochs/{id}/payouts
get /api/v1/epochs/{id}/bundle/{file}
post /api/v1/epochs/seal
get /index.json
get /chain/{file}
get /accounts/{file}
get /audit/{id}/{file}";

#[tokio::test]
async fn the_document_lists_every_route_and_every_route_answers() {
    let rig = Rig::start().await;
    let document = rig.get("/openapi.json").await.json();
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
    let paths = document["paths"].as_object().expect("paths");
    let mut listed = BTreeSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("operations") {
            listed.insert(format!("{method} {path}"));
            let answers = operation["responses"].as_object().expect("responses");
            for status in ["408", "429", "500", "503"] {
                let problem = &answers[status]["content"]["application/problem+json"];
                let schema = &problem["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{method} {path}");
            }
        }
    }
    let expected: BTreeSet<String> = ROUTES.trim().lines().map(str::to_owned).collect();
    assert_eq!(listed, expected);
    for route in expected {
        let (method, path) = route.split_once(' ').expect("two words");
        let path = path.replace(['{', '}'], "_");
        let request = rig.http.request(
            method.to_uppercase().parse().expect("a method"),
            format!("{}{path}", rig.base),
        );
        let status = request.send().await.expect("an answer").status().as_u16();
        assert!(![404, 405, 500, 501].contains(&status), "{route}: {status}");
    }
    assert_eq!(
        rig.get("/nowhere").await.problem(),
        (404, "not-found".into(), String::new())
    );
    let url = format!("{}/health", rig.base);
    let odd = rig.http.delete(url).send().await.expect("an answer");
    assert_eq!(
        (
            odd.status().as_u16(),
            odd.headers()["content-type"].to_str().ok()
        ),
        (405, Some("application/problem+json"))
    );
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn paths_and_queries_are_read_strictly() {
    let rig = Rig::start().await;
    for (path, status, field) in [
        ("/api/v1/jobs/job-1-1", 400, "id"),
        ("/api/v1/jobs/job-001-0001", 404, ""),
        ("/api/v1/jobs/..%2f..%2fetc%2fpasswd", 400, "id"),
        ("/api/v1/jobs?limit=0", 400, "limit"),
        ("/api/v1/jobs?limit=501", 400, "limit"),
        ("/api/v1/jobs?status=done", 400, "status"),
        ("/api/v1/jobs?colour=red", 400, "colour"),
        ("/api/v1/jobs?after=x", 400, "after"),
        ("/api/v1/clients/0x12", 400, "client"),
        ("/api/v1/clients/name.eth", 400, "client"),
        (
            "/api/v1/clients/0x00000000000000000000000000000000000000aa",
            404,
            "",
        ),
        ("/api/v1/epochs/0x1", 400, "id"),
        ("/api/v1/epochs/99", 404, ""),
        ("/api/v1/epochs/1/bundle/..%2f..%2fledger.sqlite", 404, ""),
        ("/api/v1/recipients?model=0x12", 400, "query"),
        ("/api/v1/recipients", 400, "model"),
    ] {
        let (got, _, at) = rig.get(path).await.problem();
        assert_eq!((got, at.as_str()), (status, field), "{path}");
    }
    let failed = rig.get("/api/v1/jobs?status=failed").await;
    assert_eq!(failed.json()["items"], serde_json::json!([]));
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn health_metrics_quote_and_manifest_say_what_is() {
    let rig = Rig::start().await;
    let client = rig.as_client(&rig.client);
    let health = client.health().await.expect("health");
    assert_eq!((health.status.as_str(), health.ledger), ("degraded", true));
    assert!(health.chain.contains("off"), "{}", health.chain);
    let metrics = String::from_utf8(rig.get("/metrics").await.body).expect("text");
    assert!(metrics.contains("swarm_open_epoch 1\n"), "{metrics}");
    let info = client.info().await.expect("info");
    let ask = QuoteRequest {
        job_type: Some(JOB_TYPE.into()),
        model: None,
    };
    let quote = client.quote(&ask).await.expect("a quote");
    assert_eq!(
        (quote.fee, quote.model, quote.fee_usd.as_str()),
        (FEE, rig.model, "0.10")
    );
    let text = format!(
        "swarm-quote\n{}\n{}\n{}",
        quote.model, quote.fee.0, quote.expires_at
    );
    assert_eq!(
        quote.signature.recover(&eip191_message(text.as_bytes())),
        Ok(info.queen)
    );
    let manifest: Value = rig.get("/x402.json").await.json();
    assert_eq!(manifest["x402Version"], 2);
    let escrow = &manifest["extensions"]["swarm-escrow"]["info"];
    assert_eq!(escrow["network"], "eip155:84532");
    assert_eq!(escrow["prices"][0]["amount"], "100000");
    let path = format!("/api/v1/clients/{}/topup", rig.client.address());
    let known = serde_json::json!({ "transaction": swarm_types::sha256(rig.client.address()) });
    assert_eq!(rig.post(&path, &known).await.json()["state"], "safe");
    let unknown = serde_json::json!({ "transaction": swarm_types::sha256(b"other") });
    assert_eq!(rig.post(&path, &unknown).await.json()["state"], "unknown");
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn a_name_for_the_world_is_served_over_tls_with_the_printed_fingerprint() {
    let rig =
        Rig::with(|config| config.listen.address = "0.0.0.0:0".parse().expect("an address")).await;
    let fingerprint = Fingerprint(rig.handle.fingerprint.expect("she speaks TLS"));
    let base = format!("https://127.0.0.1:{}", rig.handle.addr.port());
    let client = QueenClient::new(&base, Tls::Pinned(fingerprint), None).expect("a client");
    assert_eq!(
        client.info().await.expect("over TLS").chain_id,
        crate::rig::CHAIN_ID
    );
    let wrong = Fingerprint(swarm_types::B256::ZERO);
    let stranger = QueenClient::new(&base, Tls::Pinned(wrong), None).expect("a client");
    assert!(stranger.info().await.is_err());
    rig.handle.shutdown().await;
}
