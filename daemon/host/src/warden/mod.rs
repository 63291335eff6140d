//! The warden: the one process of a box that may do what needs privilege, and nothing else.
//!
//! Queen and bees run without any privilege. What they cannot do themselves they ask of the warden over a unix socket,
//! one JSON object a line, one answer a line ([`Request`], [`Answer`]). It knows three verbs: a GPU's power limit,
//! power-off, and the clock's wake timer. Each argument is checked against a range, each refusal names the field, and
//! each request is logged with who asked. systemd starts it when somebody connects; it ends when nobody asks.
//!
//! [`Warden`] is the client; [`serve`] the server, run by `swarmd warden`; [`Acts`] what it does to the box.

mod acts;
mod client;
mod protocol;
mod server;

pub use acts::{ActError, Acts, ThisBox};
pub use client::{Warden, WardenError};
pub use protocol::{Answer, Refusal, Request};
pub use server::{Allowed, AllowedError, serve};

use std::time::Duration;

/// Where the warden listens on an appliance.
pub const SOCKET: &str = "/run/swarm/warden.sock";

/// Soonest wake: a box needs some of it to go down.
pub const WAKE_MIN: Duration = Duration::from_secs(60);
/// Latest wake: a box that nobody expects back is found by hand.
pub const WAKE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Longest line in bytes, either way.
const LINE_BYTES_MAX: usize = 1024;
