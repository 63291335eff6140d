//! The queen under load, over HTTP, with the load generator on the same machine. By hand, or by `scripts/bench`:
//!
//!     cargo run --release -p swarm-queen --example load -- whole|submit|latency|memory [--name value]…
//!
//! - `whole`: orders are submitted, leased and completed; every order and every execution is signed and verified;
//! - `submit`: signed orders alone, as fast as they are answered;
//! - `latency`: signed orders at a fixed rate. Each is due at its own moment and timed from it, whether or not the
//!   ones before were answered (no coordinated omission);
//! - `memory`: orders until `--jobs` are open, then what memory the queen holds;
//! - `peer`: the same orders, signed in the peer's way, to the server at `--url`.
//!
//! The queen is a process of its own with the configuration of a real one, except for the limits of one network
//! address. Orders are signed before the clock starts, as clients sign on their own machines; executions name
//! their job, so they are signed while it runs. Uploads are left out: inputs and results are noted in the ledger
//! beforehand, for moving their bytes measures the disk. The last line is JSON.

mod drive;
mod http;
mod measure;
mod parties;
mod serve;

use std::path::PathBuf;
use std::time::Duration;

/// What can be set from the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seconds of measurement.
    pub seconds: f64,
    /// Clients, each with its own key.
    pub signers: u64,
    /// Bees, each with its own key.
    pub bees: u64,
    /// Jobs that a bee leases, and completes, in one request.
    pub batch: u32,
    /// Connections of clients.
    pub connections: u64,
    /// Orders a second of `latency`.
    pub rate: u64,
    /// Open jobs of `memory`.
    pub jobs: u64,
    /// Orders signed beforehand for each second of a closed loop.
    pub signed_each_second: u64,
    /// The peer of `peer`.
    pub url: String,
    /// Where the queen keeps her state.
    pub folder: PathBuf,
}

impl Options {
    fn read(arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self {
            seconds: 8.0,
            signers: 1_000,
            bees: 8,
            batch: 32,
            connections: 64,
            rate: 2_000,
            jobs: 100_000,
            signed_each_second: 20_000,
            url: "127.0.0.1:8099".into(),
            folder: std::env::temp_dir().join("swarm-load"),
        };
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_default();
            let number = || {
                value
                    .parse()
                    .unwrap_or_else(|_| panic!("{name} needs a number"))
            };
            match name.as_str() {
                "--seconds" => options.seconds = value.parse().expect("seconds"),
                "--signers" => options.signers = number(),
                "--bees" => options.bees = number(),
                "--batch" => options.batch = number() as u32,
                "--connections" => options.connections = number(),
                "--rate" => options.rate = number(),
                "--jobs" => options.jobs = number(),
                "--signed" => options.signed_each_second = number(),
                "--url" => options.url = value,
                "--folder" => options.folder = value.into(),
                _ => panic!("there is no option {name}"),
            }
        }
        options
    }

    /// How long to measure.
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let options = Options::read(arguments);
    match what.as_str() {
        "serve" => serve::serve(&options).await,
        "whole" => drive::whole(&options).await,
        "submit" => drive::submit(&options).await,
        "latency" => drive::latency(&options).await,
        "memory" => drive::memory(&options).await,
        "peer" => drive::peer(&options).await,
        _ => panic!("say whole, submit, latency, memory or peer"),
    }
}
