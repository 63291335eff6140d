//! The SwarmOS daemon. One program, three roles: the queen of a rack, a bee that works for her, and a
//! demonstration of both on one machine.
//!
//! What happens: read the command line and the configuration ([`run`]), open the log, start the role,
//! announce readiness, wait for SIGTERM or Ctrl-C, drain with a deadline.

mod demo;
mod firstboot;
mod ledger;
mod probe;
mod run;
mod warden;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// SwarmOS: a GPU box that earns. The daemon.
#[derive(Parser, Debug)]
#[command(name = "swarmd", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand, Debug)]
enum Role {
    /// Run the queen: job API, ledger, queue, epochs
    Queen(run::QueenArgs),
    /// Run a bee: lease jobs from a queen, compute, earn
    Bee(run::BeeArgs),
    /// Do what needs privilege for queen and bees of this box; systemd starts it when one asks
    Warden(warden::WardenArgs),
    /// Configure a flashed box from its swarm.toml, and make its keys
    FirstBoot(firstboot::FirstBootArgs),
    /// Look after a queen's ledger: check, backup, restore
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Show the whole way of a job on this machine, with the real parts
    Demo(demo::DemoArgs),
    /// For bees: try an engine in a process of its own (a request on standard input)
    #[command(hide = true)]
    EngineProbe,
}

/// How the daemon ends; systemd's restart policy goes by it.
#[derive(Clone, Copy, Debug)]
enum Exit {
    /// As asked.
    Done = 0,
    /// It could not go on; a restart may help.
    Failed = 1,
    /// The configuration or a key is wrong; a restart cannot help.
    Config = 78,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: start the runtime: {e}");
            return ExitCode::from(Exit::Failed as u8);
        }
    };
    let done = runtime.block_on(async {
        match cli.role {
            Role::Queen(args) => run::queen(&args).await,
            Role::Bee(args) => run::bee(args).await,
            Role::Warden(args) => warden::run(&args).await,
            Role::FirstBoot(args) => firstboot::run(args).await,
            Role::Ledger(command) => ledger::run(command),
            Role::Demo(args) => demo::run(args).await,
            Role::EngineProbe => probe::run(),
        }
    });
    let exit = match done {
        Ok(()) => Exit::Done,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<run::WrongConfig>() || error.is::<firstboot::WrongBox>() {
                Exit::Config
            } else {
                Exit::Failed
            }
        }
    };
    ExitCode::from(exit as u8)
}
