//! The SwarmOS command line: for clients who pay for jobs, operators who run a rack, and strangers
//! who verify an epoch.

mod checks;
mod cli;
mod commands;
mod exit;
mod home;
mod orders;
mod output;
mod progress;
mod redact;
mod scan;
mod session;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let json = cli.global.json;
    match commands::run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error, json),
    }
}
