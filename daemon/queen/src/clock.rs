//! The clock, in one place. Everything below the API takes its time from here.
//!
//! A queen has the system's clock. A simulation gives her a [`Dial`] instead and turns it: then nothing
//! that she does depends on when it ran.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where monotonic time of the system's clock counts from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Tells the time, and waits. Clones tell the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Mutex<Face>>>);

/// Turns the clocks that were made from it.
#[derive(Clone, Debug)]
pub struct Dial(Arc<Mutex<Face>>);

/// A clock that is turned by hand.
#[derive(Debug)]
struct Face {
    wall_millis: u64,
    running: Duration,
    /// Who waits; woken at every turn.
    waiting: Vec<Waker>,
}

/// The time given for a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// Unix seconds now.
    pub fn seconds(&self) -> u64 {
        self.millis() / 1_000
    }

    /// Unix milliseconds now.
    pub fn millis(&self) -> u64 {
        if let Some(face) = &self.0 {
            return lock(face).wall_millis;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock before 1970 is no clock; every deadline is in its future, so nothing is charged by it.
        let millis = since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        millis.saturating_add_signed(swarm_faults::clock_skew_seconds() * 1_000)
    }

    /// Time that only runs forward, whoever sets the wall clock; counts from an arbitrary point.
    pub fn running(&self) -> Duration {
        match &self.0 {
            Some(face) => lock(face).running,
            None => START.elapsed(),
        }
    }

    /// Waits for `time`. Cancel-safe.
    pub async fn sleep(&self, time: Duration) {
        self.sleep_until(self.running() + time).await;
    }

    /// Waits for `work` until [`Self::running`] is at `until`; `work` goes first when both are due.
    ///
    /// # Errors
    /// When the time was over first. `work` is not touched then.
    pub async fn timeout_at<F: Future + Unpin>(
        &self,
        until: Duration,
        work: F,
    ) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            // Cancel-safe: the caller keeps what it waits for.
            done = work => Ok(done),
            // Cancel-safe: a pause.
            () = self.sleep_until(until) => Err(Elapsed),
        }
    }

    async fn sleep_until(&self, until: Duration) {
        match &self.0 {
            Some(face) => Turned { face, until }.await,
            None => {
                let at = START.checked_add(until).unwrap_or(*START);
                pin!(tokio::time::sleep_until(at.into())).await;
            }
        }
    }
}

impl Dial {
    /// A dial at `wall_millis` (Unix milliseconds).
    pub fn new(wall_millis: u64) -> Self {
        Self(Arc::new(Mutex::new(Face {
            wall_millis,
            running: Duration::ZERO,
            waiting: Vec::new(),
        })))
    }

    /// The clock that this dial turns.
    pub fn clock(&self) -> Clock {
        Clock(Some(self.0.clone()))
    }

    /// Lets `time` pass.
    pub fn turn(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut face = lock(&self.0);
        face.wall_millis = face.wall_millis.saturating_add(millis);
        face.running = face.running.saturating_add(time);
        let waiting = std::mem::take(&mut face.waiting);
        drop(face);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Sets the wall clock, as somebody who corrects it does: no time passes.
    pub fn set(&self, wall_millis: u64) {
        lock(&self.0).wall_millis = wall_millis;
    }
}

fn lock(face: &Mutex<Face>) -> MutexGuard<'_, Face> {
    // No code under this lock panics half-way through a change.
    face.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ready when the dial is far enough.
struct Turned<'a> {
    face: &'a Mutex<Face>,
    until: Duration,
}

impl Future for Turned<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut face = lock(self.face);
        if face.running >= self.until {
            return Poll::Ready(());
        }
        face.waiting.push(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dial_moves_only_when_it_is_turned() {
        let dial = Dial::new(5_000);
        let clock = dial.clock();
        assert_eq!(clock.seconds(), 5);
        let sleeper = clock.clone();
        let asleep = tokio::spawn(async move { sleeper.sleep(Duration::from_secs(2)).await });
        // It begins to wait before anything is turned.
        tokio::task::yield_now().await;
        dial.set(1_000_000);
        dial.turn(Duration::from_millis(1_999));
        tokio::task::yield_now().await;
        assert!(!asleep.is_finished(), "setting the clock lets no time pass");
        dial.turn(Duration::from_millis(1));
        asleep.await.expect("wakes");
        assert_eq!(clock.millis(), 1_002_000);
        let until = clock.running();
        let ready = std::future::ready(7);
        assert_eq!(clock.timeout_at(until, ready).await, Ok(7));
        let never = std::future::pending::<()>();
        assert_eq!(clock.timeout_at(until, Box::pin(never)).await, Err(Elapsed));
    }

    #[tokio::test]
    async fn the_system_clock_runs_and_waits() {
        let clock = Clock::system();
        let (before, running) = (clock.millis(), clock.running());
        clock.sleep(Duration::from_millis(5)).await;
        assert!(clock.running() >= running + Duration::from_millis(5));
        assert!(
            clock.millis() > before,
            "unless the clock was just set back"
        );
        let until = clock.running() + Duration::from_millis(5);
        let never = std::future::pending::<()>();
        assert_eq!(clock.timeout_at(until, Box::pin(never)).await, Err(Elapsed));
    }
}
