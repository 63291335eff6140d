//! Webhooks and what is to be pushed to them.

use rusqlite::{Connection, params};
use swarm_types::Address;

use super::values::{damaged, execute, list, one};
use crate::commands::{AddWebhook, RecordDelivery};
use crate::error::LedgerError;
use crate::hot::Hook;
use crate::records::{Delivery, Event, Webhook};

/// Every webhook, for the writer's memory.
pub(crate) fn all(conn: &Connection) -> Result<Vec<(Address, Hook)>, LedgerError> {
    let sql = "SELECT client, id, url, events FROM webhooks ORDER BY id";
    list(conn, sql, (), |c| {
        let client = c.address()?;
        let hook = Hook {
            id: c.get()?,
            url: c.get()?,
            events: c.json()?,
        };
        Ok((client, hook))
    })
}

/// A client's webhooks.
pub(crate) fn of(conn: &Connection, client: Address) -> Result<Vec<Webhook>, LedgerError> {
    let sql = "SELECT id, url, events, created_at FROM webhooks WHERE client = ?1 ORDER BY id";
    list(conn, sql, [client.as_slice()], |c| {
        Ok(Webhook {
            client,
            id: c.get()?,
            url: c.get()?,
            events: c.json()?,
            created_at: c.get()?,
        })
    })
}

/// Adds a webhook or changes what it wants; answers its number.
pub(crate) fn add(conn: &Connection, add: &AddWebhook) -> Result<u64, LedgerError> {
    let events = serde_json::to_string(&add.events).map_err(|e| damaged(e.to_string()))?;
    let sql = "INSERT INTO webhooks (client, url, events, created_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (client, url) DO UPDATE SET events = excluded.events";
    execute(
        conn,
        sql,
        params![add.client.as_slice(), add.url, events, add.now],
    )?;
    let sql = "SELECT id FROM webhooks WHERE client = ?1 AND url = ?2";
    one(conn, sql, params![add.client.as_slice(), add.url], |c| {
        c.get()
    })?
    .ok_or_else(|| damaged("a webhook vanished"))
}

/// Removes a webhook.
pub(crate) fn remove(conn: &Connection, id: u64) -> Result<(), LedgerError> {
    execute(conn, "DELETE FROM webhooks WHERE id = ?1", [id])?;
    Ok(())
}

/// The webhook that a client named for one job.
pub(crate) fn of_job(conn: &Connection, job: i64) -> Result<Option<String>, LedgerError> {
    let sql = "SELECT webhook FROM jobs WHERE id = ?1";
    Ok(one(conn, sql, [job], |c| c.get())?.flatten())
}

/// Queues a push.
pub(crate) fn deliver(
    conn: &Connection,
    url: &str,
    event: u64,
    now: u64,
) -> Result<(), LedgerError> {
    let sql = "INSERT INTO deliveries (url, event, due_at) VALUES (?1, ?2, ?3)";
    execute(conn, sql, params![url, event, now])?;
    Ok(())
}

/// Pushes that are due, oldest first.
pub(crate) fn due(conn: &Connection, now: u64, limit: u32) -> Result<Vec<Delivery>, LedgerError> {
    let sql = "SELECT d.id, d.url, d.attempts, j.seq, j.time, j.kind, j.body, j.hash
        FROM deliveries d JOIN journal j ON j.seq = d.event
        WHERE d.due_at <= ?1 ORDER BY d.due_at, d.id LIMIT ?2";
    list(conn, sql, params![now, limit], |c| {
        Ok(Delivery {
            id: c.get()?,
            url: c.get()?,
            attempts: c.get()?,
            event: Event {
                seq: c.get()?,
                time: c.get()?,
                kind: c.get()?,
                body: c.get()?,
                hash: c.digest()?,
            },
        })
    })
}

/// Whether a push is known.
pub(crate) fn delivery_known(conn: &Connection, id: u64) -> Result<bool, LedgerError> {
    let id = i64::try_from(id).unwrap_or(-1);
    Ok(
        one(conn, "SELECT 1 FROM deliveries WHERE id = ?1", [id], |c| {
            c.get::<i64>()
        })?
        .is_some(),
    )
}

/// Notes how a push went.
pub(crate) fn record(conn: &Connection, record: &RecordDelivery) -> Result<(), LedgerError> {
    let sql =
        "UPDATE deliveries SET due_at = ?2, error = ?3, attempts = attempts + (?3 IS NOT NULL)
        WHERE id = ?1";
    execute(conn, sql, params![record.id, record.retry_at, record.error])?;
    Ok(())
}

/// Forgets pushes that are done.
pub(crate) fn forget_done(conn: &Connection, limit: u32) -> Result<usize, LedgerError> {
    let sql = "DELETE FROM deliveries WHERE id IN
        (SELECT id FROM deliveries WHERE due_at IS NULL ORDER BY id LIMIT ?1)";
    execute(conn, sql, [limit])
}
