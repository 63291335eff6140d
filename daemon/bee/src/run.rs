//! The life of a bee: test, register, adopt, lease, drain.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use swarm_host::notify;
use swarm_types::api::Lease;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::bee::{Bee, Inner};
use crate::{BeeConfig, BeeError, metrics, work};

/// Pause after the first attempt to reach a queen who is away; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// Pause after the queen refused a request for work.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);
/// How often a bee that may not work looks whether it may now.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A bee whose jobs do not move for so long hangs; one step of a network on a slow processor takes minutes.
const STILL_MAX: Duration = Duration::from_secs(600);
/// Longest time between two signs of life that is no fault: the lease loop turns at least every second.
const TURN_MAX: Duration = Duration::from_secs(30);
/// Time for giving back what was not done by the drain's deadline.
const GIVE_BACK_MAX: Duration = Duration::from_secs(8);

impl Bee {
    /// Loads keys and models, and serves until `shutdown`.
    pub async fn run(config: BeeConfig, shutdown: CancellationToken) -> Result<(), BeeError> {
        let load = tokio::task::spawn_blocking(move || Self::load(config));
        let bee = match load.await {
            Ok(bee) => bee?,
            Err(e) => std::panic::resume_unwind(e.into_panic()),
        };
        bee.serve(shutdown).await
    }

    /// Serves until `shutdown`, then finishes what it has, at most until the drain's deadline.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), BeeError> {
        let inner = self.inner;
        let page = match inner.config.metrics {
            Some(address) => Some(metrics::bind(address).await?),
            None => None,
        };
        inner.self_test().await;
        notify::expect_watchdog(TURN_MAX);
        notify::ready();
        // Cancel-safe: a registration that is cut off is repeated at the next start.
        let adopted = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            adopted = inner.turning(inner.register()) => adopted?,
        };
        inner.adopt(adopted);
        let end = CancellationToken::new();
        if let Some(listener) = page {
            tokio::spawn(metrics::serve(inner.clone(), listener, end.clone()));
        }
        let heartbeat = tokio::spawn(inner.clone().beat_until(end.clone()));
        let watched = inner.clone();
        let health_end = end.clone();
        let health = tokio::spawn(async move { watched.watch_health(health_end).await });
        let models = tokio::spawn(inner.clone().sync_until(end.clone()));
        let ladder = tokio::spawn(inner.clone().obey_until(end.clone()));
        inner.lease_until(&shutdown).await;

        inner.finish().await;
        end.cancel();
        let (heartbeat, health, models, ladder) = tokio::join!(heartbeat, health, models, ladder);
        for ended in [heartbeat, health, models, ladder] {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the bee ended badly");
            }
        }
        Ok(())
    }
}

