//! Seals epochs: on the schedule, on demand, and early when one nears the contract's limit of entries or when a
//! client of it is about to take its money out.
//!
//! An epoch that is being sealed goes through the same steps from the start after every interruption:
//! compare mirror and chain, leave out what cannot be collected, build the bundle, sign, publish the
//! bundle, record the seal. Nothing is irrevocable before the seal is recorded, and the same contents
//! give the same bytes.

use std::collections::BTreeSet;

use swarm_chain::{At, Terms};
use swarm_ledger::CommandError;
use swarm_ledger::commands::{BeginSeal, DeferJobs, DropUncollectable, RecordSealed};
use swarm_ledger::records::{EpochRecord, EpochState, SealContents, SealTrigger};
use swarm_types::bundle::{Builder, EpochInput};
use swarm_types::escrow::BlockRef;
use swarm_types::{EpochId, JobId};

use super::notes::Note;
use super::{EARLY_CHECK, Published, Settlement, SettlementError, bundle_dir, collect};

/// Epochs looked at: the open one, the one in flight, and what is done.
const RECENT_EPOCHS: u32 = 4;
/// An epoch closes when it comes this near to the contract's limit of entries, so that what completes
/// until it is closed still fits.
const ENTRIES_SPARE: u64 = 32;
/// How long before the last moment an epoch closes early for a client that leaves: for an outage of node or queen.
const LEAVING_LEAD: u64 = 3_600;
/// Jobs that one command leaves out or moves: others' commands pass in between.
const JOBS_AT_ONCE: usize = 500;

