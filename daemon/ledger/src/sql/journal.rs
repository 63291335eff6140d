//! Rows of the journal.

use rusqlite::{Connection, params};

use super::values::{insert_many, list, one};
use crate::error::LedgerError;
use crate::journal::{Entry, Head};
use crate::records::Event;

/// Appends entries.
pub(crate) fn insert(
    conn: &Connection,
    entries: &[Entry],
    bodies: &str,
) -> Result<(), LedgerError> {
    let columns = ["seq", "time", "kind", "body", "hash"];
    insert_many(conn, "journal", &columns, entries, |row, entry| {
        row.bind(entry.seq)?;
        row.bind(entry.time)?;
        row.bind(entry.kind)?;
        row.bind(&bodies[entry.body.clone()])?;
        row.bind(entry.hash.as_slice())
    })
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
