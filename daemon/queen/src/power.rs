//! The site's power: hears the meters, steps the ladder, tells the rails what it allows, and moves outlets.

pub mod metrics;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use swarm_power::PowerConfig;
use swarm_power::config::NodeConfig;
use swarm_power::meter::{Metric, Seen};
use swarm_power::mix::mix;
use swarm_power::nodes::{Action, Nodes};
use swarm_power::policy::{Decision, Policy, Rung};
use swarm_power::site::{Placed, Site, View};
use swarm_power::source::{Answer, spawn};
use swarm_power::{pdu, wol};
use swarm_types::api::{
    BeePower, ChargeReading, Ladder, PowerReading, PowerSample, PowerSource, SitePower,
};
use swarm_types::power::Quality;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::clock::Clock;
use crate::config::QueenConfig;
use crate::rails::{PowerGate, filter};
use crate::state::App;

/// Time between two steps of the ladder.
const STEP_EVERY: Duration = Duration::from_secs(1);
/// Seconds between two samples of the series.
const SAMPLE_SECONDS: u64 = 120;
/// Samples that are kept: a day.
const SAMPLES_MAX: usize = (24 * 3_600 / SAMPLE_SECONDS) as usize;
/// Answers of meters that may wait.
const ANSWERS_MAX: usize = 64;
/// Where the ladder stood is in this file of the state directory.
const RUNG_FILE: &str = "power-rung";

/// The site's power.
pub struct Power {
    /// `None` without a meter.
    site: Option<Mutex<State>>,
}

struct State {
    site: Site,
    policy: Policy,
    nodes: Nodes,
    decision: Decision,
    series: VecDeque<PowerSample>,
}

impl Power {
    /// The site as it is before anything was read; the ladder stands where it stood when the queen ended.
    pub fn new(config: &QueenConfig, clock: &Clock) -> Self {
        let power = &config.power;
        if !power.is_on() {
            return Self { site: None };
        }
        let rung = stood(&config.state_dir).unwrap_or(Rung::Conserve);
        let (now, wall) = (clock.running(), clock.seconds());
        let mut policy = Policy::new(power.policy.clone(), rung, now, wall);
        let site = Site::new(power);
        // Whoever works finishes first: the bees have not been heard yet.
        let decision = policy.step(now, wall, &site.view(now), true);
        let state = State {
            site,
            policy,
            nodes: Nodes::new(&power.nodes, rung == Rung::Critical),
            decision,
            series: VecDeque::new(),
        };
        Self {
            site: Some(Mutex::new(state)),
        }
    }

