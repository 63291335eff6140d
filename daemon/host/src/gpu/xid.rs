//! XIDs: what the driver reports when something went wrong on a GPU. They are events: counted, with the time of the
//! first and the last, and never a gauge that keeps an old number for ever.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Different XIDs that are counted by their number, of all devices together. NVIDIA lists some 150; a driver that
/// makes up more of them is counted under [`XID_OTHER`].
const KINDS_MAX: usize = 256;
/// Number under which the rest is counted, and NVML's own for one that it does not know.
pub const XID_OTHER: u64 = 999;
/// The same XID of the same device is logged at most so often; the line says how many came in between.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// Lines about all XIDs together in [`LOG_EVERY`].
const LOG_LINES_MAX: u32 = 20;

/// Who reported an XID. Both may report the same one; they are counted apart, because each misses some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reporter {
    /// NVML's event set.
    Nvml,
    /// The kernel's log.
    Kernel,
}

impl Reporter {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nvml => "nvml",
            Self::Kernel => "kernel",
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xid {
    /// Its number; what it means is in NVIDIA's list.
    pub number: u64,
    /// The device's UUID (NVML), or its address on the bus (kernel); empty when nobody says.
    pub device: String,
    /// Who said so.
    pub reporter: Reporter,
}

/// How often one XID of one device was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Times.
    pub times: u64,
    /// Unix seconds of the first.
    pub first_at: u64,
    /// Unix seconds of the last.
    pub last_at: u64,
}

/// What is counted: the device's UUID, the XID, who reported it.
pub type Key = (String, u64, Reporter);

/// All counts, and which of them were logged when.
#[derive(Debug, Default)]
pub struct Counts {
    counts: BTreeMap<Key, Count>,
    logged: BTreeMap<Key, Logged>,
    window: Option<(Instant, u32)>,
}

#[derive(Debug)]
struct Logged {
    at_instant: Instant,
    quiet: u64,
}

impl Counts {
    /// The counts.
    pub fn all(&self) -> &BTreeMap<Key, Count> {
        &self.counts
    }

    /// Counts an event; gives the line to log, unless it would be one too many.
    pub fn add(
        &mut self,
        uuid: &str,
        number: u64,
        reporter: Reporter,
        now: Instant,
        unix: u64,
    ) -> Option<String> {
        let mut key = (uuid.to_owned(), number, reporter);
        if !self.counts.contains_key(&key) && self.counts.len() >= KINDS_MAX {
            key = (String::new(), XID_OTHER, reporter);
        }
        let count = self.counts.entry(key.clone()).or_insert(Count {
            times: 0,
            first_at: unix,
            last_at: unix,
        });
        count.times += 1;
        count.last_at = unix;
        let times = count.times;
        self.line(key, times, now)
    }

    fn line(&mut self, key: Key, times: u64, now: Instant) -> Option<String> {
        if let Some(logged) = self.logged.get_mut(&key)
            && now.saturating_duration_since(logged.at_instant) < LOG_EVERY
        {
            logged.quiet += 1;
            return None;
        }
        let window = self.window.get_or_insert((now, 0));
        if now.saturating_duration_since(window.0) >= LOG_EVERY {
            *window = (now, 0);
        }
        if window.1 >= LOG_LINES_MAX {
            return None;
        }
        window.1 += 1;
        let before = self.logged.insert(
            key.clone(),
            Logged {
                at_instant: now,
                quiet: 0,
            },
        );
        let (device, number, reporter) = key;
        let device = if device.is_empty() { "?" } else { &device };
        let quiet = before.map_or(0, |logged| logged.quiet);
        Some(format!(
            "XID {number} on GPU {device}, said by {} ({times} in all, {quiet} since the last line)",
            reporter.as_str()
        ))
    }
}

/// The XID in a line of the kernel's log, with the device's address on the bus. A line that goes on about an event
/// that an earlier line named has no number of its own and is none.
pub fn parse(line: &str) -> Option<Xid> {
    let rest = line.split_once("NVRM: Xid ")?.1;
    // `(PCI:0000:65:00): 79, …`; older drivers leave `PCI:` out.
    let (address, rest) = rest.strip_prefix('(')?.split_once(')')?;
    let rest = rest.strip_prefix(':')?.trim_start();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number = rest[..digits].parse().ok()?;
    let address = address.strip_prefix("PCI:").unwrap_or(address);
    Some(Xid {
        number,
        device: bus_address(address)?,
        reporter: Reporter::Kernel,
    })
}

/// An address on the bus in one spelling, `0000:65:00`: without the function, with a domain of at least four digits.
/// NVML writes eight digits, the kernel four.
pub fn bus_address(text: &str) -> Option<String> {
    let mut parts = text.split(':');
    let number = |part: Option<&str>| u32::from_str_radix(part?, 16).ok();
    let (domain, bus) = (number(parts.next())?, number(parts.next())?);
    let device = number(parts.next()?.split('.').next())?;
    parts
        .next()
        .is_none()
        .then(|| format!("{domain:04x}:{bus:02x}:{device:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read_and_their_continuations_are_not_counted_again() {
        let xid = parse(
            "NVRM: Xid (PCI:0000:65:00): 79, pid=1234, name=swarmd, GPU has fallen off the bus.",
        );
        let xid = xid.expect("an XID");
        assert_eq!((xid.number, xid.device.as_str()), (79, "0000:65:00"));
        let record = "3,1201,55123456,-;NVRM: Xid (0000:0A:00): 13, Graphics Exception";
        assert_eq!(parse(record).expect("an XID").device, "0000:0a:00");
        for line in [
            "NVRM: GPU at PCI:0000:65:00: GPU-11111111-2222",
            "NVRM: Xid (PCI:0000:65:00): , nothing",
            "NVRM: Xid (PCI:0000:65:00) 79",
            "NVRM: Xid (somewhere): 79",
            "usb 1-1: Xid 79",
            "",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
        assert_eq!(
            bus_address("00000000:65:00.0").as_deref(),
            Some("0000:65:00")
        );
    }

    #[test]
    fn a_storm_is_counted_whole_and_logged_in_a_few_lines() {
        let mut counts = Counts::default();
        let start = Instant::now();
        let mut lines = 0;
        for n in 0..100_000u64 {
            let now = start + Duration::from_millis(n);
            let line = counts.add(
                "GPU-1",
                13 + n % 1_000,
                Reporter::Nvml,
                now,
                1_000 + n / 1_000,
            );
            lines += usize::from(line.is_some());
        }
        let times: u64 = counts.all().values().map(|count| count.times).sum();
        assert_eq!(times, 100_000, "each is counted");
        assert!(
            counts.all().len() <= KINDS_MAX + 1,
            "{}",
            counts.all().len()
        );
        // 100 seconds are two windows.
        assert!(
            lines > 0 && lines <= 2 * LOG_LINES_MAX as usize,
            "{lines} lines"
        );
        let rest = counts.all()[&(String::new(), XID_OTHER, Reporter::Nvml)];
        assert!(rest.times > 0 && rest.first_at < rest.last_at);
    }

    #[test]
    fn a_line_says_what_was_left_out_before_it() {
        let mut counts = Counts::default();
        let start = Instant::now();
        let mut add = |after| counts.add("GPU-1", 79, Reporter::Kernel, start + after, 5);
        assert!(add(Duration::ZERO).is_some());
        assert_eq!(add(Duration::from_secs(1)), None);
        let line = add(LOG_EVERY).expect("a line again");
        assert!(line.contains("3 in all, 1 since"), "{line}");
    }
}
