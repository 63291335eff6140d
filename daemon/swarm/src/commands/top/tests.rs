//! The picture, drawn from the answers of a real queen who restarts in the middle.

use std::time::{Duration, Instant};

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;
use swarm_client::{QueenClient, Tls};
use swarm_queen::{Queen, QueenConfig, QueenHandle, QueenKeys};
use swarm_store::age::Identity;
use swarm_types::api::{Device, Heartbeat, RegisterWorker, recipient_message};
use swarm_types::{Address, B256};

use super::feed::{self, Look};
use super::model::Model;
use super::view;

/// A queen without a chain, at `address` (port 0 for any).
async fn queen(dir: &std::path::Path, address: &str, operator: Address) -> QueenHandle {
    std::fs::create_dir_all(dir.join("models")).expect("made");
    let config = serde_json::json!({
        "name": "rack-07",
        "state_dir": dir.join("state"),
        "models_dir": dir.join("models"),
        "operators": [operator],
        "listen": { "address": address },
        "chain": {
            "chain_id": 84_532,
            "escrow": Address::repeat_byte(0xe5),
            "token": Address::repeat_byte(0x70),
            "default_cap": "100000000",
        },
        "fees": {
            "protocol_payee": Address::repeat_byte(0xa1),
            "operator_payee": Address::repeat_byte(0xa2),
        },
        "shutdown": "2s",
    });
    let config: QueenConfig = serde_json::from_value(config).expect("a configuration");
    let keys = QueenKeys {
        queen: PrivateKeySigner::random(),
        settlement: None,
    };
    Queen::start(config, keys).await.expect("starts")
}

/// A bee on a GPU, approved, that has beaten once.
async fn bee(base: &str, operator: &PrivateKeySigner) {
    let key = PrivateKeySigner::random();
    let client = |key: &PrivateKeySigner| {
        QueenClient::new(base, Tls::Plain, Some(key.clone())).expect("a URL")
    };
    let bee = client(&key);
    let recipient = Identity::generate().recipient().to_string();
    let signature = key
        .sign_message_sync(recipient_message(&recipient).as_bytes())
        .expect("signs");
    let registration = RegisterWorker {
        name: "bee-01".into(),
        recipient,
        recipient_signature: signature.into(),
        device: Device {
            name: "NVIDIA L4".into(),
            uuid: Some("GPU-1".into()),
            memory_mib: 23_034,
        },
        models: vec![B256::repeat_byte(1)],
        engines: vec!["test engine".into()],
        concurrency: 1,
        version: "0.1.0".into(),
        join_code: None,
        payee: None,
    };
    bee.register(&registration).await.expect("registered");
    client(operator)
        .approve(key.address(), Address::repeat_byte(9))
        .await
        .expect("approved");
    let beat = Heartbeat {
        ready: true,
        not_ready_reason: None,
        draining: false,
        leases: Vec::new(),
        model_faults: Vec::new(),
        warm_models: Vec::new(),
        utilisation_percent: Some(87),
        memory_used_mib: Some(1_500),
        temperature_celsius: None,
        power_milliwatts: Some(71_000),
    };
    bee.heartbeat(&beat).await.expect("answered");
}

fn drawn(model: &Model, now: Instant) -> String {
    let mut terminal = Terminal::new(TestBackend::new(130, 24)).expect("a terminal");
    terminal
        .draw(|frame| view::draw(frame, model, now))
        .expect("draws");
    terminal.backend().to_string()
}

#[tokio::test]
async fn the_picture_is_of_real_answers_and_survives_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let operator = PrivateKeySigner::random();
    let handle = queen(dir.path(), "127.0.0.1:0", operator.address()).await;
    let address = handle.addr.to_string();
    let base = format!("http://{address}");
    bee(&base, &operator).await;

    let client = QueenClient::new(&base, Tls::Plain, None).expect("a URL");
    let (send, mut looks) = tokio::sync::mpsc::channel(8);
    let fed = tokio::spawn(feed::run(client, Duration::from_millis(200), send));
    let mut model = Model::new(&base);
    let start = Instant::now();
    assert!(drawn(&model, start).contains("asking the queen"));
    let mut next = async || looks.recv().await.expect("the feed goes on");

    model.update(next().await, start);
    let picture = drawn(&model, start);
    for part in [
        "rack-07",
        "bee-01",
        "NVIDIA L4",
        "87 %",
        "1500 MiB",
        "71 W",
        "waiting 0",
        "1 online of 1",
        "Bees",
    ] {
        assert!(picture.contains(part), "{part} in\n{picture}");
    }
    assert!(
        picture.contains('?'),
        "a temperature that nobody measured is no number:\n{picture}"
    );

    for (key, parts) in [
        (KeyCode::Tab, &["In work", "no job done yet"][..]),
        (KeyCode::Tab, &["solar unknown", "charge unknown"]),
        (KeyCode::Tab, &["epoch-001", "$0.00 final"]),
        (KeyCode::Char('?'), &["q, Esc", "last heard"]),
    ] {
        model.key(key);
        let picture = drawn(&model, start);
        for part in parts {
            assert!(picture.contains(part), "{part} in\n{picture}");
        }
    }
    model.key(KeyCode::Char('?'));

    // She restarts. The picture stays and says how old it is; then it is new again.
    handle.shutdown().await;
    loop {
        model.update(next().await, start);
        if model.away.is_some() {
            break;
        }
    }
    let picture = drawn(&model, start + Duration::from_secs(42));
    assert!(picture.contains("AWAY, last heard 42s ago"), "{picture}");
    assert!(
        picture.contains("epoch-001"),
        "the old picture stays:\n{picture}"
    );
    let handle = queen(dir.path(), &address, operator.address()).await;
    loop {
        model.update(next().await, start);
        if model.away.is_none() {
            break;
        }
    }
    assert!(!drawn(&model, start).contains("AWAY"));
    fed.abort();
    handle.shutdown().await;
}

#[test]
fn a_narrow_terminal_and_an_unreachable_queen_are_drawn_too() {
    let mut model = Model::new("http://queen.example:8000");
    model.update(Err::<Look, _>("connection refused".into()), Instant::now());
    let picture = drawn(&model, Instant::now());
    assert!(
        picture.contains("AWAY, never heard: connection refused"),
        "{picture}"
    );
    let mut terminal = Terminal::new(TestBackend::new(8, 3)).expect("a terminal");
    terminal
        .draw(|frame| view::draw(frame, &model, Instant::now()))
        .expect("draws");
}
