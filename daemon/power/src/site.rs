//! Several sources as one site.

use std::collections::BTreeSet;
use std::time::Duration;

use swarm_types::power::Quality;

use crate::config::{Kind, PowerConfig};
use crate::meter::{Implausible, Meter, Metric, Sample, Seen};

/// What the site looks like at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Watts from the sun; of several inverters only when all of them are known.
    pub solar: Seen,
    /// Watts from the battery; below 0 into it.
    pub battery: Seen,
    /// Watts that the site uses.
    pub load: Seen,
    /// Watts from the grid; below 0 into it.
    pub grid: Seen,
    /// Percent of the battery.
    pub charge: Seen,
    /// Whether any source is there to say how full the battery is.
    pub has_battery: bool,
    /// A UPS lives on its battery.
    pub on_battery: Option<bool>,
    /// A UPS will be empty soon.
    pub low_battery: Option<bool>,
}

impl View {
    /// Nobody measures anything.
    pub const NOTHING: Self = Self {
        solar: Seen::UNKNOWN,
        battery: Seen::UNKNOWN,
        load: Seen::UNKNOWN,
        grid: Seen::UNKNOWN,
        charge: Seen::UNKNOWN,
        has_battery: false,
        on_battery: None,
        low_battery: None,
    };
}

/// A source with its readings.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Name for people.
    pub name: String,
    /// How it is spoken to.
    pub kind: Kind,
    /// What it is asked for.
    pub measures: BTreeSet<Metric>,
    /// Its readings.
    pub meter: Meter,
}

/// Every source of the site.
#[derive(Clone, Debug)]
pub struct Site {
    off_grid: bool,
    sources: Vec<Placed>,
}

impl Site {
    /// A site that has read nothing yet.
    pub fn new(config: &PowerConfig) -> Self {
        let place = |source: &crate::config::SourceConfig| Placed {
            name: source.name.clone(),
            kind: source.kind,
            measures: source.measures(),
            meter: Meter::new(source.rules()),
        };
        Self {
            off_grid: config.off_grid,
            sources: config.sources.iter().map(place).collect(),
        }
    }

    /// Its sources, in the configuration's order.
    pub fn sources(&self) -> &[Placed] {
        &self.sources
    }

    /// Takes in what the source at `index` answered; gives what was refused.
    pub fn take(&mut self, now: Duration, index: usize, samples: &[Sample]) -> Vec<Implausible> {
        let Some(source) = self.sources.get_mut(index) else {
            return Vec::new();
        };
        let asked = |sample: &&Sample| source.measures.contains(&sample.metric);
        let samples: Vec<Sample> = samples.iter().filter(asked).copied().collect();
        source.meter.take(now, &samples)
    }

    /// Notes that the source at `index` did not answer.
    pub fn fail(&mut self, index: usize, reason: String) {
        if let Some(source) = self.sources.get_mut(index) {
            source.meter.fail(reason);
        }
    }

    /// Whether a source is asked for it.
    pub fn measures(&self, metric: Metric) -> bool {
        self.of(metric).next().is_some()
    }

    /// The kinds of source whose readings make the flows, such as `site:sunspec+victron_mqtt`.
    pub fn meter_name(&self) -> String {
        let flows = [Metric::Solar, Metric::Battery, Metric::Load, Metric::Grid];
        let flows = |source: &&Placed| flows.iter().any(|flow| source.measures.contains(flow));
        let kinds = self.sources.iter().filter(flows).map(|s| s.kind.name());
        let kinds: Vec<&str> = kinds.collect::<BTreeSet<_>>().into_iter().collect();
        match kinds.is_empty() {
            true => "none".into(),
            false => format!("site:{}", kinds.join("+")),
        }
    }

    fn of(&self, metric: Metric) -> impl Iterator<Item = &Placed> {
        let asked = move |source: &&Placed| source.measures.contains(&metric);
        self.sources.iter().filter(asked)
    }

    /// The first source that knows it. When none does, the youngest age of what is gone.
    fn first(&self, now: Duration, metric: Metric) -> Seen {
        let seen = self.of(metric).map(|source| source.meter.seen(now, metric));
        let rank = |seen: &Seen| match seen.quality {
            Quality::Good | Quality::Estimated => 0,
            Quality::Stale => 1,
            Quality::Unknown => 2,
        };
        // `min_by_key` keeps the first of equals. A fresh second source is better than a stale first one.
        let best = seen.min_by_key(|seen| {
            (
                rank(seen),
                seen.age.map_or(Duration::MAX, |age| match rank(seen) {
                    2 => age,
                    _ => Duration::ZERO,
                }),
            )
        });
        best.unwrap_or(Seen::UNKNOWN)
    }

    /// The sum over all sources; unknown as soon as one of them is.
    fn sum(&self, now: Duration, metric: Metric) -> Seen {
        let seen = self.of(metric).map(|source| source.meter.seen(now, metric));
        add(seen).unwrap_or(Seen::UNKNOWN)
    }

