//! Accounts and the clients that own most of them.

use rusqlite::{Connection, params};
use swarm_types::{Address, MicroUsdc};

use super::values::{damaged, execute, list, one};
use crate::error::LedgerError;
use crate::records::ClientAccount;
use crate::state::cap;
use crate::state::mirror::Mirror;

/// The account of the outside world.
pub(crate) fn escrow(conn: &Connection) -> Result<i64, LedgerError> {
    let sql = "SELECT id FROM accounts WHERE kind = 'escrow'";
    one(conn, sql, (), |c| c.get())?.ok_or_else(|| damaged("no escrow account"))
}

/// The clearing account of an epoch.
pub(crate) fn clearing(conn: &Connection, epoch: u64) -> Result<i64, LedgerError> {
    find(conn, "clearing", &epoch.to_be_bytes())?
        .ok_or_else(|| damaged(format!("epoch {epoch} has no clearing account")))
}

/// Opens the clearing account of an epoch.
pub(crate) fn open_clearing(conn: &Connection, epoch: u64, now: u64) -> Result<i64, LedgerError> {
    create(conn, "clearing", &epoch.to_be_bytes(), now)
}

/// A payee's account, opened if need be.
pub(crate) fn payee(conn: &Connection, payee: &Address, now: u64) -> Result<i64, LedgerError> {
    match find(conn, "payee", payee.as_slice())? {
        Some(id) => Ok(id),
        None => create(conn, "payee", payee.as_slice(), now),
    }
}

/// A client's account, opened if need be.
pub(crate) fn open_client(
    conn: &Connection,
    client: &Address,
    now: u64,
) -> Result<i64, LedgerError> {
    if let Some(id) = find(conn, "client", client.as_slice())? {
        return Ok(id);
    }
    let id = create(conn, "client", client.as_slice(), now)?;
    let sql = "INSERT INTO clients (account, address) VALUES (?1, ?2)";
    execute(conn, sql, params![id, client.as_slice()])?;
    Ok(id)
}

fn find(conn: &Connection, kind: &str, owner: &[u8]) -> Result<Option<i64>, LedgerError> {
    let sql = "SELECT id FROM accounts WHERE kind = ?1 AND owner = ?2";
    one(conn, sql, params![kind, owner], |c| c.get())
}

fn create(conn: &Connection, kind: &str, owner: &[u8], now: u64) -> Result<i64, LedgerError> {
    let sql = "INSERT INTO accounts (kind, owner, created_at) VALUES (?1, ?2, ?3)";
    execute(conn, sql, params![kind, owner, now])?;
    Ok(conn.last_insert_rowid())
}

/// Adds to the balance of an account.
pub(crate) fn change(conn: &Connection, account: i64, balance: i64) -> Result<(), LedgerError> {
    change_all(conn, std::iter::once((account, balance, 0)))
}

/// Adds to the balances of accounts, and to what is reserved of them: account, balance, reserved.
pub(crate) fn change_all(
    conn: &Connection,
    changes: impl Iterator<Item = (i64, i64, i64)>,
) -> Result<(), LedgerError> {
    let sql = "UPDATE OR FAIL accounts SET balance = balance + ?2, reserved = reserved + ?3 WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    for (account, balance, reserved) in changes {
        if statement.execute([account, balance, reserved])? != 1 {
            return Err(damaged(format!("account {account} is missing")));
        }
    }
    Ok(())
}

/// An account's balance.
pub(crate) fn balance(conn: &Connection, account: i64) -> Result<i64, LedgerError> {
    let sql = "SELECT balance FROM accounts WHERE id = ?1";
    one(conn, sql, [account], |c| c.get())?
        .ok_or_else(|| damaged(format!("account {account} is missing")))
}

/// Cap per epoch of a client that set none.
pub(crate) fn default_cap(conn: &Connection) -> Result<u64, LedgerError> {
    let sql = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'default_cap'";
    one(conn, sql, (), |c| c.get())?.ok_or_else(|| damaged("no default cap"))
}

/// What a submission needs to know of its client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spender {
    pub account: i64,
    pub balance: i64,
    pub reserved: u64,
    pub mirror: Mirror,
    /// Charged in the asked-for epoch.
    pub charged: u64,
}

