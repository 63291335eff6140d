//! Gets sealed epochs onto the chain through the outbox.

use swarm_chain::Terms;
use swarm_chain::outbox::{Attempt, Plan};
use swarm_chain::settle::SealedEpoch;
use swarm_chain::tx::{Fees, SignedTx};
use swarm_ledger::CommandError;
use swarm_ledger::commands::{RecordSubmission, ReopenSeal};
use swarm_ledger::records::{EpochState, OutboxEntry, Submission};
use swarm_ledger::refusals::EpochRefusal;
use swarm_types::Address;

use super::notes::Note;
use super::{Settlement, SettlementError};

impl Settlement {
    /// The next step of every epoch that is signed and not on the chain.
    pub(super) async fn submit(&mut self, terms: &Terms) -> Result<(), SettlementError> {
        if self.heads.is_none() {
            return Ok(());
        }
        for entry in self.ledger.outbox().await? {
            if matches!(
                entry.epoch.state,
                EpochState::Sealed | EpochState::Submitted
            ) {
                self.submit_epoch(entry, terms).await?;
            }
        }
        Ok(())
    }

    async fn submit_epoch(
        &mut self,
        entry: OutboxEntry,
        terms: &Terms,
    ) -> Result<(), SettlementError> {
        let id = entry.epoch.id;
        let Some(gas) = self.keys.gas.clone() else {
            let text = format!("{id} is sealed and waits: no gas key is configured");
            self.notes.set(Note::Submit, text);
            return Ok(());
        };
        let attempts = attempts(&entry.submissions, gas.address());
        let sealed = SealedEpoch {
            seal: entry.seal,
            charges: entry.charges,
            payouts: entry.payouts,
            signatures: entry.signatures,
        };
        let gas_limit = self.chain.settle(&sealed).gas_limit;
        let plan = self
            .chain
            .plan_settlement(&sealed, &attempts, &gas, terms.max_seal_age, self.now())
            .await?;
        match plan {
            // The ledger learns it from the event in the next round.
            Plan::Settled { .. } => self.notes.clear(Note::Submit),
            Plan::Wait(wait) => self.notes.set(Note::Submit, format!("{id}: {wait}")),
            Plan::Taken { seal_hash } => {
                let text = format!(
                    "{id} is on the chain with another seal ({seal_hash}): another queen settles on this escrow, or this ledger is an old copy"
                );
                self.notes.set(Note::Submit, text);
            }
            Plan::Expired => {
                let command = ReopenSeal {
                    now: self.now(),
                    epoch: id,
                    max_seal_age: terms.max_seal_age,
                };
                match self.ledger.reopen_seal(command).await {
                    Ok(_) => {
                        swarm_faults::point("settlement.seal.reopened");
                        tracing::warn!(epoch = %id, "its seal grew too old: it is sealed again")
                    }
                    Err(CommandError::Refused(EpochRefusal::SealAlive { until, .. })) => {
                        let text = format!(
                            "{id}: its seal is too old for the chain; this machine's clock sees that at {until}"
                        );
                        self.notes.set(Note::Submit, text);
                    }
                    Err(error) => return Err(SettlementError::of("seal again", error)),
                }
            }
            Plan::Send(tx) => {
                let submission = submission(&tx, gas.address(), gas_limit, self.now());
                let command = RecordSubmission {
                    now: self.now(),
                    epoch: id,
                    submission,
                };
                swarm_faults::point("settlement.tx.signed");
                // Durable before it is sent.
                let recorded = self.ledger.record_submission(command).await;
                recorded.map_err(|e| SettlementError::of("remember a settlement", e))?;
                swarm_faults::point("settlement.tx.remembered");
                self.send(&tx, id).await?;
            }
            Plan::Resend(tx) => self.send(&tx, id).await?,
        }
        Ok(())
    }

    async fn send(
        &mut self,
        tx: &SignedTx,
        id: swarm_types::EpochId,
    ) -> Result<(), SettlementError> {
        let sent = self.chain.broadcast(tx).await?;
        swarm_faults::point("settlement.tx.sent");
        tracing::info!(epoch = %id, tx = %tx.hash, nonce = tx.nonce, ?sent, "settlement sent");
        self.notes.clear(Note::Submit);
        Ok(())
    }
}

/// What the gas key tried so far. Attempts of an older gas key are left to the chain: their nonces say
/// nothing about this one's, and the escrow takes the epoch once.
fn attempts(submissions: &[Submission], sender: Address) -> Vec<Attempt> {
    submissions
        .iter()
        .filter(|submission| submission.sender == sender)
        .map(|submission| Attempt {
            tx: SignedTx {
                hash: submission.tx,
                nonce: submission.nonce,
                fees: Fees {
                    max_fee: submission.max_fee_per_gas,
                    tip: submission.max_priority_fee_per_gas,
                },
                raw: submission.raw.clone().into(),
            },
            made_at: submission.submitted_at,
        })
        .collect()
}

fn submission(tx: &SignedTx, sender: Address, gas_limit: u64, now: u64) -> Submission {
    Submission {
        tx: tx.hash,
        sender,
        nonce: tx.nonce,
        gas_limit,
        max_fee_per_gas: tx.fees.max_fee,
        max_priority_fee_per_gas: tx.fees.tip,
        raw: tx.raw.to_vec(),
        submitted_at: now,
    }
}
