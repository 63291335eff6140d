//! Rows of the journal.

use rusqlite::{Connection, params};
use swarm_types::B256;

use super::values::{execute, list, one};
use crate::error::LedgerError;
use crate::journal::Head;
use crate::records::Event;

pub(crate) fn insert(
    conn: &Connection,
    seq: u64,
    time: u64,
    kind: &str,
    body: &str,
    hash: &B256,
) -> Result<(), LedgerError> {
    let sql = "INSERT INTO journal (seq, time, kind, body, hash) VALUES (?1, ?2, ?3, ?4, ?5)";
    execute(conn, sql, params![seq, time, kind, body, hash.as_slice()])?;
    Ok(())
}

/// The end of the journal.
pub(crate) fn head(conn: &Connection) -> Result<Head, LedgerError> {
    let sql = "SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1";
    let head = one(conn, sql, (), |c| {
        Ok(Head {
            seq: c.get()?,
            hash: c.digest()?,
        })
    })?;
    Ok(head.unwrap_or_default())
}

pub(crate) const AFTER: &str =
    "SELECT seq, time, kind, body, hash FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2";

/// Entries after `seq`, oldest first.
pub(crate) fn after(conn: &Connection, seq: u64, limit: u32) -> Result<Vec<Event>, LedgerError> {
    // A seq past what SQLite can hold has nothing after it.
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    list(conn, AFTER, params![seq, limit], |c| {
        Ok(Event {
            seq: c.get()?,
            time: c.get()?,
            kind: c.get()?,
            body: c.get()?,
            hash: c.digest()?,
        })
    })
}
