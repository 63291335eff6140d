//! Jobs: what was ordered, and pages of all that is known of them.
//!
//! Of a job that was taken over from a bundle, `blob` of the order and of the outcome are zeros; `manifest` is then the
//! salted result that its worker signed.

use rusqlite::{Connection, params};
use swarm_types::order::SignedOrder;
use swarm_types::receipt::Execution;
use swarm_types::{Address, B256, EpochId, JobId, sha256};

use super::values::{Columns, bits, damaged, execute, job_key, list, one, unbits};
use crate::apply::adopt::result_of;
use crate::commands::Submit;
use crate::error::LedgerError;
use crate::filter::JobFilter;
use crate::limits::{PAGE_ROWS_MAX, RECIPIENTS_MAX};
use crate::records::*;

/// All of a job, in the order in which [`read`] takes it, from the table of jobs or from the one beside it that leads
/// to the jobs asked for.
macro_rules! select_job {
    (jobs, $rest:literal) => {
        select_job!(
            "jobs j JOIN accounts a ON a.id = j.client LEFT JOIN open_jobs o ON o.job = j.id
                LEFT JOIN outcomes x ON x.job = j.id ",
            $rest
        )
    };
    (open_jobs, $rest:literal) => {
        select_job!(
            "open_jobs o CROSS JOIN jobs j ON j.id = o.job CROSS JOIN accounts a ON a.id = j.client
                LEFT JOIN outcomes x ON x.job = j.id ",
            $rest
        )
    };
    (outcomes, $rest:literal) => {
        select_job!(
            "outcomes x CROSS JOIN jobs j ON j.id = x.job CROSS JOIN accounts a ON a.id = j.client
                LEFT JOIN open_jobs o ON o.job = j.id ",
            $rest
        )
    };
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT j.id, a.owner, j.model, j.input, j.max_fee, j.nonce, j.deadline, j.signature,
                j.commitment, j.fee, j.salt, j.job_type, j.blob, j.blob_size, j.reply_to, j.recipients,
                j.label, j.webhook, j.max_attempts, COALESCE(x.attempts, o.attempts, 0),
                COALESCE(x.state, o.state, 'pending'), j.submitted_at,
                IIF(x.job IS NULL, o.claimed_at, x.claimed_at), x.ended_at,
                IIF(x.job IS NULL, o.worker, x.worker), IIF(x.job IS NULL, o.lease_token, NULL),
                o.lease_expires_at, IIF(x.job IS NULL, o.stage, x.stage),
                COALESCE(x.fraction_bps, o.fraction_bps, 0), IIF(x.job IS NULL, o.error, x.error),
                x.settles_in, x.uncollectable,
                x.device, x.started_at, x.completed_at, x.energy, x.engine, x.power, x.signature, x.blob,
                x.blob_size, x.manifest
            FROM ",
            $from,
            $rest
        )
    };
}

