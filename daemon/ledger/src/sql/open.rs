//! Opening the file: settings, schema, and the escrow it belongs to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::schema;
use crate::error::LedgerError;
use crate::ledger::LedgerConfig;
use crate::limits::{BUSY_MILLIS, WAL_PAGES};

/// Statements that a connection keeps prepared.
const STATEMENTS_KEPT: usize = 128;

/// Opens the file for the writer, creating or migrating it.
pub(crate) fn open_writer(path: &Path, config: &LedgerConfig) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(|e| cannot_open(path, e))?;
    settings(&conn).map_err(|e| cannot_open(path, e))?;
    // Until `checkpoint` takes that over.
    conn.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    schema::migrate(&mut conn)?;
    bind(&conn, config)?;
    Ok(conn)
}

/// Opens the file to read; it must exist.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|e| cannot_open(path, e))?;
    settings(&conn).map_err(|e| cannot_open(path, e))?;
    conn.pragma_update(None, "query_only", true)?;
    // KiB; what one reader drops is in the system's cache still.
    conn.pragma_update(None, "cache_size", -8_192)?;
    Ok(conn)
}

fn cannot_open(path: &Path, error: rusqlite::Error) -> LedgerError {
    LedgerError::Open {
        path: path.to_owned(),
        source: Arc::new(error),
    }
}

fn settings(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::from_millis(BUSY_MILLIS))?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // One plan a statement, whatever is bound: otherwise partial indexes have it planned anew each time.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // What is deleted or overwritten leaves no trace in the file.
    conn.pragma_update(None, "secure_delete", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // KiB: the pages of the open jobs and of the indexes' edges.
    conn.pragma_update(None, "cache_size", -32_768)
}

/// Writes into a new file, or checks in an old one, which escrow it mirrors; opens epoch 1.
fn bind(conn: &Connection, config: &LedgerConfig) -> Result<(), LedgerError> {
    let tx = conn.unchecked_transaction()?;
    let meta = |key: &str| {
        tx.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
            row.get::<_, String>(0)
        })
        .optional()
    };
    let damaged = |what: &str| LedgerError::Damaged { what: what.into() };
    match (meta("chain_id")?, meta("escrow")?) {
        (None, None) => {
            let insert = "INSERT INTO meta (key, value) VALUES (?1, ?2)";
            tx.execute(insert, params!["chain_id", config.chain_id.to_string()])?;
            tx.execute(insert, params!["escrow", format!("{:#x}", config.escrow)])?;
            tx.execute(
                "INSERT INTO accounts (kind, owner, created_at) VALUES ('escrow', x'', 0)",
                (),
            )?;
            super::epochs::open(&tx, 1, 0)?;
        }
        (Some(chain_id), Some(escrow)) => {
            let chain_id = chain_id.parse().map_err(|_| damaged("meta chain_id"))?;
            let escrow = escrow.parse().map_err(|_| damaged("meta escrow"))?;
            if (chain_id, escrow) != (config.chain_id, config.escrow) {
                return Err(LedgerError::OtherEscrow { escrow, chain_id });
            }
        }
        _ => return Err(damaged("meta names only half of its escrow")),
    }
    tx.execute(
        "INSERT INTO meta (key, value) VALUES ('default_cap', ?1)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [config.default_cap.0.to_string()],
    )?;
    tx.commit()?;
    Ok(())
}
