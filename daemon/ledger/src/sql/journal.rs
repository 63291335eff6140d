//! Rows of the journal.

use rusqlite::{Connection, Statement, params};

use super::values::{list, one};
use crate::error::LedgerError;
use crate::journal::Head;
use crate::records::Event;

/// Entries of one statement: an entry costs a third of what it costs alone.
const ENTRIES_AT_ONCE: usize = 32;

/// Appends entries.
pub(crate) fn insert(conn: &Connection, entries: &[Event]) -> Result<(), LedgerError> {
    const COLUMNS: &str = "INSERT INTO journal (seq, time, kind, body, hash) VALUES ";
    const ROW: &str = "(?, ?, ?, ?, ?)";
    let (many, rest) = entries.as_chunks::<ENTRIES_AT_ONCE>();
    if !many.is_empty() {
        let sql = COLUMNS.to_owned() + &[ROW; ENTRIES_AT_ONCE].join(", ");
        let mut statement = conn.prepare_cached(&sql)?;
        for entries in many {
            bind(&mut statement, entries)?;
            statement.raw_execute()?;
        }
    }
    for entry in rest {
        let mut statement = conn.prepare_cached(&[COLUMNS, ROW].concat())?;
        bind(&mut statement, std::slice::from_ref(entry))?;
        statement.raw_execute()?;
    }
    Ok(())
}

fn bind(statement: &mut Statement<'_>, entries: &[Event]) -> Result<(), LedgerError> {
    for (entry, at) in entries.iter().zip((0..).step_by(5)) {
        statement.raw_bind_parameter(at + 1, entry.seq)?;
        statement.raw_bind_parameter(at + 2, entry.time)?;
        statement.raw_bind_parameter(at + 3, &*entry.kind)?;
        statement.raw_bind_parameter(at + 4, &*entry.body)?;
        statement.raw_bind_parameter(at + 5, entry.hash.as_slice())?;
    }
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
