//! `swarm audit`: an epoch's bundle against the chain, by somebody who has nothing but the two.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use swarm_chain::audit::AuditError;
use swarm_chain::views::EpochState;
use swarm_types::bundle::{SIGNATURE, SUMMARY, Summary};
use swarm_types::{Address, B256, EpochId};

use crate::checks::{Check, Report};
use crate::exit::Failure;
use crate::home::write_whole;
use crate::progress::Progress;
use crate::session::Session;

/// Most files of a bundle: ten million receipts.
const FILES_MAX: usize = 1_010;
/// Most bytes of a bundle.
const BUNDLE_BYTES_MAX: u64 = 8 << 30;

/// What was audited.
#[derive(Serialize)]
struct Subject {
    epoch_id: EpochId,
    chain_id: u64,
    escrow: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<PathBuf>,
}

/// `swarm audit`.
pub async fn run(
    session: &Session,
    epoch: EpochId,
    bundle: Option<PathBuf>,
    save: Option<PathBuf>,
) -> Result<()> {
    // Before a bundle is downloaded for nothing.
    session.rpc_url()?;
    // A bundle can be gigabytes: it is read from a folder, a file at a time.
    let scratch;
    let folder = match (&bundle, &save) {
        (Some(folder), Some(copy)) => {
            keep(folder, copy)?;
            folder.clone()
        }
        (Some(folder), None) => folder.clone(),
        (None, Some(folder)) => {
            from_queen(session, epoch, folder).await?;
            folder.clone()
        }
        (None, None) => {
            scratch = tempfile::tempdir().context("make a folder for the bundle")?;
            from_queen(session, epoch, scratch.path()).await?;
            scratch.path().to_owned()
        }
    };
    let summary = summary(&read(&folder, SUMMARY)?)?;
    let mut subject = Subject {
        epoch_id: epoch,
        chain_id: summary.chain_id,
        escrow: summary.escrow,
        transaction: None,
        block: None,
        bundle: save.or(bundle),
    };
    let mut checks = vec![Check::same("epoch", epoch, summary.epoch_id)];
    if let Some(escrow) = session.escrow() {
        checks.push(Check::same("escrow", escrow, summary.escrow));
    }
    let chain = session
        .chain_at(summary.escrow, Some(summary.chain_id))
        .await?;
    match chain
        .audit(|name| std::fs::read(folder.join(name)).ok())
        .await
    {
        Ok(report) => {
            subject.transaction = Some(report.transaction);
            subject.block = Some(report.block);
            let receipts = report.bundle.leaves.len();
            let text = format!("{receipts} receipts; every hash, sum and signature recomputed");
            checks.push(Check::new("bundle", true, text));
            checks.extend(
                report
                    .checks
                    .iter()
                    .map(|c| Check::new(c.what, c.holds, c.detail.clone())),
            );
            if report.epoch.state == EpochState::Pending {
                let text = "the epoch is open to challenge still: it is not final";
                session.out.progress(text);
            }
        }
        Err(AuditError::Bundle(wrong)) => {
            checks.push(Check::new("bundle", false, wrong.to_string()))
        }
        Err(AuditError::NotSettled(epoch)) => {
            checks.push(Check::new(
                "settled",
                false,
                format!("{epoch} is not on the chain"),
            ));
        }
        Err(error) => return Err(error).context("compare the bundle with the chain"),
    }
    let title = format!(
        "{epoch} of {} on chain {}",
        summary.escrow, summary.chain_id
    );
    Report::new(subject, checks).print(&session.out, &title)
}

fn summary(bytes: &[u8]) -> Result<Summary> {
    let summary: Summary = serde_json::from_slice(bytes)
        .map_err(|e| Failure::check(format!("{SUMMARY} is not that of a bundle: {e}")))?;
    if summary.files.len() > FILES_MAX {
        return Err(Failure::check(format!("{SUMMARY} names more than {FILES_MAX} files")).into());
    }
    match summary.files.keys().find(|name| !is_plain(name)) {
        Some(name) => Err(Failure::check(format!(
            "{SUMMARY} names a file outside of the bundle: {name:?}"
        ))
        .into()),
        None => Ok(summary),
    }
}

/// Whether a name stays below the bundle's directory.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

/// Downloads the bundle into `folder`, a file at a time.
async fn from_queen(session: &Session, epoch: EpochId, folder: &Path) -> Result<()> {
    let queen = session.queen()?;
    let fetch = async |name: &str| {
        let bytes = queen.bundle_file(epoch, name).await;
        bytes.with_context(|| {
            format!("fetch {name} of {epoch}; there is a bundle once it is sealed")
        })
    };
    let first = fetch(SUMMARY).await?;
    let summary = summary(&first)?;
    write(folder, SUMMARY, &first)?;
    let total = summary.files.len() as u64 + 2;
    let mut progress = Progress::new(epoch.to_string());
    let mut bytes_left = BUNDLE_BYTES_MAX;
    for (done, name) in (1..).zip(names(&summary)) {
        progress.show(done, total, "fetch the bundle");
        let bytes = fetch(name).await?;
        let left = bytes_left.checked_sub(bytes.len() as u64);
        bytes_left = left.ok_or_else(|| {
            Failure::check(format!(
                "the bundle is larger than {BUNDLE_BYTES_MAX} bytes"
            ))
        })?;
        write(folder, name, &bytes)?;
    }
    Ok(())
}

/// Every file of a bundle but SUMMARY.json.
fn names(summary: &Summary) -> impl Iterator<Item = &str> {
    let listed = summary.files.keys().map(String::as_str);
    listed.chain([SIGNATURE])
}

/// Copies the files that SUMMARY.json names, as far as they are there: what is missing is a finding.
fn keep(folder: &Path, copy: &Path) -> Result<()> {
    let first = read(folder, SUMMARY)?;
    let summary = summary(&first)?;
    write(copy, SUMMARY, &first)?;
    for name in names(&summary) {
        if let Ok(bytes) = std::fs::read(folder.join(name)) {
            write(copy, name, &bytes)?;
        }
    }
    Ok(())
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    std::fs::read(&path).with_context(|| format!("read {}", path.display()))
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    let parent = path.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    write_whole(&path, bytes).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_bundle_are_refused() {
        for name in ["jobs/00000.json", "agents.json"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["", "../x", "/etc/passwd", "a/../../b", "."] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
