//! The page for Prometheus.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::hive::{ENGINE, Hive, MODEL};

#[tokio::test]
async fn the_page_of_metrics_counts_jobs_for_a_prometheus_parser() {
    let mut hive = Hive::open().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    hive.keys.config.metrics = Some(address);
    let bee = hive.start();
    hive.submit(hive.lease(1));
    hive.queen
        .until("completed", |queen| queen.completed.len() == 1)
        .await;
    // The heartbeat after the job: the bee has counted it by then.
    hive.queen
        .until("idle", |queen| {
            let last = queen.heartbeats.last();
            last.is_some_and(|beat| beat.ready && beat.leases.is_empty()) && queen.polling == 1
        })
        .await;

    let mut page = tokio::net::TcpStream::connect(address)
        .await
        .expect("connects");
    let request = b"GET /metrics HTTP/1.1\r\nhost: bee\r\nconnection: close\r\n\r\n";
    page.write_all(request).await.expect("asks");
    let mut answer = String::new();
    page.read_to_string(&mut answer).await.expect("answers");
    let (head, text) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let scrape = prometheus_parse::Scrape::parse(text.lines().map(|line| Ok(line.to_owned())));
    let scrape = scrape.expect("parses");
    let value = |name: &str| {
        let sample = scrape.samples.iter().find(|sample| sample.metric == name);
        sample.map(|sample| {
            assert!(scrape.docs.contains_key(name), "{name} has no help");
            match sample.value {
                prometheus_parse::Value::Counter(value) | prometheus_parse::Value::Gauge(value) => {
                    value
                }
                _ => panic!("{name} has no type"),
            }
        })
    };
    assert_eq!(value("swarm_bee_completions_total"), Some(1.0), "{text}");
    assert_eq!(value("swarm_bee_failures_total"), Some(0.0));
    assert_eq!(value("swarm_bee_ready"), Some(1.0));
    assert_eq!(
        value("swarm_bee_jobs_measured_total"),
        Some(0.0),
        "no meter: energy is unknown"
    );
    let engines = |name: &str| -> Vec<[String; 4]> {
        let samples = scrape.samples.iter().filter(|sample| sample.metric == name);
        let label = |sample: &prometheus_parse::Sample, name| {
            sample.labels.get(name).unwrap_or_default().to_owned()
        };
        let of = |sample| ["model", "digest", "engine", "reason"].map(|name| label(sample, name));
        samples.map(of).collect()
    };
    let (model, digest) = ("slow@1.0.0".to_owned(), MODEL.to_string());
    let of =
        |engine: &str, reason: String| [model.clone(), digest.clone(), engine.to_owned(), reason];
    assert_eq!(
        engines("swarm_engine_info"),
        [of(ENGINE.split(' ').next().expect("a word"), String::new())]
    );
    assert_eq!(
        engines("swarm_engine_passed_over"),
        [
            of("tensorrt-rtx", "there is no GPU".to_owned()),
            of("onnxruntime-cuda", "x".repeat(120)),
        ],
        "short, and without what a library said"
    );
    assert!(!text.contains("libcuda"), "{text}");
    assert!(
        value("swarm_gpu_driver").is_some(),
        "also on a box without a GPU"
    );
    hive.stopped(bee).await;
}
