//! What a bee is told. Unknown fields are refused, and all that is wrong is said at once.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use swarm_client::{Fingerprint, Tls};
use swarm_host::keys::{KeySource, SecretSource};
use swarm_types::Address;
use swarm_types::api::POLL_SECONDS_MAX;

use crate::ladder::LadderConfig;

/// Most computations at once.
pub const CONCURRENCY_MAX: u32 = 16;
/// Most jobs that are fetched or uploaded beside those that compute.
pub const PREFETCH_MAX: u32 = 4;
/// Longest name.
const NAME_BYTES_MAX: usize = 64;
/// Longest drain: a rack that is switched off does not wait an hour.
const DRAIN_MAX: Duration = Duration::from_secs(3600);

/// Configuration of a bee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeeConfig {
    /// Address of the queen, such as `https://queen.local:8443`.
    pub queen: String,
    /// SHA-256 of the queen's certificate, as she prints it; without it the system's roots decide.
    #[serde(default)]
    pub queen_fingerprint: Option<String>,
    /// Talk plain HTTP to a queen on another machine: the network between is ours.
    #[serde(default)]
    pub queen_plain_http: bool,
    /// What is logged, such as `info` or `swarm_bee=debug,warn`; `RUST_LOG` wins.
    #[serde(default)]
    pub log: Option<String>,
    /// Name for people, such as `bee-01`.
    pub name: String,
    /// The key that signs requests and executions.
    pub key: KeySource,
    /// The age identity to which inputs are encrypted.
    pub identity: SecretSource,
    /// Directory of model packages, one directory each. With a `model_cache` it may be empty or not there.
    pub models: PathBuf,
    /// Directory of the packages that the bee pulls from its queen; without it the bee pulls none.
    #[serde(default)]
    pub model_cache: Option<PathBuf>,
    /// Bytes that pulled packages may have on disk together. When there is no room, those go that the queen has not active,
    /// the least recently used first.
    #[serde(default = "model_cache_bytes_max")]
    pub model_cache_bytes_max: u64,
    /// How often the bee asks the queen which models there are.
    #[serde(default = "model_poll", with = "duration")]
    pub model_poll: Duration,
    /// Models that are kept in memory; of more, the least recently used are loaded again when a job needs them.
    #[serde(default = "warm_models_max")]
    pub warm_models_max: usize,
    /// ONNX Runtime's library; where `scripts/setup` puts it unless named.
    #[serde(default)]
    pub onnxruntime: Option<PathBuf>,
    /// Threads of one computation; all processors unless said.
    #[serde(default)]
    pub threads: Option<NonZeroUsize>,
    /// Computations at once.
    #[serde(default = "one")]
    pub concurrency: u32,
    /// Jobs that may be fetched or uploaded beside those that compute.
    #[serde(default = "one")]
    pub prefetch: u32,
    /// Memory in MiB that the bee may use; all of the box's unless said.
    #[serde(default)]
    pub memory_mib: Option<u32>,
    /// Largest encrypted input in bytes.
    #[serde(default = "input_bytes_max")]
    pub input_bytes_max: u64,
    /// How long one long-poll for work waits.
    #[serde(default = "poll", with = "duration")]
    pub poll: Duration,
    /// Shortest time between two reports of a job's progress.
    #[serde(default = "progress_interval", with = "duration")]
    pub progress_interval: Duration,
    /// What the ladder of the site's power may do to this box.
    #[serde(default)]
    pub power: LadderConfig,
    /// How long the bee finishes its work after it was told to stop.
    #[serde(default = "drain_deadline", with = "duration")]
    pub drain_deadline: Duration,
    /// Where on loopback a page for Prometheus is served, such as `127.0.0.1:9401`; nowhere unless said.
    #[serde(default)]
    pub metrics: Option<SocketAddr>,
    /// A one-time code of the operator with which the bee joins approved.
    #[serde(default)]
    pub join_code: Option<String>,
    /// Where earnings go; counts only together with a join code.
    #[serde(default)]
    pub payee: Option<Address>,
}

fn one() -> u32 {
    1
}

fn model_cache_bytes_max() -> u64 {
    16 << 30
}

fn model_poll() -> Duration {
    Duration::from_secs(30)
}

fn warm_models_max() -> usize {
    8
}

fn input_bytes_max() -> u64 {
    1 << 30
}

fn poll() -> Duration {
    Duration::from_secs(25)
}

fn progress_interval() -> Duration {
    Duration::from_secs(1)
}

/// Below systemd's default of 90 s for a stop.
fn drain_deadline() -> Duration {
    Duration::from_secs(80)
}

