//! Blobs: begun, whole, destroyed.

use serde::Serialize;
use swarm_types::{B256, JobId};

use super::cut;
use crate::commands::{BlobBegin, BlobComplete, BlobDeleted};
use crate::error::{CommandError, LedgerError};
use crate::journal::kind;
use crate::records::BlobRecord;
use crate::refusals::BlobRefusal;
use crate::sql::blobs;
use crate::sql::values::{damaged, job_id};
use crate::writer::{Command, Tx};

type Refused = CommandError<BlobRefusal>;

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<JobId>,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    sha256: B256,
    size: String,
}

fn refuse<T>(refusal: BlobRefusal) -> Result<T, Refused> {
    Err(CommandError::Refused(refusal))
}

impl Tx<'_> {
    fn blob_event(
        &mut self,
        now: u64,
        kind: &'static str,
        sha256: B256,
        reason: Option<&str>,
    ) -> Result<BlobRecord, LedgerError> {
        let record = blobs::get(self.conn, sha256)?.ok_or_else(|| damaged("a blob vanished"))?;
        let body = Body {
            job: record.job,
            kind: record.kind.as_str(),
            reason,
            sha256,
            size: record.blob.size.to_string(),
        };
        self.journal(now, kind, &body)?;
        Ok(record)
    }
}

impl Command for BlobBegin {
    type Answer = BlobRecord;
    type Refusal = BlobRefusal;
    const ON_BOOKS: bool = true;

    fn run(&self, tx: &mut Tx<'_>) -> Result<BlobRecord, Refused> {
        if self.blob.size > i64::MAX.cast_unsigned() {
            return refuse(BlobRefusal::OutOfRange { field: "size" });
        }
        if let Some(known) = blobs::get(tx.conn, self.blob.sha256)? {
            let checks = [
                ("size", known.blob.size == self.blob.size),
                ("kind", known.kind == self.kind),
                ("job", known.job == self.job),
            ];
            if let Some((field, _)) = checks.into_iter().find(|(_, same)| !same) {
                return refuse(BlobRefusal::Different { field });
            }
            if known.deleted_at.is_none() {
                return Ok(known);
            }
        }
        blobs::begin(tx.conn, self)?;
        Ok(tx.blob_event(self.now, kind::BLOB_BEGUN, self.blob.sha256, None)?)
    }
}

impl Command for BlobComplete {
    type Answer = BlobRecord;
    type Refusal = BlobRefusal;
    const ON_BOOKS: bool = true;

    fn run(&self, tx: &mut Tx<'_>) -> Result<BlobRecord, Refused> {
        let Some(known) = blobs::get(tx.conn, self.sha256)? else {
            return refuse(BlobRefusal::Unknown);
        };
        if known.deleted_at.is_some() {
            return refuse(BlobRefusal::Deleted);
        }
        if known.completed_at.is_some() {
            return Ok(known);
        }
        blobs::complete(tx.conn, &self.sha256, self.now)?;
        Ok(tx.blob_event(self.now, kind::BLOB_COMPLETED, self.sha256, None)?)
    }
}

impl Command for BlobDeleted {
    type Answer = BlobRecord;
    type Refusal = BlobRefusal;
    const ON_BOOKS: bool = true;

    fn run(&self, tx: &mut Tx<'_>) -> Result<BlobRecord, Refused> {
        let Some(known) = blobs::get(tx.conn, self.sha256)? else {
            return refuse(BlobRefusal::Unknown);
        };
        if known.deleted_at.is_some() {
            return Ok(known);
        }
        if let Some(job) = tx.hot.user(tx.conn, &self.sha256)? {
            return refuse(BlobRefusal::InUse(job_id(job)));
        }
        let reason = cut(&self.reason);
        blobs::delete(tx.conn, &self.sha256, reason, self.now)?;
        Ok(tx.blob_event(self.now, kind::BLOB_DELETED, self.sha256, Some(reason))?)
    }
}
