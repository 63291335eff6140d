//! A snapshot as Prometheus' text. What dcgm-exporter measures too has its names, units and labels, so that dashboards
//! made for it work; the rest is under `swarm_`.
//!
//! `DCGM_FI_DEV_XID_ERRORS` is left out on purpose: a gauge that holds the last XID for ever cannot tell one from a
//! hundred, or today's from last month's. `swarm_gpu_xid_events_total` counts them.

use std::time::Instant;

use super::{DeviceState, Reading, Snapshot, throttle_reasons};
use crate::exposition::{Exposition, Kind, labels};
use crate::machine;

/// A family of one number a device.
struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    of: fn(&Reading) -> Option<f64>,
}

const fn gauge(name: &'static str, help: &'static str, of: fn(&Reading) -> Option<f64>) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
        of,
    }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    of: fn(&Reading) -> Option<f64>,
) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
        of,
    }
}

// Every number here is below 2^53, so that Prometheus' floats hold it: 2^53 mJ are 285 MWh.
const FAMILIES: &[Family] = &[
    gauge(
        "DCGM_FI_DEV_SM_CLOCK",
        "Clock of the multiprocessors in MHz.",
        |r| r.sm_clock_mhz.map(f64::from),
    ),
    gauge(
        "DCGM_FI_DEV_MEM_CLOCK",
        "Clock of the memory in MHz.",
        |r| r.memory_clock_mhz.map(f64::from),
    ),
    gauge(
        "DCGM_FI_DEV_MEMORY_TEMP",
        "Temperature of the memory in degrees Celsius.",
        |r| r.memory_temperature_celsius.map(f64::from),
    ),
    gauge(
        "DCGM_FI_DEV_GPU_TEMP",
        "Temperature of the die in degrees Celsius.",
        |r| r.temperature_celsius.map(f64::from),
    ),
    gauge("DCGM_FI_DEV_POWER_USAGE", "Power in W.", |r| {
        r.power_milliwatts.map(|mw| f64::from(mw) / 1e3)
    }),
    counter(
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        "Energy since the driver was loaded in mJ.",
        |r| r.energy_millijoules.map(|mj| mj as f64),
    ),
    counter(
        "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
        "Packets that the bus repeated.",
        |r| r.pcie_replays.map(|n| n as f64),
    ),
    gauge(
        "DCGM_FI_DEV_GPU_UTIL",
        "Time in which a kernel ran in percent.",
        |r| r.utilisation_percent.map(f64::from),
    ),
    gauge(
        "DCGM_FI_DEV_MEM_COPY_UTIL",
        "Time in which memory was used in percent.",
        |r| r.memory_copy_percent.map(f64::from),
    ),
    gauge(
        "DCGM_FI_DEV_ENC_UTIL",
        "Use of the video encoder in percent.",
        |r| r.encoder_percent.map(f64::from),
    ),
    gauge(
        "DCGM_FI_DEV_DEC_UTIL",
        "Use of the video decoder in percent.",
        |r| r.decoder_percent.map(f64::from),
    ),
    gauge("DCGM_FI_DEV_FB_FREE", "Memory that is free in MiB.", |r| {
        r.memory_free_mib.map(f64::from)
    }),
    gauge("DCGM_FI_DEV_FB_USED", "Memory in use in MiB.", |r| {
        r.memory_used_mib.map(f64::from)
    }),
    gauge(
        "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS",
        "Why the clocks are below their highest, as NVML's bits.",
        |r| r.throttle_bits.map(|bits| bits as f64),
    ),
    counter(
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
        "Memory errors that were corrected since the driver was loaded.",
        |r| r.ecc_corrected_volatile.map(|n| n as f64),
    ),
    counter(
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
        "Memory errors that were not corrected since the driver was loaded.",
        |r| r.ecc_uncorrected_volatile.map(|n| n as f64),
    ),
    counter(
        "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL",
        "Memory errors that were corrected in the device's life.",
        |r| r.ecc_corrected_aggregate.map(|n| n as f64),
    ),
    counter(
        "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL",
        "Memory errors that were not corrected in the device's life.",
        |r| r.ecc_uncorrected_aggregate.map(|n| n as f64),
    ),
    counter(
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        "Memory rows that were replaced after uncorrected errors.",
        |r| r.rows_remapped_uncorrectable.map(|n| n as f64),
    ),
    counter(
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        "Memory rows that were replaced after corrected errors.",
        |r| r.rows_remapped_correctable.map(|n| n as f64),
    ),
    gauge(
        "DCGM_FI_DEV_ROW_REMAP_FAILURE",
        "1 when a row could not be replaced.",
        |r| r.row_remap_failed.map(|failed| f64::from(u8::from(failed))),
    ),
    gauge(
        "DCGM_FI_DEV_ROW_REMAP_PENDING",
        "1 when a row waits for the next reset.",
        |r| r.row_remap_pending.map(|waits| f64::from(u8::from(waits))),
    ),
    gauge(
        "swarm_gpu_memory_total_mib",
        "Memory of the GPU in MiB.",
        |r| r.memory_total_mib.map(f64::from),
    ),
    gauge(
        "swarm_gpu_processes",
        "Processes that compute on the GPU.",
        |r| r.processes.as_ref().map(|all| all.len() as f64),
    ),
];

