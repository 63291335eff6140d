//! The thread that watches: what a daemon starts, and reads from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use super::cpu::{self, Cpu};
use super::kernel_log::{self, Follower};
use super::monitor::Monitor;
use super::nvml::NvmlSource;
use super::{Snapshot, Source, Xid};

/// Between two rounds of readings.
pub const POLL: Duration = Duration::from_secs(5);
/// Between two looks whether a driver came, on a box without one.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Longest wait for events, so that the end is noticed.
const WAIT: Duration = Duration::from_secs(1);
/// XIDs of the kernel's log that wait to be counted.
const KERNEL_XIDS_MAX: usize = 1_024;

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Telemetry {
    now: Arc<Mutex<Arc<Snapshot>>>,
    end: Arc<AtomicBool>,
}

impl Telemetry {
    /// Starts to watch the box's GPUs and processor.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let telemetry = Self::of(Snapshot::empty("nothing was read yet"));
        let (now, end) = (telemetry.now.clone(), telemetry.end.clone());
        let thread = std::thread::Builder::new().name("telemetry".into());
        // Nobody waits for it: NVML may hang with a lost device, and that must not hold up the end.
        thread.spawn(move || watch(&now, &end))?;
        Ok(telemetry)
    }

    /// One that shows `snapshot` and never anything else.
    pub fn of(snapshot: Snapshot) -> Self {
        Self {
            now: Arc::new(Mutex::new(Arc::new(snapshot))),
            end: Arc::default(),
        }
    }

    /// What was found last.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.now
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

/// One round, now: for a program that only looks.
pub fn look() -> Snapshot {
    let mut processor = Cpu::default();
    processor.percent();
    let mut snapshot = match NvmlSource::open() {
        Ok(source) => {
            let mut monitor = Monitor::new(source);
            monitor.poll(Instant::now());
            monitor.snapshot(Instant::now())
        }
        Err(no_gpu) => Snapshot::empty(no_gpu.to_string()),
    };
    std::thread::sleep(Duration::from_millis(200));
    snapshot.cpu_percent = processor.percent();
    snapshot.cpu_celsius = cpu::celsius();
    snapshot
}

fn watch(now: &Mutex<Arc<Snapshot>>, end: &AtomicBool) {
    let mut processor = Cpu::default();
    let show = |mut snapshot: Snapshot, processor: &mut Cpu| {
        snapshot.cpu_percent = processor.percent();
        snapshot.cpu_celsius = cpu::celsius();
        *now.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    };
    let mut said = None;
    while !end.load(Ordering::Relaxed) {
        match NvmlSource::open() {
            Ok(source) => {
                let (send, kernel) = mpsc::sync_channel(KERNEL_XIDS_MAX);
                let log = kernel_log::follow(send);
                return follow(Monitor::new(source), &kernel, log, end, |snapshot| {
                    show(snapshot, &mut processor);
                });
            }
            Err(no_gpu) => {
                if said.as_ref() != Some(&no_gpu) {
                    tracing::info!(why = %no_gpu, "no GPU is watched");
                }
                let until = Instant::now() + LOOK_AGAIN;
                while Instant::now() < until && !end.load(Ordering::Relaxed) {
                    show(Snapshot::empty(no_gpu.to_string()), &mut processor);
                    std::thread::sleep(POLL);
                }
                said = Some(no_gpu);
            }
        }
    }
}

fn follow(
    mut monitor: Monitor<impl Source>,
    kernel: &mpsc::Receiver<Xid>,
    log: Option<Follower>,
    end: &AtomicBool,
    mut show: impl FnMut(Snapshot),
) {
    while !end.load(Ordering::Relaxed) {
        let began = Instant::now();
        monitor.poll(began);
        loop {
            for xid in kernel.try_iter().take(KERNEL_XIDS_MAX) {
                monitor.count(&xid, Instant::now());
            }
            let mut snapshot = monitor.snapshot(began);
            snapshot.kernel_log = log.is_some();
            show(snapshot);
            let left = POLL.saturating_sub(began.elapsed());
            if left.is_zero() || end.load(Ordering::Relaxed) {
                break;
            }
            monitor.wait(left.min(WAIT));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_at_this_box_says_what_it_has() {
        let snapshot = look();
        assert!(snapshot.cpu_percent.is_some_and(|percent| percent <= 100));
        match &snapshot.driver {
            Some(_) => assert!(snapshot.note.is_none()),
            None => {
                assert!(snapshot.devices.is_empty() && snapshot.xids.is_empty());
                let note = snapshot.note.as_deref().expect("a reason");
                assert!(!note.is_empty(), "no GPU is a state with a reason");
            }
        }
    }
}
