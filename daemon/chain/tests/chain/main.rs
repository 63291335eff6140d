//! The crate against a real node with the real token and the real escrow.

mod deposits;
mod ens;
mod outbox;
mod reorg;
mod rig;
mod settlement;

use std::time::Duration;

use swarm_chain::devchain::{DevChain, NodeConfig, dev_wallet};
use swarm_chain::settle::SealedEpoch;
use swarm_chain::watcher::Step;
use swarm_chain::{At, Chain, Mined};
use swarm_types::escrow::{BlockRef, EscrowEvent};
use swarm_types::{B256, MicroUsdc};

use rig::*;

/// Everything the chain has, step by step as the queen would read it; the known blocks, newest first,
/// and the events.
async fn read_all(chain: &Chain, start: u64, known: &mut Vec<BlockRef>) -> Vec<EscrowEvent> {
    let mut events = Vec::new();
    loop {
        match chain.next_blocks(known, start).await.expect("a step") {
            Step::Blocks { blocks, .. } => {
                for (block, logs) in blocks {
                    assert!(logs.iter().all(|log| log.block_number == block.number));
                    known.insert(0, block);
                    events.extend(logs.into_iter().map(|log| log.event));
                }
            }
            Step::UpToDate(_) => return events,
            step => panic!("{step:?}"),
        }
    }
}
