//! SwarmOrb as a browser meets it: the app, its headers, the index of a real escrow, bees over time.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use swarm_chain::devchain::{DEV_ACCOUNTS, DevChain, NodeConfig, USDC, dev_wallet};
use swarm_chain::{At, Call, Chain};
use swarm_contracts::Params;
use swarm_orb::Indexer;
use swarm_queen::settlement::SettlementKeys;
use swarm_types::MicroUsdc;
use swarm_types::bundle::hex_address;
use swarm_types::canonical;
use swarm_types::orb::{Index, Site, account_file_name, epoch_file_name};

use crate::rig::{Reply, Rig};

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    let value = reply.headers.get(name).map(|value| value.to_str());
    value.unwrap_or(Ok("")).expect("text")
}

#[tokio::test]
async fn the_app_is_served_with_its_policy_and_nothing_else_is() {
    let rpc = "https://rpc.example/v1".to_owned();
    let rig = Rig::with(|config| config.orb.rpc_urls = vec![rpc]).await;
    let page = rig.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&page, "cache-control"), "no-cache");
    let text = String::from_utf8(page.body.clone()).expect("text");
    assert_eq!(rig.get("/index.html").await.body, page.body);

    let policy = header(&page, "content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "connect-src 'self' https://rpc.example;",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains('*'),
        "{policy}"
    );

    // What the page names is there, and its name says its content.
    let mut named = 0;
    for name in text.split("./assets/").skip(1) {
        let name = name.split('"').next().expect("a name");
        let asset = rig.get(&format!("/assets/{name}")).await;
        assert_eq!(asset.status, 200, "{name}");
        assert!(header(&asset, "cache-control").contains("immutable"));
        named += 1;
    }
    assert!(named >= 2, "{text}");

    // Every answer carries the headers, a refusal too.
    for path in [
        "/",
        "/health",
        "/nowhere",
        "/api/v1/jobs/x",
        "/index.json",
        "/favicon.svg",
    ] {
        let reply = rig.get(path).await;
        assert_eq!(header(&reply, "content-security-policy"), policy, "{path}");
        assert_eq!(
            header(&reply, "x-content-type-options"),
            "nosniff",
            "{path}"
        );
        assert_eq!(header(&reply, "referrer-policy"), "no-referrer", "{path}");
        assert_eq!(
            header(&reply, "cross-origin-opener-policy"),
            "same-origin",
            "{path}"
        );
        assert!(
            header(&reply, "permissions-policy").contains("camera=()"),
            "{path}"
        );
    }

    // An entity tag answers 304, and gzip is for those who read it.
    let etag = header(&page, "etag");
    let asked = |name: &'static str, value: String| {
        rig.http.get(format!("{}/", rig.base)).header(name, value)
    };
    let again = asked("if-none-match", etag.to_owned())
        .send()
        .await
        .expect("an answer");
    assert_eq!(again.status().as_u16(), 304);
    let other = asked("if-none-match", "\"x\"".into())
        .send()
        .await
        .expect("an answer");
    assert_eq!(other.status().as_u16(), 200);
    let small = asked("accept-encoding", "br, gzip;q=0.5".into())
        .send()
        .await
        .expect("an answer");
    assert_eq!(small.headers()["content-encoding"], "gzip");
    let small = small.bytes().await.expect("a body");
    assert!(small.starts_with(&[0x1f, 0x8b]) && small.len() < page.body.len());
    rig.handle.shutdown().await;
}

