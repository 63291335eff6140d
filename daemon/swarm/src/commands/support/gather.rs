//! The parts of a support bundle. Each is text; what cannot be had says why in its place.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};
use swarm_client::{QueenClient, Tls};
use swarm_host::exposition::Exposition;
use swarm_host::gpu::{metrics as gpu, telemetry};
use swarm_host::machine;

use super::{MEMBER_BYTES_MAX, Member};
use crate::commands::doctor::{Files, client};
use crate::output::time;
use crate::redact::Redactor;
use crate::session::Session;

/// Lines of the journal.
const JOURNAL_LINES: &str = "5000";
/// Epochs in the summary of the ledger.
const EPOCHS: u32 = 50;

/// What is in the bundle, for whoever opens it.
pub fn readme(at: u64) -> String {
    format!(
        "SwarmOS support bundle, made {} by swarm {}.\n\n\
        doctor.json     every check with result, reason and next step\n\
        versions.json   program, system, processor, GPUs and driver\n\
        config/         the configurations, without secrets\n\
        journal.txt     the last {JOURNAL_LINES} lines of SwarmOS in the journal\n\
        log-N.txt       the end of log files that were named\n\
        metrics-*.txt   counters and readings of now\n\
        ledger.json     counts and states; no order, no input, no result, no client\n\n\
        Taken out: keys, identities, codes, passwords, tokens, paths and queries of URLs, paths of files,\n\
        names of scans, and what looks like a person's name. <hex #…> is a tag: equal values have equal tags.\n",
        time(at),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Program, system, processor, GPUs.
pub fn versions() -> Result<String> {
    let look = telemetry::look();
    let os = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let os = os
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim_matches('"').to_owned());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let devices: Vec<_> = look
        .devices
        .iter()
        .map(|device| json!({ "identity": device.identity, "reading": device.reading }))
        .collect();
    let versions = json!({
        "swarm": env!("CARGO_PKG_VERSION"),
        "system": os,
        "kernel": kernel.as_deref().map(str::trim),
        "processor": machine::cpu_name(),
        "processors": machine::processors(),
        "memory_mib": machine::memory_mib(),
        "memory_available_mib": machine::memory_available_mib(),
        "driver": look.driver,
        "no_gpu": look.note,
        "gpus": devices,
    });
    Ok(serde_json::to_string_pretty(&versions)?)
}

/// The configurations, value by value. One that is not TOML is named and not taken: nobody knows what is in it.
pub fn configurations(etc: &Path, redactor: &Redactor) -> Vec<Member> {
    let mut members = Vec::new();
    for entry in std::fs::read_dir(etc).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name == "queen.toml" || name.starts_with("bee") && name.ends_with(".toml");
        if !ours {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).map_err(|error| error.to_string());
        let parsed =
            text.and_then(|text| toml::from_str(&text).map_err(|error| error.message().to_owned()));
        let text = match parsed {
            Ok(value) => toml::to_string(&redactor.toml(value)).unwrap_or_default(),
            Err(why) => format!("# not taken: {why}\n"),
        };
        members.push(Member::new(format!("config/{name}"), text));
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members
}

/// The end of the journal of our units.
pub fn journal() -> String {
    let output = Command::new("journalctl")
        .args([
            "--unit=swarm-*",
            "--output=short-iso",
            "--no-pager",
            "--quiet",
            "--lines",
            JOURNAL_LINES,
        ])
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Ok(output) => format!(
            "journalctl refused: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => format!("there is no journal here: {error}"),
    }
}

/// The end of a log file.
pub fn end_of(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let from = file
        .metadata()?
        .len()
        .saturating_sub(MEMBER_BYTES_MAX as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(MEMBER_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // A line that begins in the middle could hide what a rule looks for.
    Ok(match from {
        0 => text.into_owned(),
        _ => text
            .split_once('\n')
            .map(|(_, rest)| rest.to_owned())
            .unwrap_or_default(),
    })
}

/// Counters of the queen and of each bee that has a page, and the box's readings.
pub async fn metrics(session: &Session, files: &Files) -> Vec<Member> {
    let mut members = Vec::new();
    let queen = match client(session, files) {
        Ok(queen) => page_of(&queen).await,
        Err(why) => format!("# {why}\n"),
    };
    members.push(Member::new("metrics-queen.txt", queen));
    for bee in &files.bees {
        let Some(address) = bee.metrics else {
            continue;
        };
        // Her page is where a queen has hers.
        let page = QueenClient::new(&format!("http://{address}"), Tls::Plain, None);
        let text = match page {
            Ok(page) => page_of(&page).await,
            Err(error) => format!("# {error}\n"),
        };
        members.push(Member::new(format!("metrics-{}.txt", bee.name), text));
    }
    let mut text = Exposition::default();
    gpu::write(&mut text, &telemetry::look(), None, Instant::now());
    members.push(Member::new("metrics-box.txt", text.into_text()));
    members
}

async fn page_of(client: &QueenClient) -> String {
    match client.metrics().await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("# {:#}\n", anyhow::Error::new(error)),
    }
}

/// Counts and states: nothing of orders, inputs, results or clients.
pub async fn ledger(session: &Session, files: &Files) -> Result<String> {
    let file = files.queen.as_ref().map(|queen| {
        let path = queen.queen.ledger_path();
        let broken = swarm_ledger::Ledger::check_file(&path).map(|violations| {
            let mut rules: Vec<_> = violations
                .iter()
                .map(|violation| violation.rule.to_string())
                .collect();
            rules.dedup();
            rules
        });
        json!({
            "bytes": path.metadata().map(|metadata| metadata.len()).ok(),
            "broken_rules": broken.as_ref().ok(),
            "error": broken.as_ref().err().map(ToString::to_string),
        })
    });
    let queen = match client(session, files) {
        Ok(queen) => {
            let epochs = queen.epochs(None, Some(EPOCHS)).await.map(|page| {
                let line = |epoch: &swarm_types::api::Epoch| json!({
                    "epoch": epoch.epoch_id, "status": epoch.status, "jobs": epoch.jobs_count, "note": epoch.note,
                });
                page.items.iter().map(line).collect::<Vec<_>>()
            });
            json!({
                "stats": queen.stats().await.ok(),
                "health": queen.health().await.ok(),
                "epochs": epochs.ok(),
            })
        }
        Err(why) => Value::String(why),
    };
    Ok(serde_json::to_string_pretty(
        &json!({ "file": file, "queen": queen }),
    )?)
}
