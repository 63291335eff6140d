//! What the queen says of the site's power, and what a job says of it later.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use swarm_power::mix::Heard;
use swarm_types::power::{PowerRecord, Quality, Reading};

/// The energy of a job as JSON, beside the report. Not in it: the report of the same scan on the same engine is the same.
pub const POWER_FILE: &str = "power.json";

/// What was heard of the site's power.
pub(crate) struct SitePower {
    began: Instant,
    heard: Mutex<Heard>,
}

impl SitePower {
    /// Nothing was heard yet.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            heard: Mutex::default(),
        }
    }

    /// Now, on the clock of [`Self::record`].
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Takes in the site's mix.
    pub fn hear(&self, mix: PowerRecord) {
        let now = self.now();
        self.lock().hear(now, mix);
    }

    /// What a job that began at `start` and ends now ran on.
    pub fn record(&self, start: Duration) -> PowerRecord {
        self.lock().record(start, self.now())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        // No code under this lock panics half-way through a change.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A share of a job's energy, in the result.
#[derive(Serialize)]
struct Share {
    /// Percent; null when nobody measured it, which is not 0.
    percent: Option<f64>,
    quality: Quality,
}

/// [`POWER_FILE`].
#[derive(Serialize)]
struct PowerFile<'a> {
    meter: &'a str,
    age_seconds: Option<u32>,
    solar: Share,
    battery: Share,
    grid: Share,
}

/// The energy of a job for its client; `None` on a rack without a meter.
pub(crate) fn power_file(record: &PowerRecord) -> Option<Vec<u8>> {
    if *record == PowerRecord::unknown() {
        return None;
    }
    let share = |reading| match reading {
        Reading::Bps(bps) => Share {
            percent: Some(f64::from(bps) / 100.0),
            quality: record.quality,
        },
        Reading::Unknown => Share {
            percent: None,
            quality: Quality::Unknown,
        },
    };
    let file = PowerFile {
        meter: &record.meter,
        age_seconds: record.age_seconds,
        solar: share(record.solar),
        battery: share(record.battery),
        grid: share(record.grid),
    };
    Some(serde_json::to_vec_pretty(&file).expect("plain data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_share_has_its_quality_and_unknown_is_null() {
        assert_eq!(power_file(&PowerRecord::unknown()), None);
        let record = PowerRecord {
            meter: "site:sunspec".into(),
            quality: Quality::Estimated,
            age_seconds: Some(4),
            solar: Reading::Bps(9_950),
            battery: Reading::Bps(50),
            grid: Reading::Unknown,
        };
        let file: serde_json::Value =
            serde_json::from_slice(&power_file(&record).expect("a file")).expect("JSON");
        let expected = serde_json::json!({
            "meter": "site:sunspec",
            "age_seconds": 4,
            "solar": { "percent": 99.5, "quality": "estimated" },
            "battery": { "percent": 0.5, "quality": "estimated" },
            "grid": { "percent": null, "quality": "unknown" },
        });
        assert_eq!(file, expected);
    }
}
