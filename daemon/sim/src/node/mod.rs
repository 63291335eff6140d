//! A chain in memory, with the escrow on it: blocks with the state after each, a pool of
//! transactions, reorganisations. Time is what the caller says; nothing happens by itself.

mod answers;
pub mod escrow;
pub mod genesis;
pub mod state;
pub mod transport;

use std::sync::OnceLock;

use alloy::consensus::transaction::SignerRecoverable;
use alloy::consensus::{Header, Transaction as _, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{Address, B256, Bloom, Bytes, Log, TxKind};
use alloy::rpc::types::Header as RpcHeader;
use serde_json::value::RawValue;

use state::{Message, Outcome, State};

use crate::plant::Plant;

/// Wei per gas that every block asks for.
pub const BASE_FEE: u64 = 5_000_000;
/// Blocks that `safe` is behind `latest`.
pub const SAFE_BEHIND: u64 = 2;
/// Blocks that `finalized` is behind `latest`.
pub const FINAL_BEHIND: u64 = 5;
/// A replacement pays this much more, in percent.
const BUMP_PERCENT: u128 = 10;

/// A transaction, signed and whole.
#[derive(Clone, Debug)]
pub struct Tx {
    /// Its hash.
    pub hash: B256,
    /// Who sent it.
    pub sender: Address,
    /// All of it.
    pub envelope: TxEnvelope,
}

/// A transaction in a block.
#[derive(Clone, Debug)]
pub struct Included {
    /// The transaction.
    pub tx: Tx,
    /// What became of it.
    pub outcome: Outcome,
    /// Number of its first event in the block.
    pub first_log: u64,
}

/// A block with the state after it.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its header, as the node tells it.
    pub header: RpcHeader,
    /// Its transactions.
    pub txs: Vec<Included>,
    /// Every account after it.
    pub state: State,
    /// It as the node tells it, once somebody asked.
    told: OnceLock<Box<RawValue>>,
}

/// The chain.
#[derive(Debug)]
pub struct Node {
    /// From number 0.
    blocks: Vec<Block>,
    pool: Vec<Tx>,
    /// Whose transactions are included only when they pay so much, in wei per gas.
    dear: Option<(Address, u128)>,
    /// Tells blocks of the same height apart.
    branch: u64,
    /// Height below which nothing is undone.
    finalized: u64,
    /// Unix seconds now.
    now: u64,
    plant: Plant,
}

/// Why the pool does not take a transaction; the words are those of common nodes.
pub type Refusal = &'static str;

impl Node {
    /// A chain that begins with the first block.
    pub fn new(plant: Plant) -> Self {
        let mut node = Self {
            blocks: Vec::new(),
            pool: Vec::new(),
            dear: None,
            branch: 0,
            finalized: 0,
            now: genesis::START,
            plant,
        };
        node.seal(genesis::START, Vec::new(), genesis::state(plant));
        node
    }

    /// The newest block.
    pub fn head(&self) -> &Block {
        self.blocks.last().expect("there is a first block")
    }

