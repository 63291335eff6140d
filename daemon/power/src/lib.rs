//! The site's power: what meters say, what that is worth, and what the rack does about it.
//!
//! - [`config`]: the `[power]` section, with every error at once.
//! - [`source`]: meters behind one trait: SunSpec and Victron over Modbus TCP, Victron over MQTT, NUT, and a
//!   recorded day.
//! - [`meter`]: readings of one source with age and quality; what cannot be true is refused by name and counted.
//! - [`site`]: several sources as one site.
//! - [`mix`]: which share of the energy came from sun, battery and grid.
//! - [`policy`]: the ladder surplus, normal, conserve, critical. A state machine without clock or IO.
//! - [`nodes`]: outlets and wake-up calls that follow the ladder. A state machine too.
//! - [`pdu`], [`wol`]: the hands: switched outlets by SNMP, Wake-on-LAN.
//! - [`probe`]: asks every source once, for `swarm doctor`.
//!
//! Tasks: [`source::spawn`] starts one for each source; it sends what it reads and never waits for another's.
//! Unknown is a value here: never 0, and never the last value for ever.

pub mod config;
pub mod meter;
pub mod mix;
pub mod nodes;
pub mod pdu;
pub mod policy;
mod probe;
pub mod site;
pub mod source;
mod span;
pub mod wol;

pub use config::PowerConfig;
pub use probe::{Probed, probe};
pub use span::Span;
