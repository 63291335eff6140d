//! Names bound to addresses, and nonces of signed requests.

use rusqlite::{Connection, params};
use swarm_types::Address;

use super::values::{bits, execute, one};
use crate::commands::{BindName, UseRequestNonce};
use crate::error::LedgerError;
use crate::records::NameBinding;

/// Keeps or forgets a name.
pub(crate) fn bind(conn: &Connection, bind: &BindName) -> Result<(), LedgerError> {
    let Some(name) = &bind.name else {
        execute(
            conn,
            "DELETE FROM names WHERE address = ?1",
            [bind.address.as_slice()],
        )?;
        return Ok(());
    };
    let sql =
        "INSERT INTO names (address, name, chain_id, block, seen_at) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET name = excluded.name, chain_id = excluded.chain_id,
            block = excluded.block, seen_at = excluded.seen_at";
    let values = params![
        bind.address.as_slice(),
        name,
        bind.chain_id,
        bind.block,
        bind.now
    ];
    execute(conn, sql, values)?;
    Ok(())
}

/// The name of an address.
pub(crate) fn get(conn: &Connection, address: Address) -> Result<Option<NameBinding>, LedgerError> {
    let sql = "SELECT name, chain_id, block, seen_at FROM names WHERE address = ?1";
    one(conn, sql, [address.as_slice()], |c| {
        Ok(NameBinding {
            address,
            name: c.get()?,
            chain_id: c.get()?,
            block: c.get()?,
            seen_at: c.get()?,
        })
    })
}

/// Uses a nonce up; `false`, and nothing is written, when it was used and its request's timestamp would
/// still pass.
pub(crate) fn use_nonce(conn: &Connection, nonce: &UseRequestNonce) -> Result<bool, LedgerError> {
    let sql = "INSERT INTO request_nonces (address, nonce, expires_at) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at WHERE expires_at <= ?4";
    let values = params![
        nonce.address.as_slice(),
        bits(nonce.nonce),
        nonce.expires_at,
        nonce.now
    ];
    Ok(execute(conn, sql, values)? == 1)
}

/// Forgets nonces whose requests' timestamps no longer pass.
pub(crate) fn forget_nonces(conn: &Connection, now: u64, limit: u32) -> Result<usize, LedgerError> {
    let sql = "DELETE FROM request_nonces WHERE (address, nonce) IN
        (SELECT address, nonce FROM request_nonces WHERE expires_at <= ?1 LIMIT ?2)";
    execute(conn, sql, params![now, limit])
}
