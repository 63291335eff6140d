//! The ladder's thresholds, with their checks.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::Span;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// A time of the day, minutes after midnight: `"22:30"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(pub(super) u16);

/// What local time is ahead of UTC, minutes: `"+02:00"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UtcOffset(pub(super) i16);

fn clock(text: &str, hours: u16) -> Option<u16> {
    let (h, m) = text.split_once(':')?;
    let two = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    let (h, m): (u16, u16) = (two(h) && two(m)).then(|| h.parse().ok().zip(m.parse().ok()))??;
    (h <= hours && m < 60).then_some(h * 60 + m)
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:02}:{:02}", self.0 / 60, self.0 % 60))
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = clock(&text, 23).map(Self);
        time.ok_or_else(|| {
            D::Error::custom(format!("'{text}' is not a time of the day such as 22:30"))
        })
    }
}

impl Serialize for UtcOffset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs();
        serializer.collect_str(&format_args!(
            "{sign}{:02}:{:02}",
            minutes / 60,
            minutes % 60
        ))
    }
}

impl<'de> Deserialize<'de> for UtcOffset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let minutes = |text: &str, sign: i16| Some(sign * i16::try_from(clock(text, 14)?).ok()?);
        let offset = match text.split_at_checked(1) {
            Some(("+", rest)) => minutes(rest, 1),
            Some(("-", rest)) => minutes(rest, -1),
            _ => None,
        };
        let offset = offset.map(Self);
        offset.ok_or_else(|| D::Error::custom(format!("'{text}' is not an offset such as +02:00")))
    }
}

/// A part of the day in which the rack is to be quiet; it may go over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// From this minute.
    pub from: TimeOfDay,
    /// Up to this minute, which is not quiet any more.
    pub to: TimeOfDay,
}

/// When there is more energy than the site needs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SurplusConfig {
    /// Sun minus load that begins a surplus, watts. Give it what the additional bees draw.
    pub watts: u32,
    /// Sun minus load below which it ends, watts; below 0 the site may take so much from battery or grid.
    pub until_watts: i32,
    /// The battery comes first: no surplus below this charge, percent.
    pub charge_percent: u8,
    /// A battery at this charge that gives nothing is a surplus, whatever the sun is measured at: inverters without
    /// grid throttle the sun when nobody takes it. Percent.
    pub full_percent: u8,
    /// How long it must be there before it counts.
    pub delay: Span,
    /// How long it must be gone before it ends.
    pub until_delay: Span,
}

impl Default for SurplusConfig {
    fn default() -> Self {
        Self {
            watts: 500,
            until_watts: 0,
            charge_percent: 80,
            full_percent: 97,
            delay: Span::seconds(300),
            until_delay: Span::seconds(120),
        }
    }
}

/// GPU power limits by rung, percent of the device's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GpuLimits {
    /// On surplus.
    pub surplus: u8,
    /// Normally.
    pub normal: u8,
    /// While energy is short.
    pub conserve: u8,
    /// While what runs ends.
    pub critical: u8,
}

impl Default for GpuLimits {
    fn default() -> Self {
        Self {
            surplus: 100,
            normal: 100,
            conserve: 70,
            critical: 60,
        }
    }
}

/// The ladder's thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Charge that is not the rack's to use, percent: at it machines are off.
    pub reserve_percent: u8,
    /// Charge at which it becomes critical, so that what runs can end before the reserve; `reserve_percent` + 5 when
    /// absent.
    pub critical_percent: Option<u8>,
    /// Charge at which it begins to conserve; `reserve_percent` + 15 when absent.
    pub conserve_percent: Option<u8>,
    /// Charge at which the rack comes back; `conserve_percent` + 5 when absent.
    pub resume_percent: Option<u8>,
    /// What the charge must be above a threshold for the way back, percent.
    pub hysteresis_percent: u8,
    /// Most that the site may take from the grid (where that is not measured: use), watts.
    pub site_cap_watts: Option<u32>,
    /// When there is more energy than the site needs.
    pub surplus: SurplusConfig,
    /// Hours in which only jobs run that cannot wait.
    pub quiet_hours: Vec<QuietHours>,
    /// What the quiet hours' clock is ahead of UTC.
    pub utc_offset: UtcOffset,
    /// How long something better must be there before the ladder steps up.
    pub up_delay: Span,
    /// While it conserves, a job may wait until its deadline is so near.
    pub defer_until: Span,
    /// How long running jobs may take to end when it is critical.
    pub drain_time: Span,
    /// A machine that was shut down wakes by its clock after so long, to look again.
    pub wake_every: Span,
    /// GPU power limits.
    pub gpu_limit_percent: GpuLimits,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            reserve_percent: 20,
            critical_percent: None,
            conserve_percent: None,
            resume_percent: None,
            hysteresis_percent: 3,
            site_cap_watts: None,
            surplus: SurplusConfig::default(),
            quiet_hours: Vec::new(),
            utc_offset: UtcOffset::default(),
            up_delay: Span::seconds(300),
            defer_until: Span::seconds(3_600),
            drain_time: Span::seconds(600),
            wake_every: Span::seconds(3_600),
            gpu_limit_percent: GpuLimits::default(),
        }
    }
}

