//! What is measured: time to answers, and what the queen's process took.

use std::time::Duration;

/// Answers' times.
#[derive(Default)]
pub struct Times(Vec<u64>);

impl Times {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time.as_micros() as u64);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Milliseconds under which `part` of all stay.
    pub fn millis(&mut self, part: f64) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        let at = (self.0.len() as f64 * part) as usize;
        self.0
            .get(at.min(last))
            .map_or(0.0, |micros| *micros as f64 / 1e3)
    }
}

/// Seconds of CPU that a process has taken.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    // What follows the name in parentheses: state is the first field, user time the 12th.
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("ticks");
    // Linux counts 100 ticks a second.
    (ticks(11) + ticks(12)) / 100.0
}

/// MiB of memory that a process holds: now, and at most.
pub fn rss_mib(pid: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number
            .and_then(|kib| kib.parse::<f64>().ok())
            .unwrap_or(0.0)
            / 1_024.0
    };
    (kib("VmRSS:"), kib("VmHWM:"))
}
