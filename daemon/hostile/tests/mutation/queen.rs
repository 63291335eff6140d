//! A queen who lies: what bees and clients read from her may be anything.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use swarm_client::{EventFilter, QueenClient, Tls};
use swarm_hostile::{mutate, samples};
use swarm_types::api::BlobRef;
use swarm_types::{B256, JobId, sha256};

use crate::campaign::{Campaign, MIB};
use crate::server::{Server, http};

const JOB: JobId = JobId { epoch: 2, seq: 848 };

/// What an honest queen would say to everything at once: each route takes its part of it.
fn honest() -> Vec<Vec<u8>> {
    let message = |name: &str| -> serde_json::Value {
        let found = samples::messages()
            .into_iter()
            .find(|(known, _)| *known == name);
        serde_json::from_slice(&found.expect("a sample").1).expect("JSON")
    };
    let submit = message("SubmitJob");
    let (hash, client) = (submit["salt"].clone(), submit["order"]["client"].clone());
    let order = serde_json::json!({ "order": submit["order"], "signature": submit["signature"] });
    let job = serde_json::json!({
        "job_id": "job-002-0848", "status": "completed", "job_type": "brain_mri", "client": client, "client_ens": null,
        "model": hash, "fee": "100000", "fee_usd": "0.10", "worker": client, "attempts": 1, "stage": "infer",
        "progress_bps": 5000, "error": null, "submitted_at": "1", "deadline": "2", "settled_in": "epoch-002", "poe_hash": hash,
    });
    let lease = serde_json::json!({
        "job_id": "job-002-0848", "token": "12345", "expires_at": "1", "attempt": 1, "job_type": "brain_mri", "order": order,
        "fee": "100000", "salt": hash, "input": submit["input"], "reply_to": submit["reply_to"],
    });
    let event = serde_json::json!({
        "seq": "7", "at": "1", "kind": "job.completed", "job": "job-002-0848", "client": client, "worker": null,
        "epoch": null, "data": { "x": [1, 2, 3] },
    });
    let info = serde_json::json!({
        "name": "queen", "version": "0.1.0", "chain_id": "84532", "escrow": client, "token": client, "queen": client,
        "open_epoch": "epoch-002", "rates": { "protocolBps": 200, "operatorBps": 500, "workBps": 7000 },
        "max_order_life_seconds": "86400", "max_input_bytes": "1", "result_days": 30, "now": "1",
    });
    let heartbeat = serde_json::json!({ "approval": "approved", "drain": false, "lost": ["1"], "next_seconds": 30 });
    let status = serde_json::json!({ "offset": "0", "size": "3000", "complete": false });
    let list = serde_json::json!({ "items": [job], "next": "job-002-0001" });
    [job, lease, event, info, heartbeat, status, list]
        .map(|value| value.to_string().into_bytes())
        .into()
}

#[test]
fn answers_of_a_lying_queen_are_errors() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let honest = honest();
    let said = Arc::new(Mutex::new(Vec::new()));
    let answer = said.clone();
    let server = runtime.block_on(Server::start(move |_| {
        let said = answer.lock().expect("no panic").clone();
        async move { said }
    }));
    let client = QueenClient::new(&server.url, Tls::Plain, Some(PrivateKeySigner::random()))
        .expect("a client");
    let damage = |random: &mut mutate::Random| {
        let body = match random.below(3) {
            0 => {
                let one = &honest[random.below(honest.len())];
                mutate::json(one, &honest, random)
            }
            // A feed of events, cut anywhere.
            1 => {
                let one = mutate::json(&honest[2], &honest, random);
                let mut feed = [
                    b": hello\n\nid: 7\nevent: job.completed\ndata: ",
                    &one[..],
                    b"\n\n",
                ]
                .concat()
                .repeat(3);
                mutate::bytes(&mut feed, 0, &honest, random);
                feed
            }
            _ => random.one_of(&honest).clone(),
        };
        let kinds = [
            "application/json",
            "text/event-stream",
            "application/problem+json",
        ];
        // No status that the client repeats: pauses are not what is tried here.
        let mut reply = http(
            *random.one_of(&[200, 200, 200, 201, 204, 400, 404, 418]),
            kinds[random.below(kinds.len())],
            &body,
        );
        if random.below(3) == 0 {
            mutate::bytes(&mut reply, 9, &honest, random);
        }
        reply.push(random.below(10) as u8);
        reply
    };
    let decode = |reply: &[u8]| {
        let (route, reply) = reply.split_last().expect("a route");
        *said.lock().expect("no panic") = reply.to_vec();
        let blob = BlobRef {
            sha256: sha256("other bytes"),
            size: 64,
        };
        let ask = async {
            match route {
                0 => client.job(JOB).await.is_ok(),
                1 => client.info().await.is_ok(),
                2 => client.jobs(&Default::default()).await.is_ok(),
                3 => client.lease(Duration::from_secs(1), 2).await.is_ok(),
                4 => client.claim(JOB).await.is_ok(),
                5 => client.result(JOB).await.is_ok(),
                6 => client.recipients(B256::ZERO).await.is_ok(),
                7 => {
                    let blob = client.download_blob(blob, &mut |_, _| {}).await;
                    assert!(blob.is_err(), "bytes of another digest were taken");
                    false
                }
                8 => client
                    .bundle_file(swarm_types::EpochId(2), "SUMMARY.json")
                    .await
                    .is_ok(),
                _ => client
                    .events(EventFilter::default(), None)
                    .next()
                    .await
                    .is_ok(),
            }
        };
        // A lie about the length leaves the client waiting: it waits, which is all that is asked here.
        let asked = async { tokio::time::timeout(Duration::from_millis(50), ask).await };
        runtime.block_on(asked).unwrap_or(false)
    };
    Campaign::new("queen", 800, 24 * MIB)
        .run(damage, decode)
        .at_least(15, 200);
}
