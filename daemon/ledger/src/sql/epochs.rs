//! Epochs, their sums and their vectors.

use rusqlite::{Connection, params};
use swarm_types::bundle::{Agent, Seal, WorkerEpoch};
use swarm_types::eip712::{Entry, EpochSeal};
use swarm_types::{Address, B256, EpochId, MicroUsdc, U256};

use super::outcomes;
use super::values::{Columns, damaged, execute, list, one};
use crate::error::LedgerError;
use crate::limits::EPOCH_MAX;
use crate::records::*;

/// What the writer keeps of the open epoch.
pub(crate) struct OpenEpoch {
    pub number: u64,
    pub not_before: u64,
}

/// The open epoch.
pub(crate) fn the_open_one(conn: &Connection) -> Result<OpenEpoch, LedgerError> {
    let sql = "SELECT number, not_before FROM epochs WHERE state = 'open'";
    one(conn, sql, (), |c| {
        Ok(OpenEpoch {
            number: c.get()?,
            not_before: c.get()?,
        })
    })?
    .ok_or_else(|| damaged("no epoch is open"))
}

/// Opens an epoch with its clearing account; answers the account.
pub(crate) fn open(conn: &Connection, number: u64, now: u64) -> Result<i64, LedgerError> {
    let sql = "INSERT INTO epochs (number, state, opened_at) VALUES (?1, 'open', ?2)";
    execute(conn, sql, params![number, now])?;
    super::accounts::open_clearing(conn, number, now)
}

/// The open epoch holds a job that was completed at `not_before`.
pub(crate) fn set_not_before(
    conn: &Connection,
    number: u64,
    not_before: u64,
) -> Result<(), LedgerError> {
    let sql = "UPDATE epochs SET not_before = ?2 WHERE number = ?1";
    execute(conn, sql, params![number, not_before])?;
    Ok(())
}

/// Fixes an epoch.
pub(crate) fn set_sealing(
    conn: &Connection,
    number: u64,
    sealed_at: u64,
    trigger: Option<SealTrigger>,
) -> Result<(), LedgerError> {
    let sql = "UPDATE epochs SET state = 'sealing', sealed_at = ?2, cause = COALESCE(?3, cause),
            previous = NULL, receipts_root = NULL, receipt_count = NULL, bundle = NULL, charged = NULL,
            charges = NULL, payouts = NULL, seal_hash = NULL, signatures = NULL
        WHERE number = ?1";
    let trigger = trigger.map(SealTrigger::as_str);
    execute(conn, sql, params![number, sealed_at, trigger])?;
    Ok(())
}

/// Sets the state and nothing else.
pub(crate) fn set_state(
    conn: &Connection,
    number: u64,
    state: EpochState,
) -> Result<(), LedgerError> {
    let sql = "UPDATE epochs SET state = ?2 WHERE number = ?1";
    execute(conn, sql, params![number, state.as_str()])?;
    Ok(())
}

/// The escrow settled the epoch.
pub(crate) fn set_included(
    conn: &Connection,
    number: u64,
    tx: &B256,
    block: u64,
    final_at: u64,
) -> Result<(), LedgerError> {
    let sql =
        "UPDATE epochs SET state = 'included', settled_tx = ?2, settled_block = ?3, final_at = ?4
        WHERE number = ?1";
    execute(conn, sql, params![number, tx.as_slice(), block, final_at])?;
    Ok(())
}

/// A reorg took the settlement back.
pub(crate) fn set_unincluded(
    conn: &Connection,
    number: u64,
    state: EpochState,
) -> Result<(), LedgerError> {
    let sql =
        "UPDATE epochs SET state = ?2, settled_tx = NULL, settled_block = NULL, final_at = NULL
        WHERE number = ?1";
    execute(conn, sql, params![number, state.as_str()])?;
    Ok(())
}

