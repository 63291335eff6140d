//! What the box is: its keys, its log, its service manager, its devices and their health.
//!
//! - [`doctor`]: checks of the box, each with its result, reason and next step.
//! - [`exposition`]: Prometheus' text format.
//! - [`gpu`]: telemetry of GPUs (NVML) and of the processor.
//! - [`keys`]: secrets from systemd credentials, key files or keystores, never from the environment.
//! - [`logging`]: the journal under systemd, plain text elsewhere.
//! - [`notify`]: readiness and watchdog, silent where there is no systemd.
//! - [`reload`]: which keys of a configuration may change while a daemon runs.
//! - [`quarantine`]: a daemon that keeps crashing stops trying and says so.
//! - [`machine`]: the processor's name and the memory.
//! - [`files`]: how many files and connections may be open.
//! - [`memory`]: no core dumps of processes that hold keys.
//! - [`warden`]: the few things that need privilege, asked of a process of its own.

pub mod doctor;
pub mod exposition;
pub mod files;
pub mod gpu;
mod journal;
pub mod keys;
pub mod logging;
pub mod machine;
pub mod memory;
pub mod notify;
pub mod quarantine;
pub mod reload;
pub mod warden;
