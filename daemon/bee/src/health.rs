//! Whether this bee can compute: when its engine last ran, and a tiny inference when that is too long ago.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::bee::Inner;
use crate::models::Ran;
use crate::{vitals, work};

/// A bee whose engine has not run for so long is not ready.
const READY_WITHIN: Duration = Duration::from_secs(600);
/// After so long without a run a self-test is due: twice within the above, and once more.
const TEST_AFTER: Duration = Duration::from_secs(240);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What is known about the engine.
#[derive(Debug)]
pub(crate) struct Health {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ran_at_instant: Option<Instant>,
    /// Why the last run failed, if it did.
    fault: Option<String>,
    /// Why nothing is run at all; for as long as the bee runs.
    quarantine: Option<String>,
}

impl Health {
    pub fn new() -> Self {
        let state = State {
            ran_at_instant: None,
            fault: None,
            quarantine: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// The engine computed something.
    pub fn ran(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ran_at_instant = Some(Instant::now());
        state.fault = None;
    }

    /// The engine failed. Only a run that succeeds makes the bee ready again.
    pub fn failed(&self, why: String) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fault = Some(why);
    }

    /// Nothing may run any more.
    pub fn quarantine(&self, why: String) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .quarantine = Some(why);
    }

    /// Why the bee is not ready; `None` when it is.
    pub fn not_ready_reason(&self) -> Option<String> {
        self.not_ready_reason_at(Instant::now())
    }

    fn not_ready_reason_at(&self, now: Instant) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = state.quarantine.as_ref().or(state.fault.as_ref()) {
            return Some(why.clone());
        }
        match state.ran_at_instant {
            None => Some("the engine has not run yet".into()),
            Some(ran) if now.saturating_duration_since(ran) > READY_WITHIN => Some(format!(
                "the engine has not run within {} minutes",
                READY_WITHIN.as_secs() / 60
            )),
            Some(_) => None,
        }
    }

    fn test_is_due(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.quarantine.is_some() {
            return false;
        }
        state.fault.is_some()
            || state
                .ran_at_instant
                .is_none_or(|ran| ran.elapsed() > TEST_AFTER)
    }
}

impl Inner {
    /// Why the bee cannot compute: its engine, or the device under it. `None` when it can.
    pub(crate) fn not_ready_reason(&self) -> Option<String> {
        let snapshot = self.telemetry.snapshot();
        // The device first: an engine that fails on a GPU that is gone is no news.
        vitals::fault(&self.device, &snapshot, Instant::now())
            .or_else(|| self.health.not_ready_reason())
    }

    /// Keeps testing until `end`. While a job computes its own progress shows that the engine runs, and the test waits.
    pub(crate) async fn watch_health(&self, end: CancellationToken) {
        let mut ready_before = self.not_ready_reason().is_none();
        loop {
            // Cancel-safe: sleeping holds nothing.
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if self.health.test_is_due() {
                self.self_test().await;
            }
            let ready = self.not_ready_reason().is_none();
            if ready_before != ready {
                self.changed.notify_one();
            }
            ready_before = ready;
        }
    }

    /// Runs every model's tiny inference once.
    pub(crate) async fn self_test(&self) {
        let warm = self.models.warm();
        if warm.is_empty() {
            self.health.failed("no model is loaded".into());
            return;
        }
        for model in warm {
            let permit = self
                .compute
                .clone()
                .acquire_owned()
                .await
                .expect("never closed");
            let models = self.models.clone();
            let test = move || models.with(&model, |runner| runner.self_test());
            let fault = match work::on_thread("self-test", permit, test).await {
                Some(Ran::Done(Ok(()))) => None,
                Some(Ran::Done(Err(error))) => Some(work::explain(&error)),
                Some(Ran::Crashed) | None => Some("the self-test crashed".into()),
                Some(Ran::Failed(why)) => Some(why),
                // Dropped meanwhile.
                Some(Ran::NoModel) => None,
            };
            if let Some(why) = fault {
                tracing::error!(%model, why, "the self-test failed");
                self.health.failed(why);
                return;
            }
        }
        self.health.ran();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_a_run_within_ten_minutes_and_no_fault_since() {
        let health = Health::new();
        assert!(health.not_ready_reason().is_some() && health.test_is_due());
        health.ran();
        assert!(health.not_ready_reason().is_none() && !health.test_is_due());
        let ran = health
            .state
            .lock()
            .expect("lock")
            .ran_at_instant
            .expect("ran");
        assert!(health.not_ready_reason_at(ran + READY_WITHIN).is_none());
        assert!(
            health
                .not_ready_reason_at(ran + READY_WITHIN + Duration::from_nanos(1))
                .is_some()
        );
        health.failed("no device".into());
        assert_eq!(health.not_ready_reason().as_deref(), Some("no device"));
        assert!(health.test_is_due());
        health.ran();
        assert!(health.not_ready_reason().is_none());
        health.quarantine("it crashed".into());
        health.ran();
        assert_eq!(health.not_ready_reason().as_deref(), Some("it crashed"));
        assert!(!health.test_is_due());
    }
}
