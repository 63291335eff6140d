//! Events and webhooks.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::json;
use swarm_client::EventFilter;
use swarm_types::api::Event;
use swarm_types::request::RequestToSign;
use swarm_types::{Address, Signature65, sha256};
use tokio::sync::mpsc;

use crate::rig::Rig;

#[tokio::test]
async fn a_listener_sees_its_job_and_goes_on_after_a_break() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    let client = rig.as_client(&rig.client);
    let mine = EventFilter {
        client: Some(rig.client.address()),
        job: None,
    };
    // From the beginning: what happened before the connection is told too.
    let mut stream = client.events(mine, Some(0));
    let job = client
        .submit(&rig.order(b"a scan").await)
        .await
        .expect("accepted");
    let lease = bee.poll(5).await.expect("work");
    let done = bee.work(&lease).await;
    bee.queen
        .complete(job.job_id, &done)
        .await
        .expect("completed");
    let mut seen: Vec<Event> = Vec::new();
    while seen
        .last()
        .is_none_or(|event| event.kind != "job.completed")
    {
        seen.push(stream.next().await.expect("an event"));
    }
    let kinds: Vec<&str> = seen.iter().map(|event| event.kind.as_str()).collect();
    assert!(kinds.contains(&"job.submitted"), "{kinds:?}");
    assert!(
        seen.iter()
            .all(|event| event.client == Some(rig.client.address()))
    );
    assert!(seen.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    let text = serde_json::to_string(&seen).expect("JSON");
    for secret in [
        format!("{}", lease.salt),
        lease.reply_to.clone(),
        format!("{}", lease.input.sha256),
    ] {
        assert!(!text.contains(&secret), "{secret} must not be told");
    }
    let last = seen.last().expect("events").seq;
    let mut after = client.events(mine, Some(seen[0].seq));
    while after.next().await.expect("an event").seq < last {}

    let bad = rig
        .http
        .get(format!("{}/api/v1/events", rig.base))
        .header("last-event-id", "x");
    assert_eq!(bad.send().await.expect("an answer").status(), 400);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn webhooks_are_signed_and_do_not_go_to_private_places() {
    let rig = Rig::start().await;
    for url in ["http://example.org/x", "https://127.0.0.1/x", "nonsense"] {
        let body = json!({ "url": url }).to_string();
        let reply = rig
            .signed(&rig.client, "POST", "/api/v1/webhooks", body.as_bytes())
            .await;
        assert_eq!(reply.problem(), (422, "webhook-url".into(), "url".into()));
    }
    rig.handle.shutdown().await;

    let rig = Rig::with(|config| config.webhooks_to_private = true).await;
    let (tell, mut told) = mpsc::unbounded_channel();
    let tell = Arc::new(tell);
    let app = Router::new().route(
        "/hook",
        post(move |headers: HeaderMap, body: Bytes| {
            let tell = tell.clone();
            async move {
                tell.send((headers, body)).expect("the test listens");
            }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let target = format!(
        "http://{}/hook?token=t",
        listener.local_addr().expect("bound")
    );
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let body = json!({ "url": target }).to_string();
    let reply = rig
        .signed(&rig.client, "POST", "/api/v1/webhooks", body.as_bytes())
        .await;
    assert_eq!(reply.status, 201);
    let _bee = rig.bee("bee-01").await;
    let client = rig.as_client(&rig.client);
    let job = client
        .submit(&rig.order(b"a scan").await)
        .await
        .expect("accepted");
    let (headers, body) = told.recv().await.expect("a delivery");
    let event: Event = serde_json::from_slice(&body).expect("an event");
    assert_eq!(
        (event.kind.as_str(), event.job),
        ("job.submitted", Some(job.job_id))
    );
    let text = |name: &str| headers[name].to_str().expect("text");
    let signed = RequestToSign {
        method: "POST",
        path: "/hook?token=t",
        body: sha256(&body),
        timestamp: text("swarm-timestamp").parse().expect("a number"),
        nonce: text("swarm-nonce").parse().expect("a number"),
    };
    let signature: Signature65 = text("swarm-signature").parse().expect("a signature");
    let queen: Address = client.info().await.expect("info").queen;
    assert_eq!(signed.signer(&signature), Ok(queen));
    assert_eq!(signed.nonce, event.seq);
    server.abort();
    rig.handle.shutdown().await;
}
