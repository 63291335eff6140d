//! Which share of the site's energy came from sun, battery and grid: at one moment, and over a job.

use std::collections::VecDeque;
use std::time::Duration;

use swarm_types::power::{PowerRecord, Quality, Reading};

use crate::site::{Site, View};

/// Basis points of a whole.
const WHOLE_BPS: u16 = 10_000;
/// Mixes that a bee remembers: a day of heartbeats.
const REMEMBERED_MAX: usize = 2_880;

/// The mix of this moment. What the sun gives goes to the load first, then the battery, and the grid gives the
/// rest: charging and feeding in are not paid for by a job. A share of the whole site is an estimate of a job's.
pub fn mix(site: &Site, view: &View, meter: String) -> PowerRecord {
    use crate::meter::Metric;
    // What is not there gives nothing; what is there and silent makes the mix unknown.
    let given = |metric, seen: crate::meter::Seen| match site.measures(metric) {
        true => seen.value,
        false => Some(0.0),
    };
    let solar = given(Metric::Solar, view.solar);
    let battery = given(Metric::Battery, view.battery);
    let (Some(load), Some(solar), Some(battery)) = (view.load.value, solar, battery) else {
        return nothing(&meter);
    };
    if load <= 0.0 {
        return nothing(&meter);
    }
    let from_sun = solar.clamp(0.0, load);
    let from_battery = battery.clamp(0.0, load - from_sun);
    // Multiplied before it is divided: 290 of 1 000 W are 2 900, not 2 899.
    let bps = |watts: f64| (watts * f64::from(WHOLE_BPS) / load) as u16;
    let (sun, store) = (bps(from_sun), bps(from_battery));
    let parts = [view.solar, view.battery, view.load];
    let stale = parts.iter().any(|seen| seen.quality == Quality::Stale);
    let age = parts.iter().filter_map(|seen| seen.age).max();
    PowerRecord {
        meter,
        quality: if stale {
            Quality::Stale
        } else {
            Quality::Estimated
        },
        age_seconds: age.map(|age| u32::try_from(age.as_secs()).unwrap_or(u32::MAX)),
        solar: Reading::Bps(sun),
        battery: Reading::Bps(store),
        grid: Reading::Bps(WHOLE_BPS - sun - store),
    }
}

/// The meter is there and says nothing.
fn nothing(meter: &str) -> PowerRecord {
    PowerRecord {
        meter: meter.into(),
        ..PowerRecord::unknown()
    }
}

/// What a bee heard of the site's mix, to say later what a job ran on. Times are of a clock that only runs
/// forward.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    mixes: VecDeque<(Duration, PowerRecord)>,
}

impl Heard {
    /// Takes in what the queen said.
    pub fn hear(&mut self, now: Duration, mix: PowerRecord) {
        if self.mixes.len() >= REMEMBERED_MAX {
            self.mixes.pop_front();
        }
        self.mixes.push_back((now, mix));
    }

    /// The power record of a job that ran from `start` to `end`: shares weighted by the time for which each mix
    /// was the newest. Unknown as soon as it was unknown for a part of that time.
    pub fn record(&self, start: Duration, end: Duration) -> PowerRecord {
        // In whole nanoseconds: a mix that did not change is said as it was heard.
        let mut weighed = [0_u128; 2];
        let (mut whole, mut stale) = (0_u128, false);
        let mut last = None;
        let ends = self.mixes.iter().skip(1).map(|(at, _)| *at);
        let ends = ends.chain([Duration::MAX]);
        for (place, ((at, mix), until)) in self.mixes.iter().zip(ends).enumerate() {
            // A job's own heartbeat comes just after its start: the first mix stands for that moment too.
            let early = place == 0 && *at <= start + FIRST_HEARD;
            let from = if early { start } else { (*at).max(start) };
            let to = until.min(end);
            // A job of no time at all has the mix of its moment.
            let moment = start == end && from == end && until > end;
            if to <= from && !moment {
                continue;
            }
            let (Reading::Bps(solar), Reading::Bps(battery), Reading::Bps(_)) =
                (mix.solar, mix.battery, mix.grid)
            else {
                return nothing(&mix.meter);
            };
            let weight = to.saturating_sub(from).as_nanos().max(1);
            weighed[0] += u128::from(solar) * weight;
            weighed[1] += u128::from(battery) * weight;
            whole += weight;
            stale |= mix.quality == Quality::Stale;
            last = Some((*at, mix));
        }
        let Some((at, mix)) = last else {
            return PowerRecord::unknown();
        };
        if (end.saturating_sub(at)) > HEARD_MAX {
            return nothing(&mix.meter);
        }
        let [solar, battery] = weighed.map(|share| (share / whole) as u16);
        let age = end.saturating_sub(at).as_secs() + u64::from(mix.age_seconds.unwrap_or(0));
        PowerRecord {
            meter: mix.meter.clone(),
            quality: if stale {
                Quality::Stale
            } else {
                Quality::Estimated
            },
            age_seconds: Some(u32::try_from(age).unwrap_or(u32::MAX)),
            solar: Reading::Bps(solar),
            battery: Reading::Bps(battery),
            grid: Reading::Bps(WHOLE_BPS - solar - battery),
        }
    }
}

