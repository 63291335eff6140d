//! A GX over MQTT: mosquitto, and a GX of the test's own that speaks only after a keepalive.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use swarm_power::meter::Metric;
use swarm_power::source::{SourceError, read_once};

use crate::rig::{Peer, free_port, program, source, value, wait_for_tcp};

fn broker() -> (Peer, u16) {
    let port = free_port();
    let peer = Peer::start(program("sbin/mosquitto").args(["-p", &port.to_string()]));
    wait_for_tcp(port);
    (peer, port)
}

/// Publishes `values` whenever it is asked to, as a GX does.
fn gx(port: u16, values: &'static [(&'static str, &'static str)]) -> tokio::task::JoinHandle<()> {
    let (client, mut events) = AsyncClient::new(MqttOptions::new("gx", "127.0.0.1", port), 64);
    client
        .try_subscribe("R/c0ffee/keepalive", QoS::AtMostOnce)
        .expect("queued");
    tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            let Event::Incoming(Packet::Publish(_)) = event else {
                continue;
            };
            for (path, value) in values {
                let topic = format!("N/c0ffee/system/0/{path}");
                let text = format!("{{\"value\": {value}}}");
                client
                    .try_publish(topic, QoS::AtMostOnce, false, text)
                    .expect("queued");
            }
        }
    })
}

fn config(port: u16) -> swarm_power::config::SourceConfig {
    source(&format!(
        "name = 'gx'\nkind = 'victron_mqtt'\naddress = '127.0.0.1:{port}'\nportal_id = 'c0ffee'\ninterval = '3s'"
    ))
}

/// Reads until the GX, which subscribes in its own time, has heard a keepalive.
async fn read(port: u16) -> Vec<swarm_power::meter::Sample> {
    let config = config(port);
    for _ in 0..20 {
        if let Ok(samples) = read_once(&config).await {
            return samples;
        }
    }
    panic!("the GX never spoke");
}

#[tokio::test]
async fn a_gx_speaks_when_it_is_kept_alive() {
    let (_broker, port) = broker();
    let gx = gx(
        port,
        &[
            ("Dc/Battery/Soc", "83.5"),
            ("Dc/Battery/Power", "-410"),
            ("Dc/Pv/Power", "1500"),
            ("Ac/PvOnOutput/L1/Power", "250.5"),
            ("Ac/Consumption/L1/Power", "900"),
            ("Ac/Consumption/L2/Power", "100"),
            ("Ac/Grid/L1/Power", "null"),
            ("Serial", "\"x\""),
        ],
    );
    let samples = read(port).await;
    assert_eq!(value(&samples, Metric::Charge), Some(83.5));
    assert_eq!(
        value(&samples, Metric::Battery),
        Some(410.0),
        "it is discharged"
    );
    assert_eq!(value(&samples, Metric::Solar), Some(1_750.5));
    assert_eq!(value(&samples, Metric::Load), Some(1_000.0));
    assert_eq!(
        value(&samples, Metric::Grid),
        None,
        "null is unknown, not 0"
    );
    gx.abort();
}

#[tokio::test]
async fn a_retained_value_is_no_reading_and_nonsense_is_named() {
    let (mut broker, port) = broker();
    let (client, mut events) = AsyncClient::new(MqttOptions::new("old", "127.0.0.1", port), 8);
    let topic = "N/c0ffee/system/0/Dc/Battery/Soc";
    client
        .try_publish(topic, QoS::AtLeastOnce, true, "{\"value\": 100}")
        .expect("queued");
    while !matches!(events.poll().await, Ok(Event::Incoming(Packet::PubAck(_)))) {}
    let error = read_once(&config(port))
        .await
        .expect_err("only an old value");
    assert!(
        error.to_string().contains("is that its portal id?"),
        "{error}"
    );
    let nonsense = gx(port, &[("Dc/Battery/Soc", "\"full\"")]);
    let mut named = false;
    for _ in 0..20 {
        let outcome = read_once(&config(port)).await;
        named |=
            matches!(&outcome, Err(SourceError::Garbage(text)) if text.contains("Dc/Battery/Soc"));
        if named {
            break;
        }
    }
    assert!(named, "a text as charge");
    nonsense.abort();
    broker.end();
    let gone = tokio::time::timeout(Duration::from_secs(30), read_once(&config(port))).await;
    assert!(gone.expect("it does not hang").is_err());
}
