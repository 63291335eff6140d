//! `swarmd ledger`: look after a queen's ledger. A backup can be taken while the queen runs; a restore
//! needs her stopped.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use swarm_ledger::Ledger;

use crate::run::queen_config;

/// What to do with the ledger.
#[derive(Subcommand, Debug)]
pub enum LedgerCommand {
    /// Check every invariant, also while the queen runs: sums, reservations, mirror, the journal's chain of hashes
    Check {
        /// The queen's configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Write a consistent copy, also while the queen runs
    Backup {
        /// The queen's configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The copy; it must not exist
        to: PathBuf,
    },
    /// Put a copy in the ledger's place; the queen must be stopped, and catches up with the chain when she starts
    Restore {
        /// The queen's configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The copy
        from: PathBuf,
    },
}

/// Does it.
pub fn run(command: LedgerCommand) -> Result<()> {
    match command {
        LedgerCommand::Check { config } => check(&path(&config)?),
        LedgerCommand::Backup { config, to } => {
            let path = path(&config)?;
            Ledger::backup_file(&path, &to)
                .with_context(|| format!("back up {}", path.display()))?;
            println!("{} is a copy of {}", to.display(), path.display());
            Ok(())
        }
        LedgerCommand::Restore { config, from } => {
            let path = queen_config(&config)?.ledger_path();
            Ledger::restore(&from, &path).with_context(|| format!("restore {}", path.display()))?;
            println!("{} holds what {} held", path.display(), from.display());
            check(&path)
        }
    }
}

fn check(path: &Path) -> Result<()> {
    let violations =
        Ledger::check_file(path).with_context(|| format!("check {}", path.display()))?;
    for violation in &violations {
        println!("{}: {}", violation.rule, violation.detail);
    }
    if !violations.is_empty() {
        bail!(
            "{} of the ledger's invariants do not hold",
            violations.len()
        );
    }
    println!("{}: every invariant holds", path.display());
    Ok(())
}

/// Where the ledger of a configuration is.
fn path(config: &Path) -> Result<PathBuf> {
    let path = queen_config(config)?.ledger_path();
    if !path.exists() {
        bail!("there is no ledger at {}", path.display());
    }
    Ok(path)
}
