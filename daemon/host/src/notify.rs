//! What the service manager is told. Without systemd every function does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// Sockets are bound, the ledger is open, the device answered: the unit is up.
pub fn ready() {
    send(NotifyState::Ready);
}

/// The unit is about to end.
pub fn stopping() {
    send(NotifyState::Stopping);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    // A line break would begin another assignment.
    let line = line.replace(['\n', '\r'], " ");
    send(NotifyState::Status(&line));
}

/// The process is alive and does its work.
pub fn watchdog() {
    send(NotifyState::Watchdog);
}

/// Asks for `time` more before the start or the stop counts as hung.
pub fn extend(time: Duration) {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    send(NotifyState::ExtendTimeoutUsec(micros));
}

/// How often [`watchdog`] must be called, halved so that one late call is no fault; `None` without a watchdog.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn send(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager was not reached");
    }
}