impl BeeConfig {
    /// Everything that is wrong, one sentence each; empty when the configuration is good.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut require = |holds: bool, problem: String| {
            if !holds {
                found.push(problem);
            }
        };
        let name = &self.name;
        let named = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
        require(
            named,
            format!("name: must be 1 to {NAME_BYTES_MAX} bytes without control characters"),
        );
        require(
            (1..=CONCURRENCY_MAX).contains(&self.concurrency),
            format!(
                "concurrency: {} is not 1 to {CONCURRENCY_MAX}",
                self.concurrency
            ),
        );
        require(
            self.prefetch <= PREFETCH_MAX,
            format!("prefetch: {} is not 0 to {PREFETCH_MAX}", self.prefetch),
        );
        require(
            self.input_bytes_max > 0,
            "input_bytes_max: must be above 0".into(),
        );
        let poll_max = Duration::from_secs(POLL_SECONDS_MAX);
        require(
            (Duration::from_secs(1)..=poll_max).contains(&self.poll),
            format!("poll: must be 1s to {POLL_SECONDS_MAX}s"),
        );
        require(
            self.progress_interval >= Duration::from_millis(100),
            "progress_interval: must be at least 100ms".into(),
        );
        require(
            self.drain_deadline <= DRAIN_MAX,
            "drain_deadline: must be at most 1h".into(),
        );
        require(
            self.model_cache_bytes_max > 0,
            "model_cache_bytes_max: must be above 0".into(),
        );
        require(
            self.model_poll >= Duration::from_millis(100),
            "model_poll: must be at least 100ms".into(),
        );
        require(
            self.warm_models_max > 0,
            "warm_models_max: must be above 0".into(),
        );
        if let Some(log) = &self.log
            && let Err(error) = swarm_host::logging::check(log)
        {
            found.push(error.to_string());
        }
        found.extend(self.power.problem());
        if let Err(error) = self.tls() {
            found.push(format!("queen_fingerprint: {error}"));
        }
        let (pinned, plain) = (self.queen_fingerprint.is_some(), self.queen_plain_http);
        if pinned && plain {
            found.push("queen_plain_http: cannot go together with queen_fingerprint".into());
        }
        if self.metrics.is_some_and(|at| !at.ip().is_loopback()) {
            found.push("metrics: must be an address on loopback, such as 127.0.0.1:9401".into());
        }
        if self.payee.is_some() && self.join_code.is_none() {
            found.push("payee: counts only together with join_code; the operator names it with the approval".into());
        }
        found
    }

    /// How the queen is recognised.
    ///
    /// # Errors
    /// When `queen_fingerprint` is none.
    pub fn tls(&self) -> Result<Tls, swarm_client::ClientError> {
        Ok(match &self.queen_fingerprint {
            Some(text) => Tls::Pinned(text.parse::<Fingerprint>()?),
            None if self.queen_plain_http => Tls::PlainAnywhere,
            None => Tls::SystemRoots,
        })
    }

    /// Places for jobs: computing, coming and going.
    pub(crate) fn places(&self) -> u32 {
        self.concurrency + self.prefetch
    }
}

/// Durations as text with a unit, such as `30s`.
mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*value))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map_err(|_| {
            D::Error::custom(format!(
                "'{text}' is not a duration with a unit, such as 30s"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = r#"
        queen = "http://127.0.0.1:8000"
        name = "bee-01"
        key = { file = "bee.key" }
        identity = { credential = "bee.age" }
        models = "models"
    "#;

    #[test]
    fn the_smallest_configuration_is_good_and_unknown_fields_are_not() {
        let config: BeeConfig = toml::from_str(SMALLEST).expect("reads");
        assert_eq!(config.problems(), Vec::<String>::new());
        assert_eq!(config.places(), 2);
        for line in [
            "pol = \"30s\"",
            "poll = 30",
            "poll = \"30\"",
            "threads = 0",
            "payee = \"0x12\"",
        ] {
            assert!(
                toml::from_str::<BeeConfig>(&format!("{SMALLEST}\n{line}")).is_err(),
                "{line}"
            );
        }
        let text = toml::to_string(&config).expect("writes");
        assert_eq!(toml::from_str::<BeeConfig>(&text).expect("reads"), config);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let mut config: BeeConfig = toml::from_str(SMALLEST).expect("reads");
        config.name = "bee\n1".into();
        config.concurrency = 0;
        config.prefetch = 9;
        config.poll = Duration::from_secs(31);
        config.log = Some("bee=loud".into());
        config.queen_fingerprint = Some("12".into());
        config.queen_plain_http = true;
        config.metrics = Some(([0, 0, 0, 0], 9401).into());
        config.payee = Some(Address::ZERO);
        let fields: Vec<_> = config
            .problems()
            .iter()
            .map(|problem| problem.split(':').next().expect("a field").to_owned())
            .collect();
        let expected = [
            "name",
            "concurrency",
            "prefetch",
            "poll",
            "log",
            "queen_fingerprint",
            "queen_plain_http",
            "metrics",
            "payee",
        ];
        assert_eq!(fields, expected);
    }
}
