//! Epochs on their way to the chain.

use rusqlite::{Connection, params};
use swarm_types::bundle::parse_signature_file;

use super::epochs;
use super::values::{bits, damaged, execute, list, one, unbits};
use crate::error::LedgerError;
use crate::records::{OutboxEntry, Submission};

/// Remembers a transaction; answers whether it is new.
pub(crate) fn insert(
    conn: &Connection,
    epoch: u64,
    seal_hash: &[u8],
    submission: &Submission,
    now: u64,
) -> Result<bool, LedgerError> {
    let sql =
        "INSERT INTO submissions (epoch, seal_hash, tx, sender, nonce, gas_limit, max_fee_per_gas,
            max_priority_fee_per_gas, raw, submitted_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (tx) DO NOTHING";
    let values = params![
        epoch,
        seal_hash,
        submission.tx.as_slice(),
        submission.sender.as_slice(),
        bits(submission.nonce),
        bits(submission.gas_limit),
        submission.max_fee_per_gas.to_string(),
        submission.max_priority_fee_per_gas.to_string(),
        submission.raw,
        now
    ];
    Ok(execute(conn, sql, values)? == 1)
}

/// Whether something was sent for the present seal of an epoch.
pub(crate) fn any(conn: &Connection, epoch: u64) -> Result<bool, LedgerError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM submissions s JOIN epochs e ON e.number = s.epoch
        WHERE s.epoch = ?1 AND s.seal_hash = e.seal_hash)";
    Ok(one(conn, sql, [epoch], |c| c.get())?.unwrap_or(false))
}

/// Epochs that are sealed, submitted or included, oldest first.
pub(crate) fn entries(conn: &Connection) -> Result<Vec<OutboxEntry>, LedgerError> {
    let mut outbox = Vec::new();
    for epoch in epochs::sent(conn)? {
        let number = epoch.id.0;
        let sql = "SELECT signatures FROM epochs WHERE number = ?1";
        let text: Option<String> = one(conn, sql, [number], |c| c.get())?.flatten();
        let signatures = parse_signature_file(&text.unwrap_or_default())
            .ok_or_else(|| damaged(format!("signatures of {}", epoch.id)))?;
        let sql = "SELECT s.tx, s.sender, s.nonce, s.gas_limit, s.max_fee_per_gas,
                s.max_priority_fee_per_gas, s.raw, s.submitted_at
            FROM submissions s JOIN epochs e ON e.number = s.epoch
            WHERE s.epoch = ?1 AND s.seal_hash = e.seal_hash ORDER BY s.id";
        let submissions = list(conn, sql, [number], |c| {
            Ok(Submission {
                tx: c.digest()?,
                sender: c.address()?,
                nonce: unbits(c.get()?),
                gas_limit: unbits(c.get()?),
                max_fee_per_gas: c.word(|text| text.parse().ok())?,
                max_priority_fee_per_gas: c.word(|text| text.parse().ok())?,
                raw: c.get()?,
                submitted_at: c.get()?,
            })
        })?;
        outbox.push(OutboxEntry {
            seal: epoch
                .seal
                .clone()
                .ok_or_else(|| damaged(format!("{} has no seal", epoch.id)))?,
            charges: epochs::entries(epochs::charges(conn, number)?),
            payouts: epochs::entries(epochs::payout_vector(conn, number)?),
            signatures,
            submissions,
            epoch,
        });
    }
    Ok(outbox)
}
