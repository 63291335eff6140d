//! What is true of the box's GPUs, from what a [`Source`] says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::xid::{Count, Counts, Key};
use super::{Driver, Identity, ReadError, Reading, Source, Xid};

/// Devices that are remembered: more than any board holds.
const DEVICES_MAX: usize = 64;
/// A reading that is older says nothing about now.
const READING_AGE_MAX: Duration = Duration::from_secs(20);
/// A driver that was silent for so long hangs: the usual end of a device that is lost without an XID.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// A device, and what was seen of it.
#[derive(Clone, Debug)]
pub struct DeviceState {
    /// Which one.
    pub identity: Identity,
    /// The last reading that came; [`Snapshot::reading`] knows whether it still counts.
    pub reading: Option<Reading>,
    /// When the last reading came.
    pub read_at_instant: Option<Instant>,
    /// Unix seconds since when it is not there; `None` while it is.
    pub vanished_at: Option<u64>,
    /// How often it vanished.
    pub vanished_times: u64,
    /// Rounds in which it was there and gave no reading.
    pub failed_reads: u64,
    /// Why the last round gave none, if so.
    pub fault: Option<String>,
}

/// What is known at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When this was found.
    pub at_instant: Instant,
    /// The driver; `None` on a box without one, which has no GPU.
    pub driver: Option<Driver>,
    /// Why there is no driver, or why it does not answer.
    pub note: Option<String>,
    /// Every device that was ever seen, in the order of the bus.
    pub devices: Vec<DeviceState>,
    /// Events by device, number and reporter.
    pub xids: BTreeMap<Key, Count>,
    /// Whether the kernel's log is read for XIDs.
    pub kernel_log: bool,
    /// Processor: utilisation in percent since the last round.
    pub cpu_percent: Option<u8>,
    /// Processor: temperature in °C.
    pub cpu_celsius: Option<i16>,
}

impl Snapshot {
    /// Before the first round, or without a driver.
    pub fn empty(note: impl Into<String>) -> Self {
        Self {
            at_instant: Instant::now(),
            driver: None,
            note: Some(note.into()),
            devices: Vec::new(),
            xids: BTreeMap::new(),
            kernel_log: false,
            cpu_percent: None,
            cpu_celsius: None,
        }
    }

    /// The device named by `name`: its UUID or its index.
    pub fn device(&self, name: &str) -> Option<&DeviceState> {
        let is = |device: &&DeviceState| {
            device.identity.uuid == name || device.identity.index.to_string() == name
        };
        self.devices.iter().find(is)
    }

    /// The readings of a device, if they are of now.
    pub fn reading<'a>(&self, device: &'a DeviceState, now: Instant) -> Option<&'a Reading> {
        let age = now.saturating_duration_since(device.read_at_instant?);
        (device.vanished_at.is_none() && age <= READING_AGE_MAX)
            .then_some(device.reading.as_ref())
            .flatten()
    }

    /// Whether this snapshot is of now: the thread that makes them can hang in the driver.
    pub fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at_instant) <= READING_AGE_MAX
    }

    /// Why nobody can compute on the device named `name`; `None` when nothing speaks against it.
    pub fn fault(&self, name: &str, now: Instant) -> Option<String> {
        let silent = now.saturating_duration_since(self.at_instant);
        if silent > SILENCE_MAX {
            return Some(format!(
                "the GPU's driver has not answered for {} seconds",
                silent.as_secs()
            ));
        }
        let Some(device) = self.device(name) else {
            let why = self.note.as_deref().unwrap_or("no such device");
            return Some(format!("there is no GPU {name}: {why}"));
        };
        if let Some(at) = device.vanished_at {
            let uuid = &device.identity.uuid;
            return Some(format!(
                "the GPU {uuid} vanished (Unix time {at}); it must be reset, or the box restarted"
            ));
        }
        let failed = device.reading.as_ref().and_then(|r| r.row_remap_failed);
        (failed == Some(true)).then(|| {
            "the GPU could not replace a bad row of its memory: it needs service".to_owned()
        })
    }
}

/// Follows the devices of a source.
#[derive(Debug)]
pub struct Monitor<S> {
    source: S,
    driver: Driver,
    note: Option<String>,
    devices: Vec<DeviceState>,
    xids: Counts,
}

impl<S: Source> Monitor<S> {
    /// Nothing is read yet.
    pub fn new(source: S) -> Self {
        Self {
            driver: source.driver(),
            source,
            note: None,
            devices: Vec::new(),
            xids: Counts::default(),
        }
    }

