//! Mirroring the chain: deposits count when their block is safe, everything that protects us at once.

use std::collections::BTreeSet;

use serde::Serialize;
use swarm_types::escrow::{BlockRef, EscrowEvent, EscrowLog};
use swarm_types::{Address, B256, EpochId, MicroUsdc};

use super::cut;
use crate::commands::{ApplyBlocks, Compared};
use crate::error::{CommandError, LedgerError};
use crate::journal::kind;
use crate::limits::{AMOUNT_MAX, BLOCKS_KEPT, EPOCH_MAX};
use crate::records::{Applied, EpochState};
use crate::refusals::{ChainRefusal, Never};
use crate::sql::chain::facets;
use crate::sql::transfers::Posting;
use crate::sql::{accounts, chain, epochs, transfers};
use crate::writer::{Command, Tx};

#[derive(Serialize)]
struct AppliedBody {
    events: u64,
    head: String,
    safe: String,
}

#[derive(Serialize)]
struct Credited {
    amount: MicroUsdc,
    client: Address,
    tx: B256,
}

#[derive(Serialize)]
pub(super) struct EpochBody<'a> {
    pub epoch: EpochId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    #[serde(rename = "sealHash")]
    pub seal_hash: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx: Option<B256>,
}

impl Command for ApplyBlocks {
    type Answer = Applied;
    type Refusal = ChainRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<Applied, CommandError<ChainRefusal>> {
        let head = chain::head(tx.conn)?;
        self.check(tx, head)?;
        let mut applied = Applied::default();
        // Clients with events that arrive behind others already folded.
        let mut late = BTreeSet::new();
        for (block, logs) in &self.blocks {
            chain::insert_block(tx.conn, block)?;
            let behind = head.is_some_and(|head| block.number <= head.number);
            for log in logs {
                if chain::insert_event(tx.conn, log, block.timestamp)? {
                    applied.events_new += 1;
                    tx.at_latest(log, block.timestamp, self.now, &mut applied)?;
                    if behind && let (_, Some(account), _) = facets(&log.event) {
                        late.insert(account);
                    }
                }
            }
        }
        for client in late {
            tx.refold(&client)?;
        }
        let safe = chain::safe(tx.conn)?;
        let new_safe = safe.max(self.safe.min(i64::MAX.cast_unsigned()));
        if new_safe > safe {
            chain::set_safe(tx.conn, new_safe)?;
        }
        for event in chain::waiting(tx.conn, new_safe)? {
            tx.at_safe(&event.log, self.now, &mut applied)?;
        }
        applied.head = chain::head(tx.conn)?;
        let number = applied.head.map_or(0, |head| head.number);
        chain::prune_blocks(tx.conn, number.saturating_sub(BLOCKS_KEPT))?;
        if applied.events_new > 0 {
            let body = AppliedBody {
                events: applied.events_new,
                head: number.to_string(),
                safe: new_safe.to_string(),
            };
            tx.journal(self.now, kind::CHAIN_APPLIED, &body)?;
        }
        for contradiction in &applied.contradictions {
            tracing::error!(%contradiction, "the chain contradicts the ledger");
        }
        Ok(applied)
    }
}

impl Command for Compared {
    type Answer = ();
    type Refusal = Never;

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), CommandError<Never>> {
        Ok(chain::set_restored(tx.conn, false)?)
    }
}

impl ApplyBlocks {
    /// Refuses blocks that do not continue what is known, and amounts that cannot be held.
    fn check(&self, tx: &Tx<'_>, head: Option<BlockRef>) -> Result<(), CommandError<ChainRefusal>> {
        let refuse = |refusal| Err(CommandError::Refused(refusal));
        let mut last: Option<BlockRef> = None;
        for (block, logs) in &self.blocks {
            let number = block.number;
            if number > i64::MAX.cast_unsigned() || block.timestamp > i64::MAX.cast_unsigned() {
                return refuse(ChainRefusal::OutOfRange { number });
            }
            let ordered = last.is_none_or(|last| last.number < number)
                && logs.iter().all(|log| log.block_number == number)
                && logs.is_sorted_by(|a, b| a.log_index < b.log_index);
            if !ordered {
                return refuse(ChainRefusal::OutOfOrder { number });
            }
            if !logs.iter().all(in_range) {
                return refuse(ChainRefusal::OutOfRange { number });
            }
            if let Some(known) = chain::block(tx.conn, number)?
                && known.hash != block.hash
            {
                return refuse(ChainRefusal::Fork {
                    number,
                    undo_from: number,
                });
            }
            let before = match last {
                Some(last) => Some(last),
                None => match number.checked_sub(1) {
                    Some(before) => chain::block(tx.conn, before)?,
                    None => None,
                },
            };
            if let Some(before) = before.filter(|before| before.number + 1 == number)
                && before.hash != block.parent
            {
                return refuse(ChainRefusal::Fork {
                    number,
                    undo_from: before.number,
                });
            }
            last = Some(*block);
        }
        if let (Some(last), Some(head)) = (last, head)
            && last.number + BLOCKS_KEPT < head.number
        {
            // Too old to be told from another branch; whatever it holds was applied or undone long ago.
            return refuse(ChainRefusal::OutOfOrder {
                number: last.number,
            });
        }
        Ok(())
    }
}

