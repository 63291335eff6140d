//! Where open jobs are. The writer has them in memory and writes what a transaction changed at its end, many rows
//! at a time.

use rusqlite::{Connection, params};
use swarm_types::{Address, B256};

use super::jobs::recipients;
use super::values::{Columns, damaged, insert_many, list, one};
use crate::error::LedgerError;
use crate::hot::{Held, OpenJob, Row};
use crate::records::{JobState, LeaseRef, LeaseToken};

/// A job with its key.
pub(crate) type Keyed<'a> = (i64, &'a OpenJob);

/// Adds pending jobs that nobody has claimed.
pub(crate) fn insert(conn: &Connection, jobs: &[Keyed<'_>]) -> Result<(), LedgerError> {
    insert_many(
        conn,
        "open_jobs",
        &["job", "blob"],
        jobs,
        |row, (key, job)| {
            row.bind(key)?;
            row.bind(job.blob.as_slice())
        },
    )
}

/// Writes where jobs are now.
pub(crate) fn update(conn: &Connection, jobs: &[Keyed<'_>]) -> Result<(), LedgerError> {
    let sql =
        "UPDATE OR FAIL open_jobs SET state = ?2, attempts = ?3, worker = ?4, lease_token = ?5,
            lease_expires_at = ?6, claimed_at = ?7, stage = ?8, fraction_bps = ?9, error = ?10
        WHERE job = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    for (key, job) in jobs {
        let values = params![
            key,
            job.state.as_str(),
            job.attempts,
            job.lease.as_ref().map(|held| held.worker.as_slice()),
            job.lease.map(|held| held.token.0),
            job.lease.map(|held| held.expires_at),
            job.claimed_at,
            job.stage.as_deref(),
            job.fraction_bps,
            job.error.as_deref()
        ];
        changed_one(statement.execute(values)?, *key)?;
    }
    Ok(())
}

/// Takes out jobs that have ended.
pub(crate) fn delete(conn: &Connection, keys: &[i64]) -> Result<(), LedgerError> {
    let mut statement = conn.prepare_cached("DELETE FROM open_jobs WHERE job = ?1")?;
    for key in keys {
        changed_one(statement.execute([key])?, *key)?;
    }
    Ok(())
}

fn changed_one(rows: usize, key: i64) -> Result<(), LedgerError> {
    (rows == 1)
        .then_some(())
        .ok_or_else(|| damaged(format!("open job {key} is missing")))
}

macro_rules! select_open {
    ($rest:literal) => {
        concat!(
            "SELECT j.id, a.owner, j.client, j.fee, j.commitment, j.model, j.input, j.salt, j.blob, j.deadline,
                j.recipients, j.max_attempts, j.webhook IS NOT NULL, o.state, o.attempts, o.worker,
                o.lease_token, o.lease_expires_at, o.claimed_at, o.stage, o.fraction_bps, o.error
            FROM open_jobs o CROSS JOIN jobs j ON j.id = o.job CROSS JOIN accounts a ON a.id = j.client ",
            $rest
        )
    };
}

fn read(c: &mut Columns<'_, '_>) -> Result<(i64, OpenJob), LedgerError> {
    let key = c.get()?;
    let mut job = OpenJob {
        client: c.address()?,
        account: c.get()?,
        fee: c.amount()?,
        commitment: c.digest()?,
        model: c.digest()?,
        input: c.digest()?,
        salt: c.digest()?,
        blob: c.digest()?,
        deadline: c.get()?,
        recipients: recipients(&c.get::<Vec<u8>>()?)?,
        max_attempts: c.get()?,
        webhook: c.get()?,
        state: c.word(JobState::parse)?,
        attempts: c.get()?,
        lease: None,
        claimed_at: None,
        stage: None,
        fraction_bps: 0,
        error: None,
        row: Row::Current,
    };
    let held = (c.address_option()?, c.get::<Option<u64>>()?, c.get()?);
    if let (Some(worker), Some(token), Some(expires_at)) = held {
        job.lease = Some(Held {
            worker,
            token: LeaseToken(token),
            expires_at,
        });
    }
    job.claimed_at = c.get()?;
    job.stage = c.get::<Option<String>>()?.map(String::into_boxed_str);
    job.fraction_bps = c.get()?;
    job.error = c.get::<Option<String>>()?.map(String::into_boxed_str);
    Ok((key, job))
}

/// Every job that has not ended, the oldest first.
pub(crate) fn all(conn: &Connection) -> Result<Vec<(i64, OpenJob)>, LedgerError> {
    list(conn, select_open!("ORDER BY o.job"), (), read)
}

/// One of them.
pub(crate) fn get(conn: &Connection, key: i64) -> Result<Option<OpenJob>, LedgerError> {
    let job = one(conn, select_open!("WHERE o.job = ?1"), [key], read)?;
    Ok(job.map(|(_, job)| job))
}

pub(crate) const USERS: &str = "SELECT job FROM open_jobs WHERE blob = ?1";

/// The keys of open jobs that use a blob as their input.
pub(crate) fn users(conn: &Connection, sha256: &B256) -> Result<Vec<i64>, LedgerError> {
    list(conn, USERS, [sha256.as_slice()], |c| c.get())
}

/// Every lease, with its holder.
pub(crate) fn leases(conn: &Connection) -> Result<Vec<(Address, LeaseRef)>, LedgerError> {
    let sql = "SELECT worker, job, lease_token FROM open_jobs
        WHERE worker IS NOT NULL AND lease_token IS NOT NULL ORDER BY job";
    list(conn, sql, (), |c| {
        let worker = c.address()?;
        let lease = LeaseRef {
            job: c.job()?,
            token: LeaseToken(c.get()?),
        };
        Ok((worker, lease))
    })
}
