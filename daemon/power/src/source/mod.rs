//! Meters behind one trait, and the task that asks one.
//!
//! Each source has a task of its own ([`spawn`]): it reads, sends what it read, and waits. One that does not answer
//! in time is dropped and opened anew, later every time; the others do not notice.

mod modbus;
mod mqtt;
mod nut;
mod replay;
mod sunspec;
mod victron;

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, timeout};

use crate::config::{Kind, SourceConfig};
use crate::meter::{Metric, Sample};

pub use replay::Replay;

/// First pause after a read that failed; it doubles.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Why a source gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached, or hung up.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// It did not answer in time.
    #[error("no answer in {} s", .0.as_secs())]
    Silent(Duration),
    /// It answered with a Modbus exception.
    #[error("Modbus exception at register {address}: {text}")]
    Exception {
        /// First register that was asked for.
        address: u16,
        /// The exception's name.
        text: String,
    },
    /// It does not speak the protocol.
    #[error("not understood: {0}")]
    Garbage(String),
    /// It speaks the protocol and has nothing that was asked for.
    #[error("{0}")]
    Nothing(String),
}

impl SourceError {
    fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}

/// A meter. It keeps its connection between reads and opens it when there is none.
pub trait Source: Send {
    /// Reads everything once. What the device does not have, or says that it does not know, is not in the answer.
    fn read(&mut self) -> impl Future<Output = Result<Vec<Sample>, SourceError>> + Send;

    /// Closes the connection: the next read opens a new one.
    fn close(&mut self);

    /// How long a read may take beside the configured timeout, because it listens and does not ask.
    fn listens(&self) -> Duration {
        Duration::ZERO
    }
}

/// What a source's task says.
#[derive(Debug)]
pub struct Answer {
    /// Which source, by its place in the configuration.
    pub index: usize,
    /// What it read, or why not.
    pub outcome: Result<Vec<Sample>, SourceError>,
}

/// Says what a source read.
struct Teller {
    index: usize,
    invert: BTreeSet<Metric>,
    to: mpsc::Sender<Answer>,
}

impl Teller {
    /// `false` when nobody listens any more.
    async fn say(&self, mut outcome: Result<Vec<Sample>, SourceError>) -> bool {
        for sample in outcome.iter_mut().flatten() {
            if self.invert.contains(&sample.metric) {
                sample.value = -sample.value;
            }
        }
        let index = self.index;
        self.to.send(Answer { index, outcome }).await.is_ok()
    }
}

/// Starts the task of one source; it ends when nobody listens any more, or with its handle aborted.
pub fn spawn(index: usize, config: &SourceConfig, to: mpsc::Sender<Answer>) -> JoinHandle<()> {
    let times = (config.interval.0, config.timeout.0);
    let tell = Teller {
        index,
        invert: config.invert.clone(),
        to,
    };
    match config.kind {
        Kind::Sunspec => tokio::spawn(ask(sunspec::SunSpec::new(config), times, tell)),
        Kind::VictronModbus => tokio::spawn(ask(victron::Gx::new(config), times, tell)),
        Kind::VictronMqtt => tokio::spawn(ask(mqtt::Gx::new(config), times, tell)),
        Kind::Nut => tokio::spawn(ask(nut::Nut::new(config), times, tell)),
        Kind::Replay => tokio::spawn(ask(Replay::new(config), times, tell)),
    }
}

/// Reads once, with the source's timeout.
pub async fn read_once(config: &SourceConfig) -> Result<Vec<Sample>, SourceError> {
    let time = config.timeout.0;
    match config.kind {
        Kind::Sunspec => in_time(&mut sunspec::SunSpec::new(config), time).await,
        Kind::VictronModbus => in_time(&mut victron::Gx::new(config), time).await,
        Kind::VictronMqtt => in_time(&mut mqtt::Gx::new(config), time).await,
        Kind::Nut => in_time(&mut nut::Nut::new(config), time).await,
        Kind::Replay => in_time(&mut Replay::new(config), time).await,
    }
}

async fn in_time(source: &mut impl Source, time: Duration) -> Result<Vec<Sample>, SourceError> {
    let time = time + source.listens();
    match timeout(time, source.read()).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(SourceError::Silent(time)),
    }
}

async fn ask<S: Source>(mut source: S, (interval, time): (Duration, Duration), tell: Teller) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pause = PAUSE_FIRST;
    loop {
        ticks.tick().await;
        let outcome = in_time(&mut source, time).await;
        let failed = outcome.is_err();
        if !tell.say(outcome).await {
            return;
        }
        if failed {
            // What is half read belongs to no later answer.
            source.close();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        } else {
            pause = PAUSE_FIRST;
        }
    }
}
