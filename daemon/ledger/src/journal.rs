//! The journal: what happened, chained by hashes. It is the feed of events too.

use std::ops::Range;

use rusqlite::Connection;
use serde::Serialize;
use swarm_types::{B256, sha256_parts};

use crate::error::LedgerError;
use crate::sql;
use crate::writer::Tx;

/// Kinds of entries.
#[allow(missing_docs)] // Each says what it is.
pub mod kind {
    pub const JOB_SUBMITTED: &str = "job.submitted";
    pub const JOB_CLAIMED: &str = "job.claimed";
    pub const JOB_PROGRESS: &str = "job.progress";
    pub const JOB_COMPLETED: &str = "job.completed";
    /// An attempt failed and the job is pending again.
    pub const JOB_RETRIED: &str = "job.retried";
    pub const JOB_DEAD: &str = "job.dead";
    pub const JOB_CANCELLED: &str = "job.cancelled";
    pub const JOB_EXPIRED: &str = "job.expired";
    pub const JOB_UNCOLLECTABLE: &str = "job.uncollectable";
    pub const JOB_DEFERRED: &str = "job.deferred";
    pub const LEASES_RENEWED: &str = "leases.renewed";
    pub const CHAIN_APPLIED: &str = "chain.applied";
    pub const CHAIN_UNDONE: &str = "chain.undone";
    pub const DEPOSIT_CREDITED: &str = "deposit.credited";
    pub const WORKER_REGISTERED: &str = "worker.registered";
    pub const WORKER_APPROVED: &str = "worker.approved";
    pub const WORKER_REVOKED: &str = "worker.revoked";
    pub const WORKER_DRAINING: &str = "worker.draining";
    pub const WORKER_HEARTBEAT: &str = "worker.heartbeat";
    pub const JOIN_CODE_ADDED: &str = "join_code.added";
    pub const EPOCH_SEALING: &str = "epoch.sealing";
    pub const EPOCH_SEALED: &str = "epoch.sealed";
    pub const EPOCH_SUBMITTED: &str = "epoch.submitted";
    pub const EPOCH_INCLUDED: &str = "epoch.included";
    /// A reorg took the settlement back.
    pub const EPOCH_UNINCLUDED: &str = "epoch.unincluded";
    pub const EPOCH_FINAL: &str = "epoch.final";
    pub const EPOCH_VOID: &str = "epoch.void";
    pub const BLOB_BEGUN: &str = "blob.begun";
    pub const BLOB_COMPLETED: &str = "blob.completed";
    pub const BLOB_DELETED: &str = "blob.deleted";
    pub const WEBHOOK_ADDED: &str = "webhook.added";
    pub const WEBHOOK_REMOVED: &str = "webhook.removed";
    pub const NAME_BOUND: &str = "name.bound";
}

/// The hash of an entry, given that of the one before (zero for the first).
pub fn entry_hash(previous: &B256, seq: u64, time: u64, kind: &str, body: &str) -> B256 {
    sha256_parts(&[
        previous.as_slice(),
        &seq.to_be_bytes(),
        &time.to_be_bytes(),
        kind.as_bytes(),
        &[0],
        body.as_bytes(),
    ])
}

/// Entries that are written before their transaction ends, and the end of the journal with them.
#[derive(Debug)]
pub(crate) struct Journal {
    pub head: Head,
    unwritten: Vec<Entry>,
    /// The bodies of the unwritten entries, one after the other.
    bodies: Vec<u8>,
}

/// An entry that is not written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub seq: u64,
    pub time: u64,
    pub kind: &'static str,
    /// Where its body is among the bodies.
    pub body: Range<usize>,
    pub hash: B256,
}

impl Journal {
    /// All that there is, is written.
    pub fn new(head: Head) -> Self {
        Self {
            head,
            unwritten: Vec::new(),
            bodies: Vec::new(),
        }
    }

    /// Writes what is not written.
    pub fn write(&mut self, conn: &Connection) -> Result<(), LedgerError> {
        let bodies = std::str::from_utf8(&self.bodies).map_err(|e| not_json(&e))?;
        sql::journal::insert(conn, &self.unwritten, bodies)?;
        self.unwritten.clear();
        self.bodies.clear();
        Ok(())
    }
}

/// The end of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub seq: u64,
    pub hash: B256,
}

impl Tx<'_> {
    /// The number that the next entry will have.
    pub(crate) fn next_seq(&self) -> u64 {
        self.hot.journal.head.seq + 1
    }

    /// Appends an entry; `body` declares its fields in ascending order, so that it is canonical JSON.
    pub(crate) fn journal(
        &mut self,
        now: u64,
        kind: &'static str,
        body: &impl Serialize,
    ) -> Result<u64, LedgerError> {
        let journal = &mut self.hot.journal;
        let start = journal.bodies.len();
        serde_json::to_writer(&mut journal.bodies, body).map_err(|e| not_json(&e))?;
        let text = std::str::from_utf8(&journal.bodies[start..]).map_err(|e| not_json(&e))?;
        debug_assert!(is_canonical(text), "not canonical: {text}");
        let seq = journal.head.seq + 1;
        let hash = entry_hash(&journal.head.hash, seq, now, kind, text);
        journal.unwritten.push(Entry {
            seq,
            time: now,
            kind,
            body: start..journal.bodies.len(),
            hash,
        });
        journal.head = Head { seq, hash };
        Ok(seq)
    }
}

fn not_json(error: &dyn std::error::Error) -> LedgerError {
    sql::values::damaged(format!("a journal body: {error}"))
}

fn is_canonical(body: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(body)
        .is_ok_and(|value| swarm_types::canonical::to_vec(&value) == body.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_bound_to_everything_in_it() {
        let base = entry_hash(&B256::ZERO, 1, 2, "job.dead", "{}");
        for other in [
            entry_hash(&B256::repeat_byte(1), 1, 2, "job.dead", "{}"),
            entry_hash(&B256::ZERO, 2, 2, "job.dead", "{}"),
            entry_hash(&B256::ZERO, 1, 3, "job.dead", "{}"),
            entry_hash(&B256::ZERO, 1, 2, "job.dea", "d{}"),
            entry_hash(&B256::ZERO, 1, 2, "job.dead", "[]"),
        ] {
            assert_ne!(base, other);
        }
    }
}