    /// Looks which devices are there, and reads each.
    pub fn poll(&mut self, now: Instant) {
        let present = match self.source.devices() {
            Ok(present) => {
                self.note = None;
                present
            }
            Err(words) => {
                if self.note.as_ref() != Some(&words) {
                    tracing::error!(error = words, "the GPU's driver does not answer");
                }
                self.note = Some(words);
                Vec::new()
            }
        };
        for identity in &present {
            self.meet(identity);
        }
        for at in 0..self.devices.len() {
            let uuid = &self.devices[at].identity.uuid;
            if !present.iter().any(|there| there.uuid == *uuid) {
                self.vanish(at, "it is not listed any more");
                continue;
            }
            match self.source.read(&self.devices[at].identity) {
                Ok(reading) => {
                    let device = &mut self.devices[at];
                    device.reading = Some(reading);
                    device.read_at_instant = Some(now);
                    device.fault = None;
                    if device.vanished_at.take().is_some() {
                        tracing::warn!(gpu = device.identity.uuid, "the GPU is back");
                    }
                }
                Err(ReadError::Gone) => self.vanish(at, "it fell off the bus"),
                Err(ReadError::Failed(words)) => {
                    let device = &mut self.devices[at];
                    device.failed_reads += 1;
                    if device.fault.as_ref() != Some(&words) {
                        let gpu = &device.identity.uuid;
                        tracing::warn!(gpu, error = words, "the GPU gave no readings");
                    }
                    device.fault = Some(words);
                    // What it said before says nothing about now.
                    device.reading = None;
                }
            }
        }
    }

    /// Waits for events, at most `timeout`, and counts them.
    pub fn wait(&mut self, timeout: Duration) {
        for xid in self.source.wait(timeout) {
            self.count(&xid, Instant::now());
        }
    }

    /// Counts an event from elsewhere, such as the kernel's log.
    pub fn count(&mut self, xid: &Xid, now: Instant) {
        // The kernel names the address on the bus.
        let known = self.devices.iter().find(|device| {
            let identity = &device.identity;
            identity.uuid == xid.device || identity.bus.as_deref() == Some(&xid.device)
        });
        let uuid = known.map_or(xid.device.clone(), |device| device.identity.uuid.clone());
        let line = self
            .xids
            .add(&uuid, xid.number, xid.reporter, now, unix_seconds());
        if let Some(line) = line {
            tracing::error!(xid = xid.number, gpu = uuid, "{line}");
        }
    }

    /// What is known now.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        Snapshot {
            at_instant: now,
            driver: Some(self.driver.clone()),
            note: self.note.clone(),
            devices: self.devices.clone(),
            xids: self.xids.all().clone(),
            ..Snapshot::empty("")
        }
    }

    /// Takes note of a device that is there.
    fn meet(&mut self, identity: &Identity) {
        let is = |device: &&mut DeviceState| device.identity.uuid == identity.uuid;
        if let Some(device) = self.devices.iter_mut().find(is) {
            device.identity = identity.clone();
        } else if self.devices.len() < DEVICES_MAX {
            self.devices.push(DeviceState {
                identity: identity.clone(),
                reading: None,
                read_at_instant: None,
                vanished_at: None,
                vanished_times: 0,
                failed_reads: 0,
                fault: None,
            });
        }
        self.devices.sort_by_key(|device| device.identity.index);
    }

    fn vanish(&mut self, at: usize, why: &str) {
        let device = &mut self.devices[at];
        device.reading = None;
        if device.vanished_at.is_none() {
            device.vanished_at = Some(unix_seconds());
            device.vanished_times += 1;
            tracing::error!(gpu = device.identity.uuid, why, "the GPU vanished");
        }
    }
}

fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
pub(crate) mod script {
    //! A source that does what a test says.

    use std::collections::VecDeque;

    use super::*;
    use crate::gpu::xid::Reporter;

    /// What one round finds.
    pub enum Round {
        /// These devices with these readings.
        Devices(Vec<(Identity, Result<Reading, ReadError>)>),
        /// The driver does not answer.
        Away(&'static str),
    }

    /// The rounds, and the events that come between them.
    #[derive(Default)]
    pub struct Script {
        pub rounds: VecDeque<Round>,
        pub xids: Vec<u64>,
        pub now: Vec<(Identity, Result<Reading, ReadError>)>,
    }

    pub fn gpu(index: u32) -> Identity {
        Identity {
            index,
            uuid: format!("GPU-{index}"),
            name: "NVIDIA L4".into(),
            bus: Some(format!("0000:{:02x}:00", 0x65 + index)),
        }
    }

    impl Source for Script {
        fn driver(&self) -> Driver {
            Driver {
                version: Some("580.95.05".into()),
                cuda: Some((13, 0)),
            }
        }

        fn devices(&mut self) -> Result<Vec<Identity>, String> {
            match self.rounds.pop_front().expect("another round") {
                Round::Devices(now) => self.now = now,
                Round::Away(words) => return Err(words.into()),
            }
            Ok(self
                .now
                .iter()
                .map(|(identity, _)| identity.clone())
                .collect())
        }

        fn read(&mut self, device: &Identity) -> Result<Reading, ReadError> {
            let found = self.now.iter().find(|(identity, _)| identity == device);
            found.expect("it was listed").1.clone()
        }

