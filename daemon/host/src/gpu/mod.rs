//! What the box computes with, watched: its GPUs through NVML, its processor through the kernel.
//!
//! - [`Telemetry`] is what a daemon starts: a thread that polls every [`POLL`], and a [`Snapshot`] to read.
//! - [`monitor::Monitor`] decides what is true: a device that is not there any more is a fault by itself, an XID is an
//!   event that is counted, a reading that failed is unknown and never 0.
//! - [`nvml`] is the real [`Source`]; without NVML the box has no GPU, which is a state and not an error.
//! - [`kernel_log`] reads XIDs from the kernel's log, because NVML alone misses some and repeats others.
//! - [`energy`] says what a job drew from the device's own counter; [`metrics`] is the text for Prometheus.

pub mod cpu;
pub mod energy;
pub mod kernel_log;
pub mod metrics;
pub mod monitor;
pub mod nvml;
pub mod telemetry;
pub mod xid;

use std::time::Duration;

use serde::Serialize;

pub use energy::{Energy, EnergyMeter};
pub use monitor::{DeviceState, Snapshot};
pub use telemetry::{POLL, Telemetry};
pub use xid::Xid;

/// A GPU by the names that do not change while it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// NVML's index: the order of the bus, which can change from boot to boot.
    pub index: u32,
    /// NVML's UUID, such as `GPU-…`.
    pub uuid: String,
    /// Model name.
    pub name: String,
    /// Address on the bus, as [`xid::bus_address`] writes it; what the kernel's log names.
    pub bus: Option<String>,
}

/// A process that computes on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Memory of the device that it occupies, in MiB.
    pub memory_mib: Option<u32>,
}

/// One round of readings of one GPU. What the device does not offer, or did not answer, is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Time in which a kernel ran, in percent.
    pub utilisation_percent: Option<u8>,
    /// Time in which memory was read or written, in percent.
    pub memory_copy_percent: Option<u8>,
    /// Of the video encoder, in percent.
    pub encoder_percent: Option<u8>,
    /// Of the video decoder, in percent.
    pub decoder_percent: Option<u8>,
    /// Memory in use, in MiB.
    pub memory_used_mib: Option<u32>,
    /// Memory that is free, in MiB.
    pub memory_free_mib: Option<u32>,
    /// All memory, in MiB.
    pub memory_total_mib: Option<u32>,
    /// Clock of the multiprocessors, in MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Clock of the memory, in MHz.
    pub memory_clock_mhz: Option<u32>,
    /// Temperature of the die, in °C.
    pub temperature_celsius: Option<i16>,
    /// Temperature of the memory, in °C.
    pub memory_temperature_celsius: Option<i16>,
    /// Power now, in mW.
    pub power_milliwatts: Option<u32>,
    /// Energy since the driver was loaded, in mJ; only grows.
    pub energy_millijoules: Option<u64>,
    /// NVML's bits of why the clocks are below their highest; see [`throttle_reasons`].
    pub throttle_bits: Option<u64>,
    /// Memory errors that were corrected since the driver was loaded.
    pub ecc_corrected_volatile: Option<u64>,
    /// Memory errors that were not corrected since the driver was loaded.
    pub ecc_uncorrected_volatile: Option<u64>,
    /// Memory errors that were corrected in the device's life.
    pub ecc_corrected_aggregate: Option<u64>,
    /// Memory errors that were not corrected in the device's life.
    pub ecc_uncorrected_aggregate: Option<u64>,
    /// Memory rows that were replaced after corrected errors.
    pub rows_remapped_correctable: Option<u64>,
    /// Memory rows that were replaced after uncorrected errors.
    pub rows_remapped_uncorrectable: Option<u64>,
    /// A row is replaced at the next reset.
    pub row_remap_pending: Option<bool>,
    /// A row could not be replaced: the device needs service.
    pub row_remap_failed: Option<bool>,
    /// Packets that the bus had to repeat.
    pub pcie_replays: Option<u64>,
    /// Who computes on it.
    pub processes: Option<Vec<Process>>,
}

/// Why a device gave no readings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It fell off the bus.
    #[error("the device is gone")]
    Gone,
    /// It is there and did not answer.
    #[error("the device did not answer: {0}")]
    Failed(String),
}

/// Versions of the driver, as far as it says them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Driver {
    /// Such as `580.95.05`.
    pub version: Option<String>,
    /// Newest CUDA that it can run, such as (13, 0).
    pub cuda: Option<(u32, u32)>,
}

/// Where readings come from: NVML, or a script in a test.
pub trait Source: Send {
    /// The driver.
    fn driver(&self) -> Driver;

    /// The devices that are there now.
    ///
    /// # Errors
    /// The driver's words when it does not answer at all.
    fn devices(&mut self) -> Result<Vec<Identity>, String>;

    /// Reads one of them.
    ///
    /// # Errors
    /// [`ReadError`]; a single value that cannot be read is `None` in the reading and no error.
    fn read(&mut self, device: &Identity) -> Result<Reading, ReadError>;

    /// Waits for XIDs, at most `timeout`. May come back early.
    fn wait(&mut self, timeout: Duration) -> Vec<Xid>;
}

/// A reason for clocks below their highest: its bit in NVML, its word, and whether it shows that something is wrong.
const THROTTLE_REASONS: [(u64, &str, bool); 9] = [
    (0x1, "idle", false),
    (0x2, "application_clocks", false),
    (0x4, "power_cap", false),
    (0x8, "hardware_slowdown", true),
    (0x10, "sync_boost", false),
    (0x20, "thermal_software", true),
    (0x40, "thermal_hardware", true),
    (0x80, "power_brake", true),
    (0x100, "display_clocks", false),
];

/// The reasons in `bits`, each with whether it shows that something is wrong. Bits that a newer driver added are left
/// out; the raw bits are among the metrics.
pub fn throttle_reasons(bits: u64) -> impl Iterator<Item = (&'static str, bool)> {
    THROTTLE_REASONS
        .into_iter()
        .filter(move |(bit, _, _)| bits & bit != 0)
        .map(|(_, word, wrong)| (word, wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words_and_unknown_bits_are_not_guessed() {
        let words: Vec<_> = throttle_reasons(0x44 | 1 << 40).collect();
        assert_eq!(words, [("power_cap", false), ("thermal_hardware", true)]);
        assert_eq!(throttle_reasons(0).count(), 0);
    }
}