/// The epoch is void; its jobs and sums count for `open` from now on. Jobs that could not be collected
/// stay where they are.
pub(crate) fn set_void(
    conn: &Connection,
    number: u64,
    reason: &str,
    open: u64,
) -> Result<(), LedgerError> {
    outcomes::settle_all_in(conn, number, open)?;
    let sql = "INSERT INTO client_epochs (client, epoch, jobs, fees)
        SELECT client, ?2, jobs, fees FROM client_epochs WHERE epoch = ?1
        ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs, fees = fees + excluded.fees";
    execute(conn, sql, params![number, open])?;
    let sql = "INSERT INTO worker_epochs (worker, epoch, jobs, fees, ready_millis)
        SELECT worker, ?2, jobs, fees, ready_millis FROM worker_epochs WHERE epoch = ?1
        ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs, fees = fees + excluded.fees,
            ready_millis = ready_millis + excluded.ready_millis";
    execute(conn, sql, params![number, open])?;
    let sql = "UPDATE epochs SET state = 'void', void_reason = ?2 WHERE number = ?1";
    execute(conn, sql, params![number, reason])?;
    Ok(())
}

/// Adds a job to (or with negative numbers takes it from) the sums of an epoch.
pub(crate) fn add_job(
    conn: &Connection,
    epoch: u64,
    account: i64,
    worker: &Address,
    jobs: i64,
    fee: i64,
) -> Result<(), LedgerError> {
    add_client_jobs(conn, epoch, std::iter::once((account, jobs, fee)))?;
    add_worker_jobs(conn, epoch, worker, jobs, fee)
}

/// Adds to what clients' jobs cost in an epoch: account, jobs and fees of each.
pub(crate) fn add_client_jobs(
    conn: &Connection,
    epoch: u64,
    sums: impl Iterator<Item = (i64, i64, i64)>,
) -> Result<(), LedgerError> {
    let mut update = conn.prepare_cached(
        "UPDATE OR FAIL client_epochs SET jobs = jobs + ?3, fees = fees + ?4
        WHERE client = ?1 AND epoch = ?2",
    )?;
    for (account, jobs, fees) in sums {
        let values = params![account, epoch, jobs, fees];
        if update.execute(values)? == 0 {
            let sql =
                "INSERT INTO client_epochs (client, epoch, jobs, fees) VALUES (?1, ?2, ?3, ?4)";
            execute(conn, sql, values)?;
        }
    }
    Ok(())
}

/// Adds to what a worker's jobs cost in an epoch.
pub(crate) fn add_worker_jobs(
    conn: &Connection,
    epoch: u64,
    worker: &Address,
    jobs: i64,
    fee: i64,
) -> Result<(), LedgerError> {
    let sql = "INSERT INTO worker_epochs (worker, epoch, jobs, fees) VALUES (?1, ?2, ?3, ?4)";
    let update = "UPDATE OR FAIL worker_epochs SET jobs = jobs + ?3, fees = fees + ?4
        WHERE worker = ?1 AND epoch = ?2";
    let values = params![worker.as_slice(), epoch, jobs, fee];
    if execute(conn, update, values)? == 0 {
        execute(conn, sql, values)?;
    }
    Ok(())
}

/// Adds ready time of a worker.
pub(crate) fn add_ready(
    conn: &Connection,
    epoch: u64,
    worker: &Address,
    millis: u64,
) -> Result<(), LedgerError> {
    let sql = "INSERT INTO worker_epochs (worker, epoch, ready_millis) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET ready_millis = ready_millis + excluded.ready_millis";
    execute(conn, sql, params![worker.as_slice(), epoch, millis])?;
    Ok(())
}

/// Struct hash of the seal before an epoch's; 0 for the first.
pub(crate) fn previous(conn: &Connection, number: u64) -> Result<B256, LedgerError> {
    let sql = "SELECT seal_hash FROM epochs WHERE number < ?1 AND seal_hash IS NOT NULL
        ORDER BY number DESC LIMIT 1";
    Ok(one(conn, sql, [number], |c| c.digest())?.unwrap_or(B256::ZERO))
}

