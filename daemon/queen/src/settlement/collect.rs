//! What an epoch can surely collect from each of its clients.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use swarm_chain::At;
use swarm_ledger::records::SealContents;
use swarm_types::bundle::SettledJob;
use swarm_types::escrow::BlockRef;
use swarm_types::{Address, JobId, MicroUsdc};

use super::{Settlement, SettlementError};

/// Accounts asked for at the same time.
const ACCOUNTS_AT_ONCE: usize = 16;

impl Settlement {
    /// For each client of the epoch what a seal can charge until `until` (Unix seconds), by the lower of
    /// its accounts at `safe` and at `head`: a deposit counts once it is safe, a withdrawal at once.
    pub(super) async fn collectable(
        &self,
        contents: &SealContents,
        head: BlockRef,
        until: u64,
    ) -> Result<BTreeMap<Address, MicroUsdc>, SettlementError> {
        let mut clients: Vec<Address> = contents
            .jobs
            .iter()
            .map(|job| job.order.order.client)
            .collect();
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

/// The jobs that do not fit what their client can be charged; earlier jobs are kept first.
pub(super) fn uncollectable(
    jobs: &[SettledJob],
    limits: &BTreeMap<Address, MicroUsdc>,
) -> Vec<JobId> {
    let mut left = limits.clone();
    let mut sorted: Vec<(Address, JobId, MicroUsdc)> = jobs
        .iter()
        .map(|job| (job.order.order.client, job.execution.job(), job.fee))
        .collect();
    sorted.sort();
    let mut dropped = Vec::new();
    for (client, job, fee) in sorted {
        let money = left.entry(client).or_default();
        match money.checked_sub(fee) {
            Some(rest) => *money = rest,
            None => dropped.push(job),
        }
    }
    dropped
}
