//! NVML as a [`Source`]. The library is opened when the program runs: on a box without it there is no GPU to watch.

use std::ffi::OsStr;
use std::sync::OnceLock;
use std::time::Duration;

use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::{SampleValue, UsedGpuMemory};
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id;
use nvml_wrapper::{Device, EventSet, Nvml};

use super::xid::{Reporter, XID_OTHER, bus_address};
use super::{Driver, Identity, Process, ReadError, Reading, Source, Xid};

/// NVML's library; the driver brings it.
const LIBRARY: &str = "libnvidia-ml.so.1";
/// Events that are taken in one wait: a storm must not keep the readings waiting.
const EVENTS_MAX: usize = 1_000;
/// Processes that are told of one device.
const PROCESSES_MAX: usize = 256;

/// Opened once in a process, and never closed: the event set lives as long.
static NVML: OnceLock<Nvml> = OnceLock::new();

/// The driver, through NVML.
#[derive(Debug)]
pub struct NvmlSource {
    nvml: &'static Nvml,
    events: Option<EventSet<'static>>,
    /// UUIDs of the devices whose events are asked for.
    registered: Vec<String>,
}

/// This box has no GPU that the driver knows: a state, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoGpu(pub String);

impl NvmlSource {
    /// Opens NVML.
    ///
    /// # Errors
    /// [`NoGpu`] when the library or the driver is not there.
    pub fn open() -> Result<Self, NoGpu> {
        let nvml = match NVML.get() {
            Some(nvml) => nvml,
            None => {
                let opened = Nvml::builder().lib_path(OsStr::new(LIBRARY)).init();
                let opened = opened.map_err(|error| NoGpu(why_not(&error)))?;
                NVML.get_or_init(|| opened)
            }
        };
        Ok(Self {
            nvml,
            events: nvml.create_event_set().ok(),
            registered: Vec::new(),
        })
    }

    /// Asks for the XIDs of a device that is new.
    fn register(&mut self, device: &Device<'static>, uuid: &str) {
        if self.registered.iter().any(|known| known == uuid) {
            return;
        }
        let Some(set) = self.events.take() else {
            return;
        };
        match device.register_events(EventTypes::CRITICAL_XID_ERROR, set) {
            Ok(set) => {
                self.events = Some(set);
                self.registered.push(uuid.to_owned());
            }
            Err(error) => {
                tracing::warn!(gpu = uuid, %error, "NVML reports no events of this GPU");
                // The set went with the error; the devices of before register with a new one.
                self.events = self.nvml.create_event_set().ok();
                self.registered.clear();
            }
        }
    }
}

impl Source for NvmlSource {
    fn driver(&self) -> Driver {
        let cuda = self.nvml.sys_cuda_driver_version().ok();
        let parts = |version: i32| {
            let major = u32::try_from(nvml_wrapper::cuda_driver_version_major(version)).ok()?;
            let minor = u32::try_from(nvml_wrapper::cuda_driver_version_minor(version)).ok()?;
            Some((major, minor))
        };
        Driver {
            version: self.nvml.sys_driver_version().ok(),
            cuda: cuda.and_then(parts),
        }
    }

    fn devices(&mut self) -> Result<Vec<Identity>, String> {
        let count = self.nvml.device_count().map_err(|e| e.to_string())?;
        let mut found = Vec::new();
        for index in 0..count {
            // One that cannot even be named is not there.
            let Ok(device) = self.nvml.device_by_index(index) else {
                continue;
            };
            let Ok(uuid) = device.uuid() else {
                continue;
            };
            self.register(&device, &uuid);
            found.push(Identity {
                index,
                uuid,
                name: device.name().unwrap_or_else(|_| "NVIDIA GPU".into()),
                bus: device
                    .pci_info()
                    .ok()
                    .and_then(|pci| bus_address(&pci.bus_id)),
            });
        }
        Ok(found)
    }

