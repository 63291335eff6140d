//! The queen's configuration: unknown keys are refused, durations carry a unit, and every error is
//! reported at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use swarm_orb::policy;
use swarm_power::PowerConfig;
pub use swarm_power::Span;
use swarm_types::payout::Rates;
use swarm_types::{Address, MicroUsdc};

use crate::limits::{
    LEASE_TIME_MAX, LEASE_TIME_MIN, MODEL_UPLOAD_BYTES, NAME_BYTES_MAX, ORDER_LIFE_MAX,
    RECEIVE_TIME_MAX, RECEIVE_TIME_MIN,
};
use crate::rails::Strategy;
use crate::settlement::SettlementConfig;

/// How the queen is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// Address and port. On loopback the queen speaks plain HTTP, elsewhere TLS.
    pub address: SocketAddr,
    /// A proxy that ends TLS stands before the queen: she speaks plain HTTP everywhere, and takes the
    /// client's address from the last entry of `x-forwarded-for`.
    pub behind_proxy: bool,
    /// Certificate chain (PEM). Without it the queen makes a certificate of her own.
    pub certificate_file: Option<PathBuf>,
    /// Its private key (PEM).
    pub key_file: Option<PathBuf>,
    /// Names and addresses in the queen's own certificate.
    pub names: Vec<String>,
    /// The URL under which clients reach the queen, for `/x402.json`; from the address when absent.
    pub public_url: Option<String>,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8000)),
            behind_proxy: false,
            certificate_file: None,
            key_file: None,
            names: vec!["localhost".into(), "127.0.0.1".into(), "::1".into()],
            public_url: None,
        }
    }
}

/// Requests a second that a bucket refills, and how many it holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Refill a second.
    pub per_second: f64,
    /// Capacity.
    pub burst: f64,
}

/// Limits that an operator may set; the others are constants in [`crate::limits`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Requests of one signer (or one ordering client).
    pub per_signer: Rate,
    /// Unsigned requests from one network address.
    pub per_address: Rate,
    /// Signed requests and orders from one network address, before their signature is known to be good.
    pub per_address_signed: Rate,
    /// Connections open at once; one more is closed unanswered. Below what the process may open files.
    pub connections_max: usize,
    /// Connections open at once from one network address. Nobody counts behind a proxy.
    pub connections_per_address_max: usize,
    /// Requests in flight at once; more are answered 503.
    pub in_flight_max: usize,
    /// Event streams open at once.
    pub streams_max: usize,
    /// Largest encrypted input or result, bytes.
    pub blob_bytes_max: u64,
    /// Largest model package that may be uploaded, bytes; at most 2 GiB. It is read into memory once, to be checked.
    pub model_bytes_max: u64,
    /// Uploads in progress at once.
    pub uploads_max: usize,
    /// Time in which a request's head must be there; nobody is told when it is not.
    pub head_time: Span,
    /// Time in which a request's body must be there: a piece of 8 MiB needs 140 kB/s in a minute.
    pub body_time: Span,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let rate = |per_second, burst| Rate { per_second, burst };
        Self {
            per_signer: rate(50.0, 200.0),
            per_address: rate(50.0, 200.0),
            per_address_signed: rate(500.0, 2_000.0),
            connections_max: 8_192,
            connections_per_address_max: 1_024,
            in_flight_max: 4_096,
            streams_max: 256,
            blob_bytes_max: 2 << 30,
            model_bytes_max: MODEL_UPLOAD_BYTES,
            uploads_max: 1_024,
            head_time: Span::seconds(15),
            body_time: Span::seconds(60),
        }
    }
}

/// How jobs are leased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RailsConfig {
    /// Which of the waiting bees gets a job.
    pub strategy: Strategy,
    /// For `weighted`: weight of a bee by its key; 1 when it is not named.
    pub weights: BTreeMap<Address, u32>,
    /// How long a lease holds without a heartbeat or a progress report.
    pub lease: Span,
    /// Leases that a job may use up.
    pub attempts_max: u32,
}

