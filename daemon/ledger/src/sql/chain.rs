//! Blocks and events of the chain, and who may sign orders.

use rusqlite::{Connection, params};
use swarm_types::escrow::{BlockRef, EscrowEvent, EscrowLog};
use swarm_types::{Address, B256, EpochId, MicroUsdc};

use super::values::{Columns, damaged, execute, list, one};
use crate::error::LedgerError;
use crate::limits::PAGE_ROWS_MAX;
use crate::records::{ChainCursor, MirrorAccount, UnknownEpoch};
use crate::state::mirror::Mirror;

const BLOCK: &str = "SELECT number, hash, parent, timestamp FROM chain_blocks";

fn read_block(c: &mut Columns<'_, '_>) -> Result<BlockRef, LedgerError> {
    Ok(BlockRef {
        number: c.get()?,
        hash: c.digest()?,
        parent: c.digest()?,
        timestamp: c.get()?,
    })
}

/// The newest block.
pub(crate) fn head(conn: &Connection) -> Result<Option<BlockRef>, LedgerError> {
    let sql = format!("{BLOCK} ORDER BY number DESC LIMIT 1");
    one(conn, &sql, (), read_block)
}

/// The block of a height, if its hash is kept.
pub(crate) fn block(conn: &Connection, number: u64) -> Result<Option<BlockRef>, LedgerError> {
    one(
        conn,
        &format!("{BLOCK} WHERE number = ?1"),
        [number],
        read_block,
    )
}

/// Keeps a block.
pub(crate) fn insert_block(conn: &Connection, block: &BlockRef) -> Result<(), LedgerError> {
    let sql = "INSERT INTO chain_blocks (number, hash, parent, timestamp) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO NOTHING";
    let values = params![
        block.number,
        block.hash.as_slice(),
        block.parent.as_slice(),
        block.timestamp
    ];
    execute(conn, sql, values)?;
    Ok(())
}

/// Forgets the hashes of blocks below a height.
pub(crate) fn prune_blocks(conn: &Connection, below: u64) -> Result<(), LedgerError> {
    execute(conn, "DELETE FROM chain_blocks WHERE number < ?1", [below])?;
    Ok(())
}

/// The highest safe block seen.
pub(crate) fn safe(conn: &Connection) -> Result<u64, LedgerError> {
    let sql = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'safe'";
    Ok(one(conn, sql, (), |c| c.get())?.unwrap_or(0))
}

/// Sets it.
pub(crate) fn set_safe(conn: &Connection, safe: u64) -> Result<(), LedgerError> {
    let sql = "INSERT INTO meta (key, value) VALUES ('safe', ?1)
        ON CONFLICT DO UPDATE SET value = excluded.value";
    execute(conn, sql, [safe.to_string()])?;
    Ok(())
}

/// Where the ledger is on the chain.
pub(crate) fn cursor(conn: &Connection, recent: u32) -> Result<ChainCursor, LedgerError> {
    let sql = format!("{BLOCK} ORDER BY number DESC LIMIT ?1");
    Ok(ChainCursor {
        head: head(conn)?,
        safe: safe(conn)?,
        recent: list(conn, &sql, [recent.min(PAGE_ROWS_MAX)], read_block)?,
    })
}

/// Whether the ledger was restored from a copy, and has not been compared with the chain since.
pub(crate) fn restored(conn: &Connection) -> Result<bool, LedgerError> {
    let sql = "SELECT 1 FROM meta WHERE key = 'restored'";
    Ok(one(conn, sql, (), |c| c.get::<i64>())?.is_some())
}

/// Notes that it was restored, or that it was compared.
pub(crate) fn set_restored(conn: &Connection, restored: bool) -> Result<(), LedgerError> {
    let sql = match restored {
        true => "INSERT INTO meta (key, value) VALUES ('restored', '1') ON CONFLICT DO NOTHING",
        false => "DELETE FROM meta WHERE key = 'restored'",
    };
    execute(conn, sql, ())?;
    Ok(())
}

/// The first epoch on the chain that the ledger did not bring there.
pub(crate) fn unknown_epoch(conn: &Connection) -> Result<Option<UnknownEpoch>, LedgerError> {
    let sql = format!(
        "{EVENT} LEFT JOIN epochs p ON p.number = epoch
        WHERE kind = 'epoch_settled' AND p.settled_tx IS NOT tx AND epoch >=
            (SELECT MIN(number) FROM epochs WHERE state NOT IN ('final', 'void'))
        ORDER BY epoch LIMIT 1"
    );
    let event = one(conn, &sql, (), read_event)?;
    event
        .map(|event| match event.log.event {
            EscrowEvent::EpochSettled {
                epoch, seal_hash, ..
            } => Ok(UnknownEpoch {
                epoch: EpochId(epoch),
                tx: event.log.tx,
                seal_hash,
            }),
            _ => Err(damaged("another event than its kind says")),
        })
        .transpose()
}

