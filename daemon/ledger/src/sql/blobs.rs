//! What the ledger knows of stored blobs.

use rusqlite::{Connection, params};
use swarm_types::B256;

use super::values::{Columns, execute, job_key, list, one};
use crate::commands::BlobBegin;
use crate::error::LedgerError;
use crate::records::{BlobKind, BlobRecord, BlobRef};

macro_rules! select_blob {
    ($rest:literal) => {
        concat!(
            "SELECT sha256, size, kind, uploader, job, created_at, completed_at, released_at, deleted_at,
                deleted_reason FROM blobs ",
            $rest
        )
    };
}

fn read(c: &mut Columns<'_, '_>) -> Result<BlobRecord, LedgerError> {
    Ok(BlobRecord {
        blob: BlobRef {
            sha256: c.digest()?,
            size: c.get()?,
        },
        kind: c.word(BlobKind::parse)?,
        uploader: c.address()?,
        job: c.job_option()?,
        created_at: c.get()?,
        completed_at: c.get()?,
        released_at: c.get()?,
        deleted_at: c.get()?,
        deleted_reason: c.get()?,
    })
}

/// A blob's record.
pub(crate) fn get(conn: &Connection, sha256: B256) -> Result<Option<BlobRecord>, LedgerError> {
    one(
        conn,
        select_blob!("WHERE sha256 = ?1"),
        [sha256.as_slice()],
        read,
    )
}

/// Adds a blob, or takes a destroyed one up again.
pub(crate) fn begin(conn: &Connection, begin: &BlobBegin) -> Result<(), LedgerError> {
    let sql = "INSERT INTO blobs (sha256, size, kind, uploader, job, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT DO UPDATE SET uploader = excluded.uploader, created_at = excluded.created_at,
            completed_at = NULL, released_at = NULL, deleted_at = NULL, deleted_reason = NULL";
    let values = params![
        begin.blob.sha256.as_slice(),
        begin.blob.size,
        begin.kind.as_str(),
        begin.uploader.as_slice(),
        begin.job.and_then(job_key),
        begin.now
    ];
    execute(conn, sql, values)?;
    Ok(())
}

/// All bytes are there.
pub(crate) fn complete(conn: &Connection, sha256: &B256, now: u64) -> Result<(), LedgerError> {
    let sql = "UPDATE blobs SET completed_at = ?2 WHERE sha256 = ?1";
    execute(conn, sql, params![sha256.as_slice(), now])?;
    Ok(())
}

/// Key and bytes are gone.
pub(crate) fn delete(
    conn: &Connection,
    sha256: &B256,
    reason: &str,
    now: u64,
) -> Result<(), LedgerError> {
    let sql = "UPDATE blobs SET deleted_at = ?2, deleted_reason = ?3 WHERE sha256 = ?1";
    execute(conn, sql, params![sha256.as_slice(), now, reason])?;
    Ok(())
}

/// A job that used this input has ended.
pub(crate) fn release_input(conn: &Connection, input: &B256, now: u64) -> Result<(), LedgerError> {
    let sql = "UPDATE blobs SET released_at = ?2 WHERE sha256 = ?1 AND kind = 'input'";
    execute(conn, sql, params![input.as_slice(), now])?;
    Ok(())
}

/// Blobs to destroy. Each way to become due has its own index: the blobs that are kept can be many.
pub(crate) const DUE: [&str; 4] = [
    // Inputs of which a job ended.
    select_blob!(
        "WHERE released_at IS NOT NULL AND deleted_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM open_jobs WHERE open_jobs.blob = blobs.sha256)
        ORDER BY released_at LIMIT ?3"
    ),
    // Inputs that no job ever used.
    select_blob!(
        "WHERE deleted_at IS NULL AND kind = 'input' AND created_at < ?1 AND released_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM open_jobs WHERE open_jobs.blob = blobs.sha256)
        ORDER BY created_at LIMIT ?3"
    ),
    // Results that were never whole. The plus keeps to the index of what is not whole, which is short.
    select_blob!(
        "WHERE completed_at IS NULL AND deleted_at IS NULL AND created_at < ?1 AND +kind = 'result'
        ORDER BY created_at LIMIT ?3"
    ),
    // Results whose days are over: none is whole before it is begun.
    select_blob!(
        "WHERE deleted_at IS NULL AND kind = 'result' AND created_at < ?2 AND completed_at < ?2
        ORDER BY created_at LIMIT ?3"
    ),
];

/// Blobs to destroy, at most `limit`.
pub(crate) fn due(
    conn: &Connection,
    orphans_before: u64,
    results_before: u64,
    limit: u32,
) -> Result<Vec<BlobRecord>, LedgerError> {
    let clamp = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
    let mut due = Vec::new();
    for sql in DUE {
        let left = limit.saturating_sub(due.len() as u32);
        let values = params![clamp(orphans_before), clamp(results_before), left];
        due.extend(list(conn, sql, values, read)?);
    }
    Ok(due)
}
