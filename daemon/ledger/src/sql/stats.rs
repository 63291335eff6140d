//! Counters.

use rusqlite::Connection;
use swarm_types::MicroUsdc;

use super::values::{list, one};
use crate::error::LedgerError;
use crate::records::{JobState, Stats, WorkerState};

/// Payees of an epoch beside the workers': the protocol's and the operator's.
const FEE_PAYEES: u64 = 2;

/// All counters.
pub(crate) fn get(conn: &Connection) -> Result<Stats, LedgerError> {
    let count = |sql: &str| -> Result<u64, LedgerError> {
        Ok(one(conn, sql, (), |c| c.get())?.unwrap_or(0))
    };
    let open = super::epochs::the_open_one(conn)?.number;
    // Completed jobs are counted by the sums of the epochs, the open ones in their table; a walk over
    // all jobs would take longer with every job ever done.
    let completed = count(
        "SELECT COALESCE(SUM(ce.jobs), 0) FROM client_epochs ce JOIN epochs e ON e.number = ce.epoch
        WHERE e.state <> 'void'",
    )?;
    let mut jobs = list(
        conn,
        "SELECT state, COUNT(*) FROM open_jobs GROUP BY state ORDER BY state",
        (),
        |c| Ok((c.word(JobState::parse)?, c.get()?)),
    )?;
    jobs.push((JobState::Completed, completed));
    let (revenue, clients_charged) = one(
        conn,
        "SELECT COALESCE(SUM(fees), 0), COUNT(*) FROM client_epochs WHERE epoch = ?1 AND fees > 0",
        [open],
        |c| Ok((c.amount()?, c.get::<u64>()?)),
    )?
    .unwrap_or_default();
    let payees = one(
        conn,
        "SELECT COUNT(DISTINCT w.payee) FROM worker_epochs we JOIN workers w ON w.address = we.worker
        WHERE we.epoch = ?1",
        [open],
        |c| c.get::<u64>(),
    )?
    .unwrap_or(0);
    let leaving_at = one(
        conn,
        "SELECT MIN(c.matures_at) FROM client_epochs ce JOIN clients c ON c.account = ce.client
        WHERE ce.epoch = ?1 AND ce.fees > 0 AND c.withdrawing > 0",
        [open],
        |c| c.get::<Option<u64>>(),
    )?
    .flatten();
    Ok(Stats {
        jobs,
        open_epoch: open,
        open_epoch_revenue: revenue,
        open_epoch_entries: if revenue == MicroUsdc::ZERO {
            0
        } else {
            clients_charged + payees + FEE_PAYEES
        },
        open_epoch_leaving_at: leaving_at,
        clients: count("SELECT COUNT(*) FROM clients")?,
        workers: list(
            conn,
            "SELECT state, COUNT(*) FROM workers GROUP BY state ORDER BY state",
            (),
            |c| Ok((c.word(WorkerState::parse)?, c.get()?)),
        )?,
        client_balances: count(
            "SELECT COALESCE(SUM(balance), 0) FROM accounts WHERE kind = 'client' AND balance > 0",
        )?,
        journal: super::journal::head(conn)?.seq,
        epochs_in_flight: count(
            "SELECT COUNT(*) FROM epochs WHERE state NOT IN ('open', 'final', 'void')",
        )?,
    })
}