/// A client's account, with its charges in `epoch`.
pub(crate) fn spender(
    conn: &Connection,
    client: &Address,
    epoch: u64,
) -> Result<Option<Spender>, LedgerError> {
    let sql = "SELECT a.id, a.balance, a.reserved, c.mirror_balance, c.withdrawing, c.matures_at,
            c.cap, c.cap_effective_at, c.cap_before,
            (SELECT fees FROM client_epochs WHERE client = a.id AND epoch = ?2)
        FROM clients c JOIN accounts a ON a.id = c.account WHERE c.address = ?1";
    one(conn, sql, params![client.as_slice(), epoch], |c| {
        Ok(Spender {
            account: c.get()?,
            balance: c.get()?,
            reserved: c.get()?,
            mirror: Mirror::read(c)?,
            charged: c.get::<Option<u64>>()?.unwrap_or(0),
        })
    })
}

/// What the chain says of a client.
pub(crate) fn mirror(conn: &Connection, account: i64) -> Result<Mirror, LedgerError> {
    let sql = "SELECT mirror_balance, withdrawing, matures_at, cap, cap_effective_at, cap_before
        FROM clients WHERE account = ?1";
    one(conn, sql, [account], Mirror::read)?
        .ok_or_else(|| damaged(format!("client {account} is missing")))
}

/// Keeps what the chain says of a client.
pub(crate) fn set_mirror(
    conn: &Connection,
    account: i64,
    mirror: &Mirror,
) -> Result<(), LedgerError> {
    let sql = "UPDATE clients SET mirror_balance = ?2, withdrawing = ?3, matures_at = ?4, cap = ?5,
            cap_effective_at = ?6, cap_before = ?7
        WHERE account = ?1";
    let Mirror {
        balance,
        withdrawing,
        matures_at,
        cap,
        cap_effective_at,
        cap_before,
    } = mirror;
    let values = params![
        account,
        balance,
        withdrawing,
        matures_at,
        cap,
        cap_effective_at,
        cap_before
    ];
    execute(conn, sql, values)?;
    Ok(())
}

/// A client's account as the queen sees it.
pub(crate) fn client(
    conn: &Connection,
    client: Address,
    now: u64,
) -> Result<Option<ClientAccount>, LedgerError> {
    let open = super::epochs::the_open_one(conn)?.number;
    let Some(spender) = spender(conn, &client, open)? else {
        return Ok(None);
    };
    let default = default_cap(conn)?;
    let sql = "SELECT a.created_at,
            (SELECT COUNT(*) FROM jobs WHERE client = a.id),
            (SELECT COALESCE(SUM(ce.fees), 0) FROM client_epochs ce
                JOIN epochs e ON e.number = ce.epoch WHERE ce.client = a.id AND e.state <> 'void'),
            (SELECT COALESCE(SUM(CAST(json_extract(body, '$.amount') AS INTEGER)), 0)
                FROM chain_events WHERE account = ?2 AND applied = 0 AND kind = 'deposited')
        FROM accounts a WHERE a.id = ?1";
    one(
        conn,
        sql,
        params![spender.account, client.as_slice()],
        |c| {
            Ok(ClientAccount {
                client,
                created_at: c.get()?,
                jobs: c.get()?,
                spent: c.amount()?,
                unconfirmed: c.amount()?,
                balance: spender.balance,
                reserved: MicroUsdc(spender.reserved),
                withdrawing: MicroUsdc(spender.mirror.withdrawing),
                withdrawing_matures_at: spender.mirror.matures_at,
                available: MicroUsdc(spender.available().max(0).cast_unsigned()),
                cap: MicroUsdc(cap::for_orders(&spender.mirror, default, now)),
                charged_open_epoch: MicroUsdc(spender.charged),
            })
        },
    )
}

impl Spender {
    /// Adds to balance, to what is reserved and to what is charged.
    pub fn apply(&mut self, balance: i64, reserved: i64, charged: i64) {
        self.balance += balance;
        self.reserved = self.reserved.wrapping_add_signed(reserved);
        self.charged = self.charged.wrapping_add_signed(charged);
    }

    /// Balance less reservations and requested withdrawals; negative when money is missing.
    pub fn available(&self) -> i64 {
        self.balance - self.reserved.cast_signed() - self.mirror.withdrawing.cast_signed()
    }
}

/// Clients whose available balance is negative, with what is missing.
pub(crate) fn overdrawn(conn: &Connection) -> Result<Vec<(Address, MicroUsdc)>, LedgerError> {
    let sql = "SELECT c.address, a.reserved + c.withdrawing - a.balance
        FROM clients c JOIN accounts a ON a.id = c.account
        WHERE a.balance - a.reserved - c.withdrawing < 0 ORDER BY c.address";
    list(conn, sql, (), |c| Ok((c.address()?, c.amount()?)))
}
