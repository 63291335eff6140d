//! Taking events back after a reorg.

use std::collections::BTreeSet;

use serde::Serialize;
use swarm_types::EpochId;
use swarm_types::escrow::EscrowEvent;

use super::chain::EpochBody;
use crate::commands::UndoBlocks;
use crate::error::{CommandError, LedgerError};
use crate::journal::kind;
use crate::records::{EpochState, Undone};
use crate::refusals::UndoRefusal;
use crate::sql::chain::{StoredEvent, facets};
use crate::sql::transfers::Posting;
use crate::sql::{accounts, chain, epochs, outbox, transfers};
use crate::writer::{Command, Tx};

#[derive(Serialize)]
struct Body {
    events: u64,
    from: String,
    overdrawn: usize,
}

impl Command for UndoBlocks {
    type Answer = Undone;
    type Refusal = UndoRefusal;

    fn run(&self, tx: &mut Tx<'_>) -> Result<Undone, CommandError<UndoRefusal>> {
        let from = self.from.min(i64::MAX.cast_unsigned());
        let events = chain::events_from(tx.conn, from)?;
        for event in &events {
            if let EscrowEvent::EpochSettled { epoch, .. } = event.log.event
                && let Some(record) = epochs::get(tx.conn, EpochId(epoch))?
                && record.state == EpochState::Final
                && record.settled_tx == Some(event.log.tx)
            {
                return Err(CommandError::Refused(UndoRefusal::Final {
                    epoch: record.id,
                    block: event.log.block_number,
                }));
            }
        }
        let mut undone = Undone {
            events: events.len() as u64,
            ..Undone::default()
        };
        let mut touched = BTreeSet::new();
        for event in &events {
            if let (_, Some(account), _) = facets(&event.log.event) {
                touched.insert(account);
            }
            if let EscrowEvent::EpochVoided { epoch, .. } = event.log.event {
                let charged = chain::charged_in(tx.conn, epoch)?;
                touched.extend(charged.into_iter().map(|(client, _)| client));
            }
            if event.applied {
                tx.take_back(event, self.now, &mut undone)?;
            }
        }
        chain::delete_from(tx.conn, from)?;
        for client in &touched {
            tx.refold(client)?;
        }
        if chain::safe(tx.conn)? >= from {
            chain::set_safe(tx.conn, from.saturating_sub(1))?;
        }
        undone.head = chain::head(tx.conn)?;
        if !events.is_empty() {
            undone.overdrawn = accounts::overdrawn(tx.conn)?;
            let body = Body {
                events: undone.events,
                from: from.to_string(),
                overdrawn: undone.overdrawn.len(),
            };
            tx.journal(self.now, kind::CHAIN_UNDONE, &body)?;
        }
        Ok(undone)
    }
}

impl Tx<'_> {
    fn take_back(
        &mut self,
        event: &StoredEvent,
        now: u64,
        undone: &mut Undone,
    ) -> Result<(), LedgerError> {
        let conn = self.conn;
        let log = &event.log;
        let escrow = accounts::escrow(conn)?;
        let reverse = |debit, credit, amount, client| {
            let posting = Posting {
                kind: "reorg",
                debit,
                credit,
                amount,
                client,
                job: None,
                epoch: None,
                event: Some((log.tx, log.log_index)),
            };
            transfers::post(conn, &posting, now)
        };
        match &log.event {
            EscrowEvent::Deposited { client, amount } => {
                let account = accounts::open_client(conn, client, now)?;
                reverse(account, escrow, *amount, Some(account))
            }
            EscrowEvent::Withdrawn { client, amount } => {
                let account = accounts::open_client(conn, client, now)?;
                reverse(escrow, account, *amount, Some(account))
            }
            EscrowEvent::Claimed { payee, amount } => {
                reverse(escrow, accounts::payee(conn, payee, now)?, *amount, None)
            }
            EscrowEvent::EpochSettled { epoch, .. } => self.unsettled(event, *epoch, now, undone),
            EscrowEvent::EpochVoided { epoch, .. } => {
                undone.contradictions.push(format!(
                    "the void of {} is gone, but its jobs already settle in a later epoch: the \
                     guardian must void it again before the next seal",
                    EpochId(*epoch)
                ));
                Ok(())
            }
            EscrowEvent::WithdrawalRequested { .. }
            | EscrowEvent::CapChanged { .. }
            | EscrowEvent::SignerAdded { .. }
            | EscrowEvent::SignerRemoved { .. }
            | EscrowEvent::Charged { .. }
            | EscrowEvent::Credited { .. }
            | EscrowEvent::SettlementResumed => Ok(()),
        }
    }

    /// An epoch whose settlement is gone is where it was before: sealed, or submitted.
    fn unsettled(
        &mut self,
        event: &StoredEvent,
        number: u64,
        now: u64,
        undone: &mut Undone,
    ) -> Result<(), LedgerError> {
        let id = EpochId(number);
        let epoch = epochs::get(self.conn, id)?;
        let Some(seal_hash) = epoch
            .filter(|epoch| {
                epoch.state == EpochState::Included && epoch.settled_tx == Some(event.log.tx)
            })
            .and_then(|epoch| epoch.seal_hash)
        else {
            return Ok(());
        };
        let state = if outbox::any(self.conn, number)? {
            EpochState::Submitted
        } else {
            EpochState::Sealed
        };
        epochs::set_unincluded(self.conn, number, state)?;
        undone.epochs.push((id, state));
        let body = EpochBody {
            epoch: id,
            reason: None,
            seal_hash,
            tx: Some(event.log.tx),
        };
        self.journal(now, kind::EPOCH_UNINCLUDED, &body)?;
        Ok(())
    }
}