    fn state(&self) -> Option<MutexGuard<'_, State>> {
        let site = self.site.as_ref()?;
        // No code under this lock panics half-way through a change.
        Some(site.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// As the API shows it at `now`, of the clock that only runs forward.
    pub fn shown(&self, now: Duration) -> SitePower {
        let Some(state) = self.state() else {
            return SitePower::unknown();
        };
        let view = state.site.view(now);
        SitePower {
            solar: reading(view.solar),
            battery: reading(view.battery),
            load: reading(view.load),
            grid: reading(view.grid),
            battery_percent: ChargeReading {
                percent: view.charge.value.map(|percent| percent.round() as u8),
                quality: view.charge.quality,
                age_seconds: age(view.charge),
            },
            ladder: Ladder {
                state: state.decision.rung.name().into(),
                reason: state.decision.reason.clone(),
                since: Some(state.decision.since),
            },
            sources: state
                .site
                .sources()
                .iter()
                .map(|source| shown(source, now))
                .collect(),
            series: state.series.iter().copied().collect(),
        }
    }

    /// What a bee is told at `now`.
    pub fn for_bee(&self, now: Duration) -> Option<BeePower> {
        let state = self.state()?;
        let view = state.site.view(now);
        Some(BeePower {
            state: state.decision.rung.name().into(),
            shut_down: state.decision.shut_down,
            wake_at: state.decision.wake_at,
            gpu_limit_percent: state.decision.gpu_limit_percent,
            mix: mix(&state.site, &view, state.site.meter_name()),
        })
    }

    /// Takes in what a meter answered.
    fn hear(&self, now: Duration, answer: Answer) {
        let Some(mut state) = self.state() else {
            return;
        };
        let Answer { index, outcome } = answer;
        let Some(source) = state.site.sources().get(index) else {
            return;
        };
        let (name, troubled) = (source.name.clone(), source.meter.trouble().is_some());
        // Said once, and not every few seconds of a night.
        match outcome {
            Ok(samples) => {
                let refused = state.site.take(now, index, &samples);
                match refused.first() {
                    Some(refused) if !troubled => {
                        tracing::warn!(source = name, %refused, "a reading is not believed");
                    }
                    None if troubled => tracing::info!(source = name, "the meter is sound again"),
                    _ => {}
                }
            }
            Err(error) => {
                let reason = error.to_string();
                if !troubled {
                    tracing::warn!(source = name, reason, "the meter gave nothing");
                }
                state.site.fail(index, reason);
            }
        }
    }

    /// One step of the ladder; says what became of it and what is to be done.
    fn step(
        &self,
        now: Duration,
        wall: u64,
        busy: bool,
        online: impl Fn(&NodeConfig) -> bool,
    ) -> Option<(Decision, Vec<Action>)> {
        let mut state = self.state()?;
        let state = &mut *state;
        let view = state.site.view(now);
        state.decision = state.policy.step(now, wall, &view, busy);
        let actions = state.nodes.step(now, state.decision.shut_down, online);
        let due = state
            .series
            .back()
            .is_none_or(|last| last.at + SAMPLE_SECONDS <= wall);
        if due && view != View::NOTHING {
            if state.series.len() >= SAMPLES_MAX {
                state.series.pop_front();
            }
            state.series.push_back(PowerSample {
                at: wall,
                solar: watts(view.solar),
                battery: watts(view.battery),
                load: watts(view.load),
                grid: watts(view.grid),
            });
        }
        Some((state.decision.clone(), actions))
    }
}

fn watts(seen: Seen) -> Option<i32> {
    // The conversion saturates; the largest power that is believed fits.
    seen.value.map(|watts| watts.round() as i32)
}

fn age(seen: Seen) -> Option<u32> {
    seen.age
        .map(|age| u32::try_from(age.as_secs()).unwrap_or(u32::MAX))
}

fn reading(seen: Seen) -> PowerReading {
    PowerReading {
        watts: watts(seen),
        quality: seen.quality,
        age_seconds: age(seen),
    }
}

fn shown(source: &Placed, now: Duration) -> PowerSource {
    let quality = |metric: &Metric| source.meter.seen(now, *metric).quality;
    let worst = |a: Quality, b: Quality| {
        let rank = [
            Quality::Good,
            Quality::Estimated,
            Quality::Stale,
            Quality::Unknown,
        ];
        let at = |quality| rank.iter().position(|of| *of == quality);
        if at(a) >= at(b) { a } else { b }
    };
    PowerSource {
        name: source.name.clone(),
        kind: source.kind.name().into(),
        quality: source
            .measures
            .iter()
            .map(quality)
            .reduce(worst)
            .unwrap_or(Quality::Unknown),
        reason: source.meter.trouble().map(str::to_owned),
        refused: source.meter.refused(),
        failed: source.meter.failed(),
    }
}

/// Where the ladder stood when the queen ended.
fn stood(state_dir: &Path) -> Option<Rung> {
    let text = std::fs::read_to_string(state_dir.join(RUNG_FILE)).ok()?;
    let rungs = [Rung::Critical, Rung::Conserve, Rung::Normal, Rung::Surplus];
    rungs.into_iter().find(|rung| rung.name() == text.trim())
}

/// Writes down where the ladder stands; a file that is torn counts as none.
fn keep(state_dir: PathBuf, rung: Rung) {
    if let Err(error) = std::fs::write(state_dir.join(RUNG_FILE), rung.name()) {
        tracing::warn!(%error, "where the ladder stands cannot be written down");
    }
}

/// Hears and steps until the queen stops.
pub async fn run(app: App) {
    let config = &app.config.power;
    if !config.is_on() {
        app.stop.cancelled().await;
        return;
    }
    let (to, mut from) = mpsc::channel(ANSWERS_MAX);
    let sources = config.sources.iter().enumerate();
    let _meters: Vec<_> = sources
        .map(|(index, source)| AbortOnDropHandle::new(spawn(index, source, to.clone())))
        .collect();
    let mut ticks = tokio::time::interval(STEP_EVERY);
    let mut rung = None;
    loop {
        tokio::select! {
            // Cancel-safe: nothing was taken.
            () = app.stop.cancelled() => return,
            // Cancel-safe: an answer that is not taken waits.
            answer = from.recv() => match answer {
                Some(answer) => app.power.hear(app.clock.running(), answer),
                None => return,
            },
            // Cancel-safe: a pause.
            _ = ticks.tick() => step(&app, config, &mut rung),
        }
    }
}

fn step(app: &App, config: &PowerConfig, rung: &mut Option<Rung>) {
    let (bees, millis) = (app.rails.bees(), app.clock.millis());
    let busy = bees.iter().any(|bee| bee.held > 0);
    let online = |node: &NodeConfig| {
        let mut of_node = bees.iter().filter(|bee| node.bees.contains(&bee.worker));
        of_node.any(|bee| filter::is_online(bee, millis))
    };
    let (now, wall) = (app.clock.running(), app.clock.seconds());
    let Some((decision, actions)) = app.power.step(now, wall, busy, online) else {
        return;
    };
    let Decision {
        rung: is, reason, ..
    } = decision;
    if *rung != Some(is) {
        tracing::info!(state = %is, reason, "the power ladder");
        if rung.replace(is).is_some() || is == Rung::Critical {
            keep(app.config.state_dir.clone(), is);
        }
    }
    let surplus_only = config.nodes.iter().filter(|node| node.surplus_only);
    let surplus_only = surplus_only.flat_map(|node| node.bees.iter().copied());
    let defer = config.policy.defer_until.as_seconds_down();
    app.rails
        .set_gate(PowerGate::of(is, reason, surplus_only, defer));
    for action in actions {
        let pdus = config.pdus.clone();
        tokio::spawn(async move {
            match action {
                Action::Wake(mac) => match wol::wake(mac, wol::BROADCAST).await {
                    Ok(()) => tracing::info!(%mac, "a machine was called"),
                    Err(error) => tracing::warn!(%mac, %error, "a machine was not called"),
                },
                Action::Switch { outlet, on } => {
                    let Some(pdu) = pdus.iter().find(|pdu| pdu.name == outlet.pdu) else {
                        return;
                    };
                    let number = outlet.number;
                    match pdu::switch(pdu, number, on).await {
                        Ok(()) => {
                            tracing::info!(pdu = pdu.name, number, on, "an outlet was switched")
                        }
                        Err(error) => {
                            tracing::error!(pdu = pdu.name, number, on, error = %crate::problem::chain(&error), "an outlet was not switched");
                        }
                    }
                }
            }
        });
    }
}
