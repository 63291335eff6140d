//! Mirrors the chain into the ledger, and closes epochs whose window is over.

use swarm_chain::ChainError;
use swarm_chain::watcher::{Heads, Step};
use swarm_ledger::CommandError;
use swarm_ledger::commands::{ApplyBlocks, Finalise, UndoBlocks};
use swarm_ledger::records::{Applied, EpochState, Undone, UnknownEpoch};
use swarm_ledger::refusals::{ChainRefusal, EpochRefusal};
use swarm_types::escrow::{BlockRef, EscrowLog};

use super::notes::Note;
use super::{Settlement, SettlementError, bundle_dir};

/// Blocks whose hashes are compared to find where a reorganisation began.
const KNOWN_BLOCKS: u32 = 1_024;
/// Steps in one round; a long way to catch up takes several rounds, and reports in between.
pub(super) const STEPS_PER_ROUND: usize = 50;

impl Settlement {
    /// Reads what the chain has and the ledger has not. Leaves [`Settlement::heads`] set only when the
    /// ledger has everything up to the newest block.
    pub(super) async fn mirror_chain(&mut self) -> Result<(), SettlementError> {
        self.heads = None;
        let mut latest = None;
        for _ in 0..self.steps_per_round {
            let cursor = self.ledger.chain_cursor(KNOWN_BLOCKS).await?;
            let step = match self
                .chain
                .next_blocks(&cursor.recent, self.start_block)
                .await
            {
                // The chain moved under the reading: the next step sees where to.
                Err(ChainError::Moving { .. }) => continue,
                step => step?,
            };
            match step {
                Step::Blocks {
                    blocks,
                    heads,
                    caught_up,
                } => {
                    self.apply(blocks, heads.safe.number).await?;
                    if caught_up {
                        self.caught_up(heads);
                        return Ok(());
                    }
                    latest = Some(heads.latest.number);
                }
                Step::UpToDate(heads) => {
                    if heads.safe.number > cursor.safe {
                        self.apply(Vec::new(), heads.safe.number).await?;
                    }
                    self.caught_up(heads);
                    return Ok(());
                }
                Step::Behind(Heads { latest, .. }) => {
                    let text = format!(
                        "the node is behind: its newest block is {}, the ledger knows later ones",
                        latest.number
                    );
                    self.notes.set(Note::Mirror, text);
                    return Ok(());
                }
                Step::Reorg { undo_from } => self.undo(undo_from).await?,
                Step::Unknown => return Err(SettlementError::UnknownChain),
            }
        }
        if let Some(latest) = latest {
            let head = self.ledger.chain_cursor(1).await?.head;
            let text = format!(
                "reading the chain: at block {} of {latest}; until the newest is known nothing is sealed",
                head.map_or(self.start_block, |block| block.number)
            );
            self.notes.set(Note::CatchingUp, text);
        }
        Ok(())
    }

    fn caught_up(&mut self, heads: Heads) {
        self.heads = Some(heads);
        self.notes.clear(Note::CatchingUp);
    }

    async fn apply(
        &mut self,
        blocks: Vec<(BlockRef, Vec<EscrowLog>)>,
        safe: u64,
    ) -> Result<(), SettlementError> {
        let command = ApplyBlocks {
            now: self.now(),
            blocks,
            safe,
        };
        let applied: Applied = match self.ledger.apply_blocks(command).await {
            Ok(applied) => applied,
            Err(CommandError::Refused(ChainRefusal::Fork { undo_from, .. })) => {
                return self.undo(undo_from).await;
            }
            Err(error) => return Err(SettlementError::of("mirror the chain", error)),
        };
        swarm_faults::point("settlement.mirror.applied");
        for (client, amount, tx) in &applied.credited {
            tracing::info!(%client, %amount, %tx, "a deposit counts");
        }
        for (epoch, state) in &applied.epochs {
            swarm_faults::point("settlement.epoch.moved");
            tracing::info!(%epoch, %state, "the chain moved an epoch");
        }
        match applied.contradictions.is_empty() {
            true => self.notes.clear(Note::Mirror),
            false => self
                .notes
                .set(Note::Mirror, applied.contradictions.join("; ")),
        }
        Ok(())
    }

    async fn undo(&mut self, from: u64) -> Result<(), SettlementError> {
        let command = UndoBlocks {
            now: self.now(),
            from,
        };
        let undone: Undone = match self.ledger.undo_blocks(command).await {
            Ok(undone) => undone,
            Err(error) => return Err(SettlementError::of("undo blocks", error)),
        };
        swarm_faults::point("settlement.mirror.undone");
        tracing::warn!(from, events = undone.events, "the chain took blocks back");
        let mut words = undone.contradictions;
        for (client, missing) in undone.overdrawn {
            words.push(format!(
                "a reorganisation took a deposit of {client} back: {missing} are missing for open orders"
            ));
        }
        if !words.is_empty() {
            self.notes.set(Note::Reorg, words.join("; "));
        }
        Ok(())
    }

    /// Takes over what this ledger did not bring to the chain, or says that it cannot.
    pub(super) async fn compare_epochs(&mut self) -> Result<(), SettlementError> {
        let mut adopted = None;
        while let Some(unknown) = self.ledger.unknown_epoch().await? {
            let UnknownEpoch { epoch, tx, .. } = unknown;
            let why = match self.heads {
                _ if adopted == Some(epoch) => Err("it was taken over once".to_owned()),
                Some(_) => self.adopt(unknown).await?,
                None => Err("the chain is not read to its end yet".to_owned()),
            };
            let Err(why) = why else {
                adopted = Some(epoch);
                // The next one begins when this one has ended.
                self.finalise().await?;
                continue;
            };
            let text = format!(
                "{epoch} was settled on the chain in transaction {tx}, and this ledger does not know it: \
                 it is an older copy, or another queen settles on this escrow. It cannot be taken over from its \
                 bundle: {why}. Put the newest copy, or the bundle, in its place; until then no order is \
                 taken, no job is given out and nothing is sealed"
            );
            self.notes.set(Note::OldCopy, text);
            return Ok(());
        }
        if self.heads.is_some() {
            if self.notes.get(Note::OldCopy).is_some() && self.ledger.restored().await? {
                let compared = self.ledger.compared().await;
                compared.map_err(|e| SettlementError::of("note that it was compared", e))?;
            }
            self.notes.clear(Note::OldCopy);
        }
        Ok(())
    }

    /// Ends every epoch whose window was over at the chain's finalized block.
    pub(super) async fn finalise(&mut self) -> Result<(), SettlementError> {
        // Only with everything up to there mirrored, a void within the window included.
        let Some(heads) = self.heads else {
            return Ok(());
        };
        for entry in self.ledger.outbox().await? {
            let over = entry
                .epoch
                .final_at
                .is_some_and(|at| at <= heads.finalized.timestamp);
            let settled = entry
                .epoch
                .settled_block
                .is_some_and(|block| block <= heads.finalized.number);
            if entry.epoch.state != EpochState::Included || !over || !settled {
                continue;
            }
            let epoch = entry.epoch.id;
            bundle_dir::forget_aside(&self.audit_dir, epoch)?;
            let command = Finalise {
                now: self.now(),
                epoch,
                finalized: heads.finalized,
            };
            match self.ledger.finalise(command).await {
                Ok(_) => {
                    swarm_faults::point("settlement.epoch.final");
                    tracing::info!(%epoch, "final");
                }
                Err(CommandError::Refused(EpochRefusal::WindowOpen { .. })) => {}
                Err(error) => return Err(SettlementError::of("close an epoch", error)),
            }
        }
        Ok(())
    }
}
