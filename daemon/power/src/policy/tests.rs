use super::*;
use crate::meter::Seen;
use proptest::prelude::*;
use swarm_types::power::Quality;

fn good(value: f64) -> Seen {
    Seen {
        value: Some(value),
        quality: Quality::Good,
        age: Some(Duration::ZERO),
    }
}

/// A battery at `charge`, sun and load in watts; the battery takes or gives the difference.
fn view(charge: f64, solar: f64, load: f64) -> View {
    View {
        solar: good(solar),
        load: good(load),
        battery: good(load - solar),
        grid: good(0.0),
        charge: good(charge),
        has_battery: true,
        ..View::NOTHING
    }
}

fn unknown(age_seconds: u64) -> View {
    let age = Some(Duration::from_secs(age_seconds));
    View {
        charge: Seen {
            age,
            ..Seen::UNKNOWN
        },
        has_battery: true,
        ..View::NOTHING
    }
}

struct Ladder {
    policy: Policy,
    t: u64,
    steps: Vec<(u64, Rung)>,
}

impl Ladder {
    fn on(rung: Rung) -> Self {
        Self::with(PolicyConfig::default(), rung)
    }

    fn with(config: PolicyConfig, rung: Rung) -> Self {
        Self {
            policy: Policy::new(config, rung, Duration::ZERO, 0),
            t: 0,
            steps: Vec::new(),
        }
    }

    /// The same view for `seconds`, a step every ten.
    fn hold(&mut self, seconds: u64, view: &View, busy: bool) -> Decision {
        let end = self.t + seconds;
        loop {
            let before = self.policy.rung();
            let decision = self
                .policy
                .step(Duration::from_secs(self.t), self.t, view, busy);
            if decision.rung != before {
                self.steps.push((self.t, decision.rung));
            }
            if self.t >= end {
                return decision;
            }
            self.t += 10;
        }
    }
}

#[test]
fn it_goes_down_soon_and_up_late() {
    let mut ladder = Ladder::on(Rung::Normal);
    ladder.hold(20, &view(34.0, 0.0, 500.0), true);
    assert_eq!(ladder.policy.rung(), Rung::Normal, "a short dip");
    ladder.hold(10, &view(34.0, 0.0, 500.0), true);
    assert_eq!(ladder.policy.rung(), Rung::Conserve, "reserve 20 + 15");
    ladder.hold(3_600, &view(37.0, 0.0, 500.0), true);
    assert_eq!(
        ladder.policy.rung(),
        Rung::Conserve,
        "above, but not by the hysteresis"
    );
    let start = ladder.t;
    ladder.hold(600, &view(39.0, 0.0, 500.0), true);
    assert_eq!(ladder.steps.last(), Some(&(start + 300, Rung::Normal)));
}

#[test]
fn a_ladder_that_waits_says_for_what() {
    let mut ladder = Ladder::on(Rung::Conserve);
    let decision = ladder.hold(60, &view(62.0, 0.0, 500.0), true);
    assert_eq!(decision.rung, Rung::Conserve);
    assert_eq!(
        decision.reason,
        "there is energy enough, and no surplus: normal when it has been so for 5m"
    );
}

#[test]
fn unknown_is_neither_empty_nor_full() {
    let mut ladder = Ladder::on(Rung::Surplus);
    let decision = ladder.hold(7 * 86_400, &unknown(3_660), false);
    assert_eq!(decision.rung, Rung::Conserve);
    assert!(!decision.shut_down);
    assert_eq!(
        decision.reason,
        "the battery's charge is unknown: the last reading is 61 min old"
    );
    // What stopped because the battery was empty does not start because nobody knows.
    let mut ladder = Ladder::on(Rung::Critical);
    let decision = ladder.hold(86_400, &unknown(60), false);
    assert_eq!((decision.rung, decision.shut_down), (Rung::Critical, true));
}

#[test]
fn critical_drains_then_shuts_down_and_comes_back_at_the_named_charge() {
    let mut ladder = Ladder::on(Rung::Normal);
    let decision = ladder.hold(40, &view(25.0, 0.0, 500.0), true);
    assert_eq!(
        (decision.rung, decision.shut_down, decision.wake_at),
        (Rung::Critical, false, None)
    );
    let decision = ladder.hold(300, &view(24.0, 0.0, 500.0), true);
    assert!(!decision.shut_down, "a job runs, and the reserve is far");
    let decision = ladder.hold(0, &view(24.0, 0.0, 500.0), false);
    assert_eq!(
        (decision.shut_down, decision.wake_at),
        (true, Some(ladder.t + 3_600))
    );
    let decision = ladder.hold(7_200, &view(39.0, 900.0, 100.0), false);
    assert_eq!(
        (decision.rung, decision.shut_down),
        (Rung::Critical, true),
        "resume is 40"
    );
    let decision = ladder.hold(600, &view(40.0, 900.0, 100.0), false);
    assert_eq!((decision.rung, decision.shut_down), (Rung::Normal, false));
    // A job that does not end in time, and the reserve itself, do not wait.
    let mut ladder = Ladder::on(Rung::Critical);
    assert!(!ladder.hold(590, &view(24.0, 0.0, 500.0), true).shut_down);
    assert!(ladder.hold(10, &view(24.0, 0.0, 500.0), true).shut_down);
    let mut ladder = Ladder::on(Rung::Critical);
    assert!(ladder.hold(0, &view(21.0, 0.0, 500.0), true).shut_down);
}

