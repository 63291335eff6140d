//! The two roles that systemd supervises: configuration, wiring, readiness, drain.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use swarm_bee::{Bee, BeeConfig};
use swarm_chain::Wallet;
use swarm_host::keys::KeySource;
use swarm_host::{logging, memory, notify};
use swarm_queen::settlement::SettlementKeys;
use swarm_queen::{Queen, QueenConfig, QueenKeys};
use tokio_util::sync::CancellationToken;

/// The configuration or a key is wrong: a restart cannot help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongConfig(String);

/// queen.toml.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueenFile {
    keys: QueenKeyFiles,
    queen: QueenConfig,
}

/// Where the queen's keys are. They are different keys, so that each has a price of its own when it leaks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueenKeyFiles {
    /// Signs quotes and webhooks.
    queen: KeySource,
    /// Sign seals.
    settlers: Vec<KeySource>,
    /// Pays gas; without it somebody else submits the seals.
    gas: Option<KeySource>,
}

/// The queen's part of her configuration file, checked.
pub fn queen_config(path: &Path) -> Result<QueenConfig> {
    let QueenFile { queen, .. } = read(path)?;
    queen.check().map_err(|e| wrong(&e))?;
    Ok(queen)
}

/// Runs the queen until SIGTERM or Ctrl-C.
pub async fn queen(config: &Path, check: bool) -> Result<()> {
    let QueenFile {
        keys,
        queen: config,
    } = read(config)?;
    config.check().map_err(|e| wrong(&e))?;
    memory::protect().context("protect the memory")?;
    let keys = QueenKeys {
        queen: keys.queen.load().map_err(|e| wrong(&e))?,
        settlement: Some(SettlementKeys {
            settlers: keys.settlers.iter().map(wallet).collect::<Result<_>>()?,
            gas: keys.gas.as_ref().map(wallet).transpose()?,
        }),
    };
    if check {
        println!("the configuration is good");
        return Ok(());
    }
    logging::init().context("set up the log")?;
    let mut queen = Queen::open(config, keys)
        .await
        .context("start the queen")?
        .serve();
    if let Some(fingerprint) = queen.fingerprint {
        tracing::info!(%fingerprint, "the certificate's SHA-256, for `swarm --fingerprint`");
    }
    tracing::info!(address = %queen.addr, "ready");
    notify::ready();
    tokio::select! {
        // Cancel-safe: both only wait.
        stopped = stop_signal() => stopped?,
        () = queen.failed() => tracing::error!("a task ended by itself: the queen stops"),
    }
    notify::stopping();
    queen.shutdown().await;
    Ok(())
}

fn wallet(source: &KeySource) -> Result<Wallet> {
    let signer = source.load().map_err(|e| wrong(&e))?;
    Wallet::from_bytes(&signer.to_bytes()).context("a key that loaded is a key")
}

/// Runs a bee until SIGTERM or Ctrl-C; it finishes what it has.
pub async fn bee(config: &Path, check: bool) -> Result<()> {
    let settings: BeeConfig = read(config)?;
    let problems = settings.problems();
    if !problems.is_empty() {
        return Err(WrongConfig(format!("{}: {}", config.display(), problems.join("; "))).into());
    }
    if check {
        println!("{}: good", config.display());
        return Ok(());
    }
    memory::protect().context("protect the memory")?;
    logging::init().context("set up the log")?;
    let stop = CancellationToken::new();
    let signal = stop.clone();
    tokio::spawn(async move {
        // When signals cannot be listened to, the bee stops rather than being deaf to systemd.
        if let Err(error) = stop_signal().await {
            tracing::error!("{error:#}");
        }
        signal.cancel();
    });
    Bee::run(settings, stop).await.context("run the bee")
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| WrongConfig(format!("read {}: {e}", path.display())))?;
    toml::from_str(&text).map_err(|e| WrongConfig(format!("{}: {e}", path.display())).into())
}

/// The error and its causes in one line, as a fault of the configuration.
fn wrong(error: &(dyn std::error::Error + 'static)) -> WrongConfig {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    WrongConfig(text)
}

/// Waits for SIGTERM or Ctrl-C.
pub async fn stop_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        // Cancel-safe: the process stops on either.
        done = tokio::signal::ctrl_c() => done.context("listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configurations_that_ship_are_sound() {
        let queen: QueenFile =
            toml::from_str(include_str!("../config/queen.toml")).expect("queen.toml");
        queen.queen.check().expect("queen.toml");
        let bee: BeeConfig = toml::from_str(include_str!("../config/bee.toml")).expect("bee.toml");
        assert_eq!(bee.problems(), Vec::<String>::new());
    }

    #[test]
    fn a_typo_is_named() {
        let text = include_str!("../config/queen.toml").replace("seal_every", "seal_evry");
        let error = toml::from_str::<QueenFile>(&text)
            .expect_err("a typo")
            .to_string();
        assert!(error.contains("seal_evry"), "{error}");
    }
}
