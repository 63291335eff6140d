//! The bee: leases jobs from its queen, runs them, signs what it ran.
//!
//! The tasks of a running bee, what starts and what ends them:
//! - **registration** ([`Bee::run`], once, and again when the queen no longer knows the bee): tells key, recipient,
//!   device, models; gets back the leases it held before a restart, which are worked on first.
//! - **heartbeat** (`heartbeat`): every 30 s, and at once when something changed; renews leases, hears which are lost,
//!   whether the operator approves and wants it to drain. Ends after everything else.
//! - **self-test** (`health`): a tiny inference whenever the engine has not run for a while. Without one in ten
//!   minutes the bee is not ready.
//! - **models** (`sync`): with a `model_cache`, every 30 s: pulls the packages that the queen has active, checks their digests,
//!   loads them (the golden cases run) and drops what she deleted. Then the bee registers again with what it serves.
//! - **telemetry** (a thread of [`swarm_host::gpu`]): watches the device; a GPU that vanishes makes the bee not ready.
//! - **metrics** (`metrics`, where configured): a page for Prometheus on loopback. Ends with the heartbeat.
//! - **ladder** (`ladder`): what the site's power asks of this box, asked of the warden: GPU power limit, shut down, wake up.
//! - **lease loop** (`run`): long-polls whenever a place is free. Ends with the drain. It tells systemd's watchdog that
//!   the bee lives, as long as jobs that are at work move.
//! - **one task a job** (`job`): fetch, compute, upload, complete. As many as there are places, so that the next input
//!   comes and the last result goes while the engine computes. Ends with the job, its lease, or the drain's deadline.
//! - **one thread a computation** (`work`): at most `concurrency`; not a task, because it cannot be interrupted and
//!   must not hold up the end of the process.
//!
//! Plaintext is in memory only, in buffers that are wiped. What is reported about a failure never holds anything of
//! the scan: files are numbered before anything that could put their names into a message sees them.

mod bee;
mod cache;
mod config;
mod device;
mod error;
mod health;
mod heartbeat;
mod job;
mod ladder;
mod live;
mod metrics;
mod models;
mod power;
mod progress;
mod run;
mod sync;
mod vitals;
mod work;

pub use bee::Bee;
pub use config::BeeConfig;
pub use error::BeeError;
pub use ladder::LadderConfig;
pub use live::{Reloader, Unchanged};
pub use models::{Input, Runner};
pub use work::Failure;