        fn wait(&mut self, _: Duration) -> Vec<Xid> {
            let device = gpu(0).uuid;
            let xid = |number| Xid {
                number,
                device: device.clone(),
                reporter: Reporter::Nvml,
            };
            std::mem::take(&mut self.xids)
                .into_iter()
                .map(xid)
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::script::{Round, Script, gpu};
    use super::*;
    use crate::gpu::xid::Reporter;

    fn watts(milliwatts: u32) -> Result<Reading, ReadError> {
        Ok(Reading {
            power_milliwatts: Some(milliwatts),
            ..Reading::default()
        })
    }

    fn monitor(rounds: Vec<Round>) -> Monitor<Script> {
        Monitor::new(Script {
            rounds: rounds.into(),
            ..Script::default()
        })
    }

    #[test]
    fn a_device_that_vanishes_is_a_fault_without_any_xid() {
        let both = || Round::Devices(vec![(gpu(0), watts(1)), (gpu(1), watts(2))]);
        let mut monitor = monitor(vec![
            both(),
            Round::Devices(vec![(gpu(1), watts(2))]),
            Round::Devices(vec![(gpu(0), Err(ReadError::Gone)), (gpu(1), watts(2))]),
            both(),
        ]);
        let now = Instant::now();
        monitor.poll(now);
        let seen = monitor.snapshot(now);
        assert_eq!(
            (seen.fault("GPU-0", now), seen.fault("1", now)),
            (None, None)
        );
        for round in 0..2 {
            monitor.poll(now);
            let seen = monitor.snapshot(now);
            let device = seen.device("GPU-0").expect("it is remembered");
            assert_eq!(
                device.vanished_times, 1,
                "one fault however often it is seen ({round})"
            );
            assert_eq!(seen.reading(device, now), None, "no last value");
            let fault = seen.fault("GPU-0", now).expect("a fault");
            assert!(fault.contains("GPU-0 vanished"), "{fault}");
            assert_eq!(seen.fault("GPU-1", now), None, "its neighbour is well");
        }
        monitor.poll(now);
        let seen = monitor.snapshot(now);
        assert_eq!(seen.fault("GPU-0", now), None);
        assert_eq!(seen.device("GPU-0").expect("it is there").vanished_times, 1);
    }

    #[test]
    fn a_reading_that_fails_is_unknown_and_so_is_an_old_one() {
        let failed = Err(ReadError::Failed("timeout".into()));
        let mut monitor = monitor(vec![
            Round::Devices(vec![(gpu(0), watts(70_000))]),
            Round::Devices(vec![(gpu(0), failed)]),
        ]);
        let now = Instant::now();
        monitor.poll(now);
        let seen = monitor.snapshot(now);
        let device = seen.device("0").expect("there");
        let power = |now| seen.reading(device, now).and_then(|r| r.power_milliwatts);
        assert_eq!(power(now), Some(70_000));
        let reading = seen.reading(device, now).expect("read");
        assert_eq!(
            reading.temperature_celsius, None,
            "what it does not say is not 0"
        );
        let later = now + READING_AGE_MAX + Duration::from_millis(1);
        assert_eq!((power(later), seen.is_fresh(later)), (None, false));
        let hung = seen.fault("0", now + SILENCE_MAX + Duration::from_secs(1));
        assert!(
            hung.expect("a fault")
                .contains("not answered for 121 seconds")
        );

        monitor.poll(now);
        let seen = monitor.snapshot(now);
        let device = seen.device("0").expect("there");
        assert_eq!(seen.reading(device, now), None, "not the value of before");
        assert_eq!((device.failed_reads, device.vanished_times), (1, 0));
        assert_eq!(device.fault.as_deref(), Some("timeout"));
    }

    #[test]
    fn a_driver_that_goes_takes_its_devices_along() {
        let mut monitor = monitor(vec![
            Round::Devices(vec![(gpu(0), watts(1))]),
            Round::Away("driver and library differ"),
        ]);
        let now = Instant::now();
        monitor.poll(now);
        monitor.poll(now);
        let seen = monitor.snapshot(now);
        assert_eq!(seen.note.as_deref(), Some("driver and library differ"));
        assert!(seen.fault("GPU-0", now).is_some());
        assert!(
            seen.fault("GPU-7", now).is_some(),
            "one that was never there"
        );
    }

    #[test]
    fn xids_are_counted_by_device_and_reporter() {
        let mut monitor = monitor(vec![Round::Devices(vec![(gpu(0), watts(1))])]);
        let now = Instant::now();
        monitor.poll(now);
        monitor.source.xids = vec![79; 3];
        monitor.wait(Duration::ZERO);
        let line = "NVRM: Xid (PCI:0000:65:00): 79, GPU has fallen off the bus.";
        monitor.count(&crate::gpu::xid::parse(line).expect("an XID"), now);
        let seen = monitor.snapshot(now);
        let times = |reporter| seen.xids[&("GPU-0".to_owned(), 79, reporter)].times;
        assert_eq!((times(Reporter::Nvml), times(Reporter::Kernel)), (3, 1));
    }
}
