//! What the service manager is told. Without systemd every function does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// Sockets are bound, the ledger is open, the device answered: the unit is up.
pub fn ready() {
    send(NotifyState::Ready);
}

/// The unit takes a new configuration; [`ready`] ends that, also when it was refused.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        // In one message, as `Type=notify-reload` asks for.
        Ok(now) => send_all(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic clock"),
    }
}

/// The unit is about to end, and may take `time` for that before it counts as hung.
pub fn stopping(time: Duration) {
    send(NotifyState::Stopping);
    extend(time);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    // A line break would begin another assignment.
    let line = line.replace(['\n', '\r'], " ");
    send(NotifyState::Status(&line));
}

/// The process is alive and does its work. Called by the loop that does it, never by a timer beside it.
pub fn watchdog() {
    send(NotifyState::Watchdog);
}

/// Asks for `time` more before the start or the stop counts as hung.
pub fn extend(time: Duration) {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    send(NotifyState::ExtendTimeoutUsec(micros));
}

/// Warns when the unit's watchdog waits less than `longest`, the longest time between two calls of [`watchdog`] that is
/// no fault.
pub fn expect_watchdog(longest: Duration) {
    if let Some(limit) = sd_notify::watchdog_enabled()
        && limit < longest
    {
        tracing::warn!(
            ?limit,
            ?longest,
            "WatchdogSec= of this unit is too short: it would be killed while it works"
        );
    }
}

fn send(state: NotifyState<'_>) {
    send_all(&[state]);
}

fn send_all(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not reached");
    }
}
