//! Transfers between accounts.

use rusqlite::{Connection, params};
use swarm_types::{Address, B256, MicroUsdc};

use super::accounts;
use super::values::{bits, execute, list, one};
use crate::error::LedgerError;
use crate::records::{HistoryEntry, HistoryKind, TransferState};

/// The number of the next transfer: reservations of jobs are numbered with them.
pub(crate) fn next(conn: &Connection) -> Result<i64, LedgerError> {
    let sql = "SELECT MAX(COALESCE((SELECT MAX(id) FROM transfers), 0),
            COALESCE((SELECT transfer FROM jobs ORDER BY id DESC LIMIT 1), 0),
            COALESCE((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'adopted_transfer'), 0)) + 1";
    Ok(one(conn, sql, (), |c| c.get())?.unwrap_or(1))
}

/// Notes the number of the reservation of a job that was taken over. Such jobs come in the order of a bundle's leaves, and
/// some before jobs that are here: where there is one, numbers do not grow with jobs' keys.
pub(crate) fn note_adopted(conn: &Connection, number: i64) -> Result<(), LedgerError> {
    let sql = "INSERT INTO meta (key, value) VALUES ('adopted_transfer', ?1)
        ON CONFLICT DO UPDATE SET value = excluded.value";
    execute(conn, sql, [number.to_string()])?;
    Ok(())
}

fn has_adopted(conn: &Connection) -> Result<bool, LedgerError> {
    let sql = "SELECT 1 FROM meta WHERE key = 'adopted_transfer'";
    Ok(one(conn, sql, (), |c| c.get::<i64>())?.is_some())
}

/// A transfer.
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
pub(crate) fn post(conn: &Connection, posting: &Posting, now: u64) -> Result<(), LedgerError> {
    let sql = "INSERT INTO transfers
            (id, kind, debit, credit, amount, client, job, epoch, tx, log_index, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let values = params![
        next(conn)?,
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
    accounts::change(conn, posting.debit, -amount)?;
    accounts::change(conn, posting.credit, amount)
}

/// A page of a client's history, newest first.
pub(crate) fn history(
    conn: &Connection,
    client: Address,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<HistoryEntry>, LedgerError> {
    let before = before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
    let (sql, jobs_before) = match before {
        number if has_adopted(conn)? => (HISTORY_ADOPTED, number),
        i64::MAX => (HISTORY, i64::MAX),
        number => (HISTORY, first_job(conn, number)?),
    };
    let values = params![client.as_slice(), before, jobs_before, limit];
    list(conn, sql, values, |c| {
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

/// The newest transfers of a client, and the newest of its jobs, which `$jobs` finds; of both together the newest.
macro_rules! history {
    ($jobs:literal) => {
        concat!(
            "SELECT * FROM (
        SELECT id, kind, 'posted', amount, credit = client, job, tx, created_at, created_at FROM transfers
        WHERE client = (SELECT account FROM clients WHERE address = ?1) AND id < ?2 ORDER BY id DESC LIMIT ?4)
    UNION ALL SELECT * FROM (
        SELECT j.transfer, 'job',
            CASE WHEN x.job IS NULL THEN 'pending' WHEN x.credit IS NULL THEN 'voided' ELSE 'posted' END,
            j.fee, 0, j.id, NULL, j.submitted_at, x.ended_at
        FROM (SELECT id FROM jobs WHERE client = (SELECT account FROM clients WHERE address = ?1) AND ",
            $jobs,
            " LIMIT ?4) newest
            CROSS JOIN jobs j ON j.id = newest.id
            LEFT JOIN outcomes x ON x.job = j.id)
    ORDER BY 1 DESC LIMIT ?4"
        )
    };
}

/// Where numbers grow with jobs' keys: finds jobs by an index alone. `?3` is a key, from [`first_job`].
pub(crate) const HISTORY: &str = history!("+id < ?3 ORDER BY id DESC");

/// Where they do not: reads every job of the client. `?3` is a number.
pub(crate) const HISTORY_ADOPTED: &str = history!("transfer < ?3 ORDER BY transfer DESC");

/// A key that divides the jobs: those whose reservation is numbered below `number` are below it. Both grow
/// together where no job was taken over, so that it can be searched for by halves.
fn first_job(conn: &Connection, number: i64) -> Result<i64, LedgerError> {
    let last = one(conn, "SELECT COALESCE(MAX(id), 0) FROM jobs", (), |c| {
        c.get::<i64>()
    })?;
    let (mut below, mut above) = (0, last.unwrap_or(0) + 1);
    let sql = "SELECT transfer FROM jobs WHERE id > ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1";
    while below + 1 < above {
        let middle = below + (above - below) / 2;
        match one(conn, sql, [below, middle], |c| c.get::<i64>())? {
            Some(transfer) if transfer >= number => above = middle,
            _ => below = middle,
        }
    }
    Ok(above)
}