/// `sealed_at` of the newest epoch before `number` that has one; 0 without.
pub(crate) fn last_sealed_at(conn: &Connection, number: u64) -> Result<u64, LedgerError> {
    let sql = "SELECT COALESCE(MAX(sealed_at), 0) FROM epochs WHERE number < ?1";
    Ok(one(conn, sql, [number], |c| c.get())?.unwrap_or(0))
}

/// The oldest epoch that is on its way to the chain, with its `sealed_at`.
pub(crate) fn in_flight(
    conn: &Connection,
) -> Result<Option<(EpochId, EpochState, u64)>, LedgerError> {
    let sql = "SELECT number, state, sealed_at FROM epochs
        WHERE state NOT IN ('open', 'final', 'void') ORDER BY number LIMIT 1";
    one(conn, sql, (), |c| {
        Ok((EpochId(c.get()?), c.word(EpochState::parse)?, c.get()?))
    })
}

macro_rules! select_epoch {
    ($rest:literal) => {
        concat!(
            "SELECT number, state, opened_at, sealed_at, cause, seal_hash, settled_tx, settled_block,
                final_at, void_reason,
                (SELECT COALESCE(SUM(jobs), 0) FROM client_epochs WHERE epoch = number),
                (SELECT COALESCE(SUM(fees), 0) FROM client_epochs WHERE epoch = number),
                (SELECT COUNT(*) FROM client_epochs WHERE epoch = number AND fees > 0),
                previous, receipts_root, receipt_count, bundle, charged, charges, payouts
            FROM epochs ",
            $rest
        )
    };
}

fn read(c: &mut Columns<'_, '_>) -> Result<EpochRecord, LedgerError> {
    let number = c.get()?;
    let mut epoch = EpochRecord {
        id: EpochId(number),
        state: c.word(EpochState::parse)?,
        opened_at: c.get()?,
        sealed_at: c.get()?,
        trigger: match c.get::<Option<String>>()? {
            Some(word) => {
                Some(SealTrigger::parse(&word).ok_or_else(|| damaged(format!("cause '{word}'")))?)
            }
            None => None,
        },
        seal: None,
        seal_hash: c.digest_option()?,
        settled_tx: c.digest_option()?,
        settled_block: c.get()?,
        final_at: c.get()?,
        void_reason: c.get()?,
        jobs: c.get()?,
        revenue: c.amount()?,
        clients: c.get()?,
    };
    if let Some(previous) = c.digest_option()? {
        let seal = Seal(EpochSeal {
            epoch: number,
            previous,
            receiptsRoot: c.digest()?,
            receiptCount: c.get()?,
            bundle: c.digest()?,
            charged: u128::from(c.get::<u64>()?),
            charges: c.digest()?,
            payouts: c.digest()?,
            sealedAt: epoch
                .sealed_at
                .ok_or_else(|| damaged("a seal without time"))?,
        });
        if epoch.seal_hash != Some(seal.struct_hash()) {
            return Err(damaged(format!(
                "the seal of {} is not the signed one",
                epoch.id
            )));
        }
        epoch.seal = Some(seal);
    }
    Ok(epoch)
}

/// An epoch.
pub(crate) fn get(conn: &Connection, id: EpochId) -> Result<Option<EpochRecord>, LedgerError> {
    if id.0 > EPOCH_MAX {
        return Ok(None);
    }
    one(conn, select_epoch!("WHERE number = ?1"), [id.0], read)
}

/// A page of epochs, newest first.
pub(crate) fn page(
    conn: &Connection,
    before: Option<EpochId>,
    limit: u32,
) -> Result<Vec<EpochRecord>, LedgerError> {
    let before = before.map_or(i64::MAX, |e| i64::try_from(e.0).unwrap_or(i64::MAX));
    let sql = select_epoch!("WHERE number < ?1 ORDER BY number DESC LIMIT ?2");
    list(conn, sql, params![before, limit], read)
}