impl Inner {
    /// Registers, and says so as long as the queen is away. Gives the leases from before a restart.
    async fn register(self: &Arc<Self>) -> Result<Vec<Lease>, BeeError> {
        let registration = self.registration()?;
        let mut pause = PAUSE_FIRST;
        self.say_standing();
        loop {
            match self.queen.register(&registration).await {
                Ok(answer) => {
                    self.registered(&answer);
                    return Ok(answer.leases);
                }
                Err(error) if error.is_transient() => {
                    let queen = self.queen.base_url();
                    tracing::warn!(
                        queen,
                        error = work::explain(&error),
                        ?pause,
                        "the queen is away; trying again"
                    );
                    let status = match self.not_ready_reason() {
                        Some(why) => format!("not ready: {why}; the queen at {queen} is away"),
                        None => format!("the queen at {queen} is away"),
                    };
                    notify::status(&status);
                }
                Err(error) => return Err(BeeError::Refused(error)),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Works on leases that the bee already holds, each as soon as a place is free.
    pub(crate) fn adopt(self: &Arc<Self>, leases: Vec<Lease>) {
        for lease in leases {
            // Held from now on, so that the first heartbeat renews it.
            let Some(held) = self.hold(&lease.token) else {
                continue;
            };
            tracing::info!(job = %lease.job_id, "goes on with a job from before the restart");
            // Taken at once where one is free: a poll for more work takes all that are, and keeps them as long
            // as it waits.
            let free = self.places.clone().try_acquire_owned().ok();
            let inner = self.clone();
            self.jobs.spawn(async move {
                let place = match free {
                    Some(place) => place,
                    None => {
                        let places = inner.places.clone();
                        places.acquire_owned().await.expect("never closed")
                    }
                };
                inner.work_on(lease, held, place).await;
            });
        }
    }

    /// Takes jobs as long as there are places, until `shutdown`.
    async fn lease_until(self: &Arc<Self>, shutdown: &CancellationToken) {
        let mut pause = PAUSE_FIRST;
        loop {
            // Cancel-safe: a place that is not taken stays free; a lease whose answer is cut off lapses, or is adopted
            // at the next start.
            let taken = tokio::select! {
                () = shutdown.cancelled() => return,
                taken = self.turning(self.take()) => taken,
            };
            match taken {
                Ok(taken) => {
                    pause = PAUSE_FIRST;
                    for (lease, place) in taken {
                        self.begin(lease, place);
                    }
                }
                Err(error) => {
                    let wait = if error.is_transient() {
                        pause
                    } else {
                        REFUSED_PAUSE
                    };
                    tracing::warn!(
                        error = work::explain(&error),
                        ?wait,
                        "no work from the queen"
                    );
                    pause = (pause * 2).min(PAUSE_MAX);
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = self.turning(tokio::time::sleep(wait)) => {}
                    }
                }
            }
        }
    }

    /// Waits for a free place and for the right to work, then for work: a job for each place that is free.
    async fn take(&self) -> Result<Vec<(Lease, OwnedSemaphorePermit)>, swarm_client::ClientError> {
        let places = self.places.clone();
        let mut free = vec![places.acquire_owned().await.expect("never closed")];
        while !self.may_work() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        while let Ok(place) = self.places.clone().try_acquire_owned() {
            free.push(place);
        }
        let leases = self
            .queen
            .lease(self.live().poll, free.len() as u32)
            .await?;
        Ok(leases.into_iter().zip(free).collect())
    }

    /// Awaits `work`, and turns meanwhile: each turn tells the watchdog that the bee lives. It does when it has nothing to
    /// do, or when what it does moves; it does not when an engine hangs.
    async fn turning<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            // Cancel-safe: `work` is polled on where it was.
            let done = tokio::time::timeout(LOOK_AGAIN, &mut work).await;
            if self.jobs.is_empty() || self.moved_at().elapsed() < STILL_MAX {
                notify::watchdog();
            }
            if let Ok(done) = done {
                return done;
            }
        }
    }

    fn may_work(&self) -> bool {
        let standing = self.standing.borrow();
        standing.as_ref().is_some_and(|s| s.approved && !s.drain)
            && self.not_ready_reason().is_none()
    }

    fn begin(self: &Arc<Self>, lease: Lease, place: OwnedSemaphorePermit) {
        let Some(held) = self.hold(&lease.token) else {
            // She was restarted and cannot know that it arrived.
            tracing::info!(job = %lease.job_id, "the queen gave a lease again");
            return;
        };
        let inner = self.clone();
        self.jobs
            .spawn(async move { inner.work_on(lease, held, place).await });
    }

    /// Finishes what it has; gives back what is not done in time.
    async fn finish(&self) {
        let deadline = self.live().drain_deadline;
        notify::stopping(deadline + GIVE_BACK_MAX);
        self.drain.cancel();
        self.changed.notify_one();
        self.jobs.close();
        let open = self.jobs.len();
        tracing::info!(open, ?deadline, "drains");
        notify::status(&format!("drains: {open} jobs to finish"));
        if tokio::time::timeout(deadline, self.turning(self.jobs.wait()))
            .await
            .is_ok()
        {
            return;
        }
        tracing::warn!(
            open = self.jobs.len(),
            "the drain's deadline passed; gives back what is not done"
        );
        self.give_back.cancel();
        if tokio::time::timeout(GIVE_BACK_MAX, self.jobs.wait())
            .await
            .is_err()
        {
            tracing::error!("some leases could not be given back; they lapse by themselves");
        }
    }
}
