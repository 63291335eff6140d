//! What each command does, a module a noun.

mod account;
mod audit;
mod bee;
mod contract;
mod dev;
mod doctor;
mod epoch;
mod job;
mod key;
mod model;
mod money;
mod orb;
mod quote;
mod receipt;
mod result;
mod status;
mod submit;
mod support;
mod top;
mod watch;

use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::session::Session;

/// Runs the command.
///
/// # Errors
/// What went wrong; [`crate::exit::Exit::of`] gives it a status.
pub async fn run(cli: Cli) -> Result<()> {
    if let Command::Completions { shell } = cli.command {
        return completions(shell);
    }
    let session = &Session::new(cli.global)?;
    match cli.command {
        Command::Key(command) => key::run(session, command),
        Command::Deposit { amount } => money::deposit(session, amount).await,
        Command::Balance { client } => account::balance(session, client).await,
        Command::Cap { amount } => account::cap(session, amount).await,
        Command::Signer(command) => account::signer(session, command).await,
        Command::Quote { job_type } => quote::run(session, &job_type).await,
        Command::Submit(args) => submit::run(session, args).await,
        Command::Job(command) => job::run(session, command).await,
        Command::Receipt(command) => receipt::run(session, command).await,
        Command::Withdraw(command) => money::withdraw(session, command).await,
        Command::Claim { payee, to } => money::claim(session, payee, to).await,
        Command::Epoch(command) => epoch::run(session, command).await,
        Command::Audit {
            epoch,
            bundle,
            save,
        } => audit::run(session, epoch, bundle, save).await,
        Command::Seal => epoch::seal(session).await,
        Command::Status => status::run(session).await,
        Command::Top { every } => top::run(session, every).await,
        Command::Doctor(args) => doctor::run(session, args).await,
        Command::SupportBundle(args) => support::run(session, args).await,
        Command::Bee(command) => bee::run(session, command).await,
        Command::Model(command) => model::run(session, command).await,
        Command::Contract(command) => contract::run(session, command).await,
        Command::Orb(command) => orb::run(session, command).await,
        Command::Dev(command) => dev::run(session, command),
        Command::Completions { .. } => unreachable!("handled before the home directory is read"),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    use clap::CommandFactory;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "swarm", &mut script);
    crate::output::write(&String::from_utf8_lossy(&script))
}
