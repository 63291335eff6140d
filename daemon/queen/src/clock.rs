//! The wall clock, in one place. Everything below the API takes its time from here.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds now.
pub fn now_seconds() -> u64 {
    now_millis() / 1_000
}

/// Unix milliseconds now.
pub fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is no clock; every deadline is in its future, so nothing is charged by it.
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
