//! Too much, or too slow: the queen stops listening in time, and serves the others meanwhile.

use std::time::Duration;

use swarm_queen::Span;
use swarm_types::hex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{Rig, nonce, now};
use crate::wire;

/// Bytes of a body that nobody should read to its end.
const TEN_GB: u64 = 10 << 30;
/// More than socket buffers hold: who takes more of such a body has not stopped reading.
const TAKEN_MAX: usize = 64 << 20;
/// Longest that a piece of it may wait to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends the head and then a body without end; gives the answer and how much of the body was taken.
async fn flood(rig: &Rig, head: &str, chunked: bool) -> (wire::Answer, usize) {
    let stream = wire::connect(rig).await;
    let (mut reader, mut writer) = stream.into_split();
    writer
        .write_all(head.as_bytes())
        .await
        .expect("the head is taken");
    let mut piece = vec![b'x'; 64 << 10];
    if chunked {
        piece = [b"10000\r\n", &piece[..], b"\r\n"].concat();
    }
    let mut taken = 0;
    while taken < TAKEN_MAX {
        // Who neither takes it nor ends the connection has stopped reading as well.
        let written = tokio::time::timeout(PATIENCE, writer.write_all(&piece)).await;
        if !matches!(written, Ok(Ok(()))) {
            break;
        }
        taken += piece.len();
    }
    let mut bytes = Vec::new();
    let _ = reader.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let answer = wire::Answer {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0),
        head: head.to_lowercase(),
        body: body.to_owned(),
    };
    (answer, taken)
}

