//! Clients that are not ours: well-meant spellings are taken; everything else gets a problem that names the field, and
//! changes nothing.

use serde_json::{Value, json};
use swarm_types::hex;

use crate::rig::{JOB_TYPE, Rig, nonce, now};
use crate::wire;

#[tokio::test]
async fn well_meant_spellings_are_taken() {
    let rig = Rig::start().await;
    let _bee = rig.bee("bee-01").await;
    let spell = |value: &Value, how: fn(&str) -> String| {
        let text = value.as_str().expect("text");
        Value::String(how(text.strip_prefix("0x").expect("hex")))
    };
    type Spelling = (&'static str, fn(&str) -> String);
    let spellings: [Spelling; 3] = [
        ("upper case", |digits| {
            format!("0x{}", digits.to_uppercase())
        }),
        ("no prefix", |digits| digits.to_owned()),
        ("a checksum", |digits| {
            digits
                .parse::<swarm_types::Address>()
                .map_or(format!("0x{digits}"), |a| a.to_string())
        }),
    ];
    for (what, how) in spellings {
        let mut job = serde_json::to_value(rig.order(what.as_bytes()).await).expect("JSON");
        for pointer in [
            "/order/client",
            "/order/model",
            "/order/input",
            "/salt",
            "/input/sha256",
        ] {
            let field = job.pointer_mut(pointer).expect("there");
            *field = spell(field, how);
        }
        // Keys in another order, escapes, white space, a line end: the same message.
        let text = format!(
            "\n {}\r\n",
            serde_json::to_string_pretty(&job).expect("JSON")
        );
        let text = text.replace(JOB_TYPE, "\\u0062rain\\u005fmri");
        let answer = wire::post(&rig, "/api/v1/jobs", &[], text.as_bytes()).await;
        assert_eq!(answer.status, 201, "{what}: {}", answer.body);
    }
    let job = serde_json::to_vec(&rig.order(b"chunks").await).expect("JSON");
    let mut chunks = Vec::new();
    for piece in job.chunks(100) {
        chunks.extend(format!("{:x};name=value\r\n", piece.len()).into_bytes());
        chunks.extend([piece, b"\r\n"].concat());
    }
    chunks.extend(b"0\r\ntrailer: x\r\n\r\n");
    let answer = wire::ask(
        &rig,
        "POST /api/v1/jobs",
        &["transfer-encoding: chunked"],
        &chunks,
    )
    .await;
    assert_eq!(answer.status, 201, "{}", answer.body);

    let job = serde_json::to_vec(&rig.order(b"continue").await).expect("JSON");
    for (what, headers) in [
        (
            "waits to be told",
            &["expect: 100-continue", "content-type: text/plain"][..],
        ),
        (
            "not compressed",
            &[
                "content-encoding: identity",
                "accept: image/png",
                "accept-encoding: br",
            ],
        ),
    ] {
        let answer = wire::post(&rig, "/api/v1/jobs", headers, &job).await;
        assert!(
            [200, 201].contains(&answer.status),
            "{what}: {}",
            answer.body
        );
    }
    for line in [
        "HEAD /health",
        "GET /health?x=1",
        "GET http://queen/health",
        "GET /health#x",
    ] {
        let answer = wire::ask(&rig, line, &[], b"").await;
        assert_eq!(answer.status, 200, "{line}");
        assert_eq!(answer.body.is_empty(), line.starts_with("HEAD"), "{line}");
    }
    let old = wire::send(&rig, b"GET /health HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.status, 200);
    // The path is signed as it is sent, whatever it means.
    let path = "/api/v1/jobs/job%2D001%2d0001/cancel";
    assert_eq!(rig.signed(&rig.client, "POST", path, b"").await.status, 200);
    assert_eq!(wire::second(&rig, "/health").await, 200);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn odd_bodies_are_refused_by_field_and_change_nothing() {
    let rig = Rig::start().await;
    let _bee = rig.bee("bee-01").await;
    let good = serde_json::to_string(&rig.order(b"a scan").await).expect("JSON");
    let fee = |number: &str| {
        good.replace("\"maxFee\":\"100000\"", &format!("\"maxFee\":{number}"))
            .into_bytes()
    };
    assert_ne!(fee("1"), good.as_bytes());
    let job_type = |text: &str| good.replace("\"brain_mri\"", text).into_bytes();
    let nested =
        |depth: usize| format!("{{\"order\":{}", "{\"client\":".repeat(depth)).into_bytes();
    let before = rig.standing().await;
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("nothing", Vec::new(), 400, "body"),
        (
            "a byte order mark",
            [b"\xef\xbb\xbf", good.as_bytes()].concat(),
            400,
            "body",
        ),
        (
            "UTF-16",
            good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            400,
            "body",
        ),
        (
            "not UTF-8",
            job_type("\"brain\u{0}mri\"")
                .into_iter()
                .map(|b| if b == 0 { 0xff } else { b })
                .collect(),
            400,
            "job_type",
        ),
        (
            "a bare control character",
            job_type("\"brain\u{0}mri\""),
            400,
            "job_type",
        ),
        (
            "an escaped NUL",
            job_type("\"brain\\u0000mri\""),
            422,
            "job_type",
        ),
        (
            "half a surrogate",
            job_type("\"brain\\ud800mri\""),
            400,
            "job_type",
        ),
        (
            "a look-alike",
            job_type("\"bra\u{131}n_mri\""),
            422,
            "job_type",
        ),
        (
            "single quotes",
            good.replace('"', "'").into_bytes(),
            400,
            "body",
        ),
        (
            "a comment",
            format!("/* hello */{good}").into_bytes(),
            400,
            "body",
        ),
        ("a list", format!("[{good}]").into_bytes(), 422, "body"),
        (
            "two messages",
            format!("{good}{good}").into_bytes(),
            400,
            "body",
        ),
        (
            "a form",
            b"job_type=brain_mri&order=x".to_vec(),
            400,
            "body",
        ),
        ("endless nesting", nested(10_000), 422, "order.client"),
        (
            "endless lists",
            "[".repeat(100_000).into_bytes(),
            422,
            "body",
        ),
        ("a number", fee("100000"), 422, "order.maxFee"),
        ("a float", fee("100000.0"), 422, "order.maxFee"),
        ("an exponent", fee("1e5"), 422, "order.maxFee"),
        ("beyond every float", fee("1e400"), 400, "order.maxFee"),
        ("minus nothing", fee("-0"), 422, "order.maxFee"),
        ("not a number", fee("NaN"), 400, "order.maxFee"),
        ("an exponent in text", fee("\"1e5\""), 422, "order.maxFee"),
        ("a sign", fee("\"+100000\""), 422, "order.maxFee"),
        ("hex", fee("\"0x186a0\""), 422, "order.maxFee"),
        ("a space", fee("\" 100000\""), 422, "order.maxFee"),
        ("other digits", fee("\"١٠٠٠٠٠\""), 422, "order.maxFee"),
        (
            "one past the range",
            fee("\"18446744073709551616\""),
            422,
            "order.maxFee",
        ),
        ("null", fee("null"), 422, "order.maxFee"),
        (
            "a key in other case",
            good.replace("\"maxFee\"", "\"maxfee\"").into_bytes(),
            422,
            "order.maxfee",
        ),
        (
            "a key twice",
            good.replace("\"maxFee\"", "\"maxFee\":\"1\",\"maxFee\"")
                .into_bytes(),
            422,
            "order.maxFee",
        ),
        (
            "a key twice, escaped",
            good.replace("\"maxFee\"", "\"max\\u0046ee\":\"1\",\"maxFee\"")
                .into_bytes(),
            422,
            "order.maxFee",
        ),
    ];
    for (what, body, status, field) in cases {
        let answer = wire::post(&rig, "/api/v1/jobs", &[], &body).await;
        let (got, _, at) = answer.problem();
        assert_eq!(
            (got, at.as_str()),
            (status, field),
            "{what}: {}",
            answer.body
        );
    }
    for coding in ["gzip", "br", "deflate, gzip", "zstd"] {
        let header = format!("content-encoding: {coding}");
        let answer = wire::post(&rig, "/api/v1/jobs", &[&header], good.as_bytes()).await;
        assert_eq!(
            answer.problem(),
            (415, "content-encoding".into(), "content-encoding".into())
        );
    }
    // Shorter than it says: the connection ends in the middle of the message.
    let cut = wire::ask(
        &rig,
        "POST /api/v1/jobs",
        &["content-length: 100000"],
        good.as_bytes(),
    );
    let cut = tokio::time::timeout(std::time::Duration::from_millis(300), cut).await;
    assert!(cut.is_err(), "nobody answers half a message");
    assert_eq!(rig.standing().await, before);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn odd_heads_are_refused_and_change_nothing() {
    let rig = Rig::start().await;
    let before = rig.standing().await;
    for (line, status) in [
        ("GET /health/", 404),
        ("GET //health", 404),
        ("GET /./health", 404),
        ("GET /api/v1/../../health", 404),
        ("GET /api/v1/jobs/%2e%2e", 400),
        ("GET /api/v1/jobs/job-001-0001%00", 400),
        ("GET /api/v1/jobs/%ff", 400),
        ("GET /api/v1/jobs/%EF%BC%90", 400),
        ("GET /api/v1/jobs/job-2-848", 400),
        ("GET /api/v1/jobs/job-002-00848", 400),
        ("GET /api/v1/jobs/JOB-002-0848", 400),
        (
            "GET /api/v1/jobs/job-18446744073709551615-18446744073709551615",
            404,
        ),
        ("GET /api/v1/jobs/job-18446744073709551616-0001", 400),
        ("GET /api/v1/epochs/18446744073709551615", 404),
        ("GET /api/v1/epochs/epoch-18446744073709551615/jobs", 404),
        ("GET /api/v1/epochs/-1", 400),
        ("GET /api/v1/epochs?after=epoch-18446744073709551615", 200),
        ("GET /api/v1/epochs?after=%00", 400),
        (
            "GET /api/v1/jobs?after=job-18446744073709551615-18446744073709551615",
            200,
        ),
        ("GET /api/v1/jobs?after=%27%20OR%201=1--", 400),
        ("GET /api/v1/jobs?limit=1&limit=2", 400),
        ("GET /api/v1/jobs?limit=%31", 200),
        ("GET /api/v1/jobs?limit=1e1", 400),
        ("GET /api/v1/jobs?limit=", 400),
        ("GET /api/v1/jobs?&&limit=1", 200),
        ("GET /api/v1/jobs?status=PENDING", 400),
        (
            "GET /api/v1/clients/0X00000000000000000000000000000000000000aa",
            400,
        ),
        (
            "GET /api/v1/clients/00000000000000000000000000000000000000aa",
            400,
        ),
        ("GET /api/v1/clients/%E2%80%AE.eth", 400),
        ("GET /api/v1/recipients?model=x", 400),
        ("GET /api/v1/events?job=x", 400),
        ("OPTIONS /health", 405),
        ("TRACE /health", 405),
        ("DELETE /api/v1/jobs", 405),
        ("get /health", 405),
        ("PROPFIND /api/v1/jobs/job-001-0001", 405),
    ] {
        let answer = wire::ask(&rig, line, &[], b"").await;
        assert_eq!(answer.status, status, "{line}: {}", answer.body);
        if status >= 400 {
            assert_eq!(answer.problem().0, status, "{line}");
        }
        let allow = answer.head.contains("\r\nallow: ");
        assert!(status != 405 || allow, "{line}: {}", answer.head);
    }
    let client = rig.client.address().to_string();
    for after in ["18446744073709551615", "9223372036854775808"] {
        let answer = rig
            .get(&format!("/api/v1/clients/{client}/history?after={after}"))
            .await;
        assert_eq!(answer.status, 200, "{after}: {}", answer.json());
    }
    for after in ["x", "-1", "1.5", "18446744073709551616", "%00"] {
        let answer = rig
            .get(&format!("/api/v1/clients/{client}/history?after={after}"))
            .await;
        assert_eq!(
            answer.problem(),
            (400, "malformed".into(), "after".into()),
            "{after}"
        );
    }
    // What is no HTTP, or too much of it, is refused before any route.
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = "x".repeat(600_000);
    for (what, text, status) in [
        ("no HTTP", "hello\r\n\r\n".to_owned(), 400),
        ("no host in a name", "GET /health HTTP/1.1\r\nho st: x\r\n\r\n".to_owned(), 400),
        ("too many headers", format!("GET /health HTTP/1.1\r\nhost: x\r\n{many}\r\n"), 431),
        ("too long a header", format!("GET /health HTTP/1.1\r\nhost: x\r\na: {long}\r\n\r\n"), 431),
        ("too long a path", format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", &long[..70_000]), 414),
        ("two lengths", "POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}".to_owned(), 400),
        ("a negative length", "POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_owned(), 400),
    ] {
        let answer = wire::send(&rig, text.as_bytes()).await;
        assert_eq!(answer.status, status, "{what}: {} {}", answer.head, answer.body);
    }
    assert_eq!(rig.standing().await, before);
    rig.handle.shutdown().await;
}

#[tokio::test]
async fn headers_that_are_there_twice_or_odd_are_refused_by_name() {
    let rig = Rig::start().await;
    let bytes = vec![7u8; 3_000];
    let path = format!("/api/v1/blobs/{}", hex::encode(swarm_types::sha256(&bytes)));
    let begun = rig
        .signed(&rig.client, "PUT", &path, br#"{"size":"3000"}"#)
        .await;
    assert_eq!(begun.status, 200, "{}", begun.json());
    let before = rig.standing().await;
    let with = |method: &'static str, headers: &'static [(&'static str, &'static str)]| {
        let (rig, path) = (&rig, &path);
        async move {
            rig.signed_with(&rig.client, method, path, b"", now(), nonce(), headers)
                .await
        }
    };
    for offset in ["-1", "0x0", "00", " ", "18446744073709551616", "1.0"] {
        let headers = vec![("upload-offset", offset)];
        let answer = rig
            .signed_with(&rig.client, "PATCH", &path, b"x", now(), nonce(), &headers)
            .await;
        assert_eq!(
            answer.problem(),
            (400, "malformed".into(), "upload-offset".into()),
            "{offset}"
        );
    }
    let twice = with("PATCH", &[("upload-offset", "0"), ("upload-offset", "1")]).await;
    assert_eq!(
        twice.problem(),
        (400, "malformed".into(), "upload-offset".into())
    );
    for name in [
        "swarm-address",
        "swarm-timestamp",
        "swarm-nonce",
        "swarm-signature",
    ] {
        let headers = vec![(name, "1")];
        let answer = rig
            .signed_with(&rig.client, "GET", &path, b"", now(), nonce(), &headers)
            .await;
        assert_eq!(
            answer.problem(),
            (401, "signature-missing".into(), name.into()),
            "{name}"
        );
    }
    let events = wire::ask(
        &rig,
        "GET /api/v1/events",
        &["last-event-id: 1", "last-event-id: 2"],
        b"",
    )
    .await;
    assert_eq!(
        events.problem(),
        (400, "malformed".into(), "last-event-id".into())
    );
    for id in ["x", "-1", "18446744073709551616", "\u{e9}"] {
        let header = format!("last-event-id: {id}");
        let events = wire::ask(&rig, "GET /api/v1/events", &[&header], b"").await;
        assert_eq!(
            events.problem(),
            (400, "malformed".into(), "last-event-id".into()),
            "{id}"
        );
    }
    // Nobody has an upload of somebody else's, and nobody is made to send a piece to hear it.
    let other = rig
        .signed_with(
            &rig.operator,
            "PATCH",
            &path,
            b"x",
            now(),
            nonce(),
            &[("upload-offset", "0")],
        )
        .await;
    assert_eq!(other.problem().0, 404);
    assert_eq!(rig.standing().await, before);
    // Ranges as HTTP means them, on a blob that is there.
    let whole = rig
        .signed_with(
            &rig.client,
            "PATCH",
            &path,
            &bytes,
            now(),
            nonce(),
            &[("upload-offset", "0")],
        )
        .await;
    assert_eq!(whole.json()["complete"], json!(true));
    for (range, status) in [
        ("bytes=0-9", 206),
        ("BYTES=-1", 206),
        ("slices=1-2", 200),
        ("bytes=3000-", 416),
        ("bytes=0-9,20-29", 400),
        ("bytes=+0-9", 400),
        ("bytes", 400),
    ] {
        let answer = rig
            .signed_with(
                &rig.client,
                "GET",
                &path,
                b"",
                now(),
                nonce(),
                &[("range", range)],
            )
            .await;
        assert_eq!(answer.status, status, "{range}");
        assert_eq!(
            status >= 400,
            answer.headers["content-type"] == "application/problem+json"
        );
        if status >= 400 {
            assert_eq!(answer.problem().2, "range", "{range}");
        }
    }
    rig.handle.shutdown().await;
}
