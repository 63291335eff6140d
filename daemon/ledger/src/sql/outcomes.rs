//! How jobs ended.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use swarm_types::bundle::SettledJob;
use swarm_types::order::{Order, SignedOrder};
use swarm_types::receipt::Execution;
use swarm_types::{Address, JobId, MicroUsdc, digest, sha256};

use super::values::{Columns, bits, damaged, execute, job_key, list, one, unbits};
use crate::commands::Complete;
use crate::error::LedgerError;
use crate::hot::OpenJob;
use crate::records::{JobCharge, JobState};

/// Where a fee goes: to this account, charged in this epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Booking {
    pub credit: i64,
    pub settles_in: u64,
}

/// Adds the completion of a job that was open; `power` is the power record as it is stored.
pub(crate) fn complete(
    conn: &Connection,
    key: i64,
    job: &OpenJob,
    complete: &Complete,
    power: &str,
    booking: Booking,
) -> Result<(), LedgerError> {
    let sql = "INSERT OR FAIL INTO outcomes (job, worker, attempts, claimed_at, ended_at, credit, settles_in,
            device, started_at, completed_at, energy, engine, power, signature, blob, blob_size, manifest,
            state, fraction_bps)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 'completed', 10000)";
    let execution = &complete.execution;
    let values = params![
        key,
        complete.worker.as_slice(),
        job.attempts,
        job.claimed_at,
        complete.now,
        booking.credit,
        booking.settles_in,
        execution.device.as_slice(),
        execution.started_at,
        execution.completed_at,
        bits(execution.energy_millijoules),
        complete.engine,
        power,
        complete.execution_signature.as_bytes().as_slice(),
        complete.result.sha256.as_slice(),
        complete.result.size,
        complete.manifest.as_slice()
    ];
    execute(conn, sql, values)?;
    Ok(())
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
        x.engine, x.power, x.signature, x.manifest
    FROM jobs j JOIN accounts a ON a.id = j.client JOIN outcomes x ON x.job = j.id
    WHERE j.id = ?1 AND x.settles_in = ?2 AND x.uncollectable IS NULL";

/// What a receipt is made of, for each of `jobs`, which `epoch` settles.
pub(crate) fn settled(
    conn: &Connection,
    epoch: u64,
    jobs: &[JobId],
) -> Result<Vec<SettledJob>, LedgerError> {
    let mut settled = Vec::with_capacity(jobs.len());
    for id in jobs {
        let read = |c: &mut Columns<'_, '_>| {
            let order = Order {
                client: c.address()?,
                model: c.digest()?,
                input: c.digest()?,
                max_fee: c.amount()?,
                nonce: unbits(c.get()?),
                deadline: c.get()?,
            };
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
                    result: digest::salted(&salt, &c.digest()?),
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
        let job = one(conn, SETTLED, params![job_key(*id), epoch], read)?;
        let job = job.ok_or_else(|| damaged(format!("{id} is not settled in epoch {epoch}")))?;
        settled.push(job);
    }
    Ok(settled)
}
