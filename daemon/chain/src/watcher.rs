//! The escrow's events in the order of the chain.
//!
//! Below `safe`, where blocks hardly change, events come in ranges: one `eth_getLogs` a range, headers
//! only of blocks that hold events and of the range's last. Above `safe` every block is read by its
//! hash and must be the child of the one before: a node that is behind its fellows then answers with an
//! error instead of leaving events out, and a reorganisation is seen at the block where it happened.

use std::collections::BTreeMap;

use alloy::primitives::BloomInput;
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Header};
use futures::future::try_join_all;
use swarm_types::B256;
use swarm_types::escrow::{BlockRef, EscrowLog};

use crate::chain::Chain;
use crate::error::ChainError;
use crate::events::{RawLog, ReadLog};
use crate::rpc::{At, block_ref};

/// Most blocks in one `eth_getLogs`; public nodes refuse more than a few thousand.
pub const RANGE_BLOCKS_MAX: u64 = 2_000;
/// Most blocks above `safe` in one step, read at the same time.
pub const TIP_BLOCKS_MAX: u64 = 20;
/// Most headers of blocks with events asked for at the same time.
const HEADERS_AT_ONCE: usize = 20;

/// Where the chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The newest block.
    pub latest: BlockRef,
    /// Deposits count up to here.
    pub safe: BlockRef,
    /// Epochs close up to here.
    pub finalized: BlockRef,
}

/// The next thing to know about the chain; events are read as `L`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<L = EscrowLog> {
    /// Blocks that follow what the caller knows, ascending. Blocks between two of them hold no events.
    Blocks {
        /// Blocks with their events; the last is how far this step read.
        blocks: Vec<(BlockRef, Vec<L>)>,
        /// Where the chain stood.
        heads: Heads,
        /// Whether the last block is the newest.
        caught_up: bool,
    },
    /// Nothing new.
    UpToDate(Heads),
    /// The node's newest block is below what the caller knows, on the same chain: it lags.
    Behind(Heads),
    /// Blocks that the caller knows are gone: undo all from `undo_from` upwards, then ask again.
    Reorg {
        /// Number of the first block to undo.
        undo_from: u64,
    },
    /// Not one block that the caller knows is on this chain.
    Unknown,
}