/// Adds the GPUs, or only the one named by `only` (its UUID or index), and the processor.
pub fn write(text: &mut Exposition, snapshot: &Snapshot, only: Option<&str>, now: Instant) {
    let host = machine::host_name();
    let wanted = |device: &&DeviceState| {
        only.is_none_or(|name| {
            device.identity.uuid == name || device.identity.index.to_string() == name
        })
    };
    let devices: Vec<_> = snapshot.devices.iter().filter(wanted).collect();
    let named = |device: &DeviceState, more: &[(&str, &str)]| {
        let identity = &device.identity;
        let (index, nvidia) = (
            identity.index.to_string(),
            format!("nvidia{}", identity.index),
        );
        let mut pairs = vec![
            ("gpu", index.as_str()),
            ("UUID", &identity.uuid),
            ("device", &nvidia),
            ("modelName", &identity.name),
            ("Hostname", &host),
        ];
        pairs.extend(more);
        labels(&pairs)
    };
    for family in FAMILIES {
        let samples = devices.iter().filter_map(|device| {
            let value = (family.of)(snapshot.reading(device, now)?)?;
            Some((named(device, &[]), value))
        });
        text.family(family.name, family.kind, family.help, samples);
    }
    let throttled = devices.iter().flat_map(|device| {
        let bits = snapshot.reading(device, now).and_then(|r| r.throttle_bits);
        bits.into_iter()
            .flat_map(throttle_reasons)
            .map(|(reason, _)| (named(device, &[("reason", reason)]), 1))
            .collect::<Vec<_>>()
    });
    let help = "1 for each reason why the clocks are below their highest now.";
    text.family("swarm_gpu_throttled", Kind::Gauge, help, throttled);
    let present = devices
        .iter()
        .map(|device| (named(device, &[]), u8::from(device.vanished_at.is_none())));
    let help = "0 while a GPU that was there is not.";
    text.family("swarm_gpu_present", Kind::Gauge, help, present);
    let vanished = devices
        .iter()
        .map(|device| (named(device, &[]), device.vanished_times));
    let help = "Times that a GPU vanished, with or without an XID.";
    text.family("swarm_gpu_vanished_total", Kind::Counter, help, vanished);
    let failed = devices
        .iter()
        .map(|device| (named(device, &[]), device.failed_reads));
    let help = "Rounds in which a GPU was there and gave no reading.";
    text.family("swarm_gpu_failed_reads_total", Kind::Counter, help, failed);
    let xids = snapshot
        .xids
        .iter()
        .filter_map(|((uuid, number, reporter), count)| {
            let number = number.to_string();
            let more = [("xid", number.as_str()), ("reporter", reporter.as_str())];
            let of = devices.iter().find(|device| device.identity.uuid == *uuid);
            match of {
                Some(device) => Some((named(device, &more), count.times)),
                // An event of a device that nobody knows is told where all devices are.
                None if only.is_none() => {
                    let [xid, reporter] = more;
                    let pairs = [("UUID", uuid.as_str()), xid, reporter, ("Hostname", &host)];
                    Some((labels(&pairs), count.times))
                }
                None => None,
            }
        });
    let help = "XIDs by number and by who reported them; both may report the same one.";
    text.family("swarm_gpu_xid_events_total", Kind::Counter, help, xids);
    let known = u8::from(snapshot.driver.is_some());
    let help = "1 when NVIDIA's driver answers on this box.";
    text.single("swarm_gpu_driver", Kind::Gauge, help, Some(known));
    let log = snapshot
        .driver
        .as_ref()
        .map(|_| u8::from(snapshot.kernel_log));
    let help = "1 when XIDs are read from the kernel's log as well.";
    text.single("swarm_gpu_kernel_log", Kind::Gauge, help, log);
    let cpu = snapshot
        .is_fresh(now)
        .then_some(snapshot.cpu_percent)
        .flatten();
    let help = "Use of all processors together in percent.";
    text.single("swarm_cpu_utilisation_percent", Kind::Gauge, help, cpu);
    let celsius = snapshot
        .is_fresh(now)
        .then_some(snapshot.cpu_celsius)
        .flatten();
    let help = "Temperature of the processor in degrees Celsius.";
    text.single("swarm_cpu_temperature_celsius", Kind::Gauge, help, celsius);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use prometheus_parse::{Scrape, Value};

    use super::*;
    use crate::gpu::monitor::script::gpu;
    use crate::gpu::xid::{Count, Reporter};
    use crate::gpu::{Driver, Process};

    fn full() -> Reading {
        Reading {
            utilisation_percent: Some(93),
            memory_copy_percent: Some(40),
            encoder_percent: Some(0),
            decoder_percent: Some(0),
            memory_used_mib: Some(1_000),
            memory_free_mib: Some(22_000),
            memory_total_mib: Some(23_034),
            sm_clock_mhz: Some(2_040),
            memory_clock_mhz: Some(6_251),
            temperature_celsius: Some(61),
            memory_temperature_celsius: Some(70),
            power_milliwatts: Some(71_250),
            energy_millijoules: Some(123_456_789_012),
            throttle_bits: Some(0x44),
            ecc_corrected_volatile: Some(1),
            ecc_uncorrected_volatile: Some(0),
            ecc_corrected_aggregate: Some(2),
            ecc_uncorrected_aggregate: Some(0),
            rows_remapped_correctable: Some(0),
            rows_remapped_uncorrectable: Some(1),
            row_remap_pending: Some(true),
            row_remap_failed: Some(false),
            pcie_replays: Some(3),
            processes: Some(vec![Process {
                pid: 7,
                memory_mib: None,
            }]),
        }
    }

    fn snapshot(readings: Vec<Option<Reading>>, now: Instant) -> Snapshot {
        let device = |(n, reading): (usize, Option<Reading>)| DeviceState {
            identity: gpu(n as u32),
            read_at_instant: reading.as_ref().map(|_| now),
            vanished_at: reading.is_none().then_some(5),
            vanished_times: u64::from(reading.is_none()),
            reading,
            failed_reads: 0,
            fault: None,
        };
        let count = Count {
            times: 4,
            first_at: 1,
            last_at: 2,
        };
        let key = |uuid: &str| (uuid.to_owned(), 79, Reporter::Kernel);
        Snapshot {
            at_instant: now,
            driver: Some(Driver::default()),
            note: None,
            devices: readings.into_iter().enumerate().map(device).collect(),
            xids: BTreeMap::from([(key("GPU-0"), count), (key("0000:99:00"), count)]),
            kernel_log: true,
            cpu_percent: Some(12),
            cpu_celsius: None,
        }
    }

    /// Parsed; every sample has help, and a type.
    fn scrape(snapshot: &Snapshot, only: Option<&str>, now: Instant) -> Scrape {
        let mut text = Exposition::default();
        write(&mut text, snapshot, only, now);
        let text = text.into_text();
        let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).expect("parses");
        for sample in &scrape.samples {
            let name = &sample.metric;
            assert!(scrape.docs.contains_key(name), "{name} has no help");
            let counts = name.ends_with("_total") || name.ends_with("_TOTAL");
            match sample.value {
                Value::Counter(_) => {}
                Value::Gauge(_) => assert!(!counts, "{name} is a gauge"),
                _ => panic!("{name} has no type: {:?}", sample.value),
            }
        }
        scrape
    }

    fn value(scrape: &Scrape, name: &str, label: &str, is: &str) -> Option<f64> {
        let sample = scrape
            .samples
            .iter()
            .find(|sample| sample.metric == name && sample.labels.get(label) == Some(is));
        match sample?.value {
            Value::Counter(value) | Value::Gauge(value) => Some(value),
            _ => None,
        }
    }

    #[test]
    fn a_prometheus_parser_reads_dcgms_names_and_labels() {
        let now = Instant::now();
        let scrape = scrape(
            &snapshot(vec![Some(full()), Some(Reading::default())], now),
            None,
            now,
        );
        for family in FAMILIES {
            let name = family.name;
            let read = value(&scrape, name, "UUID", "GPU-0");
            assert_eq!(read, (family.of)(&full()), "{name}");
            let unknown = value(&scrape, name, "UUID", "GPU-1");
            assert_eq!(unknown, None, "{name}: unknown is not 0");
        }
        let watts = value(&scrape, "DCGM_FI_DEV_POWER_USAGE", "gpu", "0");
        assert_eq!(watts, Some(71.25));
        let sample = &scrape.samples[0];
        let mut names: Vec<_> = sample.labels.keys().cloned().collect();
        names.sort();
        assert_eq!(names, ["Hostname", "UUID", "device", "gpu", "modelName"]);
        let throttled = |reason| value(&scrape, "swarm_gpu_throttled", "reason", reason);
        assert_eq!(
            (throttled("power_cap"), throttled("idle")),
            (Some(1.0), None)
        );
        let xids = |uuid| value(&scrape, "swarm_gpu_xid_events_total", "UUID", uuid);
        assert_eq!((xids("GPU-0"), xids("0000:99:00")), (Some(4.0), Some(4.0)));
        assert_eq!(
            value(&scrape, "DCGM_FI_DEV_XID_ERRORS", "UUID", "GPU-0"),
            None
        );
    }

    #[test]
    fn a_device_that_is_gone_and_an_old_reading_have_no_values() {
        let now = Instant::now();
        let later = now + Duration::from_secs(60);
        for (snapshot, at, present) in [
            (snapshot(vec![None], now), now, 0.0),
            (snapshot(vec![Some(full())], now), later, 1.0),
        ] {
            let scrape = scrape(&snapshot, None, at);
            assert_eq!(
                value(&scrape, "swarm_gpu_present", "UUID", "GPU-0"),
                Some(present)
            );
            let dcgm = |s: &&prometheus_parse::Sample| s.metric.starts_with("DCGM_");
            assert_eq!(scrape.samples.iter().find(dcgm).map(|s| &s.metric), None);
        }
    }

    #[test]
    fn a_bee_tells_of_its_own_device_only() {
        let now = Instant::now();
        let snapshot = snapshot(vec![Some(full()), Some(full())], now);
        for name in ["GPU-1", "1"] {
            let scrape = scrape(&snapshot, Some(name), now);
            let temperature = |uuid| value(&scrape, "DCGM_FI_DEV_GPU_TEMP", "UUID", uuid);
            assert_eq!(
                (temperature("GPU-0"), temperature("GPU-1")),
                (None, Some(61.0))
            );
        }
    }
}