#[tokio::test]
async fn a_body_of_ten_gigabytes_is_refused_unread() {
    let rig = Rig::start().await;
    let bytes = vec![7u8; 3_000];
    let blob = format!("/api/v1/blobs/{}", hex::encode(swarm_types::sha256(&bytes)));
    let begun = rig
        .signed(&rig.client, "PUT", &blob, br#"{"size":"3000"}"#)
        .await;
    assert_eq!(begun.status, 200);
    let address = rig.client.address();
    let claims = format!(
        "swarm-address: {address}\r\nswarm-timestamp: {}\r\nswarm-nonce: {}\r\nswarm-signature: 0x{}1b\r\nupload-offset: 0\r\n",
        now(),
        nonce(),
        "11".repeat(64),
    );
    let stranger = claims.replace(
        &address.to_string(),
        "0x00000000000000000000000000000000000000aa",
    );
    let before = rig.standing().await;
    let length = format!("content-length: {TEN_GB}\r\n");
    let chunks = "transfer-encoding: chunked\r\n".to_owned();
    let patch = format!("PATCH {blob}");
    for (line, headers, status) in [
        ("POST /api/v1/jobs", "", 413),
        ("POST /api/v1/quotes", "", 413),
        ("POST /api/v1/workers/register", claims.as_str(), 413),
        ("POST /nowhere", "", 404),
        // Without a signature, and without an upload, nothing is read at all.
        (patch.as_str(), "", 401),
        (patch.as_str(), stranger.as_str(), 404),
        (patch.as_str(), claims.as_str(), 413),
    ] {
        for how in [&length, &chunks] {
            let head = format!("{line} HTTP/1.1\r\nhost: queen\r\n{headers}{how}\r\n");
            let (answer, taken) = flood(&rig, &head, *how == chunks).await;
            assert!(taken < TAKEN_MAX, "{line}: {taken} bytes were taken");
            // Whether the answer still arrives is up to the connection, which is reset under the sender's feet.
            assert!(
                [0, status].contains(&answer.status),
                "{line}: {} {}",
                answer.head,
                answer.body
            );
        }
        // Announced, and then waited for: the answer comes first.
        let head = format!(
            "{line} HTTP/1.1\r\nhost: queen\r\n{headers}{length}expect: 100-continue\r\n\r\n"
        );
        if status != 413 {
            let answer = wire::send(&rig, head.as_bytes()).await;
            assert_eq!(answer.status, status, "{line}: {}", answer.body);
        }
    }
    assert_eq!(rig.standing().await, before);
    assert_eq!(rig.get("/health").await.status, 200);
    rig.handle.shutdown().await;
}

/// Whether the queen has closed the connection: it gives its end at once and no answer.
async fn is_closed(stream: &mut tokio::net::TcpStream) -> bool {
    let mut byte = [0];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_a_place_is_given_back() {
    for (all, own) in [(3, 8), (8, 3)] {
        let rig = Rig::with(|config| {
            config.limits.connections_max = all;
            config.limits.connections_per_address_max = own;
        })
        .await;
        let ask = b"GET /health HTTP/1.1\r\nhost: queen\r\n\r\n";
        let mut held = Vec::new();
        for _ in 0..3 {
            let mut stream = wire::connect(&rig).await;
            // The answer says that the connection was accepted; it stays open after it.
            stream.write_all(ask).await.expect("taken");
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.expect("an answer");
            assert_eq!(&first, b"HTTP/1.1 200");
            held.push(stream);
        }
        let mut fourth = wire::connect(&rig).await;
        assert!(is_closed(&mut fourth).await);
        held.pop();
        // The place is free once the queen has seen the end.
        let freed = async {
            while wire::ask(&rig, "GET /health", &[], b"").await.status != 200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, freed)
            .await
            .expect("a place");
        let metrics = wire::ask(&rig, "GET /metrics", &[], b"").await;
        let counted = metrics
            .body
            .lines()
            .find_map(|line| line.strip_prefix("swarm_connections_refused_total "))
            .expect("a counter");
        assert_ne!(counted, "0");
        drop(held);
        rig.handle.shutdown().await;
    }
}

#[tokio::test]
async fn more_requests_than_may_be_in_flight_are_told_to_come_back() {
    let rig = Rig::with(|config| config.limits.in_flight_max = 2).await;
    let before = rig.standing().await;
    // Two submissions whose bodies do not end.
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = wire::connect(&rig).await;
        let head = b"POST /api/v1/jobs HTTP/1.1\r\nhost: queen\r\ncontent-length: 1000\r\n\r\n{";
        stream.write_all(head).await.expect("taken");
        held.push(stream);
    }
    let busy = async {
        loop {
            let answer = wire::ask(&rig, "GET /api/v1/info", &[], b"").await;
            if answer.status != 200 {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, busy).await.expect("busy");
    assert_eq!(answer.problem(), (503, "busy".into(), String::new()));
    assert!(answer.head.contains("\r\nretry-after: "), "{}", answer.head);
    drop(held);
    let served = async {
        while wire::ask(&rig, "GET /api/v1/info", &[], b"").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, served)
        .await
        .expect("served again");
    assert_eq!(rig.standing().await, before);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn whoever_dawdles_is_cut_off_and_nobody_else_waits() {
    let rig = Rig::with(|config| {
        config.limits.head_time = Span::seconds(1);
        config.limits.body_time = Span::seconds(1);
    })
    .await;
    let before = rig.standing().await;
    let dribble = |start: &'static str| {
        let addr = rig.handle.addr;
        tokio::spawn(async move {
            let stream = tokio::net::TcpStream::connect(addr)
                .await
                .expect("connects");
            let (mut reader, mut writer) = stream.into_split();
            let read = tokio::spawn(async move {
                let mut bytes = Vec::new();
                let _ = reader.read_to_end(&mut bytes).await;
                String::from_utf8_lossy(&bytes).into_owned()
            });
            let mut next = start.as_bytes();
            while !read.is_finished() && writer.write_all(next).await.is_ok() {
                next = b"x";
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            read.await.expect("no panic")
        })
    };
    let slow_heads: Vec<_> = (0..50)
        .map(|_| dribble("GET /health HTTP/1.1\r\nx: "))
        .collect();
    let slow_body = "POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    let slow_bodies: Vec<_> = (0..50).map(|_| dribble(slow_body)).collect();
    // Meanwhile the queen serves everybody else.
    for _ in 0..20 {
        assert_eq!(rig.get("/api/v1/info").await.status, 200);
    }
    for head in slow_heads {
        let said = head.await.expect("no panic");
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 408"),
            "{said}"
        );
    }
    for body in slow_bodies {
        let said = body.await.expect("no panic");
        assert!(
            said.starts_with("HTTP/1.1 408") && said.contains("\"field\":\"body\""),
            "{said}"
        );
    }
    assert_eq!(rig.standing().await, before);
    rig.handle.shutdown().await;
}
