//! Jobs and executions.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use swarm_types::bundle::SettledJob;
use swarm_types::order::{Order, SignedOrder};
use swarm_types::receipt::Execution;
use swarm_types::{Address, B256, EpochId, JobId, MicroUsdc, digest, sha256};

use super::values::{Columns, bits, damaged, execute, job_key, list, one, unbits};
use crate::commands::{Complete, Submit};
use crate::error::LedgerError;
use crate::hot::{Held, OpenJob};
use crate::ledger::JobFilter;
use crate::limits::{PAGE_ROWS_MAX, RECIPIENTS_MAX};
use crate::records::*;

/// All of a job, in the order in which [`read`] takes it.
macro_rules! select_job {
    ($rest:literal) => {
        concat!(
            "SELECT j.id, a.owner, j.model, j.input, j.max_fee, j.nonce, j.deadline, j.signature,
                j.commitment, j.fee, j.salt, j.job_type, j.blob, j.blob_size, j.reply_to, j.recipients,
                j.label, j.webhook, j.max_attempts, j.attempts, j.state, j.submitted_at, j.claimed_at,
                j.ended_at, j.worker, j.lease_token, j.lease_expires_at, j.stage, j.fraction_bps,
                j.error, j.settles_in, j.uncollectable,
                x.device, x.started_at, x.completed_at, x.energy, x.engine, x.power, x.signature, x.blob,
                x.blob_size, x.manifest
            FROM jobs j JOIN accounts a ON a.id = j.client LEFT JOIN executions x ON x.job = j.id ",
            $rest
        )
    };
}

/// Reads a row of [`select_job`].
pub(crate) fn read(c: &mut Columns<'_, '_>) -> Result<JobRecord, LedgerError> {
    let id = c.job()?;
    let order = Order {
        client: c.address()?,
        model: c.digest()?,
        input: c.digest()?,
        max_fee: c.amount()?,
        nonce: unbits(c.get()?),
        deadline: c.get()?,
    };
    let order = SignedOrder {
        order,
        signature: c.signature()?,
    };
    let mut job = JobRecord {
        id,
        order,
        commitment: c.digest()?,
        fee: c.amount()?,
        salt: c.digest()?,
        job_type: c.get()?,
        input: BlobRef {
            sha256: c.digest()?,
            size: c.get()?,
        },
        reply_to: c.get()?,
        recipients: recipients(&c.get::<Vec<u8>>()?)?.into(),
        label: c.get()?,
        webhook: c.get()?,
        max_attempts: c.get()?,
        attempts: c.get()?,
        state: c.word(JobState::parse)?,
        submitted_at: c.get()?,
        claimed_at: c.get()?,
        ended_at: c.get()?,
        worker: c.address_option()?,
        lease: c.get::<Option<u64>>()?.map(LeaseToken).zip(c.get()?),
        stage: c.get()?,
        fraction_bps: c.get()?,
        error: c.get()?,
        settles_in: c.get::<Option<u64>>()?.map(EpochId),
        uncollectable: c.get()?,
        completion: None,
    };
    if let Some(device) = c.digest_option()? {
        let (started_at, completed_at, energy) = (c.get()?, c.get()?, c.get()?);
        let (engine, power): (String, String) = (c.get()?, c.get()?);
        let execution_signature = c.signature()?;
        let result = BlobRef {
            sha256: c.digest()?,
            size: c.get()?,
        };
        let manifest = c.digest()?;
        job.completion = Some(Completion {
            execution: Execution {
                job_epoch: id.epoch,
                job_seq: id.seq,
                order: job.commitment,
                model: job.order.order.model,
                input: job.order.order.input,
                result: digest::salted(&job.salt, &manifest),
                engine: sha256(engine.as_bytes()),
                device,
                started_at,
                completed_at,
                energy_millijoules: unbits(energy),
                power: sha256(power.as_bytes()),
            },
            execution_signature,
            power: serde_json::from_str(&power).map_err(|e| damaged(format!("power: {e}")))?,
            engine,
            result,
            manifest,
        });
    }
    Ok(job)
}

fn recipients(bytes: &[u8]) -> Result<Box<[Address]>, LedgerError> {
    let (addresses, rest) = bytes.as_chunks::<20>();
    if !rest.is_empty() || addresses.len() > RECIPIENTS_MAX {
        return Err(damaged("a job's recipients"));
    }
    Ok(addresses.iter().map(Address::from).collect())
}

