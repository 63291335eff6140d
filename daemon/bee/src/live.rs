//! What of a bee's configuration can change while it runs.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use swarm_host::reload::{self, ReloadError};

use crate::BeeConfig;
use crate::bee::{Bee, Inner};

/// Keys that a reload may change. `log` is the program's that runs the bee.
const CAN_CHANGE: [&str; 5] = [
    "log",
    "poll",
    "progress_interval",
    "drain_deadline",
    "input_bytes_max",
];

/// The changeable keys that the bee's tasks read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    pub poll: Duration,
    pub progress_interval: Duration,
    pub drain_deadline: Duration,
    pub input_bytes_max: u64,
}

/// Why a new configuration is not taken. The old one stays, whole.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unchanged {
    /// It is wrong.
    #[error("the bee's configuration is wrong: {}", .0.join("; "))]
    Config(Vec<String>),
    /// It changes what cannot change while the bee runs.
    #[error("the configuration cannot be taken while the bee runs")]
    Reload(#[source] ReloadError),
}

/// Changes a bee's configuration while it serves.
pub struct Reloader {
    inner: Arc<Inner>,
    /// What is configured by now.
    config: BeeConfig,
}

impl Live {
    pub fn of(config: &BeeConfig) -> Self {
        Self {
            poll: config.poll,
            progress_interval: config.progress_interval,
            drain_deadline: config.drain_deadline,
            input_bytes_max: config.input_bytes_max,
        }
    }
}

impl Bee {
    /// Changes this bee's configuration while it serves.
    pub fn reloader(&self) -> Reloader {
        let inner = self.inner.clone();
        let config = inner.config.clone();
        Reloader { inner, config }
    }
}

impl Reloader {
    /// Takes another configuration, as far as it can while the bee runs, or nothing of it. Answers the keys that changed.
    ///
    /// # Errors
    /// [`Unchanged`].
    pub fn reload(&mut self, new: BeeConfig) -> Result<Vec<String>, Unchanged> {
        let problems = new.problems();
        if !problems.is_empty() {
            return Err(Unchanged::Config(problems));
        }
        let keys = reload::changes(&self.config, &new, &CAN_CHANGE).map_err(Unchanged::Reload)?;
        let live = self.inner.live.write();
        *live.unwrap_or_else(PoisonError::into_inner) = Live::of(&new);
        self.config = new;
        Ok(keys)
    }
}

impl Inner {
    /// What the configuration says by now of what can change.
    pub fn live(&self) -> Live {
        *self.live.read().unwrap_or_else(PoisonError::into_inner)
    }
}