/// The event with which the escrow settled an epoch by this seal.
pub(crate) fn settled(
    conn: &Connection,
    epoch: u64,
    seal: &B256,
) -> Result<Option<EscrowLog>, LedgerError> {
    let sql = format!("{EVENT} WHERE epoch = ?1 AND kind = 'epoch_settled' ORDER BY block DESC");
    let events = list(conn, &sql, [epoch], read_event)?;
    let ours = |log: &EscrowLog| matches!(&log.event, EscrowEvent::EpochSettled { seal_hash, .. } if seal_hash == seal);
    Ok(events.into_iter().map(|event| event.log).find(ours))
}

/// Why an epoch was voided, once that counts.
pub(crate) fn void_reason(conn: &Connection, epoch: u64) -> Result<Option<String>, LedgerError> {
    let sql = format!("{EVENT} WHERE epoch = ?1 AND kind = 'epoch_voided' AND applied = 1");
    let event = one(conn, &sql, [epoch], read_event)?;
    Ok(event.and_then(|event| match event.log.event {
        EscrowEvent::EpochVoided { reason, .. } => Some(reason),
        _ => None,
    }))
}

/// An event as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredEvent {
    pub log: EscrowLog,
    /// Unix seconds of its block.
    pub time: u64,
    /// Whether it has had its effect on the accounts.
    pub applied: bool,
}

const EVENT: &str = "SELECT block, tx, log_index, body, time, applied FROM chain_events";

fn read_event(c: &mut Columns<'_, '_>) -> Result<StoredEvent, LedgerError> {
    Ok(StoredEvent {
        log: EscrowLog {
            block_number: c.get()?,
            tx: c.digest()?,
            log_index: c.get()?,
            event: c.json()?,
        },
        time: c.get()?,
        applied: c.get()?,
    })
}

/// What an event is called, whose account it concerns, which epoch.
pub(crate) fn facets(event: &EscrowEvent) -> (&'static str, Option<Address>, Option<u64>) {
    match event {
        EscrowEvent::Deposited { client, .. } => ("deposited", Some(*client), None),
        EscrowEvent::WithdrawalRequested { client, .. } => {
            ("withdrawal_requested", Some(*client), None)
        }
        EscrowEvent::Withdrawn { client, .. } => ("withdrawn", Some(*client), None),
        EscrowEvent::CapChanged { client, .. } => ("cap_changed", Some(*client), None),
        EscrowEvent::SignerAdded { client, .. } => ("signer_added", Some(*client), None),
        EscrowEvent::SignerRemoved { client, .. } => ("signer_removed", Some(*client), None),
        EscrowEvent::EpochSettled { epoch, .. } => ("epoch_settled", None, Some(*epoch)),
        EscrowEvent::Charged { epoch, client, .. } => ("charged", Some(*client), Some(*epoch)),
        EscrowEvent::Credited { epoch, payee, .. } => ("credited", Some(*payee), Some(*epoch)),
        EscrowEvent::EpochVoided { epoch, .. } => ("epoch_voided", None, Some(*epoch)),
        EscrowEvent::SettlementResumed => ("settlement_resumed", None, None),
        EscrowEvent::Claimed { payee, .. } => ("claimed", Some(*payee), None),
    }
}

/// Keeps an event that has not had its effect yet; answers whether it is new.
pub(crate) fn insert_event(
    conn: &Connection,
    log: &EscrowLog,
    time: u64,
) -> Result<bool, LedgerError> {
    let (kind, account, epoch) = facets(&log.event);
    let body = serde_json::to_string(&log.event).map_err(|e| damaged(e.to_string()))?;
    let sql =
        "INSERT INTO chain_events (tx, log_index, block, time, account, epoch, kind, body, applied)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0) ON CONFLICT DO NOTHING";
    let account = account.map(|a| a.to_vec());
    let values = params![
        log.tx.as_slice(),
        log.log_index,
        log.block_number,
        time,
        account,
        epoch,
        kind,
        body
    ];
    Ok(execute(conn, sql, values)? == 1)
}

/// The event has had its effect.
pub(crate) fn mark_applied(
    conn: &Connection,
    tx: &B256,
    log_index: u64,
) -> Result<(), LedgerError> {
    let sql = "UPDATE chain_events SET applied = 1 WHERE tx = ?1 AND log_index = ?2";
    execute(conn, sql, params![tx.as_slice(), log_index])?;
    Ok(())
}

/// Events up to `block` that have not had their effect, in order.
pub(crate) fn waiting(conn: &Connection, block: u64) -> Result<Vec<StoredEvent>, LedgerError> {
    let sql = format!("{EVENT} WHERE applied = 0 AND block <= ?1 ORDER BY block, log_index");
    list(conn, &sql, [block], read_event)
}