#[test]
fn a_ups_that_is_nearly_empty_is_critical_at_once() {
    let mut ladder = Ladder::on(Rung::Normal);
    let on_battery = View {
        on_battery: Some(true),
        ..view(90.0, 0.0, 500.0)
    };
    assert_eq!(ladder.hold(60, &on_battery, true).rung, Rung::Conserve);
    let low = View {
        low_battery: Some(true),
        ..on_battery
    };
    assert_eq!(ladder.hold(0, &low, true).rung, Rung::Critical);
}

#[test]
fn surplus_waits_for_the_battery_and_does_not_follow_every_cloud() {
    let mut ladder = Ladder::on(Rung::Normal);
    ladder.hold(3_600, &view(79.0, 3_000.0, 500.0), true);
    assert_eq!(
        ladder.policy.rung(),
        Rung::Normal,
        "the battery comes first"
    );
    ladder.hold(300, &view(80.0, 3_000.0, 500.0), true);
    assert_eq!(ladder.policy.rung(), Rung::Surplus);
    // Its own additional load is no reason to leave, nor is a cloud of a minute.
    ladder.hold(3_600, &view(78.0, 1_200.0, 1_100.0), true);
    ladder.hold(60, &view(78.0, 200.0, 1_100.0), true);
    ladder.hold(60, &view(78.0, 1_200.0, 1_100.0), true);
    assert_eq!(ladder.steps.len(), 1);
    ladder.hold(120, &view(78.0, 200.0, 1_100.0), true);
    assert_eq!(ladder.policy.rung(), Rung::Normal);
    // Without a grid the sun is throttled when the battery is full: that is a surplus too.
    ladder.hold(600, &view(98.0, 400.0, 400.0), true);
    assert_eq!(ladder.policy.rung(), Rung::Surplus);
}

#[test]
fn stale_readings_make_no_surplus() {
    let mut stale = view(95.0, 3_000.0, 500.0);
    stale.solar.quality = Quality::Stale;
    let mut ladder = Ladder::on(Rung::Normal);
    assert_eq!(ladder.hold(3_600, &stale, true).rung, Rung::Normal);
}

#[test]
fn the_cap_and_quiet_hours_hold_back() {
    let config = PolicyConfig {
        site_cap_watts: Some(4_000),
        quiet_hours: vec![QuietHours {
            from: TimeOfDay(22 * 60),
            to: TimeOfDay(6 * 60),
        }],
        utc_offset: UtcOffset(120),
        ..PolicyConfig::default()
    };
    let from_grid = |watts| View {
        grid: good(watts),
        ..view(70.0, 0.0, watts)
    };
    let mut ladder = Ladder::with(config, Rung::Normal);
    ladder.t = 12 * 3_600;
    assert_eq!(
        ladder.hold(3_600, &from_grid(4_000.0), true).rung,
        Rung::Normal
    );
    let decision = ladder.hold(60, &from_grid(4_100.0), true);
    assert_eq!(decision.rung, Rung::Conserve);
    assert_eq!(decision.reason, "the site takes 4100 W, its cap is 4000 W");
    assert_eq!(
        ladder.hold(1_200, &from_grid(3_700.0), true).rung,
        Rung::Conserve
    );
    assert_eq!(
        ladder.hold(1_200, &from_grid(3_500.0), true).rung,
        Rung::Normal
    );
    // 22:00 at +02:00 is 20:00 UTC; 06:00 is 04:00.
    ladder.t = 20 * 3_600 - 60;
    assert_eq!(
        ladder.hold(50, &view(70.0, 0.0, 500.0), true).rung,
        Rung::Normal
    );
    assert_eq!(
        ladder.hold(60, &view(70.0, 0.0, 500.0), true).reason,
        "it is a quiet hour"
    );
    ladder.t = 27 * 3_600;
    assert_eq!(
        ladder.hold(3_590, &view(70.0, 0.0, 500.0), true).rung,
        Rung::Conserve
    );
    assert_eq!(
        ladder.hold(320, &view(70.0, 0.0, 500.0), true).rung,
        Rung::Normal
    );
}

#[test]
fn a_site_without_battery_works() {
    let mut ladder = Ladder::on(Rung::Conserve);
    let view = View {
        grid: good(900.0),
        load: good(900.0),
        ..View::NOTHING
    };
    assert_eq!(ladder.hold(300, &view, true).rung, Rung::Normal);
}

proptest! {
    /// Whatever the readings do: unknown never shuts down what was not critical, a charge at the reserve with the
    /// ladder critical always does, and two steps up are never closer than the delay.
    #[test]
    fn it_never_flaps_upwards_and_never_stops_on_nothing(
        readings in prop::collection::vec((prop::option::weighted(0.8, 15.0..100.0_f64), 0.0..4_000.0_f64), 50..400)
    ) {
        let mut policy = Policy::new(PolicyConfig::default(), Rung::Conserve, Duration::ZERO, 0);
        let (mut t, mut before, mut last_change) = (0, Rung::Conserve, 0);
        for (charge, solar) in readings {
            let view = match charge {
                Some(charge) => view(charge, solar, 800.0),
                None => unknown(60),
            };
            for _ in 0..4 {
                t += 15;
                let decision = policy.step(Duration::from_secs(t), t, &view, false);
                if charge.is_none() {
                    prop_assert!(!decision.shut_down || before == Rung::Critical);
                    prop_assert!(decision.rung <= before || decision.rung == Rung::Conserve);
                }
                if decision.rung == Rung::Critical && charge.is_some_and(|charge| charge <= 21.0) {
                    prop_assert!(decision.shut_down);
                }
                if decision.rung > before {
                    prop_assert!(t - last_change >= 300);
                }
                if decision.rung != before {
                    last_change = t;
                }
                before = decision.rung;
            }
        }
    }
}
