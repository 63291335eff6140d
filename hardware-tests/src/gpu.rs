//! The GPUs' telemetry against the devices themselves.

use std::time::{Duration, Instant};

use serde_json::json;
use swarm_host::exposition::Exposition;
use swarm_host::gpu::monitor::Monitor;
use swarm_host::gpu::nvml::NvmlSource;
use swarm_host::gpu::{EnergyMeter, Reading, metrics};

use crate::Ended;

/// How long energy is measured.
const STRETCH: Duration = Duration::from_secs(5);
/// The counter and the power readings of the same stretch agree within this factor: both are the driver's.
const AGREE: f64 = 2.0;

/// Reads every device twice, with a stretch of work of nobody in between.
pub fn run() -> Ended {
    let source = match NvmlSource::open() {
        Ok(source) => source,
        Err(no_gpu) => return Ended::Skipped(no_gpu.to_string()),
    };
    let mut monitor = Monitor::new(source);
    monitor.poll(Instant::now());
    let first = monitor.snapshot(Instant::now());
    let Some(device) = first.devices.first() else {
        return Ended::Skipped("the driver is there and knows no GPU".into());
    };
    let meter = EnergyMeter::of_gpu(&device.identity.uuid, false);
    let running = meter.start();
    std::thread::sleep(STRETCH);
    let energy = running.stop();
    monitor.poll(Instant::now());
    let now = Instant::now();
    let second = monitor.snapshot(now);
    for device in &second.devices {
        let who = &device.identity.uuid;
        if let Some(fault) = second.fault(who, now) {
            return Ended::Failed(fault);
        }
        let Some(reading) = second.reading(device, now) else {
            return Ended::Failed(format!("{who} gave no readings"));
        };
        if let Some(missing) = missing(reading) {
            return Ended::Failed(format!("{who} does not tell its {missing}"));
        }
    }
    let watts = |snapshot: &swarm_host::gpu::Snapshot| {
        let reading = snapshot.devices.first()?.reading.as_ref()?;
        reading.power_milliwatts.map(|mw| f64::from(mw) / 1e3)
    };
    if let (Some(energy), Some(before), Some(after)) = (energy, watts(&first), watts(&second)) {
        let counted = energy.millijoules as f64 / 1e3 / STRETCH.as_secs_f64();
        let (low, high) = (before.min(after) / AGREE, before.max(after) * AGREE);
        if !(low..=high).contains(&counted) {
            return Ended::Failed(format!(
                "the energy counter says {counted:.1} W, the power {before:.1} to {after:.1} W"
            ));
        }
    }
    let mut text = Exposition::default();
    metrics::write(&mut text, &second, None, now);
    let text = text.into_text();
    if !text.contains("DCGM_FI_DEV_GPU_TEMP{") {
        return Ended::Failed("the page of metrics has no temperature".into());
    }
    let driver = second.driver.clone().unwrap_or_default();
    let readings: Vec<_> = second
        .devices
        .iter()
        .map(|d| json!({ "identity": d.identity, "reading": d.reading }))
        .collect();
    Ended::Passed {
        device: device.identity.name.clone(),
        driver: format!("driver {}", driver.version.as_deref().unwrap_or("unknown")),
        found: json!({
            "cuda": driver.cuda,
            "gpus": readings,
            "energy_millijoules": energy.map(|energy| energy.millijoules),
            "stretch_seconds": STRETCH.as_secs(),
            "metrics": text.lines().filter(|line| line.starts_with("# TYPE")).count(),
        }),
    }
}

/// What every GPU that we know tells, and this one does not.
fn missing(reading: &Reading) -> Option<&'static str> {
    let tells = [
        (reading.utilisation_percent.is_some(), "use"),
        (reading.memory_used_mib.is_some(), "memory"),
        (reading.temperature_celsius.is_some(), "temperature"),
        (reading.power_milliwatts.is_some(), "power"),
        (reading.sm_clock_mhz.is_some(), "clock"),
        (reading.throttle_bits.is_some(), "throttle reasons"),
        (reading.processes.is_some(), "processes"),
    ];
    tells.iter().find(|(told, _)| !told).map(|(_, what)| *what)
}
