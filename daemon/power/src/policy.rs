//! The ladder: surplus, normal, conserve, critical.
//!
//! | Rung | What the rack does |
//! |---|---|
//! | surplus | every bee works, also those that are for surplus only |
//! | normal | every bee but those |
//! | conserve | only jobs whose deadline is near |
//! | critical | no new job; what runs ends, then the machines shut down and come back at `resume_percent` |
//!
//! A state machine without clock and IO: [`Policy::step`] is told the time and what the site looks like. It steps
//! down after a short time and up only after a long one, and each threshold has another one for the way back, so
//! that it does not flap. An unknown charge is neither empty nor full: it means conserve.

mod config;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use config::{GpuLimits, PolicyConfig, QuietHours, SurplusConfig, TimeOfDay, UtcOffset};

use crate::Span;
use crate::site::View;

/// How long something worse must be there before the ladder steps down.
const DOWN_DELAY: Duration = Duration::from_secs(30);
/// A site under its cap by this part of it is under it.
const CAP_RETURN: f64 = 0.9;
/// A battery that gives less than this is not being used up, watts.
const IDLE_WATTS: f64 = 50.0;

/// A rung of the ladder, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rung {
    /// No new job, then off.
    Critical,
    /// Only what cannot wait.
    Conserve,
    /// Work.
    Normal,
    /// Work more.
    Surplus,
}

impl Rung {
    /// As the API says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Conserve => "conserve",
            Self::Normal => "normal",
            Self::Surplus => "surplus",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the rack does now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Where the ladder stands.
    pub rung: Rung,
    /// Why, in a sentence.
    pub reason: String,
    /// Unix seconds since when.
    pub since: u64,
    /// Machines are to be off.
    pub shut_down: bool,
    /// When a machine that shuts down should wake by its clock, Unix seconds.
    pub wake_at: Option<u64>,
    /// GPU power limit, percent of the device's own.
    pub gpu_limit_percent: u8,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Policy {
    config: PolicyConfig,
    rung: Rung,
    reason: String,
    /// Unix seconds.
    since: u64,
    /// Of the clock that only runs forward.
    since_running: Duration,
    /// Since when something worse, or better, has been there without a break; of something better, the worst of it.
    worse: Option<Duration>,
    better: Option<(Duration, Rung)>,
    shut_down: bool,
}

/// What the site's state asks for.
struct Wanted {
    rung: Rung,
    reason: String,
    /// Not to be waited for.
    at_once: bool,
}

impl Policy {
    /// A ladder that stands on `rung`: where it stood before a restart, or on conserve, because nothing is known
    /// yet.
    pub fn new(config: PolicyConfig, rung: Rung, now: Duration, wall_seconds: u64) -> Self {
        Self {
            config,
            rung,
            reason: "nothing was read yet".into(),
            since: wall_seconds,
            since_running: now,
            worse: None,
            better: None,
            shut_down: false,
        }
    }

    /// Where the ladder stands.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// One step. `now` is of a clock that only runs forward, `wall_seconds` is Unix time; `busy` says whether any
    /// bee still has a job.
    pub fn step(&mut self, now: Duration, wall_seconds: u64, view: &View, busy: bool) -> Decision {
        let wanted = self.wanted(wall_seconds, view);
        if wanted.rung == self.rung {
            self.reason = wanted.reason;
            (self.worse, self.better) = (None, None);
        } else if wanted.rung < self.rung {
            self.better = None;
            let since = *self.worse.get_or_insert(now);
            let leaves_surplus = self.rung == Rung::Surplus && wanted.rung == Rung::Normal;
            let delay = match leaves_surplus {
                true => self.config.surplus.until_delay.0,
                false => DOWN_DELAY,
            };
            if wanted.at_once || now.saturating_sub(since) >= delay {
                self.go(now, wall_seconds, wanted);
            }
        } else {
            self.worse = None;
            let (since, worst) = *self.better.get_or_insert((now, wanted.rung));
            // What was there all the time is what counts.
            let rung = worst.min(wanted.rung);
            self.better = Some((since, rung));
            let delay = match rung {
                Rung::Surplus => self.config.surplus.delay.0.max(self.config.up_delay.0),
                _ => self.config.up_delay.0,
            };
            if now.saturating_sub(since) >= delay {
                self.go(now, wall_seconds, Wanted { rung, ..wanted });
            } else {
                self.reason = format!(
                    "{}: {rung} when it has been so for {}",
                    wanted.reason,
                    Span(delay)
                );
            }
        }
        self.shut_down =
            self.rung == Rung::Critical && (self.shut_down || !busy || self.must_end(now, view));
        let limits = &self.config.gpu_limit_percent;
        Decision {
            rung: self.rung,
            reason: self.reason.clone(),
            since: self.since,
            shut_down: self.shut_down,
            wake_at: self
                .shut_down
                .then(|| wall_seconds + self.config.wake_every.as_seconds_down()),
            gpu_limit_percent: match self.rung {
                Rung::Surplus => limits.surplus,
                Rung::Normal => limits.normal,
                Rung::Conserve => limits.conserve,
                Rung::Critical => limits.critical,
            },
        }
    }

