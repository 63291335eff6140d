//! Bees, as the ledger knows them.

use rusqlite::{Connection, params};
use swarm_types::Address;

use super::open_jobs;
use super::values::{Columns, damaged, execute, list, one};
use crate::commands::{Heartbeat, RegisterWorker};
use crate::error::LedgerError;
use crate::records::*;
use crate::state::readiness::Beat;

/// Whether a worker may take jobs.
pub(crate) struct Standing {
    pub state: WorkerState,
    pub draining: bool,
    pub draining_operator: bool,
    pub last: Option<Beat>,
}

/// A worker's standing.
pub(crate) fn standing(
    conn: &Connection,
    worker: &Address,
) -> Result<Option<Standing>, LedgerError> {
    let sql = "SELECT state, draining_self OR draining_operator, draining_operator, ready,
            last_heartbeat_millis
        FROM workers WHERE address = ?1";
    one(conn, sql, [worker.as_slice()], |c| {
        let state = c.word(WorkerState::parse)?;
        let (draining, draining_operator): (bool, bool) = (c.get()?, c.get()?);
        let ready: bool = c.get()?;
        let counts = ready && !draining && state == WorkerState::Approved;
        Ok(Standing {
            state,
            draining,
            draining_operator,
            last: c
                .get::<Option<u64>>()?
                .map(|at_millis| Beat { at_millis, counts }),
        })
    })
}

/// How many workers are known.
pub(crate) fn count(conn: &Connection) -> Result<usize, LedgerError> {
    Ok(one(conn, "SELECT COUNT(*) FROM workers", (), |c| c.get())?.unwrap_or(0))
}

