//! How jobs ended.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use swarm_types::bundle::SettledJob;
use swarm_types::order::SignedOrder;
use swarm_types::receipt::Execution;
use swarm_types::{Address, B256, JobId, MicroUsdc, Signature65, sha256};

use super::values::{
    Columns, bits, damaged, execute, first, insert_many, job_key, list, one, unbits,
};
use crate::apply::adopt::result_of;
use crate::error::LedgerError;
use crate::hot::OpenJob;
use crate::records::{BlobRef, JobCharge, JobState};

/// A completion that is not written yet.
#[derive(Debug)]
pub(crate) struct Completion {
    pub key: i64,
    pub worker: Address,
    pub attempts: u32,
    pub claimed_at: Option<u64>,
    pub ended_at: u64,
    /// The account that the fee goes to.
    pub credit: i64,
    pub settles_in: u64,
    pub device: B256,
    pub started_at: u64,
    pub completed_at: u64,
    pub energy_millijoules: u64,
    pub engine: String,
    /// The power record, as canonical JSON.
    pub power: String,
    pub signature: Signature65,
    pub result: BlobRef,
    pub manifest: B256,
}

/// Adds the completions of jobs that were open.
pub(crate) fn complete(conn: &Connection, completions: &[Completion]) -> Result<(), LedgerError> {
    let columns = [
        "job",
        "worker",
        "attempts",
        "claimed_at",
        "ended_at",
        "credit",
        "settles_in",
        "device",
        "started_at",
        "completed_at",
        "energy",
        "engine",
        "power",
        "signature",
        "blob",
        "blob_size",
        "manifest",
    ];
    insert_many(conn, "outcomes", &columns, completions, |row, done| {
        row.bind(done.key)?;
        row.bind(done.worker.as_slice())?;
        row.bind(done.attempts)?;
        row.bind(done.claimed_at)?;
        row.bind(done.ended_at)?;
        row.bind(done.credit)?;
        row.bind(done.settles_in)?;
        row.bind(done.device.as_slice())?;
        row.bind(done.started_at)?;
        row.bind(done.completed_at)?;
        row.bind(bits(done.energy_millijoules))?;
        row.bind(&*done.engine)?;
        row.bind(&*done.power)?;
        row.bind(done.signature.as_bytes().as_slice())?;
        row.bind(done.result.sha256.as_slice())?;
        row.bind(done.result.size)?;
        row.bind(done.manifest.as_slice())
    })
}

/// Adds how a job that was open ended without a completion.
pub(crate) fn fail(
    conn: &Connection,
    key: i64,
    job: &OpenJob,
    state: JobState,
    error: Option<&str>,
    now: u64,
) -> Result<(), LedgerError> {
    let sql = "INSERT OR FAIL INTO outcomes
            (job, state, worker, attempts, claimed_at, ended_at, stage, fraction_bps, error)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = params![
        key,
        state.as_str(),
        job.lease.as_ref().map(|held| held.worker.as_slice()),
        job.attempts,
        job.claimed_at,
        now,
        job.stage.as_deref(),
        job.fraction_bps,
        error.or(job.error.as_deref())
    ];
    execute(conn, sql, values)?;
    Ok(())
}

/// Marks a completed job as not collectable.
pub(crate) fn mark_uncollectable(
    conn: &Connection,
    key: i64,
    reason: &str,
) -> Result<(), LedgerError> {
    let sql = "UPDATE OR FAIL outcomes SET uncollectable = ?2 WHERE job = ?1";
    changed_one(execute(conn, sql, params![key, reason])?, key)
}

/// Moves a completed job to another epoch.
pub(crate) fn settle_in(conn: &Connection, key: i64, epoch: u64) -> Result<(), LedgerError> {
    let sql = "UPDATE OR FAIL outcomes SET settles_in = ?2 WHERE job = ?1";
    changed_one(execute(conn, sql, params![key, epoch])?, key)
}

/// Moves all jobs of an epoch to another, except those that could not be collected.
pub(crate) fn settle_all_in(conn: &Connection, from: u64, to: u64) -> Result<(), LedgerError> {
    let sql = "UPDATE outcomes SET settles_in = ?2 WHERE settles_in = ?1 AND uncollectable IS NULL";
    execute(conn, sql, params![from, to])?;
    Ok(())
}

fn changed_one(rows: usize, key: i64) -> Result<(), LedgerError> {
    (rows == 1)
        .then_some(())
        .ok_or_else(|| damaged(format!("the outcome of job {key} is missing")))
}

