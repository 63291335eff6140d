//! Keeps a [`Book`] in step with the chain, through reorganisations.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};
use swarm_types::escrow::BlockRef;
use swarm_types::orb::IndexBlock;

use super::Book;
use crate::chain::Chain;
use crate::error::ChainError;
use crate::events::RawLog;
use crate::watcher::{Heads, Step};

/// Blocks whose hashes are compared to find where a reorganisation began. Deeper ones than `finalized`
/// do not happen; before the first `finalized` is known, older blocks are kept too.
const KNOWN_BLOCKS_MAX: usize = 4_096;

/// A block with the escrow's events in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Which.
    pub block: BlockRef,
    /// Its events, in order.
    pub logs: Vec<RawLog>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The newest block that was read.
    pub read: u64,
    /// The newest block that the node has.
    pub latest: u64,
    /// Whether the book changed.
    pub changed: bool,
    /// Whether there is nothing more to read now.
    pub caught_up: bool,
}

/// A reader of the escrow's events.
#[derive(Debug)]
pub struct Follower {
    chain: Chain,
    start: u64,
    /// Newest first.
    known: Vec<BlockRef>,
    /// Blocks with events that are not kept by somebody else yet, ascending.
    blocks: Vec<Block>,
    heads: Option<Heads>,
    restarts: u32,
    book: Arc<RwLock<Book>>,
}

impl Follower {
    /// A reader that knows nothing yet. `start` is the escrow's first block, or one before it.
    pub fn new(chain: Chain, start: u64) -> Self {
        Self {
            chain,
            start,
            known: Vec::new(),
            blocks: Vec::new(),
            heads: None,
            restarts: 0,
            book: Arc::default(),
        }
    }

    /// A reader that goes on after `read`, with the events of all blocks up to it. They must be final:
    /// only the newest is compared with the chain.
    ///
    /// # Errors
    /// When `blocks` are not events of the escrow in the order of the chain.
    pub fn resume(
        chain: Chain,
        start: u64,
        blocks: Vec<Block>,
        read: BlockRef,
    ) -> Result<Self, ChainError> {
        let mut follower = Self::new(chain, start);
        let ascending = blocks
            .windows(2)
            .all(|two| two[0].block.number < two[1].block.number);
        let below = blocks.last().is_none_or(|b| b.block.number <= read.number);
        if !ascending || !below {
            let detail = "the kept events are not in the order of the chain";
            return Err(ChainError::nonsense("kept events", detail));
        }
        follower.known.push(read);
        follower.blocks = blocks;
        follower.rebuild()?;
        Ok(follower)
    }

    /// The escrow.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The first block that was read.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// How often everything that was known was of another chain, so that it was read anew.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// The book, shared with whoever shows it.
    pub fn book(&self) -> Arc<RwLock<Book>> {
        self.book.clone()
    }

    /// The newest block that was read; `None` before the first.
    pub fn newest(&self) -> Option<IndexBlock> {
        self.known.first().map(|block| IndexBlock {
            number: block.number,
            hash: block.hash,
            time: block.timestamp,
        })
    }

    /// Blocks with events up to `finalized`, ascending, and the newest final block that was read: what
    /// can be kept for [`Self::resume`].
    pub fn final_part(&self) -> Option<(Vec<&Block>, BlockRef)> {
        let finalized = self.heads?.finalized.number;
        let read = self.known.iter().find(|block| block.number <= finalized)?;
        let below = |block: &&Block| block.block.number <= read.number;
        Some((self.blocks.iter().filter(below).collect(), *read))
    }

    /// Reads what the chain has and the book has not, a step at a time.
    ///
    /// # Errors
    /// When the node is away or its events make no sense; what was read before stands.
    pub async fn step(&mut self) -> Result<Progress, ChainError> {
        let mut changed = false;
        loop {
            let step = self.chain.next_raw_blocks(&self.known, self.start).await?;
            let (heads, caught_up) = match step {
                Step::Blocks {
                    blocks,
                    heads,
                    caught_up,
                } => {
                    changed |= self.take(blocks)?;
                    (heads, caught_up)
                }
                // A node that lags says nothing new.
                Step::UpToDate(heads) | Step::Behind(heads) => (heads, true),
                Step::Reorg { undo_from } => {
                    self.known.retain(|block| block.number < undo_from);
                    self.blocks.retain(|block| block.block.number < undo_from);
                    self.rebuild()?;
                    changed = true;
                    continue;
                }
                Step::Unknown => {
                    // Another chain, or a development chain that began anew.
                    self.known.clear();
                    self.blocks.clear();
                    self.restarts += 1;
                    self.rebuild()?;
                    changed = true;
                    continue;
                }
            };
            self.heads = Some(heads);
            self.forget(heads.finalized.number);
            return Ok(Progress {
                read: self.known.first().map_or(0, |block| block.number),
                latest: heads.latest.number,
                changed,
                caught_up,
            });
        }
    }

    fn take(&mut self, blocks: Vec<(BlockRef, Vec<RawLog>)>) -> Result<bool, ChainError> {
        let mut changed = false;
        let mut applied = Ok(());
        {
            let mut book = write(&self.book);
            for (block, logs) in blocks {
                if !logs.is_empty() {
                    applied = book.apply(&block, &logs);
                    if applied.is_err() {
                        break;
                    }
                    changed = true;
                    self.blocks.push(Block { block, logs });
                }
                self.known.insert(0, block);
            }
        }
        if applied.is_err() {
            // A block that was applied by half is taken out again.
            self.rebuild()?;
        }
        applied.map(|()| changed)
    }

    fn rebuild(&mut self) -> Result<(), ChainError> {
        let mut book = Book::default();
        for Block { block, logs } in &self.blocks {
            book.apply(block, logs)?;
        }
        *write(&self.book) = book;
        Ok(())
    }

    /// Drops the names of blocks below the newest final one: no reorganisation reaches them.
    fn forget(&mut self, finalized: u64) {
        let newest_final = self.known.iter().position(|b| b.number <= finalized);
        if let Some(at) = newest_final {
            self.known.truncate(at + 1);
        }
        self.known.truncate(KNOWN_BLOCKS_MAX);
    }
}

/// The book, to read. No code panics while it holds it for writing, so a poisoned lock is as good.
pub fn read(book: &RwLock<Book>) -> RwLockReadGuard<'_, Book> {
    book.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(book: &RwLock<Book>) -> RwLockWriteGuard<'_, Book> {
    book.write().unwrap_or_else(PoisonError::into_inner)
}