impl Settlement {
    /// Begins or goes on with sealing. Answers the epoch, when one is being sealed.
    pub(super) async fn seal(&mut self, terms: &Terms) -> Result<Option<EpochId>, SettlementError> {
        let head = self.ledger.chain_cursor(1).await?.head;
        let (Some(_), Some(head)) = (self.heads, head) else {
            if self.demanded {
                let text = "the ledger has not caught up with the chain yet; ask again".to_owned();
                self.notes.set(Note::Seal, text);
            }
            return Ok(None);
        };
        // Nothing is dated by a clock that is off, and nothing is charged that may be charged already.
        let stop = [Note::Clock, Note::OldCopy];
        if stop.iter().any(|note| self.notes.get(*note).is_some()) {
            return Ok(None);
        }
        let epochs = self.ledger.epochs(None, RECENT_EPOCHS).await?;
        let in_state = |state| epochs.iter().find(|epoch| epoch.state == state);
        let epoch = match (in_state(EpochState::Sealing), in_state(EpochState::Open)) {
            (Some(sealing), _) => sealing.id,
            (None, Some(open)) => match self.begin(open, terms).await? {
                Some(id) => id,
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        self.finish(epoch, head, terms).await?;
        Ok(Some(epoch))
    }

    async fn begin(
        &mut self,
        open: &EpochRecord,
        terms: &Terms,
    ) -> Result<Option<EpochId>, SettlementError> {
        let now = self.now();
        let trigger = if self.demanded {
            SealTrigger::Demand
        } else if self.config.is_due(self.opened_at(open, now).await?, now) {
            SealTrigger::Schedule
        } else if let Some(trigger) = self.early(terms, now).await? {
            trigger
        } else {
            return Ok(None);
        };
        match self.ledger.begin_seal(BeginSeal { now, trigger }).await {
            Ok(start) => {
                swarm_faults::point("settlement.seal.begun");
                tracing::info!(epoch = %start.epoch, %trigger, "sealing");
                Ok(Some(start.epoch))
            }
            // The epoch before has its window open, or the clock went back: it is due again next round.
            Err(CommandError::Refused(refusal)) => {
                let text = format!("the open epoch cannot be sealed yet: {refusal}");
                self.notes.set(Note::Seal, text);
                Ok(None)
            }
            Err(CommandError::Ledger(error)) => Err(error.into()),
        }
    }

    /// When the epoch opened. The first one opens with an empty ledger, which knows no time: it counts
    /// from the first thing that happened.
    async fn opened_at(&self, open: &EpochRecord, now: u64) -> Result<u64, SettlementError> {
        if open.opened_at != 0 {
            return Ok(open.opened_at);
        }
        let first = self.ledger.events_after(0, 1).await?;
        Ok(first.first().map_or(now, |event| event.time))
    }

    /// Why the open epoch should close before its time, if it should.
    async fn early(
        &mut self,
        terms: &Terms,
        now: u64,
    ) -> Result<Option<SealTrigger>, SettlementError> {
        let running = self.clock.running();
        if self.looked_at.is_some_and(|at| running < at + EARLY_CHECK) {
            return Ok(None);
        }
        self.looked_at = Some(running);
        let stats = self.ledger.stats().await?;
        if stats.open_epoch_entries + ENTRIES_SPARE >= terms.max_entries {
            return Ok(Some(SealTrigger::EntryLimit));
        }
        let leaves = stats.open_epoch_leaving_at.is_some_and(|matures| {
            // A seal counts only money that stays as long as it is taken; before it can be signed, the window of the
            // epoch before may have to close.
            let last = matures.saturating_sub(terms.max_seal_age);
            let first = last.saturating_sub(terms.window + LEAVING_LEAD);
            (first..last).contains(&now)
        });
        Ok(leaves.then_some(SealTrigger::Leaving))
    }

    /// Every step from fixed contents to a recorded seal.
    async fn finish(
        &mut self,
        epoch: EpochId,
        head: BlockRef,
        terms: &Terms,
    ) -> Result<(), SettlementError> {
        let mut contents = self.contents(epoch).await?;
        let differences = self.differences(&contents, head, terms.default_cap).await?;
        if !differences.is_empty() {
            let text = format!(
                "{epoch} is not sealed: at block {} the chain differs from the ledger: {}",
                head.number,
                differences.join("; ")
            );
            self.notes.set(Note::Seal, text);
            return Ok(());
        }

        let delegated = self.delegated(&contents, head).await?;
        if !delegated.refused.is_empty() {
            let text = format!(
                "{epoch}: {} jobs are left out: the key that signed their orders is not, or not any more, an order signer of their client in the escrow",
                delegated.refused.len()
            );
            self.notes.set(Note::Uncollectable, text);
            let why = "the escrow does not know the key that signed the order for an order signer of the client";
            contents = self.leave_out(epoch, &delegated.refused, why).await?;
        }
        if !delegated.early.is_empty() {
            contents = self.defer(epoch, &delegated.early).await?;
        }

        let until = contents.sealed_at.saturating_add(terms.max_seal_age);
        let limits = self.collectable(&contents, head, until).await?;
        let uncollectable = collect::uncollectable(&contents.jobs, &limits);
        if !uncollectable.is_empty() {
            let text = format!(
                "{epoch}: {} jobs cannot be collected and are left out: their clients' money or caps do not cover them",
                uncollectable.len()
            );
            self.notes.set(Note::Uncollectable, text);
            let why = "the client's money in the escrow, or its cap, does not cover the fee";
            contents = self.leave_out(epoch, &uncollectable, why).await?;
            swarm_faults::point("settlement.seal.dropped");
        }

        let at = At::Hash(head.hash);
        let gate = self.chain.gate(at).await?;
        if head.timestamp >= gate.escape_at && !contents.jobs.is_empty() {
            tracing::warn!(%epoch, "no epoch became final for so long that clients may leave at once: the escrow takes an empty epoch first, and the jobs settle in the next");
            let all: Vec<_> = contents.jobs.iter().map(|charge| charge.job).collect();
            contents = self.defer(epoch, &all).await?;
        }
        let payees = self.payees(&contents);
        let beyond = collect::beyond(&contents.jobs, payees, terms.max_entries);
        if !beyond.is_empty() {
            tracing::info!(%epoch, jobs = beyond.len(), "more clients than one settlement takes: their jobs settle in the next epoch");
            contents = self.defer(epoch, &beyond).await?;
        }
        let (settlers, threshold) = self.chain.settlers(at).await?;
        let keys: Vec<_> = self
            .keys
            .settlers
            .iter()
            .filter(|key| settlers.contains(&key.address()))
            .cloned()
            .collect();
        if (keys.len() as u64) < threshold {
            let text = format!(
                "{epoch} is not sealed: the escrow wants {threshold} settlers' signatures, and {} of the configured keys are settlers",
                keys.len()
            );
            self.notes.set(Note::Seal, text);
            return Ok(());
        }
        self.sign_and_record(contents, keys).await?;
        self.notes.clear(Note::Seal);
        Ok(())
    }

    /// Leaves `jobs` out of the epoch, and says `why` to their workers; answers what is left.
    async fn leave_out(
        &mut self,
        epoch: EpochId,
        jobs: &[JobId],
        why: &str,
    ) -> Result<SealContents, SettlementError> {
        for jobs in jobs.chunks(JOBS_AT_ONCE) {
            let command = DropUncollectable {
                now: self.now(),
                epoch,
                jobs: jobs.to_vec(),
                reason: why.into(),
            };
            let dropped = self.ledger.drop_uncollectable(command).await;
            dropped.map_err(|e| SettlementError::of("leave jobs out", e))?;
        }
        self.contents(epoch).await
    }

    /// Moves `jobs` to the open epoch; answers what is left.
    pub(super) async fn defer(
        &mut self,
        epoch: EpochId,
        jobs: &[JobId],
    ) -> Result<SealContents, SettlementError> {
        for jobs in jobs.chunks(JOBS_AT_ONCE) {
            let command = DeferJobs {
                now: self.now(),
                epoch,
                jobs: jobs.to_vec(),
            };
            let deferred = self.ledger.defer_jobs(command).await;
            deferred.map_err(|e| SettlementError::of("leave jobs for the next epoch", e))?;
        }
        swarm_faults::point("settlement.seal.deferred");
        self.contents(epoch).await
    }

    /// How many payees an epoch can have at most.
    fn payees(&self, contents: &SealContents) -> usize {
        let fees = [self.shares.protocol_payee, self.shares.operator_payee];
        let workers = contents.workers.iter().map(|worker| worker.payee);
        workers.chain(fees).collect::<BTreeSet<_>>().len()
    }

    pub(super) async fn contents(&self, epoch: EpochId) -> Result<SealContents, SettlementError> {
        let contents = self.ledger.seal_contents(epoch).await?;
        contents.ok_or_else(|| SettlementError::Refused {
            step: "give the contents of an epoch",
            reason: format!("{epoch} is open"),
        })
    }

    async fn sign_and_record(
        &mut self,
        contents: SealContents,
        keys: Vec<swarm_chain::Wallet>,
    ) -> Result<(), SettlementError> {
        let epoch = contents.epoch;
        let input = EpochInput {
            epoch: epoch.0,
            domain: self.chain.domain().clone(),
            previous: contents.previous,
            sealed_at: contents.sealed_at,
            rates: self.shares.rates,
            protocol_payee: self.shares.protocol_payee,
            operator_payee: self.shares.operator_payee,
            workers: contents.workers,
        };
        let builder = Builder::new(input);
        let Published { built, signatures } = bundle_dir::publish(
            &self.ledger,
            &self.audit_dir,
            builder,
            &contents.jobs,
            &keys,
        )
        .await?;
        let command = RecordSealed {
            now: self.now(),
            epoch,
            seal: built.seal,
            charges: built.charges,
            payouts: built.payouts,
            agents: built.agents,
            signatures,
        };
        swarm_faults::point("settlement.bundle.published");
        let recorded = self.ledger.record_sealed(command).await;
        let recorded = recorded.map_err(|e| SettlementError::of("record a seal", e))?;
        swarm_faults::point("settlement.seal.recorded");
        tracing::info!(%epoch, receipts = recorded.jobs, revenue = %recorded.revenue, "sealed");
        Ok(())
    }
}