/// What dropping a completed job from an epoch needs to know.
pub(crate) struct Booked {
    pub account: i64,
    pub worker: Address,
    pub fee: MicroUsdc,
    pub settles_in: u64,
    pub dropped: bool,
}

/// A completed job's booking; `None` when the job is not completed.
pub(crate) fn booked(conn: &Connection, key: i64) -> Result<Option<Booked>, LedgerError> {
    let sql = "SELECT j.client, x.worker, j.fee, x.settles_in, x.uncollectable IS NOT NULL
        FROM outcomes x JOIN jobs j ON j.id = x.job WHERE x.job = ?1 AND x.settles_in IS NOT NULL";
    one(conn, sql, [key], |c| {
        Ok(Booked {
            account: c.get()?,
            worker: c.address()?,
            fee: c.amount()?,
            settles_in: c.get()?,
            dropped: c.get()?,
        })
    })
}

pub(crate) const CHARGES: &str = "SELECT j.client, j.id, j.fee
    FROM outcomes x CROSS JOIN jobs j ON j.id = x.job WHERE x.settles_in = ?1 AND x.uncollectable IS NULL";

/// What each job of an epoch charges, in the order of the leaves: by client, then job.
pub(crate) fn charges(conn: &Connection, epoch: u64) -> Result<Vec<JobCharge>, LedgerError> {
    let sql = "SELECT ce.client, a.owner FROM client_epochs ce JOIN accounts a ON a.id = ce.client
        WHERE ce.epoch = ?1";
    let owners = list(conn, sql, [epoch], |c| Ok((c.get::<i64>()?, c.address()?)))?;
    let owners: HashMap<i64, Address> = owners.into_iter().collect();
    // Sorted here, by keys alone: SQLite would carry the rows along.
    let mut charges = list(conn, CHARGES, [epoch], |c| {
        let owner = owners.get(&c.get()?);
        Ok(JobCharge {
            client: *owner.ok_or_else(|| damaged("a job that its epoch's sums do not count"))?,
            job: c.job()?,
            fee: c.amount()?,
        })
    })?;
    charges.sort_unstable_by_key(|charge| (charge.client, charge.job));
    Ok(charges)
}

pub(crate) const SETTLED: &str =
    "SELECT a.owner, j.model, j.input, j.max_fee, j.nonce, j.deadline, j.signature,
        j.commitment, j.fee, j.salt, x.worker, x.device, x.started_at, x.completed_at, x.energy,
        x.engine, x.power, x.signature, x.blob, x.manifest
    FROM jobs j JOIN accounts a ON a.id = j.client JOIN outcomes x ON x.job = j.id
    WHERE j.id = ?1 AND x.settles_in = ?2 AND x.uncollectable IS NULL";

/// What a receipt is made of, for each of `jobs`, which `epoch` settles.
pub(crate) fn settled(
    conn: &Connection,
    epoch: u64,
    jobs: &[JobId],
) -> Result<Vec<SettledJob>, LedgerError> {
    let mut settled = Vec::with_capacity(jobs.len());
    let mut statement = conn.prepare_cached(SETTLED)?;
    for id in jobs {
        let read = |c: &mut Columns<'_, '_>| {
            let order = c.order()?;
            let signature = c.signature()?;
            let (commitment, fee, salt) = (c.digest()?, c.amount()?, c.digest()?);
            let worker = c.address()?;
            let device = c.digest()?;
            let (started_at, completed_at, energy) = (c.get()?, c.get()?, c.get()?);
            let (engine, power): (String, String) = (c.get()?, c.get()?);
            let execution_signature = c.signature()?;
            Ok(SettledJob {
                worker,
                fee,
                execution: Execution {
                    job_epoch: id.epoch,
                    job_seq: id.seq,
                    order: commitment,
                    model: order.model,
                    input: order.input,
                    result: result_of(&c.digest()?, &salt, c.digest()?),
                    engine: sha256(engine.as_bytes()),
                    device,
                    started_at,
                    completed_at,
                    energy_millijoules: unbits(energy),
                    power: sha256(power.as_bytes()),
                },
                order: SignedOrder { order, signature },
                execution_signature,
                power: serde_json::from_str(&power).map_err(|e| damaged(format!("power: {e}")))?,
                engine,
            })
        };
        let job = first(&mut statement, params![job_key(*id), epoch], read)?;
        let job = job.ok_or_else(|| damaged(format!("{id} is not settled in epoch {epoch}")))?;
        settled.push(job);
    }
    Ok(settled)
}