    /// Number of the newest block.
    pub fn height(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    /// Number of the newest block that is safe.
    pub fn safe(&self) -> u64 {
        self.height()
            .saturating_sub(SAFE_BEHIND)
            .max(self.finalized)
    }

    /// Number of the newest block that stands for ever.
    pub fn finalized(&self) -> u64 {
        self.finalized
    }

    /// A block by number.
    pub fn block(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    /// A block by hash, while it is on the chain.
    pub fn block_of(&self, hash: &B256) -> Option<&Block> {
        self.blocks
            .iter()
            .rev()
            .find(|block| block.header.hash == *hash)
    }

    /// A transaction in its block.
    pub fn included(&self, hash: &B256) -> Option<(&Block, usize)> {
        self.blocks.iter().rev().find_map(|block| {
            let at = block.txs.iter().position(|tx| tx.tx.hash == *hash)?;
            Some((block, at))
        })
    }

    /// A transaction that waits.
    pub fn waiting(&self, hash: &B256) -> Option<&Tx> {
        self.pool.iter().find(|tx| tx.hash == *hash)
    }

    /// Every transaction that waits.
    pub fn pool(&self) -> &[Tx] {
        &self.pool
    }

    /// The next nonce of `account` after what waits.
    pub fn nonce_pending(&self, account: Address) -> u64 {
        let mut nonce = self.head().state.nonce(account);
        while self.has_waiting(account, nonce) {
            nonce += 1;
        }
        nonce
    }

    fn has_waiting(&self, sender: Address, nonce: u64) -> bool {
        let mut pool = self.pool.iter();
        pool.any(|tx| tx.sender == sender && tx.envelope.nonce() == nonce)
    }

    /// Takes a transaction into the pool.
    ///
    /// # Errors
    /// The words of the refusal.
    pub fn take(&mut self, raw: &Bytes) -> Result<B256, Refusal> {
        let envelope = TxEnvelope::decode_2718(&mut raw.as_ref()).map_err(|_| "invalid bytes")?;
        let sender = envelope.recover_signer().map_err(|_| "invalid sender")?;
        let (hash, nonce) = (*envelope.tx_hash(), envelope.nonce());
        if self.waiting(&hash).is_some() {
            return Err("already known");
        }
        if nonce < self.head().state.nonce(sender) {
            return Err("nonce too low");
        }
        if envelope.chain_id() != Some(state::CHAIN_ID) {
            return Err("invalid chain id for signer");
        }
        let raised = |old: u128, new: u128| new * 100 >= old * (100 + BUMP_PERCENT);
        let same = |tx: &Tx| tx.sender == sender && tx.envelope.nonce() == nonce;
        if let Some(at) = self.pool.iter().position(same) {
            let old = &self.pool[at].envelope;
            let enough = raised(old.max_fee_per_gas(), envelope.max_fee_per_gas())
                && raised(tip(old), tip(&envelope));
            if !enough {
                return Err("replacement transaction underpriced");
            }
            self.pool.remove(at);
        }
        self.pool.push(Tx {
            hash,
            sender,
            envelope,
        });
        Ok(hash)
    }

    /// Makes one block at `timestamp` (Unix seconds; at least a second after its parent) of all that can
    /// be included.
    pub fn mine(&mut self, timestamp: u64) {
        let head = self.head();
        let timestamp = timestamp.max(head.header.timestamp + 1);
        let mut state = head.state.clone();
        let mut txs: Vec<Included> = Vec::new();
        let mut first_log = 0;
        while let Some(at) = self.next(&state) {
            let tx = self.pool.remove(at);
            let outcome = state.transact(timestamp, &message(&tx));
            let logs = outcome.logs.len() as u64;
            txs.push(Included {
                tx,
                outcome,
                first_log,
            });
            first_log += logs;
        }
        self.pool
            .retain(|tx| tx.envelope.nonce() >= state.nonce(tx.sender));
        self.seal(timestamp, txs, state);
        self.finalized = self
            .finalized
            .max(self.height().saturating_sub(FINAL_BEHIND));
    }

    /// The first transaction of the pool that the next place in a block can go to.
    fn next(&self, state: &State) -> Option<usize> {
        self.pool.iter().position(|tx| {
            tx.envelope.nonce() == state.nonce(tx.sender)
                && tx.envelope.max_fee_per_gas() >= self.asked_of(tx.sender)
        })
    }

    fn seal(&mut self, timestamp: u64, txs: Vec<Included>, state: State) {
        let logs: Vec<&Log> = txs.iter().flat_map(|tx| &tx.outcome.logs).collect();
        let parent = self.blocks.last();
        let header = Header {
            parent_hash: parent.map_or(B256::ZERO, |block| block.header.hash),
            number: self.blocks.len() as u64,
            timestamp,
            gas_limit: 60_000_000,
            gas_used: txs.iter().map(|tx| tx.outcome.gas_used).sum(),
            base_fee_per_gas: Some(BASE_FEE),
            logs_bloom: logs.into_iter().collect::<Bloom>(),
            extra_data: self.branch.to_be_bytes().into(),
            ..Header::default()
        };
        self.blocks.push(Block {
            header: RpcHeader::new(header),
            txs,
            state,
            told: OnceLock::new(),
        });
    }

    /// Takes the newest `depth` blocks back, at most down to `finalized`. Their transactions wait again,
    /// but for those that `lost` names. Answers how many blocks went.
    pub fn reorg(&mut self, depth: u64, mut lost: impl FnMut(&Tx) -> bool) -> u64 {
        let depth = depth.min(self.height() - self.finalized);
        let keep = self.blocks.len() - usize::try_from(depth).unwrap_or(0);
        let gone = self.blocks.split_off(keep);
        self.branch += 1;
        let mut again: Vec<Tx> = Vec::new();
        for tx in gone.into_iter().flat_map(|block| block.txs) {
            if !lost(&tx.tx) {
                again.push(tx.tx);
            }
        }
        again.append(&mut self.pool);
        self.pool = again;
        depth
    }

    /// Tells the node the time, Unix seconds.
    pub fn set_time(&mut self, now: u64) {
        self.now = now;
    }

    /// Makes a block now.
    pub fn mine_now(&mut self) {
        self.mine(self.now);
    }

    /// Takes `depth` blocks back and makes as many others and one more, so that the new branch is longer.
    pub fn reorg_to_now(&mut self, depth: u64) -> u64 {
        let gone = self.reorg(depth, |_| false);
        for _ in 0..=gone {
            self.mine_now();
        }
        gone
    }

    fn asked_of(&self, sender: Address) -> u128 {
        match self.dear {
            Some((whose, fee)) if whose == sender => fee.max(BASE_FEE.into()),
            _ => BASE_FEE.into(),
        }
    }

    /// Leaves transactions of `sender` out of blocks unless they pay `fee` (wei per gas), as blocks that are
    /// full of better offers do; `None` ends it.
    pub fn set_dear(&mut self, dear: Option<(Address, u128)>) {
        self.dear = dear;
    }

    /// Forgets what `sender` has waiting behind a nonce that nothing in the pool has, and answers how much it was.
    pub fn forget_stuck(&mut self, sender: Address) -> u64 {
        let next = self.nonce_pending(sender);
        let before = self.pool.len();
        self.pool
            .retain(|tx| tx.sender != sender || tx.envelope.nonce() < next);
        (before - self.pool.len()) as u64
    }

    /// Forgets a transaction that waits.
    pub fn forget(&mut self, hash: &B256) {
        self.pool.retain(|tx| tx.hash != *hash);
    }
}

fn tip(tx: &TxEnvelope) -> u128 {
    tx.max_priority_fee_per_gas().unwrap_or_default()
}

fn message(tx: &Tx) -> Message {
    Message {
        from: tx.sender,
        to: tx.envelope.to().map_or(TxKind::Create, TxKind::Call),
        input: tx.envelope.input().clone(),
    }
}
