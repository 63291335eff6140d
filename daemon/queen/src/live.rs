//! What of the configuration can change while she runs.

use axum_server::tls_rustls::RustlsConfig;
use swarm_host::reload::{self, ReloadError};
use swarm_types::Address;

use crate::config::{ConfigError, QueenConfig, RetentionConfig, Span};
use crate::state::AppState;
use crate::tls::{self, TlsError};

/// Keys of `[queen]` that a reload may change. The certificate's files are read again even when their names stay.
const CAN_CHANGE: [&str; 10] = [
    "operators",
    "max_order_life",
    "retention",
    "shutdown",
    "fees.quote_life",
    "limits.per_signer",
    "limits.per_address",
    "limits.per_address_signed",
    "listen.certificate_file",
    "listen.key_file",
];

/// The changeable keys that handlers read.
#[derive(Clone, Debug)]
pub struct Live {
    /// Keys that may approve bees and seal.
    pub operators: Vec<Address>,
    /// Farthest deadline of an order from now.
    pub max_order_life: Span,
    /// How long things are kept.
    pub retention: RetentionConfig,
    /// How long a quote stands.
    pub quote_life: Span,
}

/// Why a new configuration is not taken. The old one stays, whole.
#[derive(Debug, thiserror::Error)]
pub enum Unchanged {
    /// The configuration is wrong.
    #[error("the configuration is wrong")]
    Config(#[source] ConfigError),
    /// It changes what cannot change while she runs.
    #[error("the configuration cannot be taken while she runs")]
    Reload(#[source] ReloadError),
    /// The certificate cannot be served.
    #[error("TLS cannot be served")]
    Tls(#[source] TlsError),
}

impl Live {
    /// What `config` says.
    pub fn of(config: &QueenConfig) -> Self {
        Self {
            operators: config.operators.clone(),
            max_order_life: config.max_order_life,
            retention: config.retention.clone(),
            quote_life: config.fees.quote_life,
        }
    }
}

/// Takes what `new` changes of `old`, or nothing at all. Answers the keys.
pub fn reload(
    app: &AppState,
    tls: Option<&RustlsConfig>,
    old: &QueenConfig,
    new: &QueenConfig,
) -> Result<Vec<String>, Unchanged> {
    new.check().map_err(Unchanged::Config)?;
    let keys = reload::changes(old, new, &CAN_CHANGE).map_err(Unchanged::Reload)?;
    if old.speaks_tls() != new.speaks_tls() {
        let keys = vec!["listen.certificate_file".to_owned()];
        return Err(Unchanged::Reload(ReloadError::NeedsRestart(keys)));
    }
    // The only part that can fail comes first.
    if let Some(tls) = tls {
        let dir = new.state_dir.join("tls");
        let fresh = tls::load(&new.listen, &dir).map_err(Unchanged::Tls)?;
        tls.reload_from_config(fresh.config);
    }
    app.set_live(Live::of(new));
    let limits = &new.limits;
    app.signers.set_rate(limits.per_signer);
    app.addresses.set_rate(limits.per_address);
    app.addresses_signed.set_rate(limits.per_address_signed);
    Ok(keys)
}
