//! `swarmd demo`: the main job on one machine, with the real parts.
//!
//! A development chain with the real USDC code, `swarmd queen` and two `swarmd bee` as processes of
//! their own, and the `swarm` command line as a person would use it. [`run`] reads as the story.

mod cast;
mod closing;
mod process;
mod screen;
mod settings;
mod story;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// File that marks a directory as the demo's, so that it may be emptied.
const MARK: &str = ".swarmos-demo";

/// `swarmd demo`.
#[derive(clap::Args, Debug)]
pub struct DemoArgs {
    /// End when the story is told, instead of staying up until Ctrl-C
    #[arg(long)]
    exit: bool,
    /// Where keys, ledger, bundle and results go; an earlier demo there is removed
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    dir: PathBuf,
    /// Port of the queen's API
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Port of the development chain
    #[arg(long, default_value_t = 8545)]
    chain_port: u16,
    /// Replay a day of the site's meters, such as daemon/power/days/sunny.csv; without it the site's power is unknown
    #[arg(long, value_name = "CSV")]
    power: Option<PathBuf>,
}

/// Tells the whole story, then waits for Ctrl-C unless `--exit` was given. Whatever happens, the chain,
/// the queen and the bees are ended before this returns.
pub async fn run(args: DemoArgs) -> Result<()> {
    let dir = fresh_directory(&args.dir)?;
    free_port(args.port, "--port")?;
    free_port(args.chain_port, "--chain-port")?;
    if let Some(day) = &args.power {
        std::fs::File::open(day).with_context(|| format!("--power {}", day.display()))?;
    }
    let mut rack = tokio::select! {
        told = story::tell(&args, &dir) => told?,
        // Dropping the story's future ends its processes (kill on drop): nothing is left behind.
        _ = crate::run::stop_signal() => bail!("interrupted"),
    };
    if !args.exit {
        println!("\nThe queen, the bees and the chain stay up. Ctrl-C ends them.");
        tokio::select! {
            // Cancel-safe: both arms only wait.
            _ = crate::run::stop_signal() => println!(),
            ended = rack.watch() => ended?,
        }
    }
    rack.stop().await
}

fn fresh_directory(dir: &std::path::Path) -> Result<PathBuf> {
    if dir.exists() {
        let empty = std::fs::read_dir(dir)
            .with_context(|| format!("read {}", dir.display()))?
            .next()
            .is_none();
        if !empty && !dir.join(MARK).exists() {
            bail!(
                "{} is not empty and not of an earlier demo: name another directory with --dir",
                dir.display()
            );
        }
        std::fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
    }
    std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    std::fs::write(dir.join(MARK), "").with_context(|| format!("write in {}", dir.display()))?;
    dir.canonicalize()
        .with_context(|| format!("find {}", dir.display()))
}

fn free_port(port: u16, option: &str) -> Result<()> {
    match std::net::TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(e) => bail!(
            "port {port} cannot be used ({e}): end what uses it, or name another with {option}"
        ),
    }
}
