//! Heartbeats: what the bee holds and whether it is ready, and what the queen says to that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use swarm_types::api::{Approval, HEARTBEAT_SECONDS, Heartbeat, HeartbeatAnswer};
use tokio_util::sync::CancellationToken;

use crate::bee::Inner;
use crate::{vitals, work};

/// Pause after a heartbeat that was not answered: two more fit before the gap costs ready time.
const RETRY: Duration = Duration::from_secs(5);
/// Pause after the queen learned to know the bee again.
const REGISTERED: Duration = Duration::from_secs(1);
/// What the queen says of a bee she does not know.
const NOT_REGISTERED: &str = "not-registered";

impl Inner {
    /// Beats until `end`, and once more then.
    pub(crate) async fn beat_until(self: Arc<Self>, end: CancellationToken) {
        let mut wait = Duration::ZERO;
        loop {
            // Cancel-safe: nothing is sent within the select.
            let ended = tokio::select! {
                () = end.cancelled() => true,
                () = self.changed.notified() => false,
                () = tokio::time::sleep(wait) => false,
            };
            wait = self.beat().await;
            if ended {
                return;
            }
        }
    }

    /// One heartbeat; says how long to wait for the next.
    async fn beat(self: &Arc<Self>) -> Duration {
        let reason = self.not_ready_reason();
        let vitals = vitals::of(&self.device, &self.telemetry.snapshot(), Instant::now());
        let asked_to = self
            .standing
            .borrow()
            .as_ref()
            .is_some_and(|standing| standing.drain);
        let heartbeat = Heartbeat {
            ready: reason.is_none(),
            not_ready_reason: reason,
            draining: asked_to || self.drain.is_cancelled(),
            leases: self.tokens(),
            warm_models: self.models.warm(),
            model_faults: self.model_faults(),
            utilisation_percent: vitals.utilisation_percent,
            memory_used_mib: vitals.memory_used_mib,
            temperature_celsius: vitals.temperature_celsius,
            power_milliwatts: vitals.power_milliwatts,
        };
        self.say_status();
        match self.queen.heartbeat(&heartbeat).await {
            Ok(answer) => self.take_answer(&answer),
            Err(error) if error.kind() == Some(NOT_REGISTERED) => {
                tracing::warn!("the queen does not know this bee any more; registering again");
                if self.register_again().await {
                    REGISTERED
                } else {
                    RETRY
                }
            }
            Err(error) => {
                self.metrics.heartbeat_unanswered();
                tracing::warn!(
                    error = work::explain(&error),
                    "the heartbeat was not answered"
                );
                RETRY
            }
        }
    }

    fn take_answer(&self, answer: &HeartbeatAnswer) -> Duration {
        let approved = answer.approval == Approval::Approved;
        let changed = self.standing.send_if_modified(|standing| {
            let Some(standing) = standing else {
                return false;
            };
            let before = (standing.approved, standing.drain);
            (standing.approved, standing.drain) = (approved, answer.drain);
            before != (approved, answer.drain)
        });
        if changed {
            self.say_standing();
        }
        if let Some(power) = &answer.power {
            self.power.hear(power.mix.clone());
            self.ladder.send_replace(Some(power.clone()));
        }
        self.lose(&answer.lost);
        let next = u64::from(answer.next_seconds).clamp(1, HEARTBEAT_SECONDS);
        Duration::from_secs(next)
    }

    /// A queen that was restored from a backup may not know this bee. True when she does now.
    pub(crate) async fn register_again(self: &Arc<Self>) -> bool {
        let registration = match self.registration() {
            Ok(registration) => registration,
            Err(error) => {
                tracing::error!(%error, "cannot register again");
                return false;
            }
        };
        match self.queen.register(&registration).await {
            Ok(answer) => {
                self.registered(&answer);
                self.adopt(answer.leases);
                true
            }
            Err(error) => {
                tracing::warn!(error = work::explain(&error), "cannot register again yet");
                false
            }
        }
    }
}
