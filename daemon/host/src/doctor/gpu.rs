//! The GPUs of a box, as checks.

use std::time::Instant;

use super::Check;
use crate::gpu::{DeviceState, Snapshot, throttle_reasons};

/// Oldest driver that runs CUDA 13, which the kernels are built for.
const DRIVER_MIN: u32 = 580;

/// The driver, and each device. Without NVML a box has no GPU: `wanted` says whether one is configured.
pub fn checks(snapshot: &Snapshot, wanted: Option<&str>, now: Instant) -> Vec<Check> {
    let mut checks = vec![driver(snapshot, wanted)];
    checks.extend(snapshot.devices.iter().map(|d| device(snapshot, d, now)));
    if let Some(name) = wanted
        && let Some(fault) = snapshot.fault(name, now)
    {
        let next = "look at `nvidia-smi` and `journalctl -k -g NVRM`; the bee takes no jobs until it is back";
        checks.push(Check::fail("gpu.configured", fault, next).gating());
    }
    checks
}

fn driver(snapshot: &Snapshot, wanted: Option<&str>) -> Check {
    let name = "gpu.driver";
    let Some(driver) = &snapshot.driver else {
        let note = snapshot.note.as_deref().unwrap_or("no driver answers");
        let reason = format!("this box has no GPU: {note}");
        return match wanted {
            Some(_) => Check::fail(name, reason, "install NVIDIA's driver 580 or later").gating(),
            None => Check::ok(name, format!("{reason}; jobs run on the processor")),
        };
    };
    if let Some(note) = &snapshot.note {
        let reason = format!("NVIDIA's driver does not answer: {note}");
        return Check::fail(
            name,
            reason,
            "look at `journalctl -k -g NVRM`, restart the box",
        )
        .gating();
    }
    let version = driver.version.as_deref().unwrap_or("of unknown version");
    let cuda = driver.cuda.map_or("unknown".to_owned(), |(major, minor)| {
        format!("{major}.{minor}")
    });
    let reason = format!("driver {version} supports CUDA {cuda}; the engines need CUDA 13");
    let major = driver
        .version
        .as_ref()
        .and_then(|v| v.split('.').next()?.parse::<u32>().ok());
    let next = "update NVIDIA's driver to 580 or later; jobs run on the processor until then";
    match (major, driver.cuda) {
        (Some(major), _) if major < DRIVER_MIN => Check::warn(name, reason, next),
        (_, Some((major, _))) if major < 13 => Check::warn(name, reason, next),
        (None, None) => Check::unknown(name, reason, "look at `nvidia-smi`"),
        _ => Check::ok(name, reason),
    }
}

fn device(snapshot: &Snapshot, device: &DeviceState, now: Instant) -> Check {
    let identity = &device.identity;
    let name = format!("gpu.{}", identity.index);
    let who = format!("{} ({})", identity.name, identity.uuid);
    if device.vanished_at.is_some() {
        let next = "look at `journalctl -k -g NVRM`; reset the GPU, or restart the box";
        return Check::fail(name, format!("{who} vanished"), next);
    }
    let Some(reading) = snapshot.reading(device, now) else {
        let why = device.fault.as_deref().unwrap_or("its readings are old");
        let reason = format!("{who} gives no readings: {why}");
        return Check::unknown(name, reason, "look at `nvidia-smi`");
    };
    if reading.row_remap_failed == Some(true) {
        let reason = format!("{who} could not replace a bad row of its memory");
        return Check::fail(
            name,
            reason,
            "have the device serviced; take it out of work until then",
        );
    }
    let mut odd = Vec::new();
    if reading.row_remap_pending == Some(true) {
        odd.push("a bad row of memory waits for a reset".to_owned());
    }
    if let Some(errors) = reading.ecc_uncorrected_volatile.filter(|n| *n > 0) {
        odd.push(format!("{errors} memory errors were not corrected"));
    }
    let reasons = reading.throttle_bits.into_iter().flat_map(throttle_reasons);
    let slowed: Vec<_> = reasons
        .filter(|(_, wrong)| *wrong)
        .map(|(word, _)| word)
        .collect();
    if !slowed.is_empty() {
        odd.push(format!("it is slowed down ({})", slowed.join(", ")));
    }
    let xids: u64 = snapshot
        .xids
        .iter()
        .filter(|((uuid, _, _), _)| *uuid == identity.uuid)
        .map(|(_, count)| count.times)
        .sum();
    if xids > 0 {
        odd.push(format!("{xids} XIDs"));
    }
    if odd.is_empty() {
        let celsius = reading
            .temperature_celsius
            .map_or("unknown".to_owned(), |t| format!("{t} °C"));
        return Check::ok(name, format!("{who} answers; temperature {celsius}"));
    }
    let next =
        "look at `nvidia-smi -q -d ECC,PERFORMANCE,ROW_REMAPPER` and `journalctl -k -g NVRM`";
    Check::warn(name, format!("{who}: {}", odd.join("; ")), next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;
    use crate::gpu::monitor::script::gpu;
    use crate::gpu::{Driver, Reading};

    fn with(version: &str, cuda: (u32, u32), reading: Reading) -> Vec<Check> {
        let now = Instant::now();
        let snapshot = Snapshot {
            driver: Some(Driver {
                version: Some(version.into()),
                cuda: Some(cuda),
            }),
            note: None,
            devices: vec![DeviceState {
                identity: gpu(0),
                reading: Some(reading),
                read_at_instant: Some(now),
                vanished_at: None,
                vanished_times: 0,
                failed_reads: 0,
                fault: None,
            }],
            ..Snapshot::empty("")
        };
        checks(&snapshot, Some("GPU-0"), now)
    }

    #[test]
    fn no_gpu_is_a_state_unless_one_is_configured() {
        let none = Snapshot::empty("no NVIDIA driver is installed");
        let checks_of = |wanted| checks(&none, wanted, Instant::now());
        let free = checks_of(None);
        assert_eq!((free.len(), free[0].result), (1, Outcome::Ok));
        let wanted = checks_of(Some("GPU-0"));
        assert!(
            wanted
                .iter()
                .all(|check| check.result == Outcome::Fail && check.gates)
        );
    }

    #[test]
    fn driver_and_device_say_what_is_odd() {
        let good = with("580.95.05", (13, 0), Reading::default());
        assert!(
            good.iter().all(|check| check.result == Outcome::Ok),
            "{good:?}"
        );
        let old = with("570.10", (12, 8), Reading::default());
        assert_eq!(old[0].result, Outcome::Warn);
        assert!(
            old[0].reason.contains("driver 570.10 supports CUDA 12.8"),
            "{old:?}"
        );
        let hot = Reading {
            throttle_bits: Some(0x40),
            ecc_uncorrected_volatile: Some(2),
            ..Reading::default()
        };
        let hot = with("580.95.05", (13, 0), hot);
        assert_eq!(hot[1].result, Outcome::Warn);
        assert!(hot[1].reason.contains("2 memory errors"), "{hot:?}");
        assert!(hot[1].reason.contains("thermal_hardware"), "{hot:?}");
        let broken = Reading {
            row_remap_failed: Some(true),
            ..Reading::default()
        };
        let broken = with("580.95.05", (13, 0), broken);
        assert_eq!(broken[1].result, Outcome::Fail);
        assert!(
            broken[2].gates,
            "the configured GPU keeps the bee offline: {broken:?}"
        );
    }
}
