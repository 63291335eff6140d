//! The two roles that systemd supervises: configuration, wiring, readiness, reload, drain.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use serde::de::DeserializeOwned;
use swarm_bee::{Bee, BeeConfig, BeeError};
use swarm_chain::Wallet;
use swarm_host::keys::KeySource;
use swarm_host::quarantine::{self, Start};
use swarm_host::reload::ReloadError;
use swarm_host::{logging, memory, notify};
use swarm_queen::settlement::SettlementKeys;
use swarm_queen::{Queen, QueenConfig, QueenFile, QueenHandle, QueenKeyFiles, QueenKeys};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The cache of models in a bee's own directory.
const MODEL_CACHE: &str = "model-cache";

/// The configuration or a key is wrong: a restart cannot help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongConfig(String);

impl WrongConfig {
    /// `what`, and the error with its causes, in one line.
    pub fn because(
        what: impl std::fmt::Display,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        Self(format!("{what}: {}", explain(error)))
    }
}

/// `swarmd queen`.
#[derive(clap::Args, Debug)]
pub struct QueenArgs {
    /// Configuration (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Read and check the configuration and the keys, then end
    #[arg(long)]
    check: bool,
}

/// `swarmd bee`.
#[derive(clap::Args, Debug)]
pub struct BeeArgs {
    /// Configuration (TOML)
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "clear_quarantine"
    )]
    config: Option<PathBuf>,
    /// Which bee of this box: keys of FILE-INSTANCE.toml, where there is one, replace those of FILE.toml
    #[arg(long, value_name = "INSTANCE", value_parser = instance)]
    instance: Option<String>,
    /// The bee's own directory: crashes are counted here (too many put it into quarantine), and models of the queen come
    /// to model-cache in it unless `model_cache` names another place
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Read and check the configuration and the keys, then end
    #[arg(long)]
    check: bool,
    /// End the quarantine that is noted in --state, then end; start the bee afterwards
    #[arg(long, requires = "state")]
    clear_quarantine: bool,
}

/// A GPU's index or UUID, or `cpu`: it becomes part of a file's name.
fn instance(text: &str) -> Result<String, String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if (1..=64).contains(&text.len()) && text.chars().all(sound) {
        Ok(text.to_owned())
    } else {
        Err("must be a GPU's index or UUID, or cpu".into())
    }
}

/// The queen's part of her configuration file, checked.
pub fn queen_config(path: &Path) -> Result<QueenConfig> {
    Ok(queen_file(path)?.queen)
}

fn queen_file(path: &Path) -> Result<QueenFile> {
    let file: QueenFile = parse(path, &read(path)?)?;
    file.queen
        .check()
        .map_err(|e| WrongConfig::because(path.display(), &e))?;
    check_log(path, file.log.as_deref())?;
    Ok(file)
}

fn check_log(path: &Path, log: Option<&str>) -> Result<()> {
    let checked = log.map_or(Ok(()), logging::check);
    checked.map_err(|e| WrongConfig::because(path.display(), &e).into())
}

/// Runs the queen until SIGTERM or Ctrl-C.
pub async fn queen(args: &QueenArgs) -> Result<()> {
    let path = &args.config;
    let file = queen_file(path)?;
    memory::protect().context("protect the memory")?;
    let keys = QueenKeys {
        queen: file.keys.queen.load().map_err(|e| key("queen", &e))?,
        settlement: Some(SettlementKeys {
            settlers: file
                .keys
                .settlers
                .iter()
                .map(|source| wallet("settlers", source))
                .collect::<Result<_>>()?,
            gas: file
                .keys
                .gas
                .as_ref()
                .map(|source| wallet("gas", source))
                .transpose()?,
        }),
    };
    if args.check {
        println!("{}: good", path.display());
        return Ok(());
    }
    let log = logging::init(file.log.as_deref(), &[]).context("set up the log")?;
    let mut signals = Signals::listen()?;
    notify::status("opens the ledger");
    let mut queen = Queen::open(file.queen, keys)
        .await
        .context("start the queen")?
        .serve();
    if let Some(fingerprint) = queen.fingerprint {
        tracing::info!(%fingerprint, "the certificate's SHA-256, for `swarm --fingerprint`");
    }
    tracing::info!(address = %queen.addr, "ready");
    notify::ready();
    let ended = loop {
        tokio::select! {
            // Cancel-safe: both only wait.
            asked = signals.next() => match asked {
                Asked::Stop => break Ok(()),
                Asked::Reload => reloaded(path, reload_queen(path, &file.keys, &log, &mut queen)),
            },
            () = queen.failed() => break Err(anyhow!("a task of the queen ended by itself")),
        }
    };
    notify::stopping(queen.shutdown_max());
    queen.shutdown().await;
    ended
}