    /// What the site looks like at `now`.
    pub fn view(&self, now: Duration) -> View {
        let solar = self.sum(now, Metric::Solar);
        let battery = self.first(now, Metric::Battery);
        let mut load = self.first(now, Metric::Load);
        let mut grid = self.first(now, Metric::Grid);
        if self.off_grid {
            grid = Seen {
                value: Some(0.0),
                quality: Quality::Good,
                age: None,
            };
        }
        // What does not exist adds nothing; what is not known makes the sum unknown.
        let part = |metric, seen| self.measures(metric).then_some(seen);
        let sun = part(Metric::Solar, solar);
        let store = part(Metric::Battery, battery);
        let flows = sun.is_some() || store.is_some();
        if load.value.is_none() && flows && (self.off_grid || self.measures(Metric::Grid)) {
            load = derived(add(sun.into_iter().chain(store).chain([grid])), load);
        } else if grid.value.is_none() && !self.off_grid && self.measures(Metric::Load) {
            let minus = |seen: Seen| Seen {
                value: seen.value.map(|watts| -watts),
                ..seen
            };
            let rest = sun.into_iter().chain(store).map(minus).chain([load]);
            grid = derived(add(rest), grid);
        }
        // 0.5 and more is yes: a replayed day may hold means.
        let flag = |metric| self.first(now, metric).value.map(|value| value >= 0.5);
        View {
            solar,
            battery,
            load,
            grid,
            charge: self.first(now, Metric::Charge),
            has_battery: self.measures(Metric::Charge),
            on_battery: flag(Metric::OnBattery),
            low_battery: flag(Metric::LowBattery),
        }
    }
}

/// Adds; `None` of nothing, unknown of anything unknown. As good as its worst, as old as its oldest.
fn add(parts: impl Iterator<Item = Seen>) -> Option<Seen> {
    parts.reduce(|a, b| {
        let value = a.value.zip(b.value).map(|(a, b)| a + b);
        let worse = |quality| [a.quality, b.quality].contains(&quality);
        let quality = match value {
            None => Quality::Unknown,
            Some(_) if worse(Quality::Stale) => Quality::Stale,
            Some(_) if worse(Quality::Estimated) => Quality::Estimated,
            Some(_) => Quality::Good,
        };
        Seen {
            value,
            quality,
            age: a.age.max(b.age),
        }
    })
}

/// A sum that stands in for what nobody measured.
fn derived(sum: Option<Seen>, instead_of: Seen) -> Seen {
    match sum {
        Some(sum) if sum.value.is_some() => Seen {
            quality: match sum.quality {
                Quality::Good => Quality::Estimated,
                other => other,
            },
            ..sum
        },
        _ => instead_of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(text: &str) -> Site {
        let config: PowerConfig = toml::from_str(text).expect("parses");
        assert_eq!(config.problems(), Vec::<String>::new());
        Site::new(&config)
    }

    fn source(name: &str, measures: &str) -> String {
        format!(
            "[[source]]\nname = '{name}'\nkind = 'sunspec'\naddress = 'x'\nmeasures = {measures}\n"
        )
    }

    fn say(site: &mut Site, t: u64, index: usize, values: &[(Metric, f64)]) {
        let samples = values.iter().map(|(metric, value)| Sample {
            metric: *metric,
            value: *value,
        });
        site.take(Duration::from_secs(t), index, &samples.collect::<Vec<_>>());
    }

    #[test]
    fn the_sun_of_two_inverters_is_known_only_when_both_are() {
        let mut site = site(&(source("a", "['solar']") + &source("b", "['solar']")));
        say(&mut site, 0, 0, &[(Metric::Solar, 1_000.0)]);
        assert_eq!(site.view(Duration::ZERO).solar.value, None);
        say(
            &mut site,
            0,
            1,
            &[(Metric::Solar, 500.0), (Metric::Grid, 1.0)],
        );
        let view = site.view(Duration::ZERO);
        assert_eq!(
            (view.solar.value, view.solar.quality),
            (Some(1_500.0), Quality::Good)
        );
        assert_eq!(
            view.grid.value, None,
            "what it was not asked for does not count"
        );
        // The second one dies.
        say(&mut site, 600, 0, &[(Metric::Solar, 1_200.0)]);
        let solar = site.view(Duration::from_secs(600)).solar;
        assert_eq!(
            (solar.value, solar.age),
            (None, Some(Duration::from_secs(600)))
        );
    }

    #[test]
    fn the_second_source_stands_in_for_the_first() {
        let mut site = site(&(source("a", "['charge']") + &source("b", "['charge']")));
        say(&mut site, 0, 0, &[(Metric::Charge, 70.0)]);
        say(&mut site, 0, 1, &[(Metric::Charge, 71.0)]);
        assert_eq!(site.view(Duration::ZERO).charge.value, Some(70.0));
        say(&mut site, 60, 1, &[(Metric::Charge, 69.0)]);
        let view = site.view(Duration::from_secs(60));
        assert_eq!(
            view.charge.value,
            Some(69.0),
            "a fresh one before a stale one"
        );
        assert!(view.has_battery);
        let gone = site.view(Duration::from_secs(3_660)).charge;
        assert_eq!(
            (gone.value, gone.age),
            (None, Some(Duration::from_secs(3_600)))
        );
    }

    #[test]
    fn load_and_grid_are_derived_and_say_so() {
        let text = format!("off_grid = true\n{}", source("a", "['solar', 'battery']"));
        let mut island = site(&text);
        say(
            &mut island,
            0,
            0,
            &[(Metric::Solar, 900.0), (Metric::Battery, -300.0)],
        );
        let load = island.view(Duration::ZERO).load;
        assert_eq!(
            (load.value, load.quality),
            (Some(600.0), Quality::Estimated)
        );
        let mut house = site(&source("a", "['solar', 'load']"));
        say(
            &mut house,
            0,
            0,
            &[(Metric::Solar, 200.0), (Metric::Load, 900.0)],
        );
        let grid = house.view(Duration::ZERO).grid;
        assert_eq!(
            (grid.value, grid.quality),
            (Some(700.0), Quality::Estimated)
        );
        assert_eq!(house.view(Duration::from_secs(600)).grid.value, None);
    }
}
