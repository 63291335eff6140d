//! SunSpec: registers laid out by pysunspec2's model definitions, served by pymodbus.

use std::time::Duration;

use swarm_power::meter::Metric;
use swarm_power::source::{SourceError, read_once, spawn};

use crate::rig::{Modbus, source, value};

const ALL: &str = "measures = ['solar', 'battery', 'charge', 'grid']";

fn config(port: u16, more: &str) -> swarm_power::config::SourceConfig {
    source(&format!(
        "name = 'pv'\nkind = 'sunspec'\naddress = '127.0.0.1:{port}'\ninterval = '1s'\n{more}"
    ))
}

#[tokio::test]
async fn inverter_battery_and_meter_are_read_with_their_scale() {
    let mut device = Modbus::start("sunspec");
    device.set(&[
        ("103.W", 330),
        ("103.W_SF", 1),
        ("802.SoC", 835),
        ("802.SoC_SF", -1),
        ("802.W", -120),
        ("802.W_SF", 1),
        ("203.W", -640),
        ("203.W_SF", 0),
    ]);
    let config = config(device.port, ALL);
    let read = read_once(&config).await.expect("reads");
    assert_eq!(
        value(&read, Metric::Solar),
        Some(3_300.0),
        "of model 103: 160 has nothing"
    );
    assert_eq!(value(&read, Metric::Charge), Some(83.5));
    assert_eq!(value(&read, Metric::Battery), Some(-1_200.0));
    assert_eq!(value(&read, Metric::Grid), Some(-640.0));
    // The MPPT inputs are the sun alone, and go before the AC side.
    device.set(&[
        ("160.DCW_SF", -1),
        ("160.0.DCW", 21_000),
        ("160.1.DCW", 9_050),
    ]);
    let read = read_once(&config).await.expect("reads");
    assert_eq!(value(&read, Metric::Solar), Some(3_005.0));
}

#[tokio::test]
async fn what_is_not_implemented_is_not_zero() {
    let device = Modbus::start("sunspec");
    let read = read_once(&config(device.port, ALL))
        .await
        .expect("the device answers");
    assert_eq!(read, [], "every point says 'not implemented'");
    let probed = swarm_power::probe(&swarm_power::PowerConfig {
        sources: vec![config(device.port, ALL)],
        ..Default::default()
    })
    .await;
    let reason = probed[0].reason.as_deref();
    assert_eq!(
        reason,
        Some("it says nothing of solar, battery, grid, charge")
    );
}

#[tokio::test]
async fn an_exception_is_named_and_the_source_recovers() {
    let mut device = Modbus::start("sunspec");
    device.set(&[("103.W", 1_000), ("103.W_SF", 0)]);
    device.fail(true);
    let config = config(device.port, "");
    let error = read_once(&config).await.expect_err("an exception");
    assert!(matches!(error, SourceError::Exception { .. }), "{error}");
    let (to, mut from) = tokio::sync::mpsc::channel(4);
    let task = spawn(0, &config, to);
    assert!(from.recv().await.expect("an answer").outcome.is_err());
    device.fail(false);
    let recovered = async {
        loop {
            let answer = from.recv().await.expect("an answer");
            if let Ok(samples) = answer.outcome {
                return value(&samples, Metric::Solar);
            }
        }
    };
    let recovered = tokio::time::timeout(Duration::from_secs(60), recovered).await;
    assert_eq!(recovered, Ok(Some(1_000.0)));
    // The device goes away and comes back on the same port.
    let port = device.port;
    drop(device);
    let gone = async { while from.recv().await.expect("an answer").outcome.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), gone)
        .await
        .expect("it notices");
    let mut device = Modbus::start_on("sunspec", port);
    device.set(&[("103.W", 2_000), ("103.W_SF", 0)]);
    let back = async {
        loop {
            let outcome = from.recv().await.expect("an answer").outcome;
            if outcome.is_ok_and(|samples| value(&samples, Metric::Solar) == Some(2_000.0)) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), back)
        .await
        .expect("it comes back");
    task.abort();
}
