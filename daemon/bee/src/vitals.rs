//! What a heartbeat says of the device: of the GPU when the bee computes on one, of the processor otherwise.

use std::time::Instant;

use swarm_host::gpu::Snapshot;
use swarm_host::machine;
use swarm_types::api::Device;

/// Readings of now; what nobody measured is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vitals {
    pub utilisation_percent: Option<u8>,
    pub memory_used_mib: Option<u32>,
    pub temperature_celsius: Option<i16>,
    pub power_milliwatts: Option<u32>,
}

/// The vitals of `device` in `snapshot`.
pub(crate) fn of(device: &Device, snapshot: &Snapshot, now: Instant) -> Vitals {
    let Some(uuid) = &device.uuid else {
        let fresh = snapshot.is_fresh(now);
        return Vitals {
            utilisation_percent: snapshot.cpu_percent.filter(|_| fresh),
            memory_used_mib: machine::memory_of_process_mib(),
            temperature_celsius: snapshot.cpu_celsius.filter(|_| fresh),
            // A processor's power is its box's business: the site's meter knows it.
            power_milliwatts: None,
        };
    };
    let found = snapshot.device(uuid);
    let Some(reading) = found.and_then(|device| snapshot.reading(device, now)) else {
        return Vitals::default();
    };
    Vitals {
        utilisation_percent: reading.utilisation_percent,
        memory_used_mib: reading.memory_used_mib,
        temperature_celsius: reading.temperature_celsius,
        power_milliwatts: reading.power_milliwatts,
    }
}

/// Why the bee's GPU cannot compute; `None` when it can, and on a box that computes on its processor.
pub(crate) fn fault(device: &Device, snapshot: &Snapshot, now: Instant) -> Option<String> {
    snapshot.fault(device.uuid.as_deref()?, now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use swarm_host::gpu::{DeviceState, Driver, Identity, Reading};

    use super::*;

    fn device(uuid: Option<&str>) -> Device {
        Device {
            name: "a device".into(),
            uuid: uuid.map(str::to_owned),
            memory_mib: 1,
        }
    }

    #[test]
    fn a_gpus_readings_are_told_while_they_are_of_now_and_its_loss_is_a_fault() {
        let now = Instant::now();
        let mut snapshot = Snapshot {
            driver: Some(Driver::default()),
            note: None,
            cpu_percent: Some(7),
            devices: vec![DeviceState {
                identity: Identity {
                    index: 0,
                    uuid: "GPU-0".into(),
                    name: "NVIDIA L4".into(),
                    bus: None,
                },
                reading: Some(Reading {
                    power_milliwatts: Some(71_000),
                    ..Reading::default()
                }),
                read_at_instant: Some(now),
                vanished_at: None,
                vanished_times: 0,
                failed_reads: 0,
                fault: None,
            }],
            ..Snapshot::empty("")
        };
        let gpu = device(Some("GPU-0"));
        let vitals = of(&gpu, &snapshot, now);
        assert_eq!(vitals.power_milliwatts, Some(71_000));
        assert_eq!(vitals.utilisation_percent, None, "not the processor's");
        assert_eq!(
            of(&gpu, &snapshot, now + Duration::from_secs(60)),
            Vitals::default()
        );
        assert_eq!(fault(&gpu, &snapshot, now), None);

        let cpu = of(&device(None), &snapshot, now);
        assert_eq!(
            (cpu.utilisation_percent, cpu.power_milliwatts),
            (Some(7), None)
        );

        snapshot.devices[0].vanished_at = Some(1);
        assert_eq!(of(&gpu, &snapshot, now), Vitals::default());
        assert!(
            fault(&gpu, &snapshot, now)
                .expect("a fault")
                .contains("vanished")
        );
        assert_eq!(fault(&device(None), &snapshot, now), None);
    }
}
