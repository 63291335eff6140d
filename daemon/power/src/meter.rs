//! The readings of one source: what it said last, how old that is, and whether it can be true.
//!
//! A value is `Good` for a few intervals, then `Stale`, then it is gone: no value stays for ever. Values that
//! cannot be true never get in. They are refused with their reason and counted, and what was known before
//! grows old as if nothing had been said.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use swarm_types::power::Quality;

/// What a source can measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Watts from the sun.
    Solar,
    /// Watts from the battery; below 0 into it.
    Battery,
    /// Watts that the site uses.
    Load,
    /// Watts from the grid; below 0 into it.
    Grid,
    /// Percent of the battery's capacity.
    Charge,
    /// 1 while a UPS lives on its battery, else 0.
    OnBattery,
    /// 1 when a UPS says that its battery will be empty soon, else 0.
    LowBattery,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Solar => "solar",
            Self::Battery => "battery",
            Self::Load => "load",
            Self::Grid => "grid",
            Self::Charge => "charge",
            Self::OnBattery => "on_battery",
            Self::LowBattery => "low_battery",
        })
    }
}

/// One value of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// What it is of.
    pub metric: Metric,
    /// Watts, percent, or 0 and 1 ([`Metric`]).
    pub value: f64,
}

/// A value as it may be used now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// `None` exactly when the quality is [`Quality::Unknown`].
    pub value: Option<f64>,
    /// How far to trust it.
    pub quality: Quality,
    /// Since it was read; also of a value that has grown too old to be used.
    pub age: Option<Duration>,
}

impl Seen {
    /// Nobody said anything.
    pub const UNKNOWN: Self = Self {
        value: None,
        quality: Quality::Unknown,
        age: None,
    };

    /// The value, when it is known at all.
    pub fn known(&self) -> Option<f64> {
        self.value
    }

    /// The value, when it is fresh or derived from fresh ones.
    pub fn fresh(&self) -> Option<f64> {
        let fresh = matches!(self.quality, Quality::Good | Quality::Estimated);
        self.value.filter(|_| fresh)
    }
}

/// Why a value was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Implausible {
    /// NaN or infinite.
    #[error("{0} is not a number")]
    NotANumber(Metric),
    /// Outside what the metric can be.
    #[error("{metric} of {value} is outside {low} to {high}")]
    Range {
        /// Of what.
        metric: Metric,
        /// What was read.
        value: f64,
        /// Smallest.
        low: f64,
        /// Largest.
        high: f64,
    },
    /// An empty battery that was not nearly empty before.
    #[error("charge of {value} % without a way there: the last that was believed is {}", last.map_or("none".into(), |l| format!("{l} %")))]
    FalseZero {
        /// What was read.
        value: f64,
        /// What was believed.
        last: Option<f64>,
    },
    /// A step that a battery cannot make.
    #[error(
        "charge went from {from} % to {to} % at once; it is believed when it stays for 5 minutes"
    )]
    Jump {
        /// What was believed.
        from: f64,
        /// What was read.
        to: f64,
    },
}

/// Charge below this is an empty battery.
const EMPTY_PERCENT: f64 = 1.0;
/// An empty battery is believed only after a charge at or below this.
const NEARLY_EMPTY_PERCENT: f64 = 10.0;
/// Largest step of the charge between two readings.
const JUMP_PERCENT: f64 = 20.0;
/// A larger step is believed after it stayed so long.
const JUMP_HOLD: Duration = Duration::from_secs(300);
/// After a silence so long a step says nothing.
const JUMP_MEMORY: Duration = Duration::from_secs(600);
/// What an inverter draws in standby: readings down to this count as 0 of sun or load.
const STANDBY_WATTS: f64 = 500.0;

/// How a source's readings grow old, and what they may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Time between reads.
    pub interval: Duration,
    /// A reading is stale after so many intervals.
    pub stale_intervals: u32,
    /// A reading is gone after so many intervals.
    pub unknown_intervals: u32,
    /// Largest power that is believed, watts.
    pub watts_max: f64,
    /// A power or charge other than 0 that did not change for so long is no reading any more.
    pub frozen_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    value: f64,
    at: Duration,
    changed_at: Duration,
    /// A charge that was refused as a jump, and since when it has been there.
    jump: Option<(f64, Duration)>,
}

/// The readings of one source. Times are of a clock that only runs forward.
#[derive(Clone, Debug)]
pub struct Meter {
    rules: Rules,
    cells: BTreeMap<Metric, Cell>,
    refused: u64,
    failed: u64,
    trouble: Option<String>,
}