/// Reads a row of [`select_job`].
pub(crate) fn read(c: &mut Columns<'_, '_>) -> Result<JobRecord, LedgerError> {
    let id = c.job()?;
    let order = c.order()?;
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
                result: result_of(&result.sha256, &job.salt, manifest),
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

pub(super) fn recipients(bytes: &[u8]) -> Result<Box<[Address]>, LedgerError> {
    let (addresses, rest) = bytes.as_chunks::<20>();
    if !rest.is_empty() || addresses.len() > RECIPIENTS_MAX {
        return Err(damaged("a job's recipients"));
    }
    Ok(addresses.iter().map(Address::from).collect())
}

/// Adds what was ordered; `false`, and nothing is written, when the client has used the order's nonce.
pub(crate) fn insert(
    conn: &Connection,
    key: i64,
    account: i64,
    transfer: i64,
    submit: &Submit,
) -> Result<bool, LedgerError> {
    let sql = "INSERT INTO jobs (id, client, nonce, model, input, max_fee, deadline, signature, commitment,
            fee, salt, job_type, blob, blob_size, reply_to, recipients, label, webhook, max_attempts,
            transfer, submitted_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
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
    one(conn, select_job!(jobs, "WHERE j.id = ?1"), [key], read)?
        .ok_or_else(|| damaged(format!("job {key} is missing")))
}

/// A job by its id.
pub(crate) fn get(conn: &Connection, id: JobId) -> Result<Option<JobRecord>, LedgerError> {
    let Some(key) = job_key(id) else {
        return Ok(None);
    };
    one(conn, select_job!(jobs, "WHERE j.id = ?1"), [key], read)
}

/// The job of a client's account that used a nonce.
pub(crate) fn of_nonce(
    conn: &Connection,
    account: i64,
    nonce: u64,
) -> Result<Option<JobRecord>, LedgerError> {
    let sql = select_job!(jobs, "WHERE j.client = ?1 AND j.nonce = ?2");
    one(conn, sql, params![account, bits(nonce)], read)
}

/// A job by its client and the order's nonce.
pub(crate) fn of_order(
    conn: &Connection,
    client: Address,
    nonce: u64,
) -> Result<Option<JobRecord>, LedgerError> {
    let sql = select_job!(
        jobs,
        "WHERE j.client = (SELECT id FROM accounts WHERE kind = 'client' AND owner = ?1) AND j.nonce = ?2"
    );
    one(conn, sql, params![client.as_slice(), bits(nonce)], read)
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

// Pages of jobs: one statement each way in, so that the table or index that helps most is used. The rest of the
// filter is the same in all.
pub(crate) const PAGE_OF_CLIENT: &str = select_job!(
    jobs,
    "WHERE j.client = (SELECT account FROM clients WHERE address = ?6) AND j.id < ?1
        AND (?3 IS NULL OR COALESCE(x.state, o.state) = ?3)
        AND (?4 IS NULL OR COALESCE(x.worker, o.worker) = ?4)
        AND (?5 IS NULL OR x.settles_in = ?5)
    ORDER BY j.id DESC LIMIT ?2"
);
pub(crate) const PAGE_OPEN: &str = select_job!(
    open_jobs,
    "WHERE o.job < ?1 AND o.state = ?3 AND (?4 IS NULL OR o.worker = ?4) AND ?5 IS NULL AND ?6 IS NULL
    ORDER BY o.job DESC LIMIT ?2"
);
pub(crate) const PAGE_OF_EPOCH: &str = select_job!(
    outcomes,
    "WHERE x.settles_in = ?5 AND x.job < ?1 AND (?3 IS NULL OR x.state = ?3)
        AND (?4 IS NULL OR x.worker = ?4) AND ?6 IS NULL
    ORDER BY x.job DESC LIMIT ?2"
);
pub(crate) const PAGE_FAILED: &str = select_job!(
    outcomes,
    "WHERE x.settles_in IS NULL AND x.job < ?1 AND x.state = ?3
        AND (?4 IS NULL OR x.worker = ?4) AND ?5 IS NULL AND ?6 IS NULL
    ORDER BY x.job DESC LIMIT ?2"
);
pub(crate) const PAGE_OF_ALL: &str = select_job!(
    jobs,
    "WHERE j.id < ?1 AND (?3 IS NULL OR COALESCE(x.state, o.state) = ?3)
        AND (?4 IS NULL OR COALESCE(x.worker, o.worker) = ?4) AND ?5 IS NULL AND ?6 IS NULL
    ORDER BY j.id DESC LIMIT ?2"
);

/// The live leases of a worker.
pub(crate) fn leases(
    conn: &Connection,
    worker: Address,
    now: u64,
) -> Result<Vec<Lease>, LedgerError> {
    let sql = select_job!(
        open_jobs,
        "WHERE o.worker = ?1 AND o.lease_expires_at > ?2 ORDER BY o.job"
    );
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
    let sql = "SELECT COUNT(*) FROM open_jobs WHERE state = 'pending' AND job < ?1";
    let ahead = one(conn, sql, [job_key(id)], |c| c.get())?.unwrap_or(0);
    let mut workers = super::workers::all(conn)?;
    workers.retain(|worker| worker.state != WorkerState::Revoked);
    Ok(Some(WhyInputs {
        job,
        ahead,
        workers,
    }))
}

/// How many open jobs order `model`: a walk over the open jobs.
pub(crate) fn open_of_model(conn: &Connection, model: B256) -> Result<u64, LedgerError> {
    let sql = "SELECT COUNT(*) FROM open_jobs o JOIN jobs j ON j.id = o.job WHERE j.model = ?1";
    Ok(one(conn, sql, params![model.as_slice()], |c| c.get())?.unwrap_or(0))
}
