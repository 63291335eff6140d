//! What the ladder of the site's power asks of this box: its GPU's power limit, and to switch itself off until there is
//! energy again. The warden does it; the bee only asks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use swarm_host::warden::Warden;
use swarm_types::api::BeePower;
use tokio_util::sync::CancellationToken;

use crate::bee::Inner;
use crate::work;

/// Largest `gpu_watts`: more than any card has.
const GPU_WATTS_MAX: u32 = 10_000;
/// Shortest time that a wake timer is set for, as the warden takes it.
const WAKE_MIN: Duration = swarm_host::warden::WAKE_MIN;

/// `[power]` of bee.toml.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LadderConfig {
    /// Shut the box down when the queen's ladder asks for it and this bee has no job. Every other bee of the box is then
    /// stopped too, with its own drain.
    pub shut_down: bool,
    /// Power limit of the GPU in watts when nothing holds it back; the ladder takes its percent of it. Without it the
    /// limit is left alone.
    pub gpu_watts: Option<u32>,
    /// The warden's socket, where it is not the appliance's.
    pub warden: Option<PathBuf>,
}

impl LadderConfig {
    /// What is wrong, if anything is.
    pub(crate) fn problem(&self) -> Option<String> {
        let watts = self.gpu_watts?;
        let good = (1..=GPU_WATTS_MAX).contains(&watts);
        (!good).then(|| format!("power.gpu_watts: {watts} is not 1 to {GPU_WATTS_MAX}"))
    }

    fn warden(&self) -> Warden {
        self.warden
            .as_ref()
            .map_or_else(Warden::default, Warden::at)
    }
}

impl Inner {
    /// Does what the ladder asks whenever a heartbeat was answered, until `end`.
    pub(crate) async fn obey_until(self: Arc<Self>, end: CancellationToken) {
        let mut heard = self.ladder.subscribe();
        let warden = self.config.power.warden();
        let mut limit = None;
        loop {
            tokio::select! {
                // Cancel-safe: both only wait.
                () = end.cancelled() => return,
                changed = heard.changed() => if changed.is_err() { return },
            }
            let Some(power) = heard.borrow_and_update().clone() else {
                continue;
            };
            self.limit_gpu(&warden, &power, &mut limit).await;
            self.shut_down(&warden, &power).await;
        }
    }

    /// Sets the GPU's limit when it is another than the last one set.
    async fn limit_gpu(&self, warden: &Warden, power: &BeePower, last: &mut Option<u32>) {
        let (Some(full), Some(gpu)) = (self.config.power.gpu_watts, &self.device.uuid) else {
            return;
        };
        let watts = full * u32::from(power.gpu_limit_percent.min(100)) / 100;
        if *last == Some(watts) {
            return;
        }
        match warden.set_gpu_power_limit(gpu, watts).await {
            Ok(()) => {
                tracing::info!(watts, ladder = power.state, "the GPU's power is limited");
                *last = Some(watts);
            }
            // It is tried again with the next heartbeat.
            Err(error) => {
                tracing::warn!(
                    watts,
                    error = work::explain(&error),
                    "the GPU's power cannot be limited"
                );
            }
        }
    }

    /// Shuts the box down when that is asked for and nothing is at work. Without a wake timer, where one is asked for, it
    /// stays up: it would not come back.
    async fn shut_down(&self, warden: &Warden, power: &BeePower) {
        if !(self.config.power.shut_down && power.shut_down && self.tokens().is_empty()) {
            return;
        }
        let wake = power.wake_at.map(|at| {
            let wait = at.saturating_sub(work::unix_seconds());
            Duration::from_secs(wait).max(WAKE_MIN)
        });
        let asked = async {
            if let Some(time) = wake {
                warden.set_wake_timer(time).await?;
            }
            warden.power_off().await
        };
        match asked.await {
            Ok(()) => tracing::warn!(
                ladder = power.state,
                ?wake,
                "the box shuts down until there is energy"
            ),
            Err(error) => tracing::error!(
                error = work::explain(&error),
                "the box should shut down and cannot"
            ),
        }
    }
}