impl PolicyConfig {
    /// Charge at which it becomes critical.
    pub fn critical(&self) -> u8 {
        let by_reserve = self.reserve_percent.saturating_add(5).min(98);
        self.critical_percent.unwrap_or(by_reserve)
    }

    /// Charge at which it begins to conserve.
    pub fn conserve(&self) -> u8 {
        let by_reserve = self.reserve_percent.saturating_add(15).min(99);
        self.conserve_percent.unwrap_or(by_reserve)
    }

    /// Charge at which the rack comes back.
    pub fn resume(&self) -> u8 {
        let by_conserve = self.conserve().saturating_add(5).min(100);
        self.resume_percent.unwrap_or(by_conserve)
    }

    pub(crate) fn check(&self, refuse: &mut dyn FnMut(bool, String)) {
        let at = "power.policy";
        let percents = [
            ("reserve_percent", Some(self.reserve_percent)),
            ("critical_percent", self.critical_percent),
            ("conserve_percent", self.conserve_percent),
            ("resume_percent", self.resume_percent),
            ("hysteresis_percent", Some(self.hysteresis_percent)),
            ("surplus.charge_percent", Some(self.surplus.charge_percent)),
            ("surplus.full_percent", Some(self.surplus.full_percent)),
            (
                "gpu_limit_percent.surplus",
                Some(self.gpu_limit_percent.surplus),
            ),
            (
                "gpu_limit_percent.normal",
                Some(self.gpu_limit_percent.normal),
            ),
            (
                "gpu_limit_percent.conserve",
                Some(self.gpu_limit_percent.conserve),
            ),
            (
                "gpu_limit_percent.critical",
                Some(self.gpu_limit_percent.critical),
            ),
        ];
        let mut sound = true;
        for (key, percent) in percents {
            let Some(percent) = percent.filter(|percent| *percent > 100) else {
                continue;
            };
            sound = false;
            refuse(true, format!("{at}.{key}: {percent} is not 0 to 100"));
        }
        if sound {
            let (reserve, critical) = (self.reserve_percent, self.critical());
            let (conserve, resume) = (self.conserve(), self.resume());
            refuse(
                !(reserve < critical && critical < conserve && critical < resume),
                format!(
                    "{at}: reserve_percent {reserve} < critical_percent {critical} < conserve_percent {conserve} and critical_percent < resume_percent {resume} must hold"
                ),
            );
        }
        refuse(
            self.surplus.until_watts >= i32::try_from(self.surplus.watts).unwrap_or(i32::MAX),
            format!("{at}.surplus.until_watts: must be below watts"),
        );
        refuse(
            self.site_cap_watts == Some(0),
            format!("{at}.site_cap_watts: must not be 0"),
        );
        for quiet in &self.quiet_hours {
            refuse(
                quiet.from == quiet.to,
                format!("{at}.quiet_hours: from and to must be different"),
            );
        }
        for (key, span, most) in [
            ("up_delay", self.up_delay, 3_600),
            ("defer_until", self.defer_until, 7 * DAY),
            ("drain_time", self.drain_time, 3_600),
            ("wake_every", self.wake_every, DAY),
            ("surplus.delay", self.surplus.delay, 3_600),
            ("surplus.until_delay", self.surplus.until_delay, 3_600),
        ] {
            refuse(
                span.0 > Duration::from_secs(most),
                format!("{at}.{key}: must be at most {}", Span::seconds(most)),
            );
        }
        refuse(
            self.wake_every.0 < Duration::from_secs(60),
            format!("{at}.wake_every: must be at least 1m"),
        );
    }

    /// Whether this moment is in one of the quiet hours.
    pub(super) fn quiet(&self, wall_seconds: u64) -> bool {
        let local = wall_seconds.saturating_add_signed(i64::from(self.utc_offset.0) * 60);
        let minute = (local % DAY / 60) as u16;
        self.quiet_hours.iter().any(|quiet| {
            let (from, to) = (quiet.from.0, quiet.to.0);
            match from < to {
                true => (from..to).contains(&minute),
                false => minute >= from || minute < to,
            }
        })
    }
}