impl Default for RailsConfig {
    fn default() -> Self {
        Self {
            strategy: Strategy::RoundRobin,
            weights: BTreeMap::new(),
            lease: Span::seconds(120),
            attempts_max: 3,
        }
    }
}

/// How long things are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Days that a result is kept after its upload.
    pub result_days: u32,
    /// How long an upload that no job uses is kept.
    pub orphans: Span,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            result_days: 30,
            orphans: Span::seconds(24 * 3_600),
        }
    }
}

/// The chain and the escrow that orders are signed for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// JSON-RPC node. Without one the queen mirrors nothing and seals nothing, and says so.
    #[serde(default)]
    pub rpc_url: Option<String>,
    /// The escrow.
    pub escrow: Address,
    /// The USDC contract.
    pub token: Address,
    /// Block in which the escrow was deployed.
    #[serde(default)]
    pub escrow_block: u64,
    /// Cap per epoch of a client that never set one; fixed at the escrow's deployment.
    pub default_cap: MicroUsdc,
    /// ENS registry on the chain that holds names; without it paths take addresses only.
    #[serde(default)]
    pub ens: Option<EnsConfig>,
}

/// Where names are resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnsConfig {
    /// JSON-RPC node of the chain that holds the names.
    pub rpc_url: String,
    /// Its EIP-155 chain id.
    pub chain_id: u64,
    /// The registry.
    pub registry: Address,
}

/// What jobs cost and who shares the fees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeesConfig {
    /// Fee of a job whose type is not in `by_job_type`, µUSDC.
    #[serde(default = "default_fee")]
    pub fee: MicroUsdc,
    /// Fee by job type, µUSDC.
    #[serde(default)]
    pub by_job_type: BTreeMap<String, MicroUsdc>,
    /// Rates of the payout rule.
    #[serde(default)]
    pub rates: Rates,
    /// Payee of the protocol fee.
    pub protocol_payee: Address,
    /// Payee of the operator fee.
    pub operator_payee: Address,
    /// How long a quote stands.
    #[serde(default = "default_quote_life")]
    pub quote_life: Span,
}

fn default_fee() -> MicroUsdc {
    MicroUsdc(100_000)
}

fn default_quote_life() -> Span {
    Span::seconds(600)
}

fn default_order_life() -> Span {
    Span::seconds(24 * 3_600)
}

fn default_name() -> String {
    "queen".into()
}

fn default_shutdown() -> Span {
    Span::seconds(20)
}

/// SwarmOrb, the web pages that the queen serves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrbConfig {
    /// Title of the pages; the queen's name when absent.
    pub title: Option<String>,
    /// JSON-RPC nodes of the escrow's chain that a visitor's browser may read. They are told to everybody,
    /// so they hold no key that matters; `chain.rpc_url` is not among them by itself.
    pub rpc_urls: Vec<String>,
    /// Base URL of a block explorer, such as `https://sepolia.basescan.org`.
    pub block_explorer: Option<String>,
}

/// Everything that the queen is told. Secrets are not in it: keys are handed to her beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueenConfig {
    /// Her name for people.
    #[serde(default = "default_name")]
    pub name: String,
    /// Her directory (layout in the crate's documentation).
    pub state_dir: PathBuf,
    /// Directory of model packages, one directory each.
    pub models_dir: PathBuf,
    /// Keys that may approve bees and seal.
    pub operators: Vec<Address>,
    /// How she is reached.
    #[serde(default)]
    pub listen: ListenConfig,
    /// The chain.
    pub chain: ChainConfig,
    /// What jobs cost.
    pub fees: FeesConfig,
    /// How epochs are sealed and settled.
    #[serde(default)]
    pub settlement: SettlementConfig,
    /// How jobs are leased.
    #[serde(default)]
    pub rails: RailsConfig,
    /// How long things are kept.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// Her web pages.
    #[serde(default)]
    pub orb: OrbConfig,
    /// Where the rack's energy comes from, and what is done about it.
    #[serde(default)]
    pub power: PowerConfig,
    /// Limits.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Farthest deadline of an order from now; less where the escrow lets a client's money out sooner.
    #[serde(default = "default_order_life")]
    pub max_order_life: Span,
    /// Lets webhooks go to private addresses and over plain HTTP; for development.
    #[serde(default)]
    pub webhooks_to_private: bool,
    /// How long open requests may take to end at shutdown.
    #[serde(default = "default_shutdown")]
    pub shutdown: Span,
}

