//! A GX over Modbus TCP: its published registers, served by pymodbus.

use swarm_power::meter::Metric;
use swarm_power::source::read_once;

use crate::rig::{Modbus, source, value};

#[tokio::test]
async fn a_gx_tells_sun_battery_use_grid_and_charge() {
    let mut device = Modbus::start("gx");
    device.set(&[
        ("pv_output_l1", 700),
        ("pv_input_l2", 300),
        ("pv_dc", 2_000),
        ("use_l1", 500),
        ("use_l2", 400),
        ("use_l3", 100),
        ("grid_l1", -250),
        ("grid_l3", 50),
        ("battery_v", 521),
        ("battery_w", 1_800),
        ("soc", 87),
    ]);
    let text = format!(
        "name = 'gx'\nkind = 'victron_modbus'\naddress = '127.0.0.1:{}'",
        device.port
    );
    let config = source(&text);
    let read = read_once(&config).await.expect("reads");
    assert_eq!(value(&read, Metric::Solar), Some(3_000.0));
    assert_eq!(value(&read, Metric::Load), Some(1_000.0));
    assert_eq!(value(&read, Metric::Grid), Some(-200.0));
    assert_eq!(
        value(&read, Metric::Battery),
        Some(-1_800.0),
        "it is charged"
    );
    assert_eq!(value(&read, Metric::Charge), Some(87.0));
    // The battery's monitor is gone: its registers read 0, which is no empty battery.
    device.set(&[("battery_v", 0), ("battery_w", 0), ("soc", 0)]);
    let read = read_once(&config).await.expect("reads");
    assert_eq!(value(&read, Metric::Charge), None);
    assert_eq!(value(&read, Metric::Battery), None);
    device.fail(true);
    let error = read_once(&config).await.expect_err("only exceptions");
    assert!(
        error.to_string().contains("Modbus TCP switched on?"),
        "{error}"
    );
}
