//! `swarmd engine-probe`: tries an engine for a bee, so that a crash in a vendor's library is this process's.

use std::io::Read;

use anyhow::{Context, Result};
use swarm_inference::engine::probe;

/// Reads one request from standard input, does it, and prints the answer as one line of JSON.
pub fn run() -> Result<()> {
    let mut text = Vec::new();
    std::io::stdin()
        .take(probe::BYTES_MAX)
        .read_to_end(&mut text)
        .context("read the request")?;
    let request = serde_json::from_slice(&text).context("this is no request to a probe")?;
    println!("{}", serde_json::to_string(&probe::answer(&request))?);
    Ok(())
}