    /// Whether running jobs had their time, or the reserve is reached.
    fn must_end(&self, now: Duration, view: &View) -> bool {
        let drained = now.saturating_sub(self.since_running) >= self.config.drain_time.0;
        let reserve = f64::from(self.config.reserve_percent) + 1.0;
        drained || view.charge.known().is_some_and(|charge| charge <= reserve)
    }

    fn go(&mut self, now: Duration, wall_seconds: u64, wanted: Wanted) {
        self.rung = wanted.rung;
        self.reason = wanted.reason;
        self.since = wall_seconds;
        self.since_running = now;
        (self.worse, self.better) = (None, None);
    }

    fn wanted(&self, wall_seconds: u64, view: &View) -> Wanted {
        let config = &self.config;
        let want = |rung, reason: String| Wanted {
            rung,
            reason,
            at_once: false,
        };
        if view.low_battery == Some(true) {
            let reason = "the UPS says that its battery is nearly empty".into();
            return Wanted {
                rung: Rung::Critical,
                reason,
                at_once: true,
            };
        }
        let slack = f64::from(config.hysteresis_percent);
        if view.has_battery {
            let Some(charge) = view.charge.known() else {
                let age = view.charge.age.map(|age| age.as_secs() / 60);
                let age = age.map_or("nothing was ever read".into(), |minutes| {
                    format!("the last reading is {minutes} min old")
                });
                // Neither empty nor full: it does not stop what runs, and does not start what stopped.
                return match self.rung {
                    Rung::Critical => want(
                        Rung::Critical,
                        format!("it was critical, and the battery's charge is unknown: {age}"),
                    ),
                    _ => want(
                        Rung::Conserve,
                        format!("the battery's charge is unknown: {age}"),
                    ),
                };
            };
            let is = format!("the battery is at {charge:.0} %");
            let (critical, resume) = (config.critical(), config.resume());
            if self.rung == Rung::Critical && charge < f64::from(resume) {
                return want(
                    Rung::Critical,
                    format!("{is}; the rack comes back at {resume} %"),
                );
            }
            if charge <= f64::from(critical) {
                return want(
                    Rung::Critical,
                    format!("{is}, critical is {critical} % and less"),
                );
            }
            let conserve = f64::from(config.conserve());
            let back = if self.rung <= Rung::Conserve {
                conserve + slack
            } else {
                conserve
            };
            if charge <= back {
                return want(
                    Rung::Conserve,
                    format!("{is}, energy is short at {back} % and less"),
                );
            }
        }
        if view.on_battery == Some(true) {
            return want(Rung::Conserve, "the UPS lives on its battery".into());
        }
        if let Some(cap) = config.site_cap_watts {
            let taken = view.grid.known().or(view.load.known());
            let limit = f64::from(cap)
                * if self.rung <= Rung::Conserve {
                    CAP_RETURN
                } else {
                    1.0
                };
            if let Some(taken) = taken.filter(|taken| *taken > limit) {
                let reason = format!("the site takes {taken:.0} W, its cap is {cap} W");
                return want(Rung::Conserve, reason);
            }
        }
        if config.quiet(wall_seconds) {
            return want(Rung::Conserve, "it is a quiet hour".into());
        }
        match self.surplus(view, slack) {
            Some(reason) => want(Rung::Surplus, reason),
            None => want(
                Rung::Normal,
                "there is energy enough, and no surplus".into(),
            ),
        }
    }

    /// Why there is more energy than the site needs, if there is. Only fresh readings say so.
    fn surplus(&self, view: &View, slack: f64) -> Option<String> {
        let surplus = &self.config.surplus;
        let already = self.rung == Rung::Surplus;
        let slack = if already { slack } else { 0.0 };
        if view.has_battery {
            let charge = view.charge.fresh()?;
            if charge < f64::from(surplus.charge_percent) - slack {
                return None;
            }
            let full = charge >= f64::from(surplus.full_percent) - slack;
            if full
                && view
                    .battery
                    .fresh()
                    .is_some_and(|watts| watts <= IDLE_WATTS)
            {
                return Some(format!(
                    "the battery is full at {charge:.0} % and gives nothing"
                ));
            }
        }
        let spare = view.solar.fresh()? - view.load.fresh()?;
        let enough = match already {
            true => f64::from(surplus.until_watts),
            false => f64::from(surplus.watts),
        };
        (spare >= enough).then(|| format!("the sun gives {spare:.0} W more than the site uses"))
    }
}

#[cfg(test)]
mod tests;