/// Adds a worker, or updates what it says of itself.
pub(crate) fn register(conn: &Connection, register: &RegisterWorker) -> Result<(), LedgerError> {
    let sql = "INSERT INTO workers (address, state, label, recipient, profile, registered_at)
        VALUES (?1, 'registered', ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET label = excluded.label, recipient = excluded.recipient,
            profile = excluded.profile";
    let values = params![
        register.worker.as_slice(),
        register.label,
        register.recipient,
        register.profile.to_string(),
        register.now
    ];
    execute(conn, sql, values)?;
    Ok(())
}

/// Lets a worker work; adds it if need be.
pub(crate) fn approve(
    conn: &Connection,
    worker: &Address,
    payee: &Address,
    now: u64,
) -> Result<(), LedgerError> {
    let sql = "INSERT INTO workers (address, payee, state, registered_at)
        VALUES (?1, ?2, 'approved', ?3)
        ON CONFLICT DO UPDATE SET payee = excluded.payee, state = 'approved'";
    execute(conn, sql, params![worker.as_slice(), payee.as_slice(), now])?;
    Ok(())
}

/// Lets a worker work no more; answers whether it is known.
pub(crate) fn revoke(conn: &Connection, worker: &Address) -> Result<bool, LedgerError> {
    let sql = "UPDATE workers SET state = 'revoked' WHERE address = ?1";
    Ok(execute(conn, sql, [worker.as_slice()])? == 1)
}

/// A worker of whom nothing is known but that it worked and was paid; nothing changes where it is known.
pub(crate) fn ensure(
    conn: &Connection,
    worker: &Address,
    payee: &Address,
    now: u64,
) -> Result<(), LedgerError> {
    let sql = "INSERT INTO workers (address, payee, state, registered_at)
        VALUES (?1, ?2, 'registered', ?3) ON CONFLICT DO NOTHING";
    execute(conn, sql, params![worker.as_slice(), payee.as_slice(), now])?;
    Ok(())
}

/// The operator's wish; answers whether the worker is known.
pub(crate) fn set_draining(
    conn: &Connection,
    worker: &Address,
    draining: bool,
) -> Result<bool, LedgerError> {
    let sql = "UPDATE workers SET draining_operator = ?2 WHERE address = ?1";
    Ok(execute(conn, sql, params![worker.as_slice(), draining])? == 1)
}

/// Notes a heartbeat.
pub(crate) fn beat(conn: &Connection, heartbeat: &Heartbeat) -> Result<(), LedgerError> {
    let sql =
        "UPDATE workers SET ready = ?2, draining_self = ?3, stats = ?4, last_heartbeat_millis = ?5
        WHERE address = ?1";
    let values = params![
        heartbeat.worker.as_slice(),
        heartbeat.ready,
        heartbeat.draining,
        heartbeat.stats.to_string(),
        heartbeat.now_millis
    ];
    execute(conn, sql, values)?;
    Ok(())
}

/// Keeps a join code; answers whether it is new.
pub(crate) fn add_code(
    conn: &Connection,
    code: &[u8],
    payee: &Address,
    expires_at: u64,
) -> Result<bool, LedgerError> {
    let sql = "INSERT INTO join_codes (code, payee, expires_at) VALUES (?1, ?2, ?3)
        ON CONFLICT DO NOTHING";
    Ok(execute(conn, sql, params![code, payee.as_slice(), expires_at])? == 1)
}

/// Whether a join code is known.
pub(crate) fn code_known(conn: &Connection, code: &[u8]) -> Result<bool, LedgerError> {
    let sql = "SELECT 1 FROM join_codes WHERE code = ?1";
    Ok(one(conn, sql, [code], |c| c.get::<i64>())?.is_some())
}

/// The payee of a join code that `worker` may use at `now`: an unused one, or the one it used before.
pub(crate) fn code_payee(
    conn: &Connection,
    code: &[u8],
    worker: &Address,
    now: u64,
) -> Result<Option<Address>, LedgerError> {
    let sql = "SELECT payee FROM join_codes
        WHERE code = ?1 AND (used_by = ?2 OR (used_by IS NULL AND expires_at > ?3))";
    one(conn, sql, params![code, worker.as_slice(), now], |c| {
        c.address()
    })
}

/// Uses a join code up.
pub(crate) fn use_code(
    conn: &Connection,
    code: &[u8],
    worker: &Address,
) -> Result<(), LedgerError> {
    let sql = "UPDATE join_codes SET used_by = ?2 WHERE code = ?1";
    execute(conn, sql, params![code, worker.as_slice()])?;
    Ok(())
}

macro_rules! select_worker {
    ($rest:literal) => {
        concat!(
            "SELECT w.address, w.payee, w.state, w.label, w.recipient, w.profile, w.stats,
                w.draining_self OR w.draining_operator, w.ready, w.last_heartbeat_millis,
                w.registered_at,
                COALESCE((SELECT we.ready_millis / 1000 FROM worker_epochs we
                    JOIN epochs e ON e.number = we.epoch
                    WHERE we.worker = w.address AND e.state = 'open'), 0),
                (SELECT COALESCE(SUM(we.jobs), 0) FROM worker_epochs we
                    JOIN epochs e ON e.number = we.epoch
                    WHERE we.worker = w.address AND e.state <> 'void'),
                (SELECT COALESCE(SUM(ea.work + ea.readiness), 0) FROM epoch_agents ea
                    JOIN epochs e ON e.number = ea.epoch
                    WHERE ea.worker = w.address AND e.state <> 'void' AND e.seal_hash IS NOT NULL)
            FROM workers w ",
            $rest
        )
    };
}

fn read(c: &mut Columns<'_, '_>) -> Result<WorkerRecord, LedgerError> {
    Ok(WorkerRecord {
        worker: c.address()?,
        payee: c.address_option()?,
        state: c.word(WorkerState::parse)?,
        label: c.get()?,
        recipient: c.get()?,
        profile: c.json()?,
        stats: c.json()?,
        draining: c.get()?,
        ready: c.get()?,
        last_heartbeat_millis: c.get()?,
        registered_at: c.get()?,
        ready_seconds_open_epoch: c.get()?,
        jobs_completed: c.get()?,
        earned: c.amount()?,
        leases: Vec::new(),
    })
}

/// A worker.
pub(crate) fn get(conn: &Connection, worker: Address) -> Result<Option<WorkerRecord>, LedgerError> {
    let sql = select_worker!("WHERE w.address = ?1");
    let Some(mut record) = one(conn, sql, [worker.as_slice()], read)? else {
        return Ok(None);
    };
    record.leases = open_jobs::leases(conn)?
        .into_iter()
        .filter_map(|(holder, lease)| (holder == worker).then_some(lease))
        .collect();
    Ok(Some(record))
}

/// A worker that is known to exist.
pub(crate) fn must(conn: &Connection, worker: Address) -> Result<WorkerRecord, LedgerError> {
    get(conn, worker)?.ok_or_else(|| damaged(format!("worker {worker} is missing")))
}

/// Every worker, ascending by address.
pub(crate) fn all(conn: &Connection) -> Result<Vec<WorkerRecord>, LedgerError> {
    let mut workers = list(conn, select_worker!("ORDER BY w.address"), (), read)?;
    for (holder, lease) in open_jobs::leases(conn)? {
        if let Ok(index) = workers.binary_search_by_key(&holder, |w| w.worker) {
            workers[index].leases.push(lease);
        }
    }
    Ok(workers)
}