    fn read(&mut self, identity: &Identity) -> Result<Reading, ReadError> {
        let device = self
            .nvml
            .device_by_uuid(identity.uuid.as_str())
            .map_err(gone_or)?;
        // One call decides whether the device answers; the others may each be unsupported.
        let memory = match device.memory_info() {
            Ok(memory) => Some(memory),
            Err(NvmlError::NotSupported) => None,
            Err(error) => return Err(gone_or(error)),
        };
        let utilisation = device.utilization_rates().ok();
        let ecc = |error, counter| device.total_ecc_errors(error, counter).ok();
        let [memory_temperature, corrected, uncorrected, pending, failed] = fields(
            &device,
            [
                field_id::NVML_FI_DEV_MEMORY_TEMP,
                field_id::NVML_FI_DEV_REMAPPED_COR,
                field_id::NVML_FI_DEV_REMAPPED_UNC,
                field_id::NVML_FI_DEV_REMAPPED_PENDING,
                field_id::NVML_FI_DEV_REMAPPED_FAILURE,
            ],
        );
        let mib = |bytes: u64| u32::try_from(bytes >> 20).ok();
        let percent = |value: u32| u8::try_from(value).ok().filter(|value| *value <= 100);
        let celsius = |value: u64| i16::try_from(value).ok();
        Ok(Reading {
            utilisation_percent: utilisation.as_ref().and_then(|u| percent(u.gpu)),
            memory_copy_percent: utilisation.as_ref().and_then(|u| percent(u.memory)),
            encoder_percent: device
                .encoder_utilization()
                .ok()
                .and_then(|u| percent(u.utilization)),
            decoder_percent: device
                .decoder_utilization()
                .ok()
                .and_then(|u| percent(u.utilization)),
            memory_used_mib: memory.as_ref().and_then(|m| mib(m.used)),
            memory_free_mib: memory.as_ref().and_then(|m| mib(m.free)),
            memory_total_mib: memory.as_ref().and_then(|m| mib(m.total)),
            sm_clock_mhz: device.clock_info(Clock::SM).ok(),
            memory_clock_mhz: device.clock_info(Clock::Memory).ok(),
            temperature_celsius: device
                .temperature(TemperatureSensor::Gpu)
                .ok()
                .and_then(|t| celsius(t.into())),
            // A memory without a sensor reads as 0.
            memory_temperature_celsius: memory_temperature.filter(|t| *t > 0).and_then(celsius),
            power_milliwatts: device.power_usage().ok(),
            energy_millijoules: device.total_energy_consumption().ok(),
            throttle_bits: device.current_throttle_reasons().ok().map(|r| r.bits()),
            ecc_corrected_volatile: ecc(MemoryError::Corrected, EccCounter::Volatile),
            ecc_uncorrected_volatile: ecc(MemoryError::Uncorrected, EccCounter::Volatile),
            ecc_corrected_aggregate: ecc(MemoryError::Corrected, EccCounter::Aggregate),
            ecc_uncorrected_aggregate: ecc(MemoryError::Uncorrected, EccCounter::Aggregate),
            rows_remapped_correctable: corrected,
            rows_remapped_uncorrectable: uncorrected,
            row_remap_pending: pending.map(|n| n != 0),
            row_remap_failed: failed.map(|n| n != 0),
            pcie_replays: device.pcie_replay_counter().ok().map(u64::from),
            processes: device.running_compute_processes().ok().map(|all| {
                let of = |p: &nvml_wrapper::struct_wrappers::device::ProcessInfo| Process {
                    pid: p.pid,
                    memory_mib: match p.used_gpu_memory {
                        UsedGpuMemory::Used(bytes) => mib(bytes),
                        UsedGpuMemory::Unavailable => None,
                    },
                };
                all.iter().take(PROCESSES_MAX).map(of).collect()
            }),
        })
    }

    fn wait(&mut self, timeout: Duration) -> Vec<Xid> {
        let Some(events) = self.events.as_ref().filter(|_| !self.registered.is_empty()) else {
            std::thread::sleep(timeout);
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut wait = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        while found.len() < EVENTS_MAX {
            match events.wait(wait) {
                Ok(event) => {
                    if let Some(xid) = event.event_data {
                        found.push(Xid {
                            number: match xid {
                                XidError::Value(number) => number,
                                XidError::Unknown => XID_OTHER,
                            },
                            device: event.device.uuid().unwrap_or_default(),
                            reporter: Reporter::Nvml,
                        });
                    }
                }
                Err(NvmlError::Timeout) => break,
                // A lost device makes every wait fail at once: do not spin on it.
                Err(_) => {
                    std::thread::sleep(timeout);
                    break;
                }
            }
            // The rest of what waits, and no more.
            wait = 0;
        }
        found
    }
}

/// Values of NVML's fields, in the order asked for.
fn fields<const N: usize>(device: &Device<'_>, ids: [u32; N]) -> [Option<u64>; N] {
    let mut values = [None; N];
    let Ok(samples) = device.field_values_for(&ids.map(FieldId)) else {
        return values;
    };
    for (value, sample) in values.iter_mut().zip(samples) {
        let found = sample.and_then(|sample| sample.value);
        *value = found.ok().and_then(|value| match value {
            SampleValue::U32(number) => Some(number.into()),
            SampleValue::U64(number) => Some(number),
            SampleValue::I64(number) => u64::try_from(number).ok(),
            SampleValue::F64(_) => None,
        });
    }
    values
}

fn gone_or(error: NvmlError) -> ReadError {
    match error {
        NvmlError::GpuLost | NvmlError::NotFound => ReadError::Gone,
        other => ReadError::Failed(other.to_string()),
    }
}

/// Why there is no GPU, for a person.
fn why_not(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
            format!("no NVIDIA driver is installed ({LIBRARY} is not there)")
        }
        NvmlError::DriverNotLoaded => "NVIDIA's driver is installed and not loaded".to_owned(),
        NvmlError::LibRmVersionMismatch => {
            "NVIDIA's library and its kernel module are of different versions: restart the box"
                .to_owned()
        }
        NvmlError::NoPermission => "this user may not use NVIDIA's driver".to_owned(),
        other => format!("NVML does not start: {other}"),
    }
}
