//! Tests of what only real hardware shows: GPU telemetry, TPM, meters. Run by hand on a box that has them:
//! `cargo run -p swarm-hardware-tests`.
//!
//! What is missing is said, loudly, and the exit status says it too: 0 everything ran and passed, 1 something failed,
//! 77 nothing failed and something was skipped. What ran is kept in `hardware-tests/results/`, with date, device and
//! driver; what was skipped leaves nothing.

mod gpu;
mod meter;
mod tpm;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};

/// Status of automake's and meson's skipped tests.
const SKIPPED: u8 = 77;

/// Tests that need real hardware.
#[derive(Parser, Debug)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    /// Only this kind; all of them unless said
    #[arg(value_enum)]
    only: Option<Kind>,
    /// A SunSpec meter or inverter (Modbus TCP), such as 192.0.2.7:502
    #[arg(long, value_name = "ADDRESS")]
    meter: Option<SocketAddr>,
    /// Where results are kept
    #[arg(long, value_name = "DIR", default_value_os_t = Path::new(env!("CARGO_MANIFEST_DIR")).join("results"))]
    results: PathBuf,
}

/// What is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Gpu,
    Tpm,
    Meter,
}

/// How a kind of test ended.
pub enum Ended {
    /// It ran on this device, with this driver or firmware, and found this.
    Passed {
        /// What it ran on.
        device: String,
        /// What drives it, with its version.
        driver: String,
        /// What was measured.
        found: Value,
    },
    /// It could not run; what is missing.
    Skipped(String),
    /// It ran and something is wrong.
    Failed(String),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (mut failed, mut skipped) = (false, false);
    for kind in [Kind::Gpu, Kind::Tpm, Kind::Meter] {
        if cli.only.is_some_and(|only| only != kind) {
            continue;
        }
        let ended = match kind {
            Kind::Gpu => gpu::run(),
            Kind::Tpm => tpm::run(),
            Kind::Meter => meter::run(cli.meter),
        };
        let name = format!("{kind:?}").to_lowercase();
        match ended {
            Ended::Passed {
                device,
                driver,
                found,
            } => {
                println!("{name}: passed on {device}, {driver}");
                if let Err(error) = keep(&cli.results, &name, &device, &driver, found) {
                    eprintln!("{name}: the result could not be kept: {error}");
                    failed = true;
                }
            }
            Ended::Skipped(missing) => {
                eprintln!("{name}: SKIPPED, NOTHING WAS TESTED: {missing}");
                skipped = true;
            }
            Ended::Failed(why) => {
                eprintln!("{name}: FAILED: {why}");
                failed = true;
            }
        }
    }
    match (failed, skipped) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(SKIPPED),
        (false, false) => ExitCode::SUCCESS,
    }
}

/// Writes `<kind>-<date>-<device>.json`.
fn keep(dir: &Path, kind: &str, device: &str, driver: &str, found: Value) -> std::io::Result<()> {
    let at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let (date, device_name) = (&at[..10], device.chars().map(plain).collect::<String>());
    let result = json!({ "date": at, "device": device, "driver": driver, "found": found });
    std::fs::create_dir_all(dir)?;
    let file = dir.join(format!("{kind}-{date}-{device_name}.json"));
    std::fs::write(&file, format!("{result:#}\n"))?;
    println!("{kind}: kept in {}", file.display());
    Ok(())
}