impl Chain {
    /// Where the chain stands.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn heads(&self) -> Result<Heads, ChainError> {
        // Asked in this order so that safe and finalized are not above latest.
        let finalized = self.rpc().block(At::Finalized).await?;
        let safe = self.rpc().block(At::Safe).await?;
        let latest = self.rpc().block(At::Latest).await?;
        Ok(Heads {
            latest,
            safe,
            finalized,
        })
    }

    /// What follows the blocks that the caller knows: `known`, newest first, as earlier steps gave
    /// them; empty at the very start. `start` is the escrow's first block.
    ///
    /// # Errors
    /// When the node is away; [`ChainError::Moving`] when the chain changed meanwhile: ask again.
    pub async fn next_blocks(&self, known: &[BlockRef], start: u64) -> Result<Step, ChainError> {
        self.next(known, start).await
    }

    /// The same with every event of the escrow as it was emitted.
    ///
    /// # Errors
    /// As [`Self::next_blocks`].
    pub async fn next_raw_blocks(
        &self,
        known: &[BlockRef],
        start: u64,
    ) -> Result<Step<RawLog>, ChainError> {
        self.next(known, start).await
    }

    async fn next<L: ReadLog>(
        &self,
        known: &[BlockRef],
        start: u64,
    ) -> Result<Step<L>, ChainError> {
        let heads = self.heads().await?;
        let Some(newest) = known.first() else {
            return self.read_from(start, None, heads).await;
        };
        let below_latest = |block: &&BlockRef| block.number <= heads.latest.number;
        let Some(newest_below) = known.iter().find(below_latest) else {
            return Ok(Step::Behind(heads));
        };
        if !self.stands(newest_below).await? {
            for block in known.iter().filter(below_latest) {
                if self.stands(block).await? {
                    let undo_from = block.number + 1;
                    return Ok(Step::Reorg { undo_from });
                }
            }
            return Ok(Step::Unknown);
        }
        if newest.number > heads.latest.number {
            return Ok(Step::Behind(heads));
        }
        self.read_from(newest.number + 1, Some(newest), heads).await
    }

    /// Whether `block` is on the node's chain.
    async fn stands(&self, block: &BlockRef) -> Result<bool, ChainError> {
        let header = self.rpc().header(At::Number(block.number)).await?;
        Ok(header.is_some_and(|header| header.hash == block.hash))
    }

    async fn read_from<L: ReadLog>(
        &self,
        from: u64,
        parent: Option<&BlockRef>,
        heads: Heads,
    ) -> Result<Step<L>, ChainError> {
        if from > heads.latest.number {
            return Ok(Step::UpToDate(heads));
        }
        let blocks = if from <= heads.safe.number {
            self.read_range(from, heads.safe.number).await?
        } else {
            self.read_tip(from, parent, heads.latest.number).await?
        };
        let last = blocks.last().map(|(block, _)| block.number);
        Ok(Step::Blocks {
            caught_up: last == Some(heads.latest.number),
            blocks,
            heads,
        })
    }

    /// Events of `from..=safe`, as many blocks as one question may cover.
    async fn read_range<L: ReadLog>(
        &self,
        from: u64,
        safe: u64,
    ) -> Result<Vec<(BlockRef, Vec<L>)>, ChainError> {
        let mut to = safe.min(from + RANGE_BLOCKS_MAX - 1);
        let (end, logs) = loop {
            let end = self.rpc().block(At::Number(to)).await?;
            let filter = Filter::new().address(self.escrow());
            match self.logs::<L>(filter.from_block(from).to_block(to)).await {
                Ok(logs) => break (end, logs),
                // Nodes limit the answer's size as well as the range; a smaller range fits some time.
                Err(ChainError::Refused { .. }) if to > from => to = from + (to - from) / 2,
                Err(error) => return Err(error),
            }
        };
        let mut blocks: BTreeMap<u64, (BlockRef, Vec<L>)> = BTreeMap::new();
        let hashes: BTreeMap<u64, B256> = logs
            .iter()
            .map(|(hash, log)| (log.block_number(), *hash))
            .collect();
        let hashes: Vec<B256> = hashes.into_values().collect();
        for some in hashes.chunks(HEADERS_AT_ONCE) {
            for block in
                try_join_all(some.iter().map(|hash| self.rpc().block(At::Hash(*hash)))).await?
            {
                blocks.insert(block.number, (block, Vec::new()));
            }
        }
        for (hash, log) in logs {
            match blocks.get_mut(&log.block_number()) {
                Some((block, logs)) if block.hash == hash => logs.push(log),
                _ => return Err(moving()),
            }
        }
        blocks.entry(end.number).or_insert((end, Vec::new()));
        if !self.stands(&end).await? || blocks[&end.number].0.hash != end.hash {
            return Err(moving());
        }
        Ok(blocks.into_values().collect())
    }

    /// Blocks from `from` on, each the child of the one before.
    async fn read_tip<L: ReadLog>(
        &self,
        from: u64,
        parent: Option<&BlockRef>,
        latest: u64,
    ) -> Result<Vec<(BlockRef, Vec<L>)>, ChainError> {
        let to = latest.min(from + TIP_BLOCKS_MAX - 1);
        let read = try_join_all((from..=to).map(|number| self.read_block(number))).await?;
        let mut before = parent
            .filter(|block| block.number + 1 == from)
            .map(|b| b.hash);
        for (block, _) in &read {
            if before.is_some_and(|hash| hash != block.parent) {
                return Err(moving());
            }
            before = Some(block.hash);
        }
        Ok(read)
    }

    async fn read_block<L: ReadLog>(&self, number: u64) -> Result<(BlockRef, Vec<L>), ChainError> {
        let header = self.rpc().header(At::Number(number)).await?;
        let header = header.ok_or_else(moving)?;
        let block = block_ref(&header);
        if !may_hold_events(&header, self) {
            return Ok((block, Vec::new()));
        }
        let filter = Filter::new().address(self.escrow());
        let logs = self.logs(filter.at_block_hash(block.hash)).await?;
        Ok((block, logs.into_iter().map(|(_, log)| log).collect()))
    }

    /// Events of the escrow with the hashes of their blocks, in the order of the chain.
    pub(crate) async fn logs<L: ReadLog>(
        &self,
        filter: Filter,
    ) -> Result<Vec<(B256, L)>, ChainError> {
        let logs = self.rpc().provider().get_logs(&filter).await;
        let mut logs = logs.map_err(|e| ChainError::of("events of the escrow", e))?;
        logs.sort_by_key(|log| (log.block_number, log.log_index));
        let mut read = Vec::with_capacity(logs.len());
        for log in logs.iter().filter(|log| !log.removed) {
            let hash = log.block_hash.ok_or_else(moving)?;
            if log.address() != self.escrow() {
                let detail = format!("a log of {}", log.address());
                return Err(ChainError::nonsense("events of the escrow", detail));
            }
            if let Some(log) = L::read(log)? {
                read.push((hash, log));
            }
        }
        Ok(read)
    }
}

/// The bloom filter of a header says surely when the escrow logged nothing in its block.
fn may_hold_events(header: &Header, chain: &Chain) -> bool {
    header
        .logs_bloom
        .contains_input(BloomInput::Raw(chain.escrow().as_slice()))
}

fn moving() -> ChainError {
    ChainError::Moving {
        during: "reading events",
    }
}