/// Epochs in one of the states between sealed and included, oldest first.
pub(crate) fn sent(conn: &Connection) -> Result<Vec<EpochRecord>, LedgerError> {
    let sql = select_epoch!("WHERE state IN ('sealed', 'submitted', 'included') ORDER BY number");
    list(conn, sql, (), read)
}

/// Keeps a seal and its vectors.
pub(crate) fn set_sealed(
    conn: &Connection,
    seal: &Seal,
    charged: MicroUsdc,
    charges: &[(Address, MicroUsdc)],
    payouts: &[(Address, MicroUsdc)],
    agents: &[Agent],
    signatures: &str,
) -> Result<(), LedgerError> {
    let number = seal.0.epoch;
    for table in ["epoch_charges", "epoch_payouts", "epoch_agents"] {
        // Left from a seal that grew too old.
        conn.execute(&format!("DELETE FROM {table} WHERE epoch = ?1"), [number])?;
    }
    let sql = "INSERT INTO epoch_charges (epoch, client, amount) VALUES (?1, ?2, ?3)";
    for (client, amount) in charges {
        execute(conn, sql, params![number, client.as_slice(), amount.0])?;
    }
    let sql = "INSERT INTO epoch_payouts (epoch, payee, amount) VALUES (?1, ?2, ?3)";
    for (payee, amount) in payouts {
        execute(conn, sql, params![number, payee.as_slice(), amount.0])?;
    }
    let sql = "INSERT INTO epoch_agents
            (epoch, worker, payee, receipts, fees, ready_seconds, work, readiness)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    for agent in agents {
        let values = params![
            number,
            agent.worker.as_slice(),
            agent.payee.as_slice(),
            agent.receipts,
            agent.fees.0,
            agent.ready_seconds,
            agent.work.0,
            agent.readiness.0
        ];
        execute(conn, sql, values)?;
    }
    let sql =
        "UPDATE epochs SET state = 'sealed', previous = ?2, receipts_root = ?3, receipt_count = ?4,
            bundle = ?5, charged = ?6, charges = ?7, payouts = ?8, seal_hash = ?9, signatures = ?10
        WHERE number = ?1";
    let seal_hash = seal.struct_hash();
    let values = params![
        number,
        seal.0.previous.as_slice(),
        seal.0.receiptsRoot.as_slice(),
        seal.0.receiptCount,
        seal.0.bundle.as_slice(),
        charged.0,
        seal.0.charges.as_slice(),
        seal.0.payouts.as_slice(),
        seal_hash.as_slice(),
        signatures
    ];
    execute(conn, sql, values)?;
    Ok(())
}

/// Σ fees by client, ascending by address, without zeros: the charges as the ledger has them.
pub(crate) fn client_fees(
    conn: &Connection,
    number: u64,
) -> Result<Vec<(Address, MicroUsdc)>, LedgerError> {
    let sql = "SELECT a.owner, ce.fees FROM client_epochs ce JOIN accounts a ON a.id = ce.client
        WHERE ce.epoch = ?1 AND ce.fees > 0 ORDER BY a.owner";
    list(conn, sql, [number], |c| Ok((c.address()?, c.amount()?)))
}

/// Receipts that the epoch will have.
pub(crate) fn receipt_count(conn: &Connection, number: u64) -> Result<u64, LedgerError> {
    let sql = "SELECT COALESCE(SUM(jobs), 0) FROM client_epochs WHERE epoch = ?1";
    Ok(one(conn, sql, [number], |c| c.get())?.unwrap_or(0))
}