/// Sends a path as it is, which no HTTP library does, and gives the status and the body.
fn raw(address: std::net::SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nhost: queen\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sends");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("answers");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).unwrap_or_default().to_owned();
    (status, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_paths_reach_nothing() {
    let rig = Rig::start().await;
    // What must not be reached: the ledger, and a file beside the bundles.
    let state = rig.dir.path().join("state");
    std::fs::write(state.join("audit/secret.json"), "precious").expect("writes");
    for path in [
        "/../state/ledger.sqlite",
        "/audit/../ledger.sqlite",
        "/audit/%2e%2e/ledger.sqlite",
        "/audit/..%2fledger.sqlite/x",
        "/audit/epoch-001/../secret.json",
        "/audit/epoch-001/..%2fsecret.json",
        "/audit/epoch-001/%2e%2e%2f%2e%2e%2fledger.sqlite",
        "/audit/epoch-001/..%5csecret.json",
        "/audit/epoch-001/jobs%2f..%2f..%2fsecret.json",
        "/audit/epoch-001//etc/passwd",
        "/audit/1/SUMMARY.json",
        "/audit/secret.json",
        "/chain/..%2faudit%2fsecret.json",
        "/chain/epoch-1.json",
        "/accounts/0x00000000000000000000000000000000000000AA.json",
        "/accounts/..%2f..%2fledger.sqlite",
        "/assets/../index.html",
        "/assets/%2e%2e%2findex.html",
        "/assets/",
        "//index.html",
        "/index.html%00",
    ] {
        let (status, text) = raw(rig.handle.addr, path);
        assert!(
            ["400", "404"].contains(&status.as_str()),
            "{path}: {status}"
        );
        assert!(text.contains("application/problem+json"), "{path}: {text}");
        assert!(
            !text.contains("precious") && !text.contains("SQLite"),
            "{path}: {text}"
        );
    }
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn a_bee_and_what_it_said_of_late() {
    let rig = Rig::start().await;
    let bee = rig.bee("bee-01").await;
    let waiting = rig.stranger("bee-02").await;
    bee.beat(false, false, Vec::new()).await;
    waiting.beat(true, false, Vec::new()).await;
    let address = hex_address(&bee.key.address());
    let shown = rig.get(&format!("/api/v1/workers/{address}")).await.json();
    assert_eq!(
        (&shown["name"], &shown["status"]),
        (&json!("bee-01"), &json!("online"))
    );
    let samples = rig
        .get(&format!("/api/v1/workers/{address}/samples"))
        .await
        .json();
    let ready: Vec<&Value> = samples
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| &s["ready"])
        .collect();
    assert_eq!(ready, [&json!(true), &json!(false)]);
    // What nobody measured is null, never 0.
    assert_eq!(samples[0]["utilisation_percent"], Value::Null);
    assert_eq!(samples[0]["power_milliwatts"], Value::Null);

    let waits = hex_address(&waiting.key.address());
    let none = rig.get(&format!("/api/v1/workers/{waits}/samples")).await;
    assert_eq!(
        (none.status, none.json()),
        (200, json!([])),
        "nobody approved it"
    );
    for (path, status) in [
        ("0x12", 400),
        ("0x00000000000000000000000000000000000000aa", 404),
    ] {
        assert_eq!(
            rig.get(&format!("/api/v1/workers/{path}")).await.status,
            status,
            "{path}"
        );
        let samples = rig.get(&format!("/api/v1/workers/{path}/samples")).await;
        assert_eq!(samples.status, status, "{path}");
    }
    let power = rig.get("/api/v1/power").await.json();
    for source in ["solar", "battery", "load", "grid"] {
        let unknown = json!({ "watts": null, "quality": "unknown", "age_seconds": null });
        assert_eq!(power[source], unknown, "{source}");
    }
    rig.handle.shutdown().await;
}

/// A development chain with the queen of its escrow.
struct Rack {
    dev: DevChain,
    chain: Chain,
    rig: Rig,
}

const SETTLER: usize = 1;
const GUARDIAN: usize = 2;
const GAS: usize = 3;
const OWNER: usize = 7;

impl Rack {
    async fn start() -> Self {
        let [owner, guardian, settler] = [OWNER, GUARDIAN, SETTLER].map(|n| DEV_ACCOUNTS[n]);
        let params = Params::development(USDC, owner, guardian, vec![settler], 1);
        // Blocks come by themselves, so that `safe` and the chain's clock move.
        let node = NodeConfig {
            block_seconds: Some(1),
            ..NodeConfig::default()
        };
        let dev = DevChain::start(&node, params).await;
        let dev = dev.expect("a development chain");
        let keys = SettlementKeys {
            settlers: vec![dev_wallet(SETTLER)],
            gas: Some(dev_wallet(GAS)),
        };
        let (escrow, token, start) = (dev.escrow, dev.token, dev.escrow_block);
        let url = dev.rpc_url.clone();
        let rig = Rig::on_chain(keys, move |config| {
            config.chain.escrow = escrow;
            config.chain.token = token;
            config.chain.rpc_url = Some(url);
            config.chain.escrow_block = start;
            config.settlement.seal_every = swarm_queen::Span::seconds(1_000_000_000);
            config.settlement.poll = swarm_queen::Span(Duration::from_millis(100));
            config.settlement.follow_chain_clock = true;
        });
        let rig = rig.await;
        Self {
            chain: dev.chain().expect("a URL"),
            dev,
            rig,
        }
    }

    async fn send(&self, wallet: usize, call: &Call) {
        let tx = self
            .chain
            .send(&dev_wallet(wallet), call)
            .await
            .expect("sent");
        let wait = Duration::from_secs(30);
        let mined = self.chain.rpc().wait_for(tx, At::Latest, wait, |_| {});
        mined.await.expect("included");
    }

    /// Waits until the index passes `check`.
    async fn index(&self, check: impl Fn(&Index) -> bool) -> Index {
        for _ in 0..300 {
            let reply = self.rig.get("/index.json").await;
            if reply.status == 200 {
                let index: Index = serde_json::from_slice(&reply.body).expect("an index");
                if check(&index) {
                    return index;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the index did not come to what it should say");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_of_a_rack_is_what_anybody_rebuilds_and_a_restart_goes_on() {
    let rack = Rack::start().await;
    let rig = &rack.rig;
    let empty = rack.index(|_| true).await;
    assert!(empty.epochs.is_empty() && empty.site.live);

    // A job, from a deposit on the chain to the settled epoch.
    let amount = MicroUsdc(5_000_000);
    let client = rig.client.address();
    rack.dev
        .mint(DEV_ACCOUNTS[0], amount)
        .await
        .expect("minted");
    rack.send(0, &rack.chain.approve(amount)).await;
    rack.send(0, &rack.chain.deposit_for(client, amount)).await;
    rack.dev.mine(4).await.expect("mined");
    let bee = rig.bee("bee-01").await;
    let queen = rig.as_client(&rig.client);
    for _ in 0..100 {
        let known = queen.balance(&hex_address(&client)).await;
        if known.is_ok_and(|balance| balance.available == amount) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let job = queen
        .submit(&rig.order(&[1]).await)
        .await
        .expect("accepted");
    let lease = bee.poll(5).await.expect("work");
    let done = bee.work(&lease).await;
    bee.queen
        .complete(job.job_id, &done)
        .await
        .expect("completed");
    let shown = queen.job(job.job_id).await.expect("a job");
    assert!(shown.engine.is_some() && shown.energy_millijoules.is_none());
    rig.as_client(&rig.operator)
        .seal_now()
        .await
        .expect("sealing");
    let index = rack
        .index(|index| index.epochs.iter().any(|row| row.summary.is_some()))
        .await;

    // Anybody with the bundles and a node finds the same, byte for byte.
    let audit = swarm_queen::audit_dir(&rig.dir.path().join("state"));
    let mut other = Indexer::new(&rack.chain, rack.dev.escrow_block, &audit, None);
    while !other.round().await.expect("a round").progress.caught_up {}
    let site = Site {
        live: true,
        name: Some("queen".into()),
        ..Site::default()
    };
    let mut rebuilt = other.index(&site).expect("an index");
    // Only the block differs: the chain grew meanwhile.
    rebuilt.block = index.block;
    assert_eq!(index, rebuilt);
    let served = rig.get("/index.json").await.body;
    let read: Index = serde_json::from_slice(&served).expect("an index");
    assert_eq!(served, canonical::to_vec(&read), "canonical");
    let theirs = other.shown();
    for id in theirs.epochs() {
        let file = rig.get(&format!("/{}", epoch_file_name(id))).await;
        let same: Value = serde_json::to_value(theirs.epoch(id)).expect("plain data");
        assert_eq!(file.json(), same);
    }
    let accounts: BTreeSet<_> = theirs.accounts().into_iter().collect();
    assert!(accounts.contains(&client) && accounts.contains(&bee.key.address()));
    for account in accounts {
        let file = rig.get(&format!("/{}", account_file_name(&account))).await;
        let same: Value = serde_json::to_value(theirs.account(&account)).expect("plain data");
        assert_eq!(file.json(), same);
    }
    // The bundle lies where a static site has it.
    for name in [
        "SUMMARY.json",
        "SIGNATURE.txt",
        "jobs/00000.json",
        "payouts.json",
    ] {
        let file = rig.get(&format!("/audit/epoch-001/{name}")).await;
        let disk = std::fs::read(audit.join("epoch-001").join(name)).expect("reads");
        assert_eq!(file.body, disk, "{name}");
    }

    // The guardian voids it: the index says so.
    rack.send(GUARDIAN, &rack.chain.void_epoch(1)).await;
    let void = rack.index(|index| index.epochs[0].void.is_some()).await;
    assert!(void.contract.stopped);

    // While the chain is away the page shows what is known, as of its block; also after a restart.
    let Rack { dev, rig, .. } = rack;
    drop(dev);
    let rig = rig.restart().await;
    let old = rig.get("/index.json").await.json();
    assert_eq!(old["epochs"][0]["bundle"], json!(void.epochs[0].bundle));
    rig.handle.shutdown().await;
}
