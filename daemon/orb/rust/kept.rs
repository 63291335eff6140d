//! Final events of the escrow, kept between two starts so that years of blocks are not read again.
//!
//! ```text
//! events.jsonl   a line a block with events, only ever added to
//! read.json      how many lines count, and up to which block they are all there
//! ```
//!
//! Nothing is lost with these files: without them, or when they do not fit, the chain is read again.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use swarm_chain::Chain;
use swarm_chain::book::{Block, Follower};
use swarm_types::Address;
use swarm_types::escrow::BlockRef;

use crate::files::write_whole;

const VERSION: u32 = 1;
const EVENTS: &str = "events.jsonl";
const READ: &str = "read.json";

/// A directory with final events.
#[derive(Debug)]
pub struct Kept {
    dir: PathBuf,
    /// Lines of `events.jsonl` that count.
    lines: usize,
    read: Option<BlockRef>,
    /// [`Follower::restarts`] when they were written.
    restarts: u32,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    version: u32,
    chain_id: u64,
    escrow: Address,
    start: u64,
    lines: usize,
    read: BlockRef,
}

impl Kept {
    /// A directory that may hold events of earlier.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            lines: 0,
            read: None,
            restarts: 0,
        }
    }

    /// A reader of the escrow that goes on where the kept events end, or one that begins at `start`.
    pub fn follower(&mut self, chain: &Chain, start: u64) -> Follower {
        let fresh = || Follower::new(chain.clone(), start);
        let Some((mark, blocks)) = self.load(chain, start) else {
            return fresh();
        };
        match Follower::resume(chain.clone(), start, blocks, mark.read) {
            Ok(follower) => {
                self.lines = mark.lines;
                self.read = Some(mark.read);
                follower
            }
            Err(error) => {
                tracing::warn!(%error, "the kept events are of no use; the chain is read again");
                fresh()
            }
        }
    }

    fn load(&self, chain: &Chain, start: u64) -> Option<(Mark, Vec<Block>)> {
        let mark: Mark = serde_json::from_slice(&fs::read(self.dir.join(READ)).ok()?).ok()?;
        let ours = (VERSION, chain.chain_id(), chain.escrow(), start);
        if (mark.version, mark.chain_id, mark.escrow, mark.start) != ours {
            return None;
        }
        let file = File::open(self.dir.join(EVENTS)).ok()?;
        let lines = BufReader::new(file).lines().take(mark.lines);
        let blocks: Option<Vec<Block>> = lines
            .map(|line| serde_json::from_str(&line.ok()?).ok())
            .collect();
        blocks
            .filter(|blocks| blocks.len() == mark.lines)
            .map(|blocks| (mark, blocks))
    }

    /// Keeps what became final since the last time.
    ///
    /// # Errors
    /// When the directory cannot be written; the next time tries again.
    pub fn keep(&mut self, follower: &Follower) -> io::Result<()> {
        let Some((blocks, read)) = follower.final_part() else {
            return Ok(());
        };
        let same_chain = self.restarts == follower.restarts();
        if same_chain && self.read.is_some_and(|known| known.number >= read.number) {
            return Ok(());
        }
        let from = if same_chain { self.lines } else { 0 };
        fs::create_dir_all(&self.dir)?;
        let path = self.dir.join(EVENTS);
        cut(&path, from)?;
        let mut text = Vec::new();
        for block in blocks.iter().skip(from) {
            serde_json::to_writer(&mut text, block)?;
            text.push(b'\n');
        }
        let mut file = File::options().create(true).append(true).open(&path)?;
        file.write_all(&text)?;
        file.sync_all()?;
        let chain = follower.chain();
        let mark = Mark {
            version: VERSION,
            chain_id: chain.chain_id(),
            escrow: chain.escrow(),
            start: follower.start(),
            lines: blocks.len(),
            read,
        };
        write_whole(&self.dir.join(READ), &serde_json::to_vec(&mark)?)?;
        self.lines = mark.lines;
        self.read = Some(read);
        self.restarts = follower.restarts();
        Ok(())
    }
}

/// Cuts a file after `lines` lines: what a crash left behind the last mark.
fn cut(path: &Path, lines: usize) -> io::Result<()> {
    let file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(&file);
    let mut bytes = 0;
    let mut line = Vec::new();
    for _ in 0..lines {
        line.clear();
        bytes += reader.read_until(b'\n', &mut line)? as u64;
    }
    file.set_len(bytes)
}
