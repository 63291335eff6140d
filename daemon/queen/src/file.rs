//! `queen.toml` as a whole: her configuration, and where her keys are.

use serde::{Deserialize, Serialize};
use swarm_host::keys::KeySource;

use crate::QueenConfig;

/// queen.toml.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueenFile {
    /// What is logged, such as `info` or `swarm_queen=debug,warn`; `RUST_LOG` wins.
    pub log: Option<String>,
    /// Where the keys are.
    pub keys: QueenKeyFiles,
    /// Everything else.
    pub queen: QueenConfig,
}

/// Where the queen's keys are. They are different keys, so that each has a price of its own when it leaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueenKeyFiles {
    /// Signs quotes and webhooks.
    pub queen: KeySource,
    /// Sign seals.
    pub settlers: Vec<KeySource>,
    /// Pays gas; without it somebody else submits the seals.
    pub gas: Option<KeySource>,
}
