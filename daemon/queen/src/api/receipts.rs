//! Receipts: one leaf of a sealed epoch with its path, read from the epoch's bundle.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use swarm_types::api::ReceiptProof;
use swarm_types::bundle::{JobEntry, PAGE_RECEIPTS, PagePlace, SUMMARY, Summary};
use swarm_types::receipt::Receipt;
use swarm_types::{Address, B256, JobId, sha256, tree};

use super::docs::{Problems, Refusal};
use super::epochs::read_bundle_file;
use super::jobs::find;
use crate::extract::PathOf;
use crate::problem::{Answer, Refused};
use crate::state::App;

/// Most bytes of a receipt with what stands beside it: the API takes no longer texts.
const ENTRY_BYTES_MAX: u64 = 64 << 10;
/// Pages whose receipts can be proved without reading the page again; not a megabyte each.
const PAGES_KEPT: usize = 16;

/// Everything that shows a job was settled; with it and one read of the contract anyone checks it.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/receipt", tag = "jobs",
    params(("id" = JobId, Path, description = "Such as job-002-0848")),
    responses((status = 200, body = ReceiptProof), Problems, Refusal<400>, Refusal<404>, Refusal<409>))]
pub async fn receipt(
    State(app): State<App>,
    PathOf(id): PathOf<String>,
) -> Answer<Json<ReceiptProof>> {
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
    let key = (job.order.order.client, job.id);
    let shared = app.clone();
    let found =
        tokio::task::spawn_blocking(move || locate(&shared.bundle_dir(epoch), &shared.pages, key));
    let found = found.await;
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

/// Finds a receipt among the pages, which are in the order of the leaves, and its audit path: the leaves of
/// its own page and the other pages' subtrees are enough.
fn locate(dir: &Path, cache: &PageCache, key: (Address, JobId)) -> Answer<Located> {
    let summary = read_bundle_file(dir, SUMMARY)?;
    let version = sha256(&summary);
    let summary: Summary = serde_json::from_slice(&summary).map_err(|e| damaged(&e))?;
    // The last page that begins at the key or before it.
    let (mut low, mut high) = (0, summary.pages.len());
    while low < high {
        let middle = low.midpoint(high);
        if first_key(dir, &summary.pages[middle].file)? <= key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let number = low.checked_sub(1).ok_or_else(missing)?;
    let place = &summary.pages[number];
    let page = cache.get((version, number), || PageIndex::read(dir, place))?;
    let found = page.leaves.binary_search_by_key(&key, |leaf| leaf.key);
    let offset = found.map_err(|_| missing())?;
    let index = place.first + offset as u64;

    let mut nodes = Nodes::default();
    let others = summary.pages.iter().enumerate();
    for (_, other) in others.filter(|(at, _)| *at != number) {
        for subtree in &other.subtrees {
            nodes.0.insert((subtree.level, subtree.index), subtree.hash);
        }
    }
    for (at, leaf) in (place.first..).zip(&page.leaves) {
        nodes.0.insert((0, at), leaf.hash);
    }
    let path = nodes.path(index, summary.receipt_count);
    let entry = page.leaves[offset].read(dir, &place.file)?;
    let leaf = entry.receipt.leaf();
    let root = path
        .as_ref()
        .and_then(|path| tree::root_from_path(leaf, index, summary.receipt_count, path));
    match path {
        Some(path) if root == Some(summary.receipts_root) => Ok(Located {
            summary,
            entry,
            index,
            path,
        }),
        _ => {
            let error = std::io::Error::other("the receipts do not lead to the root");
            Err(damaged(&error))
        }
    }
}

fn missing() -> Refused {
    Refused::missing("the job is not in its epoch's bundle")
}

fn damaged(error: &(dyn std::error::Error + 'static)) -> Refused {
    Refused::internal("the epoch's bundle is damaged", error)
}

/// Where a page's first receipt stands; only its beginning is read.
fn first_key(dir: &Path, name: &str) -> Answer<(Address, JobId)> {
    let file = File::open(dir.join(name)).map_err(|e| damaged(&e))?;
    let mut start = Vec::new();
    let read = file.take(ENTRY_BYTES_MAX).read_to_end(&mut start);
    read.map_err(|e| damaged(&e))?;
    let at = entries_begin(&start);
    let mut entries = serde_json::Deserializer::from_slice(&start[at..]).into_iter::<JobEntry>();
    match entries.next() {
        Some(Ok(entry)) => Ok(entry.receipt.key()),
        Some(Err(error)) => Err(damaged(&error)),
        None => Err(damaged(&std::io::Error::other("a page without receipts"))),
    }
}

/// Where the first entry of a page's canonical JSON begins: after `{"first":"0","jobs":[`.
fn entries_begin(page: &[u8]) -> usize {
    let bracket = page.iter().position(|byte| *byte == b'[');
    bracket.map_or(page.len(), |at| at + 1)
}

/// Where a receipt is, in its tree and in its page's file.
struct Leaf {
    key: (Address, JobId),
    hash: B256,
    /// Bytes of the file.
    begin: usize,
    end: usize,
}

impl Leaf {
    fn read(&self, dir: &Path, name: &str) -> Answer<JobEntry> {
        let mut bytes = vec![0; self.end - self.begin];
        let file = File::open(dir.join(name)).map_err(|e| damaged(&e))?;
        let read = file.read_exact_at(&mut bytes, self.begin as u64);
        read.map_err(|e| damaged(&e))?;
        serde_json::from_slice(&bytes).map_err(|e| damaged(&e))
    }
}

/// What finding and proving the receipts of a page takes, without the receipts.
pub struct PageIndex {
    leaves: Vec<Leaf>,
}

/// Of an entry, what the index is made of.
#[derive(Deserialize)]
struct OnlyReceipt {
    receipt: Receipt,
}

impl PageIndex {
    fn read(dir: &Path, place: &PagePlace) -> Answer<Self> {
        let page = read_bundle_file(dir, &place.file)?;
        let mut leaves = Vec::with_capacity(place.count.min(PAGE_RECEIPTS as u64) as usize);
        let mut begin = entries_begin(&page);
        while let Some(length) = object_length(&page[begin..]) {
            let end = begin + length;
            let entry: OnlyReceipt =
                serde_json::from_slice(&page[begin..end]).map_err(|e| damaged(&e))?;
            leaves.push(Leaf {
                key: entry.receipt.key(),
                hash: entry.receipt.leaf(),
                begin,
                end,
            });
            // A comma, or the end of the list.
            begin = (end + 1).min(page.len());
        }
        if leaves.len() as u64 != place.count {
            let error = std::io::Error::other("a page has another number of receipts");
            return Err(damaged(&error));
        }
        Ok(Self { leaves })
    }
}

/// Length of the JSON object that `text` begins with.
fn object_length(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'{') {
        return None;
    }
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// A page by the summary it belongs to and its number.
type PageKey = (B256, usize);

/// The pages that were asked for last.
#[derive(Default)]
pub struct PageCache(Mutex<VecDeque<(PageKey, Arc<PageIndex>)>>);

impl PageCache {
    /// The page, read at most once at a time: a page's file is large.
    fn get(
        &self,
        page: PageKey,
        read: impl FnOnce() -> Answer<PageIndex>,
    ) -> Answer<Arc<PageIndex>> {
        // What a panic leaves behind is whole: an index goes in when it is made.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|(of, _)| *of == page);
        let index = match known.and_then(|at| kept.remove(at)) {
            Some((_, index)) => index,
            None => Arc::new(read()?),
        };
        kept.truncate(PAGES_KEPT - 1);
        kept.push_front((page, index.clone()));
        Ok(index)
    }
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

    #[test]
    fn an_object_ends_where_its_braces_do() {
        for (text, length) in [
            ("{}", Some(2)),
            ("{},{}", Some(2)),
            (r#"{"a":"}\\"},{"b":1}"#, Some(11)),
            (r#"{"a":{"b":"\"}{"}}]"#, Some(18)),
            ("{", None),
            ("]}", None),
            ("", None),
        ] {
            assert_eq!(object_length(text.as_bytes()), length, "{text}");
        }
    }

    #[test]
    fn a_few_pages_are_kept() {
        let cache = PageCache::default();
        let read = |page| {
            let mut read = false;
            let index = cache.get((B256::ZERO, page), || {
                read = true;
                Ok(PageIndex { leaves: Vec::new() })
            });
            assert!(index.is_ok());
            read
        };
        for page in 0..PAGES_KEPT {
            assert!(read(page));
        }
        assert!(!read(0), "kept");
        assert!(read(PAGES_KEPT), "a new one");
        assert!(!read(0) && read(1), "the one that nobody asked for went");
        let failed = cache.get((B256::ZERO, 99), || Err(missing()));
        assert!(failed.is_err() && read(99), "a failure is not kept");
    }

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