fn key(name: &str, error: &(dyn std::error::Error + 'static)) -> WrongConfig {
    WrongConfig::because(format_args!("keys.{name}"), error)
}

fn wallet(name: &str, source: &KeySource) -> Result<Wallet> {
    let signer = source.load().map_err(|e| key(name, &e))?;
    Wallet::from_bytes(&signer.to_bytes()).context("a key that loaded is a key")
}

/// Takes queen.toml again. Keys are read at the start only.
fn reload_queen(
    path: &Path,
    keys: &QueenKeyFiles,
    log: &logging::Log,
    queen: &mut QueenHandle,
) -> Result<Vec<String>> {
    let new = queen_file(path)?;
    if new.keys != *keys {
        return Err(ReloadError::NeedsRestart(vec!["keys".into()]).into());
    }
    let changed = queen.reload(new.queen)?;
    log.set(new.log.as_deref())?;
    Ok(changed)
}

/// Says how a reload ended; whatever it was, the service manager waits for the word.
fn reloaded(path: &Path, outcome: Result<Vec<String>>) {
    let path = path.display();
    match outcome {
        Ok(changed) => tracing::info!(changed = changed.join(", "), "{path} was read again"),
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "{path} is refused; the configuration stays as it was"
            );
        }
    }
    notify::ready();
}

/// Runs a bee until SIGTERM or Ctrl-C; it finishes what it has.
pub async fn bee(args: BeeArgs) -> Result<()> {
    if let (true, Some(state)) = (args.clear_quarantine, &args.state) {
        match quarantine::clear(state).context("end the quarantine")? {
            Some(before) => println!("ended; it was {}", before.why),
            None => println!("there was no quarantine"),
        }
        return Ok(());
    }
    let path = args.config.context("--config is missing")?;
    let file = BeeFile {
        path,
        instance: args.instance,
        state: args.state,
    };
    let settings = file.read()?;
    memory::protect().context("protect the memory")?;
    let missing =
        |key: &str, error| WrongConfig::because(format_args!("{}: {key}", file.shown()), &error);
    settings.key.load().map_err(|e| missing("key", e))?;
    settings
        .identity
        .load()
        .map_err(|e| missing("identity", e))?;
    if args.check {
        println!("{}: good", file.shown());
        return Ok(());
    }
    let gpu = file.instance.as_deref().filter(|i| i.starts_with("GPU-"));
    let fields: Vec<_> = gpu.map(|uuid| ("GPU_UUID", uuid)).into_iter().collect();
    let log = logging::init(settings.log.as_deref(), &fields).context("set up the log")?;
    let start = file.state.as_deref().and_then(begin);
    let why = start.as_ref().and_then(Start::quarantine);
    let why = why.map(|quarantine| quarantine.why.clone());
    let ended = serve_bee(&file, settings, why, &log).await;
    if let Some(start) = start {
        let noted = match &ended {
            // A restart is not tried after a wrong configuration, so it is no crash loop.
            Err(error) if !error.is::<WrongConfig>() => start.failed(&format!("{error:#}")),
            _ => start.ended(),
        };
        if let Err(error) = noted {
            tracing::warn!(error = explain(&error), "this end counts as unclean");
        }
    }
    ended
}

/// Notes the start. A disk that cannot take the note does not keep a bee from its work.
fn begin(state: &Path) -> Option<Start> {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = elapsed.map_or(0, |elapsed| elapsed.as_secs());
    Start::begin(state, now)
        .inspect_err(|error| tracing::warn!(error = explain(error), "crashes are not counted"))
        .ok()
}

async fn serve_bee(
    file: &BeeFile,
    settings: BeeConfig,
    quarantine: Option<String>,
    log: &logging::Log,
) -> Result<()> {
    let mut signals = Signals::listen()?;
    notify::status("proves its models");
    let bee = match quarantine {
        Some(why) => {
            tracing::error!(
                why,
                "runs nothing; find the cause, then end it with `swarmd bee --clear-quarantine --state DIR` and restart"
            );
            Bee::quarantined(settings, why)
        }
        None => {
            let load = tokio::task::spawn_blocking(move || Bee::load(settings));
            load.await.context("load the bee")?
        }
    };
    let bee = bee.map_err(|error| match error {
        BeeError::Config(_) | BeeError::Key(_) | BeeError::Identity(_) => {
            WrongConfig::because(file.shown(), &error).into()
        }
        error => anyhow::Error::new(error).context("start the bee"),
    })?;
    let mut reloader = bee.reloader();
    let stop = CancellationToken::new();
    let mut serving = std::pin::pin!(bee.serve(stop.clone()));
    loop {
        tokio::select! {
            // Cancel-safe: it is polled on where it was.
            ended = &mut serving => return ended.context("run the bee"),
            // Cancel-safe: it only waits.
            asked = signals.next() => match asked {
                Asked::Stop => stop.cancel(),
                Asked::Reload => {
                    reloaded(&file.path, file.read().and_then(|new| {
                        let filter = new.log.clone();
                        let changed = reloader.reload(new)?;
                        log.set(filter.as_deref())?;
                        Ok(changed)
                    }));
                }
            },
        }
    }
}

/// Where a bee's settings come from.
struct BeeFile {
    path: PathBuf,
    instance: Option<String>,
    state: Option<PathBuf>,
}