/// All that is wrong with a configuration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the queen's configuration has {} error(s): {}", .0.len(), .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

impl QueenConfig {
    /// Checks what types alone do not.
    ///
    /// # Errors
    /// Every error, each naming its key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut errors = Vec::new();
        let mut refuse = |wrong: bool, text: &str| {
            if wrong {
                errors.push(text.to_owned());
            }
        };
        let listen = &self.listen;
        refuse(self.name.is_empty(), "name: must not be empty");
        refuse(
            self.operators.is_empty(),
            "operators: name at least one key that approves bees",
        );
        refuse(
            listen.certificate_file.is_some() != listen.key_file.is_some(),
            "listen.certificate_file and listen.key_file: give both or neither",
        );
        refuse(
            listen.behind_proxy && listen.certificate_file.is_some(),
            "listen.behind_proxy: the proxy ends TLS, so give no certificate_file",
        );
        refuse(self.chain.chain_id == 0, "chain.chain_id: must not be 0");
        refuse(
            self.chain.escrow == Address::ZERO || self.chain.token == Address::ZERO,
            "chain.escrow and chain.token: must not be the zero address",
        );
        if let Err(error) = self.fees.rates.check() {
            refuse(true, &format!("fees.rates: {error}"));
        }
        refuse(
            self.fees.fee == MicroUsdc::ZERO
                || self.fees.by_job_type.values().any(|fee| fee.0 == 0),
            "fees: a fee must not be 0",
        );
        refuse(
            self.fees.protocol_payee == Address::ZERO || self.fees.operator_payee == Address::ZERO,
            "fees.protocol_payee and fees.operator_payee: must not be the zero address",
        );
        let lease = self.rails.lease.0;
        refuse(
            lease < LEASE_TIME_MIN || lease > LEASE_TIME_MAX,
            "rails.lease: must be 60s to 1h",
        );
        refuse(
            !(1..=swarm_ledger::limits::ATTEMPTS_MAX).contains(&self.rails.attempts_max),
            "rails.attempts_max: must be 1 to 100",
        );
        refuse(
            self.max_order_life.0.is_zero() || self.max_order_life.0 > ORDER_LIFE_MAX,
            "max_order_life: must be at most 7days and not 0",
        );
        let limits = &self.limits;
        refuse(
            limits.connections_max == 0 || limits.connections_per_address_max == 0,
            "limits.connections_max and limits.connections_per_address_max: must not be 0",
        );
        refuse(
            self.settlement.seal_every.0.is_zero() || self.settlement.poll.0.is_zero(),
            "settlement.seal_every and settlement.poll: must not be 0",
        );
        refuse(
            self.retention.result_days == 0,
            "retention.result_days: must not be 0",
        );
        let orb = &self.orb;
        refuse(
            orb.rpc_urls.len() > policy::RPCS_MAX
                || orb
                    .rpc_urls
                    .iter()
                    .any(|url| policy::http_url(url).is_none()),
            "orb.rpc_urls: at most 16 http:// or https:// URLs without user, password or fragment",
        );
        let explorer = orb.block_explorer.as_deref();
        refuse(
            explorer.is_some_and(|url| policy::explorer_url(url).is_none()),
            "orb.block_explorer: must be an http:// or https:// URL without query or fragment",
        );
        refuse(
            orb.title.as_ref().is_some_and(|title| {
                title.is_empty()
                    || title.len() > NAME_BYTES_MAX
                    || title.chars().any(char::is_control)
            }),
            "orb.title: must be 1 to 64 bytes without control characters",
        );
        let limits = &self.limits;
        refuse(
            limits.model_bytes_max == 0 || limits.model_bytes_max > swarm_package::BYTES_MAX,
            "limits.model_bytes_max: must be at most 2147483648 and not 0",
        );
        for (key, rate) in [
            ("per_signer", limits.per_signer),
            ("per_address", limits.per_address),
            ("per_address_signed", limits.per_address_signed),
        ] {
            let sound = rate.per_second.is_finite() && rate.per_second > 0.0 && rate.burst >= 1.0;
            refuse(
                !sound || !rate.burst.is_finite(),
                &format!("limits.{key}: per_second must be above 0 and burst at least 1"),
            );
        }
        refuse(
            limits.in_flight_max == 0 || limits.blob_bytes_max == 0 || limits.uploads_max == 0,
            "limits: in_flight_max, blob_bytes_max and uploads_max must not be 0",
        );
        for (key, time) in [
            ("head_time", limits.head_time),
            ("body_time", limits.body_time),
        ] {
            refuse(
                !(RECEIVE_TIME_MIN..=RECEIVE_TIME_MAX).contains(&time.0),
                &format!("limits.{key}: must be 1s to 10m"),
            );
        }
        errors.extend(self.power.problems());
        if errors.is_empty() {
            Ok(())
        } else {
            Err(ConfigError(errors))
        }
    }

    /// The ledger's file.
    pub fn ledger_path(&self) -> PathBuf {
        self.state_dir.join("ledger.sqlite")
    }

    /// Whether she speaks TLS herself.
    pub fn speaks_tls(&self) -> bool {
        let files = self.listen.certificate_file.is_some();
        !self.listen.behind_proxy && (files || !self.listen.address.ip().is_loopback())
    }

    /// Fee of a job type.
    pub fn fee(&self, job_type: &str) -> MicroUsdc {
        let by_type = self.fees.by_job_type.get(job_type);
        by_type.copied().unwrap_or(self.fees.fee)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        state_dir = "state"
        models_dir = "models"
        operators = ["0x00000000000000000000000000000000000000aa"]
        [chain]
        chain_id = 84532
        escrow = "0x0000000000000000000000000000000000000001"
        token = "0x0000000000000000000000000000000000000002"
        default_cap = "10000000"
        [fees]
        protocol_payee = "0x0000000000000000000000000000000000000003"
        operator_payee = "0x0000000000000000000000000000000000000004"
    "#;

    #[test]
    fn the_smallest_configuration_is_sound() {
        let config: QueenConfig = toml::from_str(MINIMAL).expect("parses");
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.fee("brain_mri"), MicroUsdc(100_000));
        assert!(!config.speaks_tls());
    }

    #[test]
    fn a_typo_and_a_duration_without_unit_are_refused() {
        for bad in ["max_oder_life = \"1h\"\n", "max_order_life = \"30\"\n"] {
            let text = format!("{bad}{MINIMAL}");
            assert!(toml::from_str::<QueenConfig>(&text).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_error_is_reported_at_once() {
        let mut config: QueenConfig = toml::from_str(MINIMAL).expect("parses");
        config.operators.clear();
        config.fees.rates.work_bps = 10_001;
        config.rails.lease = Span::seconds(1);
        config.orb.rpc_urls = vec!["http://x; script-src *".into()];
        config.orb.block_explorer = Some("basescan.org".into());
        config.power.policy.reserve_percent = 120;
        let ConfigError(errors) = config.check().expect_err("refused");
        assert_eq!(errors.len(), 6, "{errors:?}");
        for (error, key) in errors.iter().zip([
            "operators",
            "fees.rates",
            "rails.lease",
            "orb.rpc_urls",
            "orb.block_explorer",
            "power.policy.reserve_percent: 120 is not 0 to 100",
        ]) {
            assert!(error.starts_with(key), "{error}");
        }
    }

    #[test]
    fn tls_unless_loopback_or_behind_a_proxy() {
        let mut config: QueenConfig = toml::from_str(MINIMAL).expect("parses");
        config.listen.address = SocketAddr::from(([0, 0, 0, 0], 8000));
        assert!(config.speaks_tls());
        config.listen.behind_proxy = true;
        assert!(!config.speaks_tls());
    }
}
