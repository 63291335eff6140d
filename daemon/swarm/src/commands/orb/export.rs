//! `swarm orb export`: a static site that needs no queen.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use swarm_client::QueenClient;
use swarm_types::bundle::{SIGNATURE, SUMMARY, Summary};
use swarm_types::orb::{BundleState, Index, IndexBlock, IndexEpoch};
use swarm_types::{Address, EpochId, sha256};

use super::site::SiteDir;
use super::{EpochLine, begin, epochs_table, read_all, site_of, start_block};
use crate::cli::ExportArgs;
use crate::exit::Failure;
use crate::output::{fields, time};
use crate::progress::Progress;
use crate::session::Session;

/// Where bundles come from.
enum Source<'a> {
    Queen(Box<QueenClient>),
    Folder(&'a Path),
}

#[derive(Serialize)]
struct Exported<'a> {
    dir: &'a Path,
    chain_id: u64,
    escrow: Address,
    block: IndexBlock,
    files: usize,
    bytes: u64,
    cid: String,
    epochs: Vec<EpochLine>,
    complete: bool,
}

/// `swarm orb export`.
pub async fn run(session: &Session, args: &ExportArgs) -> Result<()> {
    let source = match &args.bundles {
        Some(folder) => Source::Folder(folder),
        None => Source::Queen(Box::new(session.queen()?)),
    };
    let chain = session.chain().await?;
    let (site, ens) = site_of(&args.site, &chain).await?;
    let dir = SiteDir::open(&args.dir, chain.chain_id(), chain.escrow())?;
    let start = start_block(&chain, args.from_block).await?;
    let mut indexer = begin(session, &chain, start, &dir.audit(), ens.clone());
    // What an earlier export left is compared first: only what is missing or wrong is fetched.
    let before = read_all(&mut indexer, &site).await?;
    let chosen = |row: &&IndexEpoch| args.epochs.is_none_or(|range| range.contains(row.epoch));
    let wanted = before.epochs.iter().filter(chosen);
    let wanted: Vec<_> = wanted
        .filter(|row| row.bundle_state != BundleState::Complete)
        .collect();
    let mut progress = Progress::new("export");
    for (done, row) in wanted.iter().enumerate() {
        let step = format!("{} of {} bundles to fetch", done + 1, wanted.len());
        progress.show(done as u64, wanted.len() as u64, &step);
        fetch(&source, &dir, row).await?;
    }
    progress.show(1, 1, "write the site");
    drop(progress);

    // Anew, because what was compared before is remembered for a while.
    let mut indexer = begin(session, &chain, start, &dir.audit(), ens);
    let index: Index = read_all(&mut indexer, &site).await?;
    let written = dir.write(&index, &indexer.shown())?;
    let rows = index.epochs.iter().filter(chosen);
    let complete = rows
        .clone()
        .all(|row| row.bundle_state == BundleState::Complete);
    let exported = Exported {
        dir: &args.dir,
        chain_id: index.chain_id,
        escrow: index.escrow,
        block: index.block,
        files: written.files,
        bytes: written.bytes,
        cid: written.cid,
        epochs: rows.map(EpochLine::from).collect(),
        complete,
    };
    session.out.print(&exported, |exported, out| {
        let as_of = format!(
            "block {} of {}",
            exported.block.number,
            time(exported.block.time)
        );
        fields(&[
            ("site", out.bold(exported.dir.display())),
            (
                "escrow",
                format!("{} on chain {}", exported.escrow, exported.chain_id),
            ),
            ("as of", as_of),
            (
                "files",
                format!("{}, {} bytes", exported.files, exported.bytes),
            ),
            ("CID", exported.cid.clone()),
        ]) + &epochs_table(&exported.epochs)
    })?;
    if complete {
        return Ok(());
    }
    let text = "the site is whole, and says which bundles are missing or not the settled ones";
    Err(Failure::reported(text).into())
}

/// Brings what the source has of an epoch's bundle, whatever it is: the index says how it compares.
async fn fetch(source: &Source<'_>, dir: &SiteDir, row: &IndexEpoch) -> Result<()> {
    let Some(bytes) = read(source, row.epoch_id, SUMMARY).await? else {
        return Ok(());
    };
    let settled = sha256(&bytes) == row.bundle;
    let files = match serde_json::from_slice::<Summary>(&bytes) {
        // Of a bundle that is not the settled one, the file that shows it is enough.
        Ok(summary) if settled => summary.files,
        _ => BTreeMap::new(),
    };
    for (name, digest) in &files {
        if dir.has(row.epoch_id, name, digest)? {
            continue;
        }
        if let Some(bytes) = read(source, row.epoch_id, name).await? {
            dir.put(row.epoch_id, name, &bytes)?;
        }
    }
    if settled && let Some(bytes) = read(source, row.epoch_id, SIGNATURE).await? {
        dir.put(row.epoch_id, SIGNATURE, &bytes)?;
    }
    // Last, so that what is there of a bundle is never more than what was fetched.
    dir.put(row.epoch_id, SUMMARY, &bytes)
}

/// A file of a bundle, if the source has it.
async fn read(source: &Source<'_>, epoch: EpochId, name: &str) -> Result<Option<Vec<u8>>> {
    match source {
        Source::Folder(folder) => {
            let path = folder.join(epoch.to_string()).join(name);
            match std::fs::read(&path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(e) => Err(e).with_context(|| format!("read {}", path.display())),
            }
        }
        Source::Queen(queen) => match queen.bundle_file(epoch, name).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("fetch {name} of {epoch}")),
        },
    }
}
