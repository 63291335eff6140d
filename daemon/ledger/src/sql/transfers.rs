//! Transfers between accounts.

use rusqlite::{Connection, params};
use swarm_types::{Address, B256, MicroUsdc};

use super::accounts;
use super::values::{bits, damaged, execute, list, one};
use crate::error::LedgerError;
use crate::records::{HistoryEntry, HistoryKind, TransferState};

/// The number of the last transfer; 0 before the first.
pub(crate) fn last(conn: &Connection) -> Result<i64, LedgerError> {
    let sql = "SELECT COALESCE(MAX(id), 0) FROM transfers";
    Ok(one(conn, sql, (), |c| c.get())?.unwrap_or(0))
}

/// Sets `fee` of a client's account aside for a job, as the transfer `id`. What the account reserves is
/// for the books.
pub(crate) fn reserve(
    conn: &Connection,
    id: i64,
    account: i64,
    job: i64,
    fee: MicroUsdc,
    now: u64,
) -> Result<(), LedgerError> {
    let sql = "INSERT INTO transfers (id, kind, state, debit, amount, client, job, created_at)
        VALUES (?1, 'job', 'pending', ?2, ?3, ?2, ?4, ?5)";
    execute(conn, sql, params![id, account, fee.0, job, now])?;
    Ok(())
}

/// Posts what a transfer set aside to `credit`. The accounts' balances are for the books.
pub(crate) fn post(
    conn: &Connection,
    transfer: i64,
    credit: i64,
    now: u64,
) -> Result<(), LedgerError> {
    let sql =
        "UPDATE OR FAIL transfers SET state = 'posted', credit = ?2, settled_at = ?3 WHERE id = ?1";
    settled_one(
        execute(conn, sql, params![transfer, credit, now])?,
        transfer,
    )
}

/// Frees what a transfer set aside.
pub(crate) fn void(
    conn: &Connection,
    transfer: i64,
    account: i64,
    fee: MicroUsdc,
    now: u64,
) -> Result<(), LedgerError> {
    let sql = "UPDATE OR FAIL transfers SET state = 'voided', settled_at = ?2 WHERE id = ?1";
    settled_one(execute(conn, sql, params![transfer, now])?, transfer)?;
    accounts::change(conn, account, 0, -bits(fee.0))
}

fn settled_one(rows: usize, transfer: i64) -> Result<(), LedgerError> {
    (rows == 1)
        .then_some(())
        .ok_or_else(|| damaged(format!("transfer {transfer} is missing")))
}

/// A transfer that is posted at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posting {
    pub kind: &'static str,
    pub debit: i64,
    pub credit: i64,
    pub amount: MicroUsdc,
    /// In whose history it is.
    pub client: Option<i64>,
    pub job: Option<i64>,
    pub epoch: Option<u64>,
    /// Transaction and log index.
    pub event: Option<(B256, u64)>,
}

/// Posts a transfer.
pub(crate) fn post_now(conn: &Connection, posting: &Posting, now: u64) -> Result<(), LedgerError> {
    let sql = "INSERT INTO transfers
            (kind, state, debit, credit, amount, client, job, epoch, tx, log_index, created_at, settled_at)
        VALUES (?1, 'posted', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)";
    let values = params![
        posting.kind,
        posting.debit,
        posting.credit,
        posting.amount.0,
        posting.client,
        posting.job,
        posting.epoch,
        posting.event.as_ref().map(|(tx, _)| tx.as_slice()),
        posting.event.map(|(_, log_index)| log_index),
        now
    ];
    execute(conn, sql, values)?;
    let amount = bits(posting.amount.0);
    accounts::change(conn, posting.debit, -amount, 0)?;
    accounts::change(conn, posting.credit, amount, 0)
}

/// A page of a client's history, newest first.
pub(crate) fn history(
    conn: &Connection,
    client: Address,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<HistoryEntry>, LedgerError> {
    let sql =
        "SELECT t.id, t.kind, t.state, t.amount, t.credit IS t.client, t.job, t.tx, t.created_at,
            t.settled_at
        FROM clients c JOIN transfers t ON t.client = c.account
        WHERE c.address = ?1 AND t.id < ?2 ORDER BY t.id DESC LIMIT ?3";
    let before = before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
    list(conn, sql, params![client.as_slice(), before, limit], |c| {
        Ok(HistoryEntry {
            id: c.get()?,
            kind: c.word(HistoryKind::parse)?,
            state: c.word(TransferState::parse)?,
            amount: c.amount()?,
            credit: c.get()?,
            job: c.job_option()?,
            tx: c.digest_option()?,
            created_at: c.get()?,
            settled_at: c.get()?,
        })
    })
}