/// How long after a job's start the first mix may be heard.
const FIRST_HEARD: Duration = Duration::from_secs(10);
/// A mix older than this at a job's end says nothing of it: three heartbeats.
const HEARD_MAX: Duration = Duration::from_secs(95);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{Metric, Sample};

    fn said(solar: u16, battery: u16, quality: Quality) -> PowerRecord {
        PowerRecord {
            meter: "site:victron_mqtt".into(),
            quality,
            age_seconds: Some(4),
            solar: Reading::Bps(solar),
            battery: Reading::Bps(battery),
            grid: Reading::Bps(10_000 - solar - battery),
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_sun_serves_the_load_before_battery_and_grid() {
        let text = "[[source]]\nname = 'gx'\nkind = 'victron_modbus'\naddress = 'x'\n";
        let config = toml::from_str(text).expect("parses");
        let mut site = Site::new(&config);
        let mut shares = |solar, battery, load| {
            let values = [
                (Metric::Solar, solar),
                (Metric::Battery, battery),
                (Metric::Load, load),
            ];
            let samples = values.map(|(metric, value)| Sample { metric, value });
            site.take(at(0), 0, &samples);
            let mix = mix(&site, &site.view(at(7)), site.meter_name());
            (
                mix.solar,
                mix.battery,
                mix.grid,
                mix.quality,
                mix.age_seconds,
            )
        };
        let bps = Reading::Bps;
        let estimated = Quality::Estimated;
        assert_eq!(
            shares(500.0, 300.0, 1_000.0),
            (bps(5_000), bps(3_000), bps(2_000), estimated, Some(7))
        );
        assert_eq!(
            shares(3_000.0, -2_000.0, 1_000.0),
            (bps(10_000), bps(0), bps(0), estimated, Some(7))
        );
        assert_eq!(
            shares(0.0, 1_500.0, 1_000.0),
            (bps(0), bps(10_000), bps(0), estimated, Some(7))
        );
        // Shares that no float holds exactly are not a basis point short.
        assert_eq!(
            shares(290.0, 570.0, 1_000.0),
            (bps(2_900), bps(5_700), bps(1_400), estimated, Some(7))
        );
        let nothing = shares(0.0, 0.0, 0.0);
        assert_eq!((nothing.0, nothing.3), (Reading::Unknown, Quality::Unknown));
    }

    #[test]
    fn a_silent_meter_makes_the_mix_unknown_and_not_zero() {
        let text = "[[source]]\nname = 'gx'\nkind = 'victron_modbus'\naddress = 'x'\n";
        let site = Site::new(&toml::from_str(text).expect("parses"));
        let mix = mix(&site, &site.view(at(0)), site.meter_name());
        assert_eq!(
            (mix.solar, mix.quality, mix.age_seconds),
            (Reading::Unknown, Quality::Unknown, None)
        );
        assert_eq!(mix.meter, "site:victron_modbus");
    }

    #[test]
    fn a_job_has_the_mix_of_its_time() {
        let mut heard = Heard::default();
        assert_eq!(heard.record(at(0), at(9)), PowerRecord::unknown());
        heard.hear(at(0), said(10_000, 0, Quality::Estimated));
        heard.hear(at(30), said(0, 10_000, Quality::Estimated));
        heard.hear(at(60), said(0, 0, Quality::Estimated));
        let record = heard.record(at(15), at(60));
        assert_eq!(record.solar, Reading::Bps(3_333));
        assert_eq!(record.battery, Reading::Bps(6_666));
        assert_eq!(record.grid, Reading::Bps(1));
        assert_eq!(
            (record.quality, record.age_seconds),
            (Quality::Estimated, Some(34))
        );
        // A job between two heartbeats, and one that ended the moment it began.
        assert_eq!(heard.record(at(31), at(40)).battery, Reading::Bps(10_000));
        assert_eq!(heard.record(at(40), at(40)).battery, Reading::Bps(10_000));
        // The queen has been away for too long.
        assert_eq!(heard.record(at(40), at(200)).quality, Quality::Unknown);
    }

    #[test]
    fn a_mix_that_does_not_change_is_said_as_it_was_heard() {
        let mix = said(7_500, 2_000, Quality::Estimated);
        // Lengths that no float of seconds holds exactly, cut by a heartbeat anywhere.
        for nanos in (1..5_000_000_000_u64).step_by(7_654_321) {
            let mut heard = Heard::default();
            heard.hear(at(0), mix.clone());
            heard.hear(at(1) + Duration::from_nanos(nanos / 3), mix.clone());
            let record = heard.record(at(1), at(1) + Duration::from_nanos(nanos));
            let shares = (record.solar, record.battery, record.grid);
            assert_eq!(shares, (mix.solar, mix.battery, mix.grid), "{nanos} ns");
        }
    }

    #[test]
    fn the_heartbeat_just_after_the_start_stands_for_the_start() {
        let mut heard = Heard::default();
        heard.hear(at(12), said(2_500, 2_500, Quality::Stale));
        let record = heard.record(at(10), at(20));
        assert_eq!(
            (record.solar, record.quality),
            (Reading::Bps(2_500), Quality::Stale)
        );
        assert_eq!(record.age_seconds, Some(12));
        assert_eq!(
            heard.record(at(1), at(11)).quality,
            Quality::Unknown,
            "heard after its end"
        );
    }

    #[test]
    fn one_unknown_part_makes_the_whole_unknown() {
        let mut heard = Heard::default();
        heard.hear(at(0), said(10_000, 0, Quality::Estimated));
        let mut silent = said(0, 0, Quality::Unknown);
        (silent.solar, silent.battery, silent.grid) =
            (Reading::Unknown, Reading::Unknown, Reading::Unknown);
        heard.hear(at(30), silent);
        heard.hear(at(60), said(10_000, 0, Quality::Estimated));
        assert_eq!(heard.record(at(0), at(70)).solar, Reading::Unknown);
        assert_eq!(heard.record(at(0), at(20)).solar, Reading::Bps(10_000));
        assert_eq!(heard.record(at(61), at(70)).solar, Reading::Bps(10_000));
    }
}
