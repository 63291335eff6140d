//! What an epoch can surely collect from each of its clients.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use swarm_chain::At;
use swarm_ledger::records::{JobCharge, SealContents};
use swarm_types::escrow::BlockRef;
use swarm_types::{Address, JobId, MicroUsdc};

use super::{Settlement, SettlementError};

/// Accounts asked for at the same time.
const ACCOUNTS_AT_ONCE: usize = 16;
/// Jobs read at the same time.
const JOBS_AT_ONCE: usize = 1_000;

impl Settlement {
    /// For each client of the epoch what a seal can charge until `until` (Unix seconds), by the lower of
    /// its accounts at `safe` and at `head`: a deposit counts once it is safe, a withdrawal at once.
    pub(super) async fn collectable(
        &self,
        contents: &SealContents,
        head: BlockRef,
        until: u64,
    ) -> Result<BTreeMap<Address, MicroUsdc>, SettlementError> {
        let mut clients: Vec<Address> = contents.jobs.iter().map(|charge| charge.client).collect();
        clients.dedup();
        let limits = stream::iter(clients).map(|client| async move {
            let safe = self.chain.account(client, At::Safe).await?;
            let latest = self.chain.account(client, At::Hash(head.hash)).await?;
            let limit = safe
                .collectable_before(until)
                .min(latest.collectable_before(until));
            Ok::<_, SettlementError>((client, limit))
        });
        limits.buffered(ACCOUNTS_AT_ONCE).try_collect().await
    }
}

/// Jobs whose order is signed by another key than its client's.
#[derive(Debug, Default)]
pub(super) struct Delegated {
    /// The escrow does not hold the key for an order signer, or not any more when the last epoch was sealed:
    /// anybody could have the epoch voided.
    pub refused: Vec<JobId>,
    /// The escrow has the key, but in blocks that are not safe yet.
    pub early: Vec<JobId>,
}

impl Settlement {
    /// The jobs of the epoch that a wrong order signer would make a fault, and those that have to wait.
    pub(super) async fn delegated(
        &self,
        contents: &SealContents,
        head: BlockRef,
    ) -> Result<Delegated, SettlementError> {
        let delegating = self.ledger.delegating_clients().await?;
        let delegating: BTreeSet<Address> = delegating.into_iter().collect();
        let mut found = Delegated::default();
        if delegating.is_empty() {
            return Ok(found);
        }
        let at = At::Hash(head.hash);
        let since = self.chain.last_seal_before(contents.epoch.0, at).await?;
        let mut known: BTreeMap<(Address, Address), (bool, bool)> = BTreeMap::new();
        let may_delegate = |charge: &&JobCharge| delegating.contains(&charge.client);
        let charges = contents.jobs.iter().filter(may_delegate);
        let ids: Vec<JobId> = charges.map(|charge| charge.job).collect();
        for ids in ids.chunks(JOBS_AT_ONCE) {
            let jobs = self
                .ledger
                .settled_jobs(contents.epoch, ids.to_vec())
                .await?;
            for job in jobs {
                let (client, id) = (job.order.order.client, job.execution.job());
                let signers = job.order.signers(self.chain.domain()).unwrap_or_default();
                if signers.contains(&client) {
                    continue;
                }
                let (mut now, mut safe) = (false, false);
                for signer in signers {
                    let answer = match known.get(&(client, signer)) {
                        Some(answer) => *answer,
                        None => (
                            self.chain.signs_for(client, signer, since, at).await?,
                            self.chain
                                .signs_for(client, signer, since, At::Safe)
                                .await?,
                        ),
                    };
                    known.insert((client, signer), answer);
                    now |= answer.0;
                    safe |= answer.1;
                }
                match (now, safe) {
                    (true, true) => {}
                    (true, false) => found.early.push(id),
                    (false, _) => found.refused.push(id),
                }
            }
        }
        Ok(found)
    }
}

/// The jobs of the clients for whom one settlement has no room: charges and payouts together are at most
/// `entries_max`, and `payees` of them are taken. The clients with the lower addresses stay.
pub(super) fn beyond(jobs: &[JobCharge], payees: usize, entries_max: u64) -> Vec<JobId> {
    let room = usize::try_from(entries_max)
        .unwrap_or(usize::MAX)
        .saturating_sub(payees);
    let clients: BTreeSet<Address> = jobs.iter().map(|charge| charge.client).collect();
    let late: BTreeSet<Address> = clients.into_iter().skip(room).collect();
    let late = |charge: &&JobCharge| late.contains(&charge.client);
    jobs.iter().filter(late).map(|charge| charge.job).collect()
}

/// The jobs that do not fit what their client can be charged. Earlier jobs, which come first in `jobs`,
/// are kept first.
pub(super) fn uncollectable(
    jobs: &[JobCharge],
    limits: &BTreeMap<Address, MicroUsdc>,
) -> Vec<JobId> {
    let mut left = limits.clone();
    let mut dropped = Vec::new();
    for JobCharge { client, job, fee } in jobs {
        let money = left.entry(*client).or_default();
        match money.checked_sub(*fee) {
            Some(rest) => *money = rest,
            None => dropped.push(*job),
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_beyond_the_contracts_limit_wait_with_all_their_jobs() {
        let job = |client, seq| JobCharge {
            client: Address::repeat_byte(client),
            job: JobId { epoch: 1, seq },
            fee: MicroUsdc(1),
        };
        let jobs = [job(3, 1), job(1, 2), job(2, 3), job(3, 4)];
        assert_eq!(beyond(&jobs, 2, 5), []);
        assert_eq!(beyond(&jobs, 2, 4), [jobs[0].job, jobs[3].job]);
        assert_eq!(beyond(&jobs, 2, 3), [jobs[0].job, jobs[2].job, jobs[3].job]);
        assert_eq!(beyond(&jobs, 5, 3).len(), 4);
    }
}