impl Meter {
    /// A meter that has read nothing.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            cells: BTreeMap::new(),
            refused: 0,
            failed: 0,
            trouble: None,
        }
    }

    /// Takes in what a source answered; gives what was refused.
    pub fn take(&mut self, now: Duration, samples: &[Sample]) -> Vec<Implausible> {
        let mut refused = Vec::new();
        for sample in samples {
            match self.believe(now, *sample) {
                Ok(value) => self.keep(now, sample.metric, value),
                Err(implausible) => refused.push(implausible),
            }
        }
        self.refused = self.refused.saturating_add(refused.len() as u64);
        self.trouble = refused.last().map(ToString::to_string);
        refused
    }

    /// Notes that the source did not answer, and why.
    pub fn fail(&mut self, reason: String) {
        self.failed = self.failed.saturating_add(1);
        self.trouble = Some(reason);
    }

    /// Values that were refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Reads that failed so far.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// What is wrong with the last answer; `None` when nothing is.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// A value as it may be used at `now`.
    pub fn seen(&self, now: Duration, metric: Metric) -> Seen {
        let Some(cell) = self.cells.get(&metric) else {
            return Seen::UNKNOWN;
        };
        let age = now.saturating_sub(cell.at);
        let rules = &self.rules;
        let still = now.saturating_sub(cell.changed_at);
        let frozen = cell.value != 0.0 && rules.frozen_after.is_some_and(|most| still > most);
        let quality = if frozen || age > rules.interval * rules.unknown_intervals {
            Quality::Unknown
        } else if age > rules.interval * rules.stale_intervals {
            Quality::Stale
        } else {
            Quality::Good
        };
        Seen {
            value: (quality != Quality::Unknown).then_some(cell.value),
            quality,
            age: Some(age),
        }
    }

    fn keep(&mut self, now: Duration, metric: Metric, value: f64) {
        let before = self.cells.get(&metric);
        let same = before.filter(|before| before.value == value);
        let changed_at = same.map_or(now, |before| before.changed_at);
        let cell = Cell {
            value,
            at: now,
            changed_at,
            jump: None,
        };
        self.cells.insert(metric, cell);
    }

    fn believe(&mut self, now: Duration, sample: Sample) -> Result<f64, Implausible> {
        let Sample { metric, value } = sample;
        if !value.is_finite() {
            return Err(Implausible::NotANumber(metric));
        }
        let most = self.rules.watts_max;
        let (low, high) = match metric {
            Metric::Solar | Metric::Load => (-STANDBY_WATTS, most),
            Metric::Battery | Metric::Grid => (-most, most),
            Metric::Charge => (0.0, 100.0),
            Metric::OnBattery | Metric::LowBattery => (0.0, 1.0),
        };
        if !(low..=high).contains(&value) {
            return Err(Implausible::Range {
                metric,
                value,
                low,
                high,
            });
        }
        match metric {
            Metric::Solar | Metric::Load => Ok(value.max(0.0)),
            Metric::Charge => self.believe_charge(now, value),
            _ => Ok(value),
        }
    }

    fn believe_charge(&mut self, now: Duration, value: f64) -> Result<f64, Implausible> {
        let last = self.cells.get_mut(&Metric::Charge);
        let believed = last.as_ref().map(|cell| cell.value);
        if value < EMPTY_PERCENT && believed.is_none_or(|last| last > NEARLY_EMPTY_PERCENT) {
            return Err(Implausible::FalseZero {
                value,
                last: believed,
            });
        }
        let Some(cell) = last else {
            return Ok(value);
        };
        let recent = now.saturating_sub(cell.at) <= JUMP_MEMORY;
        if !recent || (value - cell.value).abs() <= JUMP_PERCENT {
            return Ok(value);
        }
        let since = match cell.jump {
            Some((to, since)) if (to - value).abs() <= JUMP_PERCENT => since,
            _ => now,
        };
        cell.jump = Some((value, since));
        if now.saturating_sub(since) >= JUMP_HOLD {
            return Ok(value);
        }
        Err(Implausible::Jump {
            from: cell.value,
            to: value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        interval: Duration::from_secs(10),
        stale_intervals: 3,
        unknown_intervals: 12,
        watts_max: 100_000.0,
        frozen_after: None,
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn charge(value: f64) -> [Sample; 1] {
        [Sample {
            metric: Metric::Charge,
            value,
        }]
    }

    #[test]
    fn a_value_grows_old_and_is_gone() {
        let mut meter = Meter::new(RULES);
        assert_eq!(meter.seen(at(0), Metric::Charge), Seen::UNKNOWN);
        meter.take(at(0), &charge(55.0));
        let seen = |t| {
            let seen = meter.seen(at(t), Metric::Charge);
            (seen.value, seen.quality, seen.age)
        };
        assert_eq!(seen(30), (Some(55.0), Quality::Good, Some(at(30))));
        assert_eq!(seen(31), (Some(55.0), Quality::Stale, Some(at(31))));
        assert_eq!(seen(120), (Some(55.0), Quality::Stale, Some(at(120))));
        assert_eq!(seen(121), (None, Quality::Unknown, Some(at(121))));
    }

    #[test]
    fn what_cannot_be_true_is_refused_by_name_and_counted() {
        let mut meter = Meter::new(RULES);
        let refused = |meter: &mut Meter, metric, value: f64| {
            let refused = meter.take(at(1), &[Sample { metric, value }]);
            refused.first().map(ToString::to_string)
        };
        let range = "charge of 120 is outside 0 to 100";
        assert_eq!(
            refused(&mut meter, Metric::Charge, 120.0).as_deref(),
            Some(range)
        );
        let range = "grid of 4000000000 is outside -100000 to 100000";
        assert_eq!(
            refused(&mut meter, Metric::Grid, 4e9).as_deref(),
            Some(range)
        );
        let text = "solar is not a number";
        assert_eq!(
            refused(&mut meter, Metric::Solar, f64::NAN).as_deref(),
            Some(text)
        );
        assert!(refused(&mut meter, Metric::Load, -501.0).is_some());
        assert_eq!(meter.refused(), 4);
        assert!(meter.trouble().is_some_and(|text| text.contains("load")));
        assert_eq!(refused(&mut meter, Metric::Solar, -40.0), None);
        assert_eq!(meter.seen(at(1), Metric::Solar).value, Some(0.0), "standby");
        assert_eq!(meter.trouble(), None);
    }

    #[test]
    fn zero_percent_needs_a_way_there() {
        let mut meter = Meter::new(RULES);
        let zero = charge(0.0);
        let Some(Implausible::FalseZero { last: None, .. }) = meter.take(at(0), &zero).pop() else {
            panic!("believed at start");
        };
        meter.take(at(10), &charge(62.0));
        // An inverter that answers 0 for a whole night is never believed, and the 62 % is not kept either.
        for t in (20..40_000).step_by(10) {
            assert_eq!(meter.take(at(t), &zero).len(), 1, "at {t}");
        }
        assert_eq!(meter.seen(at(40_000), Metric::Charge).value, None);
        meter.take(at(40_010), &charge(12.0));
        assert_eq!(meter.take(at(40_020), &zero).len(), 1, "from 12 %");
        meter.take(at(40_030), &charge(9.0));
        assert!(meter.take(at(40_040), &zero).is_empty(), "from 9 %");
    }

    #[test]
    fn a_jump_is_believed_when_it_stays() {
        let mut meter = Meter::new(RULES);
        meter.take(at(0), &charge(80.0));
        assert_eq!(meter.take(at(10), &charge(30.0)).len(), 1);
        meter.take(at(20), &charge(79.0));
        let mut believed = None;
        for t in (30..=400).step_by(10) {
            if meter.take(at(t), &charge(30.0)).is_empty() {
                believed = believed.or(Some(t));
            }
        }
        assert_eq!(believed, Some(330), "5 minutes after the second one began");
    }

    #[test]
    fn a_frozen_value_is_no_reading() {
        let rules = Rules {
            frozen_after: Some(at(3_600)),
            ..RULES
        };
        let mut meter = Meter::new(rules);
        let solar = |value| {
            [Sample {
                metric: Metric::Solar,
                value,
            }]
        };
        (0..=3_700).step_by(10).for_each(|t| {
            meter.take(at(t), &solar(812.0));
        });
        assert_eq!(
            meter.seen(at(3_700), Metric::Solar).quality,
            Quality::Unknown
        );
        meter.take(at(3_710), &solar(813.0));
        assert_eq!(meter.seen(at(3_710), Metric::Solar).quality, Quality::Good);
        // A night of 0 W is no frozen sensor.
        (3_720..=40_000).step_by(10).for_each(|t| {
            meter.take(at(t), &solar(0.0));
        });
        assert_eq!(meter.seen(at(40_000), Metric::Solar).value, Some(0.0));
    }
}
