//! The processor: how busy it is and how warm, as the kernel tells it.

use std::fs;
use std::path::Path;

/// Where the kernel keeps the sensors of chips, and its thermal zones.
const HWMON: &str = "/sys/class/hwmon";
const THERMAL: &str = "/sys/class/thermal";
/// Chips whose first sensor is a processor's: Intel, AMD, ARM boards.
const CPU_CHIPS: [&str; 5] = [
    "coretemp",
    "k10temp",
    "zenpower",
    "cpu_thermal",
    "soc_thermal",
];
/// Kinds of thermal zones that are a processor's.
const CPU_ZONES: [&str; 4] = ["x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc-thermal"];

/// Follows the processor from reading to reading.
#[derive(Debug, Default)]
pub struct Cpu {
    before: Option<Ticks>,
}

/// Time since the start, in the kernel's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    all: u64,
    idle: u64,
}

impl Cpu {
    /// How busy all processors together were since the last call, in percent. `None` at first.
    pub fn percent(&mut self) -> Option<u8> {
        let now = ticks(&fs::read_to_string("/proc/stat").ok()?)?;
        let before = self.before.replace(now)?;
        busy(before, now)
    }
}

/// The processor's temperature in °C; `None` when no sensor says.
pub fn celsius() -> Option<i16> {
    celsius_in(Path::new(HWMON), Path::new(THERMAL))
}

fn celsius_in(hwmon: &Path, thermal: &Path) -> Option<i16> {
    let named = |folder: &Path, file: &str, names: &[&str], value: &str| {
        let mut found: Vec<_> = fs::read_dir(folder).ok()?.flatten().collect();
        found.sort_by_key(|entry| entry.file_name());
        found.iter().find_map(|entry| {
            let name = fs::read_to_string(entry.path().join(file)).ok()?;
            if !names.contains(&name.trim()) {
                return None;
            }
            let text = fs::read_to_string(entry.path().join(value)).ok()?;
            millidegrees(&text)
        })
    };
    named(hwmon, "name", &CPU_CHIPS, "temp1_input")
        .or_else(|| named(thermal, "type", &CPU_ZONES, "temp"))
}

/// Rounded to the nearest degree. What no processor has is a broken sensor, and unknown.
fn millidegrees(text: &str) -> Option<i16> {
    let milli: i32 = text.trim().parse().ok()?;
    let degrees = i16::try_from((milli + 500).div_euclid(1_000)).ok()?;
    (-40..=150).contains(&degrees).then_some(degrees)
}

/// Of the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal; guests are within user.
fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Result<Vec<u64>, _> = line.split_whitespace().take(8).map(str::parse).collect();
    let fields = fields.ok().filter(|fields| fields.len() >= 4)?;
    Some(Ticks {
        all: fields.iter().sum(),
        idle: fields[3] + fields.get(4).copied().unwrap_or(0),
    })
}

/// Percent, rounded down. A clock that did not move, or went back, says nothing.
fn busy(before: Ticks, now: Ticks) -> Option<u8> {
    let all = now.all.checked_sub(before.all).filter(|all| *all > 0)?;
    // Waiting for a disk can count backwards.
    let idle = now.idle.saturating_sub(before.idle).min(all);
    u8::try_from((all - idle) * 100 / all).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_what_is_not_idle_and_needs_two_looks() {
        let stat = |user: u64, idle: u64| format!("cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2\n");
        let at = |user, idle| ticks(&stat(user, idle)).expect("ticks");
        assert_eq!(busy(at(100, 900), at(130, 970)), Some(30));
        assert_eq!(busy(at(100, 900), at(100, 900)), None, "no time went by");
        assert_eq!(busy(at(100, 900), at(90, 900)), None, "time went back");
        for bad in ["", "cpu", "cpu  a b c d", "cpu  1 2", "intr 1 2 3 4"] {
            assert_eq!(ticks(bad), None, "{bad}");
        }
        let mut cpu = Cpu::default();
        assert_eq!(
            cpu.percent(),
            None,
            "the first look knows nothing, and that is not 0"
        );
    }

    #[test]
    fn a_sensor_is_a_processors_or_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let (hwmon, thermal) = (dir.path().join("hwmon"), dir.path().join("thermal"));
        assert_eq!(celsius_in(&hwmon, &thermal), None, "no sensors");
        let put = |folder: &Path, files: &[(&str, &str)]| {
            fs::create_dir_all(folder).expect("made");
            for (name, text) in files {
                fs::write(folder.join(name), text).expect("written");
            }
        };
        put(
            &hwmon.join("hwmon0"),
            &[("name", "nvme\n"), ("temp1_input", "80000\n")],
        );
        assert_eq!(celsius_in(&hwmon, &thermal), None, "a disk is no processor");
        put(
            &thermal.join("thermal_zone0"),
            &[("type", "x86_pkg_temp\n"), ("temp", "51500\n")],
        );
        assert_eq!(celsius_in(&hwmon, &thermal), Some(52));
        put(
            &hwmon.join("hwmon1"),
            &[("name", "k10temp\n"), ("temp1_input", "44400\n")],
        );
        assert_eq!(celsius_in(&hwmon, &thermal), Some(44));
        put(&hwmon.join("hwmon1"), &[("temp1_input", "255000\n")]);
        assert_eq!(
            celsius_in(&hwmon, &thermal),
            Some(52),
            "a broken sensor is not believed"
        );
    }
}
