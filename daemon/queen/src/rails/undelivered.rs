//! Leases of which a bee may not have heard: given to a poll that ended, or before the queen was killed.

use swarm_ledger::LedgerError;
use swarm_ledger::records::Lease;
use swarm_types::Address;

use super::Rails;

/// Bees of which leases are kept that they may not have heard of.
const UNDELIVERED_MAX: usize = 1_024;

impl Rails {
    /// A queen that was killed cannot know whether a bee heard of its lease: it hears of it again with its
    /// next poll, and ignores what it works on.
    pub(super) async fn deliver_again(&self) -> Result<(), LedgerError> {
        for bee in self.bees() {
            let leases = self.ledger.leases(bee.worker, self.clock.seconds()).await?;
            for lease in leases {
                self.keep_undelivered(bee.worker, lease);
            }
        }
        Ok(())
    }

    /// The bee was told of all its leases.
    pub fn delivered(&self, worker: &Address) {
        self.state().undelivered.remove(worker);
    }

    /// One of the leases that the bee may not have heard of, if it still holds.
    pub(super) async fn undelivered(&self, worker: &Address) -> Result<Option<Lease>, LedgerError> {
        if !self.state().undelivered.contains_key(worker) {
            return Ok(None);
        }
        let held = self.ledger.leases(*worker, self.clock.seconds()).await?;
        let mut state = self.state();
        let mut leases = state.undelivered.remove(worker).unwrap_or_default();
        leases.retain(|lease| held.iter().any(|held| held.token == lease.token));
        let lease = leases.pop();
        if !leases.is_empty() {
            state.undelivered.insert(*worker, leases);
        }
        Ok(lease)
    }

    pub(super) fn keep_undelivered(&self, worker: Address, lease: Lease) {
        let mut state = self.state();
        if state.undelivered.len() < UNDELIVERED_MAX {
            state.undelivered.entry(worker).or_default().push(lease);
        }
    }
}
