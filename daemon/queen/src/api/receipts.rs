//! Receipts: one leaf of a sealed epoch with its path, read from the epoch's bundle.

use std::collections::HashMap;
use std::path::Path as FilePath;

use axum::Json;
use axum::extract::{Path, State};
use swarm_types::api::ReceiptProof;
use swarm_types::bundle::{JobEntry, JobsPage, SUMMARY, Summary};
use swarm_types::receipt::Receipt;
use swarm_types::{Address, B256, JobId, tree};

use super::docs::Problems;
use super::epochs::read_bundle_file;
use super::jobs::find;
use crate::problem::{Answer, Refused};
use crate::state::App;

/// Everything that shows a job was settled; with it and one read of the contract anyone checks it.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/receipt", tag = "jobs",
    params(("id" = String, Path, description = "Such as job-002-0848")),
    responses((status = 200, body = ReceiptProof), Problems))]
pub async fn receipt(State(app): State<App>, Path(id): Path<String>) -> Answer<Json<ReceiptProof>> {
    let job = find(&app, &id).await?;
    let none = |detail: String| Refused::conflict("no-receipt", detail);
    if let Some(reason) = &job.uncollectable {
        return Err(none(format!(
            "its fee could not be collected, so it has no receipt: {reason}"
        )));
    }
    let Some(epoch) = job.settles_in else {
        return Err(none(format!(
            "{} is {}; only completed jobs have receipts",
            job.id, job.state
        )));
    };
    let record = app.ledger.epoch(epoch).await?;
    let sealed = record.as_ref().is_some_and(|record| record.seal.is_some());
    if !sealed {
        return Err(none(format!(
            "{} is settled in {epoch}, which is not sealed yet",
            job.id
        )));
    }
    let dir = app.bundle_dir(epoch);
    let key = (job.order.order.client, job.id);
    let found = tokio::task::spawn_blocking(move || locate(&dir, key)).await;
    let found =
        found.map_err(|error| Refused::internal("the receipt could not be read", &error))??;
    let Located {
        summary,
        entry,
        index,
        path,
    } = found;
    Ok(Json(ReceiptProof {
        receipt: entry.receipt,
        order: entry.order,
        execution: entry.execution,
        execution_signature: entry.execution_signature,
        epoch: summary.epoch,
        index,
        size: summary.receipt_count,
        path,
        root: summary.receipts_root,
        chain_id: summary.chain_id,
        escrow: summary.escrow,
        transaction: record.and_then(|record| record.settled_tx),
    }))
}

struct Located {
    summary: Summary,
    entry: JobEntry,
    index: u64,
    path: Vec<B256>,
}

/// Finds a receipt among the pages, which are in the order of the leaves, and its audit path: the
/// page's own leaves and the other pages' subtrees are enough.
fn locate(dir: &FilePath, key: (Address, JobId)) -> Answer<Located> {
    let summary: Summary = read_json(dir, SUMMARY)?;
    let (mut low, mut high) = (0, summary.pages.len());
    while low < high {
        let middle = low.midpoint(high);
        let page: JobsPage = read_json(dir, &summary.pages[middle].file)?;
        let receipt_key = |entry: &JobEntry| entry.receipt.key();
        let first = page.jobs.first().map(receipt_key);
        let last = page.jobs.last().map(receipt_key);
        if first.is_none_or(|first| key < first) {
            high = middle;
        } else if last.is_none_or(|last| key > last) {
            low = middle + 1;
        } else {
            return in_page(summary, middle, page, key);
        }
    }
    Err(missing())
}

fn missing() -> Refused {
    Refused::missing("the job is not in its epoch's bundle")
}

fn read_json<T: serde::de::DeserializeOwned>(dir: &FilePath, name: &str) -> Answer<T> {
    let bytes = read_bundle_file(dir, name)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Refused::internal("the epoch's bundle is damaged", &error))
}

fn in_page(
    summary: Summary,
    number: usize,
    page: JobsPage,
    key: (Address, JobId),
) -> Answer<Located> {
    let offset = page
        .jobs
        .binary_search_by(|entry| entry.receipt.key().cmp(&key));
    let offset = offset.map_err(|_| missing())?;
    let mut nodes = Nodes::default();
    for (at, place) in summary.pages.iter().enumerate() {
        if at != number {
            for subtree in &place.subtrees {
                nodes.0.insert((subtree.level, subtree.index), subtree.hash);
            }
        }
    }
    let leaves = page.jobs.iter().map(|entry| Receipt::leaf(&entry.receipt));
    for (at, leaf) in (page.first..).zip(leaves) {
        nodes.0.insert((0, at), leaf);
    }
    let index = page.first + offset as u64;
    let path = nodes.path(index, summary.receipt_count);
    let entry = page.jobs.into_iter().nth(offset).ok_or_else(missing)?;
    let path = path.filter(|path| {
        let leaf = entry.receipt.leaf();
        tree::root_from_path(leaf, index, summary.receipt_count, path)
            == Some(summary.receipts_root)
    });
    let damaged = std::io::Error::other("the receipts do not lead to the root");
    let path = path.ok_or_else(|| Refused::internal("the epoch's bundle is damaged", &damaged))?;
    Ok(Located {
        summary,
        entry,
        index,
        path,
    })
}

/// Roots of perfect subtrees by (level, index).
#[derive(Default)]
struct Nodes(HashMap<(u32, u64), B256>);

impl Nodes {
    /// The audit path of a leaf, from the leaf upwards; `None` when nodes are missing.
    fn path(&mut self, index: u64, size: u64) -> Option<Vec<B256>> {
        let mut path = Vec::new();
        let (mut level, mut at, mut width) = (0, index, size);
        while width > 1 {
            let sibling = at ^ 1;
            if sibling < width {
                path.push(self.root(level, sibling, size)?);
            }
            at /= 2;
            width = width.div_ceil(2);
            level += 1;
        }
        Some(path)
    }

    /// Root over leaves index·2^level up to (index+1)·2^level or the end of the tree.
    fn root(&mut self, level: u32, index: u64, size: u64) -> Option<B256> {
        if let Some(hash) = self.0.get(&(level, index)) {
            return Some(*hash);
        }
        let below = level.checked_sub(1)?;
        let left = self.root(below, index * 2, size)?;
        // A lone node is promoted.
        let right_begins = (index * 2 + 1) << below;
        let hash = if right_begins < size {
            let right = self.root(below, index * 2 + 1, size)?;
            tree::node(&left, &right)
        } else {
            left
        };
        self.0.insert((level, index), hash);
        Some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_types::sha256;

    #[test]
    fn paths_from_pages_and_subtrees_are_the_trees() {
        for size in 1..40u64 {
            let leaves: Vec<B256> = (0..size).map(|n| sha256(n.to_be_bytes())).collect();
            let whole = tree::Tree::new(&leaves);
            for page in [1, 3, 8, 40] {
                for index in 0..size {
                    let mut nodes = Nodes::default();
                    for (number, chunk) in leaves.chunks(page).enumerate() {
                        let first = (number * page) as u64;
                        if (first..first + chunk.len() as u64).contains(&index) {
                            let own = (first..).zip(chunk).map(|(at, leaf)| ((0, at), *leaf));
                            nodes.0.extend(own);
                        } else {
                            let cover = tree::cover(first, chunk);
                            nodes
                                .0
                                .extend(cover.iter().map(|s| ((s.level, s.index), s.hash)));
                        }
                    }
                    let path = nodes.path(index, size);
                    assert_eq!(
                        path,
                        whole.path(index as usize),
                        "{index} of {size} by {page}"
                    );
                }
            }
        }
    }
}