/// Events from `block` on, newest first.
pub(crate) fn events_from(conn: &Connection, block: u64) -> Result<Vec<StoredEvent>, LedgerError> {
    let sql = format!("{EVENT} WHERE block >= ?1 ORDER BY block DESC, log_index DESC");
    list(conn, &sql, [block], read_event)
}

/// Forgets events and blocks from `block` on.
pub(crate) fn delete_from(conn: &Connection, block: u64) -> Result<(), LedgerError> {
    execute(conn, "DELETE FROM chain_events WHERE block >= ?1", [block])?;
    execute(conn, "DELETE FROM chain_blocks WHERE number >= ?1", [block])?;
    Ok(())
}

/// Who was charged in an epoch, by the chain.
pub(crate) fn charged_in(
    conn: &Connection,
    epoch: u64,
) -> Result<Vec<(Address, MicroUsdc)>, LedgerError> {
    let sql = format!("{EVENT} WHERE epoch = ?1 AND kind = 'charged' ORDER BY account");
    let charged = |event: StoredEvent| match event.log.event {
        EscrowEvent::Charged { client, amount, .. } => Some((client, amount)),
        _ => None,
    };
    let events = list(conn, &sql, [epoch], read_event)?;
    Ok(events.into_iter().filter_map(charged).collect())
}

/// Whether an epoch was voided up to `block`.
fn voided(conn: &Connection, epoch: u64, block: u64) -> Result<bool, LedgerError> {
    let sql =
        "SELECT 1 FROM chain_events WHERE epoch = ?1 AND kind = 'epoch_voided' AND block <= ?2";
    Ok(one(conn, sql, params![epoch, block], |c| c.get::<i64>())?.is_some())
}

/// A client's account on chain by the events up to and including `block`.
pub(crate) fn mirror(
    conn: &Connection,
    client: Address,
    block: u64,
) -> Result<MirrorAccount, LedgerError> {
    let block = block.min(i64::MAX.cast_unsigned());
    let sql = format!("{EVENT} WHERE account = ?1 AND block <= ?2 ORDER BY block, log_index");
    let mut mirror = Mirror::default();
    for event in list(conn, &sql, params![client.as_slice(), block], read_event)? {
        mirror = mirror.after(&event.log.event, event.time);
        if let EscrowEvent::Charged { epoch, amount, .. } = event.log.event
            && voided(conn, epoch, block)?
        {
            mirror = mirror.uncharged(amount.0);
        }
    }
    Ok(mirror)
}

/// Every client with an account, ascending.
pub(crate) fn clients(conn: &Connection) -> Result<Vec<Address>, LedgerError> {
    let sql = "SELECT address FROM clients ORDER BY address";
    list(conn, sql, (), |c| c.address())
}

/// Applies an event about order signers.
pub(crate) fn apply_signer(conn: &Connection, event: &EscrowEvent) -> Result<(), LedgerError> {
    let (client, signer, removed_at) = match event {
        EscrowEvent::SignerAdded { client, signer } => (client, signer, None),
        EscrowEvent::SignerRemoved {
            client,
            signer,
            effective_at,
        } => (
            client,
            signer,
            Some((*effective_at).min(i64::MAX.cast_unsigned())),
        ),
        _ => return Ok(()),
    };
    let sql = "INSERT INTO order_signers (client, signer, removed_at) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET removed_at = excluded.removed_at";
    execute(
        conn,
        sql,
        params![client.as_slice(), signer.as_slice(), removed_at],
    )?;
    Ok(())
}

/// Reads a client's order signers from its events again. One that no event names any more stays, as removed
/// for ever: orders that it signed may have been accepted.
pub(crate) fn refold_signers(conn: &Connection, client: &Address) -> Result<(), LedgerError> {
    execute(
        conn,
        "UPDATE order_signers SET removed_at = 0 WHERE client = ?1",
        [client.as_slice()],
    )?;
    let sql = format!("{EVENT} WHERE account = ?1 ORDER BY block, log_index");
    for event in list(conn, &sql, [client.as_slice()], read_event)? {
        apply_signer(conn, &event.log.event)?;
    }
    Ok(())
}

/// Clients of whom any order may be signed by another key.
pub(crate) fn delegating(conn: &Connection) -> Result<Vec<Address>, LedgerError> {
    let sql = "SELECT DISTINCT client FROM order_signers ORDER BY client";
    list(conn, sql, (), |c| c.address())
}

/// Keys that may sign new orders for a client. A removal counts as soon as it is seen, because an order
/// accepted now would be disputed if it were settled after the removal took effect.
pub(crate) fn order_signers(
    conn: &Connection,
    client: Address,
) -> Result<Vec<Address>, LedgerError> {
    let sql = "SELECT signer FROM order_signers WHERE client = ?1 AND removed_at IS NULL
        ORDER BY signer";
    list(conn, sql, [client.as_slice()], |c| c.address())
}
