//! Three simulated days over the real meters, site and policy: sun, clouds, sensor faults, a dead inverter, night.
//! What the ladder decides is what the bees do, and what they draw is what empties the battery.

use std::time::Duration;

use swarm_power::PowerConfig;
use swarm_power::meter::{Metric, Sample};
use swarm_power::policy::{Policy, Rung};
use swarm_power::site::Site;
use swarm_types::power::Quality;

/// Seconds of a step: the sources' interval.
const STEP: u64 = 10;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// What the battery holds, watt-hours.
const CAPACITY: f64 = 12_000.0;
/// What the site draws with every machine off, on, and for each job that runs, watts.
const ASLEEP: f64 = 15.0;
const AWAKE: f64 = 220.0;
const JOB: f64 = 400.0;
/// Seconds of a job.
const JOB_TIME: u64 = 240;
/// Seconds between orders.
const ORDER_EVERY: u64 = 500;

/// A small generator, so that a day repeats.
struct Dice(u64);

impl Dice {
    /// 0 to 1.
    fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1_u32 << 31)
    }
}

struct Job {
    deadline: u64,
    /// When it ends, if it runs.
    ends: Option<u64>,
}

/// What happened in three days.
#[derive(Debug, Default)]
struct Story {
    submitted: u32,
    completed: u32,
    interrupted: u32,
    /// Before anything was off: none may.
    expired_early: u32,
    /// While machines were off or behind what had waited then; the fee is released.
    expired_late: u32,
    waiting: u32,
    charge_least: f64,
    zeros_believed: u32,
    wrong_but_good: u32,
    refused: u64,
    shut_downs: u32,
    steps: Vec<(u64, Rung)>,
}

/// Sun in watts before clouds.
fn sun(t: u64) -> f64 {
    let hour = (t % DAY) as f64 / HOUR as f64;
    let height = ((hour - 6.0) / 12.0 * std::f64::consts::PI).sin();
    if (6.0..18.0).contains(&hour) {
        3_200.0 * height
    } else {
        0.0
    }
}

