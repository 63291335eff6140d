//! `swarm audit`: an epoch's bundle against the chain, by somebody who has nothing but the two.

use std::collections::BTreeMap;
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

type Files = BTreeMap<String, Vec<u8>>;

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
    let files = match &bundle {
        Some(folder) => from_folder(folder)?,
        None => from_queen(session, epoch).await?,
    };
    if let Some(folder) = &save {
        keep(folder, &files)?;
    }
    let summary = summary(files.get(SUMMARY).map(Vec::as_slice).unwrap_or_default())?;
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
    match chain.audit(|name| files.get(name).cloned()).await {
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

async fn from_queen(session: &Session, epoch: EpochId) -> Result<Files> {
    let queen = session.queen()?;
    let fetch = async |name: &str| {
        let bytes = queen.bundle_file(epoch, name).await;
        bytes.with_context(|| {
            format!("fetch {name} of {epoch}; there is a bundle once it is sealed")
        })
    };
    let first = fetch(SUMMARY).await?;
    let summary = summary(&first)?;
    let total = summary.files.len() as u64 + 2;
    let mut files = Files::from([(SUMMARY.to_owned(), first)]);
    let mut progress = Progress::new(epoch.to_string());
    let mut bytes_left = BUNDLE_BYTES_MAX;
    for name in summary.files.keys().map(String::as_str).chain([SIGNATURE]) {
        progress.show(files.len() as u64, total, "fetch the bundle");
        let bytes = fetch(name).await?;
        let left = bytes_left.checked_sub(bytes.len() as u64);
        bytes_left = left.ok_or_else(|| {
            Failure::check(format!(
                "the bundle is larger than {BUNDLE_BYTES_MAX} bytes"
            ))
        })?;
        files.insert(name.to_owned(), bytes);
    }
    Ok(files)
}

/// The files that SUMMARY.json names, as far as they are there: what is missing is a finding.
fn from_folder(folder: &Path) -> Result<Files> {
    let path = folder.join(SUMMARY);
    let first = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let summary = summary(&first)?;
    let mut files = Files::from([(SUMMARY.to_owned(), first)]);
    for name in summary.files.keys().map(String::as_str).chain([SIGNATURE]) {
        if let Ok(bytes) = std::fs::read(folder.join(name)) {
            files.insert(name.to_owned(), bytes);
        }
    }
    Ok(files)
}

fn keep(folder: &Path, files: &Files) -> Result<()> {
    for (name, bytes) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        write_whole(&path, bytes).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
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