/// Whether the ledger can hold what an event says.
fn in_range(log: &EscrowLog) -> bool {
    let small = |amount: &MicroUsdc| amount.0 <= AMOUNT_MAX;
    let known = |epoch: &u64| *epoch <= EPOCH_MAX;
    log.log_index <= i64::MAX.cast_unsigned()
        && match &log.event {
            EscrowEvent::Deposited { amount, .. }
            | EscrowEvent::WithdrawalRequested { amount, .. }
            | EscrowEvent::Withdrawn { amount, .. }
            | EscrowEvent::Claimed { amount, .. } => small(amount),
            EscrowEvent::Charged { epoch, amount, .. }
            | EscrowEvent::Credited { epoch, amount, .. } => small(amount) && known(epoch),
            EscrowEvent::EpochSettled { epoch, .. } | EscrowEvent::EpochVoided { epoch, .. } => {
                known(epoch)
            }
            // Caps and times beyond what the ledger holds mean the same as the largest it holds.
            EscrowEvent::CapChanged { .. }
            | EscrowEvent::SignerAdded { .. }
            | EscrowEvent::SignerRemoved { .. }
            | EscrowEvent::SettlementResumed => true,
        }
}

impl Tx<'_> {
    /// What an event does as soon as it is seen.
    fn at_latest(
        &mut self,
        log: &EscrowLog,
        time: u64,
        now: u64,
        applied: &mut Applied,
    ) -> Result<(), LedgerError> {
        let (conn, event) = (self.conn, &log.event);
        let mut done = true;
        match event {
            EscrowEvent::Deposited { client, .. } => {
                self.fold(client, event, time, now)?;
                done = false;
            }
            EscrowEvent::WithdrawalRequested { client, .. }
            | EscrowEvent::CapChanged { client, .. }
            | EscrowEvent::Charged { client, .. } => self.fold(client, event, time, now)?,
            EscrowEvent::SignerAdded { client, .. } | EscrowEvent::SignerRemoved { client, .. } => {
                accounts::open_client(conn, client, now)?;
                chain::apply_signer(conn, event)?;
            }
            EscrowEvent::Withdrawn { client, amount } => {
                self.fold(client, event, time, now)?;
                let account = accounts::open_client(conn, client, now)?;
                let posting = Posting {
                    kind: "withdrawal",
                    debit: account,
                    credit: accounts::escrow(conn)?,
                    amount: *amount,
                    client: Some(account),
                    job: None,
                    epoch: None,
                    event: Some((log.tx, log.log_index)),
                };
                transfers::post(conn, &posting, now)?;
            }
            EscrowEvent::Claimed { payee, amount } => {
                let posting = Posting {
                    kind: "claim",
                    debit: accounts::payee(conn, payee, now)?,
                    credit: accounts::escrow(conn)?,
                    amount: *amount,
                    client: None,
                    job: None,
                    epoch: None,
                    event: Some((log.tx, log.log_index)),
                };
                transfers::post(conn, &posting, now)?;
            }
            EscrowEvent::EpochSettled {
                epoch,
                seal_hash,
                final_at,
                ..
            } => self.settled(log, *epoch, seal_hash, *final_at, now, applied)?,
            EscrowEvent::EpochVoided { epoch, .. } => {
                for (client, amount) in chain::charged_in(conn, *epoch)? {
                    let account = accounts::open_client(conn, &client, now)?;
                    let mirror = accounts::mirror(conn, account)?.uncharged(amount.0);
                    accounts::set_mirror(conn, account, &mirror)?;
                }
                done = false;
            }
            EscrowEvent::Credited { .. } | EscrowEvent::SettlementResumed => {}
        }
        if done {
            chain::mark_applied(conn, &log.tx, log.log_index)?;
        }
        Ok(())
    }

    /// What an event does once its block is safe.
    fn at_safe(
        &mut self,
        log: &EscrowLog,
        now: u64,
        applied: &mut Applied,
    ) -> Result<(), LedgerError> {
        let conn = self.conn;
        match &log.event {
            EscrowEvent::Deposited { client, amount } => {
                let account = accounts::open_client(conn, client, now)?;
                let posting = Posting {
                    kind: "deposit",
                    debit: accounts::escrow(conn)?,
                    credit: account,
                    amount: *amount,
                    client: Some(account),
                    job: None,
                    epoch: None,
                    event: Some((log.tx, log.log_index)),
                };
                transfers::post(conn, &posting, now)?;
                let body = Credited {
                    amount: *amount,
                    client: *client,
                    tx: log.tx,
                };
                self.journal(now, kind::DEPOSIT_CREDITED, &body)?;
                applied.credited.push((*client, *amount, log.tx));
            }
            EscrowEvent::EpochVoided { epoch, reason } => {
                self.voided(*epoch, reason, now, applied)?;
            }
            _ => {}
        }
        chain::mark_applied(conn, &log.tx, log.log_index)
    }

    /// Folds an event into what the chain says of a client.
    fn fold(
        &self,
        client: &Address,
        event: &EscrowEvent,
        time: u64,
        now: u64,
    ) -> Result<(), LedgerError> {
        let account = accounts::open_client(self.conn, client, now)?;
        let mirror = accounts::mirror(self.conn, account)?.after(event, time);
        accounts::set_mirror(self.conn, account, &mirror)
    }

    /// Folds all events of a client again. Payees without a client's account have nothing to fold.
    pub(super) fn refold(&self, client: &Address) -> Result<(), LedgerError> {
        let Some(spender) = accounts::spender(self.conn, client, 0)? else {
            return Ok(());
        };
        let mirror = chain::mirror(self.conn, *client, u64::MAX)?;
        accounts::set_mirror(self.conn, spender.account, &mirror)?;
        chain::refold_signers(self.conn, client)
    }

    pub(super) fn settled(
        &mut self,
        log: &EscrowLog,
        number: u64,
        seal_hash: &B256,
        final_at: u64,
        now: u64,
        applied: &mut Applied,
    ) -> Result<(), LedgerError> {
        let id = EpochId(number);
        let epoch = epochs::get(self.conn, id)?;
        let expected = epoch.filter(|epoch| {
            matches!(epoch.state, EpochState::Sealed | EpochState::Submitted)
                && epoch.seal_hash == Some(*seal_hash)
        });
        if expected.is_none() {
            applied.contradictions.push(format!(
                "{id} was settled in transaction {} with seal {seal_hash}, which is not a seal that this \
                 ledger waits for",
                log.tx
            ));
            return Ok(());
        }
        let final_at = final_at.min(i64::MAX.cast_unsigned());
        epochs::set_included(self.conn, number, &log.tx, log.block_number, final_at)?;
        applied.epochs.push((id, EpochState::Included));
        let body = EpochBody {
            epoch: id,
            reason: None,
            seal_hash: *seal_hash,
            tx: Some(log.tx),
        };
        self.journal(now, kind::EPOCH_INCLUDED, &body)?;
        Ok(())
    }

    /// The jobs of a void epoch settle again in the open one.
    pub(super) fn voided(
        &mut self,
        number: u64,
        reason: &str,
        now: u64,
        applied: &mut Applied,
    ) -> Result<(), LedgerError> {
        let id = EpochId(number);
        let epoch = epochs::get(self.conn, id)?;
        let included = epoch.filter(|epoch| epoch.state == EpochState::Included);
        let Some(seal_hash) = included.and_then(|epoch| epoch.seal_hash) else {
            applied.contradictions.push(format!(
                "{id} was voided, but the ledger does not hold it for settled"
            ));
            return Ok(());
        };
        let reason = cut(reason);
        let clearing = accounts::clearing(self.conn, number)?;
        let amount = accounts::balance(self.conn, clearing)?;
        let posting = Posting {
            kind: "resettle",
            debit: clearing,
            credit: self.hot.clearing,
            amount: MicroUsdc(amount.max(0).cast_unsigned()),
            client: None,
            job: None,
            epoch: Some(number),
            event: None,
        };
        transfers::post(self.conn, &posting, now)?;
        epochs::set_void(self.conn, number, reason, self.hot.epoch)?;
        applied.epochs.push((id, EpochState::Void));
        let body = EpochBody {
            epoch: id,
            reason: Some(reason),
            seal_hash,
            tx: None,
        };
        self.journal(now, kind::EPOCH_VOID, &body)?;
        Ok(())
    }
}