fn three_days(seed: u64) -> Story {
    let text = "off_grid = true\n[[source]]\nname = 'gx'\nkind = 'victron_modbus'\naddress = 'x'\nmeasures = ['solar', 'battery', 'load', 'charge']\n[policy]\nreserve_percent = 20\n";
    let config: PowerConfig = toml::from_str(text).expect("parses");
    assert_eq!(config.problems(), Vec::<String>::new());
    let mut site = Site::new(&config);
    let mut policy = Policy::new(config.policy.clone(), Rung::Conserve, Duration::ZERO, 0);
    let mut dice = Dice(seed);
    let (mut stored, mut clouds) = (CAPACITY * 0.6, 1.0);
    let (mut queue, mut running): (Vec<Job>, Vec<Job>) = (Vec::new(), Vec::new());
    let mut story = Story {
        charge_least: 100.0,
        ..Story::default()
    };
    let mut asleep = false;
    for t in (0..3 * DAY).step_by(STEP as usize) {
        let now = Duration::from_secs(t);
        // The world. On the second day the inverter dies at nine, and is mended on the third at nine.
        let dead = (DAY + 9 * HOUR..2 * DAY + 9 * HOUR).contains(&t);
        if t % 600 == 0 {
            clouds = if dice.roll() < 0.3 {
                0.15 + 0.4 * dice.roll()
            } else {
                0.9 + 0.1 * dice.roll()
            };
        }
        let mut solar = if dead { 0.0 } else { sun(t) * clouds };
        let load = if asleep {
            ASLEEP
        } else {
            AWAKE + JOB * running.len() as f64
        };
        if stored >= CAPACITY {
            solar = solar.min(load);
        }
        stored = (stored + (solar - load) * STEP as f64 / 3_600.0).clamp(0.0, CAPACITY);
        let truth = stored / CAPACITY * 100.0;
        story.charge_least = story.charge_least.min(truth);

        // What the meters say of it, true or not.
        let mut said = vec![
            (Metric::Solar, solar),
            (Metric::Battery, load - solar),
            (Metric::Load, load),
            (Metric::Charge, truth.round()),
        ];
        let hour = t % DAY / HOUR;
        match (t / DAY, hour, t % HOUR / 60) {
            // An hour of exceptions in each night, and a monitor that reads 0 in the morning and for a whole night.
            (_, 3, _) => said.clear(),
            (0, 10, 0..20) | (1, 0..3, _) => said[3].1 = 0.0,
            // The battery's monitor is gone at noon.
            (0, 12, 0..30) => said.truncate(3),
            (2, 13, 0..20) => said[0].1 = f64::NAN,
            _ => {}
        }
        if dead {
            said.retain(|(metric, _)| *metric != Metric::Solar);
        }
        for value in &mut said {
            match dice.roll() {
                roll if roll < 0.002 => value.1 = 4e9,
                roll if roll < 0.003 => value.1 = 120.0 * value.1.abs() + 101.0,
                roll if roll < 0.004 && value.0 == Metric::Charge => value.1 = 0.0,
                _ => {}
            }
        }
        if said.is_empty() {
            site.fail(0, "Modbus exception".into());
        } else {
            let samples: Vec<Sample> = said
                .iter()
                .map(|(metric, value)| Sample {
                    metric: *metric,
                    value: *value,
                })
                .collect();
            site.take(now, 0, &samples);
        }
        let view = site.view(now);
        story.zeros_believed += u32::from(view.charge.value.is_some_and(|charge| charge < 1.0));
        let wrong = view
            .charge
            .value
            .is_some_and(|charge| (charge - truth).abs() > 2.0);
        story.wrong_but_good += u32::from(wrong && view.charge.quality == Quality::Good);

        // The ladder, and what the bees make of it.
        let before = policy.rung();
        let decision = policy.step(now, t, &view, !running.is_empty());
        if decision.rung != before {
            story.steps.push((t, decision.rung));
        }
        if decision.shut_down && !asleep {
            story.shut_downs += 1;
            story.interrupted += running.len() as u32;
            queue.append(&mut running);
        }
        asleep = decision.shut_down;
        let done = running.len();
        running.retain(|job| job.ends.is_none_or(|ends| ends > t));
        story.completed += (done - running.len()) as u32;
        if t % ORDER_EVERY == 0 {
            story.submitted += 1;
            let urgent = dice.roll() < 0.2;
            let life = if urgent { HOUR / 2 } else { 40 * HOUR };
            queue.push(Job {
                deadline: t + life,
                ends: None,
            });
        }
        let waiting = queue.len();
        queue.retain(|job| job.deadline > t);
        let expired = (waiting - queue.len()) as u32;
        if story.shut_downs > 0 || decision.rung == Rung::Critical {
            story.expired_late += expired;
        } else {
            story.expired_early += expired;
        }
        let bees = match decision.rung {
            Rung::Surplus => 3,
            Rung::Normal | Rung::Conserve => 2,
            Rung::Critical => 0,
        };
        let until = t + config.policy.defer_until.as_seconds_down();
        while running.len() < bees {
            // What cannot wait goes before what waited, as the rails do it.
            let next = queue.iter().position(|job| job.deadline <= until);
            let oldest = (decision.rung != Rung::Conserve && !queue.is_empty()).then_some(0);
            let Some(next) = next.or(oldest) else {
                break;
            };
            let mut job = queue.remove(next);
            job.ends = Some(t + JOB_TIME);
            running.push(job);
        }
    }
    story.waiting = (queue.len() + running.len()) as u32;
    story.refused = site.sources()[0].meter.refused();
    story
}

#[test]
fn no_job_is_lost_the_reserve_holds_and_nothing_flaps() {
    for seed in 1..=20 {
        let story = three_days(seed);
        let Story {
            submitted,
            completed,
            interrupted,
            waiting,
            ..
        } = story;
        let ended = completed + waiting + story.expired_early + story.expired_late;
        assert_eq!(submitted, ended, "seed {seed}: {story:?}");
        assert_eq!(interrupted, 0, "seed {seed}: a job was cut off: {story:?}");
        assert_eq!(story.expired_early, 0, "seed {seed}: {story:?}");
        assert!(
            story.charge_least >= 20.0,
            "seed {seed}: the reserve is 20 %: {story:?}"
        );
        assert_eq!(story.zeros_believed, 0, "seed {seed}: {story:?}");
        assert_eq!(story.wrong_but_good, 0, "seed {seed}: {story:?}");
        assert!(story.steps.len() <= 40, "seed {seed}: it flaps: {story:?}");
        let close = story
            .steps
            .windows(2)
            .filter(|two| two[1].0 - two[0].0 < 120)
            .count();
        assert_eq!(close, 0, "seed {seed}: {story:?}");
        // The days are what they are meant to be: all rungs, a shut-down and a return, and faults that were refused.
        for rung in [Rung::Surplus, Rung::Normal, Rung::Conserve, Rung::Critical] {
            assert!(
                story.steps.iter().any(|(_, seen)| *seen == rung),
                "seed {seed}: never {rung}: {story:?}"
            );
        }
        assert!(
            story.shut_downs >= 1 && completed > 300 && story.refused > 1_000,
            "seed {seed}: {story:?}"
        );
    }
}

#[test]
fn three_days_repeat() {
    assert_eq!(
        format!("{:?}", three_days(7)),
        format!("{:?}", three_days(7))
    );
}
