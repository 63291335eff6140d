//! What needs a person's eye, one sentence for each matter; said once in the log when it changes.

use std::collections::BTreeMap;

use swarm_chain::Terms;

use crate::seam::{SettlementPort, SettlementStatus};

/// A matter that a note is about. A new note on it replaces the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Note {
    /// Mirroring the chain.
    Mirror,
    /// The chain has blocks that are still to be read.
    CatchingUp,
    /// The chain is ahead of a ledger that was restored.
    OldCopy,
    /// A reorganisation.
    Reorg,
    /// This machine's clock.
    Clock,
    /// Sealing.
    Seal,
    /// Jobs that could not be collected.
    Uncollectable,
    /// Getting a seal onto the chain.
    Submit,
}

#[derive(Default)]
pub(super) struct Notes {
    notes: BTreeMap<Note, String>,
    trouble: Option<String>,
}

impl Notes {
    pub fn set(&mut self, note: Note, text: String) {
        if self.notes.get(&note) != Some(&text) {
            tracing::warn!(about = ?note, "{text}");
            self.notes.insert(note, text);
        }
    }

    pub fn clear(&mut self, note: Note) {
        if self.notes.remove(&note).is_some() {
            tracing::info!(about = ?note, "settled");
        }
    }

    pub fn get(&self, note: Note) -> Option<&str> {
        self.notes.get(&note).map(String::as_str)
    }

    /// Whether this trouble was not there in the round before.
    pub fn trouble_is_new(&mut self, text: &str) -> bool {
        let new = self.trouble.as_deref() != Some(text);
        self.trouble = Some(text.to_owned());
        new
    }

    pub fn trouble_over(&mut self) {
        if self.trouble.take().is_some() {
            tracing::info!("the chain answers again");
        }
    }

    pub fn publish(
        &self,
        port: &SettlementPort,
        chain_trouble: Option<String>,
        head_block: u64,
        terms: Option<&Terms>,
    ) {
        let status = SettlementStatus {
            chain_trouble,
            head_block,
            order_life: terms.map(|terms| terms.exit_delay.saturating_sub(terms.max_seal_age)),
            old_copy: self.notes.get(&Note::OldCopy).cloned(),
            clock: self.notes.get(&Note::Clock).cloned(),
            notes: self.notes.values().cloned().collect(),
        };
        port.status.send_if_modified(|old| {
            let changed = *old != status;
            *old = status;
            changed
        });
    }
}