/// The charge vector as it was sealed.
pub(crate) fn charges(
    conn: &Connection,
    number: u64,
) -> Result<Vec<(Address, MicroUsdc)>, LedgerError> {
    let sql = "SELECT client, amount FROM epoch_charges WHERE epoch = ?1 ORDER BY client";
    list(conn, sql, [number], |c| Ok((c.address()?, c.amount()?)))
}

/// The payout vector as it was sealed.
pub(crate) fn payout_vector(
    conn: &Connection,
    number: u64,
) -> Result<Vec<(Address, MicroUsdc)>, LedgerError> {
    let sql = "SELECT payee, amount FROM epoch_payouts WHERE epoch = ?1 ORDER BY payee";
    list(conn, sql, [number], |c| Ok((c.address()?, c.amount()?)))
}

/// A vector in the contract's form.
pub(crate) fn entries(amounts: Vec<(Address, MicroUsdc)>) -> Vec<Entry> {
    let entry = |(account, amount): (Address, MicroUsdc)| Entry {
        account,
        amount: U256::from(amount.0).to(),
    };
    amounts.into_iter().map(entry).collect()
}

/// What a sealed epoch pays.
pub(crate) fn payouts(conn: &Connection, id: EpochId) -> Result<Option<EpochPayouts>, LedgerError> {
    let Some(epoch) = get(conn, id)?.filter(|epoch| epoch.seal.is_some()) else {
        return Ok(None);
    };
    let number = epoch.id.0;
    let sql =
        "SELECT worker, payee, receipts, fees, ready_seconds, work, readiness FROM epoch_agents
        WHERE epoch = ?1 ORDER BY worker";
    let agents = list(conn, sql, [number], |c| {
        Ok(Agent {
            worker: c.address()?,
            payee: c.address()?,
            receipts: c.get()?,
            fees: c.amount()?,
            ready_seconds: c.get()?,
            work: c.amount()?,
            readiness: c.amount()?,
        })
    })?;
    Ok(Some(EpochPayouts {
        agents,
        payouts: payout_vector(conn, number)?,
        charges: charges(conn, number)?,
    }))
}

/// A payee's pay in every sealed epoch that is not void, newest first.
pub(crate) fn payee_history(
    conn: &Connection,
    payee: Address,
    limit: u32,
) -> Result<Vec<(EpochId, EpochState, MicroUsdc)>, LedgerError> {
    let sql = "SELECT e.number, e.state, p.amount FROM epoch_payouts p JOIN epochs e ON e.number = p.epoch
        WHERE p.payee = ?1 AND e.state <> 'void' AND e.seal_hash IS NOT NULL
        ORDER BY e.number DESC LIMIT ?2";
    list(conn, sql, params![payee.as_slice(), limit], |c| {
        Ok((EpochId(c.get()?), c.word(EpochState::parse)?, c.amount()?))
    })
}

/// What an epoch that is not open consists of.
pub(crate) fn contents(
    conn: &Connection,
    id: EpochId,
) -> Result<Option<SealContents>, LedgerError> {
    let Some((epoch, sealed_at)) =
        get(conn, id)?.and_then(|epoch| epoch.sealed_at.map(|sealed_at| (epoch, sealed_at)))
    else {
        return Ok(None);
    };
    let number = epoch.id.0;
    let jobs = outcomes::charges(conn, number)?;
    // Summed in milliseconds, floored to seconds once.
    let sql = "SELECT we.worker, w.payee, we.ready_millis / 1000, we.jobs
        FROM worker_epochs we JOIN workers w ON w.address = we.worker
        WHERE we.epoch = ?1 AND (we.jobs > 0 OR we.ready_millis >= 1000) ORDER BY we.worker";
    let workers = list(conn, sql, [number], |c| {
        Ok(WorkerEpoch {
            worker: c.address()?,
            payee: c.address()?,
            ready_seconds: c.get()?,
        })
    })?;
    Ok(Some(SealContents {
        epoch: epoch.id,
        sealed_at,
        previous: previous(conn, number)?,
        jobs,
        workers,
    }))
}
