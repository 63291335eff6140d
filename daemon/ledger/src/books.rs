//! What the writer keeps in memory of money and of what was ordered, so that the commands of a job's way
//! ask the tables little and write a sum once for each transaction.
//!
//! The tables are the truth: what is pending here is written before the transaction ends, and before any
//! command that works on money otherwise ([`Command::ON_BOOKS`](crate::writer::Command::ON_BOOKS)), after
//! which nothing of this is kept. A rollback drops it all.

use std::collections::HashMap;

use rusqlite::Connection;
use swarm_types::{Address, MicroUsdc};

use crate::error::LedgerError;
use crate::limits::{BOOK_CLIENTS_MAX, BOOK_RECORDS_MAX};
use crate::records::{JobRecord, WorkerState};
use crate::sql::accounts::{self, Spender};
use crate::sql::values::bits;
use crate::sql::{epochs, transfers, workers};

/// Sums that are not written yet.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    balance: i64,
    reserved: i64,
    /// Jobs and fees in the open epoch.
    jobs: i64,
    fees: i64,
}

/// Whether a worker may take jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MayWork {
    pub state: WorkerState,
    pub draining: bool,
}

/// What is kept.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Clients as the tables say, and what is pending.
    clients: HashMap<Address, Spender>,
    /// By account.
    changes: HashMap<i64, Change>,
    /// Jobs and fees of the open epoch, by worker.
    worked: HashMap<Address, (i64, i64)>,
    standings: HashMap<Address, MayWork>,
    /// Jobs as they were submitted, until they are claimed. Not all of them.
    records: HashMap<i64, JobRecord>,
    next_transfer: Option<i64>,
}

impl Books {
    /// A client's money, with what is charged in `epoch`, the open one.
    pub fn client(
        &mut self,
        conn: &Connection,
        client: &Address,
        epoch: u64,
    ) -> Result<Option<Spender>, LedgerError> {
        if let Some(known) = self.clients.get(client) {
            return Ok(Some(*known));
        }
        let Some(mut spender) = accounts::spender(conn, client, epoch)? else {
            return Ok(None);
        };
        if let Some(change) = self.changes.get(&spender.account) {
            spender.apply(change.balance, change.reserved, change.fees);
        }
        self.clients.insert(*client, spender);
        Ok(Some(spender))
    }

    /// The number of the next transfer or reservation.
    pub fn next_transfer(&mut self, conn: &Connection) -> Result<i64, LedgerError> {
        match self.next_transfer {
            Some(next) => Ok(next),
            None => Ok(*self.next_transfer.insert(transfers::next(conn)?)),
        }
    }

    /// A client's fee was set aside, which is the next transfer.
    pub fn reserved(&mut self, client: &Address, account: i64, fee: MicroUsdc) {
        self.next_transfer = self.next_transfer.map(|next| next + 1);
        self.changes.entry(account).or_default().reserved += bits(fee.0);
        if let Some(spender) = self.clients.get_mut(client) {
            spender.apply(0, bits(fee.0), 0);
        }
    }

    /// A client's fee is free again.
    pub fn freed(&mut self, client: &Address, account: i64, fee: MicroUsdc) {
        self.changes.entry(account).or_default().reserved -= bits(fee.0);
        if let Some(spender) = self.clients.get_mut(client) {
            spender.apply(0, -bits(fee.0), 0);
        }
    }

    /// A client's fee was posted to the account `clearing` of the open epoch, for a job of `worker`.
    pub fn posted(
        &mut self,
        client: &Address,
        account: i64,
        clearing: i64,
        worker: &Address,
        fee: MicroUsdc,
    ) {
        let fee = bits(fee.0);
        let change = self.changes.entry(account).or_default();
        change.balance -= fee;
        change.reserved -= fee;
        change.jobs += 1;
        change.fees += fee;
        if let Some(spender) = self.clients.get_mut(client) {
            spender.apply(-fee, -fee, fee);
        }
        self.changes.entry(clearing).or_default().balance += fee;
        let (jobs, fees) = self.worked.entry(*worker).or_default();
        *jobs += 1;
        *fees += fee;
    }

    /// Whether a worker may take jobs; `None` when it is not known.
    pub fn may_work(
        &mut self,
        conn: &Connection,
        worker: &Address,
    ) -> Result<Option<MayWork>, LedgerError> {
        if let Some(known) = self.standings.get(worker) {
            return Ok(Some(*known));
        }
        let Some(standing) = workers::standing(conn, worker)? else {
            return Ok(None);
        };
        let may = MayWork {
            state: standing.state,
            draining: standing.draining,
        };
        self.standings.insert(*worker, may);
        Ok(Some(may))
    }

    /// A worker's standing may have changed.
    pub fn forget_standing(&mut self, worker: &Address) {
        self.standings.remove(worker);
    }

    /// Keeps a job as it was submitted, while there is room.
    pub fn keep(&mut self, key: i64, record: &JobRecord) {
        if self.records.len() < BOOK_RECORDS_MAX {
            self.records.insert(key, record.clone());
        }
    }

    /// Takes out a job as it was submitted; `None` says nothing.
    pub fn take_record(&mut self, key: i64) -> Option<JobRecord> {
        self.records.remove(&key)
    }

    /// A job has ended.
    pub fn forget_record(&mut self, key: i64) {
        self.records.remove(&key);
    }

    /// Writes what is pending for the open epoch, `epoch`.
    pub fn write(&mut self, conn: &Connection, epoch: u64) -> Result<(), LedgerError> {
        if !self.changes.is_empty() {
            // In the order of the tables.
            let mut changes: Vec<(i64, Change)> = self.changes.drain().collect();
            changes.sort_unstable_by_key(|(account, _)| *account);
            let balances = changes
                .iter()
                .map(|(account, change)| (*account, change.balance, change.reserved));
            accounts::change_all(conn, balances)?;
            let sums = changes.iter().filter(|(_, change)| change.jobs != 0);
            let sums = sums.map(|(account, change)| (*account, change.jobs, change.fees));
            epochs::add_client_jobs(conn, epoch, sums)?;
        }
        for (worker, (jobs, fees)) in self.worked.drain() {
            epochs::add_worker_jobs(conn, epoch, &worker, jobs, fees)?;
        }
        if self.clients.len() > BOOK_CLIENTS_MAX {
            self.clients.clear();
        }
        Ok(())
    }

    /// Keeps nothing that another command may change; what was pending is written.
    pub fn close(&mut self) {
        self.clients.clear();
        self.standings.clear();
        self.next_transfer = None;
    }
}