/// Adds a pending job; `false`, and nothing is written, when the client has used the order's nonce.
pub(crate) fn insert(
    conn: &Connection,
    key: i64,
    account: i64,
    transfer: i64,
    submit: &Submit,
) -> Result<bool, LedgerError> {
    let sql = "INSERT INTO jobs (id, client, nonce, model, input, max_fee, deadline, signature, commitment,
            fee, salt, job_type, blob, blob_size, reply_to, recipients, label, webhook, max_attempts,
            transfer, submitted_at, open, state)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
            ?21, 1, 'pending')
        ON CONFLICT (client, nonce) DO NOTHING";
    let order = &submit.order.order;
    let recipients = submit.recipients.concat();
    let values = params![
        key,
        account,
        bits(order.nonce),
        order.model.as_slice(),
        order.input.as_slice(),
        order.max_fee.0,
        order.deadline,
        submit.order.signature.as_bytes().as_slice(),
        submit.commitment.as_slice(),
        submit.fee.0,
        submit.salt.as_slice(),
        submit.job_type,
        submit.input.sha256.as_slice(),
        submit.input.size,
        submit.reply_to,
        recipients,
        submit.label,
        submit.webhook,
        submit.max_attempts,
        transfer,
        submit.now
    ];
    Ok(execute(conn, sql, values)? == 1)
}

/// A job by its key.
pub(crate) fn by_key(conn: &Connection, key: i64) -> Result<JobRecord, LedgerError> {
    one(conn, select_job!("WHERE j.id = ?1"), [key], read)?
        .ok_or_else(|| damaged(format!("job {key} is missing")))
}

/// A job by its id.
pub(crate) fn get(conn: &Connection, id: JobId) -> Result<Option<JobRecord>, LedgerError> {
    let Some(key) = job_key(id) else {
        return Ok(None);
    };
    one(conn, select_job!("WHERE j.id = ?1"), [key], read)
}

/// The job of a client's account that used a nonce.
pub(crate) fn of_nonce(
    conn: &Connection,
    account: i64,
    nonce: u64,
) -> Result<Option<JobRecord>, LedgerError> {
    let sql = select_job!("WHERE j.client = ?1 AND j.nonce = ?2");
    one(conn, sql, params![account, bits(nonce)], read)
}

/// A job by its client and the order's nonce.
pub(crate) fn of_order(
    conn: &Connection,
    client: Address,
    nonce: u64,
) -> Result<Option<JobRecord>, LedgerError> {
    let sql = select_job!(
        "WHERE j.client = (SELECT id FROM accounts WHERE kind = 'client' AND owner = ?1) AND j.nonce = ?2"
    );
    one(conn, sql, params![client.as_slice(), bits(nonce)], read)
}

/// Leases a job.
pub(crate) fn claim(
    conn: &Connection,
    key: i64,
    held: &Held,
    attempts: u32,
    now: u64,
) -> Result<(), LedgerError> {
    let sql =
        "UPDATE OR FAIL jobs SET state = 'claimed', worker = ?2, lease_token = ?3, lease_expires_at = ?4,
            attempts = ?5, claimed_at = ?6, stage = NULL, fraction_bps = 0
        WHERE id = ?1";
    let worker = held.worker.as_slice();
    let values = params![key, worker, held.token.0, held.expires_at, attempts, now];
    changed_one(execute(conn, sql, values)?, key)
}

/// Renews a lease.
pub(crate) fn renew(conn: &Connection, key: i64, expires_at: u64) -> Result<(), LedgerError> {
    let sql = "UPDATE OR FAIL jobs SET lease_expires_at = ?2 WHERE id = ?1";
    changed_one(execute(conn, sql, params![key, expires_at])?, key)
}

/// Notes progress and renews the lease.
pub(crate) fn progress(
    conn: &Connection,
    key: i64,
    stage: &str,
    fraction_bps: u16,
    expires_at: u64,
) -> Result<(), LedgerError> {
    let sql =
        "UPDATE OR FAIL jobs SET state = 'processing', stage = ?2, fraction_bps = ?3, lease_expires_at = ?4
        WHERE id = ?1";
    let values = params![key, stage, fraction_bps, expires_at];
    changed_one(execute(conn, sql, values)?, key)
}

/// Makes a leased job pending again.
pub(crate) fn requeue(conn: &Connection, key: i64, error: &str) -> Result<(), LedgerError> {
    let sql = "UPDATE OR FAIL jobs SET state = 'pending', worker = NULL, lease_token = NULL,
            lease_expires_at = NULL, stage = NULL, fraction_bps = 0, error = ?2
        WHERE id = ?1";
    changed_one(execute(conn, sql, params![key, error])?, key)
}

/// Ends a job without a completion.
pub(crate) fn end(
    conn: &Connection,
    key: i64,
    state: JobState,
    error: Option<&str>,
    now: u64,
) -> Result<(), LedgerError> {
    let sql = "UPDATE OR FAIL jobs SET open = NULL, state = ?2, error = COALESCE(?3, error), ended_at = ?4,
            lease_token = NULL, lease_expires_at = NULL
        WHERE id = ?1";
    let values = params![key, state.as_str(), error, now];
    changed_one(execute(conn, sql, values)?, key)
}