impl BeeFile {
    fn shown(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// bee.toml, with the keys of this instance's own file in place of its, and a cache of models in the bee's own
    /// directory: bees of one box read one bee.toml and share no cache.
    fn read(&self) -> Result<BeeConfig> {
        let path = &self.path;
        let text = read(path)?;
        let own = self.instance.as_ref().map(|instance| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            path.with_file_name(format!("{stem}-{instance}.toml"))
        });
        let (from, config) = match own.filter(|own| own.exists()) {
            None => (path.display().to_string(), parse(path, &text)?),
            Some(own) => {
                let mut all: toml::Table = parse(path, &text)?;
                let ours: toml::Table = parse(&own, &read(&own)?)?;
                all.extend(ours);
                let from = format!("{} with {}", path.display(), own.display());
                let config = all.try_into();
                let config = config.map_err(|e| WrongConfig(format!("{from}: {e}")))?;
                (from, config)
            }
        };
        let mut config: BeeConfig = config;
        let own_cache = self.state.as_ref().map(|state| state.join(MODEL_CACHE));
        config.model_cache = config.model_cache.or(own_cache);
        let problems = config.problems();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(WrongConfig(format!("{from}: {}", problems.join("; "))).into())
        }
    }
}

fn read(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path);
    text.map_err(|e| WrongConfig(format!("read {}: {e}", path.display())).into())
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|e| WrongConfig(format!("{}: {e}", path.display())).into())
}

/// The error and its causes in one line.
fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What a signal asks for.
enum Asked {
    /// SIGTERM or Ctrl-C.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals that a daemon listens to, from its start on: a SIGHUP that nobody listens to would end it.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind, name| signal(kind).with_context(|| format!("listen for {name}"));
        Ok(Self {
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
            hangup: listen(SignalKind::hangup(), "SIGHUP")?,
        })
    }

    /// The next of them. Cancel-safe.
    async fn next(&mut self) -> Asked {
        tokio::select! {
            // Cancel-safe: a signal that is not taken stays.
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => {
                notify::reloading();
                Asked::Reload
            }
        }
    }
}

/// Waits for SIGTERM or Ctrl-C.
pub async fn stop_signal() -> Result<()> {
    let mut signals = Signals::listen()?;
    while !matches!(signals.next().await, Asked::Stop) {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEEN: &str = include_str!("../../../systemd/config/queen.toml");
    const BEE: &str = include_str!("../../../systemd/config/bee.toml");

    #[test]
    fn the_configurations_that_ship_are_sound() {
        let queen: QueenFile = toml::from_str(QUEEN).expect("queen.toml");
        queen.queen.check().expect("queen.toml");
        let bee: BeeConfig = toml::from_str(BEE).expect("bee.toml");
        assert_eq!(bee.problems(), Vec::<String>::new());
    }

    #[test]
    fn a_typo_is_named() {
        let text = QUEEN.replace("seal_every", "seal_evry");
        let error = toml::from_str::<QueenFile>(&text)
            .expect_err("a typo")
            .to_string();
        assert!(error.contains("seal_evry"), "{error}");
    }

    #[test]
    fn an_instance_has_its_own_keys_and_the_rest_of_all() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("bee.toml");
        std::fs::write(&path, BEE).expect("written");
        let own = dir.path().join("bee-1.toml");
        std::fs::write(&own, "name = \"bee-02\"\nconcurrency = 2\n").expect("written");
        let bee_file = |instance: Option<&str>, state: Option<&str>| {
            let (instance, state) = (instance.map(str::to_owned), state.map(PathBuf::from));
            let path = path.clone();
            let file = BeeFile {
                path,
                instance,
                state,
            };
            file.read()
        };
        let all = bee_file(Some("0"), None).expect("sound");
        assert_eq!(all, bee_file(None, None).expect("sound"));
        let second = bee_file(Some("1"), None).expect("sound");
        assert_eq!((second.name.as_str(), second.concurrency), ("bee-02", 2));
        assert_eq!(second.queen, all.queen);
        // Each has its own cache of models, unless it is told where.
        let cache =
            |instance, state| bee_file(Some(instance), Some(state)).map(|bee| bee.model_cache);
        assert_eq!(all.model_cache, None);
        for (instance, state, expected) in [
            (
                "0",
                "/var/lib/swarm/bee/0",
                "/var/lib/swarm/bee/0/model-cache",
            ),
            (
                "1",
                "/var/lib/swarm/bee/1",
                "/var/lib/swarm/bee/1/model-cache",
            ),
        ] {
            let found = cache(instance, state).expect("sound");
            assert_eq!(found.as_deref(), Some(Path::new(expected)));
        }
        std::fs::write(&own, "model_cache = \"/srv/models\"\n").expect("written");
        let found = cache("1", "/var/lib/swarm/bee/1").expect("sound");
        assert_eq!(found.as_deref(), Some(Path::new("/srv/models")));
        std::fs::write(&own, "concurency = 2\n").expect("written");
        let error = bee_file(Some("1"), None).expect_err("a typo").to_string();
        assert!(
            error.contains("bee-1.toml") && error.contains("concurency"),
            "{error}"
        );
        for bad in ["", "../x", "0/1", "a b"] {
            assert!(instance(bad).is_err(), "{bad}");
        }
    }
}