/// Ends a job with a completion. The lease's token stays, so that a repeated completion is known.
pub(crate) fn complete(
    conn: &Connection,
    key: i64,
    complete: &Complete,
    epoch: u64,
) -> Result<(), LedgerError> {
    let sql =
        "UPDATE OR FAIL jobs SET open = NULL, state = 'completed', ended_at = ?2, settles_in = ?3,
            lease_expires_at = NULL, stage = NULL, fraction_bps = 10000, error = NULL
        WHERE id = ?1";
    changed_one(execute(conn, sql, params![key, complete.now, epoch])?, key)?;
    let sql =
        "INSERT INTO executions (job, device, started_at, completed_at, energy, engine, power,
            signature, blob, blob_size, manifest)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let execution = &complete.execution;
    let power = String::from_utf8(complete.power.canonical())
        .map_err(|_| damaged("canonical JSON that is not UTF-8"))?;
    let values = params![
        key,
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

fn changed_one(rows: usize, key: i64) -> Result<(), LedgerError> {
    (rows == 1)
        .then_some(())
        .ok_or_else(|| damaged(format!("job {key} is missing")))
}

/// Every job that has not ended.
pub(crate) fn open_ones(conn: &Connection) -> Result<Vec<(i64, OpenJob)>, LedgerError> {
    let sql =
        "SELECT j.id, a.owner, j.client, j.transfer, j.fee, j.model, j.deadline, j.recipients,
            j.attempts, j.max_attempts, j.state, j.worker, j.lease_token, j.lease_expires_at,
            j.webhook IS NOT NULL
        FROM jobs j JOIN accounts a ON a.id = j.client WHERE j.open = 1 ORDER BY j.id";
    list(conn, sql, (), |c| {
        let key = c.get()?;
        let mut job = OpenJob {
            client: c.address()?,
            account: c.get()?,
            transfer: c.get()?,
            fee: c.amount()?,
            model: c.digest()?,
            deadline: c.get()?,
            recipients: recipients(&c.get::<Vec<u8>>()?)?,
            attempts: c.get()?,
            max_attempts: c.get()?,
            state: c.word(JobState::parse)?,
            lease: None,
            webhook: false,
        };
        let held = (c.address_option()?, c.get::<Option<u64>>()?, c.get()?);
        if let (Some(worker), Some(token), Some(expires_at)) = held {
            job.lease = Some(Held {
                worker,
                token: LeaseToken(token),
                expires_at,
            });
        }
        job.webhook = c.get()?;
        Ok((key, job))
    })
}

/// The highest number of a job submitted in `epoch`; 0 without one.
pub(crate) fn last_number(conn: &Connection, epoch: u64) -> Result<u64, LedgerError> {
    let sql = "SELECT COALESCE(MAX(id), ?1 << 32) - (?1 << 32) FROM jobs
        WHERE id >= ?1 << 32 AND id < (?1 + 1) << 32";
    Ok(one(conn, sql, [epoch], |c| c.get())?.unwrap_or(0))
}

/// A page of jobs, newest first.
pub(crate) fn page(conn: &Connection, filter: &JobFilter) -> Result<Vec<JobRecord>, LedgerError> {
    let before = match filter.after {
        Some(id) => match job_key(id) {
            Some(key) => key,
            None => return Ok(Vec::new()),
        },
        None => i64::MAX,
    };
    let client = filter.client.map(|a| a.to_vec());
    let worker = filter.worker.map(|a| a.to_vec());
    let state = filter.state.map(JobState::as_str);
    let values = params![
        before,
        filter.limit.min(PAGE_ROWS_MAX),
        state,
        worker,
        filter.settles_in.map(|e| bits(e.0)),
        client
    ];
    let sql = match filter.state {
        _ if filter.client.is_some() => PAGE_OF_CLIENT,
        Some(state) if !state.is_terminal() => PAGE_OPEN,
        _ if filter.settles_in.is_some() => PAGE_OF_EPOCH,
        Some(JobState::Dead | JobState::Cancelled | JobState::Expired) => PAGE_FAILED,
        _ => PAGE_OF_ALL,
    };
    list(conn, sql, values, read)
}

// Pages of jobs: one statement each way in, so that the index that helps most is used. The rest of the
// filter is the same in all.
pub(crate) const PAGE_OF_CLIENT: &str = select_job!(
    "WHERE j.client = (SELECT account FROM clients WHERE address = ?6) AND j.id < ?1
        AND (?3 IS NULL OR j.state = ?3) AND (?4 IS NULL OR j.worker = ?4)
        AND (?5 IS NULL OR j.settles_in = ?5)
    ORDER BY j.id DESC LIMIT ?2"
);
pub(crate) const PAGE_OPEN: &str = select_job!(
    "WHERE j.open = 1 AND j.id < ?1 AND j.state = ?3 AND (?4 IS NULL OR j.worker = ?4)
        AND (?5 IS NULL OR j.settles_in = ?5) AND ?6 IS NULL
    ORDER BY j.id DESC LIMIT ?2"
);
pub(crate) const PAGE_OF_EPOCH: &str = select_job!(
    "WHERE j.settles_in = ?5 AND j.id < ?1 AND (?3 IS NULL OR j.state = ?3)
        AND (?4 IS NULL OR j.worker = ?4) AND ?6 IS NULL
    ORDER BY j.id DESC LIMIT ?2"
);
pub(crate) const PAGE_FAILED: &str = select_job!(
    "WHERE j.open IS NULL AND j.settles_in IS NULL AND j.id < ?1 AND j.state = ?3
        AND (?4 IS NULL OR j.worker = ?4) AND ?5 IS NULL AND ?6 IS NULL
    ORDER BY j.id DESC LIMIT ?2"
);
pub(crate) const PAGE_OF_ALL: &str = select_job!(
    "WHERE j.id < ?1 AND (?3 IS NULL OR j.state = ?3) AND (?4 IS NULL OR j.worker = ?4)
        AND ?5 IS NULL AND ?6 IS NULL
    ORDER BY j.id DESC LIMIT ?2"
);

/// The live leases of a worker.
pub(crate) fn leases(
    conn: &Connection,
    worker: Address,
    now: u64,
) -> Result<Vec<Lease>, LedgerError> {
    let sql =
        select_job!("WHERE j.open = 1 AND j.worker = ?1 AND j.lease_expires_at > ?2 ORDER BY j.id");
    let jobs = list(conn, sql, params![worker.as_slice(), now], read)?;
    let lease = |job: JobRecord| {
        job.lease.map(|(token, expires_at)| Lease {
            attempt: job.attempts,
            job,
            token,
            expires_at,
        })
    };
    Ok(jobs.into_iter().filter_map(lease).collect())
}

/// What it takes to say why nobody has taken a job.
pub(crate) fn why(conn: &Connection, id: JobId) -> Result<Option<WhyInputs>, LedgerError> {
    let Some(job) = get(conn, id)? else {
        return Ok(None);
    };
    let sql = "SELECT COUNT(*) FROM jobs WHERE open = 1 AND state = 'pending' AND id < ?1";
    let ahead = one(conn, sql, [job_key(id)], |c| c.get())?.unwrap_or(0);
    let mut workers = super::workers::all(conn)?;
    workers.retain(|worker| worker.state != WorkerState::Revoked);
    Ok(Some(WhyInputs {
        job,
        ahead,
        workers,
    }))
}

/// Marks a completed job as not collectable.
pub(crate) fn mark_uncollectable(
    conn: &Connection,
    key: i64,
    reason: &str,
) -> Result<(), LedgerError> {
    let sql = "UPDATE OR FAIL jobs SET uncollectable = ?2 WHERE id = ?1";
    changed_one(execute(conn, sql, params![key, reason])?, key)
}

pub(crate) fn settle_in(conn: &Connection, key: i64, epoch: u64) -> Result<(), LedgerError> {
    let sql = "UPDATE OR FAIL jobs SET settles_in = ?2 WHERE id = ?1";
    changed_one(execute(conn, sql, params![key, epoch])?, key)
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
    let sql = "SELECT client, worker, fee, settles_in, uncollectable IS NOT NULL FROM jobs
        WHERE id = ?1 AND settles_in IS NOT NULL";
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

pub(crate) const CHARGES: &str =
    "SELECT client, id, fee FROM jobs WHERE settles_in = ?1 AND uncollectable IS NULL";

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

/// How many open jobs order `model`: a walk over the open jobs' index.
pub(crate) fn open_of_model(conn: &Connection, model: B256) -> Result<u64, LedgerError> {
    let sql = "SELECT COUNT(*) FROM jobs WHERE open = 1 AND model = ?1";
    Ok(one(conn, sql, params![model.as_slice()], |c| c.get())?.unwrap_or(0))
}

pub(crate) const SETTLED: &str =
    "SELECT a.owner, j.model, j.input, j.max_fee, j.nonce, j.deadline, j.signature,
        j.commitment, j.fee, j.salt, j.worker, x.device, x.started_at, x.completed_at, x.energy,
        x.engine, x.power, x.signature, x.manifest
    FROM jobs j JOIN accounts a ON a.id = j.client JOIN executions x ON x.job = j.id
    WHERE j.id = ?1 AND j.settles_in = ?2 AND j.uncollectable IS NULL";

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
